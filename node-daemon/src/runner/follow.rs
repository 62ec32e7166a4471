//! What the program says while it runs: lines of a file that it appends to. A file and not a pipe, since a reader that
//! dies must not hold it up.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use hpl_spec::benchmark::Benchmark;
use hpl_spec::job::Progress;

/// Bytes read at once, and the longest line that is kept.
const READ: usize = 256 << 10;

/// A file that grows, read line by line.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    file: Option<File>,
    at: u64,
    rest: Vec<u8>,
}

impl Tail {
    /// The file at `path`; it need not be there yet.
    #[must_use]
    pub fn new(path: &Path) -> Tail {
        Tail { path: path.to_owned(), file: None, at: 0, rest: vec![] }
    }

    /// Whole lines that came since the last look, of at most 256 KiB; what is not UTF-8 is replaced.
    ///
    /// # Errors
    /// Of the file system.
    pub fn lines(&mut self) -> io::Result<Vec<String>> {
        if self.file.is_none() {
            match File::open(&self.path) {
                Ok(file) => self.file = Some(file),
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
                Err(e) => return Err(e),
            }
        }
        let Some(file) = &mut self.file else { return Ok(vec![]) };
        if file.metadata()?.len() <= self.at {
            return Ok(vec![]);
        }
        file.seek(SeekFrom::Start(self.at))?;
        let mut new = Vec::new();
        file.by_ref().take(READ as u64).read_to_end(&mut new)?;
        self.at += new.len() as u64;
        self.rest.append(&mut new);
        let mut lines: Vec<_> = self.rest.split(|&b| b == b'\n').map(<[u8]>::to_vec).collect();
        self.rest = lines.pop().unwrap_or_default();
        if self.rest.len() > READ {
            // No line of ours is as long.
            self.rest.clear();
        }
        Ok(lines.into_iter().map(|line| String::from_utf8_lossy(&line).into_owned()).collect())
    }
}

/// The progress of a run.
pub struct Follow {
    tail: Tail,
    row: &'static Benchmark,
    seconds: f64,
}

impl Follow {
    /// The progress that stands in `events`, by the benchmark's own row. What was told before, up to `seconds`, is
    /// passed over.
    #[must_use]
    pub fn new(events: &Path, row: &'static Benchmark, seconds: f64) -> Follow {
        Follow { tail: Tail::new(events), row, seconds }
    }

    /// What came since the last look, in order; time does not go back in it.
    ///
    /// # Errors
    /// Of the file system.
    pub fn look(&mut self) -> io::Result<Vec<Progress>> {
        let mut all = vec![];
        for line in self.tail.lines()? {
            let Some(progress) = (self.row.progress)(&line) else { continue };
            if progress.seconds > self.seconds {
                self.seconds = progress.seconds;
                all.push(progress);
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use hpl_spec::benchmark;

    use super::*;

    #[test]
    fn lines_are_whole_and_come_once() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("events");
        let mut tail = Tail::new(&path);
        assert!(tail.lines().unwrap().is_empty());
        let mut file = File::create(&path).unwrap();
        file.write_all(b"one\ntw").unwrap();
        assert_eq!(tail.lines().unwrap(), ["one"]);
        assert!(tail.lines().unwrap().is_empty());
        file.write_all(b"o\n\xff\nthree").unwrap();
        assert_eq!(tail.lines().unwrap(), ["two", "\u{fffd}"]);
    }

    #[test]
    fn progress_does_not_go_back() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("events");
        let line = |seconds: f64| {
            format!(
                r#"{{"event":"panel","test":1,"panel":1,"panels":2,"seconds":{seconds},"gflops":1.0,"gflops_step":1.0,"phases":{{"pfact":0.0,"pivot":0.0,"bcast":0.0,"swap":0.0,"update":0.0,"backsolve":0.0}}}}"#
            )
        };
        std::fs::write(&path, format!("{}\nnonsense\n{}\n{}\n", line(1.0), line(0.5), line(2.0))).unwrap();
        let row = benchmark::find("hpl").unwrap();
        let seconds = |from: f64| {
            let told = Follow::new(&path, row, from).look().unwrap();
            told.iter().map(|p| p.seconds).collect::<Vec<_>>()
        };
        assert_eq!(seconds(0.0), [1.0, 2.0]);
        assert_eq!(seconds(1.0), [2.0]);
    }
}
