//! What look-ahead does: the same panels, broadcasts and updates with and without it, on a line of time for each
//! process column.

use super::LETTER;
use crate::picture::svg::{Anchor, Svg};
use crate::picture::{Shape, responsive, text};

/// What is drawn: an update takes three times as long as a panel, a broadcast a third of a panel.
const PANEL: f64 = 1.0;
const BROADCAST: f64 = 1.0 / 3.0;
const UPDATE: f64 = 3.0;
/// The part of an update that the columns of the next panel take on the process column that owns them.
const EARLY: f64 = 0.25;
/// Panels and process columns that are drawn at most.
const PANELS: usize = 4;
const LANES: usize = 4;

/// What a process column does for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Panel(usize),
    /// The update by that panel of the columns of the next one.
    Early(usize),
    Update(usize),
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Bar {
    lane: usize,
    work: Work,
    start: f64,
    end: f64,
}

/// The order of the work with or without look-ahead.
pub struct Order {
    bars: Vec<Bar>,
    lanes: usize,
    ahead: bool,
}

impl Order {
    /// The first panels on `columns` process columns.
    pub fn new(columns: u64, panels: u64, ahead: bool) -> Order {
        let lanes = columns.clamp(1, LANES as u64) as usize;
        let panels = panels.clamp(1, PANELS as u64) as usize;
        let mut bars = vec![Bar { lane: 0, work: Work::Panel(0), start: 0.0, end: PANEL }];
        let mut free = vec![0.0; lanes];
        free[0] = PANEL;
        let mut here = PANEL + BROADCAST;
        for k in 0..panels {
            let next = (k + 1 < panels).then_some((k + 1) % lanes);
            let mut there = here;
            for lane in 0..lanes {
                let mut now = here.max(free[lane]);
                let mut work = |work, long: f64| {
                    bars.push(Bar { lane, work, start: now, end: now + long });
                    now += long;
                    now
                };
                if ahead && next == Some(lane) {
                    work(Work::Early(k), UPDATE * EARLY);
                    there = work(Work::Panel(k + 1), PANEL) + BROADCAST;
                    free[lane] = work(Work::Update(k), UPDATE * (1.0 - EARLY));
                } else {
                    free[lane] = work(Work::Update(k), UPDATE);
                }
            }
            if let Some(lane) = next.filter(|_| !ahead) {
                let start = free.iter().copied().fold(0.0, f64::max);
                bars.push(Bar { lane, work: Work::Panel(k + 1), start, end: start + PANEL });
                free[lane] = start + PANEL;
                there = start + PANEL + BROADCAST;
            }
            here = there;
        }
        Order { bars, lanes, ahead }
    }

    /// When all is done.
    pub fn end(&self) -> f64 {
        self.bars.iter().map(|bar| bar.end).fold(0.0, f64::max)
    }

    /// The part of the time in which the process columns work, in per cent.
    pub fn busy(&self) -> f64 {
        let busy: f64 = self.bars.iter().map(|bar| bar.end - bar.start).sum();
        100.0 * busy / (self.lanes as f64 * self.end())
    }
}

const LANE: f64 = 34.0;
const TOP: f64 = 6.0;
const LEFT: f64 = 26.0;

/// The order as a picture; `longest` is the end of the longer of two that are compared.
pub fn picture(order: &Order, longest: f64) -> String {
    let title = if order.ahead { "The order of the work with look-ahead 1" } else { "The order without look-ahead" };
    let about = format!(
        "{} process columns. They work {:.0} % of the time and are done after {} times a panel.",
        order.lanes,
        order.busy(),
        text::figure(order.end())
    );
    responsive(|shape| draw(order, longest, shape, title, &about))
}

fn draw(order: &Order, longest: f64, shape: Shape, title: &str, about: &str) -> String {
    let width = shape.width();
    let height = TOP + order.lanes as f64 * LANE + 4.0;
    let along = |time: f64| LEFT + time / longest * (width - LEFT - 2.0);
    let mut svg = Svg::new(width, height, &format!("{} ahead", shape.class()), title, about);
    for lane in 0..order.lanes {
        let y = TOP + lane as f64 * LANE;
        svg.text("quiet", LEFT - 8.0, y + 19.0, Anchor::End, &lane.to_string());
        svg.rect("idle", along(0.0), y, along(order.end()) - along(0.0), LANE - 6.0);
    }
    for Bar { lane, work, start, end } in &order.bars {
        let (x, y, wide) = (along(*start), TOP + *lane as f64 * LANE, along(*end) - along(*start));
        let (class, words) = match work {
            Work::Panel(k) => ("does-panel", format!("P{k}")),
            Work::Early(k) => ("does-early", format!("U{k}")),
            Work::Update(k) => ("does-update", format!("U{k}")),
        };
        svg.rect(class, x, y, wide, LANE - 6.0);
        if text::width(&words, LETTER) <= wide {
            svg.text("on-bar", x + wide / 2.0, y + 19.0, Anchor::Middle, &words);
        }
    }
    svg.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_does_two_things_at_once_and_look_ahead_saves_time() {
        for columns in 1..=5 {
            for panels in 1..=5 {
                let orders = [false, true].map(|ahead| Order::new(columns, panels, ahead));
                for order in &orders {
                    for lane in 0..order.lanes {
                        let mut bars: Vec<&Bar> = order.bars.iter().filter(|bar| bar.lane == lane).collect();
                        bars.sort_by(|a, b| a.start.total_cmp(&b.start));
                        assert!(bars.windows(2).all(|two| two[0].end <= two[1].start + 1e-9), "{columns} {panels}");
                    }
                    assert!(order.busy() <= 100.0 + 1e-9);
                }
                let [without, with] = orders;
                assert!(with.end() <= without.end() + 1e-9);
                if columns > 1 && panels > 1 {
                    assert!(with.busy() > without.busy(), "{columns} {panels}");
                }
            }
        }
    }
}
