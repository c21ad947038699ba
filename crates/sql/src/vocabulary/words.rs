//! The meanings of words in expressions: one lookup for each word, in a table made at compile time.

pub(crate) use super::meaning::Meaning;
use super::names::{BEFORE_QUERY, CALLABLE, SOMEWHERE, SPECIAL, TIGHT};

#[derive(Clone, Copy)]
struct WordSlot {
    word: &'static str,
    meaning: Meaning,
}

const SLOTS: usize = 4096;
static TABLE: [WordSlot; SLOTS] = table();

/// Returns the first slot of a word, computed from its length and five of its bytes: enough to spread several hundred
/// words.
const fn slot(word: &[u8]) -> usize {
    let n = word.len();
    if n == 0 {
        return 0;
    }
    let a = (word[0] | 0x20) as usize;
    let b = (word[n / 2] | 0x20) as usize;
    let c = (word[n - 1] | 0x20) as usize;
    let d = (word[n * 3 / 4] | 0x20) as usize;
    let e = (word[n / 4] | 0x20) as usize;
    (n * 389 + a * 1009 + b * 53 + c * 2017 + d * 701 + e * 151) % SLOTS
}

const fn insert(mut table: [WordSlot; SLOTS], word: &'static str, meaning: Meaning) -> [WordSlot; SLOTS] {
    let mut at = slot(word.as_bytes());
    while !table[at].word.is_empty() {
        at = (at + 1) % SLOTS;
    }
    table[at] = WordSlot { word, meaning };
    table
}

const fn table() -> [WordSlot; SLOTS] {
    let mut table = [WordSlot { word: "", meaning: Meaning::Name }; SLOTS];
    let lists: [(&[&'static str], Meaning); 4] = [
        (&CALLABLE, Meaning::Callable),
        (&TIGHT, Meaning::Tight),
        (&SOMEWHERE, Meaning::Somewhere),
        (&BEFORE_QUERY, Meaning::BeforeQuery),
    ];
    let mut list = 0;
    while list < lists.len() {
        let mut at = 0;
        while at < lists[list].0.len() {
            table = insert(table, lists[list].0[at], lists[list].1);
            at += 1;
        }
        list += 1;
    }
    let mut at = 0;
    while at < SPECIAL.len() {
        table = insert(table, SPECIAL[at].0, SPECIAL[at].1);
        at += 1;
    }
    table
}

/// Returns the meaning of a word, in any case.
pub(crate) fn meaning(word: &[u8]) -> Meaning {
    let mut at = slot(word);
    while let Some(slot) = TABLE.get(at) {
        if slot.word.is_empty() {
            break;
        }
        if slot.word.len() == word.len() && slot.word.as_bytes().eq_ignore_ascii_case(word) {
            return slot.meaning;
        }
        at = (at + 1) % SLOTS;
    }
    Meaning::Name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_found_once_and_soon() {
        let lists = CALLABLE.iter().chain(&TIGHT).chain(&SOMEWHERE).chain(&BEFORE_QUERY).copied();
        let words: Vec<&str> = lists.chain(SPECIAL.iter().map(|(word, _)| *word)).collect();
        for (at, word) in words.iter().enumerate() {
            assert_ne!(meaning(word.as_bytes()), Meaning::Name, "{word}");
            assert_ne!(meaning(word.to_uppercase().as_bytes()), Meaning::Name, "{word}");
            assert!(!words[..at].contains(word), "{word} stands in two lists");
            let found = (0..SLOTS).find(|d| TABLE[(slot(word.as_bytes()) + d) % SLOTS].word == *word);
            assert!(found.is_some_and(|distance| distance < 24), "{word}: {found:?}");
        }
        assert_eq!(meaning(b""), Meaning::Name);
        assert_eq!(meaning(b"selects"), Meaning::Name);
    }

    #[test]
    fn the_lists_are_sorted() {
        for list in [&CALLABLE[..], &TIGHT, &SOMEWHERE, &BEFORE_QUERY] {
            assert!(list.is_sorted());
        }
    }
}
