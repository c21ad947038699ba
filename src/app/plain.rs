//! Texts of clients and servers, for terminals and the log.

/// Replaces control characters by spaces: a text of a client or a server must neither control a terminal nor begin a line.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_line_without_escapes() {
        assert_eq!(plain("a\nb\x1b[2J\u{9b}"), "a b [2J ");
    }
}
