//! Events as bytes. Rendered once for each of the two kinds of streams, then shared by all streams.

use bytes::Bytes;
use hpl_spec::JobState;
use hpl_spec::id::JobId;
use hpl_spec::job::JobEvent;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::hub::Told;

/// An event of a job, as histories and streams tell it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Counts the job's events from 1.
    pub seq: i64,
    /// When it happened, milliseconds since the epoch.
    pub at: i64,
    /// What happened, in a word.
    pub kind: String,
    /// Where the job stands after it.
    pub state: JobState,
    /// The job.
    pub job: JobId,
    /// All of it.
    pub data: JobEvent,
}

/// Told once at the start of a stream: how many milliseconds to wait before coming again.
pub(super) const RETRY: Bytes = Bytes::from_static(b"retry: 2000\n\n");
/// Keeps connections from looking dead.
pub(super) const HEARTBEAT: Bytes = Bytes::from_static(b":\n\n");

/// The event in the form of [`Event`], without reading its data, which is JSON already.
pub(super) fn json(told: &Told) -> String {
    let Told { seq, at, kind, state, job, data, .. } = told;
    format!(r#"{{"seq":{seq},"at":{at},"kind":"{kind}","state":"{state}","job":"{job}","data":{data}}}"#)
}

/// For a stream of the job.
pub(super) fn for_job(told: &Told) -> Bytes {
    told.rendered.job.get_or_init(|| frame(told.seq, &told.kind, &json(told))).clone()
}

/// For a stream of the queue.
pub(super) fn for_queue(told: &Told) -> Bytes {
    told.rendered.queue.get_or_init(|| frame(told.key, &told.kind, &json(told))).clone()
}

/// What is known may not be known here: the stream goes on after `number`.
pub(super) fn reset(number: i64) -> Bytes {
    frame(number, "reset", "{}")
}

/// The job has ended in that state, and all was told.
pub(super) fn end(number: i64, state: JobState) -> Bytes {
    frame(number, "end", &format!(r#"{{"state":"{state}"}}"#))
}

fn frame(number: i64, kind: &str, data: &str) -> Bytes {
    debug_assert!(!data.contains(['\n', '\r']), "JSON is written on one line");
    Bytes::from(format!("id: {number}\nevent: {kind}\ndata: {data}\n\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Rendered;

    #[test]
    fn an_event_is_one_frame_made_once() {
        let event = JobEvent::Held { why: "line\nbreak\r\n\nevent: end \"quoted\" <b>".into() };
        let told = Told {
            key: 900,
            job_key: 1,
            job: "0190f5fe-7c00-7a3b-8b1e-0123456789ab".into(),
            seq: 17,
            at: 5,
            kind: "held".into(),
            data: serde_json::to_string(&event).unwrap(),
            state: "held".into(),
            public: true,
            rendered: Rendered::default(),
        };
        let bytes = for_job(&told);
        assert_eq!(bytes.as_ptr(), for_job(&told).as_ptr());
        let text = std::str::from_utf8(&bytes).unwrap();
        let lines: Vec<_> = text.split('\n').collect();
        assert_eq!(lines[..2], ["id: 17", "event: held"]);
        assert_eq!(lines[3..], ["", ""], "the text of the event breaks no line");
        let event_read: Event = serde_json::from_str(lines[2].strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!((event_read.seq, event_read.data), (17, event));
        assert!(for_queue(&told).starts_with(b"id: 900\n"));
    }
}
