//! One service a data folder: two would each hold a truth about who waits and who is alive.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// The lock's name in the data folder.
const FILE: &str = "lock";

/// Takes the data folder for this process, making it if need be, until the file is dropped. The system gives a lock
/// back when its process ends, however it ends; console and backup do not ask for it.
///
/// # Errors
/// Another service has it; the file cannot be made or locked.
pub(super) fn take(data: &Path) -> Result<File, String> {
    let path = data.join(FILE);
    let failed = |why: std::io::Error| format!("cannot lock {}: {why}", path.display());
    DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(failed)?;
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(format!(
            "another hpl-service serves from {} already; stop that one first, or name another folder with --data",
            data.display()
        )),
        Err(TryLockError::Error(why)) => Err(failed(why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_taken_once_and_free_again_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("not/yet");
        let first = take(&data).unwrap();
        let refused = take(&data).unwrap_err();
        assert!(refused.contains(data.to_str().unwrap()) && refused.contains("--data"), "{refused}");
        drop(first);
        take(&data).unwrap();
        assert!(take(&folder.path().join("not/yet/lock")).unwrap_err().contains("cannot lock"));
    }
}
