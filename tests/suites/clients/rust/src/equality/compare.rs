//! Two answers to one statement: the first difference that no mask allows.

use super::corpus::{Marks, Mask};
use super::decode::{Column, Event, Row};

/// What the marks of a statement allow to differ.
pub struct Allowed<'a> {
    pub marks: &'a Marks,
    /// Rows come in the order that the statement asks for.
    pub ordered: bool,
    /// Several tables are read: by its plan, which hangs on statistics, MySQL takes a column from a temporary
    /// table, and that has no keys.
    pub joins: bool,
}

/// Flags of a column that tell of keys: PRI_KEY, UNIQUE_KEY, MULTIPLE_KEY, AUTO_INCREMENT, PART_KEY.
const KEYS: u16 = 0x2 | 0x4 | 0x8 | 0x200 | 0x4000;

impl Allowed<'_> {
    fn masks(&self, what: &str) -> bool {
        self.marks.masks.iter().any(|mask| has(mask, what) || has(mask, "*all"))
    }

    fn hides(&self, column: &Column, at: usize) -> bool {
        let number = (at + 1).to_string();
        let name = |w: &String| w.eq_ignore_ascii_case(column.name()) || *w == number;
        self.masks("*values") || self.marks.masks.iter().any(|mask| mask.what.iter().any(name))
    }

    fn rows(&self, columns: &[Column], rows: &[Row]) -> Vec<Row> {
        let mut rows: Vec<Row> = rows
            .iter()
            .map(|row| {
                let shown = row.iter().enumerate();
                let hidden = |at: usize| columns.get(at).is_some_and(|column| self.hides(column, at));
                shown
                    .map(|(at, value)| if hidden(at) { Some("(masked)".into()) } else { value.clone() })
                    .collect()
            })
            .collect();
        if !self.ordered || self.marks.unordered {
            rows.sort();
        }
        rows
    }

    fn event(&self, event: &Event) -> Event {
        match event {
            Event::Table { columns, rows } => {
                let rows = if self.masks("*rows") { Vec::new() } else { self.rows(columns, rows) };
                let columns = columns.iter().map(|column| {
                    let mut column = column.clone();
                    if self.masks("*metadata") {
                        column.names[1..4].fill(String::new());
                        column.names[5].clear();
                        (column.length, column.flags, column.decimals) = (0, 0, 0);
                    }
                    if self.joins {
                        column.flags &= !KEYS;
                    }
                    column
                });
                Event::Table { columns: columns.collect(), rows }
            }
            Event::Err { code, state, message } => {
                let message = match () {
                    () if self.masks("*message") => "(masked)".into(),
                    () if self.masks("*numbers") => message.chars().filter(|c| !c.is_ascii_digit()).collect(),
                    () => message.clone(),
                };
                Event::Err { code: *code, state: state.clone(), message }
            }
            Event::Ok { affected, insert_id, status, warnings, info } if self.masks("*warnings") => {
                let (affected, insert_id, status, _) = (*affected, *insert_id, *status, warnings);
                Event::Ok { affected, insert_id, status, warnings: 0, info: info.clone() }
            }
            Event::Eof { status, .. } if self.masks("*warnings") => {
                Event::Eof { status: *status, warnings: 0 }
            }
            other => other.clone(),
        }
    }
}

fn has(mask: &Mask, what: &str) -> bool {
    mask.what.iter().any(|w| w == what)
}

fn short(text: &str) -> String {
    match text.char_indices().nth(300) {
        Some((at, _)) => format!("{}… ({} bytes)", &text[..at], text.len()),
        None => text.into(),
    }
}

fn table(direct: (&[Column], &[Row]), proxy: (&[Column], &[Row])) -> (String, String) {
    if let Some((a, b)) = direct.0.iter().zip(proxy.0).find(|(a, b)| a != b) {
        return (format!("{a:?}"), format!("{b:?}"));
    }
    if direct.0.len() != proxy.0.len() || direct.1.len() != proxy.1.len() {
        let say = |(columns, rows): (&[Column], &[Row])| {
            format!("{} columns, {} rows {rows:?}", columns.len(), rows.len())
        };
        return (say(direct), say(proxy));
    }
    match direct.1.iter().zip(proxy.1).find(|(a, b)| a != b) {
        Some((a, b)) => (format!("row {a:?}"), format!("row {b:?}")),
        None => Default::default(),
    }
}

/// Whether they are equal under the masks; else both sides of the first difference.
pub fn differ(direct: &[Event], proxy: &[Event], allowed: &Allowed) -> Option<(String, String)> {
    if allowed.masks("*all") {
        return None;
    }
    for at in 0..direct.len().max(proxy.len()) {
        let (a, b) = (direct.get(at).map(|e| allowed.event(e)), proxy.get(at).map(|e| allowed.event(e)));
        if a == b {
            continue;
        }
        let (left, right) = match (&a, &b) {
            (
                Some(Event::Table { columns, rows }),
                Some(Event::Table { columns: other_columns, rows: other_rows }),
            ) => table((columns, rows), (other_columns, other_rows)),
            _ => (format!("{a:?}"), format!("{b:?}")),
        };
        return Some((short(&left), short(&right)));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(affected: u64) -> Event {
        Event::Ok { affected, insert_id: 0, status: 2, warnings: 0, info: String::new() }
    }

    fn rows(values: &[&str]) -> Event {
        let column = Column {
            names: ["def", "s", "t", "t", "id", "id"].map(String::from),
            charset: 63,
            length: 11,
            kind: 3,
            flags: 0,
            decimals: 0,
            default: Vec::new(),
        };
        Event::Table {
            columns: vec![column],
            rows: values.iter().map(|v| vec![Some(v.to_string())]).collect(),
        }
    }

    #[test]
    fn a_difference_is_seen_and_only_a_mask_hides_it() {
        let plain = Marks::default();
        let allowed = Allowed { marks: &plain, ordered: true, joins: false };
        assert!(differ(&[ok(1)], &[ok(1)], &allowed).is_none());
        assert!(differ(&[ok(1)], &[ok(2)], &allowed).is_some());
        assert!(differ(&[ok(1)], &[], &allowed).is_some());
        assert!(differ(&[rows(&["1", "2"])], &[rows(&["2", "1"])], &allowed).is_some());
        let unordered = Allowed { marks: &plain, ordered: false, joins: false };
        assert!(differ(&[rows(&["1", "2"])], &[rows(&["2", "1"])], &unordered).is_none());
        assert!(differ(&[rows(&["1", "2"])], &[rows(&["1"])], &unordered).is_some());

        let mask = Mask { what: vec!["ID".into()], reason: "test".into() };
        let masked = Marks { masks: vec![mask], ..Marks::default() };
        let allowed = Allowed { marks: &masked, ordered: true, joins: false };
        assert!(differ(&[rows(&["1"])], &[rows(&["2"])], &allowed).is_none());
        assert!(differ(&[rows(&["1"])], &[rows(&[])], &allowed).is_some(), "a column's mask keeps the count");
    }
}
