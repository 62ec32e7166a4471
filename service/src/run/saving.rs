//! The command that writes a backup.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::process::{Pid, test_kill_process};

use crate::backup::{self, Source};
use crate::db;

/// What a backup holds beside the database.
const IN_BACKUP: &[&str] = &["keys", "tls", "logs", "artifacts", "metrics"];

/// The empty file that the database is copied to, locked.
fn claim(copy: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(copy)?;
    file.try_lock()?;
    Ok(file)
}

/// The process whose copy of the database has that name, or its journal.
fn whose(name: &str) -> Option<i32> {
    let number = name.strip_suffix("-journal").unwrap_or(name).strip_prefix("backup-")?.strip_suffix(".db")?;
    number.parse::<u32>().ok()?.try_into().ok()
}

/// Removes the copies that backups left which were killed. What cannot be looked at or removed is left alone.
fn remove_leftovers(data: &Path) {
    for entry in std::fs::read_dir(data).into_iter().flatten().flatten() {
        let Some(process) = entry.file_name().to_str().and_then(whose) else { continue };
        // Ours has none yet: one of this number was another's before us.
        let ours = u32::try_from(process).is_ok_and(|process| process == std::process::id());
        let gone = || Pid::from_raw(process).is_none_or(|pid| test_kill_process(pid) == Err(rustix::io::Errno::SRCH));
        // Processes of another container cannot be seen, but their locks can.
        let free = || File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok());
        if (ours || gone()) && free() && std::fs::remove_file(entry.path()).is_ok() {
            tracing::info!(path = %entry.path().display(), "the rest of a backup that was killed is removed");
        }
    }
}

/// Writes a consistent copy of the data folder to a new tar file; says what was written.
///
/// # Errors
/// The file exists or cannot be written; the folder holds no database.
pub async fn backup(data: &Path, file: &Path) -> Result<String, String> {
    if !data.join(db::FILE).is_file() {
        return Err(format!("{} holds no database; name the data folder with --data", data.display()));
    }
    if file.exists() {
        return Err(format!("{} exists; name another file", file.display()));
    }
    remove_leftovers(data);
    let copy = data.join(format!("backup-{}.db", std::process::id()));
    // Held until the copy has served: so it can be told from the rest of a backup that was killed.
    let _ours = claim(&copy).map_err(|why| format!("{}: {why}", copy.display()))?;
    let copied = db::copy(data, &copy).await.map_err(|why| format!("the database could not be copied: {why}"));
    let (data, out, database) = (data.to_owned(), file.to_owned(), copy.clone());
    let packed = match copied {
        Ok(()) => tokio::task::spawn_blocking(move || {
            let source = Source { database_copy: &database, database_name: db::FILE, data: &data, include: IN_BACKUP };
            backup::write_tar(&out, source, &mut |_| ()).map_err(|why| why.to_string())
        })
        .await
        .map_err(|why| why.to_string())
        .flatten(),
        Err(why) => Err(why),
    };
    // Whatever came of it, the copy has served.
    let _ = std::fs::remove_file(&copy);
    let bytes = packed?;
    Ok(format!(
        "{} ({:.1} MB) holds database, keys, logs and artifacts.\nTo restore: stop the service, unpack it into an empty \
         folder, and serve with --data FOLDER.",
        file.display(),
        bytes as f64 / 1e6
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_that_of_the_process_in_its_name() {
        assert_eq!([whose("backup-7.db"), whose("backup-7.db-journal")], [Some(7), Some(7)]);
        for other in ["hpl.db", "backup-.db", "backup--7.db", "backup-7.tar", "backup-4294967295.db"] {
            assert_eq!(whose(other), None, "{other}");
        }
    }
}
