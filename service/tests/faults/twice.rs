//! Two programs on one data folder.

use crate::program::{Folder, Start, command, log, make_account, start, try_start};

#[test]
fn a_folder_is_served_once_and_console_and_backup_go_on_beside() {
    let folder = Folder::new();
    let data = folder.data();
    let first = start(&data, &[]);
    let Start::Ended(status) = try_start(&data, &[], None) else { panic!("two serve one folder") };
    assert!(!status.success());
    let said = log(&data);
    assert!(said.contains("serves from") && said.contains(data.to_str().unwrap()) && said.contains("--data"), "{said}");

    make_account(&data);
    command(&data, &["backup", folder.path("backup.tar").to_str().unwrap()], "");
    first.stop();
    // However the one before ended, the folder is free.
    start(&data, &[]).kill();
    start(&data, &[]).stop();
}
