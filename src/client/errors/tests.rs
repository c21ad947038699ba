//! The table in docs/errors-and-limits.md has every error that the proxy itself sends, and no other error.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::client::refusals::{DEMOTED, MAY_BE_COMMITTED, READ_ONLY_SERVER, ended, read_only_transaction};
use crate::sql::read_only::Reason;
use crate::telemetry::Cell;

/// The kinds of failure, with capitals in place of what a real one names.
fn failures() -> Vec<Failure> {
    use Failure::*;
    let user = || "USER".to_owned();
    let (host, waited) = (|| Box::<str>::from("HOST"), Duration::from_secs(10));
    let words = || ServerError { code: 1193, sqlstate: *b"HY000", message: b"WORDS".to_vec() };
    let mut all = vec![
        AccessDenied { user: user(), host: "10.0.0.7".into(), password: true },
        NoPassword("USER".into(), "NAME".into()),
        OldClient,
        AccountRemoved("USER".into()),
        InsecureTransport,
    ];
    all.extend([PasswordChanged, Handshake("REASON".into()), TooManyConnections, TooManyOfAddress(host())]);
    all.extend([TooManyOfUser(user()), Blocked(host(), 10), NoMemoryForClients, OutOfMemory]);
    all.extend([TooManyStatements(16_382), ReadTimeout, OutOfOrder, UnknownCommand, Malformed("REASON")]);
    all.extend([TooLongToCheck(16_777_215), ReadOnlyPort(Reason::Writes.into()), ReadOnlyMaintenance]);
    all.extend([NoPrimary(waited, "SERVERS".into()), Cordoned, NoReplica, AllBehind(waited), Forgotten]);
    all.extend(
        [Limit::Server, Limit::User, Limit::Account, Limit::Full, Limit::Opening]
            .map(|limit| Queue(waited, limit)),
    );
    all.extend([
        StateRefused(words()),
        NoStatement(7, "COMMAND"),
        NoTypes,
        NoCursor(7, false),
        NoThread(7),
        Server(words()),
    ]);
    all.extend([TooLongToPrepare(16_777_215), UnknownLevel((*b"WORD").into()), Unreachable("REASON".into())]);
    let misuses = [Misuse::Prepared, Misuse::SetGlobal, Misuse::ReadGlobal, Misuse::NotAlone];
    all.extend(misuses.map(OwnVariable));
    all.extend([RolledBack, OutcomeUnknown, LostTwice, AnswerCut, StateLost("STATE"), Interrupted]);
    all.extend([ShuttingDown, KeysWorn, BadServer("REASON".into()), NotPassed("REASON".into())]);
    all
}

/// The first three columns of the table's rows.
fn wanted() -> BTreeSet<String> {
    let unknown = Cell::default();
    let packets = [
        DEMOTED,
        MAY_BE_COMMITTED,
        READ_ONLY_SERVER,
        read_only_transaction(false),
        ended(true, &unknown),
        ended(false, &unknown),
    ];
    let row = |code: u16, sqlstate: &[u8], text: &str| {
        format!("| {code} | {} | `{text}` |", String::from_utf8_lossy(sqlstate))
    };
    let of_packet = |err: &ErrPacket<'_>| row(err.code, &err.sqlstate, &String::from_utf8_lossy(err.message));
    let own = failures().into_iter().filter(|failure| !matches!(failure, Failure::Server(_)));
    let own = own.map(|failure| {
        let (code, sqlstate, text) = failure.parts();
        row(code, &sqlstate, &text)
    });
    own.chain(packets.iter().map(of_packet)).collect()
}

#[test]
fn every_kind_of_failure_is_among_them() {
    let source = include_str!("../errors.rs").split_once("pub enum Failure {").unwrap().1;
    let variants = source.split_once("\n}").unwrap().0.lines().filter_map(|line| line.strip_prefix("    "));
    let word = |text: &str| text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned();
    let variants = variants.filter(|line| line.starts_with(char::is_uppercase)).map(word);
    let tried = failures().iter().map(|failure| word(&format!("{failure:?}"))).collect::<BTreeSet<_>>();
    assert_eq!(variants.collect::<BTreeSet<_>>(), tried);
}

#[test]
fn the_page_has_every_error() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors-and-limits.md");
    let page = std::fs::read_to_string(path).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| 1") || line.starts_with("| 3"));
    let rows = rows.map(|line| line.split_inclusive(" |").take(3).collect::<String>());
    let (rows, wanted) = (rows.collect::<BTreeSet<_>>(), wanted());
    let missing: Vec<_> = wanted.difference(&rows).map(String::as_str).collect();
    let stale: Vec<_> = rows.difference(&wanted).map(String::as_str).collect();
    let (missing, stale) = (missing.join("\n"), stale.join("\n"));
    assert!(rows == wanted, "docs/errors-and-limits.md lacks\n{missing}\nand should not have\n{stale}");
}
