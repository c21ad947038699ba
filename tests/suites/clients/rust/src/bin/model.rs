//! `run.sh model`: two sessions' random steps, each on a direct connection and through the proxy, compared.

use std::collections::VecDeque;
use std::io;

use pointsman_clients::blocking::{Client, Endpoint};
use pointsman_clients::model::answer::{self, Answer, Kind, Shape};
use pointsman_clients::model::plan::{self, Random, Step};
use pointsman_clients::wire::{DEPRECATE_EOF, FOUND_ROWS, MULTI_STATEMENTS};

const SLOTS: usize = 4;
const INFILE: &[u8] = b"1\tone\n2\ttwo\n3\t\\N\n";

fn option(name: &str, fallback: &str) -> String {
    let mut args = std::env::args().skip_while(|arg| arg != name);
    args.nth(1).unwrap_or_else(|| fallback.into())
}

/// One session as one of the two sides sees it.
struct Side {
    name: &'static str,
    endpoint: Endpoint,
    client: Client,
    statements: [Option<u32>; SLOTS],
}

impl Side {
    fn connect(name: &'static str, endpoint: Endpoint, wanted: u32) -> io::Result<Side> {
        let client = Client::connect(&endpoint, wanted)?;
        Ok(Side { name, endpoint, client, statements: [None; SLOTS] })
    }

    fn run(&mut self, step: &Step, wanted: u32) -> io::Result<Answer> {
        match step {
            Step::Reconnect => {
                self.client.quit()?;
                // A rollback and the release of locks may come after the close.
                std::thread::park_timeout(std::time::Duration::from_millis(100));
                self.client = Client::connect(&self.endpoint, wanted)?;
            }
            Step::ChangeUser => self.client.change_user()?,
            _ => {
                let Some(bytes) = step.bytes(&self.endpoint.database, &self.statements) else {
                    return Ok(Answer::default());
                };
                self.client.command(&bytes)?;
                return answer::read(&mut self.client, step.shape(), INFILE);
            }
        }
        Ok(Answer::default())
    }

    fn must(&mut self, sql: &str) -> io::Result<()> {
        let answer = self.run(&Step::Query(sql.into()), 0)?;
        match answer.packets.iter().find(|(kind, _)| *kind == Kind::Err) {
            Some((_, packet)) => {
                Err(io::Error::other(format!("{sql}: {}", String::from_utf8_lossy(&packet.body))))
            }
            None => Ok(()),
        }
    }
}

/// A session: both its sides, and what is open in it.
struct Session {
    sides: [Side; 2],
    own: String,
    other: String,
    open: [Option<usize>; SLOTS],
    wanted: u32,
    history: VecDeque<String>,
    /// The last statement was one with SQL_CALC_FOUND_ROWS.
    counted: bool,
}

impl Session {
    fn prepare_schema(&mut self) -> io::Result<()> {
        let t = &self.own;
        let body = "BEGIN SELECT n AS a; SELECT n + 1 AS b, 'x' AS c; END";
        for side in &mut self.sides {
            side.must(&format!("DROP TABLE IF EXISTS {t}"))?;
            side.must(&format!("DROP PROCEDURE IF EXISTS {t}_proc"))?;
            side.must(&format!(
                "CREATE TABLE {t} (id INT AUTO_INCREMENT PRIMARY KEY, v SMALLINT UNSIGNED, s VARCHAR(20)) CHARACTER SET utf8mb4"
            ))?;
            side.must(&format!("CREATE PROCEDURE {t}_proc(IN n INT) {body}"))?;
        }
        self.settle()
    }

    /// Waits for locks of the other session end soon, on both sides alike.
    fn settle(&mut self) -> io::Result<()> {
        for side in &mut self.sides {
            side.must("SET SESSION innodb_lock_wait_timeout = 1, SESSION lock_wait_timeout = 1")?;
        }
        Ok(())
    }

    fn drop_schema(&mut self) -> io::Result<()> {
        let t = &self.own;
        for side in &mut self.sides {
            side.client = Client::connect(&side.endpoint, self.wanted)?;
            side.must(&format!("DROP TABLE IF EXISTS {t}"))?;
            side.must(&format!("DROP PROCEDURE IF EXISTS {t}_proc"))?;
        }
        Ok(())
    }

    /// One step on both sides; what differs, if anything.
    fn step(&mut self, random: &mut Random) -> Result<(), String> {
        let (step, prepared) = match std::mem::take(&mut self.counted) {
            // After any other statement the servers themselves answer FOUND_ROWS() with chance numbers.
            true => (Step::Query("SELECT FOUND_ROWS()".into()), None),
            false => plan::next(random, &self.own, &self.other, &self.open),
        };
        let mut text = format!("{step:?}");
        text.truncate(text.char_indices().nth(300).map_or(text.len(), |(at, _)| at));
        self.history.push_back(text);
        if self.history.len() > 25 {
            self.history.pop_front();
        }
        if step == Step::Reconnect {
            self.wanted = capabilities(random);
        }
        let answers: Vec<io::Result<Answer>> =
            self.sides.iter_mut().map(|side| side.run(&step, self.wanted)).collect();
        let [Ok(direct), Ok(proxy)] = &answers[..] else {
            let reasons: Vec<String> =
                self.sides.iter().zip(&answers).map(|(s, a)| format!("{}: {}", s.name, told(a))).collect();
            return Err(reasons.join("\n"));
        };
        self.compare(&step, direct, proxy)?;
        let failed = direct.packets.iter().any(|(kind, _)| *kind == Kind::Err);
        self.counted = !failed && matches!(&step, Step::Query(sql) if sql.contains("SQL_CALC_FOUND_ROWS"));
        for side in &mut self.sides {
            if !side.client.quiet().unwrap_or(false) {
                return Err(format!(
                    "{}: says more than the answer, or has closed the connection",
                    side.name
                ));
            }
        }
        self.remember(&step, prepared, [direct.statement, proxy.statement])
    }

    fn compare(&self, step: &Step, direct: &Answer, proxy: &Answer) -> Result<(), String> {
        if step.shape() == Shape::Single {
            return Ok(()); // COM_STATISTICS: a text of counters
        }
        let schemas = self.sides.each_ref().map(|side| side.endpoint.database.as_str());
        for at in 0..direct.packets.len().max(proxy.packets.len()) {
            let (a, b) = (direct.packets.get(at), proxy.packets.get(at));
            let plain = |packet: Option<&(Kind, _)>, schema| {
                packet.map(|(kind, p)| (*kind, answer::comparable(*kind, p, schema)))
            };
            let (want, got) = (plain(a, schemas[0]), plain(b, schemas[1]));
            if want != got {
                return Err(format!(
                    "packet {at} differs\n  direct: {}\n  proxy:  {}",
                    shown(&want),
                    shown(&got)
                ));
            }
        }
        Ok(())
    }

    fn remember(
        &mut self,
        step: &Step,
        prepared: Option<(usize, usize)>,
        numbers: [Option<u32>; 2],
    ) -> Result<(), String> {
        match step {
            Step::Prepare(_) => {
                if let (Some((slot, which)), [Some(_), Some(_)]) = (prepared, numbers) {
                    self.open[slot] = Some(which);
                    for (side, number) in self.sides.iter_mut().zip(numbers) {
                        side.statements[slot] = number;
                    }
                }
            }
            Step::CloseStatement(slot) => {
                self.open[*slot] = None;
                self.sides.iter_mut().for_each(|side| side.statements[*slot] = None);
            }
            // Statements are gone; some are left in their slots to see that both sides say so.
            Step::ResetConnection | Step::ChangeUser | Step::Reconnect => {
                for slot in 0..SLOTS / 2 {
                    self.open[slot] = None;
                    self.sides.iter_mut().for_each(|side| side.statements[slot] = None);
                }
                if *step == Step::Reconnect {
                    self.open = [None; SLOTS];
                    self.sides.iter_mut().for_each(|side| side.statements = [None; SLOTS]);
                }
                self.settle().map_err(|e| e.to_string())?;
            }
            _ => {}
        }
        Ok(())
    }
}

fn told(answer: &io::Result<Answer>) -> String {
    match answer {
        Ok(answer) => format!("answered with {} packets", answer.packets.len()),
        Err(error) => error.to_string(),
    }
}

fn shown(packet: &Option<(Kind, (u8, Vec<u8>))>) -> String {
    let Some((kind, (seq, body))) = packet else { return "nothing".into() };
    let cut = &body[..body.len().min(200)];
    format!("{kind:?} seq {seq}, {} bytes: {}", body.len(), cut.escape_ascii())
}

fn capabilities(random: &mut Random) -> u32 {
    let maybe = |on: usize, flag| if on == 0 { flag } else { 0 };
    MULTI_STATEMENTS | maybe(random.below(2), DEPRECATE_EOF) | maybe(random.below(3), FOUND_ROWS)
}

fn main() -> io::Result<()> {
    let number = |name: &str, fallback: &str| option(name, fallback).parse::<u64>().map_err(io::Error::other);
    let (ops, seed) = (number("--ops", "2000")?, number("--seed", "1")?);
    let endpoint = |port: u64, database: String| Endpoint {
        host: option("--host", "127.0.0.1"),
        port: port as u16,
        user: option("--user", "app"),
        password: option("--password", "app"),
        database,
    };
    let direct = endpoint(number("--direct", "0")?, option("--direct-database", "test"));
    let proxy = endpoint(number("--proxy", "0")?, option("--proxy-database", "sbtest"));
    let mut random = Random(seed);
    let mut sessions = Vec::new();
    for (own, other) in [("model_a", "model_b"), ("model_b", "model_a")] {
        let wanted = capabilities(&mut random);
        let sides = [
            Side::connect("direct", direct.clone(), wanted)?,
            Side::connect("proxy", proxy.clone(), wanted)?,
        ];
        let (own, other) = (own.to_string(), other.to_string());
        sessions.push(Session {
            sides,
            own,
            other,
            open: [None; SLOTS],
            wanted,
            history: VecDeque::new(),
            counted: false,
        });
    }
    for session in &mut sessions {
        session.prepare_schema()?;
    }
    for done in 0..ops {
        let which = random.below(2);
        let session = &mut sessions[which];
        if let Err(difference) = session.step(&mut random) {
            println!("session {which}, its last steps:");
            session.history.iter().for_each(|step| println!("  {step}"));
            println!("{difference}");
            println!("FAIL model steps step {done} of seed {seed}: {}", difference.replace('\n', "; "));
            std::process::exit(1);
        }
    }
    for session in &mut sessions {
        session.sides.iter_mut().try_for_each(|side| {
            side.client = Client::connect(&side.endpoint, 0)?;
            Ok::<_, io::Error>(())
        })?;
    }
    sessions.iter_mut().try_for_each(Session::drop_schema)?;
    println!("ok model steps {ops} of seed {seed}");
    Ok(())
}
