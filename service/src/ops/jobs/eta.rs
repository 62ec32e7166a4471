//! In which order waiting jobs will be given to nodes, and when: pure.
//!
//! Nodes are given jobs as [`crate::db::queue::pick`] does: express ones first, but not more than so many in a row;
//! owners by their share of the nodes; an owner's jobs by age. That is played from now on with the likeliest durations,
//! which gives the order. The spread comes from giving the jobs out once more in that order, once with the shortest and
//! once with the longest durations.
//!
//! What is not known here is left out: jobs that are still to be submitted, nodes that are still to join, and how many
//! express runs a node has just had in a row.

use std::collections::BTreeMap;

use super::eta_left::{Left, Span};
use crate::schedule::{self, Needs, Offer};

/// Between two runs on a node: it asks for a job and makes ready.
const BETWEEN: Span = Span { early: 0.0, likely: 2.0, late: 15.0 };

/// A node as it is.
#[derive(Debug, Clone)]
pub struct NodeNow {
    /// What it has for a job.
    pub offer: Offer,
    /// Bytes that a job could take when it was last free.
    pub memory_now: u64,
    /// Whether it takes jobs.
    pub takes: bool,
    /// What it has now: whose, and how long.
    pub busy: Option<(i64, Left)>,
}

/// A job that waits.
#[derive(Debug, Clone)]
pub struct JobNow {
    /// Whose.
    pub owner: i64,
    /// What the node must have.
    pub needs: Needs,
    /// Whether it may go ahead of long runs.
    pub express: bool,
    /// It waits so many seconds in any case.
    pub not_before: f64,
    /// It avoids a node for so many seconds.
    pub avoids_for: f64,
    /// How long it will take.
    pub run: Left,
}

/// An owner of jobs.
#[derive(Debug, Clone, Copy)]
pub struct OwnerNow {
    /// Use of the nodes, see [`schedule::share_after`].
    pub share: f64,
    /// Runs under way.
    pub running: u32,
    /// Runs that may be under way at once.
    pub running_max: u32,
}

/// When a job starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// Which of the jobs.
    pub job: usize,
    /// How long until then.
    pub starts: Left,
}

/// The jobs that will be given to a node, in that order. Jobs are to come in order of age, owners' jobs among each other.
#[must_use]
pub fn forecast(now: i64, nodes: &[NodeNow], owners: &BTreeMap<i64, OwnerNow>, jobs: &[JobNow]) -> Vec<Place> {
    let fits = Fits::new(nodes, jobs);
    let mut play = Play::new(now, nodes, owners, jobs, &fits);
    let mut t = 0.0;
    loop {
        play.end_runs(t);
        play.give_out(t);
        match play.next_moment(t) {
            Some(later) => t = later,
            None => break,
        }
    }
    let given = play.given;
    let spread = [|span: &Span| span.early, |span: &Span| span.late]
        .map(|bound| in_order(nodes, owners, jobs, &fits, &given, bound));
    places(given, &spread, &fits, jobs)
}

/// Which job could ever run on which node, by what it needs: many jobs need the same.
struct Fits {
    /// For each job the row of the table.
    class: Vec<usize>,
    table: Vec<Vec<bool>>,
    /// For each node the rows in which it stands.
    of_node: Vec<Vec<usize>>,
}

impl Fits {
    fn new(nodes: &[NodeNow], jobs: &[JobNow]) -> Fits {
        let mut kinds: Vec<&Needs> = vec![];
        let mut table: Vec<Vec<bool>> = vec![];
        let mut class = vec![];
        for job in jobs {
            let known = kinds.iter().position(|needs| **needs == job.needs);
            class.push(known.unwrap_or_else(|| {
                kinds.push(&job.needs);
                table.push(nodes.iter().map(|node| could_run(node, &job.needs)).collect());
                kinds.len() - 1
            }));
        }
        let rows = |node: usize| (0..table.len()).filter(|&row| table[row][node]).collect();
        let of_node = (0..nodes.len()).map(rows).collect();
        Fits { class, table, of_node }
    }

    /// How many of these jobs need what each row of the table says.
    fn counted(&self, jobs: &[usize]) -> Vec<u32> {
        let mut counts = vec![0; self.table.len()];
        jobs.iter().for_each(|&job| counts[self.class[job]] += 1);
        counts
    }

    fn on(&self, job: usize, node: usize) -> bool {
        self.table[self.class[job]][node]
    }
}

fn could_run(node: &NodeNow, needs: &Needs) -> bool {
    // What other programs hold of a free node's memory may be held for ever.
    let memory = if node.busy.is_none() { node.memory_now.min(node.offer.memory) } else { node.offer.memory };
    // The comparisons first: they make no words.
    node.takes && needs.cores <= node.offer.cores && needs.memory <= memory && node.offer.fits(needs).is_ok()
}

fn avoids(job: &JobNow, node: &NodeNow, t: f64) -> bool {
    let needs = &job.needs;
    needs.avoid.as_ref() == Some(&node.offer.node)
        && needs.node.as_ref() != Some(&node.offer.node)
        && t < job.avoids_for
}

/// What was given to a node: the likeliest moment, and why it cannot be told where it rests on what is not known.
struct Given {
    job: usize,
    at: f64,
    doubt: Option<String>,
}

/// A node while the future is played.
struct NodeThen {
    free_at: f64,
    /// Whose run it has, since when.
    run: Option<(i64, f64)>,
    doubt: Option<String>,
    streak: i64,
}

struct Play<'p> {
    now: i64,
    nodes: &'p [NodeNow],
    jobs: &'p [JobNow],
    fits: &'p Fits,
    then: Vec<NodeThen>,
    owners: BTreeMap<i64, OwnerNow>,
    /// Owners whose turn came by the end of a run that could not be predicted.
    doubts: BTreeMap<i64, String>,
    waiting: Vec<usize>,
    given: Vec<Given>,
}

impl<'p> Play<'p> {
    fn new(
        now: i64,
        nodes: &'p [NodeNow],
        owners: &BTreeMap<i64, OwnerNow>,
        jobs: &'p [JobNow],
        fits: &'p Fits,
    ) -> Play<'p> {
        let then = nodes.iter().map(|node| match &node.busy {
            None => NodeThen { free_at: 0.0, run: None, doubt: None, streak: 0 },
            Some((owner, left)) => NodeThen {
                free_at: (left.to_plan_with() + BETWEEN).likely,
                run: Some((*owner, 0.0)),
                doubt: doubt(left),
                streak: 0,
            },
        });
        // What fits nowhere is never given out.
        let waiting = (0..jobs.len()).filter(|&job| fits.table[fits.class[job]].contains(&true)).collect();
        let (then, owners) = (then.collect(), owners.clone());
        Play { now, nodes, jobs, fits, then, owners, doubts: BTreeMap::new(), waiting, given: vec![] }
    }

    /// Runs that are over by then free their owners' places, and count as use.
    fn end_runs(&mut self, t: f64) {
        for node in self.then.iter_mut().filter(|node| node.free_at <= t) {
            let Some((owner, since)) = node.run.take() else { continue };
            let doubt = node.doubt.clone();
            let Some(line) = self.owners.get_mut(&owner) else { continue };
            if line.running >= line.running_max
                && let Some(doubt) = doubt
            {
                self.doubts.insert(owner, doubt);
            }
            line.running = line.running.saturating_sub(1);
            let ms = |seconds: f64| (seconds * 1000.0) as i64;
            line.share = schedule::share_after(line.share, ms(node.free_at - since), self.now.saturating_add(ms(t)));
        }
    }

    /// Gives jobs to all nodes that are free at `t`.
    fn give_out(&mut self, t: f64) {
        let mut ready = self.ready(t);
        let mut counts = self.fits.counted(&ready);
        for node in 0..self.nodes.len() {
            if ready.is_empty() {
                return;
            }
            if self.then[node].free_at > t || !self.nodes[node].takes {
                continue;
            }
            // A node that nothing fits on stays free while all others are given their jobs one by one.
            if self.fits.of_node[node].iter().all(|&row| counts[row] == 0) {
                continue;
            }
            if let Some(job) = self.pick(&ready, node, t) {
                self.give(node, job, t);
                let owner = self.jobs[job].owner;
                let full = self.is_full(owner);
                ready.retain(|&other| other != job && !(full && self.jobs[other].owner == owner));
                counts = self.fits.counted(&ready);
            }
        }
    }

    /// What could be given out at `t` if a node had room. Most often that is nothing, however many wait.
    fn ready(&self, t: f64) -> Vec<usize> {
        let job = |job: usize| &self.jobs[job];
        self.waiting.iter().copied().filter(|&n| !(job(n).not_before > t || self.is_full(job(n).owner))).collect()
    }

    fn is_full(&self, owner: i64) -> bool {
        self.owners.get(&owner).is_some_and(|line| line.running >= line.running_max)
    }

    /// The job that the node gets at `t`.
    fn pick(&self, ready: &[usize], node: usize, t: f64) -> Option<usize> {
        let express = schedule::express_first(self.then[node].streak);
        let rank = |job: &JobNow| {
            let share = self.owners.get(&job.owner).map_or(schedule::NO_SHARE, |line| line.share);
            (job.express != express, share, job.owner)
        };
        let mut best: Option<(usize, (bool, f64, i64))> = None;
        for &n in ready.iter().filter(|&&n| self.fits.on(n, node)) {
            let job = &self.jobs[n];
            let before = |(_, least): &(usize, (bool, f64, i64))| {
                let (lane, share, owner) = rank(job);
                lane.cmp(&least.0).then(share.total_cmp(&least.1)).then(owner.cmp(&least.2)).is_lt()
            };
            // The first of equals stays: it is the oldest.
            if best.as_ref().is_none_or(before) && !avoids(job, &self.nodes[node], t) {
                best = Some((n, rank(job)));
            }
        }
        best.map(|(n, _)| n)
    }

    fn give(&mut self, node: usize, job: usize, t: f64) {
        let now = &self.jobs[job];
        let then = &mut self.then[node];
        let doubts = [then.doubt.clone(), self.doubts.get(&now.owner).cloned()];
        self.given.push(Given { job, at: t, doubt: doubts.into_iter().flatten().next() });
        then.free_at = t + (now.run.to_plan_with() + BETWEEN).likely;
        then.run = Some((now.owner, t));
        then.doubt = then.doubt.take().or_else(|| doubt(&now.run));
        then.streak = if now.express { then.streak + 1 } else { 0 };
        if let Some(line) = self.owners.get_mut(&now.owner) {
            line.running += 1;
        }
        self.waiting.retain(|waits| *waits != job);
    }

    /// When something changes next.
    fn next_moment(&self, t: f64) -> Option<f64> {
        if self.waiting.is_empty() {
            return None;
        }
        let ends = self.then.iter().filter(|node| node.run.is_some()).map(|node| node.free_at);
        let waits = self.waiting.iter().flat_map(|&job| [self.jobs[job].not_before, self.jobs[job].avoids_for]);
        ends.chain(waits).filter(|at| *at > t).min_by(f64::total_cmp)
    }
}

fn doubt(left: &Left) -> Option<String> {
    match left {
        Left::For(_) => None,
        Left::Unknown { why, .. } => Some(why.clone()),
    }
}

/// The starts of the jobs that were given out, in that order, if every run takes as long as `bound` says.
fn in_order(
    nodes: &[NodeNow],
    owners: &BTreeMap<i64, OwnerNow>,
    jobs: &[JobNow],
    fits: &Fits,
    given: &[Given],
    bound: fn(&Span) -> f64,
) -> Vec<f64> {
    let busy =
        |node: &NodeNow| node.busy.as_ref().map(|(owner, left)| (*owner, bound(&(left.to_plan_with() + BETWEEN))));
    let mut free: Vec<f64> = nodes.iter().map(|node| busy(node).map_or(0.0, |(_, at)| at)).collect();
    let mut ends: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for (owner, at) in nodes.iter().filter_map(busy) {
        ends.entry(owner).or_default().push(at);
    }
    let start = |Given { job, .. }: &Given| {
        let now = &jobs[*job];
        let own = ends.entry(now.owner).or_default();
        own.sort_by(|a, b| b.total_cmp(a));
        // So many of one's own must have ended before.
        let most = owners.get(&now.owner).map_or(usize::MAX, |line| line.running_max as usize);
        let turn = own.get(most.saturating_sub(1)).copied().unwrap_or(0.0).max(now.not_before);
        let at = |node: usize| {
            let at = free[node].max(turn);
            if avoids(now, &nodes[node], at) { now.avoids_for } else { at }
        };
        let fitting = (0..nodes.len()).filter(|&node| fits.on(*job, node));
        let Some(node) = fitting.min_by(|&a, &b| at(a).total_cmp(&at(b))) else { return 0.0 };
        let at = at(node);
        free[node] = at + bound(&(now.run.to_plan_with() + BETWEEN));
        own.push(free[node]);
        at
    };
    given.iter().map(start).collect()
}

/// Puts the three numbers of each start together. Where jobs need the same, a later place never has an earlier number:
/// the spread is widened where playing it made it so.
fn places(given: Vec<Given>, spread: &[Vec<f64>; 2], fits: &Fits, jobs: &[JobNow]) -> Vec<Place> {
    let alike = |job: usize| (fits.class[job], jobs[job].not_before.to_bits(), jobs[job].avoids_for.to_bits());
    let mut early: Vec<f64> = given.iter().zip(&spread[0]).map(|(given, early)| early.min(given.at)).collect();
    let mut late: Vec<f64> = given.iter().zip(&spread[1]).map(|(given, late)| late.max(given.at)).collect();
    let mut least = BTreeMap::new();
    for (n, given) in given.iter().enumerate().rev() {
        let known = least.entry(alike(given.job)).or_insert(early[n]);
        early[n] = early[n].min(*known);
        *known = early[n];
    }
    let mut most = BTreeMap::new();
    for (n, given) in given.iter().enumerate() {
        let known = most.entry(alike(given.job)).or_insert(late[n]);
        late[n] = late[n].max(*known);
        *known = late[n];
    }
    let place = |(n, given): (usize, Given)| {
        let starts = match given.doubt {
            Some(why) => Left::Unknown { late: late[n], why },
            None => Left::For(Span::new(early[n], given.at, late[n])),
        };
        Place { job: given.job, starts }
    };
    given.into_iter().enumerate().map(place).collect()
}
