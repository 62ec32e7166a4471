//! Where the time of a run went: from the peak down to the score, phases, bytes, netlib's timers.

use hpl_spec::account::{Account, Timers};
use hpl_spec::benchmark::figure;
use hpl_spec::report::RunReport;

use super::words::span;
use crate::http::pages::words;
use crate::picture;

/// All that a report says of its time.
pub(super) struct Went {
    pub(super) waterfall: Option<Waterfall>,
    pub(super) phases: PhaseTable,
    pub(super) sent: Vec<(&'static str, String)>,
    /// How much of the broadcasts was hidden behind the update.
    pub(super) hidden: String,
    pub(super) timers: Vec<(&'static str, &'static str, String)>,
    /// What came before the solve and after it.
    pub(super) around: String,
    pub(super) idle: String,
}

/// From the peak down to the score.
pub(super) struct Waterfall {
    pub(super) picture: String,
    /// Where it begins, and of what.
    pub(super) about: String,
    pub(super) has_peak: bool,
    pub(super) steps: Vec<StepLine>,
}

pub(super) struct StepLine {
    pub(super) name: String,
    pub(super) sentence: String,
    pub(super) time: String,
    pub(super) share: String,
    pub(super) lost: String,
    pub(super) left: String,
}

pub(super) struct PhaseTable {
    pub(super) picture: String,
    /// Whether least and median are known.
    pub(super) spread: bool,
    pub(super) lines: Vec<PhaseLine>,
}

pub(super) struct PhaseLine {
    pub(super) name: &'static str,
    /// HPL's word.
    pub(super) word: &'static str,
    pub(super) sentence: &'static str,
    pub(super) min: String,
    pub(super) median: String,
    pub(super) max: String,
    pub(super) share: String,
}

impl Went {
    pub(super) fn of(run: &RunReport) -> Went {
        let account = run.account.as_ref();
        let (around, watch) = (run.around, Watch::of(run));
        Went {
            waterfall: account
                .filter(|a| !a.waterfall.losses.is_empty())
                .map(|a| waterfall(a, run.params.flops(), watch)),
            phases: phases(run),
            sent: account.map(sent).unwrap_or_default(),
            hidden: account.map(|account| hidden(account, watch)).unwrap_or_default(),
            timers: account.map(|account| timers(&account.timers, watch)).unwrap_or_default(),
            around: if around.generate > 0.0 || around.verify > 0.0 {
                format!(
                    "Besides the solve, making the matrix took {} and checking the answer {}. Neither counts for the score.",
                    watch.say(around.generate),
                    watch.say(around.verify)
                )
            } else {
                String::new()
            },
            idle: idle(&run.idle),
        }
    }
}

/// How the times of a run are written: all in the same unit, so that they can be told apart at a glance.
#[derive(Clone, Copy)]
struct Watch {
    unit: &'static str,
    factor: f64,
    decimals: usize,
}

impl Watch {
    fn of(run: &RunReport) -> Watch {
        let (unit, factor, decimals) = match run.seconds {
            long if long >= 10.0 => ("s", 1.0, 2),
            middle if middle >= 1.0 => ("s", 1.0, 3),
            short if short >= 0.1 => ("ms", 1e3, 1),
            shorter if shorter >= 0.01 => ("ms", 1e3, 2),
            _ => ("µs", 1e6, 1),
        };
        Watch { unit, factor, decimals }
    }

    fn say(self, seconds: f64) -> String {
        let Watch { unit, factor, decimals } = self;
        if seconds.is_finite() { format!("{:.decimals$}\u{a0}{unit}", factor * seconds) } else { "unknown".to_owned() }
    }
}

/// A rate in a column of rates from `peak` down.
fn rate(value: f64, peak: f64) -> String {
    let decimals = match peak {
        huge if huge >= 1e4 => 0,
        large if large >= 100.0 => 1,
        _ => 2,
    };
    let text = format!("{:.decimals$}", value.abs());
    // What would be written as nothing, and is a figure by itself.
    if value != 0.0 && text.bytes().all(|b| matches!(b, b'0' | b'.')) { figure(value.abs()) } else { text }
}

fn percent(share: f64) -> String {
    if share.is_finite() { format!("{:.1} %", 100.0 * share) } else { String::new() }
}

fn waterfall(account: &Account, flops: f64, watch: Watch) -> Waterfall {
    let way = &account.waterfall;
    let steps = picture::waterfall::steps(way, flops);
    let has_peak = steps.first().is_some_and(|step| step.left.is_some());
    let threads = words::count(way.threads as u64, "thread", "threads");
    let about = if has_peak {
        format!(
            "xhpl measured what the {threads} of this run reach in nothing but multiply-adds just before it began: {} \
             Gflop/s. Each step takes something away; what is left at the end is the score.",
            words::rate(way.peak)
        )
    } else {
        format!("The peak of the {threads} was not measured before this run, so the steps are told in time alone.")
    };
    // Losses that round to nothing are nothing.
    let lost = |lost: f64| match (lost.abs() < 1e-5 * way.peak, lost < 0.0) {
        (true, _) => "0".to_owned(),
        (false, true) => format!("+{}", rate(lost, way.peak)),
        (false, false) => format!("−{}", rate(lost, way.peak)),
    };
    let lines = steps.iter().enumerate().map(|(i, step)| StepLine {
        name: step.name.clone(),
        sentence: match i {
            0 => format!("{} At that rate the work would take {}.", step.sentence, span(step.seconds)),
            _ => step.sentence.clone(),
        },
        time: watch.say(step.seconds),
        share: percent(step.share_of_time),
        lost: step.lost.filter(|_| i > 0).map(lost).unwrap_or_default(),
        left: step.left.map(|left| rate(left, way.peak)).unwrap_or_default(),
    });
    let lines = lines.collect();
    let picture = picture::responsive(|shape| picture::waterfall::picture(way, flops, shape));
    Waterfall { picture, about, has_peak, steps: lines }
}

fn phases(run: &RunReport) -> PhaseTable {
    // One rank has no spread.
    let spread = run.account.as_ref().map(|account| &account.ranks).filter(|_| run.params.processes() > 1);
    let watch = Watch::of(run);
    let most = spread.map_or(&run.phases, |spread| &spread.max);
    let lines = picture::phases::phases(most, spread).into_iter().map(|phase| PhaseLine {
        name: phase.name,
        word: phase.word,
        sentence: phase.sentence,
        min: phase.min.map(|least| watch.say(least)).unwrap_or_default(),
        median: watch.say(phase.typical),
        max: watch.say(phase.max),
        share: if run.seconds > 0.0 { percent(phase.typical / run.seconds) } else { String::new() },
    });
    let lines = lines.collect();
    let picture = picture::responsive(|shape| picture::phases::picture(most, spread, shape));
    PhaseTable { picture, spread: spread.is_some(), lines }
}

fn sent(account: &Account) -> Vec<(&'static str, String)> {
    let sent = account.sent;
    let all = sent.bcast.saturating_add(sent.swap).saturating_add(sent.pivot).saturating_add(sent.backsolve);
    if all == 0 {
        return vec![];
    }
    let kinds = [
        ("Panels", sent.bcast),
        ("Row swaps", sent.swap),
        ("Pivots and their rows", sent.pivot),
        ("Back substitution", sent.backsolve),
        ("All together", all),
    ];
    kinds.map(|(name, bytes)| (name, words::bytes(bytes))).to_vec()
}

fn hidden(account: &Account, watch: Watch) -> String {
    let (way, waited) = (account.panels_under_way, account.panels_waited_for);
    if !(way.is_finite() && waited.is_finite() && way > 0.0 && waited >= 0.0) {
        return String::new();
    }
    let part = (1.0 - waited / way).clamp(0.0, 1.0);
    format!(
        "Panels were under way for {} and waited for during {}: {} of their way was hidden behind the update.",
        watch.say(way),
        watch.say(waited),
        percent(part)
    )
}

fn timers(timers: &Timers, watch: Watch) -> Vec<(&'static str, &'static str, String)> {
    let rows = [
        ("rfact", "Panel factorization", timers.rfact),
        ("pfact", "of it, below the recursion", timers.pfact),
        ("mxswp", "of that, pivot exchanges", timers.mxswp),
        ("update", "Update, with its row interchanges", timers.update),
        ("laswp", "of it, row interchanges", timers.laswp),
        ("up tr sv", "Back substitution", timers.up_tr_sv),
    ];
    rows.map(|(name, about, value)| (name, about, watch.say(value))).to_vec()
}

/// How idle the threads were.
fn idle(ranks: &[Vec<f64>]) -> String {
    let all: Vec<f64> = ranks.iter().flatten().copied().filter(|share| share.is_finite()).collect();
    let Some(least) = all.iter().copied().reduce(f64::min) else { return String::new() };
    let most = all.iter().copied().fold(least, f64::max);
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    match all.len() {
        1 => format!("The only thread computed nothing for {} of the time.", percent(mean)),
        threads => format!(
            "The {threads} threads computed nothing for {} of the time on average, from {} of the busiest to {} of the idlest.",
            percent(mean),
            percent(least),
            percent(most)
        ),
    }
}

#[cfg(test)]
mod tests {
    use hpl_spec::account::{Sent, Spent, Spread};
    use hpl_spec::params::RunParams;
    use hpl_spec::report::{Around, Phases, Verdict};

    use super::*;

    fn run(account: Option<Account>) -> RunReport {
        RunReport {
            params: RunParams::new(1000, 64, 1, 2),
            threshold: 16.0,
            started: String::new(),
            ended: String::new(),
            seconds: 2.0,
            gflops: 0.3,
            phases: Phases { update: 1.5, pfact: 0.2, ..Phases::default() },
            idle: vec![vec![0.1], vec![0.3]],
            account,
            around: Around::default(),
            verdict: Verdict::Unchecked,
        }
    }

    fn account(peak: f64) -> Account {
        let params = RunParams::new(1000, 64, 1, 2);
        let spent = Spent { multiply: 3.0, panel: 0.4, ..Spent::default() };
        let phases = |update| Phases { update, ..Phases::default() };
        Account {
            timers: Timers { rfact: 0.2, ..Timers::default() },
            ranks: Spread::of(&[phases(1.25), phases(1.5)]),
            sent: Sent { bcast: 2048, ..Sent::default() },
            panels_under_way: 0.5,
            panels_waited_for: 0.125,
            waterfall: hpl_spec::account::Waterfall::new(&params, 2.0, peak, 2, &spent),
        }
    }

    #[test]
    fn an_old_report_has_the_most_of_each_phase_and_no_more() {
        let went = Went::of(&run(None));
        assert!(went.waterfall.is_none() && went.sent.is_empty() && went.timers.is_empty() && went.hidden.is_empty());
        assert!(!went.phases.spread);
        let update = went.phases.lines.iter().find(|line| line.word == "update").unwrap();
        assert_eq!((update.max.as_str(), update.share.as_str(), update.min.as_str()), ("1.500\u{a0}s", "75.0 %", ""));
        assert!(went.idle.contains("20.0 % of the time on average, from 10.0 % of the busiest to 30.0 %"));
    }

    #[test]
    fn an_account_is_told_in_full() {
        let went = Went::of(&run(Some(account(10.0))));
        let way = went.waterfall.unwrap();
        assert!(
            way.has_peak && way.about.contains("2 threads") && way.about.contains("10.00 Gflop/s"),
            "{}",
            way.about
        );
        assert!(way.steps[0].lost.is_empty() && way.steps[0].left == "10.00", "{}", way.steps[0].left);
        assert!(way.steps[1].lost.starts_with('−'));
        let update = went.phases.lines.iter().find(|line| line.word == "update").unwrap();
        assert_eq!((update.min.as_str(), update.median.as_str()), ("1.250\u{a0}s", "1.500\u{a0}s"));
        assert!(went.hidden.contains("75.0 % of their way"), "{}", went.hidden);
        assert_eq!(went.sent.last().unwrap().1, "2.0 KiB");
        assert_eq!(went.timers[0].2, "0.200\u{a0}s");
        let way = Went::of(&run(Some(account(0.0)))).waterfall.unwrap();
        assert!(!way.has_peak && way.about.contains("not measured") && way.steps[1].lost.is_empty());
    }

    #[test]
    fn rates_of_a_column_have_the_same_decimals() {
        let said = [240.04, 0.5, 0.0, 0.000_565].map(|value| rate(value, 240.04));
        assert_eq!(said, ["240.0", "0.5", "0.0", "5.6500e-04"]);
        assert_eq!([rate(1_234_567.8, 1.3e6), rate(9.876, 12.0)], ["1234568", "9.88"]);
    }
}
