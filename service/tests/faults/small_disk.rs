//! A small disk for a test: the test runs again in a namespace of its own, where it may mount one.

use std::path::PathBuf;
use std::process::Command;

/// Where the run inside the namespace finds its disk.
const PLACE: &str = "HPL_TEST_SMALL_DISK";

/// Hands a disk of `size` to `fill`, in a second run of the test that calls this, `name` by its whole name. Where the
/// system forbids it the test says on stderr that it is skipped; with `CI=true` it fails.
pub fn on_a_small_disk(name: &str, size: &str, fill: impl FnOnce(PathBuf)) {
    if let Some(disk) = std::env::var_os(PLACE) {
        return fill(PathBuf::from(disk));
    }
    let mounting = format!("mount -t tmpfs -o size={size} tmpfs \"${PLACE}\"");
    let folder = tempfile::tempdir().unwrap();
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c", script, "sh"]).env(PLACE, folder.path());
        command
    };
    if !unshare(&mounting).output().is_ok_and(|said| said.status.success()) {
        let why = "`unshare -rm` and a mount of tmpfs are forbidden here, so there is no small disk";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{why}");
        eprintln!("skipped: {name}: {why}");
        return;
    }
    let mut again = unshare(&format!("{mounting} && exec \"$@\""));
    again.arg(std::env::current_exe().unwrap()).args(["--exact", name, "--nocapture"]);
    let said = again.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success(), "{out}\n{err}");
    assert!(out.contains("1 passed"), "{name} is no test of this program: {out}");
}
