//! [`TextCharset`] against real servers: under every collation that a client may log in with, each byte of a text is read
//! as the kind of its character set says.

use crate::dialogue::raw::{Raw, error_code, framed, response};
use crate::support::{Cluster, Node, connect};
use pointsman::sql::TextCharset;

/// Where an ASCII byte may stand.
const PLACES: [(&str, &str); 13] = [
    ("", "SELECT 1"),
    ("SELECT 3 ", " 2"),
    ("SELECT", " 7"),
    ("SELECT 1", "AS x"),
    ("SELECT @a", ""),
    ("SELECT 1 AS a", ""),
    ("SELECT 1 --", "2\n"),
    ("SELECT X", "'41'"),
    ("SELECT '", "'"),
    ("SELECT \"a", "b\""),
    ("SELECT 'a\\", "'"),
    ("SELECT 1 AS `a", "b`"),
    ("SELECT @`a", "`"),
];

/// Whether these begin a comment depends on the character set: the lexer makes no token of them.
const UNCERTAIN: [(usize, &str); 2] = [(0, "SELECT 1 --"), (0x7f, "SELECT 1 --")];

/// The error of a literal or name that is not valid in its character set: the server read the text to its end.
const ER_INVALID_CHARACTER_STRING: u16 = 1300;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    Row(Vec<u8>),
    Error(u16),
    Ok,
}

#[tokio::test]
async fn mariadb_reads_the_bytes_of_each_character_set_as_its_kind_says() {
    each_is_as_its_kind_says(Cluster::mariadb(0).await).await;
}

#[tokio::test]
async fn mysql_reads_the_bytes_of_each_character_set_as_its_kind_says() {
    if let Some(cluster) = Cluster::mysql(0).await {
        each_is_as_its_kind_says(cluster).await;
    }
}

async fn each_is_as_its_kind_says(cluster: Cluster) {
    let server = cluster.primary();
    // From now on caching_sha2_password takes a scramble.
    connect(server.port(), "app", "app", "test").await.expect("a login");
    let reference = ascii(&mut login(server, 45).await.expect("utf8mb4")).await;
    let rows = server
        .sql("SELECT id, character_set_name FROM information_schema.collations WHERE id < 256 ORDER BY id")
        .await;
    let (mut known, mut otherwise) = (0, Vec::new());
    for row in rows {
        let [Some(id), Some(charset)] = row.as_slice() else { panic!("{row:?}") };
        let kind = TextCharset::of(charset.as_bytes());
        let mut client = login(server, id.parse().unwrap()).await;
        let expected = Answer::Row(lenenc(charset.as_bytes()));
        let admitted = match &mut client {
            Some(client) => client.ask(b"SELECT @@character_set_client").await == expected,
            None => false,
        };
        let Some(mut client) = client.filter(|_| admitted) else {
            // No client may have this character set. A server refuses it, or puts its default in its place.
            assert_eq!(kind, TextCharset::Unsafe, "{charset}");
            continue;
        };
        let answers = ascii(&mut client).await;
        let other = (0..answers.len()).find(|at| {
            let invalid = answers[*at] == Answer::Error(ER_INVALID_CHARACTER_STRING);
            let no_token = UNCERTAIN.contains(&(at / PLACES.len(), PLACES[at % PLACES.len()].0));
            answers[*at] != reference[*at] && !invalid && !no_token
        });
        if let (Some(at), true) = (other, kind != TextCharset::Unsafe) {
            let (byte, place) = (at / PLACES.len(), PLACES[at % PLACES.len()]);
            panic!("{charset} ({id}): {byte:#x} in {place:?}: {:?}, not {:?}", answers[at], reference[at]);
        }
        let quoted = high_bytes(&mut client).await;
        if matches!(kind, TextCharset::Utf8 | TextCharset::SingleByte) {
            assert_eq!(quoted, None, "{charset} ({id})");
        }
        known += usize::from(kind != TextCharset::Unsafe);
        if other.is_some() || quoted.is_some() {
            otherwise.push(charset.clone());
        }
    }
    // What the test can see at all.
    for charset in ["swe7", "gbk", "sjis", "big5", "cp932"] {
        assert!(otherwise.iter().any(|one| one == charset), "{charset} is read as ASCII: {otherwise:?}");
    }
    assert!(known >= 120, "{known}");
}

/// The answers to each ASCII byte in each place.
async fn ascii(client: &mut Client) -> Vec<Answer> {
    let places = (0..=0x7f_u8).flat_map(|byte| PLACES.map(|place| (byte, place)));
    let texts: Vec<_> =
        places.map(|(b, (front, back))| [front.as_bytes(), &[b], back.as_bytes()].concat()).collect();
    client.ask_all(&texts).await
}

/// The first byte over 0x7f that a server reads, in quotes, together with the byte behind it, or as more than content.
async fn high_bytes(client: &mut Client) -> Option<(u8, Answer)> {
    let texts: Vec<_> = (0x80..=0xff_u8).flat_map(|byte| [in_strings(byte), in_names(byte)]).collect();
    let answers = client.ask_all(&texts.iter().map(|(text, _)| text.clone()).collect::<Vec<_>>()).await;
    let of = |at: usize| u8::try_from(0x80 + at / 2).expect("a byte");
    let wrong = answers.iter().zip(&texts).position(|(answer, (_, expected))| {
        *answer != Answer::Row(expected.clone()) && *answer != Answer::Error(ER_INVALID_CHARACTER_STRING)
    });
    wrong.map(|at| (of(at), answers[at].clone()))
}

/// A text with the byte in front of each ASCII byte in a string, and the row that must come.
fn in_strings(byte: u8) -> (Vec<u8>, Vec<u8>) {
    let (mut sql, mut row) = (b"SELECT 1".to_vec(), lenenc(b"1"));
    for next in 0..=0x7f_u8 {
        let written = match next {
            b'\'' => b"''".to_vec(),
            b'\\' => br"\\".to_vec(),
            _ => vec![next],
        };
        sql.extend([b",HEX(_binary'", [byte].as_slice(), &written, b"')"].concat());
        row.extend(lenenc(format!("{byte:02X}{next:02X}").as_bytes()));
    }
    for quote in [b'\'', b'"'] {
        sql.extend([b",HEX(_binary'".as_slice(), &[byte, b'\\', quote], b"')"].concat());
        row.extend(lenenc(format!("{byte:02X}{quote:02X}").as_bytes()));
    }
    (sql, row)
}

fn in_names(byte: u8) -> (Vec<u8>, Vec<u8>) {
    let sql = [b"SELECT 7 AS `x".as_slice(), &[byte], b"```, 8 AS `y", &[byte], b"\\`, 9"].concat();
    (sql, [lenenc(b"7"), lenenc(b"8"), lenenc(b"9")].concat())
}

fn lenenc(value: &[u8]) -> Vec<u8> {
    [&[u8::try_from(value.len()).expect("a short value")], value].concat()
}

struct Client(Raw);

/// None: the server refuses this collation.
async fn login(server: &Node, collation: u8) -> Option<Client> {
    let mut raw = Raw::connect(server.port()).await.expect("connect");
    let greeted = raw.greeting().await.expect("a greeting");
    let mut login = response("app", "app", &greeted);
    // Without CLIENT_MULTI_STATEMENTS each text has one answer.
    login[2] &= !1;
    login[8] = collation;
    raw.send(1, &login).await.expect("a login");
    // caching_sha2_password says in front of the OK packet that the scramble was enough.
    loop {
        let packet = raw.read().await.expect("an answer").1;
        if packet != [1, 3] {
            return (error_code(&packet) == 0).then(|| Client(raw));
        }
    }
}

impl Client {
    async fn ask(&mut self, sql: &[u8]) -> Answer {
        self.ask_all(&[sql.to_vec()]).await.remove(0)
    }

    /// Sends many texts in one write, a few at a time.
    async fn ask_all(&mut self, texts: &[Vec<u8>]) -> Vec<Answer> {
        use tokio::io::AsyncWriteExt as _;
        let mut answers = Vec::new();
        for some in texts.chunks(32) {
            let commands = some.iter().map(|sql| framed(0, &[&[3], sql.as_slice()].concat()));
            self.0.stream.write_all(&commands.collect::<Vec<_>>().concat()).await.expect("a write");
            for _ in some {
                answers.push(self.answer().await);
            }
        }
        answers
    }

    async fn answer(&mut self) -> Answer {
        let first = self.0.read().await.expect("an answer").1;
        match first.first() {
            Some(0xff) => return Answer::Error(error_code(&first)),
            Some(0) => return Answer::Ok,
            _ => {}
        }
        let (mut ends, mut row) = (0, Vec::new());
        while ends < 2 {
            let packet = self.0.read().await.expect("a packet").1;
            match packet.first() {
                Some(0xfe) if packet.len() < 9 => ends += 1,
                Some(0xff) => return Answer::Error(error_code(&packet)),
                _ if ends == 1 => row = packet,
                _ => {}
            }
        }
        Answer::Row(row)
    }
}
