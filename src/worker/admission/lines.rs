//! Log lines about logins: a limited number each second, with names from clients in a form that is safe in a
//! log.

use std::time::Duration;

use tokio::time::Instant;

/// The most lines in one second, of all workers together.
const MOST: u32 = 10;
const SECOND: Duration = Duration::from_secs(1);
/// The most characters of a name: MariaDB's limit. MySQL's is 32.
const LONGEST_NAME: usize = 128;

/// The lines of the current second.
#[derive(Debug, Default)]
pub(super) struct LogLines {
    began: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl LogLines {
    /// Returns None if no more lines may be written now, else how many lines were left out before this one.
    pub fn one(&mut self, now: Instant) -> Option<u64> {
        if self.is_over(now) {
            self.began = Some(now);
            self.written = 0;
        }
        if self.written >= MOST {
            self.left_out += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.left_out))
    }

    /// Returns how many lines were left out in a second that is over, unless a later line or call reported
    /// them.
    pub fn left_out(&mut self, now: Instant) -> u64 {
        if self.is_over(now) { std::mem::take(&mut self.left_out) } else { 0 }
    }

    fn is_over(&self, now: Instant) -> bool {
        self.began.is_none_or(|began| now.saturating_duration_since(began) >= SECOND)
    }
}

/// Returns a client's name for logs and errors: shortened, on one line, without invisible characters.
pub fn shown(name: &[u8]) -> String {
    // A character has four bytes at most.
    let front = name.get(..4 * LONGEST_NAME).unwrap_or(name);
    let text = String::from_utf8_lossy(front);
    let mut shown: String = text
        .chars()
        .take(LONGEST_NAME)
        .flat_map(|c| {
            let plain = matches!(c, '\'' | '"' | '\\');
            plain.then_some(c).into_iter().chain((!plain).then(|| c.escape_debug()).into_iter().flatten())
        })
        .collect();
    if front.len() < name.len() || text.chars().nth(LONGEST_NAME).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_on_one_line() {
        assert_eq!(shown(b"app"), "app");
        assert_eq!(shown("böse'\"\\".as_bytes()), "böse'\"\\");
        assert_eq!(shown(b"a\nb\0\x1b[31m\xff"), "a\\nb\\0\\u{1b}[31m\u{fffd}");
        assert_eq!(shown("a\u{202e}b".as_bytes()), "a\\u{202e}b", "no other order of writing");
        assert_eq!(shown(&[b'x'; 128]).len(), 128);
        let long = shown(&vec![b'x'; 128 * 1024]);
        assert_eq!((long.chars().count(), long.chars().last()), (129, Some('…')));
        assert!(shown(&vec![0; 128 * 1024]).len() < 1024);
    }

    #[tokio::test(start_paused = true)]
    async fn lines_are_rationed_and_counted() {
        let mut lines = LogLines::default();
        let written = (0..1000).filter(|_| lines.one(Instant::now()).is_some()).count();
        assert_eq!(written, 10);
        assert_eq!(lines.left_out(Instant::now()), 0, "the second is not over");
        tokio::time::advance(SECOND).await;
        assert_eq!(lines.one(Instant::now()), Some(990));
        assert_eq!(lines.one(Instant::now()), Some(0));
        assert_eq!((0..50).filter(|_| lines.one(Instant::now()).is_none()).count(), 42);
        tokio::time::advance(SECOND).await;
        assert_eq!(lines.left_out(Instant::now()), 42);
        assert_eq!(lines.left_out(Instant::now()), 0);
    }
}
