//! How servers read the bytes of a text, by the name of its `character_set_client`. The lexer reads
//! bytes; this says for which texts a server finds the same tokens. `tests/it/classify/charsets.rs`
//! checks each name and each byte on real servers.

/// The kind of a `character_set_client`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum TextCharset {
    /// utf8mb4, utf8mb3: no byte over 0x7f is part of an ASCII character.
    #[default]
    Utf8,
    /// One byte is one character, and the bytes up to 0x7f are ASCII. Outside quotes a byte over
    /// 0x7f may be a letter, white space (0xa0 in latin1) or an unknown character.
    SingleByte,
    /// A byte up to 0x7f is ASCII, unless it follows a byte over 0x7f: then the byte may be the
    /// second half of a character, even a quote's neighbour such as `\` or a backtick.
    MultiByte,
    /// Bytes up to 0x7f have other meanings (swe7), or nobody knows.
    Unsafe,
}

impl TextCharset {
    /// Returns the kind of a character set, by its name in any case. A name that is not listed is
    /// [`TextCharset::Unsafe`].
    pub fn of(name: &[u8]) -> Self {
        let mut lower = [0; LONGEST];
        let Some(lower) = lower.get_mut(..name.len()) else { return Self::Unsafe };
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        match std::str::from_utf8(lower).unwrap_or_default() {
            "utf8mb4" | "utf8mb3" | "utf8" => Self::Utf8,
            "armscii8" | "ascii" | "binary" | "cp1250" | "cp1251" | "cp1256" | "cp1257" | "cp850"
            | "cp852" | "cp866" | "dec8" | "geostd8" | "greek" | "hebrew" | "hp8" | "keybcs2" | "koi8r"
            | "koi8u" | "latin1" | "latin2" | "latin5" | "latin7" | "macce" | "macroman" | "tis620" => {
                Self::SingleByte
            }
            "big5" | "cp932" | "eucjpms" | "euckr" | "gb18030" | "gb2312" | "gbk" | "sjis" | "ujis" => {
                Self::MultiByte
            }
            _ => Self::Unsafe,
        }
    }

    /// True if a server reads each quote, backslash and other ASCII byte of this text as the lexer
    /// does. A byte over 0x7f *outside* quotes may still be read otherwise.
    pub fn reads_as_ascii(self, sql: &[u8]) -> bool {
        match self {
            Self::Utf8 | Self::SingleByte => true,
            Self::MultiByte => sql.is_ascii(),
            Self::Unsafe => false,
        }
    }

    /// True if the lexer may find other tokens in this text than a server: the text has a byte that may be a
    /// part of another character.
    pub fn is_ambiguous(self, sql: &[u8]) -> bool {
        self.unambiguous(sql).len() < sql.len()
    }

    /// Returns the beginning of the text in which the lexer finds the same tokens as a server, but for the last one.
    pub fn unambiguous(self, sql: &[u8]) -> &[u8] {
        let end = match self {
            Self::Utf8 | Self::SingleByte => None,
            Self::MultiByte => sql.windows(2).position(|pair| matches!(pair, [0x80..=0xff, b'\\' | b'`'])),
            Self::Unsafe => sql.iter().position(|byte| !is_invariant(*byte)),
        };
        end.and_then(|end| sql.get(..end)).unwrap_or(sql)
    }
}

/// True for the characters that every national variant of ASCII has (ISO 646): swe7 differs in the others.
fn is_invariant(byte: u8) -> bool {
    byte.is_ascii()
        && !matches!(byte, b'#' | b'$' | b'@' | b'[' | b'\\' | b']' | b'^' | b'`' | b'{' | b'|' | b'}' | b'~')
}

/// The length of the longest name that is listed.
const LONGEST: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_names_are_known() {
        assert_eq!(TextCharset::of(b"utf8mb4"), TextCharset::Utf8);
        assert_eq!(TextCharset::of(b"UTF8"), TextCharset::Utf8);
        assert_eq!(TextCharset::of(b"Latin1"), TextCharset::SingleByte);
        assert_eq!(TextCharset::of(b"gbk"), TextCharset::MultiByte);
        for name in
            ["swe7", "ucs2", "utf16", "utf16le", "utf32", "filename", "", "latin", "latin1 ", "utf8mb42"]
        {
            assert_eq!(TextCharset::of(name.as_bytes()), TextCharset::Unsafe, "{name}");
        }
        assert_eq!(TextCharset::of(b"\xff"), TextCharset::Unsafe);
        assert_eq!(TextCharset::of(&[b'a'; 70_000]), TextCharset::Unsafe);
    }

    #[test]
    fn a_multibyte_text_is_known_if_it_is_ascii() {
        assert!(TextCharset::MultiByte.reads_as_ascii(b"SELECT 'a'"));
        assert!(!TextCharset::MultiByte.reads_as_ascii(b"SELECT '\xbf\\'"));
        assert!(TextCharset::SingleByte.reads_as_ascii(b"SELECT '\xbf\\''"));
        assert!(!TextCharset::Unsafe.reads_as_ascii(b"SELECT 1"));
        assert!(!TextCharset::Unsafe.is_ambiguous(b"SET NAMES 'utf8mb4'"));
        for text in [&b"SELECT @a"[..], b"SELECT `a`", b"SELECT '\\n'", b"SELECT '\xe9'"] {
            assert!(TextCharset::Unsafe.is_ambiguous(text));
        }
    }
}
