//! Jobs are written down, and drafts submitted.

use hpl_spec::api::jobs::{Job, SubmitRequest, Submitted};
use hpl_spec::id::{JobId, SweepId};
use hpl_spec::job::JobState;
use sha2::{Digest, Sha256};

use super::prepare::{Prepared, cost, prepare};
use super::sweep::{new_seed, shuffle};
use super::{find_own, is_express, present};
use crate::app::App;
use crate::db::idempotency::{self, Answer};
use crate::db::jobs::{self, NewJob};
use crate::db::quotas::{self, Quota};
use crate::db::sweeps::NewSweep;
use crate::db::{Tx, orders, queue, sweeps};
use crate::error::{Code, Error, Result};
use crate::http::caller::{Caller, Scope};
use crate::limits::{Key, Limit};
use crate::secret::{TokenHash, random_id};

/// Drafts of a user, those of sweeps among them. They expire after a day.
const DRAFTS: i64 = 1000;

/// Writes down what is asked for: a job, queued or as a draft; or a sweep of drafts. With an idempotency key the same
/// request gets the same answer. Returns the answer as JSON; the jobs of a sweep in the order of their turns.
///
/// # Errors
/// Something in the request is wrong; the quota of waiting jobs, or that of drafts, is used up; the disk is nearly full.
pub async fn submit(app: &App, caller: &Caller, request: &SubmitRequest, idem_key: Option<String>) -> Result<String> {
    let user = caller.user(Scope::Submit)?.key;
    app.limits.check(Limit::Submit, &Key::name(&user.to_string()))?;
    let asked = TokenHash::of(&serde_json::to_string(request).map_err(Error::internal)?);
    let (prepared, quota) = {
        let conn = &mut *app.db.read().await?;
        if let Some(key) = &idem_key {
            check_idem_key(key)?;
            if let Some(answer) = idempotency::find(conn, user, key, &asked, app.clock.now()).await? {
                return Ok(answer.body);
            }
        }
        app.check_room()?;
        let quota = quotas::of(conn, user, &app.config).await?;
        (prepare(app, conn, request, &quota).await?, quota)
    };
    let now = app.clock.now();
    let sweep = request.input.as_ref().map(|input| NewSweep {
        id: random_id::<SweepId>(now).to_string(),
        owner: user,
        benchmark: prepared.benchmark.name,
        input: input.clone(),
        seed: new_seed(),
        repeats: request.repeats,
        stop_hopeless: request.stop_hopeless,
    });
    let mut new = new_jobs(&prepared, request, user, sweep.as_ref().map(|sweep| sweep.id.clone()), now);
    if let Some(sweep) = &sweep {
        // Jobs of a sweep have their turn in the order in which they are written down.
        shuffle(sweep.seed, &mut new);
    }
    let (cost, warnings) = (cost(prepared.runs.iter().map(|run| (run.seconds, run.walltime_s))), prepared.warnings);
    app.db
        .write(move |tx| {
            Box::pin(async move {
                if let Some(key) = &idem_key
                    && let Some(answer) = idempotency::find(&mut tx.conn, user, key, &asked, tx.now).await?
                {
                    return Ok(answer.body);
                }
                if new.first().is_some_and(|j| j.state == JobState::Queued) {
                    check_waiting(tx, user, &quota).await?;
                } else {
                    check_drafts(tx, user, new.len()).await?;
                }
                if let Some(sweep) = &sweep {
                    sweeps::create(tx, sweep).await?;
                }
                let jobs = create_all(tx, &new).await?;
                let sweep = sweep.map(|sweep| sweep.id.parse()).transpose().map_err(Error::internal)?;
                let answer = Submitted { sweep, jobs, cost, warnings };
                let body = serde_json::to_string(&answer).map_err(Error::internal)?;
                if let Some(key) = &idem_key {
                    let answer = Answer { status: 201, body: body.clone() };
                    idempotency::keep(tx, user, key, &asked, &answer).await?;
                }
                Ok(body)
            })
        })
        .await
}

fn check_idem_key(key: &str) -> Result<()> {
    let most = idempotency::KEY_CHARS;
    if (1..=most).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(())
    } else {
        Err(Error::field("Idempotency-Key", format!("expected 1 to {most} visible ASCII characters")))
    }
}

async fn create_all(tx: &mut Tx, new: &[NewJob]) -> Result<Vec<Job>> {
    let mut made = vec![];
    for job in new {
        let key = jobs::create(tx, job).await?;
        let row = jobs::get(&mut tx.conn, key).await?.ok_or_else(|| Error::internal("a job vanished"))?;
        made.push(present(row)?);
    }
    Ok(made)
}

async fn check_drafts(tx: &mut Tx, user: i64, more: usize) -> Result<()> {
    let drafts = quotas::drafts(&mut tx.conn, user).await?;
    if drafts + more as i64 <= DRAFTS {
        return Ok(());
    }
    let detail =
        format!("{drafts} drafts of yours are kept and {more} would come, {DRAFTS} may be: submit or delete some");
    Err(Error::new(Code::QuotaExceeded, detail).with("limit", DRAFTS).retry_after(60))
}

async fn check_waiting(tx: &mut Tx, user: i64, quota: &Quota) -> Result<()> {
    let waiting = queue::waiting(&mut tx.conn, user).await?;
    if waiting < quota.queued_max {
        return Ok(());
    }
    let detail = format!(
        "{waiting} jobs and sweeps of yours wait already, {} may: wait for one to be done, or cancel one",
        quota.queued_max
    );
    Err(Error::new(Code::QuotaExceeded, detail).with("limit", quota.queued_max).retry_after(60))
}

fn new_jobs(prepared: &Prepared, request: &SubmitRequest, owner: i64, sweep: Option<String>, now: i64) -> Vec<NewJob> {
    let draft = request.draft || sweep.is_some();
    let benchmark = prepared.benchmark.name;
    let new = prepared.runs.iter().map(|run| NewJob {
        id: random_id::<JobId>(now).to_string(),
        owner,
        benchmark,
        spec_hash: spec_hash(benchmark, &run.plan.parameters),
        parameters: run.plan.parameters.clone(),
        label: run.plan.label.clone(),
        title: request.title.clone(),
        size: run.plan.size,
        work: run.plan.work,
        ranks: u32::try_from(run.plan.ranks).unwrap_or(u32::MAX),
        bytes_per_rank: run.plan.bytes_per_rank,
        needs: run.needs.clone(),
        express: is_express(run.walltime_s),
        walltime_s: run.walltime_s,
        estimate_s: run.seconds,
        visibility: request.visibility,
        sweep: sweep.clone(),
        state: if draft { JobState::Draft } else { JobState::Queued },
        hold: "",
    });
    new.collect()
}

/// What tells that two jobs are the same run: SHA-256 of benchmark and parameters, whose keys JSON keeps in order.
pub(super) fn spec_hash(benchmark: &str, parameters: &serde_json::Value) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(format!("{benchmark}\n{parameters}")))
}

/// Submits a draft of its own.
///
/// # Errors
/// It is no draft, or not the caller's; it belongs to a sweep; the quota is used up.
pub async fn submit_draft(app: &App, caller: &Caller, id: &str) -> Result<Job> {
    app.check_room()?;
    let (job, quota) = {
        let conn = &mut *app.db.read().await?;
        let (job, _) = find_own(conn, caller, id).await?;
        let quota = quotas::of(conn, job.owner, &app.config).await?;
        (job, quota)
    };
    if let Some(sweep) = &job.sweep {
        let detail = format!("this draft belongs to the sweep {sweep}; submit that");
        return Err(Error::new(Code::Conflict, detail).with("sweep", sweep.clone()));
    }
    app.db
        .write(move |tx| {
            Box::pin(async move {
                check_waiting(tx, job.owner, &quota).await?;
                orders::submit(tx, &job, true).await?;
                let row = jobs::get(&mut tx.conn, job.key).await?.ok_or_else(|| Error::not_found("job"))?;
                present(row)
            })
        })
        .await
}

/// Submits the drafts of a sweep: the first is queued, the others wait for their turn. Returns how many.
///
/// # Errors
/// There is no such sweep of the caller's, or no draft in it; the quota is used up.
pub async fn submit_sweep(app: &App, caller: &Caller, id: &SweepId) -> Result<u32> {
    let user = caller.user(Scope::Submit)?.key;
    app.check_room()?;
    let quota = quotas::of(&mut *app.db.read().await?, user, &app.config).await?;
    let id = id.to_string();
    app.db
        .write(move |tx| {
            Box::pin(async move {
                let drafts = sweeps::drafts(tx, &id, user).await?;
                if drafts.is_empty() {
                    return Err(Error::new(Code::NotFound, "there is no sweep of that name with drafts of yours"));
                }
                check_waiting(tx, user, &quota).await?;
                for (i, key) in drafts.iter().enumerate() {
                    let job = jobs::get(&mut tx.conn, *key).await?.ok_or_else(|| Error::not_found("job"))?;
                    orders::submit(tx, &job, i == 0).await?;
                }
                Ok(drafts.len() as u32)
            })
        })
        .await
}
