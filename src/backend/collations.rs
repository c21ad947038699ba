//! Collation ids of handshake packets and the names that `SET NAMES` takes. Ids below
//! 256 mean the same on MySQL and MariaDB (`information_schema.collations` of both);
//! the few that MariaDB lacks are marked. Character sets that no client may use
//! (ucs2, utf16, utf32) are left out: servers put their default in their place.

use super::session_variables::is_charset_name;
use crate::topology::Flavor;

/// Returns the character set and collation of an id, if servers of this flavour have it.
pub fn names(id: u16, flavor: Flavor) -> Option<(&'static str, &'static str)> {
    if flavor == Flavor::MariaDb && MYSQL_ONLY.contains(&id) {
        return None;
    }
    let at = COLLATIONS.binary_search_by_key(&id, |(id, _, _)| *id).ok()?;
    COLLATIONS.get(at).map(|(_, charset, collation)| (*charset, *collation))
}

/// True if both names are known, and the collation is one of the character set.
pub fn is_collation_of(charset: &[u8], collation: &[u8]) -> bool {
    let known = |name: &[u8]| COLLATIONS.iter().any(|(_, charset, _)| charset.as_bytes() == name);
    let utf8 = |name: &[u8]| matches!(name, b"utf8" | b"utf8mb3");
    let own = collation.strip_prefix(charset).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"_"));
    let alias = utf8(charset) && (collation.starts_with(b"utf8_") || collation.starts_with(b"utf8mb3_"));
    is_charset_name(collation) && (known(charset) || utf8(charset)) && (own || alias)
}

/// True for the name of a character set that servers have.
pub fn is_known_charset(name: &[u8]) -> bool {
    const OTHERS: [&[u8]; 6] = [b"utf8", b"utf8mb3", b"ucs2", b"utf16", b"utf16le", b"utf32"];
    OTHERS.contains(&name) || COLLATIONS.iter().any(|(_, charset, _)| charset.as_bytes() == name)
}

const MYSQL_ONLY: [u16; 5] = [76, 248, 249, 250, 255];

#[rustfmt::skip]
const COLLATIONS: &[(u16, &str, &str)] = &[
    (1, "big5", "big5_chinese_ci"),
    (2, "latin2", "latin2_czech_cs"),
    (3, "dec8", "dec8_swedish_ci"),
    (4, "cp850", "cp850_general_ci"),
    (5, "latin1", "latin1_german1_ci"),
    (6, "hp8", "hp8_english_ci"),
    (7, "koi8r", "koi8r_general_ci"),
    (8, "latin1", "latin1_swedish_ci"),
    (9, "latin2", "latin2_general_ci"),
    (10, "swe7", "swe7_swedish_ci"),
    (11, "ascii", "ascii_general_ci"),
    (12, "ujis", "ujis_japanese_ci"),
    (13, "sjis", "sjis_japanese_ci"),
    (14, "cp1251", "cp1251_bulgarian_ci"),
    (15, "latin1", "latin1_danish_ci"),
    (16, "hebrew", "hebrew_general_ci"),
    (18, "tis620", "tis620_thai_ci"),
    (19, "euckr", "euckr_korean_ci"),
    (20, "latin7", "latin7_estonian_cs"),
    (21, "latin2", "latin2_hungarian_ci"),
    (22, "koi8u", "koi8u_general_ci"),
    (23, "cp1251", "cp1251_ukrainian_ci"),
    (24, "gb2312", "gb2312_chinese_ci"),
    (25, "greek", "greek_general_ci"),
    (26, "cp1250", "cp1250_general_ci"),
    (27, "latin2", "latin2_croatian_ci"),
    (28, "gbk", "gbk_chinese_ci"),
    (29, "cp1257", "cp1257_lithuanian_ci"),
    (30, "latin5", "latin5_turkish_ci"),
    (31, "latin1", "latin1_german2_ci"),
    (32, "armscii8", "armscii8_general_ci"),
    (33, "utf8mb3", "utf8mb3_general_ci"),
    (34, "cp1250", "cp1250_czech_cs"),
    (36, "cp866", "cp866_general_ci"),
    (37, "keybcs2", "keybcs2_general_ci"),
    (38, "macce", "macce_general_ci"),
    (39, "macroman", "macroman_general_ci"),
    (40, "cp852", "cp852_general_ci"),
    (41, "latin7", "latin7_general_ci"),
    (42, "latin7", "latin7_general_cs"),
    (43, "macce", "macce_bin"),
    (44, "cp1250", "cp1250_croatian_ci"),
    (45, "utf8mb4", "utf8mb4_general_ci"),
    (46, "utf8mb4", "utf8mb4_bin"),
    (47, "latin1", "latin1_bin"),
    (48, "latin1", "latin1_general_ci"),
    (49, "latin1", "latin1_general_cs"),
    (50, "cp1251", "cp1251_bin"),
    (51, "cp1251", "cp1251_general_ci"),
    (52, "cp1251", "cp1251_general_cs"),
    (53, "macroman", "macroman_bin"),
    (57, "cp1256", "cp1256_general_ci"),
    (58, "cp1257", "cp1257_bin"),
    (59, "cp1257", "cp1257_general_ci"),
    (63, "binary", "binary"),
    (64, "armscii8", "armscii8_bin"),
    (65, "ascii", "ascii_bin"),
    (66, "cp1250", "cp1250_bin"),
    (67, "cp1256", "cp1256_bin"),
    (68, "cp866", "cp866_bin"),
    (69, "dec8", "dec8_bin"),
    (70, "greek", "greek_bin"),
    (71, "hebrew", "hebrew_bin"),
    (72, "hp8", "hp8_bin"),
    (73, "keybcs2", "keybcs2_bin"),
    (74, "koi8r", "koi8r_bin"),
    (75, "koi8u", "koi8u_bin"),
    (76, "utf8mb3", "utf8mb3_tolower_ci"),
    (77, "latin2", "latin2_bin"),
    (78, "latin5", "latin5_bin"),
    (79, "latin7", "latin7_bin"),
    (80, "cp850", "cp850_bin"),
    (81, "cp852", "cp852_bin"),
    (82, "swe7", "swe7_bin"),
    (83, "utf8mb3", "utf8mb3_bin"),
    (84, "big5", "big5_bin"),
    (85, "euckr", "euckr_bin"),
    (86, "gb2312", "gb2312_bin"),
    (87, "gbk", "gbk_bin"),
    (88, "sjis", "sjis_bin"),
    (89, "tis620", "tis620_bin"),
    (91, "ujis", "ujis_bin"),
    (92, "geostd8", "geostd8_general_ci"),
    (93, "geostd8", "geostd8_bin"),
    (94, "latin1", "latin1_spanish_ci"),
    (95, "cp932", "cp932_japanese_ci"),
    (96, "cp932", "cp932_bin"),
    (97, "eucjpms", "eucjpms_japanese_ci"),
    (98, "eucjpms", "eucjpms_bin"),
    (99, "cp1250", "cp1250_polish_ci"),
    (192, "utf8mb3", "utf8mb3_unicode_ci"),
    (193, "utf8mb3", "utf8mb3_icelandic_ci"),
    (194, "utf8mb3", "utf8mb3_latvian_ci"),
    (195, "utf8mb3", "utf8mb3_romanian_ci"),
    (196, "utf8mb3", "utf8mb3_slovenian_ci"),
    (197, "utf8mb3", "utf8mb3_polish_ci"),
    (198, "utf8mb3", "utf8mb3_estonian_ci"),
    (199, "utf8mb3", "utf8mb3_spanish_ci"),
    (200, "utf8mb3", "utf8mb3_swedish_ci"),
    (201, "utf8mb3", "utf8mb3_turkish_ci"),
    (202, "utf8mb3", "utf8mb3_czech_ci"),
    (203, "utf8mb3", "utf8mb3_danish_ci"),
    (204, "utf8mb3", "utf8mb3_lithuanian_ci"),
    (205, "utf8mb3", "utf8mb3_slovak_ci"),
    (206, "utf8mb3", "utf8mb3_spanish2_ci"),
    (207, "utf8mb3", "utf8mb3_roman_ci"),
    (208, "utf8mb3", "utf8mb3_persian_ci"),
    (209, "utf8mb3", "utf8mb3_esperanto_ci"),
    (210, "utf8mb3", "utf8mb3_hungarian_ci"),
    (211, "utf8mb3", "utf8mb3_sinhala_ci"),
    (212, "utf8mb3", "utf8mb3_german2_ci"),
    (213, "utf8mb3", "utf8mb3_croatian_ci"),
    (214, "utf8mb3", "utf8mb3_unicode_520_ci"),
    (215, "utf8mb3", "utf8mb3_vietnamese_ci"),
    (223, "utf8mb3", "utf8mb3_general_mysql500_ci"),
    (224, "utf8mb4", "utf8mb4_unicode_ci"),
    (225, "utf8mb4", "utf8mb4_icelandic_ci"),
    (226, "utf8mb4", "utf8mb4_latvian_ci"),
    (227, "utf8mb4", "utf8mb4_romanian_ci"),
    (228, "utf8mb4", "utf8mb4_slovenian_ci"),
    (229, "utf8mb4", "utf8mb4_polish_ci"),
    (230, "utf8mb4", "utf8mb4_estonian_ci"),
    (231, "utf8mb4", "utf8mb4_spanish_ci"),
    (232, "utf8mb4", "utf8mb4_swedish_ci"),
    (233, "utf8mb4", "utf8mb4_turkish_ci"),
    (234, "utf8mb4", "utf8mb4_czech_ci"),
    (235, "utf8mb4", "utf8mb4_danish_ci"),
    (236, "utf8mb4", "utf8mb4_lithuanian_ci"),
    (237, "utf8mb4", "utf8mb4_slovak_ci"),
    (238, "utf8mb4", "utf8mb4_spanish2_ci"),
    (239, "utf8mb4", "utf8mb4_roman_ci"),
    (240, "utf8mb4", "utf8mb4_persian_ci"),
    (241, "utf8mb4", "utf8mb4_esperanto_ci"),
    (242, "utf8mb4", "utf8mb4_hungarian_ci"),
    (243, "utf8mb4", "utf8mb4_sinhala_ci"),
    (244, "utf8mb4", "utf8mb4_german2_ci"),
    (245, "utf8mb4", "utf8mb4_croatian_ci"),
    (246, "utf8mb4", "utf8mb4_unicode_520_ci"),
    (247, "utf8mb4", "utf8mb4_vietnamese_ci"),
    (248, "gb18030", "gb18030_chinese_ci"),
    (249, "gb18030", "gb18030_bin"),
    (250, "gb18030", "gb18030_unicode_520_ci"),
    (255, "utf8mb4", "utf8mb4_0900_ai_ci"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_knows_the_usual_ids() {
        assert!(COLLATIONS.is_sorted_by_key(|(id, _, _)| *id));
        assert_eq!(names(45, Flavor::MariaDb), Some(("utf8mb4", "utf8mb4_general_ci")));
        assert_eq!(names(255, Flavor::MySql), Some(("utf8mb4", "utf8mb4_0900_ai_ci")));
        assert_eq!(names(255, Flavor::MariaDb), None);
        assert_eq!(names(35, Flavor::MySql), None);
    }
}
