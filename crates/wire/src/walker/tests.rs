//! Each answer is written once as a list of logical packets, encoded for the server's leg,
//! walked in any cuts, and compared with the same list encoded for the client's leg.

use super::*;
use crate::{Capabilities, Command, MAX_PAYLOAD, Writer, frame};
use proptest::prelude::*;

/// A packet of an answer, before it is encoded for a leg.
#[derive(Clone)]
enum P {
    /// The same on both legs.
    Raw(Vec<u8>),
    /// The EOF packet behind metadata; not sent with DEPRECATE_EOF.
    MetaEof,
    /// The end of rows.
    End(u16),
    /// An OK packet with session state or none.
    Ok(u16, &'static [u8]),
    Err,
}

const STATE: &[u8] = b"\x00\x0d\x08sql_mode\x03abc";
const SHOWN: &[u8] = b"\x01\x05\x04test";
const AUTO: u16 = 2;
const MORE: u16 = 8;
const CURSOR: u16 = 0x40;

fn encode(answer: &[P], caps: Capabilities, filtered: bool) -> Vec<u8> {
    let dep = caps.contains(Capabilities::DEPRECATE_EOF);
    let track = caps.contains(Capabilities::SESSION_TRACK);
    let (mut out, mut seq) = (Vec::new(), 1u8);
    for (at, p) in answer.iter().enumerate() {
        let mut payload = Vec::new();
        match p {
            P::Raw(bytes) => payload.extend_from_slice(bytes),
            P::MetaEof if dep => continue,
            P::MetaEof => {
                EofPacket { warnings: 0, status: behind_columns(&answer[at..]) }.encode(&mut payload)
            }
            P::End(status) if dep => {
                let status = StatusFlags::from_bits_retain(*status);
                OkPacket { status, warnings: 1, ..OkPacket::default() }.encode(&mut payload, 0xfe, track);
            }
            P::End(status) => {
                EofPacket { warnings: 1, status: StatusFlags::from_bits_retain(*status) }
                    .encode(&mut payload);
            }
            P::Ok(status, state) => {
                let state = if filtered && *state == STATE { &[] } else { *state };
                let ok = OkPacket {
                    affected_rows: 3,
                    last_insert_id: 999,
                    status: StatusFlags::from_bits_retain(*status),
                    warnings: 0,
                    info: b"Records: 3",
                    state,
                    zeros: 0,
                };
                ok.encode(&mut payload, 0, track);
            }
            P::Err => {
                ErrPacket { code: 1146, sqlstate: *b"42S02", message: b"no such table" }.encode(&mut payload);
            }
        }
        let mut rest = payload.as_slice();
        loop {
            let (head, tail) = rest.split_at(rest.len().min(MAX_PAYLOAD));
            out.extend_from_slice(&PacketHeader { len: head.len(), seq }.to_bytes());
            out.extend_from_slice(head);
            seq = seq.wrapping_add(1);
            rest = tail;
            if head.len() < MAX_PAYLOAD {
                break;
            }
        }
    }
    out
}

/// The flags behind the columns: those of the end of the rows, unless the rows break off.
fn behind_columns(answer: &[P]) -> StatusFlags {
    let end = answer.iter().skip(1).find(|p| !matches!(p, P::Raw(_)));
    let status = match end {
        Some(P::End(status)) => StatusFlags::from_bits_retain(*status),
        _ => StatusFlags::AUTOCOMMIT,
    };
    status - StatusFlags::LAST_ROW_SENT
}

fn raw(bytes: &[u8]) -> P {
    P::Raw(bytes.to_vec())
}

fn result_set(rows: &[&[u8]], end: u16) -> Vec<P> {
    let mut p = vec![raw(&[2]), raw(b"\x03defcol1"), raw(b"\x03defcol2"), P::MetaEof];
    p.extend(rows.iter().map(|row| raw(row)));
    p.push(P::End(end));
    p
}

fn prepare(params: u16, columns: u16) -> Vec<P> {
    let mut head = vec![0, 1, 0, 0, 0];
    head.extend_from_slice(&columns.to_le_bytes());
    head.extend_from_slice(&params.to_le_bytes());
    head.extend_from_slice(&[0, 0, 0]);
    let mut p = vec![P::Raw(head)];
    for n in [params, columns] {
        p.extend((0..n).map(|_| raw(b"\x03defx")));
        if n > 0 {
            p.push(P::MetaEof);
        }
    }
    p
}

/// Feeds `server` cut into stretches of the given sizes, and returns what the client gets.
fn walk(server: &[u8], shape: ResponseShape, legs: Legs, cuts: &[usize]) -> (Vec<u8>, Walked, usize) {
    let mut walker = ResponseWalker::new(shape, legs, 1, StatusFlags::AUTOCOMMIT);
    let (mut out, mut edits, mut have, mut sent) = (Vec::new(), Edits::default(), Vec::new(), 0);
    let mut cuts = cuts.iter().copied().cycle();
    loop {
        let more = cuts.next().unwrap_or(1).clamp(1, server.len() - sent + 1).min(server.len() - sent);
        have.extend_from_slice(&server[sent..sent + more]);
        sent += more;
        edits.clear();
        let (used, state) = walker.feed(&mut have, &mut edits, &mut ()).expect("a well-formed answer");
        edits.apply(&have, |b| out.extend_from_slice(b));
        have.drain(..used);
        if state == Walked::Done || state == Walked::LocalInfile {
            return (out, state, server.len() - sent + have.len());
        }
        assert!(sent < server.len(), "the walker wants more than there is: {state:?}");
    }
}

fn leg_product() -> Vec<(Capabilities, Capabilities)> {
    let d = Capabilities::DEPRECATE_EOF;
    let t = Capabilities::SESSION_TRACK;
    let all = [Capabilities::empty(), d, t, d | t];
    all.iter().flat_map(|&s| all.iter().map(move |&c| (s, c))).collect()
}

/// Every combination of legs, whole and byte by byte.
fn check(answer: &[P], shape: ResponseShape) {
    for (server, client) in leg_product() {
        let from = encode(answer, server, false);
        // Without SESSION_TRACK on the server's leg there are no state changes to forward.
        let track = Capabilities::SESSION_TRACK;
        let told: Vec<P> = answer
            .iter()
            .map(|p| match p {
                P::Ok(status, _) if !server.contains(track) => P::Ok(*status, b""),
                other => other.clone(),
            })
            .collect();
        let to = encode(&told, client, true);
        for cuts in [&[usize::MAX][..], &[1], &[3, 1, 7]] {
            if from.len() > 100_000 && cuts[0] < 1000 {
                continue;
            }
            let (got, _, left) = walk(&from, shape, Legs::new(server, client), cuts);
            assert_eq!(left, 0);
            assert!(got == to, "{server:?} -> {client:?}, cuts {cuts:?}");
        }
    }
}

#[test]
fn ok_and_err() {
    for shape in [ResponseShape::Ok, ResponseShape::Results] {
        check(&[P::Ok(AUTO, b"")], shape);
        check(&[P::Ok(AUTO, STATE)], shape);
        check(&[P::Ok(AUTO, SHOWN)], shape);
        check(&[P::Err], shape);
    }
    check(&[P::End(AUTO)], ResponseShape::Ok);
}

#[test]
fn result_sets() {
    check(&result_set(&[], AUTO), ResponseShape::Results);
    check(&result_set(&[b"\x01a\x01b", b"\xfb\x01c"], AUTO), ResponseShape::Results);
    check(&result_set(&[b"\x00\x00row"], AUTO), ResponseShape::Results);
}

#[test]
fn a_result_that_breaks_off() {
    let mut p = result_set(&[b"\x01a\x01b"], AUTO);
    *p.last_mut().unwrap() = P::Err;
    check(&p, ResponseShape::Results);
    let mut p = result_set(&[], AUTO);
    *p.last_mut().unwrap() = P::Err;
    check(&p, ResponseShape::Results);
}

#[test]
fn several_results() {
    let mut p = result_set(&[b"\x01a\x01b"], AUTO | MORE);
    p.push(P::Ok(AUTO | MORE, STATE));
    p.extend(result_set(&[], AUTO | MORE));
    p.push(P::Ok(AUTO, b""));
    check(&p, ResponseShape::Results);
    *p.last_mut().unwrap() = P::Err;
    check(&p, ResponseShape::Results);
}

#[test]
fn a_cursor_ends_after_the_columns() {
    let p = [raw(&[1]), raw(b"\x03defx"), P::End(AUTO | CURSOR)];
    check(&p, ResponseShape::Cursor);
    check(&[P::Ok(AUTO, b"")], ResponseShape::Cursor);
    // The statement failed before its cursor was open: no EOF packet stands behind the columns.
    check(&[raw(&[1]), raw(b"\x03defx"), P::Err], ResponseShape::Cursor);
    check(&result_set(&[b"\x00\x00r"], AUTO), ResponseShape::Cursor);
    check(&[raw(b"\x00\x00r"), P::End(AUTO | 0x80)], ResponseShape::Rows);
    check(&[P::End(AUTO | 0x80)], ResponseShape::Rows);
}

/// A compound statement or a procedure has a cursor open: all its results have SERVER_STATUS_CURSOR_EXISTS.
#[test]
fn a_cursor_of_the_server_ends_nothing() {
    for shape in [ResponseShape::Results, ResponseShape::Cursor] {
        let mut p = result_set(&[], AUTO | MORE | CURSOR);
        p.extend(result_set(&[b"\x01a\x01b"], AUTO | MORE | CURSOR));
        // MySQL sets the flag in the last packet, too.
        p.push(P::Ok(AUTO | CURSOR, b""));
        check(&p, shape);
        // The EOF packet behind the columns has the flag, too, and rows follow it.
        let empty = Capabilities::empty();
        let bytes = encode(&p, empty, false);
        for cuts in [usize::MAX, 1, 3] {
            let (got, _, left) = walk(&bytes, shape, Legs::new(empty, empty), &[cuts]);
            assert!(got == bytes && left == 0);
            let dep = Capabilities::DEPRECATE_EOF;
            let (got, _, left) = walk(&bytes, shape, Legs::new(empty, dep), &[cuts]);
            // The bytes can differ: an EOF packet lacks fields that an OK packet has.
            assert!(left == 0 && got.len() == encode(&p, dep, false).len());
        }
    }
}

/// SERVER_STATUS_CURSOR_EXISTS in an answer to a command that did not ask for a cursor.
#[test]
fn only_who_asks_for_a_cursor_gets_one() {
    check(&result_set(&[], AUTO | CURSOR), ResponseShape::Results);
    check(&result_set(&[b"\x01a\x01b"], AUTO | CURSOR), ResponseShape::Results);
}

#[test]
fn prepared_statements() {
    for (params, columns) in [(0, 0), (1, 0), (0, 2), (3, 2)] {
        check(&prepare(params, columns), ResponseShape::Prepare);
    }
    check(&[P::Err], ResponseShape::Prepare);
}

#[test]
fn definitions_in_wide_character_sets_are_definitions() {
    for name in [&b"\x06\0d\0e\0f"[..], b"\x06d\0e\0f\0", b"\x0c\0\0\0d\0\0\0e\0\0\0f"] {
        let column = [name, b"\0\0\0\x02\0a"].concat();
        check(&[raw(&[1]), raw(&column), P::MetaEof, raw(b"\x011"), P::End(AUTO)], ResponseShape::Results);
    }
}

#[test]
fn field_list_statistics_and_nothing() {
    check(&[raw(b"\x03defa"), raw(b"\x03defb"), P::End(AUTO)], ResponseShape::Fields);
    check(&[P::Err], ResponseShape::Fields);
    check(&[raw(b"Uptime: 12")], ResponseShape::Text);
    check(&[raw(b"")], ResponseShape::Text);
    let (out, state, _) =
        walk(b"", ResponseShape::None, Legs::new(Capabilities::empty(), Capabilities::empty()), &[]);
    assert_eq!((out.len(), state), (0, Walked::Done));
}

#[test]
fn rows_that_look_like_something_else() {
    // Text rows whose first value is empty, or NULL, or has a length prefix of 0xfe.
    let mut fe_row = vec![0xfe];
    fe_row.extend_from_slice(&(MAX_PAYLOAD as u64 + 5).to_le_bytes());
    fe_row.resize(MAX_PAYLOAD + 14, 0xfe);
    let mut exact = vec![b'x'; MAX_PAYLOAD];
    exact[0] = 0xfd;
    check(&result_set(&[b"\x00\x00", b"\xfb\xfb", &fe_row, b"\x01a\x01b"], AUTO), ResponseShape::Results);
    // 16 MiB - 1 exactly: an empty packet follows. Then a continuation that begins like an ERR packet.
    let mut err_like = vec![0xfd; MAX_PAYLOAD];
    err_like.extend_from_slice(b"\xff\x00\x00");
    let mut eof_like = vec![0xfd; MAX_PAYLOAD];
    eof_like.extend_from_slice(b"\xfe\x00\x00\x02\x00");
    check(&result_set(&[&exact, &err_like, &eof_like], AUTO), ResponseShape::Results);
}

#[test]
fn sequence_ids_wrap() {
    let rows: Vec<&[u8]> = std::iter::repeat_n(&b"\x01a\x01b"[..], 700).collect();
    check(&result_set(&rows, AUTO), ResponseShape::Results);
}

#[test]
fn a_local_file_turns_the_direction_round() {
    let legs = Legs::new(Capabilities::DEPRECATE_EOF, Capabilities::empty());
    let mut server = Vec::new();
    frame(&mut server, 1, b"\xfb/tmp/x");
    let mut walker = ResponseWalker::new(ResponseShape::Results, legs, 1, StatusFlags::empty());
    let mut edits = Edits::default();
    walker.allows_local_files(vec![b"/tmp/y".to_vec(), b"/tmp/x".to_vec()]);
    let len = server.len();
    assert_eq!(walker.feed(&mut server.clone(), &mut edits, &mut ()), Ok((len, Walked::LocalInfile)));
    assert_eq!(edits.single(), Some((0, len)));
    edits.clear();
    let mut walker = ResponseWalker::new(ResponseShape::Results, legs, 1, StatusFlags::empty());
    walker.allows_local_files(vec![b"x".to_vec()]);
    let mut request = b"\x02\0\0\x01\xfbx".to_vec();
    assert_eq!(walker.feed(&mut request, &mut edits, &mut ()), Ok((6, Walked::LocalInfile)));
    walker.resume(4);
    let mut ok = b"\x07\0\0\x04\0\x03\0\x02\0\0\0".to_vec();
    assert_eq!(walker.feed(&mut ok, &mut edits, &mut ()), Ok((11, Walked::Done)));
}

#[test]
fn a_server_gets_no_file_that_the_statement_does_not_name() {
    let legs = Legs::new(Capabilities::DEPRECATE_EOF, Capabilities::empty());
    for (allowed, asked, same) in [
        ("", &b"/etc/passwd"[..], false),
        ("", b"", false),
        ("/tmp/x", b"/etc/passwd", false),
        ("/tmp/x", b"/tmp/x2", false),
        ("/tmp/x", b"/tmp/x\xc3\xa4", false),
        ("/tmp/x", b"/tmp/x", true),
        ("a b", b"b", true),
        // The name in latin1, as `character_set_filesystem` can change it.
        ("/tmp/\u{e4}", b"/tmp/\xe4", true),
        ("/tmp/\u{e4}", b"/etc/\xe4", false),
    ] {
        let mut walker = ResponseWalker::new(ResponseShape::Results, legs, 1, StatusFlags::empty());
        walker.allows_local_files(allowed.split_whitespace().map(|name| name.as_bytes().to_vec()).collect());
        let mut server = Vec::new();
        frame(&mut server, 1, &[b"\xfb", asked].concat());
        let mut edits = Edits::default();
        let walked = walker.feed(&mut server, &mut edits, &mut ());
        match same {
            true => assert_eq!(walked, Ok((server.len(), Walked::LocalInfile))),
            false => {
                assert_eq!(walked, Err(ProtocolError::LocalFile), "{}", asked.escape_ascii());
                assert!(edits.is_empty(), "the client hears nothing of it");
            }
        }
    }
}

#[test]
fn what_breaks_the_protocol() {
    let legs = Legs::new(Capabilities::DEPRECATE_EOF, Capabilities::DEPRECATE_EOF);
    let try_it = |bytes: &[u8], shape| {
        let mut walker = ResponseWalker::new(shape, legs, 1, StatusFlags::empty());
        walker.feed(&mut bytes.to_vec(), &mut Edits::default(), &mut ())
    };
    assert_eq!(
        try_it(b"\x01\0\0\x05\x01", ResponseShape::Results),
        Err(ProtocolError::Sequence { expected: 1, got: 5 })
    );
    assert!(try_it(b"\0\0\0\x01", ResponseShape::Results).is_err());
    assert!(try_it(b"\x01\0\0\x01\xfe", ResponseShape::Results).is_err());
    assert!(try_it(b"\x01\0\0\x01\x05", ResponseShape::Prepare).is_err());
    assert!(try_it(b"\x03\0\0\x01\x00\x00\x00", ResponseShape::Ok).is_err());
    assert!(matches!(
        try_it(b"\xfe\xff\xff\x01\x00", ResponseShape::Ok),
        Err(ProtocolError::TooLarge { .. })
    ));
}

/// A packet that a client takes for the end of the answer, where something else must be: the client would take the rest
/// for the answer to its next command, which another server may answer.
#[test]
fn nothing_that_ends_an_answer_early_is_forwarded() {
    let d = Capabilities::DEPRECATE_EOF;
    let lies: [&[u8]; 8] = [
        b"\xff\x10\x04#HY000no",
        b"\xfe\0\0\x02\0",
        b"\xfe\0\0\x02\0\0\0",
        b"\0\0\0\x02\0\0\0",
        b"\xfb",
        b"\x03de",
        b"",
        b"\x03dex\0",
    ];
    let results = result_set(&[b"\x01a\x01b"], AUTO);
    let prepared = prepare(2, 2);
    let fields = [raw(b"\x03defa"), raw(b"\x03defb"), P::End(AUTO)];
    let places = [
        (results.as_slice(), ResponseShape::Results, [1, 2].as_slice()),
        (&results, ResponseShape::Cursor, &[1, 2]),
        (&prepared, ResponseShape::Prepare, &[1, 2, 4, 5]),
        (&fields, ResponseShape::Fields, &[1]),
    ];
    for (server, client) in
        [d, Capabilities::empty()].into_iter().flat_map(|s| [(s, d), (s, Capabilities::empty())])
    {
        for (answer, shape, at) in places {
            for (lie, at) in lies.iter().flat_map(|lie| at.iter().map(move |at| (lie, *at))) {
                let ends = shape == ResponseShape::Fields && matches!(lie.first(), Some(0xff | 0xfe));
                if ends {
                    continue;
                }
                let mut answer = answer.to_vec();
                answer[at] = raw(lie);
                let mut bytes = encode(&answer, server, false);
                for cut in [bytes.len(), 1] {
                    let mut walker =
                        ResponseWalker::new(shape, Legs::new(server, client), 1, StatusFlags::AUTOCOMMIT);
                    let (mut from, mut result) = (0, Ok((0, Walked::Done)));
                    for to in (1..=bytes.len()).filter(|to| to % cut == 0) {
                        result = walker.feed(&mut bytes[from..to], &mut Edits::default(), &mut ());
                        match result {
                            Ok((used, Walked::More { .. })) => from += used,
                            _ => break,
                        }
                    }
                    assert!(result.is_err(), "{shape:?} {at} {} {result:?}", lie.escape_ascii());
                }
            }
        }
    }
}

#[test]
fn what_contradicts_the_state_of_an_answer() {
    let empty = Capabilities::empty();
    let track = Capabilities::SESSION_TRACK | Capabilities::DEPRECATE_EOF;
    let try_it = |server: Capabilities, shape, payloads: &[&[u8]]| {
        let mut bytes = Vec::new();
        for (seq, payload) in (1u8..).zip(payloads) {
            frame(&mut bytes, seq, payload);
        }
        let mut walker = ResponseWalker::new(shape, Legs::new(server, empty), 1, StatusFlags::empty());
        walker.feed(&mut bytes, &mut Edits::default(), &mut ())
    };
    let results = ResponseShape::Results;
    for (server, shape, payload) in [
        // A number of columns that clients read as an OK packet, or that no result has.
        (track, results, &b"\xfc\0\0"[..]),
        (track, results, b"\xfe\0\0\0\0\x01\0\0\0"),
        (track, results, b"\x01\x01"),
        // A progress report that nobody asked for, behind which clients go on reading; an error that is none.
        (track, results, b"\xff\xff\xff\x01\x01\x01\0\0\0\0"),
        (track, results, b"\xff\0\0#00000"),
        (track, results, b"\xff\x10\x04no"),
        // Fields behind the last one; a length beyond the packet; a state that is not announced.
        (track, results, b"\0\0\0\x02\0\0\0\0x"),
        (track, results, b"\0\0\0\x02\0\0\0\x05x"),
        (track, results, b"\0\0\0\x02\x40\0\0\0\xfe\xff\xff\xff\xff\xff\xff\xff\xff"),
        (track, results, b"\0\0\0\x02\0\0\0\0\x03\x02\x011"),
        // A second result where only one can be.
        (track, ResponseShape::Ok, b"\0\0\0\x0a\0\0\0"),
        (track, ResponseShape::Prepare, b"\0\0\0\x0a\0\0\0"),
        (track, ResponseShape::Text, b"\xff\0\0"),
        (track, ResponseShape::Rows, b""),
        (empty, ResponseShape::Rows, b"\xfe\0\0\x02\0\0\0"),
        // With CLIENT_DEPRECATE_EOF this is an OK packet to the client, and a row to the server.
        (empty, ResponseShape::Rows, b"\xfe\0\0\x02\0\0\0\0\0"),
    ] {
        let result = try_it(server, shape, &[payload]);
        assert!(result.is_err(), "{shape:?} {} {result:?}", payload.escape_ascii());
    }
}

/// The flags of such an OK packet tell a client how to escape its next text.
#[test]
fn the_observer_sees_an_ok_packet_in_place_of_a_prepared_statement() {
    struct Sees(Vec<StatusFlags>);
    impl Observer for Sees {
        fn ok(&mut self, ok: &OkPacket<'_>) -> Result<(), ProtocolError> {
            self.0.push(ok.status);
            Ok(())
        }
    }
    let legs = Legs::new(Capabilities::DEPRECATE_EOF, Capabilities::empty());
    let mut walker = ResponseWalker::new(ResponseShape::Prepare, legs, 1, StatusFlags::empty());
    let mut sees = Sees(Vec::new());
    let mut bytes = b"\x07\0\0\x01\0\0\0\x02\x02\0\0".to_vec();
    assert_eq!(walker.feed(&mut bytes, &mut Edits::default(), &mut sees), Ok((11, Walked::Done)));
    assert_eq!(sees.0, [StatusFlags::AUTOCOMMIT | StatusFlags::NO_BACKSLASH_ESCAPES]);
}

struct Refuse;
impl Observer for Refuse {
    fn err(&mut self, err: &ErrPacket<'_>, first: bool) -> OnErr {
        match (err.code, first) {
            (1146, true) => OnErr::Swallow,
            _ => OnErr::Replace(ErrPacket { code: 1290, sqlstate: *b"HY000", message: b"ro" }),
        }
    }
}

#[test]
fn the_observer_decides_on_errors() {
    let legs = Legs::new(Capabilities::DEPRECATE_EOF, Capabilities::empty());
    let mut bytes = encode(&[P::Err], Capabilities::DEPRECATE_EOF, false);
    let mut edits = Edits::default();
    let mut walker = ResponseWalker::new(ResponseShape::Ok, legs, 1, StatusFlags::empty());
    let all = bytes.len();
    assert_eq!(walker.feed(&mut bytes, &mut edits, &mut Refuse), Ok((all, Walked::Done)));
    assert!(edits.is_empty());
    let mut p = result_set(&[b"\x01a\x01b"], AUTO);
    *p.last_mut().unwrap() = P::Err;
    let mut bytes = encode(&p, Capabilities::DEPRECATE_EOF, false);
    let mut walker = ResponseWalker::new(ResponseShape::Results, legs, 1, StatusFlags::empty());
    walker.feed(&mut bytes, &mut edits, &mut Refuse).unwrap();
    let mut out = Vec::new();
    edits.apply(&bytes, |b| out.extend_from_slice(b));
    assert!(out.ends_with(b"\x0b\0\0\x06\xff\x0a\x05#HY000ro"), "{out:?}");
    assert_eq!(Command::from(0x03).response(), ResponseShape::Results);
}

proptest! {
    #[test]
    fn any_cuts_give_the_same_bytes(
        cuts in prop::collection::vec(1usize..40, 1..20),
        rows in prop::collection::vec(prop::collection::vec(0u8..0xfb, 0..60), 0..20),
        legs in 0usize..16,
        results in 1usize..4,
    ) {
        let mut p = Vec::new();
        for i in 0..results {
            let rows: Vec<Vec<u8>> = rows.iter().map(|r| { let mut v = Vec::new(); v.put_lenenc_bytes(r); v }).collect();
            let rows: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
            p.extend(result_set(&rows, if i + 1 < results { AUTO | MORE } else { AUTO }));
        }
        let (server, client) = leg_product()[legs];
        let bytes = encode(&p, server, false);
        let whole = walk(&bytes, ResponseShape::Results, Legs::new(server, client), &[usize::MAX]);
        let cut = walk(&bytes, ResponseShape::Results, Legs::new(server, client), &cuts);
        prop_assert_eq!(&whole, &cut);
        prop_assert_eq!(whole.0, encode(&p, client, false));
    }
}

#[test]
fn metadata_has_changed_where_the_client_knows_another_number_of_columns() {
    const CHANGED: u16 = 0x400;
    let server = Capabilities::DEPRECATE_EOF;
    let long = [b'x'; 20_000];
    let kinds = [Capabilities::empty(), server]
        .into_iter()
        .flat_map(|client| [(client, 0, 2), (client, 0, 3), (client, CHANGED, 2), (client, CHANGED, 3)]);
    for (client, says, expected) in kinds {
        for rows in [&[&b"row"[..]][..], &[&long, &long]] {
            let legs = Legs::new(server, client);
            let mut walker =
                ResponseWalker::new(ResponseShape::Results, legs, 1, StatusFlags::from_bits_retain(AUTO));
            walker.expects_columns(expected);
            let mut input = encode(&result_set(rows, AUTO | says), server, false);
            let (mut edits, mut out) = (Edits::default(), Vec::new());
            let (used, walked) = walker.feed(&mut input, &mut edits, &mut ()).unwrap();
            assert_eq!((used, walked), (input.len(), Walked::Done));
            edits.apply(&input, |bytes| out.extend_from_slice(bytes));
            let changed = if expected == 2 { 0 } else { CHANGED };
            assert!(out == encode(&result_set(rows, AUTO | changed), client, false), "{says} {expected}");
            assert_eq!(walker.other_columns(), (expected == 3).then_some(2));
        }
    }
}
