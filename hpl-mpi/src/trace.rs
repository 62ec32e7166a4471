//! What all threads of all ranks did when, brought together on rank 0: how idle they were, and, where it was
//! asked for, a trace in the format that Perfetto and Chromium open ("Trace Event Format", complete events).

use std::io::{self, Write};
use std::time::Duration;

use hpl_core::timeline::{Lane, Span, Work};
use hpl_spec::report::MAX_IDLE;
use serde_json::json;

use crate::comm::{Comm, gather};

/// A span and whose it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Traced {
    /// The rank in its grid.
    pub rank: usize,
    /// The thread of that rank; 0 is the one that talks to others.
    pub thread: usize,
    /// What it did.
    pub span: Span,
}

/// For each rank and thread, the share of `seconds` in which it computed nothing; on rank 0. Collective.
pub fn idle<C: Comm>(all: &C, lanes: &[Lane], seconds: f64) -> Vec<Vec<f64>> {
    let share =
        |lane: &Lane| if seconds > 0.0 { (1.0 - lane.busy().as_secs_f64() / seconds).clamp(0.0, 1.0) } else { 0.0 };
    let idle = gather(all, &lanes.iter().map(share).collect::<Vec<_>>());
    if idle.iter().map(Vec::len).sum::<usize>() > MAX_IDLE { Vec::new() } else { idle }
}

/// The spans of all ranks; on rank 0. Collective.
pub fn spans<C: Comm>(all: &C, lanes: &[Lane]) -> Vec<Traced> {
    let encode = |(thread, span): (usize, &Span)| {
        let work = Work::ALL.iter().position(|work| *work == span.work).expect("all works are listed");
        let times = [span.start, span.length, span.waited].map(|time| time.as_secs_f64());
        [work as f64, span.panel as f64, times[0], times[1], times[2], thread as f64]
    };
    let mine = lanes.iter().enumerate().flat_map(|(thread, lane)| lane.spans().iter().map(move |span| (thread, span)));
    let gathered = gather(all, &mine.flat_map(encode).collect::<Vec<_>>());
    let decode = |rank: usize, &[work, panel, start, length, waited, thread]: &[f64; 6]| Traced {
        rank,
        thread: thread as usize,
        span: Span {
            work: Work::ALL[work as usize],
            panel: panel as usize,
            start: Duration::from_secs_f64(start),
            length: Duration::from_secs_f64(length),
            waited: Duration::from_secs_f64(waited),
        },
    };
    let ranks = gathered.iter().enumerate();
    ranks.flat_map(|(rank, values)| values.as_chunks().0.iter().map(move |six| decode(rank, six))).collect()
}

/// A trace file in the making: one run after the other.
pub struct TraceFile<W> {
    out: W,
    first: bool,
}

impl<W: Write> TraceFile<W> {
    /// Opens the list of events.
    ///
    /// # Errors
    /// What the system says.
    pub fn begin(mut out: W) -> io::Result<TraceFile<W>> {
        out.write_all(b"{\"displayTimeUnit\":\"ms\",\"traceEvents\":[")?;
        Ok(TraceFile { out, first: true })
    }

    /// Adds the spans of test number `test`, whose solve began `offset` after the first one's.
    ///
    /// # Errors
    /// What the system says.
    pub fn add(&mut self, test: usize, offset: Duration, spans: &[Traced]) -> io::Result<()> {
        for Traced { rank, thread, span } in spans {
            let micros = |time: Duration| time.as_nanos() as f64 / 1e3;
            let comma = if std::mem::take(&mut self.first) { "" } else { "," };
            let kind = if span.work.is_waiting() { "wait" } else { "work" };
            let event = json!({
                "name": span.work.name(), "cat": kind, "ph": "X", "pid": rank, "tid": thread,
                "ts": micros(offset + span.start), "dur": micros(span.length),
                "args": { "test": test, "panel": span.panel, "waited_us": micros(span.waited) },
            });
            writeln!(self.out, "{comma}{event}")?;
        }
        Ok(())
    }

    /// Closes the list.
    ///
    /// # Errors
    /// What the system says.
    pub fn end(mut self) -> io::Result<W> {
        self.out.write_all(b"]}\n")?;
        self.out.flush()?;
        Ok(self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comm::thread::{SendMode, ThreadComm};
    use std::time::Instant;

    fn lanes(rank: usize) -> Vec<Lane> {
        let begin = Instant::now().checked_sub(Duration::from_secs(10)).unwrap();
        (0..rank + 1)
            .map(|thread| {
                let mut lane = Lane::new(begin, true);
                for panel in 0..thread + 2 {
                    let start = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
                    lane.note(Work::ALL[(panel + thread) % Work::ALL.len()], panel, start, Duration::from_millis(100));
                }
                lane
            })
            .collect()
    }

    #[test]
    fn spans_of_all_ranks_come_together_and_are_json() {
        ThreadComm::run(3, SendMode::Rendezvous, |comm| {
            let mine = lanes(comm.rank());
            let (spans, idle) = (spans(&comm, &mine), idle(&comm, &mine, 100.0));
            if comm.rank() > 0 {
                assert!(spans.is_empty() && idle.is_empty());
                return;
            }
            assert_eq!(idle.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 3]);
            assert!(idle.iter().flatten().all(|idle| (0.9..1.0).contains(idle)), "{idle:?}");
            // One thread with 2 spans; two with 2 and 3; three with 2, 3 and 4.
            assert_eq!(spans.len(), 2 + 5 + 9);
            let mut file = TraceFile::begin(Vec::new()).unwrap();
            file.add(1, Duration::ZERO, &spans).unwrap();
            file.add(2, Duration::from_secs(20), &spans[..1]).unwrap();
            let json: serde_json::Value = serde_json::from_slice(&file.end().unwrap()).unwrap();
            let events = json["traceEvents"].as_array().unwrap();
            assert_eq!(events.len(), 17);
            assert_eq!(events[16]["args"]["test"], 2);
            assert!((events[16]["ts"].as_f64().unwrap() - events[0]["ts"].as_f64().unwrap() - 2e7).abs() < 1e-2);
            for (event, traced) in events.iter().zip(&spans) {
                assert_eq!((event["pid"].as_u64(), event["ph"].as_str()), (Some(traced.rank as u64), Some("X")));
                assert_eq!(event["name"], traced.span.work.name());
                assert!(event["dur"].as_f64().unwrap() >= 1e6);
            }
        });
    }

    #[test]
    fn an_empty_trace_is_json_too() {
        let file = TraceFile::begin(Vec::new()).unwrap().end().unwrap();
        let json: serde_json::Value = serde_json::from_slice(&file).unwrap();
        assert_eq!(json["traceEvents"], serde_json::json!([]));
    }
}
