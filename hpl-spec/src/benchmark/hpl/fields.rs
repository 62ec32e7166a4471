//! The parameters of HPL on the wire: one flat JSON object, one row of [`FIELDS`] per field. Reader, writer and
//! schema go through the same rows, so that they cannot disagree.
//!
//! ```json
//! {"n": 8000, "nb": 192, "p": 1, "q": 2, "order": "row_major", "pfact": "right", "nbmin": 8, "ndiv": 2,
//!  "rfact": "right", "bcast": "ring_m", "depth": 1, "swap": "spread_roll", "swap_threshold": 64,
//!  "l1": "transposed", "u": "transposed", "equil": true, "align": 8}
//! ```
//! Only `n` must be named. `swap_threshold` is written as 64 where `swap` is not `mix`, so that the same run has
//! one form only.

use serde_json::{Map, Value, json};

use crate::advice::block_size;
use crate::benchmark::Problem;
use crate::params::{Bcast, Fact, INT_MAX, Order, RunParams, Storage, Swap};

/// The most ranks of a run.
pub(super) const RANKS: usize = 4096;
/// netlib's usual swapping threshold, which counts only for the mix.
pub(super) const SWAP_THRESHOLD: usize = 64;

/// One field of the object.
pub(super) struct Field {
    /// Its name on the wire.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// What it does, in a few plain words.
    pub about: &'static str,
    /// What it takes where it is left out.
    pub default: Default,
    /// What it may be.
    pub kind: Kind,
}

/// What a field takes where it is left out.
#[derive(PartialEq)]
pub(super) enum Default {
    /// It must be named.
    None,
    /// What [`defaults`] has, the same for every run.
    Fixed,
    /// What [`defaults`] has, which depends on `n`.
    FollowsN,
}

/// What a field may be, and where it is in [`RunParams`].
pub(super) enum Kind {
    /// A whole number within limits.
    Number { least: usize, most: usize, get: fn(&RunParams) -> usize, set: fn(&mut RunParams, usize) },
    /// One of a few words.
    Word {
        names: fn() -> Vec<&'static str>,
        get: fn(&RunParams) -> &'static str,
        set: fn(&mut RunParams, &str) -> bool,
    },
    /// Yes or no.
    Flag { get: fn(&RunParams) -> bool, set: fn(&mut RunParams, bool) },
}

macro_rules! number {
    ($field:ident, $least:expr, $most:expr) => {
        Kind::Number { least: $least, most: $most, get: |p| p.$field, set: |p, value| p.$field = value }
    };
}

macro_rules! word {
    ($field:ident, $word:ident) => {
        Kind::Word {
            names: || $word::TABLE.iter().map(|row| row.name).collect(),
            get: |p| p.$field.name(),
            set: |p, name| $word::from_name(name).map(|word| p.$field = word).is_some(),
        }
    };
}

const fn field(name: &'static str, title: &'static str, default: Default, kind: Kind, about: &'static str) -> Field {
    Field { name, title, about, default, kind }
}

/// All fields, in the order of HPL.dat.
pub(super) const FIELDS: [Field; 17] = [
    field(
        "n",
        "N",
        Default::None,
        number!(n, 0, INT_MAX),
        "Size of the square system. Work grows with N³, memory with N². Twice N: four times the memory, eight times \
         the time. Aim at 80 % of memory; a swapping run is a dead run.",
    ),
    field(
        "nb",
        "NB",
        Default::FollowsN,
        number!(nb, 1, INT_MAX),
        "Width of a column block. Too small: the cache is not reused and messages multiply. Too big: some ranks wait. \
         Start at 192 or 256, then sweep. Left out: 32 for N below 1000, 64 below 2500, 128 below 7000, 256 from there.",
    ),
    field(
        "order",
        "PMAP",
        Default::Fixed,
        word!(order, Order),
        "How ranks are laid out on the grid: row by row or column by column. Ranks that are neighbours in the order \
         usually share a node.",
    ),
    field(
        "p",
        "P",
        Default::Fixed,
        number!(p, 1, RANKS),
        "Rows of the grid of ranks; P·Q ranks are started, at most 4096. Near-square, P a little smaller than Q: rows \
         do the pivot search, columns share the update.",
    ),
    field(
        "q",
        "Q",
        Default::Fixed,
        number!(q, 1, RANKS),
        "Columns of the grid of ranks; P·Q ranks are started, at most 4096. Near-square, P a little smaller than Q: \
         rows do the pivot search, columns share the update.",
    ),
    field(
        "pfact",
        "PFACT",
        Default::Fixed,
        word!(pfact, Fact),
        "How the last few columns of the thin panel are factored. Small effect; tune last.",
    ),
    field(
        "nbmin",
        "NBMIN",
        Default::Fixed,
        number!(nbmin, 1, INT_MAX),
        "The thin panel is split recursively down to so many columns. Small effect; tune last.",
    ),
    field(
        "ndiv",
        "NDIV",
        Default::Fixed,
        number!(ndiv, 2, INT_MAX),
        "Into how many parts the thin panel is split at a time. Small effect; tune last.",
    ),
    field(
        "rfact",
        "RFACT",
        Default::Fixed,
        word!(rfact, Fact),
        "How the parts of the thin panel are put together. Small effect; tune last.",
    ),
    field(
        "bcast",
        "BCAST",
        Default::Fixed,
        word!(bcast, Bcast),
        "Who passes the panel to whom: ring, modified ring, two rings, long. Matters when the network is slow.",
    ),
    field(
        "depth",
        "DEPTH",
        Default::Fixed,
        number!(depth, 0, INT_MAX),
        "How many panels are started early, while the rest of the matrix is still worked on; 1 is usual.",
    ),
    field(
        "swap",
        "SWAP",
        Default::Fixed,
        Kind::Word {
            names: || Swap::TABLE.iter().map(|row| row.name).collect(),
            get: |p| p.swap.name(),
            // A threshold of its own comes after it.
            set: |p, name| match Swap::from_name(name) {
                Some(swap) => {
                    p.swap = swap.with_threshold(SWAP_THRESHOLD);
                    true
                }
                None => false,
            },
        },
        "How rows are exchanged between ranks; keep the default until the rest is tuned.",
    ),
    field(
        "swap_threshold",
        "Swapping threshold",
        Default::Fixed,
        Kind::Number {
            least: 0,
            most: INT_MAX,
            get: |p| match p.swap {
                Swap::Mix { threshold } => threshold,
                Swap::BinaryExchange | Swap::SpreadRoll => SWAP_THRESHOLD,
            },
            set: |p, value| p.swap = p.swap.with_threshold(value),
        },
        "With the mix: up to so many columns rows are exchanged by binary exchange, above by spread-roll. Without the \
         mix it counts for nothing.",
    ),
    field(
        "l1",
        "L1",
        Default::Fixed,
        word!(l1, Storage),
        "How the upper block of the panel is stored; keep the default until the rest is tuned.",
    ),
    field(
        "u",
        "U",
        Default::Fixed,
        word!(u, Storage),
        "How the row block is stored; keep the default until the rest is tuned.",
    ),
    field(
        "equil",
        "EQUIL",
        Default::Fixed,
        Kind::Flag { get: |p| p.equil, set: |p, value| p.equil = value },
        "Whether the exchange of rows evens out the shares of the ranks; keep the default until the rest is tuned.",
    ),
    field(
        "align",
        "ALIGN",
        Default::Fixed,
        number!(align, 1, INT_MAX),
        "Memory alignment in doubles; keep the default until the rest is tuned.",
    ),
];

/// What a run of order `n` takes for all that is not named.
pub(super) fn defaults(n: usize) -> RunParams {
    RunParams::new(n, block_size(n), 1, 1)
}

impl Field {
    /// What the field is in `params`.
    pub fn get(&self, params: &RunParams) -> Value {
        match self.kind {
            Kind::Number { get, .. } => get(params).into(),
            Kind::Word { get, .. } => get(params).into(),
            Kind::Flag { get, .. } => get(params).into(),
        }
    }

    /// Puts `value` into `params`.
    pub fn set(&self, params: &mut RunParams, value: &Value) -> Result<(), Problem> {
        let done = match self.kind {
            Kind::Number { least, most, set, .. } => {
                whole(value).filter(|v| (least..=most).contains(v)).map(|v| set(params, v)).is_some()
            }
            Kind::Word { set, .. } => value.as_str().is_some_and(|word| set(params, word)),
            Kind::Flag { set, .. } => value.as_bool().map(|v| set(params, v)).is_some(),
        };
        if done {
            Ok(())
        } else {
            Err(Problem::new(self.name, format!("found {}, expected {}", shown(value), self.expected())))
        }
    }

    fn expected(&self) -> String {
        match self.kind {
            Kind::Number { least, most, .. } => format!("a whole number from {least} to {most}"),
            Kind::Word { names, .. } => format!("one of {}", names().join(", ")),
            Kind::Flag { .. } => "true or false".to_owned(),
        }
    }

    /// The JSON Schema of the field.
    fn schema(&self) -> Value {
        let mut schema = match self.kind {
            Kind::Number { least, most, .. } => json!({"type": "integer", "minimum": least, "maximum": most}),
            Kind::Word { names, .. } => json!({"type": "string", "enum": names()}),
            Kind::Flag { .. } => json!({"type": "boolean"}),
        };
        schema["title"] = self.title.into();
        schema["description"] = self.about.into();
        if self.default == Default::Fixed {
            schema["default"] = self.get(&defaults(0));
        }
        schema
    }
}

/// The JSON Schema of the object, draft 2020-12.
pub(super) fn schema() -> Value {
    let properties: Map<String, Value> = FIELDS.iter().map(|f| (f.name.to_owned(), f.schema())).collect();
    let required: Vec<&str> = FIELDS.iter().filter(|f| f.default == Default::None).map(|f| f.name).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "HPL",
        "description": "One run of HPL: a dense system of N equations is solved on a P x Q grid of ranks.",
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// Reads the object. What was not named takes its default.
///
/// # Errors
/// Everything that is wrong with it.
pub(super) fn read(value: &Value) -> Result<RunParams, Vec<Problem>> {
    let Some(object) = value.as_object() else {
        let message = format!("found {}, expected an object such as {{\"n\": 8000}}", shown(value));
        return Err(vec![Problem::new("", message)]);
    };
    let known = |name: &str| FIELDS.iter().any(|f| f.name == name);
    let unknown = |name: &String| {
        let names = FIELDS.map(|f| f.name).join(", ");
        Problem::new(cut(name), format!("is no parameter of HPL; the parameters are {names}"))
    };
    let mut problems: Vec<Problem> = object.keys().filter(|name| !known(name)).map(unknown).collect();
    let n = object.get("n").and_then(whole).unwrap_or(0);
    let mut params = defaults(n);
    for field in &FIELDS {
        match object.get(field.name) {
            Some(value) => problems.extend(field.set(&mut params, value).err()),
            None if field.default == Default::None => {
                problems.push(Problem::new(field.name, format!("is missing, expected {}", field.expected())));
            }
            None => {}
        }
    }
    problems.extend(too_many_ranks("q", params.p, params.q));
    if problems.is_empty() { Ok(params) } else { Err(problems) }
}

/// The object with every field named.
pub(super) fn write(params: &RunParams) -> Value {
    FIELDS.iter().map(|f| (f.name.to_owned(), f.get(params))).collect::<Map<String, Value>>().into()
}

/// A grid of more ranks than a run may have.
pub(super) fn too_many_ranks(field: &str, p: usize, q: usize) -> Option<Problem> {
    let ranks = p.saturating_mul(q);
    (ranks > RANKS).then(|| {
        Problem::new(
            field,
            format!("a grid of {p} x {q} is {ranks} ranks, expected at most {RANKS}; make P or Q smaller"),
        )
    })
}

/// A JSON number without a fraction, as JSON Schema takes it: 1000, 1000.0 and 1e3 are the same.
fn whole(value: &Value) -> Option<usize> {
    let number = value.as_number()?;
    if let Some(whole) = number.as_u64() {
        return usize::try_from(whole).ok();
    }
    // Up to here every whole double stands for itself.
    let real = number.as_f64().filter(|v| v.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(v))?;
    Some(real as usize)
}

/// A value in a message: never long.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => format!("'{}'", cut(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::Bool(_) | Value::Number(_) => cut(&value.to_string()),
    }
}

/// The first 60 characters.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(60).collect()
}
