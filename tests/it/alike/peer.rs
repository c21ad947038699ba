//! One connection that plays steps, and shows each packet of their answers.

use super::line::Line;
use crate::dialogue::raw::{Greeted, Raw, scramble};
use std::io;

const COMPRESS: u64 = 1 << 5;
const SESSION_TRACK: u64 = 1 << 23;
const DEPRECATE_EOF: u64 = 1 << 24;
const MORE_RESULTS: u16 = 8;
const CURSOR_EXISTS: u16 = 0x40;

/// NO_GOOD_INDEX_USED, NO_INDEX_USED, QUERY_WAS_SLOW.
const KNOWN_AT_THE_END: u16 = 0x10 | 0x20 | 0x800;
const SESSION_STATE_CHANGED: u16 = 0x4000;

const COM_INIT_DB: u8 = 2;
const COM_QUERY: u8 = 3;
const COM_FIELD_LIST: u8 = 4;
const COM_STATISTICS: u8 = 9;
const COM_CHANGE_USER: u8 = 17;
const COM_STMT_PREPARE: u8 = 22;
const COM_STMT_EXECUTE: u8 = 23;
const COM_STMT_SEND_LONG_DATA: u8 = 24;
const COM_STMT_CLOSE: u8 = 25;
const COM_STMT_RESET: u8 = 26;
const COM_STMT_FETCH: u8 = 28;
const COM_RESET_CONNECTION: u8 = 31;
const COM_STMT_BULK_EXECUTE: u8 = 0xfa;

const QUERY_ATTRIBUTES: u64 = 1 << 27;
const BULK_UNIT_RESULTS: u64 = 1 << 37;
/// The flag of COM_STMT_EXECUTE.
const PARAMETER_COUNT_AVAILABLE: u8 = 8;

/// Flags of COM_STMT_BULK_EXECUTE.
const SEND_TYPES_TO_SERVER: u8 = 128;
const SEND_UNIT_RESULTS: u8 = 64;

/// The number with which MariaDB executes what was prepared last.
const LAST_PREPARED: u32 = u32::MAX;
/// How errors about a prepared statement begin, in front of its number.
const STATEMENT_ERRORS: [&str; 2] = ["The statement", "Unknown prepared statement handler"];

/// The answer to a request for a file.
const FILE: &[u8] = b"71\tseven\n72\t\\N\n73\tx\tmore\n71\tagain\n";

/// Returns the capabilities of this name, which the client has, or, of the words with `one` and `not`, lacks; 0 for other words.
pub fn capability(word: &str) -> u64 {
    match word {
        "bulk" => 1 << 34,
        "extended" => 1 << 35,
        "unit" => 1 << 34 | BULK_UNIT_RESULTS,
        "attributes" => QUERY_ATTRIBUTES,
        "long_flag" => 1 << 2,
        "no_schema" => 1 << 4,
        "odbc" => 1 << 6,
        "interactive" => 1 << 10,
        "not_transactions" => 1 << 13,
        "one_statement" => 1 << 16,
        "one_result" => 1 << 17,
        "ps_results" => 1 << 18,
        "found" => 1 << 1,
        "compress" => COMPRESS,
        "local" => 1 << 7,
        "ignore_space" => 1 << 8,
        "track" => SESSION_TRACK,
        "deprecate" => DEPRECATE_EOF,
        _ => 0,
    }
}

/// A prepared statement.
#[derive(Debug, Default, Clone)]
struct Statement {
    id: u32,
    params: usize,
    /// NULL bits and values of its last execute.
    last: (Vec<u8>, Vec<u8>),
}

#[derive(Debug)]
pub struct Peer {
    line: Line,
    greeted: Greeted,
    deprecate: bool,
    compress: bool,
    track: bool,
    unit: bool,
    /// For a client with query attributes: whether the next command has one.
    attributes: Option<bool>,
    statements: Vec<Statement>,
    picked: usize,
    /// The numbers of all statements that the session ever had.
    ids: Vec<u32>,
    /// Where rows stand among the packets of the last answer: a binary row begins as an OK packet does.
    rows: Vec<usize>,
    /// The sequence id of the next packet.
    sequence: u8,
    /// The connection has ended, or is out of step.
    over: bool,
    /// The OK packet of the login.
    pub login: String,
}

/// What comes behind the first packet of an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    Results { cursor: bool },
    Rows,
    Fields,
    Prepared,
    Single,
    Reset,
    Statistics,
    Change,
    Nothing,
}

fn number(body: &[u8], at: &mut usize) -> u64 {
    let width = match body.get(*at) {
        Some(0xfc) => 2,
        Some(0xfd) => 3,
        Some(0xfe) => 8,
        Some(byte) => {
            *at += 1;
            return u64::from(*byte);
        }
        None => return 0,
    };
    let bytes = body.get(*at + 1..*at + 1 + width).unwrap_or_default();
    *at += 1 + width;
    bytes.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte))
}

/// The type of a parameter of an execute, and its bytes, None for NULL: integers, numbers with a point, strings, NULL, `long` for
/// what was sent before, or `^` with a type.
fn value(parameter: &str) -> (u16, Option<Vec<u8>>) {
    const UNSIGNED: u16 = 0x8000;
    let with_length = |bytes: &[u8]| {
        let length = u8::try_from(bytes.len()).expect("a short value");
        Some([&[length], bytes].concat())
    };
    match (parameter, parameter.parse::<i32>(), parameter.parse::<f64>()) {
        ("NULL", ..) => (6, None),
        ("long", ..) => (0xfc, Some(Vec::new())),
        ("^tiny", ..) => (1, Some(vec![0x85])),
        ("^utiny", ..) => (1 | UNSIGNED, Some(vec![0x85])),
        ("^short", ..) => (2, Some(vec![0xfe, 0xff])),
        ("^float", ..) => (4, Some(1.5f32.to_le_bytes().to_vec())),
        ("^longlong", ..) => (8, Some((-2i64).to_le_bytes().to_vec())),
        ("^ulonglong", ..) => (8 | UNSIGNED, Some(u64::MAX.to_le_bytes().to_vec())),
        ("^int24", ..) => (9, Some(vec![7, 0, 0, 0])),
        ("^year", ..) => (13, Some(vec![0xe4, 7])),
        // 2020-03-04; with 05:06:07.000008; -1 day and 05:06:07.000008; nothing but zeros.
        ("^date", ..) => (10, with_length(&[0xe4, 7, 3, 4])),
        ("^datetime", ..) => (12, with_length(&[0xe4, 7, 3, 4, 5, 6, 7, 8, 0, 0, 0])),
        ("^time", ..) => (11, with_length(&[1, 1, 0, 0, 0, 5, 6, 7, 8, 0, 0, 0])),
        ("^zeros", ..) => (12, Some(vec![0])),
        ("^decimal", ..) => (0xf6, with_length(b"12.50")),
        ("^blob", ..) => (0xfc, with_length(&[0, 1, 0xc3, 0xa9])),
        ("^bit", ..) => (16, with_length(&[5])),
        ("^json", ..) => (0xf5, with_length(b"{\"a\": 1}")),
        (_, Ok(integer), _) => (3, Some(integer.to_le_bytes().to_vec())),
        (_, _, Ok(double)) => (5, Some(double.to_le_bytes().to_vec())),
        (text, ..) => (0xfd, with_length(text.as_bytes())),
    }
}

/// COM_STMT_BULK_EXECUTE with these rows of strings: `1, a; NULL, b; DEFAULT, c`. `unit`: each row has a result of its own.
fn bulk(rows: &str, id: u32, unit: bool) -> Vec<u8> {
    let rows: Vec<Vec<&str>> = rows.split(';').map(|row| row.split(',').map(str::trim).collect()).collect();
    let flags = SEND_TYPES_TO_SERVER | if unit { SEND_UNIT_RESULTS } else { 0 };
    let mut out = [&[COM_STMT_BULK_EXECUTE], id.to_le_bytes().as_slice(), &[flags, 0]].concat();
    out.extend([0xfd, 0].repeat(rows[0].len()));
    for value in rows.iter().flatten() {
        match *value {
            "NULL" => out.push(1),
            "DEFAULT" => out.push(2),
            "IGNORE" => out.push(3),
            text => {
                out.extend([0, u8::try_from(text.len()).expect("a short text")]);
                out.extend(text.bytes());
            }
        }
    }
    out
}

/// The status flags of an OK packet.
fn ok_status(body: &[u8]) -> u16 {
    let mut at = 1;
    number(body, &mut at);
    number(body, &mut at);
    u16::from_le_bytes([body[at], body[at + 1]])
}

/// Sorts the variables in the session state changes of an OK packet: servers send them in the order of a hash table, which
/// depends on what else the table has. Removes session state changes without content, and their flag: MySQL sends them where
/// trackers looked and found nothing to say.
fn sort_variables(packet: &mut Vec<u8>) {
    let mut at = 1;
    number(packet, &mut at);
    number(packet, &mut at);
    let Some(&[low, high, ..]) = packet.get(at..) else { return };
    at += 4;
    if u16::from_le_bytes([low, high]) & SESSION_STATE_CHANGED == 0 || at >= packet.len() {
        return;
    }
    let (flags, info) = (at - 3, at);
    at += usize::try_from(number(packet, &mut at.clone())).expect("a length") + 1;
    if packet.get(at..) == Some(&[0]) {
        packet[flags] &= !0x40;
        packet.truncate(if at == info + 1 { info } else { at });
        return;
    }
    number(packet, &mut at);
    let (mut variables, mut others) = (Vec::new(), Vec::new());
    let mut rest = at;
    while let Some(kind) = packet.get(rest) {
        let mut end = rest + 1;
        let length = usize::try_from(number(packet, &mut end)).expect("a length");
        let change = packet.get(rest..end + length).unwrap_or_default().to_vec();
        rest = end + length;
        if *kind == 0 { &mut variables } else { &mut others }.push(change);
    }
    variables.sort();
    let sorted = [variables, others].concat().concat();
    if let Some(room) = packet.get_mut(at..).filter(|room| room.len() == sorted.len()) {
        room.copy_from_slice(&sorted);
    }
}

impl Peer {
    /// Logs in as `app`, with this schema.
    pub async fn login(port: u16, schema: &str, capabilities: u64) -> Self {
        Peer::login_as("app", port, schema, capabilities).await
    }

    /// Logs in as an account whose password is its name.
    pub async fn login_as(account: &str, port: u16, schema: &str, capabilities: u64) -> Self {
        let mut raw = Raw::connect(port).await.expect("connect");
        let (greeted, login) = raw.login_to(account, account, schema, capabilities).await.expect("a login");
        Peer {
            line: Line::new(raw, capabilities & COMPRESS != 0),
            greeted,
            deprecate: capabilities & DEPRECATE_EOF != 0,
            compress: capabilities & COMPRESS != 0,
            track: capabilities & SESSION_TRACK != 0,
            unit: capabilities & BULK_UNIT_RESULTS != 0,
            attributes: (capabilities & QUERY_ATTRIBUTES != 0).then_some(false),
            statements: Vec::new(),
            picked: 0,
            ids: Vec::new(),
            rows: Vec::new(),
            sequence: 0,
            over: false,
            login: login.escape_ascii().to_string(),
        }
    }

    fn statement(&self) -> Statement {
        self.statements.get(self.picked).cloned().unwrap_or_default()
    }

    /// Plays a step. Returns all packets of its answer.
    pub async fn step(&mut self, step: &str) -> String {
        let (word, rest) = step.split_once(' ').unwrap_or((step, ""));
        let id = self.statement().id;
        let about = |command: u8, more: &[u8]| [&[command], id.to_le_bytes().as_slice(), more].concat();
        let results = Shape::Results { cursor: false };
        self.attributes = self.attributes.map(|has_one| !has_one);
        let (bytes, shape) = match word {
            "!prepare" => ([&[COM_STMT_PREPARE], rest.as_bytes()].concat(), Shape::Prepared),
            "!execute" => (self.execute(rest, id, 0), results),
            // As if the server knew the types of an execute before.
            "!untyped" => (self.untyped(rest, id), results),
            "!cursor" => (self.execute(rest, id, 1), Shape::Results { cursor: true }),
            "!last" => (self.execute(rest, LAST_PREPARED, 0), results),
            "!bulk" => (bulk(rest, id, self.unit), results),
            // The parameters of the last execute, without their types.
            "!again" => (self.execute_again(), results),
            "!fetch" => {
                let rows: u32 = rest.parse().unwrap_or(1);
                (about(COM_STMT_FETCH, &rows.to_le_bytes()), Shape::Rows)
            }
            "!long" => (about(COM_STMT_SEND_LONG_DATA, &[&[0, 0], rest.as_bytes()].concat()), Shape::Nothing),
            "!forget" => (about(COM_STMT_RESET, &[]), Shape::Single),
            "!close" => (about(COM_STMT_CLOSE, &[]), Shape::Nothing),
            "!pick" => {
                let wanted: usize = rest.parse().unwrap_or(0);
                self.picked = wanted % self.statements.len().max(1);
                return String::new();
            }
            "!use" => ([&[COM_INIT_DB], rest.as_bytes()].concat(), Shape::Single),
            "!fields" => ([&[COM_FIELD_LIST], rest.as_bytes(), &[0]].concat(), Shape::Fields),
            "!reset" => (vec![COM_RESET_CONNECTION], Shape::Reset),
            "!change" => (self.change(rest), Shape::Change),
            "!statistics" => (vec![COM_STATISTICS], Shape::Statistics),
            // The bytes of a command, in hexadecimal; its answer is one packet.
            "!bytes" => {
                let digits: Vec<u8> = rest.bytes().filter(u8::is_ascii_hexdigit).collect();
                let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
                (digits.chunks(2).map(byte).collect(), Shape::Single)
            }
            _ => (self.query(step), results),
        };
        if self.over || self.line.send(0, &bytes).await.is_err() {
            return "the end".into();
        }
        self.sequence = 1;
        let mut packets = Vec::new();
        self.rows.clear();
        let end = self.answer(shape, &mut packets).await.err();
        let mut shown: Vec<String> =
            packets.iter().enumerate().map(|(at, packet)| self.shown(at, packet)).collect();
        if let Some(error) = end {
            self.over = true;
            // Nothing for so long, or the end of the connection.
            shown.push(if error.kind() == io::ErrorKind::TimedOut { "silence" } else { "the end" }.into());
        }
        shown.join(" | ")
    }

    /// The packet at this place of an answer, without the numbers of statements, which no two servers share.
    fn shown(&self, at: usize, packet: &[u8]) -> String {
        let mut packet = packet.to_vec();
        if matches!(packet.first(), Some(0 | 0xfe)) && self.track && !self.rows.contains(&at) {
            sort_variables(&mut packet);
        }
        if self.rows.contains(&at) {
            self.level_numbers(&mut packet);
        }
        let mut text = packet.escape_ascii().to_string();
        // An error packet, or a row of SHOW WARNINGS.
        for (id, what) in self.ids.iter().flat_map(|id| [(id, "handler"), (id, "statement")]) {
            text = text.replace(&format!("{what} ({id})"), &format!("{what} (#)"));
        }
        text
    }

    /// Makes the value of a row that is an error's text as long as if the number of the statement in it had one digit.
    fn level_numbers(&self, packet: &mut [u8]) {
        for (id, begin) in self.ids.iter().flat_map(|id| STATEMENT_ERRORS.map(|begin| (id, begin))) {
            let text = format!("{begin} ({id})");
            let at = packet.windows(text.len()).position(|window| window == text.as_bytes());
            if let Some(length) = at.and_then(|at| packet.get_mut(at.checked_sub(1)?)) {
                *length -= u8::try_from(id.to_string().len() - 1).expect("an id has a few digits");
            }
        }
    }

    /// COM_QUERY with this text.
    fn query(&self, text: &str) -> Vec<u8> {
        let attributes: &[u8] = match self.attributes {
            None => &[],
            Some(false) => &[0, 1],
            // One set of one value, which is not NULL and has a type: `a` is the string `x`.
            Some(true) => b"\x01\x01\0\x01\xfd\0\x01a\x01x",
        };
        [&[COM_QUERY], attributes, text.as_bytes()].concat()
    }

    /// COM_STMT_EXECUTE with these parameters, as many as the statement has: see `value`; too few begin again, and none are
    /// NULL.
    fn execute(&mut self, parameters: &str, id: u32, cursor: u8) -> Vec<u8> {
        let all: Vec<&str> = parameters.split(',').map(str::trim).filter(|p| !p.is_empty()).collect();
        let all = if all.is_empty() { vec!["NULL"] } else { all };
        let own = self.statement().params;
        let has_one = self.attributes == Some(true);
        let count = own + usize::from(has_one);
        let (mut nulls, mut types, mut values) = (vec![0; count.div_ceil(8)], Vec::new(), Vec::new());
        for (at, parameter) in all.iter().cycle().take(own).chain(has_one.then_some(&"x")).enumerate() {
            let (kind, value) = value(parameter);
            types.extend(kind.to_le_bytes());
            if self.attributes.is_some() {
                // Its name.
                types.extend_from_slice(if at < own { &[0] } else { b"\x01a" });
            }
            match value {
                Some(value) => values.extend(value),
                None => nulls[at / 8] |= 1 << (at % 8),
            }
        }
        if let Some(statement) = self.statements.get_mut(self.picked).filter(|_| !has_one) {
            statement.last = (nulls.clone(), values.clone());
        }
        // Without own parameters, a server looks for others if the flag says so.
        let is_counted = self.attributes.is_some() && count > 0;
        let flags = cursor | if is_counted { PARAMETER_COUNT_AVAILABLE } else { 0 };
        let mut out = [&[COM_STMT_EXECUTE], id.to_le_bytes().as_slice(), &[flags, 1, 0, 0, 0]].concat();
        if is_counted {
            out.push(u8::try_from(count).expect("a few parameters"));
        }
        if count > 0 {
            out.extend(nulls);
            out.push(1);
        }
        out.extend(types);
        out.extend(values);
        out
    }

    /// An execute without the types of these parameters.
    fn untyped(&mut self, parameters: &str, id: u32) -> Vec<u8> {
        let count = self.statement().params;
        self.attributes = self.attributes.map(|_| false);
        let mut out = self.execute(parameters, id, 0);
        if count > 0 {
            let (head, width) = if self.attributes.is_some() { (11, 3) } else { (10, 2) };
            let at = head + count.div_ceil(8);
            out.drain(at + 1..at + 1 + width * count);
            out[at] = 0;
        }
        out
    }

    fn execute_again(&self) -> Vec<u8> {
        let Statement { id, last: (nulls, values), params } = self.statement();
        let mut out = [&[COM_STMT_EXECUTE], id.to_le_bytes().as_slice(), &[0, 1, 0, 0, 0]].concat();
        if self.attributes.is_some() && params > 0 {
            out.push(u8::try_from(params).expect("a few parameters"));
        }
        if !nulls.is_empty() {
            out.extend(nulls);
            out.push(0);
        }
        out.extend(values);
        out
    }

    /// COM_CHANGE_USER to `app`, with this schema.
    fn change(&self, schema: &str) -> Vec<u8> {
        let scramble = scramble(&self.greeted, "app");
        let mut out = vec![COM_CHANGE_USER];
        out.extend_from_slice(b"app\0");
        out.push(u8::try_from(scramble.len()).expect("a short scramble"));
        out.extend_from_slice(&scramble);
        out.extend_from_slice(schema.as_bytes());
        // The schema's end; utf8mb4_general_ci.
        out.extend_from_slice(b"\0\x2d\0");
        out.extend_from_slice(self.greeted.plugin.as_bytes());
        out.push(0);
        out
    }

    async fn keep(&mut self, packets: &mut Vec<Vec<u8>>) -> io::Result<Vec<u8>> {
        let (sequence, body) = self.line.read().await?;
        if sequence != self.sequence && !self.compress {
            packets.push(format!("sequence id {sequence} instead of {}", self.sequence).into_bytes());
        }
        self.sequence = sequence.wrapping_add(1);
        packets.push(body.clone());
        Ok(body)
    }

    async fn answer(&mut self, shape: Shape, packets: &mut Vec<Vec<u8>>) -> io::Result<()> {
        match shape {
            Shape::Nothing => return Ok(()),
            Shape::Single => return self.keep(packets).await.map(drop),
            Shape::Reset => {
                self.keep(packets).await?;
                self.forget_statements();
                return Ok(());
            }
            Shape::Statistics => {
                let text = self.line.read().await?.1;
                packets.push(if text.starts_with(b"Uptime") { b"Uptime".to_vec() } else { text });
                return Ok(());
            }
            Shape::Change => return self.changed(packets).await,
            Shape::Prepared => return self.prepared(packets).await,
            Shape::Rows | Shape::Fields => return self.rows(packets).await.map(drop),
            Shape::Results { .. } => {}
        }
        loop {
            let first = self.keep(packets).await?;
            let status = match first.first() {
                Some(0xff) | None => return Ok(()),
                Some(0) => ok_status(&first),
                Some(0xfb) => {
                    self.line.send(self.sequence, FILE).await?;
                    self.line.send(self.sequence.wrapping_add(1), &[]).await?;
                    self.sequence = self.sequence.wrapping_add(2);
                    continue;
                }
                Some(_) => {
                    for _ in 0..number(&first, &mut 0) {
                        self.keep(packets).await?;
                    }
                    let (mut at_columns, mut first_eof) = (0, 0);
                    if !self.deprecate {
                        let eof = self.keep(packets).await?;
                        if eof.len() != 5 {
                            return Ok(());
                        }
                        at_columns = u16::from_le_bytes([eof[3], eof[4]]);
                        first_eof = packets.len() - 1;
                        let flags = at_columns & !KNOWN_AT_THE_END;
                        packets[first_eof][1..3].fill(0);
                        packets[first_eof][3..5].copy_from_slice(&flags.to_le_bytes());
                    }
                    if shape == (Shape::Results { cursor: true }) && at_columns & CURSOR_EXISTS != 0 {
                        return Ok(());
                    }
                    let Some(status) = self.rows(packets).await? else {
                        if first_eof > 0 {
                            packets[first_eof][3..5].fill(0);
                        }
                        return Ok(());
                    };
                    // MySQL says only in front of OUT parameters that another packet follows them.
                    status | at_columns & MORE_RESULTS
                }
            };
            if status & MORE_RESULTS == 0 {
                return Ok(());
            }
        }
    }

    /// Reads rows up to their end. Returns its flags; None if it is an error.
    async fn rows(&mut self, packets: &mut Vec<Vec<u8>>) -> io::Result<Option<u16>> {
        loop {
            let body = self.keep(packets).await?;
            match body.first() {
                Some(0xff) => return Ok(None),
                Some(0xfe) if self.deprecate => return Ok(Some(ok_status(&body))),
                Some(0xfe) if body.len() == 5 => return Ok(Some(u16::from_le_bytes([body[3], body[4]]))),
                _ => self.rows.push(packets.len() - 1),
            }
        }
    }

    /// The last packet of an answer to COM_CHANGE_USER, which may ask for another scramble.
    async fn changed(&mut self, packets: &mut Vec<Vec<u8>>) -> io::Result<()> {
        loop {
            let (sequence, packet) = self.line.read().await?;
            match packet.first() {
                Some(0xfe) => {
                    let mut parts = packet[1..].splitn(2, |byte| *byte == 0);
                    self.greeted.plugin = String::from_utf8_lossy(parts.next().unwrap_or_default()).into();
                    let nonce = parts.next().unwrap_or_default();
                    self.greeted.nonce = nonce.strip_suffix(&[0]).unwrap_or(nonce).to_vec();
                    self.line.send(sequence + 1, &scramble(&self.greeted, "app")).await?;
                }
                Some(1) => {}
                _ => {
                    packets.push(packet);
                    self.forget_statements();
                    return Ok(());
                }
            }
        }
    }

    fn forget_statements(&mut self) {
        self.statements.clear();
        self.picked = 0;
    }

    async fn prepared(&mut self, packets: &mut Vec<Vec<u8>>) -> io::Result<()> {
        let head = self.keep(packets).await?;
        let [0, a, b, c, d, columns, columns_high, params, params_high, ..] = head.as_slice() else {
            return Ok(());
        };
        let id = u32::from_le_bytes([*a, *b, *c, *d]);
        let params = u16::from_le_bytes([*params, *params_high]);
        self.ids.push(id);
        self.picked = self.statements.len();
        self.statements.push(Statement { id, params: usize::from(params), last: Default::default() });
        if let Some(first) = packets.last_mut() {
            first[1..5].fill(0);
        }
        for count in [params, u16::from_le_bytes([*columns, *columns_high])] {
            let eof = count > 0 && !self.deprecate;
            for _ in 0..count {
                self.keep(packets).await?;
            }
            if eof {
                self.keep(packets).await?;
                if let Some(eof) = packets.last_mut() {
                    eof[1..3].fill(0);
                }
            }
        }
        Ok(())
    }
}
