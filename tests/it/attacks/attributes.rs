//! Packets that the proxy and the server could read differently: query attributes in front of a text, and the parameters
//! of prepared statements. The server's own reading of each packet is the measure.

use crate::dialogue::raw::{Raw, error_code, response};
use crate::support::{Cluster, Proxy, connect, proxy_config};
use pointsman::wire::query_text;
use std::collections::HashMap;
use std::io;
use std::time::Duration;

/// CLIENT_QUERY_ATTRIBUTES, in the last byte of the capability flags.
const QUERY_ATTRIBUTES: u8 = 0x08;

const COM_QUERY: u8 = 0x03;
const COM_STMT_PREPARE: u8 = 0x16;
const COM_STMT_EXECUTE: u8 = 0x17;

/// ER_MALFORMED_PACKET
const MALFORMED: u16 = 1835;

/// Logged in with query attributes.
async fn with_attributes(port: u16, user: &str) -> Raw {
    let mut raw = Raw::connect(port).await.expect("connect");
    let greeted = raw.greeting().await.expect("a greeting");
    let mut login = response(user, user, &greeted);
    login[3] |= QUERY_ATTRIBUTES;
    raw.send(1, &login).await.expect("a login");
    loop {
        match raw.read().await.expect("the end of the login").1.as_slice() {
            [0, ..] => return raw,
            // caching_sha2_password's fast path.
            [1, 3] => {}
            other => panic!("login: {}", other.escape_ascii()),
        }
    }
}

/// The rows of a text result, each as its length-encoded values; an ERR packet is the error.
async fn rows(client: &mut Raw, command: u8, arguments: &[u8]) -> io::Result<Result<Vec<Vec<u8>>, Vec<u8>>> {
    let mut packet = client.command(command, arguments).await?;
    if packet[0] == 0xff {
        return Ok(Err(packet));
    }
    let mut rows = Vec::new();
    if packet[0] == 0 {
        return Ok(Ok(rows));
    }
    // The columns, an EOF packet, the rows, another.
    let mut ends = 0;
    while ends < 2 {
        packet = client.read().await?.1;
        match packet[0] {
            0xfe if packet.len() < 9 => ends += 1,
            0xff => return Ok(Err(packet)),
            _ if ends == 1 => rows.push(packet),
            _ => {}
        }
    }
    Ok(Ok(rows))
}

/// One attribute without a name in front of the text: its type, and what stands behind the types.
fn one(kind: u16, value: &[u8], text: &str) -> Vec<u8> {
    let [low, high] = kind.to_le_bytes();
    [&[1, 1, 0, 1, low, high, 0], value, text.as_bytes()].concat()
}

/// Payloads of COM_QUERY; each text ends with the payload's number.
fn payloads() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    let mut add = |make: &dyn Fn(&str) -> Vec<u8>| {
        let text = format!("ABCDEFGHIJKLMNOPQRSTUVWXYZ -- {}.", all.len());
        all.push(make(&text));
    };
    // Every type, with no other bit, with each of the other bits, and with several.
    let highs = (0..8).map(|bit| 1 << bit).chain([0, 0x41, 0x7f, 0x81, 0xc0, 0xff]);
    for high in highs {
        for low in 0..=0xff {
            let kind = u16::from_le_bytes([low, high]);
            add(&|text| one(kind, b"\x04", text));
            if high == 0 {
                add(&|text| [&[1, 1, 1, 1, low, 0, 0], text.as_bytes()].concat());
            }
        }
    }
    // Lengths of one value, at and beyond the border of a length-encoded integer's first byte.
    let lengths: [&[u8]; 14] = [
        b"\x00",
        b"\x0b",
        b"\xfa",
        b"\xfb",
        b"\xfb\x04\0\0\0\0\0\0\0",
        b"\xfc\x04\0",
        b"\xfc\x00\0",
        b"\xfc",
        b"\xfd\x04\0\0",
        b"\xfe\x04\0\0\0\0\0\0\0",
        b"\xfe\x04\0\0\0\x01\0\0\0",
        b"\xfe\x04\0\0\0",
        b"\xff\x04\0\0\0\0\0\0\0",
        b"\xff",
    ];
    let kinds = [0x00, 0x06, 0x07, 0x0a, 0x0b, 0x0c, 0x0d, 0x0f, 0xf2, 0xf5, 0xf6, 0xfc, 0xfd, 0xfe, 0x80fd];
    for length in lengths {
        for kind in kinds {
            add(&|text| one(kind, length, text));
            add(&|text| one(kind, &[length, &[b'x'; 250]].concat(), text));
        }
        // The same as the number of attributes, of sets of them, and as the length of a name.
        // Without an attribute all of it is text, and no readable one.
        if !matches!(length, b"\0" | b"\xfc\0\0") {
            add(&|text| [length, b"\x01\0\x01\xfd\0\0\x01x", text.as_bytes()].concat());
        }
        add(&|text| [b"\x01", length, b"\0\x01\xfd\0\0\x01x", text.as_bytes()].concat());
        add(&|text| [b"\0", length, text.as_bytes()].concat());
        add(&|text| [b"\x01\x01\0\x01\xfd\0", length, b"name\x01x", text.as_bytes()].concat());
    }
    for sets in 0..4 {
        add(&|text| [&[1, sets], &b"\0\x01\xfd\0\0\x01x"[..], text.as_bytes()].concat());
        add(&|text| [&[0, sets], text.as_bytes()].concat());
    }
    for flag in [0, 1, 2, 0x80, 0xff] {
        add(&|text| [&[1, 1, 0, flag], &b"\xfd\0\0\x01x"[..], text.as_bytes()].concat());
    }
    // Bits of the null bitmap that belong to no attribute, and two bytes of it.
    for nulls in 0..=0xff {
        add(&|text| [&[2, 1, nulls, 1], &b"\xfd\0\x01a\xfd\0\x01b\x01x\x02yz"[..], text.as_bytes()].concat());
        add(&|text| {
            let types = b"\xfd\0\0".repeat(9);
            [&[9, 1, nulls, nulls, 1], &types[..], &b"\x01x".repeat(9), text.as_bytes()].concat()
        });
    }
    for count in [65_535u32, 65_536, 70_000] {
        add(&|text| {
            let [a, b, c, _] = count.to_le_bytes();
            let nulls = vec![0xff; (count as usize).div_ceil(8)];
            let types = b"\xfd\0\0".repeat(count as usize);
            [&[0xfd, a, b, c, 1], &nulls[..], &[1], &types, text.as_bytes()].concat()
        });
    }
    all
}

/// The texts that the server has run on this connection lately, by the numbers at their ends.
async fn texts_run(client: &mut Raw) -> HashMap<usize, Vec<u8>> {
    let ask = b"\0\x01SELECT SQL_TEXT FROM performance_schema.events_statements_history \
        WHERE THREAD_ID = PS_CURRENT_THREAD_ID() AND SQL_TEXT LIKE '%.'";
    let rows = rows(client, COM_QUERY, ask).await.expect("an answer").expect("rows");
    let number = |text: &[u8]| {
        let text = String::from_utf8_lossy(text).into_owned();
        text.strip_suffix('.')?.rsplit_once(' ')?.1.parse().ok()
    };
    // One byte of length, or three.
    let texts = rows.into_iter().map(|row| row[if row[0] == 0xfc { 3 } else { 1 }..].to_vec());
    texts.filter_map(|text| Some((number(&text)?, text))).collect()
}

#[tokio::test]
async fn the_server_runs_the_text_that_the_proxy_reads() {
    let Some(cluster) = Cluster::mysql(0).await else { return };
    let port = cluster.primary().port();
    // Once with the password, so that the server knows the account's hash.
    connect(port, "super", "super", "test").await.expect("a login").disconnect().await.unwrap();
    let mut client = with_attributes(port, "super").await;
    let payloads = payloads();
    let (mut agreed, mut stricter) = (0, 0);
    // A server remembers the last ten statements of a connection.
    for (batch, part) in payloads.chunks(8).enumerate() {
        let mut codes = Vec::new();
        for payload in part {
            let answer = rows(&mut client, COM_QUERY, payload).await.expect("an answer");
            codes.push(answer.err().map_or(0, |packet| error_code(&packet)));
        }
        let run = texts_run(&mut client).await;
        for (i, (payload, code)) in part.iter().zip(codes).enumerate() {
            let number = batch * 8 + i;
            let shown = payload.get(..60).unwrap_or(payload).escape_ascii();
            match (query_text(payload, true), run.get(&number)) {
                (Ok(text), Some(run)) => {
                    assert_eq!(
                        text.escape_ascii().to_string(),
                        run.escape_ascii().to_string(),
                        "{number}: {shown}"
                    );
                    agreed += 1;
                }
                // The server ran nothing of it.
                (Ok(_), None) => assert_eq!(code, MALFORMED, "{number}: {shown}"),
                (Err(_), _) => stricter += usize::from(code != MALFORMED),
            }
        }
    }
    eprintln!("{} packets: {agreed} read alike, {stricter} refused by the proxy alone", payloads.len());
    assert!(agreed > 700 && stricter > 1000, "{agreed} {stricter}");
}

/// Packets whose text is a read for those who skip `skipped` bytes of the value, and a write for the server.
fn disguised_writes() -> Vec<Vec<u8>> {
    let write = "SET SESSION transaction_read_only=0; INSERT INTO test.t VALUES (5)";
    let behind = |skipped: &[u8]| {
        let read = [skipped, b"SELECT 1 -- "].concat();
        [&[u8::try_from(read.len()).expect("short")], &read[..], write.as_bytes()].concat()
    };
    let kinds =
        [(6, 0), (9, 3), (13, 1), (0x109, 3), (0x106, 0), (0x10d, 1), (0x4009, 3), (0x8009, 3), (0x101, 0)];
    let mut all: Vec<_> = kinds.into_iter().map(|(kind, n)| one(kind, &behind(&b"xxx"[..n]), "")).collect();
    // A temporal value with a long prefix: 0xfc is a length for those who read one byte.
    let filler = "x".repeat(0xfc - 2);
    for kind in [7, 10, 12] {
        all.push(one(kind, b"\xfc\0\0", &format!("/*{filler}*/SELECT 1 -- \n{write}")));
        all.push(one(kind, b"\xfc\x04\0abcd", &format!("{write} -- {filler}\nSELECT 1")));
    }
    all
}

#[tokio::test]
async fn no_attribute_hides_a_write_from_a_read_only_port() {
    let Some(cluster) = Cluster::mysql(0).await else { return };
    cluster.primary().sql("CREATE TABLE test.t (v INT)").await;
    let proxy = Proxy::start(&crate::dialogue::patient(&proxy_config(&cluster))).await;
    for payload in disguised_writes() {
        let mut client = with_attributes(proxy.ro, "super").await;
        let answer = rows(&mut client, COM_QUERY, &payload).await;
        let shown = payload.escape_ascii();
        assert!(!matches!(answer, Ok(Ok(_))), "the proxy let it pass: {shown}");
        let written = cluster.primary().value("SELECT COUNT(*) FROM test.t").await;
        assert_eq!(written, "0", "{shown}");
    }
    // What the attributes of real clients look like passes.
    let mut client = with_attributes(proxy.ro, "super").await;
    let payload = one(0xfd, b"\x05value", "SELECT COUNT(*) FROM test.t");
    let answer = rows(&mut client, COM_QUERY, &payload).await.expect("an answer").expect("rows");
    assert_eq!(answer, [b"\x010"]);
}

/// COM_STMT_PREPARE of a text with one parameter and one column; the statement's id.
async fn prepare(client: &mut Raw, text: &str) -> [u8; 4] {
    let ok = client.command(COM_STMT_PREPARE, text.as_bytes()).await.expect("an answer");
    assert_eq!(ok[0], 0, "{}", ok.escape_ascii());
    for _ in 0..4 {
        // A definition and an EOF packet, twice.
        client.read().await.expect("a definition");
    }
    ok[1..5].try_into().expect("an id")
}

/// COM_STMT_EXECUTE; `rest` begins with the null bitmap.
fn execute(id: [u8; 4], rest: &[u8]) -> Vec<u8> {
    [&id[..], &[0, 1, 0, 0, 0], rest].concat()
}

/// An execute that gives its parameter as a string, or as an integer, or as it was given before.
const AS_STRING: &[u8] = b"\0\x01\xfd\0\x04abcd";
const AS_INTEGER: &[u8] = b"\0\x01\x03\0\x07\0\0\0";
const AS_BEFORE: &[u8] = b"\0\0\x04efgh";
const EFGH: [&[u8]; 1] = [b"\0\0\x04efgh"];

/// Two clients in front of one server connection.
async fn sharing(cluster: &Cluster) -> (Proxy, Raw, Raw) {
    let config = crate::dialogue::patient(&proxy_config(cluster));
    let config = format!("workers = 1\n{config}\n[limits]\nmax_server_connections = 1\n");
    let proxy = Proxy::start(&config).await;
    let (first, second) = (Raw::app(proxy.rw).await, Raw::app(proxy.rw).await);
    (proxy, first, second)
}

/// The server keeps an earlier execute's types where it refuses the next one: whoever comes behind must not be taken to
/// have been given the types that were refused.
async fn a_refused_execute_leaves_no_types(cluster: Cluster) {
    let (_proxy, mut victim, mut hostile) = sharing(&cluster).await;
    let (mine, theirs) = (prepare(&mut victim, "SELECT ?").await, prepare(&mut hostile, "SELECT ?").await);
    rows(&mut victim, COM_STMT_EXECUTE, &execute(mine, AS_STRING)).await.unwrap().expect("a row");
    rows(&mut hostile, COM_STMT_EXECUTE, &execute(theirs, AS_INTEGER)).await.unwrap().expect("a row");
    // The types of the other client, and a value that ends too early.
    let refused = rows(&mut hostile, COM_STMT_EXECUTE, &execute(theirs, b"\0\x01\xfd\0")).await.unwrap();
    assert!(refused.is_err(), "{refused:?}");
    // The error can be asked for until the next statement that opens a table (on MySQL: the next one), and keeps the
    // connection as long.
    rows(&mut hostile, COM_QUERY, b"SELECT * FROM (SELECT 1) t").await.unwrap().expect("a row");
    let row = rows(&mut victim, COM_STMT_EXECUTE, &execute(mine, AS_BEFORE)).await.unwrap();
    assert_eq!(row.expect("a row"), EFGH);
}

#[tokio::test]
async fn a_refused_execute_leaves_no_types_on_mariadb() {
    a_refused_execute_leaves_no_types(Cluster::mariadb(0).await).await;
}

#[tokio::test]
async fn a_refused_execute_leaves_no_types_on_mysql() {
    if let Some(cluster) = Cluster::mysql(0).await {
        a_refused_execute_leaves_no_types(cluster).await;
    }
}

/// MySQL gives a parameter its type at the first execute, for good: a client with a string must not come behind another
/// one with a number.
#[tokio::test]
async fn parameters_have_the_types_of_the_client_that_sends_them() {
    let Some(cluster) = Cluster::mysql(0).await else { return };
    let (_proxy, mut one, mut other) = sharing(&cluster).await;
    let (mine, theirs) = (prepare(&mut one, "SELECT ?").await, prepare(&mut other, "SELECT ?").await);
    rows(&mut other, COM_STMT_EXECUTE, &execute(theirs, AS_INTEGER)).await.unwrap().expect("a row");
    for _ in 0..2 {
        let row = rows(&mut one, COM_STMT_EXECUTE, &execute(mine, AS_STRING)).await.unwrap();
        assert_eq!(row.expect("a row"), [b"\0\0\x04abcd"]);
        let row = rows(&mut other, COM_STMT_EXECUTE, &execute(theirs, AS_INTEGER)).await.unwrap();
        assert_eq!(row.expect("a row"), [b"\0\0\x07\0\0\0\0\0\0\0"]);
    }
}

/// The types of a long execute that comes in pieces are known before any of it goes to a server.
#[tokio::test]
async fn a_long_execute_in_pieces_leaves_no_unknown_types() {
    let cluster = Cluster::mariadb(0).await;
    let (_proxy, mut victim, mut hostile) = sharing(&cluster).await;
    let (mine, theirs) = (prepare(&mut victim, "SELECT ?").await, prepare(&mut hostile, "SELECT ?").await);
    rows(&mut victim, COM_STMT_EXECUTE, &execute(mine, AS_STRING)).await.unwrap().expect("a row");
    let long = [AS_INTEGER, &[b'x'; 200_000]].concat();
    let payload = [&[COM_STMT_EXECUTE][..], &execute(theirs, &long)].concat();
    let packet = crate::dialogue::raw::framed(0, &payload);
    for piece in [&packet[..12], &packet[12..16], &packet[16..]] {
        tokio::io::AsyncWriteExt::write_all(&mut hostile.stream, piece).await.unwrap();
        // Only the code before the fix depended on it.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(error_code(&hostile.read().await.expect("an answer").1), 0);
    while hostile.read().await.expect("the answer").1[0] != 0 {}
    hostile.read().await.expect("the end");
    let row = rows(&mut victim, COM_STMT_EXECUTE, &execute(mine, AS_BEFORE)).await.unwrap();
    assert_eq!(row.expect("a row"), EFGH);
}

/// An execute without types uses those that the same client gave, never another's.
#[tokio::test]
async fn an_execute_without_types_does_not_get_another_clients() {
    let cluster = Cluster::mariadb(0).await;
    let (_proxy, mut victim, mut hostile) = sharing(&cluster).await;
    let (mine, theirs) = (prepare(&mut victim, "SELECT ?").await, prepare(&mut hostile, "SELECT ?").await);
    rows(&mut victim, COM_STMT_EXECUTE, &execute(mine, AS_STRING)).await.unwrap().expect("a row");
    let refused = rows(&mut hostile, COM_STMT_EXECUTE, &execute(theirs, AS_BEFORE)).await.unwrap();
    assert_eq!(refused.map_err(|packet| error_code(&packet)), Err(1210));
}
