//! One connection that plays steps, and shows each packet of their answers.

use crate::dialogue::raw::Raw;

const DEPRECATE_EOF: u32 = 1 << 24;
const MORE_RESULTS: u16 = 8;
const CURSOR_EXISTS: u16 = 0x40;

/// Returns the capability of this name; 0 for other words.
pub fn capability(word: &str) -> u32 {
    match word {
        "found" => 1 << 1,
        "ignore_space" => 1 << 8,
        "track" => 1 << 23,
        "deprecate" => DEPRECATE_EOF,
        _ => 0,
    }
}

pub struct Peer {
    raw: Raw,
    deprecate: bool,
    statement: u32,
    params: u16,
    /// The OK packet of the login.
    pub login: String,
}

/// What comes behind the first packet of an answer.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Results { cursor: bool },
    Rows,
    Prepared,
    Single,
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

/// The status flags of an OK packet.
fn ok_status(body: &[u8]) -> u16 {
    let mut at = 1;
    number(body, &mut at);
    number(body, &mut at);
    u16::from_le_bytes([body[at], body[at + 1]])
}

impl Peer {
    /// Logs in as `app`, with schema `test`.
    pub async fn login(port: u16, capabilities: u32) -> Self {
        let mut raw = Raw::connect(port).await.expect("connect");
        let (_, login) = raw.login_ok("app", "app", capabilities).await.expect("a login");
        let deprecate = capabilities & DEPRECATE_EOF != 0;
        Peer { raw, deprecate, statement: 0, params: 0, login: login.escape_ascii().to_string() }
    }

    /// Plays a step. Returns all packets of its answer.
    pub async fn step(&mut self, step: &str) -> String {
        let (word, rest) = step.split_once(' ').unwrap_or((step, ""));
        let id = self.statement.to_le_bytes();
        let (bytes, shape) = match word {
            "!prepare" => ([&[0x16], rest.as_bytes()].concat(), Shape::Prepared),
            "!execute" => (self.execute(rest, 0), Shape::Results { cursor: false }),
            // As if the server knew the types of an execute before.
            "!untyped" => (self.untyped(rest), Shape::Results { cursor: false }),
            "!cursor" => (self.execute(rest, 1), Shape::Results { cursor: true }),
            "!fetch" => {
                let rows: u32 = rest.parse().expect("a number of rows");
                ([&[0x1c], id.as_slice(), &rows.to_le_bytes()].concat(), Shape::Rows)
            }
            "!long" => ([&[0x18], id.as_slice(), &[0, 0], rest.as_bytes()].concat(), Shape::Nothing),
            "!forget" => ([&[0x1a], id.as_slice()].concat(), Shape::Single),
            "!use" => ([&[2], rest.as_bytes()].concat(), Shape::Single),
            // The bytes of a command, in hexadecimal; its answer is one packet.
            "!bytes" => {
                let digits: Vec<u8> = rest.bytes().filter(u8::is_ascii_hexdigit).collect();
                let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
                (digits.chunks(2).map(byte).collect(), Shape::Single)
            }
            _ => ([&[3], step.as_bytes()].concat(), Shape::Results { cursor: false }),
        };
        if self.raw.send(0, &bytes).await.is_err() {
            return "the end".into();
        }
        let mut packets = Vec::new();
        let end = self.answer(shape, &mut packets).await.is_err();
        let mut shown: Vec<String> = packets.iter().map(|p| p.escape_ascii().to_string()).collect();
        if end {
            shown.push("the end".into());
        }
        shown.join(" | ")
    }

    /// An execute with these parameters: integers, strings, NULL, or `long` for what was sent before.
    fn execute(&self, parameters: &str, cursor: u8) -> Vec<u8> {
        let mut out = [&[0x17], self.statement.to_le_bytes().as_slice(), &[cursor, 1, 0, 0, 0]].concat();
        let all: Vec<&str> = parameters.split(',').map(str::trim).filter(|p| !p.is_empty()).collect();
        let (mut nulls, mut types, mut values) = (vec![0; all.len().div_ceil(8)], Vec::new(), Vec::new());
        for (at, parameter) in all.iter().enumerate() {
            match (*parameter, parameter.parse::<i32>()) {
                ("NULL", _) => {
                    nulls[at / 8] |= 1 << (at % 8);
                    types.extend([6, 0]);
                }
                ("long", _) => types.extend([0xfc, 0]),
                (_, Ok(integer)) => {
                    types.extend([3, 0]);
                    values.extend(integer.to_le_bytes());
                }
                (text, _) => {
                    types.extend([0xfd, 0]);
                    values.push(u8::try_from(text.len()).expect("a short text"));
                    values.extend(text.bytes());
                }
            }
        }
        if !all.is_empty() {
            out.extend(nulls);
            out.push(1);
        }
        out.extend(types);
        out.extend(values);
        out
    }

    /// An execute without the types of these parameters.
    fn untyped(&self, parameters: &str) -> Vec<u8> {
        let count = parameters.split(',').filter(|p| !p.trim().is_empty()).count();
        let mut out = self.execute(parameters, 0);
        let at = 10 + count.div_ceil(8);
        out.drain(at + 1..at + 1 + 2 * count);
        out[at] = 0;
        out
    }

    async fn keep(&mut self, packets: &mut Vec<Vec<u8>>) -> std::io::Result<Vec<u8>> {
        let body = self.raw.read().await?.1;
        packets.push(body.clone());
        Ok(body)
    }

    async fn answer(&mut self, shape: Shape, packets: &mut Vec<Vec<u8>>) -> std::io::Result<()> {
        match shape {
            Shape::Nothing => return Ok(()),
            Shape::Single => return self.keep(packets).await.map(drop),
            Shape::Prepared => return self.prepared(packets).await,
            Shape::Rows => return self.rows(packets).await.map(drop),
            Shape::Results { .. } => {}
        }
        loop {
            let first = self.keep(packets).await?;
            let mut status = match first.first() {
                Some(0xff) | None => return Ok(()),
                Some(0) => ok_status(&first),
                Some(_) => {
                    for _ in 0..number(&first, &mut 0) {
                        self.keep(packets).await?;
                    }
                    let mut at_columns = 0;
                    if !self.deprecate {
                        let eof = self.keep(packets).await?;
                        at_columns = u16::from_le_bytes([eof[3], eof[4]]);
                    }
                    if shape == (Shape::Results { cursor: true }) && at_columns & CURSOR_EXISTS != 0 {
                        return Ok(());
                    }
                    let Some(status) = self.rows(packets).await? else { return Ok(()) };
                    // MySQL says only in front of OUT parameters that another packet follows them.
                    status | at_columns & MORE_RESULTS
                }
            };
            status &= MORE_RESULTS;
            if status == 0 {
                return Ok(());
            }
        }
    }

    /// Reads rows up to their end. Returns its flags; None if it is an error.
    async fn rows(&mut self, packets: &mut Vec<Vec<u8>>) -> std::io::Result<Option<u16>> {
        loop {
            let body = self.keep(packets).await?;
            match body.first() {
                Some(0xff) => return Ok(None),
                Some(0xfe) if self.deprecate => return Ok(Some(ok_status(&body))),
                Some(0xfe) if body.len() == 5 => return Ok(Some(u16::from_le_bytes([body[3], body[4]]))),
                _ => {}
            }
        }
    }

    async fn prepared(&mut self, packets: &mut Vec<Vec<u8>>) -> std::io::Result<()> {
        let head = self.keep(packets).await?;
        let [0, a, b, c, d, columns, columns_high, params, params_high, ..] = head.as_slice() else {
            return Ok(());
        };
        self.statement = u32::from_le_bytes([*a, *b, *c, *d]);
        self.params = u16::from_le_bytes([*params, *params_high]);
        packets[0][1..5].fill(0);
        for count in [self.params, u16::from_le_bytes([*columns, *columns_high])] {
            let eof = u16::from(count > 0 && !self.deprecate);
            for _ in 0..count + eof {
                self.keep(packets).await?;
            }
        }
        Ok(())
    }
}
