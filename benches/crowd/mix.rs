//! One client of the crowd and its statements: point selects as text and prepared, single updates, short
//! transactions. Nothing that pins the session for longer, and each answer is compared with what was asked.

use crate::client::{Client, other};
use std::io::{Error, Result};
use std::time::{Duration, Instant};

/// Rows of sbtest1, as sysbench prepares it.
const ROWS: usize = 20_000;
/// Packets here are small, and the clients many.
const BUFFER: usize = 4096;

/// xorshift64*: quick, and the same in every run.
pub struct Random(u64);

impl Random {
    /// Of this seed.
    pub fn new(seed: u64) -> Self {
        Random((seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// 0 up to `end`, exclusive.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        high as usize % end.max(1)
    }

    /// 0 to 1.
    pub fn fraction(&mut self) -> f64 {
        self.below(10_000) as f64 / 10_000.0
    }

    fn row(&mut self) -> usize {
        1 + self.below(ROWS)
    }
}

/// A connected client.
pub struct Member {
    client: Client,
    /// Its point select, once it is prepared.
    statement: Option<u32>,
    packet: Vec<u8>,
}

impl Member {
    /// Logs in and runs one plain statement.
    pub fn join(port: u16, random: &mut Random) -> Result<Self> {
        let client = Client::login(port, "sbtest", BUFFER)?;
        let mut member = Member { client, statement: None, packet: vec![0; BUFFER] };
        // Some on the primary, most on the replicas.
        if random.below(10) == 0 {
            member.update(random.row(), 1)?
        } else {
            member.read_text(random)?
        };
        Ok(member)
    }

    /// Something to do, as a rule a statement; `done` hears whether it was a read, and how long it took.
    pub fn unit(
        &mut self,
        random: &mut Random,
        from: Instant,
        mut done: impl FnMut(bool, Duration),
    ) -> Result<()> {
        match random.below(100) {
            0..60 => {
                self.read_text(random)?;
                done(true, from.elapsed());
            }
            60..85 => {
                // The first time it is prepared, too: each of them a statement.
                let mut from = from;
                if self.statement.is_none() {
                    self.prepare()?;
                    done(true, from.elapsed());
                    from = Instant::now();
                }
                self.read_prepared(random)?;
                done(true, from.elapsed());
            }
            85..95 => {
                self.update(random.row(), random.below(ROWS))?;
                done(false, from.elapsed());
            }
            _ => self.transaction(random, from, done)?,
        }
        Ok(())
    }

    fn transaction(
        &mut self,
        random: &mut Random,
        mut from: Instant,
        mut done: impl FnMut(bool, Duration),
    ) -> Result<()> {
        let (row, k) = (random.row(), random.below(ROWS));
        for step in 0..4 {
            match step {
                0 => self.okay("BEGIN")?,
                1 => self.update(row, k)?,
                2 => self.read_row(&format!("SELECT k FROM sbtest1 WHERE id = {row}"), &k.to_string())?,
                _ => self.okay("COMMIT")?,
            }
            done(false, from.elapsed());
            from = Instant::now();
        }
        Ok(())
    }

    /// A point select as text.
    pub fn read_text(&mut self, random: &mut Random) -> Result<()> {
        let row = random.row();
        self.read_row(&format!("SELECT id, c FROM sbtest1 WHERE id = {row}"), &row.to_string())
    }

    fn update(&mut self, row: usize, k: usize) -> Result<()> {
        self.okay(&format!("UPDATE sbtest1 SET k = {k} WHERE id = {row}"))
    }

    fn prepare(&mut self) -> Result<()> {
        self.client.command(b"\x16SELECT id, c FROM sbtest1 WHERE id = ?")?;
        let len = self.next()?;
        let answer = self.packet.get(..len).unwrap_or_default();
        let &[0, a, b, c, d, 2, 0, 1, 0, ..] = answer else { return Err(unexpected(answer)) };
        self.statement = Some(u32::from_le_bytes([a, b, c, d]));
        // The parameter, two columns, and an EOF after each.
        for _ in 0..5 {
            self.next()?;
        }
        Ok(())
    }

    fn read_prepared(&mut self, random: &mut Random) -> Result<()> {
        let row = u32::try_from(random.row()).unwrap_or_default().to_le_bytes();
        let mut execute = vec![0x17];
        execute.extend(self.statement.unwrap_or_default().to_le_bytes());
        // No cursor, once, no NULL, types follow: one LONG.
        execute.extend([0, 1, 0, 0, 0, 0, 1, 3, 0]);
        execute.extend(row);
        self.client.command(&execute)?;
        // Header, map of NULLs, the id.
        let expected = [&[0, 0][..], &row].concat();
        self.one_row(&expected)
    }

    fn okay(&mut self, text: &str) -> Result<()> {
        self.query(text)?;
        let len = self.next()?;
        let answer = self.packet.get(..len).unwrap_or_default();
        if answer.first() == Some(&0) { Ok(()) } else { Err(unexpected(answer)) }
    }

    /// Runs a query whose answer is a row that begins with this value.
    fn read_row(&mut self, text: &str, first: &str) -> Result<()> {
        self.query(text)?;
        let mut expected = vec![u8::try_from(first.len()).unwrap_or_default()];
        expected.extend(first.bytes());
        self.one_row(&expected)
    }

    /// A result of one row that begins like this.
    fn one_row(&mut self, expected: &[u8]) -> Result<()> {
        let len = self.next()?;
        let head = self.packet.get(..len).unwrap_or_default();
        let &[columns @ 1..=2] = head else { return Err(unexpected(head)) };
        for _ in 0..=columns {
            self.next()?;
        }
        let len = self.next()?;
        let row = self.packet.get(..len).unwrap_or_default();
        if !row.starts_with(expected) {
            return Err(unexpected(row));
        }
        let len = self.next()?;
        let end = self.packet.get(..len).unwrap_or_default();
        if end.first() == Some(&0xFE) && len < 9 { Ok(()) } else { Err(unexpected(end)) }
    }

    fn query(&mut self, text: &str) -> Result<()> {
        let mut command = Vec::with_capacity(text.len() + 1);
        command.push(3);
        command.extend(text.bytes());
        self.client.command(&command)
    }

    fn next(&mut self) -> Result<usize> {
        self.client.read_into(&mut self.packet)
    }
}

fn unexpected(packet: &[u8]) -> Error {
    let text = String::from_utf8_lossy(packet.get(3..).unwrap_or_default());
    match *packet {
        [0xFF, low, high, ..] => other(&format!("{} {text}", u16::from_le_bytes([low, high]))),
        _ => other(&format!("not the answer to the question: {:?}", String::from_utf8_lossy(packet))),
    }
}
