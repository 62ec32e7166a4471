//! Messages as a picture: places side by side, time from top to bottom, an arrow for each message.

use super::messages::{Message, Played};
use super::{LETTER, arrow};
use crate::picture::svg::{Anchor, Svg};
use crate::picture::{Shape, text};

/// Room at the sides and above, for the time and the places.
const LEFT: f64 = 24.0;
const TOP: f64 = 26.0;
const BELOW: f64 = 14.0;
/// The height of the longest of some pictures that are to be compared, and the most that a unit of time takes.
const TALLEST: f64 = 250.0;
const UNIT: f64 = 110.0;

/// The height of a unit of time in pictures that are compared with each other, the longest of which ends at `longest`.
pub fn unit(longest: f64) -> f64 {
    UNIT.min(TALLEST / longest.max(0.1))
}

/// The picture. `name` names a place; `what` is what is passed on, in a word.
pub fn picture(played: &Played, unit: f64, title: &str, what: &str, name: impl Fn(usize) -> String) -> String {
    let places = played.complete.len();
    let width = Shape::Tall.width();
    let end = played.end();
    let height = TOP + (end * unit).max(20.0) + BELOW;
    let across = (width - LEFT - 4.0) / places as f64;
    let x = |place: usize| LEFT + (place as f64 + 0.5) * across;
    let y = |time: f64| TOP + time * unit;
    let mut svg = Svg::new(width, height, "tall passing", title, &told(played, what, &name));
    for time in 0..=end.ceil() as usize {
        if time as f64 <= end + 1e-9 {
            let at = y(time as f64);
            svg.line("ruling", (LEFT, at), (width, at));
            if unit >= LETTER || time.is_multiple_of(2) {
                svg.text("quiet", LEFT - 5.0, at + 4.5, Anchor::End, &time.to_string());
            }
        }
    }
    for (place, complete) in played.complete.iter().enumerate() {
        let label = name(place);
        if text::width(&label, LETTER) <= across || place.is_multiple_of(2) {
            svg.text("", x(place), 13.0, Anchor::Middle, &label);
        }
        svg.line("waiting", (x(place), TOP), (x(place), y(*complete)));
        svg.line("has-it", (x(place), y(*complete)), (x(place), height - 4.0));
    }
    for Message { from, to, start, end, share } in &played.messages {
        let class = if *share > 0.999 { "whole" } else { "part" };
        arrow(&mut svg, class, (x(*from), y(*start)), (x(*to), y(*end)));
    }
    for (place, complete) in played.complete.iter().enumerate() {
        svg.circle("here", x(place), y(*complete), if unit >= LETTER { 4.0 } else { 3.0 });
    }
    svg.finish()
}

/// The same in words.
fn told(played: &Played, what: &str, name: &impl Fn(usize) -> String) -> String {
    let whole = |m: &&Message| m.share > 0.999;
    let wholes = played.messages.iter().filter(whole).count();
    let parts = played.messages.len() - wholes;
    let order = played.messages.iter().filter(whole).map(|m| format!("{} to {}", name(m.from), name(m.to)));
    let order: Vec<String> = order.collect();
    let mut words = String::new();
    if wholes > 0 {
        words.push_str(&format!("Messages with the whole {what}, in order: {}. ", text::list(&order, 20)));
    }
    if parts > 0 {
        words.push_str(&format!("{parts} messages with a part of it. "));
    }
    words + &format!("The last one has it after {} times a message of the whole {what}.", text::figure(played.end()))
}
