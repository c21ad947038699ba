//! The types that CAST, JSON_VALUE and JSON_TABLE name.

use super::{Kind, Parser, Rule};

const TYPES: [&str; 52] = [
    "BIGINT",
    "BINARY",
    "BIT",
    "BLOB",
    "BOOL",
    "BOOLEAN",
    "CHAR",
    "CHARACTER",
    "DATE",
    "DATETIME",
    "DEC",
    "DECIMAL",
    "DOUBLE",
    "ENUM",
    "FIXED",
    "FLOAT",
    "GEOMETRY",
    "GEOMETRYCOLLECTION",
    "INET4",
    "INET6",
    "INT",
    "INTEGER",
    "JSON",
    "LINESTRING",
    "LONGBLOB",
    "LONGTEXT",
    "MEDIUMBLOB",
    "MEDIUMINT",
    "MEDIUMTEXT",
    "MULTILINESTRING",
    "MULTIPOINT",
    "MULTIPOLYGON",
    "NCHAR",
    "NUMBER",
    "NUMERIC",
    "NVARCHAR",
    "POINT",
    "POLYGON",
    "REAL",
    "SIGNED",
    "SMALLINT",
    "TEXT",
    "TIME",
    "TIMESTAMP",
    "TINYBLOB",
    "TINYINT",
    "TINYTEXT",
    "UNSIGNED",
    "UUID",
    "VARBINARY",
    "VARCHAR",
    "YEAR",
];

impl Parser<'_, '_> {
    /// Derives a data type: `CHAR (10) CHARACTER SET utf8mb4 COLLATE …`, `UNSIGNED INTEGER`, `DECIMAL (10, 2)`.
    pub(super) fn data_type(&mut self) -> Rule {
        if !self.eat_any(&TYPES) {
            return self.unknown();
        }
        self.eat_any(&["PRECISION", "VARYING", "INTEGER", "INT"]);
        if self.kind(0) == Some(Kind::Open) {
            self.enclosed(|this| if this.eat(Kind::String) { Ok(()) } else { this.count() })?;
        }
        loop {
            let names_charset = self.eat_words(&["CHARACTER", "SET"])
                || self.eat_words(&["CHAR", "SET"])
                || self.eat_any(&["CHARSET", "COLLATE"]);
            if names_charset {
                self.charset_name()?;
            } else if !self.eat_any(&["ASCII", "UNICODE", "BYTE", "BINARY", "UNSIGNED", "SIGNED", "ZEROFILL"])
            {
                return Ok(());
            }
        }
    }
}
