//! The one writer.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use sqlx::Connection;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::{Conn, explain};
use crate::clock::Clock;
use crate::error::{Code, Error, Result};
use crate::hub::{Hub, Wake};
use crate::metrics::WriterMetrics;

/// A unit of writing under way.
pub type Running<'c, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'c>>;

/// Units that may wait to be written.
const WAITING: usize = 4096;
/// How long a unit may wait to be taken in.
const PATIENCE: Duration = Duration::from_secs(10);
/// One transaction takes in units for no longer than this, so that the first of them need not wait for long.
const GATHER: Duration = Duration::from_millis(8);

/// What a unit of writing works with.
pub struct Tx {
    /// The one connection that writes.
    pub conn: Conn,
    /// The time of this unit.
    pub now: i64,
    wakes: Vec<Wake>,
}

impl Tx {
    /// Tells others once this is committed.
    pub fn wake(&mut self, wake: Wake) {
        self.wakes.push(wake);
    }
}

/// Tells the caller, once it is known whether the commit came through.
type Reply = Box<dyn FnOnce(Result<()>) + Send>;

/// A unit that waits to be written.
trait Unit: Send {
    /// Runs it; says how it failed, if it did and is not to stay, and how to answer.
    fn run(self: Box<Self>, tx: &mut Tx) -> Pin<Box<dyn Future<Output = (Result<()>, Reply)> + Send + '_>>;
    /// Answers without having run it.
    fn refuse(self: Box<Self>, why: Error);
}

/// What to do, and whom to answer.
struct Asked<T, F> {
    work: F,
    answer: oneshot::Sender<Result<T>>,
}

impl<T, F> Unit for Asked<T, F>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut Tx) -> Running<'c, T> + Send + 'static,
{
    fn run(self: Box<Self>, tx: &mut Tx) -> Pin<Box<dyn Future<Output = (Result<()>, Reply)> + Send + '_>> {
        Box::pin(async move {
            let result = (self.work)(tx).await;
            let stays = result.as_ref().map(|_| ()).map_err(Error::clone);
            let answer = self.answer;
            let reply: Reply = Box::new(move |committed| {
                // Nobody may be there any more to hear it; what was written stays written.
                let _ = answer.send(result.and_then(|value| committed.map(|()| value)));
            });
            (stays, reply)
        })
    }

    fn refuse(self: Box<Self>, why: Error) {
        let _ = self.answer.send(Err(why));
    }
}

type Sender = mpsc::Sender<Box<dyn Unit>>;

/// The way to the task that writes.
#[derive(Clone)]
pub(super) struct Writer {
    /// The one that keeps the task alive, until it is taken.
    units: Arc<Mutex<Option<Sender>>>,
    direct: mpsc::WeakSender<Box<dyn Unit>>,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
    /// What it counts.
    pub(super) counted: WriterMetrics,
}

impl Writer {
    pub(super) fn start(connection: Conn, clock: Clock, hub: Arc<Hub>) -> Writer {
        let counted = WriterMetrics::default();
        let (send, receive) = mpsc::channel(WAITING);
        let direct = send.downgrade();
        let task =
            tokio::spawn(run(Tx { conn: connection, now: 0, wakes: vec![] }, receive, clock, hub, counted.clone()));
        Writer { units: Arc::new(Mutex::new(Some(send))), direct, task: Arc::new(Mutex::new(Some(task))), counted }
    }

    pub(super) async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Tx) -> Running<'c, T> + Send + 'static,
    {
        let (answer, receive) = oneshot::channel();
        let unit: Box<dyn Unit> = Box::new(Asked { work, answer });
        let busy =
            |what: &str| Error::new(Code::Unavailable, format!("the service is {what}; come again")).retry_after(1);
        let units = self.direct.upgrade().ok_or_else(|| busy("stopping"))?;
        units.send_timeout(unit, PATIENCE).await.map_err(|_| busy("busy"))?;
        drop(units);
        receive.await.map_err(|_| Error::internal("a unit of writing panicked"))?
    }

    pub(super) async fn close(&self) {
        self.units.lock().await.take();
        if let Some(task) = self.task.lock().await.take()
            && let Err(cause) = task.await
        {
            tracing::error!(%cause, "the writer ended badly");
        }
    }
}

/// Writes until nobody can ask any more.
async fn run(
    mut tx: Tx,
    mut units: mpsc::Receiver<Box<dyn Unit>>,
    clock: Clock,
    hub: Arc<Hub>,
    counted: WriterMetrics,
) {
    while let Some(first) = units.recv().await {
        let mut replies = vec![];
        let committed = transaction(&mut tx, first, &mut units, &clock, &mut replies, &counted).await;
        fail::fail_point!("writer_after_commit");
        for reply in replies {
            reply(committed.clone());
        }
        for wake in tx.wakes.drain(..) {
            if committed.is_ok() {
                hub.wake(wake);
            }
        }
        fail::fail_point!("writer_after_reply");
    }
    if let Err(cause) = tx.conn.close().await {
        tracing::warn!(%cause, "the database was not closed cleanly; its log will be read at the next start");
    }
}

/// One transaction of one unit or more.
async fn transaction(
    tx: &mut Tx,
    first: Box<dyn Unit>,
    units: &mut mpsc::Receiver<Box<dyn Unit>>,
    clock: &Clock,
    replies: &mut Vec<Reply>,
    counted: &WriterMetrics,
) -> Result<()> {
    let began = Instant::now();
    if let Err(error) = execute(&mut tx.conn, "BEGIN IMMEDIATE").await {
        first.refuse(error.clone());
        return Err(error);
    }
    fail::fail_point!("writer_after_begin");
    let mut next = Some(first);
    while let Some(unit) = next {
        if let Err(error) = savepoint(tx, unit, clock.now(), replies).await {
            // The database may have rolled back on its own; then this says so and does no harm.
            let _ = sqlx::query("ROLLBACK").execute(&mut tx.conn).await;
            return Err(error);
        }
        fail::fail_point!("writer_after_unit");
        next = if began.elapsed() < GATHER { units.try_recv().ok() } else { None };
    }
    fail::fail_point!("writer_before_commit");
    let commit = Instant::now();
    let committed = execute(&mut tx.conn, "COMMIT").await;
    counted.commit.observe(commit.elapsed().as_secs_f64());
    if committed.is_ok() {
        counted.transactions.inc();
        counted.units.inc_by(replies.len() as u64);
    } else {
        let _ = sqlx::query("ROLLBACK").execute(&mut tx.conn).await;
    }
    committed
}

/// One unit. An error means that the whole transaction is lost.
async fn savepoint(tx: &mut Tx, unit: Box<dyn Unit>, now: i64, replies: &mut Vec<Reply>) -> Result<()> {
    if let Err(error) = execute(&mut tx.conn, "SAVEPOINT unit").await {
        unit.refuse(error.clone());
        return Err(error);
    }
    tx.now = now;
    let wakes = tx.wakes.len();
    let stays = match AssertUnwindSafe(unit.run(tx)).catch_unwind().await {
        Ok((stays, reply)) => {
            replies.push(reply);
            stays
        }
        Err(panic) => Err(Error::internal(format!("a unit of writing panicked: {}", panic_text(&*panic)))),
    };
    if let Err(why) = stays {
        tx.wakes.truncate(wakes);
        // A full disk makes the database roll back all of it at once. Then there is nothing left to roll back to, and
        // the others of this transaction are to hear the cause and not that.
        if let Err(lost) = execute(&mut tx.conn, "ROLLBACK TO unit").await {
            return Err(if why.code == Code::DiskFull { why } else { lost });
        }
    }
    execute(&mut tx.conn, "RELEASE unit").await
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("?")
}

async fn execute(conn: &mut Conn, statement: &'static str) -> Result<()> {
    sqlx::query(statement).execute(conn).await.map(|_| ()).map_err(explain)
}
