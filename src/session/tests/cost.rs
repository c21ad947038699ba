//! What statements cost. As a test, each case only has to get the right answers. tests/suites/cost/run.py plays the cases under
//! callgrind: each case runs its statements twice, and the second time counts.

use std::cell::Cell;
use std::rc::Rc;

use super::barrier::POSITION;
use super::*;
use crate::config::{Choice, Level};
use crate::terms::Port;

const READ: &str = "select c from t where id = 17";
const WRITE: &str = "update t set k = k + 1 where id = 17";
/// The id of the proxy's prepared question.
const ASKED: u32 = 8;
/// The length of the value in the case `row`.
const LONG: usize = 1024;
/// In the case `mixed`, one statement in this many is a write.
const MIX: usize = 10;

/// What each session says, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    /// A point select, as a text.
    Text,
    /// A point select, prepared.
    Prepared,
    /// A point select of a long value, as a text.
    Row,
    /// A write on its own.
    Write,
    /// A transaction with one read and one write: four statements.
    Transaction,
    /// Nine point selects and a write.
    Mixed,
}

impl Case {
    const ALL: [(&str, Case); 6] = [
        ("text", Case::Text),
        ("prepared", Case::Prepared),
        ("row", Case::Row),
        ("write", Case::Write),
        ("transaction", Case::Transaction),
        ("mixed", Case::Mixed),
    ];

    /// Returns the statement with this number.
    fn statement(self, number: usize) -> &'static str {
        match self {
            Case::Text | Case::Prepared | Case::Row => READ,
            Case::Write => WRITE,
            Case::Transaction => ["begin", READ, WRITE, "commit"][number % 4],
            Case::Mixed => {
                if number.is_multiple_of(MIX) {
                    WRITE
                } else {
                    READ
                }
            }
        }
    }
}

/// What the servers have in common.
struct Cluster {
    case: Case,
    /// How many writes there were.
    writes: Cell<u32>,
    value: String,
}

fn to(n: u32) -> String {
    format!("aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:1-{n}")
}

impl Cluster {
    fn new(case: Case) -> Self {
        let value = if case == Case::Row { "v".repeat(LONG) } else { "v".to_owned() };
        Cluster { case, writes: Cell::new(5), value }
    }

    /// Returns what a server of this style answers to a command.
    fn answer(&self, style: Style, command: &[u8], status: &mut u16) -> Vec<Vec<u8>> {
        let text = std::str::from_utf8(&command[1..]).unwrap_or_default();
        let row_of = |values: &[&str]| result_set(style, &vec!["c"; values.len()], &[row(values)], *status);
        match (command[0], text) {
            (0x16, POSITION) => prepared(style, ASKED, 0..0, &["c"; 3]),
            (0x16, _) => prepared(style, 7, 0..0, &["c"]),
            (0x17, _) if command[1..5] == ASKED.to_le_bytes() => {
                let row = [b"\0\0", &*row(&["", &to(self.writes.get()), "0"])].concat();
                result_set(style, &["c"; 3], &[row], *status)
            }
            (0x17, _) => {
                let binary =
                    [&[0, 0, u8::try_from(self.value.len()).unwrap()], self.value.as_bytes()].concat();
                result_set(style, &["c"], &[binary], *status)
            }
            _ if text.ends_with("SELECT CURRENT_ROLE() LIMIT 1") => row_of(&["NONE"]),
            (_, READ) => row_of(&[&self.value]),
            (_, "begin") => {
                *status |= IN_TRANS;
                vec![ok_with(*status)]
            }
            (_, WRITE) if *status & IN_TRANS == IN_TRANS => vec![ok_with(*status)],
            (_, WRITE | "commit") => {
                *status = AUTOCOMMIT;
                self.writes.set(self.writes.get() + 1);
                vec![ok_state(style, *status, &gtids(&to(self.writes.get())))]
            }
            (_, POSITION) => row_of(&["", &to(self.writes.get()), "0"]),
            _ if text.starts_with("SELECT WAIT_FOR") => row_of(&["0"]),
            _ => vec![ok_with(*status)],
        }
    }

    /// Lets the proxy in, again and again, and answers what it says.
    async fn serve(self: Rc<Self>, server: Server) {
        loop {
            let mut db = server.accept().await;
            let cluster = self.clone();
            tokio::task::spawn_local(async move {
                let mut status = AUTOCOMMIT;
                loop {
                    let (_, command) = db.peer.packet().await;
                    let answer = cluster.answer(db.style(), &command, &mut status);
                    db.reply(&answer);
                }
            });
        }
    }

    /// Has a client say so many statements.
    async fn says(self: Rc<Self>, mut client: Client, statements: usize) -> Client {
        let is_prepared = self.case == Case::Prepared;
        let mut status = AUTOCOMMIT;
        for number in 0..statements {
            let text = self.case.statement(number);
            if is_prepared {
                client.send(command(0x17, [1, 0, 0, 0, 0, 1, 0, 0, 0]));
            } else {
                client.query(text);
            }
            match text {
                READ => {
                    let value = if is_prepared {
                        [&[0, 0, 1], self.value.as_bytes()].concat()
                    } else {
                        row(&[&self.value])
                    };
                    client.expect(&result_set(MODERN, &["c"], &[value], status)).await;
                }
                _ => {
                    status = match text {
                        "begin" => IN_TRANS,
                        "commit" => AUTOCOMMIT,
                        _ => status,
                    };
                    // Whether a state follows is not this test's business.
                    let (_, packet) = client.peer.packet().await;
                    assert_eq!(packet[..1], [0], "{}", packet.escape_ascii());
                    assert_eq!(packet[3] & 1, u8::from(status == IN_TRANS), "the transaction's state");
                }
            }
        }
        client
    }
}

/// tests/suites/cost/run.py has callgrind write its counts, and begin anew, whenever this is called.
#[inline(never)]
fn mark(turn: usize) {
    std::hint::black_box(turn);
}

/// Waits until tests/suites/cost/run.py has switched callgrind's counting on or off: it does so when the file `COST_GATE` is
/// there, and then removes the file. Without counting, the logins of many sessions take a tenth of the time. Does not
/// sleep, since valgrind takes requests only while the program runs.
fn switch_counting() {
    let Some(gate) = std::env::var_os("COST_GATE") else { return };
    std::fs::write(&gate, "").unwrap();
    while std::fs::exists(&gate).unwrap() {}
}

/// Has so many sessions say so many statements each, after as many to get to know the servers.
fn run(case: Case, level: Level, sessions: usize, statements: usize) {
    play(async {
        let world = World::with(Settings { level, ..Settings::default() });
        world.runtime.take_at_once();
        for name in ["db-0", "db-1", "db-2"] {
            world.gets_to(name, &to(5));
        }
        world.primary("db-0");
        let cluster = Rc::new(Cluster::new(case));
        for name in ["db-0", "db-1", "db-2"] {
            if name != "db-0" {
                world.replica(name);
            }
            tokio::task::spawn_local(cluster.clone().serve(world.server(name)));
        }
        let mut clients = Vec::new();
        for _ in 0..sessions {
            let mut client = world.login(&Login { port: Port::Split, ..Login::default() }).await;
            if case == Case::Prepared {
                client.send(command(0x16, READ));
                client.expect(&prepared(MODERN, 1, 0..0, &["c"])).await;
            }
            clients.push(client);
        }
        switch_counting();
        for turn in 0..2 {
            mark(turn);
            let mut saying = tokio::task::JoinSet::new();
            for client in clients.drain(..) {
                saying.spawn_local(cluster.clone().says(client, statements));
            }
            clients = saying.join_all().await;
        }
        mark(2);
        switch_counting();
        clients.into_iter().for_each(Client::quit);
    });
}

/// `COST="case level sessions statements, …"` plays these.
#[test]
fn every_case_gets_its_answers() {
    let Ok(wanted) = std::env::var("COST") else {
        for (_, case) in Case::ALL {
            run(case, Level::Strong, 3, 20);
            run(case, Level::Eventual, 3, 20);
        }
        return;
    };
    for wanted in wanted.split(',') {
        let [case, level, sessions, statements] = *wanted.split_whitespace().collect::<Vec<_>>() else {
            panic!("COST: {wanted:?}")
        };
        let (_, case) = Case::ALL.into_iter().find(|(name, _)| *name == case).expect("a case");
        let (_, level) = Level::WORDS.iter().find(|(name, _)| *name == level).expect("a level");
        run(case, *level, sessions.parse().unwrap(), statements.parse().unwrap());
    }
}
