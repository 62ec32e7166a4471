//! Event streams that are open while nodes tell progress: from the moment that an event is due to be told until each
//! stream has it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use benches::load::client::{Ask, Door, Line};
use benches::load::fleet::Node;
use benches::load::pace::{Figures, Times, all, paced};
use benches::load::people::Person;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

/// After the last event was told, streams get so long to have it.
const PATIENCE: Duration = Duration::from_secs(10);
/// By this a stream's event is known.
const MARK: &[u8] = b"\"seconds\":";

/// What is watched, and by whom.
pub struct Watch<'a> {
    /// Streams are dealt among these people...
    pub people: &'a [Arc<Person>],
    /// ...and among the jobs of these nodes.
    pub nodes: &'a [Arc<Node>],
    /// Events a second that each node tells.
    pub feed: f64,
    /// For how long.
    pub seconds: f64,
}

/// Open streams.
pub struct Streams {
    count: usize,
    /// Marks that arrived, and when.
    arrived: mpsc::UnboundedReceiver<(u64, Instant)>,
    /// The first mark of this set of streams; marks before it are others'.
    first: u64,
    /// The tasks that read; they end with this.
    _readers: Vec<Arc<Reader>>,
}

struct Reader(tokio::task::JoinHandle<()>);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Streams {
    /// Opens `count` streams, their callers numbered from `caller` on.
    ///
    /// # Errors
    /// If one of them is refused.
    pub async fn open(door: &Door, watch: &Watch<'_>, count: usize, caller: usize) -> Result<Streams, String> {
        // Marks are numbers that no set of streams shares with another.
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let first = NEXT.fetch_add(1_000_000, Ordering::Relaxed);
        let (tell, arrived) = mpsc::unbounded_channel();
        let readers = all("streams open", count, 32, |n| {
            let person = watch.people[n % watch.people.len()].clone();
            let job = watch.nodes[n % watch.nodes.len()].job();
            let (door, tell) = (door.clone(), tell.clone());
            async move {
                let mut line = door.connect(caller + n).await?;
                let job = job.ok_or("a node without a job cannot be watched")?;
                let ask = Ask::get(format!("/api/v1/jobs/{job}/events"), &person.token);
                let response = line.open(&ask).await?;
                if !response.status().is_success() {
                    return Err(format!("a stream is refused: {}", response.status()));
                }
                Ok(Arc::new(Reader(tokio::spawn(read(response.into_body(), line, tell)))))
            }
        })
        .await?;
        Ok(Streams { count, arrived, first, _readers: readers })
    }

    /// Lets the nodes tell, and sees when it comes to the streams. What does not come within ten seconds is an error,
    /// and so is what the service refuses to hear.
    pub async fn feed(mut self, watch: &Watch<'_>) -> Figures {
        let (jobs, rate) = (watch.nodes.len(), watch.feed * watch.nodes.len() as f64);
        let count = (rate * watch.seconds).round() as usize;
        let start = Instant::now();
        let first = self.first;
        let told = paced("deliveries to streams", rate, count, |n| {
            let node = watch.nodes[n % jobs].clone();
            async move { node.progress(first + n as u64).await }
        });
        let due = |mark: u64| start + Duration::from_secs_f64(mark.saturating_sub(first) as f64 / rate);
        let expected = count / jobs * self.count;
        let gather = async {
            let (mut times, mut last) = (Vec::with_capacity(expected), start);
            let end = Duration::from_secs_f64(watch.seconds) + PATIENCE;
            while times.len() < expected {
                let left = (start + end).saturating_duration_since(Instant::now());
                let Ok(Some((mark, at))) = timeout(left, self.arrived.recv()).await else { break };
                if (first..first + count as u64).contains(&mark) {
                    times.push(at.saturating_duration_since(due(mark)));
                    last = at;
                }
            }
            (times, last)
        };
        let (told, (times, last)) = tokio::join!(told, gather);
        let mut errors = told.errors;
        if times.len() < expected {
            errors.insert("a delivery did not come".into(), expected - times.len());
        }
        let took = last.saturating_duration_since(start).as_secs_f64();
        Figures { rate: times.len() as f64 / took, times: Times::of(times), errors }
    }
}

/// Reads one stream to its end, which is that of its owner.
async fn read(mut body: Incoming, _line: Line, tell: mpsc::UnboundedSender<(u64, Instant)>) {
    let mut rest: Vec<u8> = vec![];
    while let Some(Ok(frame)) = body.frame().await {
        let now = Instant::now();
        let Some(data) = frame.data_ref() else { continue };
        rest.extend_from_slice(data);
        while let Some(end) = rest.windows(2).position(|pair| pair == b"\n\n") {
            if let Some(mark) = mark(&rest[..end]) {
                // Nobody may be there any more to hear it.
                let _ = tell.send((mark, now));
            }
            rest.drain(..end + 2);
        }
    }
}

/// The seconds that an event tells.
fn mark(event: &[u8]) -> Option<u64> {
    let at = event.windows(MARK.len()).position(|part| part == MARK)? + MARK.len();
    let digits = event[at..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |number, digit| 10 * number + u64::from(digit - b'0')))
}
