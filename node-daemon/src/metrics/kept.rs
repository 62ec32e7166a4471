//! Files of `/proc` and `/sys` that are opened once and read again from their beginning.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// Where all files are read to; it grows to the largest of them and stays.
#[derive(Debug, Default)]
pub(super) struct Buffer(Vec<u8>);

/// A file that is kept open.
#[derive(Debug)]
pub(super) struct Kept(File);

impl Kept {
    /// None if it cannot be opened.
    pub(super) fn open(path: PathBuf) -> Option<Kept> {
        File::open(path).ok().map(Kept)
    }

    /// All of it, as it is now; None if it cannot be read any more.
    pub(super) fn bytes<'a>(&self, Buffer(buffer): &'a mut Buffer) -> Option<&'a [u8]> {
        let mut length = 0;
        loop {
            if buffer.len() - length < 1024 {
                buffer.resize((buffer.len() * 2).max(8192), 0);
            }
            match self.0.read_at(&mut buffer[length..], length as u64) {
                Ok(0) => return Some(&buffer[..length]),
                Ok(n) => length += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => (),
                Err(_) => return None,
            }
        }
    }

    /// As [`Kept::bytes`]; None also if it is no text.
    pub(super) fn text<'a>(&self, buffer: &'a mut Buffer) -> Option<&'a str> {
        std::str::from_utf8(self.bytes(buffer)?).ok()
    }

    /// The one number that it holds, with one system call.
    pub(super) fn number(&self) -> Option<i64> {
        let mut bytes = [0; 32];
        let length = self.0.read_at(&mut bytes, 0).ok()?;
        std::str::from_utf8(&bytes[..length]).ok()?.trim().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_again_and_again() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("file");
        let mut buffer = Buffer::default();
        assert!(Kept::open(path.clone()).is_none());
        std::fs::write(&path, "12\n").unwrap();
        let kept = Kept::open(path.clone()).unwrap();
        assert_eq!((kept.text(&mut buffer), kept.number()), (Some("12\n"), Some(12)));
        let long = "x".repeat(100_000);
        std::fs::write(&path, &long).unwrap();
        assert_eq!((kept.text(&mut buffer), kept.number()), (Some(long.as_str()), None));
        std::fs::write(&path, b"\xff").unwrap();
        assert_eq!(kept.text(&mut buffer), None);
        assert_eq!(kept.bytes(&mut buffer), Some(&b"\xff"[..]));
        assert!(Kept::open(scratch.path().to_owned()).unwrap().bytes(&mut buffer).is_none());
    }
}
