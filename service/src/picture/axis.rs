//! Axes: where a value is put, and at which round values a line is drawn.

use crate::picture::text;

/// How values are spread over an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Evenly.
    Linear,
    /// Evenly, with zero on it: for what is compared by length.
    FromZero,
    /// By powers of ten; values of zero and below have no place.
    Log,
    /// Evenly, values are Unix seconds and written as dates (UTC).
    Date,
}

/// An axis with its ends and round values.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    ticks: Vec<(f64, String)>,
}

/// A minute, an hour, … in seconds: steps of an axis of dates.
const DATE_STEPS: [f64; 19] = [
    60.0,
    300.0,
    900.0,
    3600.0,
    10_800.0,
    21_600.0,
    43_200.0,
    86_400.0,
    172_800.0,
    604_800.0,
    1_209_600.0,
    2_419_200.0,
    3_628_800.0,
    7_862_400.0,
    15_724_800.0,
    31_536_000.0,
    63_072_000.0,
    157_680_000.0,
    315_360_000.0,
];

impl Axis {
    /// An axis for values, with about so many ticks. Values that are no number, or have no place, are passed over.
    #[must_use]
    pub fn new(scale: Scale, values: impl Iterator<Item = f64>, about: usize) -> Axis {
        let fits = |v: &f64| v.is_finite() && v.abs() < 1e200 && (scale != Scale::Log || *v > 1e-200);
        let (low, high) =
            values.filter(fits).fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        let (low, high) = match scale {
            _ if low > high => (if scale == Scale::Log { 1.0 } else { 0.0 }, 1.0),
            Scale::FromZero => (low.min(0.0), high.max(0.0)),
            _ => (low, high),
        };
        match scale {
            Scale::Log => Axis::log(low, high, about),
            Scale::Date => Axis::dates(low, high, about),
            Scale::Linear | Scale::FromZero => Axis::linear(scale, low, high, about),
        }
    }

    /// An even axis from one value to another, without ticks.
    #[must_use]
    pub fn between(low: f64, high: f64) -> Axis {
        Axis { scale: Scale::Linear, low, high, ticks: Vec::new() }
    }

    fn linear(scale: Scale, low: f64, high: f64, about: usize) -> Axis {
        // A single value stands in the middle of its own surroundings.
        let (low, high) = if high - low > low.abs().max(high.abs()) * 1e-9 {
            (low, high)
        } else {
            let around = if low == 0.0 { 1.0 } else { low.abs() * 0.1 };
            (low - if scale == Scale::FromZero { 0.0 } else { around }, high + around)
        };
        let step = round_step((high - low) / about.max(1) as f64);
        let (first, last) = ((low / step).floor(), (high / step).ceil());
        let decimals = (-step.log10().floor()).clamp(0.0, 12.0) as usize;
        let ticks = (0..=(last - first) as usize)
            .map(|i| (first + i as f64) * step)
            .map(|v| (v, label(v, step, decimals)))
            .collect();
        Axis { scale, low: first * step, high: last * step, ticks }
    }

    fn log(low: f64, high: f64, about: usize) -> Axis {
        let (first, last) = (low.log10().floor(), high.log10().ceil().max(low.log10().floor() + 1.0));
        let decades = last - first;
        // Within few decades, 2 and 5 are marked as well.
        let between: &[f64] = if decades <= 1.0 { &[1.0, 2.0, 3.0, 5.0, 7.0] } else { &[1.0, 2.0, 5.0] };
        let between = if decades * between.len() as f64 <= about as f64 * 1.5 { between } else { &[1.0] };
        let every = (decades / about.max(1) as f64).ceil().max(1.0) as usize;
        let mut ticks = Vec::new();
        for decade in (first as i32..=last as i32).step_by(every) {
            for digit in between {
                let value = digit * 10_f64.powi(decade);
                if value <= 10_f64.powf(last) * 1.000_001 {
                    ticks.push((value, short(value)));
                }
            }
        }
        Axis { scale: Scale::Log, low: 10_f64.powf(first), high: 10_f64.powf(last), ticks }
    }

    fn dates(low: f64, high: f64, about: usize) -> Axis {
        // The calendar ends somewhere; within it, a moment is shown in its hour.
        let most = 250_000_000_000.0;
        let (low, high) = (low.clamp(-most, most), high.clamp(-most, most));
        let (low, high) = if high - low < 60.0 { (low - 1800.0, high + 1800.0) } else { (low, high) };
        let span = high - low;
        let far = round_step(span / about.max(1) as f64);
        let step = DATE_STEPS.into_iter().find(|step| span / step <= about.max(1) as f64).unwrap_or(far);
        let first = (low / step).ceil();
        let ticks = (0..=((high / step).floor() - first).max(0.0) as usize)
            .map(|i| (first + i as f64) * step)
            .filter(|v| (low..=high).contains(v))
            .map(|v| (v, date(v, step)))
            .collect();
        Axis { scale: Scale::Date, low, high, ticks }
    }

    /// Where on the axis a value stands, from 0 to 1; `None` where it has no place.
    #[must_use]
    pub fn place(&self, value: f64) -> Option<f64> {
        let share = match self.scale {
            Scale::Log if value <= 0.0 => return None,
            Scale::Log => (value / self.low).log10() / (self.high / self.low).log10(),
            _ => (value - self.low) / (self.high - self.low),
        };
        (share.is_finite() && (-1e-9..=1.0 + 1e-9).contains(&share)).then(|| share.clamp(0.0, 1.0))
    }

    /// The round values on the axis, with what is written beside them.
    #[must_use]
    pub fn ticks(&self) -> &[(f64, String)] {
        &self.ticks
    }
}

/// 1, 2, 2.5 or 5 times a power of ten, not smaller than `step`.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|digit| digit * power).find(|s| *s >= step * 0.999_999).unwrap_or(step)
}

/// A round value, with as many decimals as tell it from its neighbours.
fn label(value: f64, step: f64, decimals: usize) -> String {
    if value.abs() < step * 1e-6 {
        return "0".to_owned();
    }
    if value.abs() >= 1e4 || step < 1e-4 {
        return short(value);
    }
    // 2.5 has a decimal more than its power of ten says.
    let text = format!("{value:.*}", decimals + 1);
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    let value = text.parse().unwrap_or(value);
    if decimals == 0 { text::figure(value) } else { text.replace('-', "−") }
}

/// A value in few letters: `20k`, `1.5M`.
fn short(value: f64) -> String {
    let size = value.abs();
    let (divided, unit) = match size {
        _ if size >= 1e12 => return format!("{value:.0e}"),
        _ if size >= 1e9 => (value / 1e9, "G"),
        _ if size >= 1e6 => (value / 1e6, "M"),
        _ if size >= 1e4 => (value / 1e3, "k"),
        _ if size >= 1e-3 => (value, ""),
        _ => return format!("{value:.0e}"),
    };
    let text = format!("{divided:.3}");
    format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.').replace('-', "−"))
}

fn date(seconds: f64, step: f64) -> String {
    let Ok(stamp) = jiff::Timestamp::from_second(seconds as i64) else { return String::new() };
    let form = match step {
        s if s < 86_400.0 => "%-d %b %H:%M",
        s if s < 7_000_000.0 => "%-d %b %y",
        s if s < 300_000_000.0 => "%b %Y",
        _ => "%Y",
    };
    stamp.to_zoned(jiff::tz::TimeZone::UTC).strftime(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale, values: &[f64]) -> Vec<String> {
        Axis::new(scale, values.iter().copied(), 5).ticks.into_iter().map(|t| t.1).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(Scale::FromZero, &[3.0, 213.4]), ["0", "50", "100", "150", "200", "250"]);
        assert_eq!(labels(Scale::Linear, &[0.1, 0.3]), ["0.1", "0.15", "0.2", "0.25", "0.3"]);
        assert_eq!(labels(Scale::Linear, &[5000.0, 45_000.0]), ["0", "10k", "20k", "30k", "40k", "50k"]);
        assert_eq!(labels(Scale::Log, &[3.0, 2000.0]), ["1", "10", "100", "1000", "10k"]);
        assert_eq!(labels(Scale::Log, &[2.0, 8.0]), ["1", "2", "3", "5", "7", "10"]);
        assert_eq!(labels(Scale::Linear, &[-2.0, 2.0]), ["−2", "−1", "0", "1", "2"]);
    }

    #[test]
    fn dates_are_read_as_dates() {
        let (start, day) = (1_795_000_000.0, 86_400.0);
        let year = labels(Scale::Date, &[start, start + 365.0 * day]);
        assert!(year.len() >= 3 && year[0].contains("202"), "{year:?}");
        let hours = labels(Scale::Date, &[start, start + 3.0 * 3600.0]);
        assert!(hours.iter().all(|l| l.contains(':')), "{hours:?}");
    }

    #[test]
    fn places_are_between_the_ends() {
        for scale in [Scale::Linear, Scale::FromZero, Scale::Log, Scale::Date] {
            for values in
                [vec![], vec![0.0], vec![7.0], vec![-3.0, 1e9], vec![f64::NAN, f64::INFINITY, 5.0], vec![1e-300, 1e300]]
            {
                let axis = Axis::new(scale, values.iter().copied(), 5);
                assert!(axis.ticks.len() < 40, "{scale:?} {values:?}: {} ticks", axis.ticks.len());
                for value in values.iter().chain(axis.ticks.iter().map(|t| &t.0)) {
                    assert!(axis.place(*value).is_none_or(|p| (0.0..=1.0).contains(&p)));
                }
                assert_eq!(axis.place(f64::NAN), None);
            }
        }
        let axis = Axis::new(Scale::Log, [1.0, 100.0].into_iter(), 5);
        assert_eq!(axis.place(10.0), Some(0.5));
        assert_eq!(axis.place(0.0), None);
    }
}
