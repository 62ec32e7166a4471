//! Stepping through the factorization, panel by panel.

use super::numbers::Numbers;
use super::shown::{Figure, Frames};
use crate::picture::{responsive, step};

/// Step `k`, with the way to its neighbours on the page of the topic.
pub fn frames(slug: &str, numbers: Numbers, k: u64) -> Frames {
    let layout = numbers.layout();
    let last = numbers.panels().saturating_sub(1);
    let k = k.min(last);
    let address = |k: u64| format!("/learn/{slug}{}&k={k}#step", numbers.query());
    let picture = match slug {
        "work" => {
            responsive(|shape| step::work_left(Some((k + 1) as f64 * numbers.nb as f64 / numbers.n as f64), shape))
        }
        _ => responsive(|shape| step::step(&layout, k, shape)),
    };
    let caption = match slug {
        "work" => "With the part f of the columns done, 1 − (1 − f)³ of the work is done.",
        _ => "One step of the factorization on your blocks. The number in a block is its rank.",
    };
    Frames {
        now: k,
        last,
        first: if k > 0 { address(0) } else { String::new() },
        back: k.checked_sub(1).map(address).unwrap_or_default(),
        next: if k < last { address(k + 1) } else { String::new() },
        figure: Figure { heading: String::new(), picture, caption: caption.to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_can_step_to_both_ends() {
        let numbers = Numbers { n: 1000, nb: 100, p: 2, q: 3 };
        let first = frames("panel", numbers, 0);
        assert_eq!((first.back.as_str(), first.last), ("", 9));
        assert_eq!(first.next, "/learn/panel?n=1000&nb=100&p=2&q=3&k=1#step");
        let last = frames("panel", numbers, 99);
        assert_eq!((last.now, last.next.as_str()), (9, ""));
        assert!(last.back.contains("&k=8#") && last.first.contains("&k=0#"));
        assert!(frames("work", numbers, 9).figure.picture.contains("100 % of the columns"));
    }
}
