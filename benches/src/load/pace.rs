//! Calls at a rate, and how long each took.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// How many different errors are told.
const TOLD: usize = 5;

/// How long calls took.
#[derive(Debug, Clone, Default)]
pub struct Times {
    sorted: Vec<Duration>,
}

impl Times {
    /// Those of these calls.
    pub fn of(mut times: Vec<Duration>) -> Times {
        times.sort();
        Times { sorted: times }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.sorted.len()
    }

    /// The time within which `part` of the calls were answered, by nearest rank; zero if there were none.
    pub fn quantile(&self, part: f64) -> Duration {
        let rank = (part * self.sorted.len() as f64).ceil() as usize;
        let at = rank.clamp(1, self.sorted.len().max(1)) - 1;
        self.sorted.get(at).copied().unwrap_or_default()
    }
}

/// In milliseconds: the middle, 99 of 100, and the slowest.
impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [middle, most, slowest] = [0.5, 0.99, 1.0].map(|part| self.quantile(part).as_secs_f64() * 1e3);
        write!(f, "{middle:>8.1} {most:>8.1} {slowest:>8.1}")
    }
}

/// What came of calls at a rate.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Calls a second, from the first one's moment to the last answer.
    pub rate: f64,
    /// How long those that went well took.
    pub times: Times,
    /// Why others did not, and how many.
    pub errors: BTreeMap<String, usize>,
}

impl Figures {
    /// How many calls went wrong.
    pub fn failed(&self) -> usize {
        self.errors.values().sum()
    }

    /// The commonest reasons why calls went wrong, a line each.
    pub fn why(&self) -> String {
        let mut errors: Vec<_> = self.errors.iter().collect();
        errors.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        errors.iter().take(TOLD).map(|(why, count)| format!("  {count} x {why}\n")).collect()
    }
}

/// A bar for `count` things called `name`; drawn on a terminal only.
///
/// # Panics
/// Never: its template is a fixed one.
pub fn bar(name: &str, count: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:<24} [{bar:30}] {pos} of {len}, {eta} left");
    let bar = ProgressBar::new(count as u64).with_style(style.expect("a template").progress_chars("=> "));
    bar.with_message(name.to_owned())
}

/// Makes `count` calls, `rate` of them a second, each at its moment whatever became of those before it, and waits for
/// all answers. The time of a call counts from its moment.
pub async fn paced<C, F>(name: &str, rate: f64, count: usize, call: C) -> Figures
where
    C: Fn(usize) -> F,
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    let bar = bar(name, count);
    let start = Instant::now();
    let mut calls = JoinSet::new();
    let (mut times, mut errors) = (Vec::with_capacity(count), BTreeMap::new());
    let mut note = |ended: Result<(Instant, Result<Instant, String>), tokio::task::JoinError>| match ended {
        Ok((due, Ok(end))) => times.push(end - due),
        Ok((_, Err(why))) => *errors.entry(why).or_default() += 1,
        Err(panic) => *errors.entry(panic.to_string()).or_default() += 1,
    };
    for n in 0..count {
        let due = start + Duration::from_secs_f64(n as f64 / rate);
        sleep_until(due).await;
        let answer = call(n);
        calls.spawn(async move { (due, answer.await.map(|()| Instant::now())) });
        while let Some(ended) = calls.try_join_next() {
            note(ended);
        }
        bar.inc(1);
    }
    while let Some(ended) = calls.join_next().await {
        note(ended);
    }
    let took = start.elapsed().as_secs_f64();
    bar.finish_and_clear();
    Figures { rate: times.len() as f64 / took, times: Times::of(times), errors }
}

/// Makes `count` calls, `at_once` of them at a time, as fast as they are answered; what they give, in no order.
///
/// # Errors
/// The first one that goes wrong.
pub async fn all<C, F, T>(name: &str, count: usize, at_once: usize, call: C) -> Result<Vec<T>, String>
where
    C: Fn(usize) -> F,
    F: Future<Output = Result<T, String>> + Send + 'static,
    T: Send + 'static,
{
    let bar = bar(name, count);
    let (mut calls, mut given) = (JoinSet::new(), Vec::with_capacity(count));
    for n in 0..count {
        if calls.len() == at_once
            && let Some(ended) = calls.join_next().await
        {
            given.push(ended.map_err(|e| e.to_string())??);
            bar.inc(1);
        }
        calls.spawn(call(n));
    }
    while let Some(ended) = calls.join_next().await {
        given.push(ended.map_err(|e| e.to_string())??);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_nearest_rank() {
        let times = Times::of((1..=100).rev().map(Duration::from_millis).collect());
        let quantiles = [0.0, 0.5, 0.99, 1.0].map(|part| times.quantile(part).as_millis());
        assert_eq!(quantiles, [1, 50, 99, 100]);
        assert_eq!(Times::default().quantile(0.99), Duration::ZERO);
    }

    #[test]
    fn time_counts_from_the_moment_a_call_was_due() {
        let runtime = crate::load::runtime().unwrap();
        let lock = std::sync::Arc::new(tokio::sync::Mutex::new(()));
        let figures = runtime.block_on(paced("", 1000.0, 10, |n| {
            let lock = lock.clone();
            async move {
                let _held = lock.lock().await;
                tokio::time::sleep(Duration::from_millis(20)).await;
                if n == 3 { Err("three".into()) } else { Ok(()) }
            }
        }));
        assert_eq!((figures.times.count(), figures.failed()), (9, 1));
        // Ten calls were due within ten milliseconds, and each took twenty: the last had waited for all the others.
        assert!(figures.times.quantile(1.0) >= Duration::from_millis(180), "{figures:?}");
    }
}
