//! Damage to files, as a strategy that shrinks: real texts, and edits that make something else of them.
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// One kind of damage. Places are indices that fit a text of any length.
#[derive(Debug, Clone)]
enum Edit {
    /// One bit is another.
    Flip(Index, u8),
    /// Some bytes are gone.
    Cut(Index, usize),
    /// All bytes from here on are gone.
    End(Index),
    /// Something stands where nothing stood.
    Insert(Index, Vec<u8>),
    /// A word is another.
    Word(Index, Vec<u8>),
    /// A line stands there twice, or many times.
    Repeat(Index, usize),
    /// A line is gone.
    Drop(Index),
    /// Two lines have changed places.
    Swap(Index, Index),
    /// From here on it is another text of the corpus, from there on.
    Splice(Index, Index, Index),
    /// All lines end as in other systems.
    LineEnds(&'static str),
}

/// What parsers stumble over: huge numbers and other spellings of them, what is no UTF-8, blanks of all kinds.
const WORDS: &[&[u8]] = &[
    b"0",
    b"-1",
    b"+7",
    b"21",
    b"1e5",
    b"2147483647",
    b"2147483648",
    b"-2147483649",
    b"9223372036854775807",
    b"18446744073709551616",
    b"99999999999999999999999999999999999999999999",
    b"1e999",
    b"-0.0",
    b"0.00",
    b"1e-320",
    b"inf",
    b"-inf",
    b"nan",
    b"0x10",
    b"1_000",
    b"file",
    b"",
    b" ",
    b"\t",
    b"\n",
    b"\r",
    b"\r\n",
    b"\0",
    b"\x0b\x0c",
    b"\xff",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\xc2\x85",
    b"\xe2\x80\xa8",
    b"\xd9\xa3",
    b":",
    b"=",
    b"W",
    b"WR00L2L2",
    b"WC99999999999999999999C2R4",
    b">>> ",
    b" <<<",
    b"HPL ERROR from process # 0, on line 331 of function HPL_pdtest:",
    b"||Ax-b||_oo/(eps*(||A||_oo*||x||_oo+||b||_oo)*N)=",
    b"...... PASSED",
    b"End of Tests.",
];

fn word() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => select(WORDS).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..9),
        1 => any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        1 => (select(WORDS), 1..4000_usize).prop_map(|(word, times)| word.repeat(times)),
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    prop_oneof![
        3 => (at(), 0..8_u8).prop_map(|(at, bit)| Edit::Flip(at, bit)),
        2 => (at(), 1..200_usize).prop_map(|(at, length)| Edit::Cut(at, length)),
        1 => at().prop_map(Edit::End),
        3 => (at(), word()).prop_map(|(at, word)| Edit::Insert(at, word)),
        6 => (at(), word()).prop_map(|(at, word)| Edit::Word(at, word)),
        2 => (at(), 1..40_usize).prop_map(|(at, times)| Edit::Repeat(at, times)),
        2 => at().prop_map(Edit::Drop),
        2 => (at(), at()).prop_map(|(one, other)| Edit::Swap(one, other)),
        1 => (at(), at(), at()).prop_map(|(at, text, from)| Edit::Splice(at, text, from)),
        1 => select(vec!["\r\n", "\r", "\n\n", ""]).prop_map(Edit::LineEnds),
    ]
}

/// A text of the corpus with some damage, or none; now and then any bytes.
pub fn damaged(
    corpus: impl Strategy<Value = Vec<u8>> + 'static,
    splices: Vec<Vec<u8>>,
) -> impl Strategy<Value = Vec<u8>> {
    let edited = (corpus, vec(edit(), 0..6))
        .prop_map(move |(text, edits)| edits.iter().fold(text, |text, edit| edited(text, edit, &splices)));
    prop_oneof![20 => edited, 1 => vec(any::<u8>(), 0..2000)]
}

fn edited(mut text: Vec<u8>, edit: &Edit, splices: &[Vec<u8>]) -> Vec<u8> {
    if text.is_empty() {
        return text;
    }
    let size = text.len();
    match edit {
        Edit::Flip(at, bit) => text[at.index(size)] ^= 1 << bit,
        Edit::Cut(at, length) => drop(text.drain(at.index(size)..(at.index(size) + length).min(size))),
        Edit::End(at) => text.truncate(at.index(size)),
        Edit::Insert(at, word) => drop(text.splice(at.index(size)..at.index(size), word.iter().copied())),
        Edit::Word(at, word) => {
            let at = at.index(size);
            let blank = |byte: &u8| byte.is_ascii_whitespace();
            let begin = text[..at].iter().rposition(blank).map_or(0, |blank| blank + 1);
            let end = text[at..].iter().position(blank).map_or(size, |blank| at + blank);
            drop(text.splice(begin..end.max(begin), word.iter().copied()));
        }
        Edit::Repeat(..) | Edit::Drop(_) | Edit::Swap(..) => return with_lines(&text, edit),
        Edit::Splice(at, other, from) => {
            let other = &splices[other.index(splices.len())];
            text.truncate(at.index(size));
            text.extend_from_slice(&other[from.index(other.len())..]);
        }
        Edit::LineEnds(end) => return text.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(end.as_bytes()),
    }
    text
}

fn with_lines(text: &[u8], edit: &Edit) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let count = lines.len();
    match edit {
        Edit::Repeat(at, times) => {
            let line = lines[at.index(count)];
            drop(lines.splice(at.index(count)..at.index(count), std::iter::repeat_n(line, *times)));
        }
        Edit::Drop(at) => drop(lines.remove(at.index(count))),
        Edit::Swap(one, other) => lines.swap(one.index(count), other.index(count)),
        _ => {}
    }
    lines.concat()
}
