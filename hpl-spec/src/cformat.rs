//! Numbers as C's `printf` prints them.
//!
//! A NaN is always `nan`: C prints its sign bit too, which means nothing and
//! differs between machines.

/// `%.*e`: one digit, `precision` decimals, a signed exponent of two digits or
/// more.
#[must_use]
pub fn sci(value: f64, precision: usize) -> String {
    if !value.is_finite() {
        return not_finite(value);
    }
    let rust = format!("{value:.precision$e}");
    let (digits, exponent) = rust.split_once('e').unwrap_or((&rust, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

/// `%.*f`: `precision` decimals.
#[must_use]
pub fn fixed(value: f64, precision: usize) -> String {
    if value.is_finite() { format!("{value:.precision$}") } else { not_finite(value) }
}

fn not_finite(value: f64) -> String {
    let word = match value {
        value if value.is_nan() => "nan",
        value if value > 0.0 => "inf",
        _ => "-inf",
    };
    word.into()
}
