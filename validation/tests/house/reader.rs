//! A small reader of Rust: enough to tell code from comments and strings, and to find functions.
//!
//! It knows no grammar beyond braces and literals; where that is not enough, it says less, never more.

/// The lines with their numbers, from 1.
pub fn numbered(code: &str) -> impl Iterator<Item = (usize, &str)> {
    code.lines().enumerate().map(|(i, line)| (i + 1, line))
}

/// May this character stand in a name?
pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where `word` stands in `line` as a whole word.
pub fn words<'a>(line: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    line.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |&at| !line[..at].ends_with(is_word) && !line[at + word.len()..].starts_with(is_word))
}

/// The text with comments, strings and character literals blanked out; lines stay where they are.
pub fn code_only(text: &str) -> String {
    blanked(text, |_| true)
}

/// The text with comments blanked out; lines stay where they are.
pub fn without_comments(text: &str) -> String {
    blanked(text, |foreign| foreign.starts_with("//") || foreign.starts_with("/*"))
}

/// The text with those comments, strings and character literals blanked out that `goes` names.
fn blanked(text: &str, goes: impl Fn(&str) -> bool) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    let mut after_word = false;
    while let Some(c) = rest.chars().next() {
        let length = foreign_length(rest, after_word);
        let (piece, after) = rest.split_at(length.max(c.len_utf8()));
        if length > 0 && goes(piece) {
            kept.extend(piece.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        } else {
            kept.push_str(piece);
        }
        after_word = length == 0 && is_word(c);
        rest = after;
    }
    kept
}

/// The bytes of the comment, string or character literal that `text` begins with, or 0.
fn foreign_length(text: &str, after_word: bool) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return block_comment(text);
    }
    let prefix = if after_word { 0 } else { text.len() - text.trim_start_matches(['b', 'c', 'r']).len() };
    let (letters, literal) = text.split_at(if prefix <= 2 { prefix } else { 0 });
    let hashes = literal.len() - literal.trim_start_matches('#').len();
    if letters.ends_with('r') && literal[hashes..].starts_with('"') {
        let end = format!("\"{}", "#".repeat(hashes));
        let inner = &literal[hashes + 1..];
        return prefix + hashes + 1 + inner.find(&end).map_or(inner.len(), |at| at + end.len());
    }
    match literal.chars().next() {
        Some('"') => prefix + quoted(literal, '"'),
        // 'a' and '\n' are literals, 'a without a closing quote is a lifetime
        Some('\'') if literal[1..].starts_with('\\') => prefix + quoted(literal, '\''),
        Some('\'') => match literal[1..].char_indices().nth(1) {
            Some((at, '\'')) => prefix + at + 2,
            _ => 0,
        },
        _ => 0,
    }
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text[at..];
        match () {
            () if rest.starts_with("/*") => (depth, at) = (depth + 1, at + 2),
            () if rest.starts_with("*/") => (depth, at) = (depth - 1, at + 2),
            () => at += rest.chars().next().map_or(1, char::len_utf8),
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// First and last line of every function that has a body.
pub fn functions(code: &str) -> Vec<(usize, usize)> {
    let line_of = |at: usize| 1 + code[..at].matches('\n').count();
    let mut found = vec![];
    for at in words(code, "fn").collect::<Vec<_>>() {
        let named = code[at + 2..].trim_start().starts_with(is_word);
        if let (true, Some((open, close))) = (named, body(code, at)) {
            found.push((line_of(at.min(open)), line_of(close)));
        }
    }
    found
}

/// The braces of the first `{…}` after `at`, unless a `;` ends the item before.
fn body(code: &str, at: usize) -> Option<(usize, usize)> {
    let (mut nested, mut depth, mut open) = (0, 0, None);
    for (i, c) in code[at..].char_indices().map(|(i, c)| (at + i, c)) {
        match c {
            '(' | '[' => nested += 1,
            ')' | ']' => nested -= 1,
            ';' if open.is_none() && nested == 0 => return None,
            '{' => {
                open = open.or(Some(i));
                depth += 1;
            }
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return open.map(|o| (o, i));
                }
            }
            _ => {}
        }
    }
    None
}

/// First and last line of every `#[cfg(test)] mod … { … }`.
pub fn test_lines(code: &str) -> Vec<(usize, usize)> {
    let line_of = |at: usize| 1 + code[..at].matches('\n').count();
    test_modules(code).map(|(open, close)| (line_of(open), line_of(close))).collect()
}

/// The braces of every `#[cfg(test)] mod … { … }`.
fn test_modules(code: &str) -> impl Iterator<Item = (usize, usize)> {
    code.match_indices("#[cfg(test)]").filter_map(|(at, mark)| {
        let from = at + mark.len();
        code[from..].trim_start().starts_with("mod ").then(|| body(code, from)).flatten()
    })
}

/// The code without what stands in `#[cfg(test)] mod … { … }`.
pub fn without_test_modules(code: &str) -> String {
    let mut kept = code.to_owned();
    for (open, close) in test_modules(code) {
        let blank: String = code[open..close].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        kept.replace_range(open..close, &blank);
    }
    kept
}

#[test]
fn the_reader_blanks_what_is_not_code() {
    let text =
        "a /* unsafe /* x */ y */ b // unsafe\n\"unsafe \\\" \" c r#\"un\"safe\"# 'x' '\\'' <'a> d 'é' br\"z\" e";
    let kept: Vec<_> = code_only(text).split_whitespace().map(str::to_owned).collect();
    assert_eq!(kept, ["a", "b", "c", "<'a>", "d", "e"]);
    assert_eq!(code_only(text).lines().count(), 2);
    assert_eq!(without_comments("a \"// b\" // c\nd /* \" */ e"), "a \"// b\"     \nd         e");
}

#[test]
fn the_reader_measures_functions() {
    let code = "fn a(x: [u8; 4]) {\n if x {}\n}\ntype F = fn(u8);\nfn b();\n#[cfg(test)]\nmod tests {\nfn c() {\n}\n}\nfn d() {}\n";
    assert_eq!(functions(&without_test_modules(code)), [(1, 3), (11, 11)]);
    assert_eq!(test_lines(code), [(7, 10)]);
}
