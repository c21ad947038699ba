//! A replica that answers what it likes: random changes to every field of its packets, while random sessions run. What
//! the primary receives, and the state under which it executes each write, must be what the client's own statements say.
//!
//! `POINTSMAN_EXCHANGES` is how many statements run.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::*;
use crate::config::Level;
use crate::terms::Port;
use crate::topology::Flavor;
use crate::wire::{OkPacket, StatusFlags};

/// A pseudorandom number generator (xorshift*).
#[derive(Clone)]
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }

    fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

/// What a session's own statements set, by name.
type State = BTreeMap<String, String>;

fn fresh() -> State {
    [("autocommit", "1"), ("names", "utf8mb4"), ("schema", "")]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into()
}

/// Splits assignments at commas outside quotes.
fn items(text: &str) -> Vec<String> {
    let (mut out, mut quoted) = (vec![String::new()], false);
    for c in text.chars() {
        quoted ^= c == '\'';
        match c {
            ',' if !quoted => out.push(String::new()),
            c => out.last_mut().unwrap().push(c),
        }
    }
    out
}

/// Applies a SET as a server does. Panics at what no client and no proxy sets here.
fn apply(state: &mut State, text: &str) {
    for item in items(&text[4..]) {
        let item = item.trim();
        if let Some(names) = item.strip_prefix("NAMES ").or(item.strip_prefix("names ")) {
            let name = names.split(' ').next().unwrap().trim_matches('\'').to_owned();
            assert!(["utf8mb4", "latin1"].contains(&&*name), "the proxy or a client says {text}");
            state.insert("names".to_owned(), name);
            continue;
        }
        let (name, value) = item.split_once('=').unwrap_or_else(|| panic!("somebody says {text}"));
        let (name, value) = (name.trim(), value.trim().trim_matches('\''));
        match name {
            _ if name.starts_with("session_track_") || name.ends_with("_read_only") => {}
            "last_insert_id" => assert_eq!(value, "5", "{text}"),
            "@x" | "@`x`" => assert!(["1", "NULL", "''"].contains(&value), "{text}"),
            "sort_buffer_size" | "sql_mode" | "lc_time_names" if value == "DEFAULT" => {
                state.remove(name);
            }
            "sort_buffer_size" | "sql_mode" | "lc_time_names" | "autocommit" => {
                state.insert(name.to_owned(), value.to_owned());
            }
            _ => panic!("somebody says {text}"),
        }
    }
}

/// What the trackers of a server say of a client's SET.
fn reports(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for item in items(&text[4..]) {
        let item = item.trim();
        if let Some(name) = item.strip_prefix("names ") {
            for part in ["character_set_client", "character_set_connection", "character_set_results"] {
                out.extend(variable(part, name));
            }
        } else if let Some((name, value)) = item.split_once('=').filter(|_| !item.starts_with('@')) {
            let value = value.trim_matches('\'');
            let value = match name {
                "autocommit" if value == "1" => "ON",
                "autocommit" => "OFF",
                _ => value,
            };
            out.extend(variable(name, value));
        }
    }
    out.extend(something());
    out
}

/// One server connection's state.
struct Backend {
    state: State,
    open: bool,
    reads: bool,
    flavor: Flavor,
}

impl Backend {
    fn status(&self) -> u16 {
        let mode = |word: &str| self.state.get("sql_mode").is_some_and(|mode| mode.contains(word));
        let autocommit = if self.state["autocommit"] == "1" { AUTOCOMMIT } else { 0 };
        let escapes = if mode("NO_BACKSLASH_ESCAPES") { 0x200 } else { 0 };
        let quotes = if mode("ANSI_QUOTES") && self.flavor == Flavor::MariaDb { 0x8000 } else { 0 };
        autocommit | escapes | quotes | u16::from(self.open)
    }

    /// Answers as an honest server does. The first packet has sequence id 1.
    fn answer(&mut self, payload: &[u8], writes: &RefCell<Vec<(String, State)>>) -> Vec<Vec<u8>> {
        let text = String::from_utf8_lossy(&payload[1..]).into_owned();
        match payload[0] {
            2 => {
                self.state.insert("schema".to_owned(), text.clone());
                vec![ok_state(MODERN, self.status(), &[schema(&text), something()].concat())]
            }
            0x1f => {
                let schema = self.state["schema"].clone();
                self.state = fresh();
                self.state.insert("schema".to_owned(), schema);
                self.open = false;
                vec![ok_with(self.status())]
            }
            0x16 => prepared(MODERN, 1, 0..u8::try_from(text.matches('?').count()).unwrap(), &["a"]),
            0x17 => self.rows(),
            3 => self.query(&text, writes),
            _ => vec![ok_with(self.status())],
        }
    }

    fn rows(&mut self) -> Vec<Vec<u8>> {
        self.open |= self.state["autocommit"] == "0";
        result_set(MODERN, &["a"], &[row(&["1"]), row(&["2"])], self.status())
    }

    fn query(&mut self, text: &str, writes: &RefCell<Vec<(String, State)>>) -> Vec<Vec<u8>> {
        let lower = text.to_ascii_lowercase();
        if lower.starts_with("set ") {
            let of_client = text.starts_with("set ");
            apply(&mut self.state, text);
            self.open &= self.state["autocommit"] == "0" || !lower.contains("autocommit");
            let state = if of_client { reports(text) } else { Vec::new() };
            return vec![ok_state(MODERN, self.status(), &state)];
        }
        match &*lower {
            "begin" | "start transaction read only" => self.open = true,
            "commit" | "rollback" => self.open = false,
            "do 0" => {}
            _ if lower.starts_with("select ") => return self.rows(),
            _ if lower.starts_with("use ") => {
                self.state.insert("schema".to_owned(), text[4..].to_owned());
                let state = [schema(&text[4..]), something()].concat();
                return vec![ok_state(MODERN, self.status(), &state)];
            }
            _ if lower.starts_with("insert ") && self.reads => {
                return vec![err(1792, "25006", "Cannot execute statement in a READ ONLY transaction")];
            }
            _ if lower.starts_with("insert ") => {
                self.open |= self.state["autocommit"] == "0";
                writes.borrow_mut().push((text.to_owned(), self.state.clone()));
                let mut ok = ok_with(self.status());
                (ok[1], ok[2]) = (1, 5);
                return vec![ok];
            }
            _ => panic!("somebody says {text}"),
        }
        vec![ok_with(self.status())]
    }
}

/// Changes an answer in one way or more. Returns the bytes, and true if the server says no more after them.
fn spoil(chance: &mut Chance, mut answer: Vec<Vec<u8>>) -> (Vec<u8>, bool) {
    const BITS: [u16; 9] = [1, 2, 8, 0x40, 0x80, 0x200, 0x2000, 0x4000, 0x8000];
    const NAMES: [&str; 14] = [
        "sort_buffer_size=1,@x=(select 1),sort_buffer_size",
        "sort_buffer_size",
        "sql_mode",
        "autocommit",
        "character_set_client",
        "character_set_connection",
        "collation_connection",
        "last_insert_id",
        "insert_id",
        "last_gtid",
        "transaction_read_only",
        "lc_time_names",
        "session_track_system_variables",
        "",
    ];
    const VALUES: [&str; 9] =
        ["1", "OFF", "gbk", "NO_BACKSLASH_ESCAPES", "',@x='", "DEFAULT", "0-1-99", "\\", ""];
    for _ in 0..=chance.below(2) {
        let at = chance.below(answer.len());
        let last = answer.len() - 1;
        let is_ok = |packet: &[u8]| matches!(packet.first(), Some(0 | 0xfe)) && packet.len() >= 7;
        match chance.below(16) {
            0..=2 if is_ok(&answer[last]) => {
                let bits = BITS[chance.below(BITS.len())].to_le_bytes();
                (answer[last][3], answer[last][4]) = (answer[last][3] ^ bits[0], answer[last][4] ^ bits[1]);
            }
            3 if is_ok(&answer[last]) => answer[last][1 + chance.below(2)] = chance.below(251) as u8,
            4 if is_ok(&answer[last]) => answer[last][5 + chance.below(2)] = chance.below(256) as u8,
            5..=8 if is_ok(&answer[last]) => {
                let status = u16::from_le_bytes([answer[last][3], answer[last][4]]) & !0x4000;
                let state = match chance.below(8) {
                    0 => schema(["b", "other", ""][chance.below(3)]),
                    1 => something(),
                    2 => gtids("00000000-0000-0000-0000-000000000000:1-9"),
                    3 => vec![chance.below(256) as u8, 1, 0],
                    _ => {
                        let name = chance.of(&NAMES);
                        let value = chance.of(&VALUES);
                        variable(name, value)
                    }
                };
                let header = answer[last][0];
                answer[last] =
                    if header == 0 { ok_state(MODERN, status, &state) } else { end_state(status, &state) };
            }
            9 => {
                let packet = &mut answer[at];
                if !packet.is_empty() {
                    let place = chance.below(packet.len());
                    packet[place] = chance.below(256) as u8;
                }
            }
            10 => {
                let again = answer[at].clone();
                answer.insert(at, again);
            }
            11 if answer.len() > 1 => drop(answer.remove(at)),
            12 => {
                let code = *chance
                    .of(&[1064u16, 1205, 1213, 1290, 1792, 1836, 1053, 1927, 1243, 1305, 2013, 1615, 0]);
                answer.truncate(at);
                answer.push(err(code, "HY000", "FUNCTION a.b does not exist"));
            }
            13 => answer = vec![ok_with(*chance.of(&[0, 2, 3, 10, 0x202, 0x2003]))],
            14 => answer.push(ok()),
            _ => answer[at] = vec![*chance.of(&[0u8, 1, 2, 0xfb, 0xfc, 0xfe, 0xff]); 1 + chance.below(12)],
        }
        if answer.is_empty() {
            answer.push(ok());
        }
    }
    let seq = if chance.below(20) == 0 { chance.below(256) as u8 } else { 1 };
    let mut bytes = frames(seq, &answer);
    let torn = chance.below(12) == 0;
    if torn {
        bytes.truncate(chance.below(bytes.len()));
    }
    (bytes, torn)
}

/// Serves every connection to this server until the story ends.
async fn serve(
    server: Rc<Server>,
    reads: bool,
    flavor: Flavor,
    chance: Rc<RefCell<Chance>>,
    writes: Rc<RefCell<Vec<(String, State)>>>,
) {
    loop {
        let peer = server.accept_forever().await;
        let mut db = server.let_in(peer).await;
        let (chance, writes) = (chance.clone(), writes.clone());
        tokio::task::spawn_local(async move {
            let mut backend = Backend { state: fresh(), open: false, reads, flavor };
            let mut patience = PATIENCE_OF_SERVERS;
            while let Some((_, payload)) = db.peer.next_within(patience).await {
                if payload[0] == 1 {
                    break;
                }
                if payload[0] == 0x19 {
                    continue;
                }
                let answer = backend.answer(&payload, &writes);
                let spoils = reads && chance.borrow_mut().below(3) == 0;
                if !spoils {
                    db.peer.say(&frames(1, &answer));
                    continue;
                }
                let (bytes, torn) = spoil(&mut chance.borrow_mut(), answer);
                db.peer.say(&bytes);
                if torn {
                    break;
                }
                // The proxy may wait for the rest of an answer that has none.
                patience = Duration::from_secs(2);
            }
            db.peer.close();
        });
    }
}

const PATIENCE_OF_SERVERS: Duration = Duration::from_secs(100_000);

/// What a client says.
const TEXTS: [&str; 20] = [
    "select a from t",
    "select a from t",
    "select a from t where a = 7",
    "select @@sql_mode",
    "select last_insert_id()",
    "insert into t values (1)",
    "insert into t values (2)",
    "insert into t values ('it''s')",
    "set sort_buffer_size=300000",
    "set sql_mode='ANSI_QUOTES'",
    "set sql_mode='NO_BACKSLASH_ESCAPES'",
    "set sql_mode='STRICT_ALL_TABLES'",
    "set lc_time_names='de_DE',sort_buffer_size=400000",
    "set names latin1",
    "set names utf8mb4",
    "set autocommit=0",
    "set autocommit=1",
    "use b",
    "start transaction read only",
    "commit",
];

/// The session as its client sees it.
struct Told {
    state: State,
}

impl Told {
    /// The statement was answered by these packets.
    fn hears(&mut self, text: &str, packets: &[Vec<u8>]) {
        let Some(last) = packets.last() else { return };
        if last.first() != Some(&0xff) {
            if text.starts_with("set ") {
                apply(&mut self.state, text);
            } else if let Some(name) = text.strip_prefix("use ") {
                self.state.insert("schema".to_owned(), name.to_owned());
            }
        }
        // What ends an answer says how the client escapes its next text.
        if let (Some(0 | 0xfe), Ok(ok)) = (last.first(), OkPacket::parse(last, true)) {
            let escapes = self.state.get("sql_mode").is_some_and(|mode| mode == "NO_BACKSLASH_ESCAPES");
            assert_eq!(
                ok.status.contains(StatusFlags::NO_BACKSLASH_ESCAPES),
                escapes,
                "{text}: {:?}",
                ok.status
            );
            let autocommit = self.state["autocommit"] == "1";
            assert_eq!(ok.status.contains(StatusFlags::AUTOCOMMIT), autocommit, "{text}: {:?}", ok.status);
        }
    }
}

/// One session; returns how many statements it said.
async fn session(seed: u64, flavor: Flavor) -> usize {
    let settings = Settings { flavor, level: Level::Eventual, ..Settings::default() };
    let world = World::with(settings);
    world.down("db-2");
    let (primary, replica) = (Rc::new(world.server("db-0")), Rc::new(world.server("db-1")));
    let writes = Rc::new(RefCell::new(Vec::new()));
    let chance = Rc::new(RefCell::new(Chance(seed)));
    let serving = [
        tokio::task::spawn_local(serve(primary, false, flavor, chance.clone(), writes.clone())),
        tokio::task::spawn_local(serve(replica, true, flavor, chance.clone(), Rc::default())),
    ];
    let mut client = world.login(&Login { port: Port::Split, ..Login::default() }).await;
    let mut told = Told { state: fresh() };
    let mut said = 0;
    for _ in 0..40 {
        let pick = chance.borrow_mut().below(TEXTS.len() + 2);
        let text = TEXTS.get(pick).copied().unwrap_or("select a from t where a = ?");
        let before = writes.borrow().len();
        said += 1;
        if pick < TEXTS.len() {
            client.query(text);
        } else {
            client.send(command(0x16, text));
        }
        let mut packets = Vec::new();
        while let Some((_, payload)) = client.peer.next_within(Duration::from_secs(5)).await {
            packets.push(payload);
        }
        if packets.is_empty() || client.peer.has_ended() {
            break;
        }
        for (written, state) in &writes.borrow()[before..] {
            assert_eq!((&**written, state), (text, &told.state), "seed {seed}, statement {said}");
        }
        if pick < TEXTS.len() {
            told.hears(text, &packets);
        }
    }
    for task in serving {
        task.abort();
    }
    said
}

#[test]
fn nothing_that_a_replica_reports_reaches_the_primary() {
    let wanted = std::env::var("POINTSMAN_EXCHANGES").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000);
    let mut seed = std::env::var("POINTSMAN_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(1u64);
    let (mut said, mut sessions) = (0usize, 0usize);
    while said < wanted {
        let flavor = if seed.is_multiple_of(2) { Flavor::MySql } else { Flavor::MariaDb };
        let count = Rc::new(RefCell::new(0));
        let counted = count.clone();
        play(async move {
            *counted.borrow_mut() = session(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1, flavor).await;
        });
        said += *count.borrow();
        sessions += 1;
        seed += 1;
    }
    assert!(said > 0, "{sessions} sessions said nothing");
}
