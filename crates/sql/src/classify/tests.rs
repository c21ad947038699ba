use super::*;
use crate::Options;
use Effects as E;
use StatementKind as K;
use Why as R;

mod diagnostics;
mod explained;
mod kinds;
mod listed;
mod own;

/// A catalogue: r… only read, h… are harmless, o… are others; nothing else exists.
pub(super) struct Catalogue;

fn by_letter(name: &[u8]) -> RoutineFacts {
    match name.first().copied() {
        Some(b'r') => RoutineFacts::ReadsOnly,
        Some(b'h') => RoutineFacts::Harmless,
        Some(b'o') => RoutineFacts::Other,
        _ => RoutineFacts::Unknown,
    }
}

impl Routines for Catalogue {
    fn function(&self, _: Option<&[u8]>, name: &[u8]) -> RoutineFacts {
        match name.split_at_checked(2) {
            Some((_, b"")) => by_letter(name),
            _ => RoutineFacts::Unknown,
        }
    }

    fn procedure(&self, _: Option<&[u8]>, name: &[u8]) -> RoutineFacts {
        by_letter(name)
    }

    fn relation(&self, _: Option<&[u8]>, _: &[u8]) -> crate::RelationFacts {
        crate::RelationFacts::Unknown
    }

    fn version(&self) -> u64 {
        1
    }

    fn is_complete(&self) -> bool {
        true
    }
}

pub(super) fn class(sql: &str) -> StatementClass {
    let class = classify(sql.as_bytes(), Options::default(), &());
    let mut cache = ClassCache::new();
    for _ in 0..2 {
        assert_eq!(cache.classify(sql.as_bytes(), Options::default(), &()), class, "cached: {sql}");
    }
    // `read_only::is_understood` has a test of its own.
    StatementClass { effects: class.effects - E::UNDERSTOOD, ..class }
}

#[track_caller]
pub(super) fn all(kind: K, reason: R, effects: E, statements: &[&str]) {
    for sql in statements {
        let mut class = class(sql);
        // `statement::reads_no_table` and the functions of `tables` have tests of their own.
        class.effects.remove(E::READS_NO_TABLE | E::OPENS_NO_TABLE | E::KEEPS_DIAGNOSTICS | E::EXPLAINED);
        class.effects.remove(E::KEEPS_FOUND_ROWS | E::FOUND_ROWS_ARE_SENT);
        assert_eq!(class, StatementClass { kind, reason, effects }, "{sql}");
    }
}

#[track_caller]
pub(super) fn reads(statements: &[&str]) {
    all(K::Read, R::PlainRead, E::REPEATABLE, statements);
}
