//! Metrics of an attempt: lines of JSON, in the order they came.

use std::io;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use hpl_spec::id::AttemptId;

use super::append::write_or_cut;
use super::folder::{Access, Place};
use super::{Inner, Quota, Store, is_full};
use crate::disk::Load;

/// Why metrics were not kept. A run does not depend on them: the caller counts and goes on.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The attempt has as many as allowed.
    #[error("at most {limit} bytes of metrics are kept")]
    TooLong {
        /// Bytes allowed.
        limit: u64,
    },
    /// Little space is left.
    #[error("the service is short of disk space and keeps no metrics")]
    DiskLow,
    /// No space is left.
    #[error("the service's disk is full")]
    DiskFull,
    /// The disk failed.
    #[error("metrics could not be written")]
    Io(#[source] io::Error),
}

impl From<io::Error> for MetricsError {
    fn from(error: io::Error) -> MetricsError {
        if is_full(&error) { MetricsError::DiskFull } else { MetricsError::Io(error) }
    }
}

impl Store {
    /// Appends lines to the metrics of an attempt, all of them or none; says how long the file is then.
    /// A line end is put after the last line where it lacks one, and before the first where the file ends
    /// in half a line, as it may after the service was killed.
    ///
    /// # Errors
    /// [`MetricsError`]; nothing of the lines is then kept.
    pub async fn append_metrics(&self, attempt: &AttemptId, lines: Bytes, quota: Quota) -> Result<u64, MetricsError> {
        let place = Place::of_metrics(attempt);
        self.exclusive(attempt, move |inner| append(inner, &place, &lines, quota.metrics)).await
    }
}

fn append(inner: &Inner, place: &Place, lines: &[u8], limit: u64) -> Result<u64, MetricsError> {
    let file = inner.root.open(place, Access::Write)?;
    let have = file.as_ref().map_or(Ok(0), |file| file.metadata().map(|m| m.len()))?;
    if lines.is_empty() {
        return Ok(have);
    }
    let half_line = match &file {
        Some(file) if have > 0 => {
            let mut last = [0];
            file.read_exact_at(&mut last, have - 1)?;
            last != *b"\n"
        }
        _ => false,
    };
    let mut whole = Vec::with_capacity(lines.len() + 2);
    if half_line {
        whole.push(b'\n');
    }
    whole.extend_from_slice(lines);
    if !lines.ends_with(b"\n") {
        whole.push(b'\n');
    }
    let length = have.saturating_add(whole.len() as u64);
    if length > limit {
        return Err(MetricsError::TooLong { limit });
    }
    if !inner.disk.state().takes(Load::Bulk) {
        return Err(MetricsError::DiskLow);
    }
    let file = match file {
        Some(file) => file,
        None => inner.root.create(place)?,
    };
    write_or_cut(&file, have, &whole).inspect_err(|_| inner.disk.look_again())?;
    Ok(length)
}
