//! The shape of a text: the part of it that its class depends on. One pass over the bytes replaces literals, and drops
//! white space and ordinary comments. The pass follows the lexer's rules; where a quick look does not suffice, it keeps
//! the bytes unchanged, and a text whose shape would not be certain has none.

use super::Context;
use crate::steps;
use pointsman_terms::TextCharset;

/// The longest shape, in bytes.
pub(super) const MAX_SHAPE: usize = 4096;

// The placeholders for literals. A text that has these bytes outside literals has no shape.
const NUMBER: u8 = 1;
const STRING: u8 = 2;
/// A string with a backslash, which does not count as a literal value of a user variable.
const ESCAPED: u8 = 3;
/// Stands behind the placeholder of a list of literals: `f(1)` and `f(1, 2)` have one class but two digests.
const LIST: u8 = 4;
/// Stands behind the first of several equal rows.
const ROWS: u8 = 5;

// The sorts of bytes.
const WORD: u8 = 0;
const DIGIT: u8 = 1;
const SPACE: u8 = 2;
const SINGLE: u8 = 3;
const QUOTE: u8 = 4;
const DOUBLE: u8 = 5;
const BACKTICK: u8 = 6;
const SLASH: u8 = 7;
const MINUS: u8 = 8;
const HASH: u8 = 9;
const CLOSE: u8 = 10;
/// White space other than the space itself.
const BREAK: u8 = 11;
const CONTROL: u8 = 12;

const SORTS: [u8; 256] = {
    let mut table = [SINGLE; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        table[at] = match byte {
            b'0'..=b'9' => DIGIT,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' | 0x80.. => WORD,
            b' ' => SPACE,
            b'\t'..=b'\r' => BREAK,
            b'\'' => QUOTE,
            b'"' => DOUBLE,
            b'`' => BACKTICK,
            b'/' => SLASH,
            b'-' => MINUS,
            b'#' => HASH,
            b')' => CLOSE,
            0..=0x1f | 0x7f => CONTROL,
            _ => SINGLE,
        };
        at += 1;
    }
    table
};

/// True if a byte of one sort, behind a byte of another sort, needs special treatment. The index is the sort of the
/// earlier byte times 16, plus the sort of the later byte. A table is faster than branches, which would be mispredicted
/// at the end of every word.
const STOPS: [bool; 256] = {
    let mut table = [true; 256];
    let mut at = 0;
    while at < 256 {
        let (last, this) = ((at >> 4) as u8, (at & 15) as u8);
        table[at] = match this {
            WORD | SINGLE => false,
            DIGIT => last > DIGIT,
            SPACE => last == SPACE,
            _ => true,
        };
        at += 1;
    }
    table
};

fn sort(byte: u8) -> u8 {
    SORTS.get(usize::from(byte)).copied().unwrap_or(CONTROL)
}

fn is_word(byte: u8) -> bool {
    sort(byte) <= DIGIT
}

/// Writes the shape into `out`. Returns false if the text has no shape, or one that is too long.
pub(super) fn shape(sql: &[u8], context: Context<'_>, out: &mut Vec<u8>) -> bool {
    out.clear();
    let options = context.options;
    if options.charset > TextCharset::SingleByte || context.schema.len() > 255 {
        return false;
    }
    out.push(u8::from(options.ansi_quotes) | u8::from(options.no_backslash_escapes) << 1);
    out.push(u8::try_from(context.schema.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(context.schema);
    let start = out.len();
    let escapes = !options.no_backslash_escapes;
    let mut rest = sql;
    loop {
        let run = run(rest, out.get(start..).unwrap_or_default());
        keep(rest, run, out);
        rest = rest.get(run..).unwrap_or_default();
        let Some((&byte, more)) = rest.split_first() else { break };
        if out.len() > MAX_SHAPE {
            return false;
        }
        let taken = match sort(byte) {
            DIGIT => number(rest, start, out),
            SPACE | BREAK => {
                separate(out);
                let space = |byte: &u8| matches!(sort(*byte), SPACE | BREAK);
                rest.iter().position(|byte| !space(byte)).unwrap_or(rest.len())
            }
            QUOTE => string(rest, escapes, out),
            DOUBLE if !options.ansi_quotes => string(rest, escapes, out),
            DOUBLE | BACKTICK => match quoted(more, byte, false) {
                Some((length, _)) => keep(rest, length + 1, out),
                None => 0,
            },
            SLASH => match comment(rest, out) {
                Some(taken) => taken,
                None => return all_of_it(rest, out),
            },
            MINUS => dash(rest, out),
            HASH => line(rest, out),
            CLOSE => close(start, out),
            _ => 0,
        };
        match rest.get(taken..) {
            Some(left) if taken > 0 => rest = left,
            _ => return false,
        }
    }
    out.len() <= MAX_SHAPE
}

/// Returns how many bytes stay unchanged: words, single bytes and single spaces, up to a byte that needs special
/// treatment.
fn run(rest: &[u8], shape: &[u8]) -> usize {
    let mut last = shape.last().map_or(SINGLE, |byte| sort(*byte));
    let stop = rest.iter().position(|byte| {
        let this = sort(*byte);
        let stops = STOPS.get(usize::from(last << 4 | this)).copied().unwrap_or(true);
        last = this;
        stops
    });
    stop.unwrap_or(rest.len())
}

fn keep(rest: &[u8], length: usize, out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(rest.get(..length).unwrap_or(rest));
    length
}

fn keep_run(rest: &[u8], out: &mut Vec<u8>) -> usize {
    let length = rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len());
    keep(rest, length, out)
}

/// Appends the whole rest unchanged. Returns false if the shape becomes too long.
fn all_of_it(rest: &[u8], out: &mut Vec<u8>) -> bool {
    if rest.len() > MAX_SHAPE {
        return false;
    }
    // Separates the rest from the shortened part, so that the two cannot be confused.
    out.push(0);
    out.extend_from_slice(rest);
    out.len() <= MAX_SHAPE
}

fn separate(out: &mut Vec<u8>) {
    if out.last() != Some(&b' ') {
        out.push(b' ');
    }
}

/// Replaces digits, with a fraction if there is one, by a placeholder if they are certainly a token of their own. If
/// not, keeps them: a name can begin with digits, for example behind a dot.
fn number(rest: &[u8], start: usize, out: &mut Vec<u8>) -> usize {
    let digits = |from: usize| {
        let tail = rest.get(from..).unwrap_or_default();
        from + tail.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(tail.len())
    };
    let whole = digits(0);
    let end = if rest.get(whole) == Some(&b'.') { digits(whole + 1) } else { whole };
    let last = if out.len() > start { out.last().copied() } else { None };
    let joined = last.is_some_and(|byte| is_word(byte) || matches!(byte, b'.' | b'@' | b'!'));
    let goes_on = rest.get(end).is_some_and(|byte| is_word(*byte) || *byte == b'.');
    if joined || goes_on {
        return keep_run(rest, out);
    }
    literal(NUMBER, start, out);
    end
}

/// Appends a placeholder. A list of literals of the same sort in parentheses gets only one, and [`LIST`].
fn literal(mark: u8, start: usize, out: &mut Vec<u8>) {
    let shape = out.get(start..).unwrap_or_default();
    let back = match shape {
        [.., b'(', value, b','] | [.., b'(', value, LIST, b','] if *value == mark => 1,
        [.., b'(', value, b',', b' '] | [.., b'(', value, LIST, b',', b' '] if *value == mark => 2,
        _ => 0,
    };
    match back {
        0 => out.push(mark),
        back => {
            out.truncate(out.len() - back);
            if out.last() != Some(&LIST) {
                out.push(LIST);
            }
        }
    }
}

/// Handles `)`. A list of literals that follows an equal one, as in `(1, 2), (1, 2)`, is dropped, and the first one gets
/// [`ROWS`], so that bulk inserts of two or more rows have the same shape.
fn close(start: usize, out: &mut Vec<u8>) -> usize {
    out.push(b')');
    let shape = out.get(start..).unwrap_or_default();
    let is_literal = |byte: &u8| matches!(*byte, NUMBER | STRING | ESCAPED);
    let inside = |byte: &&u8| is_literal(byte) || matches!(**byte, b',' | b' ' | LIST);
    // Searches back to the opening parenthesis, but not over an earlier list: the work would be quadratic.
    let length = shape.iter().rev().skip(1).take_while(inside).count() + 2;
    steps::count(length);
    let (before, list) = shape.split_at_checked(shape.len().saturating_sub(length)).unwrap_or((shape, b""));
    let opens = list.first() == Some(&b'(') && list.iter().any(is_literal);
    let before = before.strip_suffix(b" ").unwrap_or(before);
    let before = before.strip_suffix(b",").unwrap_or_default();
    let first = before.strip_suffix(&[ROWS]).unwrap_or(before);
    if opens && first.ends_with(list) {
        let kept = start + first.len();
        out.truncate(kept);
        out.push(ROWS);
    }
    1
}

/// Returns the length up to and including the closing quote, and whether there is a backslash before it.
fn quoted(body: &[u8], quote: u8, escapes: bool) -> Option<(usize, bool)> {
    let (mut at, mut backslash) = (0, false);
    loop {
        let tail = body.get(at..)?;
        let stop = tail.iter().position(|byte| *byte == quote || *byte == b'\\')?;
        let byte = *tail.get(stop)?;
        let next = tail.get(stop + 1);
        at += stop + 1;
        if byte == quote && (quote != b'\\') {
            match next {
                Some(next) if *next == quote => at += 1,
                _ => return Some((at, backslash)),
            }
        } else {
            backslash = true;
            if escapes {
                next?;
                at += 1;
            }
        }
    }
}

fn string(rest: &[u8], escapes: bool, out: &mut Vec<u8>) -> usize {
    let Some((quote, body)) = rest.split_first() else { return 0 };
    let Some((length, backslash)) = quoted(body, *quote, escapes) else { return 0 };
    out.push(if backslash { ESCAPED } else { STRING });
    // No space is added: in x'…' and the like the letter is a word that must stay next to its string.
    length + 1
}

/// Handles a slash. Returns how many bytes were handled, or None for a versioned comment, whose content is code.
fn comment(rest: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let body = match rest {
        [b'/', b'*', body @ ..] => body,
        _ => return Some(keep(rest, 1, out)),
    };
    let Some(end) = body.windows(2).position(|pair| pair == b"*/") else { return Some(0) };
    let whole = rest.get(..end + 4).unwrap_or(rest);
    match body {
        [b'!', ..] | [b'M', b'!', ..] => return None,
        // An optimizer hint.
        [b'+', ..] => {
            out.extend_from_slice(whole);
        }
        _ => plain(whole, out),
    }
    Some(end + 4)
}

/// Handles an ordinary comment: keeps it only if it is a hint.
fn plain(whole: &[u8], out: &mut Vec<u8>) {
    if !crate::tokens::hint::read(whole).is_empty() {
        out.push(0);
        out.extend_from_slice(whole);
        out.push(0);
    }
    separate(out);
}

fn line(rest: &[u8], out: &mut Vec<u8>) -> usize {
    let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    plain(rest.get(..length).unwrap_or(rest), out);
    length
}

/// Handles `-`. `--` before white space begins a comment; otherwise each `-` is an operator.
fn dash(rest: &[u8], out: &mut Vec<u8>) -> usize {
    match rest {
        [b'-', b'-'] | [b'-', b'-', 1..=b' ', ..] => line(rest, out),
        [b'-', b'-', 0 | 0x7f..=0xff, ..] => 0,
        _ => keep(rest, 1, out),
    }
}
