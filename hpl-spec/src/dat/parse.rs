//! From the text of an HPL.dat to a [`Sweep`].

use super::error::{DatError, Netlib};
use super::fields::{FIELDS, Field, INT, LIST};
use super::{DEFAULT_FILE_NAME, Output, Sweep};
use crate::params::{Bcast, Fact, Order, Storage, Swap};

/// Reads the lines in order; every step is the next line of the table.
pub(super) fn sweep(text: &str, ranks: usize) -> Result<Sweep, DatError> {
    let mut lines = Lines::new(text);
    let titles = [lines.text()?, lines.text()?];
    let name = lines.first_word()?;
    let (output, file_name) = output(&mut lines, name)?;
    let ns = lines.sizes()?;
    let nbs = lines.sizes()?;
    let order = if lines.integer()? == 1 { Order::ColumnMajor } else { Order::RowMajor };
    let grids = grids(&mut lines, ranks)?;
    let threshold = lines.real()?;
    let pfacts = lines.words(|number| Fact::from_number(number).unwrap_or(Fact::Right))?;
    let nbmins = lines.sizes()?;
    let ndivs = lines.sizes()?;
    let rfacts = lines.words(|number| Fact::from_number(number).unwrap_or(Fact::Right))?;
    let bcasts = lines.words(|number| Bcast::from_number(number).unwrap_or(Bcast::RingM))?;
    let depths = lines.sizes()?;
    let swap = Swap::from_number(lines.integer()?).unwrap_or(Swap::SpreadRoll);
    let swap = swap.with_threshold(lines.integer()?.max(0) as usize);
    let l1 = Storage::from_number(lines.integer()?).unwrap_or(Storage::Transposed);
    let u = Storage::from_number(lines.integer()?).unwrap_or(Storage::Transposed);
    let equil = lines.integer()? != 0;
    let align = match lines.integer()? {
        align if align > 0 => align as usize,
        _ => DEFAULT_ALIGN,
    };
    Ok(Sweep {
        titles,
        output,
        file_name,
        ns,
        nbs,
        order,
        grids,
        threshold,
        pfacts,
        nbmins,
        ndivs,
        rfacts,
        bcasts,
        depths,
        swap,
        l1,
        u,
        equil,
        align,
    })
}

/// Lines 1 to 4 alone.
pub(super) fn output_only(text: &str) -> Result<Output, DatError> {
    let mut lines = Lines::new(text);
    lines.text()?;
    lines.text()?;
    let name = lines.first_word()?;
    Ok(output(&mut lines, name)?.0)
}

/// netlib's alignment where line 31 names none that is positive.
const DEFAULT_ALIGN: usize = 4;

/// Line 4, and what it makes of the name on line 3.
fn output(lines: &mut Lines, name: Option<String>) -> Result<(Output, String), DatError> {
    let name_line = &FIELDS[2];
    let device = lines.device()?;
    let output = match (device, &name) {
        (6, _) => Output::Stdout,
        (7, _) => Output::Stderr,
        (_, Some(name)) => Output::File(name.clone()),
        (_, None) => {
            return Err(DatError {
                netlib: Netlib { source_line: 318, text: "cannot open file .".into() },
                ..complaint(name_line, "nothing", "a file name", "Line 4 sends the report to this file.")
            });
        }
    };
    Ok((output, name.unwrap_or_else(|| DEFAULT_FILE_NAME.into())))
}

/// Lines 10 to 12. That there are ranks enough is checked here, as in netlib,
/// before anything below line 12 is looked at.
fn grids(lines: &mut Lines, ranks: usize) -> Result<Vec<(usize, usize)>, DatError> {
    let count = lines.count()?;
    let ps = lines.list(count)?;
    let qs = lines.list(count)?;
    let grids: Vec<(usize, usize)> = ps.into_iter().zip(qs).map(|(p, q)| (p as usize, q as usize)).collect();
    // The first of the largest grids.
    let largest = grids.iter().copied().rev().max_by_key(|&(p, q)| p as u64 * q as u64);
    let (p, q) = largest.unwrap_or((1, 1));
    let need = p as u64 * q as u64;
    if need > ranks as u64 {
        let text = format!("Need at least {need} processes for these tests");
        return Err(DatError {
            field: "P x Q",
            netlib: Netlib { source_line: 419, text },
            ..complaint(
                &FIELDS[11],
                format!("{p} x {q} = {need} processes"),
                format!("at most {ranks}, the number of MPI ranks"),
                format!("Start {need} ranks (mpirun -np {need}) or make the grid smaller."),
            )
        });
    }
    Ok(grids)
}

/// The file, read line by line; the next line is the next row of the table.
struct Lines<'a> {
    text: std::str::Lines<'a>,
    next: usize,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        Lines { text: text.lines(), next: 0 }
    }

    /// The next line and what it should hold.
    fn line(&mut self) -> Result<(&'a str, &'static Field), DatError> {
        let field = &FIELDS[self.next];
        self.next += 1;
        match self.text.next() {
            Some(line) => Ok((line, field)),
            None => {
                let last = field.line - 1;
                let advice = format!("HPL.dat has 31 lines; this one ends after line {last}.");
                Err(complaint(field, "the end of the file", expected(field), advice))
            }
        }
    }

    /// Free text. A CR within it would end the line for some readers of what is written from it.
    fn text(&mut self) -> Result<String, DatError> {
        Ok(self.line()?.0.replace('\r', " "))
    }

    fn first_word(&mut self) -> Result<Option<String>, DatError> {
        Ok(self.line()?.0.split_whitespace().next().map(str::to_string))
    }

    /// The first token of the next line.
    fn token(&mut self) -> Result<(&'a str, &'static Field), DatError> {
        let (line, field) = self.line()?;
        match line.split_whitespace().next() {
            Some(token) => Ok((token, field)),
            None => Err(complaint(field, "nothing", expected(field), "The line is blank.")),
        }
    }

    fn integer(&mut self) -> Result<i64, DatError> {
        let (token, field) = self.token()?;
        integer(token, field)
    }

    /// Line 4 is an integer; its own comment invites the word `file`, which
    /// netlib reads as 0, a file.
    fn device(&mut self) -> Result<i64, DatError> {
        match self.token()? {
            ("file", _) => Ok(0),
            (token, field) => integer(token, field),
        }
    }

    fn real(&mut self) -> Result<f64, DatError> {
        let (token, field) = self.token()?;
        token.parse().map_err(|_| complaint(field, quoted(token), "a number", "16.0 is usual."))
    }

    /// How many values the next line lists.
    fn count(&mut self) -> Result<usize, DatError> {
        Ok(self.integer()? as usize)
    }

    /// The next line as a list of `count` integers.
    fn list(&mut self, count: usize) -> Result<Vec<i64>, DatError> {
        let (line, field) = self.line()?;
        let mut tokens = line.split_whitespace();
        let mut values = Vec::with_capacity(count);
        while values.len() < count {
            // A word after the values is the comment: the list is too short.
            let token = match tokens.next() {
                Some(token) if values.is_empty() || !token.starts_with(char::is_alphabetic) => token,
                comment => return Err(too_short(field, values.len(), count, comment)),
            };
            values.push(integer(token, field)?);
        }
        Ok(values)
    }

    /// A count, then as many sizes.
    fn sizes(&mut self) -> Result<Vec<usize>, DatError> {
        self.words(|size| size as usize)
    }

    /// A count, then as many integers, each the number of a word.
    fn words<T>(&mut self, word: impl Fn(i64) -> T) -> Result<Vec<T>, DatError> {
        let count = self.count()?;
        Ok(self.list(count)?.into_iter().map(word).collect())
    }
}

/// The integer that the whole token is, within the limits of the field.
fn integer(token: &str, field: &'static Field) -> Result<i64, DatError> {
    let digits = token.strip_prefix(['+', '-']).unwrap_or(token);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(complaint(field, quoted(token), expected(field), not_an_integer(token)));
    }
    match token.parse::<i64>() {
        Ok(value) if (field.least..=field.most).contains(&value) => Ok(value),
        Ok(value) if (-INT..=INT).contains(&value) => Err(complaint(field, quoted(token), expected(field), "")),
        _ => {
            let advice = format!("It is outside the range of netlib's integers, -{INT} to {INT}.");
            Err(complaint(field, quoted(token), expected(field), advice))
        }
    }
}

/// What a value of the field should be.
fn expected(field: &Field) -> String {
    match (field.line, field.least, field.most) {
        (1 | 2, ..) => "a line of text".into(),
        (3, ..) => "a file name".into(),
        (13, ..) => "a number".into(),
        (_, least, LIST) => format!("an integer from {least} to {LIST}"),
        (_, least, _) if least >= 0 => format!("an integer of at least {least}"),
        _ => "an integer".into(),
    }
}

/// What to write instead of a token that is no integer.
fn not_an_integer(token: &str) -> String {
    let end = token.bytes().skip(1).position(|byte| !byte.is_ascii_digit());
    let prefix = token.get(..end.map_or(token.len(), |end| end + 1)).unwrap_or_default();
    let misread = prefix.parse::<i64>().unwrap_or(0);
    match token.parse::<f64>() {
        Ok(value) if value.fract() == 0.0 && value.abs() <= INT as f64 => {
            format!("Write {value:.0}; netlib HPL would read {misread}.")
        }
        _ => format!("netlib HPL would read {misread}."),
    }
}

fn too_short(field: &'static Field, found: usize, count: usize, comment: Option<&str>) -> DatError {
    let values = if found == 1 { "1 value".into() } else { format!("{found} values") };
    let found = match comment {
        Some(comment) => format!("{values}, then {}", quoted(comment)),
        None => values,
    };
    // Q has no count of its own: both lists of a grid go by line 10.
    let count_line = if field.line == 12 { 10 } else { field.line - 1 };
    let advice = format!("Add what is missing, or lower the number on line {count_line}.");
    complaint(field, found, format!("{count} values, the number on line {count_line}"), advice)
}

fn quoted(token: &str) -> String {
    format!("'{token}'")
}

/// An error with what netlib says of the field.
fn complaint(
    field: &'static Field,
    found: impl Into<String>,
    expected: impl Into<String>,
    advice: impl Into<String>,
) -> DatError {
    DatError {
        line: field.line,
        field: field.name,
        found: found.into(),
        expected: expected.into(),
        advice: advice.into().into_boxed_str(),
        netlib: Netlib { source_line: field.source_line, text: field.text.into() },
    }
}
