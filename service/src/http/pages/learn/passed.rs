//! What the topics about a step show: the panel, its broadcast, look-ahead, the exchange of rows.

use hpl_spec::params::Bcast;

use super::numbers::Numbers;
use super::picture::messages::{self, MOST_PLACES, Played};
use super::picture::{ahead, blocks, passing};
use super::shown::{Shown, Table, row};
use crate::http::pages::words::{bytes, count};
use crate::picture::text;

/// How the pictures of messages are to be read.
const BROADCAST_LEGEND: &str = "Process columns stand side by side, and time runs down: 1 is as long as a message with \
                                the whole panel. An arrow is a message, a thin one carries a piece. From the dot on, \
                                a column has the panel.";
const SWAP_LEGEND: &str = "Process rows stand side by side, and time runs down: 1 is as long as a message with the \
                           whole of U. From the dot on, a row has it. Drawn for pivots that are spread evenly; what row 0 sends includes the rows that go down.";

/// PFACT, RFACT, NBMIN, NDIV: the panel in parts.
pub fn panel(numbers: Numbers) -> Shown {
    let mut shown = Shown::default();
    let (nbmin, ndiv) = (numbers.params().nbmin as u64, numbers.params().ndiv as u64);
    let levels = blocks::levels(numbers.nb, nbmin, ndiv);
    let caption = format!(
        "NB = {} with NDIV = {ndiv} and NBMIN = {nbmin}: RFACT rules how the parts of a line are put together, PFACT \
         how those of the last line are factored.",
        numbers.nb
    );
    shown.figure("The panel cut in parts", blocks::recursion(numbers.nb, nbmin, ndiv), caption);
    let rows = numbers.layout().local_rows(0);
    shown.fact("The first panel", format!("{} × {}", text::count(numbers.n), numbers.nb));
    shown.fact("On each rank of its column, at most", bytes(8 * rows * numbers.nb));
    shown.fact("Pivots to agree on, in all", text::count(numbers.n));
    shown.fact("Ranks that must agree on each", text::count(numbers.p));
    shown.fact("Levels of the recursion", count(levels.len() as u64 - 1, "level", "levels"));
    shown.try_with(numbers, &[("nbmin", "4")], "Cut the panel finer: NBMIN = 4");
    shown.try_with(numbers, &[("pfact", "crout"), ("rfact", "crout")], "Factor it Crout’s way");
    shown.try_with(numbers, &[("pfact", "left"), ("rfact", "left")], "Factor it left-looking");
    shown
}

/// What a topology is called for people, and in a sentence.
fn topology(bcast: Bcast) -> (&'static str, &'static str) {
    match bcast {
        Bcast::Ring => ("Ring", "Each process column passes the panel to the next."),
        Bcast::RingM => (
            "Modified ring",
            "The next column gets it first and passes nothing on: it has a panel of its own to factor.",
        ),
        Bcast::TwoRing => ("Two rings", "Two chains at once, each through half of the columns."),
        Bcast::TwoRingM => ("Modified two rings", "Two chains, and the next column is spared."),
        Bcast::Long => ("Long", "The panel is cut in pieces. They are spread, then everybody passes pieces on."),
        Bcast::LongM => ("Modified long", "The next column gets the panel whole; the others share pieces."),
    }
}

/// Times a whole panel, or U.
fn times(value: f64) -> String {
    text::figure((value * 100.0).round() / 100.0)
}

/// BCAST: all six topologies.
pub fn broadcast(numbers: Numbers, k: u64) -> Shown {
    let mut shown = Shown { legend: BROADCAST_LEGEND, ..Shown::default() };
    let drawn = (numbers.q as usize).min(MOST_PLACES);
    let root = (k % drawn as u64) as usize;
    let played: Vec<(Bcast, Played)> =
        Bcast::TABLE.iter().map(|row| (row.value, messages::broadcast(row.value, drawn))).collect();
    let unit = passing::unit(played.iter().map(|(_, played)| played.end()).fold(0.0, f64::max));
    let mut rows = vec![];
    for (bcast, played) in &played {
        let (name, about) = topology(*bcast);
        let row_of = bcast.row();
        let heading = format!("{name} ({}, {})", row_of.number, row_of.title);
        let title = format!("Who passes the panel to whom: {}", name.to_lowercase());
        let picture = passing::picture(played, unit, &title, "panel", |place| ((root + place) % drawn).to_string());
        shown.figure(&heading, picture, about);
        let next = played.complete.get(1).copied().unwrap_or(0.0);
        let cells = [name.to_owned(), times(played.end()), times(next), times(played.most_sent())];
        rows.push(row(*bcast == numbers.params().bcast, [&cells[..], &[played.most_messages().to_string()]].concat()));
    }
    let more = if numbers.q as usize > drawn {
        format!(" (of your {}, the most that can be drawn)", numbers.q)
    } else {
        String::new()
    };
    shown.tables.push(Table {
        mark: "usual",
        caption: format!("In times of one message with the whole panel, on {drawn} process columns{more}"),
        head: vec!["Topology", "Last one has it", "Next column has it", "Most sent by one", "Its messages"],
        rows,
    });
    let layout = numbers.layout();
    let panel = 8 * numbers.nb * (layout.local_rows(0) + numbers.nb + 1);
    shown.fact("A panel of a process row, at most", bytes(panel));
    shown.fact("Broadcasts in a run", text::count(numbers.panels()));
    shown.fact("Process columns", text::count(numbers.q));
    shown.fact("Of the root among them", format!("panel {k} belongs to column {}", k % numbers.q));
    let name = |bcast: Bcast| topology(bcast).0.to_lowercase();
    for bcast in [Bcast::Ring, Bcast::TwoRingM, Bcast::Long] {
        let words = format!("Pass the panel on by {} (BCAST {})", name(bcast), bcast.number());
        shown.try_with(numbers, &[("bcast", bcast.name())], words);
    }
    shown
}

/// DEPTH: the order of the work.
pub fn depth(numbers: Numbers) -> Shown {
    let mut shown = Shown::default();
    let orders = [false, true].map(|ahead| ahead::Order::new(numbers.q, numbers.panels(), ahead));
    let longest = orders.iter().map(ahead::Order::end).fold(0.0, f64::max);
    let [without, with] = &orders;
    shown.figure(
        "Depth 0: one after the other",
        ahead::picture(without, longest),
        format!(
            "A line is a process column. P is a panel, U an update, with the number of the panel. Here process columns work {:.0} % of the time.",
            without.busy()
        ),
    );
    shown.figure(
        "Depth 1: the next panel early",
        ahead::picture(with, longest),
        format!(
            "The owner of the next panel updates those columns first and factors them while the others update. Here \
             process columns work {:.0} % of the time. Drawn for an update that takes three times as long as a panel; \
             the true times stand with each result.",
            with.busy()
        ),
    );
    let rows = numbers.layout().local_rows(0);
    shown.fact("Process columns", text::count(numbers.q));
    shown.fact("Panels", text::count(numbers.panels()));
    shown.fact("Memory that one more panel takes on a rank, at most", bytes(8 * numbers.nb * (rows + numbers.nb)));
    shown.try_with(numbers, &[("depth", "0")], "Without look-ahead (DEPTH 0): the score falls by what it hid");
    shown.try_with(numbers, &[("depth", "1")], "With look-ahead 1");
    shown.try_with(numbers, &[("depth", "2")], "With look-ahead 2: a panel’s memory more, rarely faster");
    shown
}

/// SWAP, the threshold, EQUIL: both exchanges.
pub fn swap(numbers: Numbers) -> Shown {
    let mut shown = Shown::default();
    if numbers.p > 1 {
        shown.legend = SWAP_LEGEND;
    }
    let drawn = (numbers.p as usize).min(MOST_PLACES);
    let ways = [("Binary exchange", messages::binary_exchange(drawn)), ("Spread-roll", messages::spread_roll(drawn))];
    let unit = passing::unit(ways.iter().map(|(_, played)| played.end()).fold(0.0, f64::max) / 2.5);
    let mut rows = vec![];
    for (name, played) in &ways {
        let about = match *name {
            "Binary exchange" => {
                "In each round, pairs trade all they have gathered: few messages, each after the one before."
            }
            _ => "The top rows are spread. Then the rows of U go round the ring: many small messages, which overlap.",
        };
        let title = format!("How the rows come together: {}", name.to_lowercase());
        let picture = passing::picture(played, unit, &title, "row block U", |place| place.to_string());
        if drawn > 1 {
            shown.figure(name, picture, about);
        }
        let cells =
            [(*name).to_owned(), played.most_messages().to_string(), times(played.most_sent()), times(played.end())];
        rows.push(row(*name == "Spread-roll", cells));
    }
    if drawn > 1 {
        let more = if numbers.p as usize > drawn {
            format!(" (of your {}, the most that can be drawn)", numbers.p)
        } else {
            String::new()
        };
        shown.tables.push(Table {
            mark: "usual",
            caption: format!("On {drawn} process rows{more}, in parts of the whole U"),
            head: vec!["Way", "Messages of the busiest row", "Sent by it", "Done after"],
            rows,
        });
    }
    let columns = numbers.layout().local_columns(0);
    shown.fact("Process rows", text::count(numbers.p));
    shown.fact("Rows to exchange in a step, at most", text::count(2 * numbers.nb));
    shown.fact(
        "U of the first step on a rank, at most",
        format!("{} × {}, {}", numbers.nb, text::count(columns), bytes(8 * numbers.nb * columns)),
    );
    shown.try_with(numbers, &[("swap", "binary_exchange")], "Exchange rows in pairs (SWAP 0)");
    shown.try_with(numbers, &[("swap", "spread_roll")], "Send them round the ring (SWAP 1)");
    let threshold = numbers.nb.to_string();
    let words = format!("Pairs up to {threshold} columns, the ring above (SWAP 2)");
    shown.try_with(numbers, &[("swap", "mix"), ("swap_threshold", &threshold)], words);
    shown
}
