//! The words of HPL that are one of a few: each enum owns one table, with
//! netlib's number, the character of the T/V code, the wording of HPL.out and
//! our own name on one row. Whatever reads or prints such a word goes through
//! its table.

use serde::{Deserialize, Serialize};

/// One row of a word's table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row<T: 'static> {
    /// The word itself.
    pub value: T,
    /// Its number in HPL.dat.
    pub number: i64,
    /// Its character in the T/V code; words that the code leaves out carry the
    /// digit of their number.
    pub letter: char,
    /// Its wording in the header of HPL.out.
    pub title: &'static str,
    /// Our name: JSON and command lines.
    pub name: &'static str,
}

const fn row<T>(value: T, number: i64, letter: char, title: &'static str, name: &'static str) -> Row<T> {
    Row { value, number, letter, title, name }
}

/// Look-ups over `TABLE`. Rows are found by variant, so that a variant with a
/// field has one row too.
macro_rules! table {
    ($word:ident) => {
        impl $word {
            /// This word's row.
            pub fn row(self) -> &'static Row<Self> {
                let same = |row: &&Row<Self>| std::mem::discriminant(&row.value) == std::mem::discriminant(&self);
                // Every variant has a row: a test walks them.
                Self::TABLE.iter().find(same).unwrap_or(&Self::TABLE[0])
            }

            /// netlib's number for it in HPL.dat.
            pub fn number(self) -> i64 {
                self.row().number
            }

            /// Its wording in the header of HPL.out.
            pub fn title(self) -> &'static str {
                self.row().title
            }

            /// Our name for it (JSON, command line).
            pub fn name(self) -> &'static str {
                self.row().name
            }

            /// The word with netlib's number, if there is one.
            pub fn from_number(number: i64) -> Option<Self> {
                let row = Self::TABLE.iter().find(|row| row.number == number)?;
                Some(row.value)
            }

            /// The word whose wording in HPL.out this is, if there is one.
            pub fn from_title(title: &str) -> Option<Self> {
                let row = Self::TABLE.iter().find(|row| row.title == title)?;
                Some(row.value)
            }

            /// The word whose T/V character this is, if there is one.
            pub fn from_letter(letter: char) -> Option<Self> {
                let row = Self::TABLE.iter().find(|row| row.letter == letter)?;
                Some(row.value)
            }

            /// The word with this name of ours, if there is one.
            pub fn from_name(name: &str) -> Option<Self> {
                let row = Self::TABLE.iter().find(|row| row.name == name)?;
                Some(row.value)
            }
        }
    };
}

/// JSON by name, for words without a field.
macro_rules! json_by_name {
    ($word:ident, $what:literal) => {
        impl From<$word> for &'static str {
            fn from(word: $word) -> &'static str {
                word.name()
            }
        }

        impl TryFrom<String> for $word {
            type Error = String;

            fn try_from(name: String) -> Result<Self, String> {
                Self::from_name(&name).ok_or_else(|| {
                    let names: Vec<&str> = Self::TABLE.iter().map(|row| row.name).collect();
                    format!("{} '{name}' is none of {}", $what, names.join(", "))
                })
            }
        }
    };
}

/// PMAP: how ranks are laid out on the P x Q grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum Order {
    /// rank = row * Q + column.
    RowMajor,
    /// rank = column * P + row.
    ColumnMajor,
}

impl Order {
    /// The one table of PMAP.
    #[rustfmt::skip]
    pub const TABLE: &'static [Row<Order>] = &[
        row(Order::RowMajor,    0, 'R', "Row-major process mapping",    "row_major"),
        row(Order::ColumnMajor, 1, 'C', "Column-major process mapping", "column_major"),
    ];
}
table!(Order);
json_by_name!(Order, "PMAP");

/// PFACT and RFACT: the variant of the panel factorization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum Fact {
    /// Left-looking.
    Left,
    /// Crout.
    Crout,
    /// Right-looking.
    Right,
}

impl Fact {
    /// The one table of PFACT and RFACT.
    #[rustfmt::skip]
    pub const TABLE: &'static [Row<Fact>] = &[
        row(Fact::Left,  0, 'L', "Left",  "left"),
        row(Fact::Crout, 1, 'C', "Crout", "crout"),
        row(Fact::Right, 2, 'R', "Right", "right"),
    ];
}
table!(Fact);
json_by_name!(Fact, "factorization");

/// BCAST: the topology of the panel broadcast along a process row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum Bcast {
    /// Increasing ring.
    Ring,
    /// Increasing ring, the next process column relieved of forwarding.
    RingM,
    /// Two rings, each over half of the process columns.
    TwoRing,
    /// Two rings, the next process column relieved of forwarding.
    TwoRingM,
    /// Spread and roll: bandwidth-saving.
    Long,
    /// Spread and roll, the next process column served first.
    LongM,
}

impl Bcast {
    /// The one table of BCAST.
    #[rustfmt::skip]
    pub const TABLE: &'static [Row<Bcast>] = &[
        row(Bcast::Ring,     0, '0', "1ring",  "ring"),
        row(Bcast::RingM,    1, '1', "1ringM", "ring_m"),
        row(Bcast::TwoRing,  2, '2', "2ring",  "two_ring"),
        row(Bcast::TwoRingM, 3, '3', "2ringM", "two_ring_m"),
        row(Bcast::Long,     4, '4', "Blong",  "long"),
        row(Bcast::LongM,    5, '5', "BlongM", "long_m"),
    ];
}
table!(Bcast);
json_by_name!(Bcast, "BCAST");

/// SWAP: how rows are interchanged between process rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Swap {
    /// Hypercube exchange: few messages.
    BinaryExchange,
    /// Spread and roll ("long"): bandwidth-saving.
    SpreadRoll,
    /// Binary exchange for up to `threshold` columns, spread-roll for more.
    Mix {
        /// Columns of the call up to which binary exchange is used.
        threshold: usize,
    },
}

impl Swap {
    /// The one table of SWAP. The threshold of the mix row is no part of the
    /// word: whoever reads a mix puts in its own, see [`Swap::with_threshold`].
    #[rustfmt::skip]
    pub const TABLE: &'static [Row<Swap>] = &[
        row(Swap::BinaryExchange,       0, '0', "Binary-exchange",    "binary_exchange"),
        row(Swap::SpreadRoll,           1, '1', "Spread-roll (long)", "spread_roll"),
        row(Swap::Mix { threshold: 0 }, 2, '2', "Mix",                "mix"),
    ];

    /// The same word with `threshold` where the word has one.
    #[must_use]
    pub fn with_threshold(self, threshold: usize) -> Self {
        match self {
            Swap::Mix { .. } => Swap::Mix { threshold },
            other => other,
        }
    }
}
table!(Swap);

/// The form in which L1, or U, is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum Storage {
    /// Transposed.
    Transposed,
    /// As in the matrix.
    NoTransposed,
}

impl Storage {
    /// The one table of the L1 and U forms.
    #[rustfmt::skip]
    pub const TABLE: &'static [Row<Storage>] = &[
        row(Storage::Transposed,   0, '0', "transposed form",    "transposed"),
        row(Storage::NoTransposed, 1, '1', "no-transposed form", "no_transposed"),
    ];
}
table!(Storage);
json_by_name!(Storage, "storage form");

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! check_table {
        ($($word:ident),*) => {$(
            for (index, row) in $word::TABLE.iter().enumerate() {
                assert_eq!(row.value.row(), row);
                assert_eq!(row.number, index as i64);
                assert_eq!($word::from_number(row.number), Some(row.value));
                assert_eq!($word::from_letter(row.letter), Some(row.value));
                assert_eq!($word::from_title(row.title), Some(row.value));
                assert_eq!($word::from_name(row.name), Some(row.value));
                // The JSON form carries the name of the table, and reads back.
                let json = serde_json::to_string(&row.value).unwrap();
                assert!(json.contains(&format!("\"{}\"", row.name)), "{json}");
                assert_eq!(serde_json::from_str::<$word>(&json).unwrap(), row.value);
            }
            assert_eq!($word::from_number(-1), None);
            assert_eq!($word::from_name("nothing"), None);
            assert!(serde_json::from_str::<$word>("\"nothing\"").is_err());
        )*};
    }

    #[test]
    fn every_word_is_found_by_every_column_of_its_table() {
        check_table!(Order, Fact, Bcast, Swap, Storage);
        let variants =
            [Order::TABLE.len(), Fact::TABLE.len(), Bcast::TABLE.len(), Swap::TABLE.len(), Storage::TABLE.len()];
        assert_eq!(variants, [2, 3, 6, 3, 2]);
    }

    #[test]
    fn an_unknown_name_teaches_the_known_ones() {
        let error = Fact::try_from("middle".to_string()).unwrap_err();
        assert_eq!(error, "factorization 'middle' is none of left, crout, right");
    }
}
