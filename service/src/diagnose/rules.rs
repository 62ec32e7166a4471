//! The table of rules: from where on each speaks, and why from there.

use super::known::Known;
use super::{Seen, machine, size, way};

/// A rule.
pub(super) struct Rule {
    /// A stable word.
    pub(super) code: &'static str,
    /// What it looks at.
    pub(super) title: &'static str,
    /// From here on it speaks.
    pub(super) limit: f64,
    /// The same in words, `{}` being the limit.
    pub(super) threshold: &'static str,
    /// Why from there.
    pub(super) reason: &'static str,
    pub(super) look: fn(&Known<'_>, f64) -> Seen,
}

const fn rule(
    code: &'static str,
    title: &'static str,
    (limit, threshold): (f64, &'static str),
    reason: &'static str,
    look: fn(&Known<'_>, f64) -> Seen,
) -> Rule {
    Rule { code, title, limit, threshold, reason, look }
}

/// All rules.
pub(super) const RULES: [Rule; 27] = [
    rule(
        "clocks_fell",
        "Clock of the cores",
        (5.0, "the cores that compute are {} % below their first clock for a fifth of the samples or more"),
        "Clocks jitter by a per cent or two; beyond that, the score falls with the clock.",
        machine::clocks_fell,
    ),
    rule(
        "hot",
        "Temperature",
        (95.0, "{} °C or more"),
        "Most processors slow themselves down between 95 and 105 °C.",
        machine::hot,
    ),
    rule(
        "swapped",
        "Swap",
        (64.0, "{} MiB or more were swapped out while the run was on"),
        "A little is moved out whenever memory is wanted. HPL walks through all of its matrix again and again, so that more than that stops it.",
        machine::swapped,
    ),
    rule(
        "memory_full",
        "Free memory",
        (2.0, "less than {} % of the memory could still be had"),
        "The system needs a little for itself; below that it begins to throw out what it needs again.",
        machine::memory_full,
    ),
    rule(
        "memory_pressure",
        "Waiting for memory",
        (2.0, "some task waited for memory in {} % of the time or more"),
        "A run that fits waits for memory in none of it.",
        machine::memory_pressure,
    ),
    rule(
        "cpu_stolen",
        "Time given to other guests",
        (1.0, "the hypervisor gave {} % of the processors' time or more to others"),
        "On a machine of one's own it is 0; all ranks wait for the one that was stopped.",
        machine::cpu_stolen,
    ),
    rule(
        "other_load",
        "Other programs",
        (1.0, "{} task and a twentieth of our threads, or more, wanted to run beyond them in the last half of the run"),
        "The system and the daemon add a few hundredths of a task; a whole one takes a core from a rank.",
        machine::other_load,
    ),
    rule(
        "cpu_missing",
        "Processor time of our threads",
        (5.0, "our threads got at least {} % less processor time than the time for which they computed"),
        "A thread that computes on a core of its own gets all of its time; clocks that count it differ by a few per cent.",
        machine::cpu_missing,
    ),
    rule(
        "cores_unused",
        "Cores without work",
        (1.0, "{} core or more had no thread"),
        "The peak is that of all cores: a core without a thread adds nothing.",
        machine::cores_unused,
    ),
    rule(
        "oversubscribed",
        "Threads beyond the cores",
        (1.0, "{} thread or more beyond the physical cores"),
        "A core has one set of multipliers: two threads on it only take turns.",
        machine::oversubscribed,
    ),
    rule(
        "huge_pages_off",
        "Huge pages",
        (1.0, "they are off, and the matrix has {} GiB or more"),
        "Small matrices fit into what the processor remembers of small pages; larger ones do not.",
        machine::huge_pages_off,
    ),
    rule(
        "kernel_untuned",
        "The kernel",
        (0.0, "the program had no tile of its own for this processor"),
        "The tiles are written for AVX-512 and AVX2; all other processors get a general one.",
        way::kernel_untuned,
    ),
    rule(
        "kernel_short",
        "Matrix products below the peak",
        (20.0, "{} % of the time or more went into products that were slower than the peak"),
        "Even a good kernel stays a little below the peak; a fifth of the time is more than a little.",
        way::kernel_short,
    ),
    rule(
        "panel_dear",
        "Factoring panels",
        (10.0, "{} % of the time or more"),
        "A panel is narrow and cannot be computed at full speed; with look-ahead most of it hides behind the update.",
        way::panel_dear,
    ),
    rule(
        "pivot_dear",
        "Agreeing on pivots",
        (5.0, "{} % of the time or more"),
        "Every column asks all rows of the grid for its pivot. On one node a question is answered fast.",
        way::pivot_dear,
    ),
    rule(
        "broadcast_waited",
        "Waiting for panels",
        (5.0, "{} % of the time or more"),
        "With look-ahead a panel travels while there is other work; it is waited for only if that is too short.",
        way::broadcast_waited,
    ),
    rule(
        "swap_dear",
        "Swapping rows",
        (8.0, "{} % of the time or more"),
        "Rows move through memory, not through the multipliers; on one node that takes a few per cent.",
        way::swap_dear,
    ),
    rule(
        "rank_late",
        "One rank late",
        (5.0, "the busiest rank rested at least {} % of the time less than the middle one"),
        "Ranks that have the same to do rest equally long, but for a few per cent.",
        way::rank_late,
    ),
    rule(
        "threads_waited",
        "Threads that wait for each other",
        (8.0, "{} % of the time or more"),
        "Inside a panel threads meet at every column, which costs some per cent.",
        way::threads_waited,
    ),
    rule(
        "idle",
        "Nothing to do",
        (10.0, "{} % of the time or more"),
        "At the beginning and at the end there is not work for all; in a large matrix that is a few per cent.",
        way::idle,
    ),
    rule(
        "grid",
        "Shape of the grid",
        (4.0, "P above Q, or a grid {} times as flat as it need be while messages cost 5 % of the time"),
        "Pivots are sought along P and panels sent along Q; a square grid sends least, and pivots come more often.",
        size::grid,
    ),
    rule(
        "problem_small",
        "Size of the problem",
        (30.0, "the matrix takes less than {} % of the memory, and the run was below 80 % of the peak"),
        "Everything but the products grows more slowly than N³: the larger N, the smaller its part.",
        size::problem_small,
    ),
    rule(
        "nb_not_best",
        "NB against the best seen",
        (3.0, "a run on this node with another NB and an N within a tenth was {} % faster or more"),
        "Runs that are repeated scatter by two or three per cent.",
        size::nb_not_best,
    ),
    rule(
        "nb_unusual",
        "NB against the usual",
        (2.0, "more than {} times as wide, or as narrow, as is usual for this N"),
        "The best NB lies rarely further away: 32 for small matrices, 256 from N=7000 on.",
        size::nb_unusual,
    ),
    rule(
        "slower_than_before",
        "The node's own best",
        (5.0, "a run on this node with the same NB and no larger N was {} % faster or more"),
        "Rates grow with N, and runs scatter by two or three per cent: the node can do better.",
        size::slower_than_before,
    ),
    rule(
        "block_cut",
        "The last block",
        (0.0, "N is no multiple of NB"),
        "The last block is as much trouble as a whole one. It hardly matters.",
        size::block_cut,
    ),
    rule(
        "setup_long",
        "Before and after the solve",
        (50.0, "less than {} % of the program's time was the solve"),
        "The matrix is made before it and the answer is checked after it; neither counts.",
        size::setup_long,
    ),
];
