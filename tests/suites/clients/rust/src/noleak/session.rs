//! One session: its connection, its model, and how a command is run and its answer compared.

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::aftermath::Orphan;

use super::answer::{
    self, AUTOCOMMIT, Answer, IN_TRANS, NO_BACKSLASH_ESCAPES, Okay, Part, Row, Set, Shape, show_rows,
};
use super::shared::{Shared, bump};
use super::state::{Data, Model, SCHEMAS};
use crate::model::plan::Random;
use crate::wire::{Conn, DEPRECATE_EOF, FOUND_ROWS, LOCAL_FILES, Login, MULTI_STATEMENTS, SESSION_TRACK};

/// Names that a session's rows can have, one after the other: what an ended connection may still do concerns the name before.
pub const OWNERS: u32 = 8;
/// An answer that takes longer is taken for none.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a step did not come to its end.
#[derive(Debug)]
pub enum Stop {
    /// The model says otherwise.
    Fail(String),
    /// By a KILL that this test sent.
    Lost,
    /// The run is over.
    End,
}

pub type Step<T = ()> = Result<T, Stop>;

pub struct Session {
    pub number: u32,
    pub shared: Rc<Shared>,
    pub(super) conn: Option<Conn>,
    pub model: Model,
    pub random: Random,
    pub owner: u32,
    /// The rows as they are if the statement in flight is carried out and commits.
    pub maybe: Option<Data>,
    pub feature: &'static str,
    pub permit: bool,
    /// Steps since the permit was taken.
    pub held_for: u32,
    pub(super) orphans: VecDeque<Orphan>,
    tags: u64,
    /// Flags of the last answer, to be compared with the model before the next command.
    pub(super) status: Option<u16>,
    /// The last answer had warnings, which the session may still ask for.
    pub unread: bool,
}

pub fn fail<T>(what: impl Into<String>) -> Step<T> {
    Err(Stop::Fail(what.into()))
}

pub fn cell(text: impl Into<String>) -> Option<Vec<u8>> {
    Some(text.into().into_bytes())
}

impl Session {
    pub async fn start(number: u32, shared: Rc<Shared>) -> Step<Session> {
        let accounts = shared.settings.accounts.len();
        let account = if number % 4 == 3 { 1 % accounts } else { 0 };
        let model = Model::new(&shared.baseline, account, 0);
        let random = Random(u64::from(number));
        let mut session = Session {
            number,
            shared,
            conn: None,
            model,
            random,
            owner: number * OWNERS,
            maybe: None,
            feature: "login",
            permit: false,
            held_for: 0,
            orphans: VecDeque::new(),
            tags: 0,
            status: None,
            unread: false,
        };
        session.connect().await?;
        Ok(session)
    }

    pub fn login(&self, account: usize, schema: usize) -> Login {
        let settings = &self.shared.settings;
        let (user, password) = settings.accounts[account].clone();
        // What changes answers varies from session to session.
        let mut capabilities = MULTI_STATEMENTS | LOCAL_FILES;
        for (bit, flag) in [DEPRECATE_EOF, SESSION_TRACK, FOUND_ROWS].into_iter().enumerate() {
            if self.number >> bit & 1 == 1 && (flag != FOUND_ROWS || self.number % 8 == 4) {
                capabilities |= flag;
            }
        }
        let (host, port) = (settings.host.clone(), settings.port);
        Login { host, port, user, password, schema: SCHEMAS[schema].into(), capabilities }
    }

    pub(super) async fn connect(&mut self) -> Step {
        let login = self.login(self.model.account, self.model.schema);
        bump(&self.shared.logins);
        match timeout(PATIENCE, Conn::connect(&login)).await {
            Ok(Ok(conn)) => {
                let account = self.model.account;
                self.shared.peer(self.number, |peer| {
                    (peer.id, peer.account, peer.doomed, peer.killed_at) = (conn.id, account, false, None);
                });
                self.note(0, format!("login as {} to {}: id {}", login.user, login.schema, conn.id));
                self.conn = Some(conn);
                Ok(())
            }
            Ok(Err(error)) => fail(format!("login: {error}")),
            Err(_) => fail("login: no answer"),
        }
    }

    /// A text that no other session says, and this one only once.
    pub fn tag(&mut self) -> String {
        self.tags += 1;
        format!("s{}.{}", self.number, self.tags)
    }

    /// How many such texts there were.
    pub fn tags(&self) -> u64 {
        self.tags
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.random.below(limit)
    }

    pub fn mariadb(&self) -> bool {
        self.shared.baseline.mariadb
    }

    pub fn capability(&self, flag: u32) -> bool {
        self.conn.as_ref().is_some_and(|conn| conn.capabilities & flag != 0)
    }

    pub fn id(&self) -> u32 {
        self.conn.as_ref().map_or(0, |conn| conn.id)
    }

    pub fn note(&self, number: u64, text: String) {
        if self.shared.settings.verbose {
            eprintln!("{number} session {}: {text}", self.number);
        }
        self.shared.note(self.number, number, text);
    }

    pub(super) fn doomed(&self) -> bool {
        self.shared.peer(self.number, |peer| peer.doomed)
    }

    fn lost<T>(&self, what: String) -> Step<T> {
        if self.shared.stop.get() {
            return Err(Stop::End);
        }
        if self.doomed() {
            self.note(self.shared.statements.get(), format!("lost by a KILL: {what}"));
            return Err(Stop::Lost);
        }
        fail(what)
    }

    /// What the flags of the last answer say against what the session has done since it began.
    fn compare_status(&mut self) -> Step {
        let Some(status) = self.status.take() else { return Ok(()) };
        let model = &self.model;
        let mut wrong = Vec::new();
        if !model.manual_commit && (status & IN_TRANS != 0) != model.tx {
            wrong.push(format!("in transaction: {}", model.tx));
        }
        if (status & AUTOCOMMIT != 0) == model.manual_commit {
            wrong.push(format!("autocommit: {}", !model.manual_commit));
        }
        let escapes = model.has_mode("NO_BACKSLASH_ESCAPES");
        if (status & NO_BACKSLASH_ESCAPES != 0) != escapes {
            wrong.push(format!("NO_BACKSLASH_ESCAPES: {escapes}"));
        }
        if wrong.is_empty() {
            Ok(())
        } else {
            fail(format!("status flags: expected {}, got {status:#x}", wrong.join(", ")))
        }
    }

    pub fn begin_command(&mut self) -> Step<u64> {
        self.compare_status()?;
        if self.shared.time_is_up() {
            return Err(Stop::End);
        }
        Ok(self.shared.count(self.feature))
    }

    /// Sends a command and reads its answer. Errors are an answer, unless the proxy made them up.
    pub async fn run(&mut self, label: &str, body: &[u8], shape: Shape) -> Step<Answer> {
        Ok(self.run_kinds(label, body, shape, &[]).await?.0)
    }

    pub async fn run_kinds(
        &mut self,
        label: &str,
        body: &[u8],
        shape: Shape,
        kinds: &[(u8, bool)],
    ) -> Step<(Answer, Vec<(u8, bool)>)> {
        let number = self.begin_command()?;
        let pair = self.swap_there(number).await;
        let began = Instant::now();
        let result = match self.conn.as_mut() {
            Some(conn) => timeout(PATIENCE, async {
                conn.command(body).await?;
                answer::read(conn, shape, kinds).await
            })
            .await
            .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer after 60 s"))),
            None => Err(io::Error::other("no connection")),
        };
        self.swap_back(pair).await;
        self.judge(number, label, began, result)
    }

    fn judge<T>(
        &mut self,
        number: u64,
        label: &str,
        began: Instant,
        result: io::Result<(Answer, T)>,
    ) -> Step<(Answer, T)> {
        let (answer, more) = match result {
            Ok(pair) => pair,
            Err(error) => {
                self.note(number, format!("{label:.300} → {error}"));
                return self.lost(format!("{label:.300}: {error}"));
            }
        };
        self.note(number, format!("{label:.300} → {answer}"));
        self.status = answer.end().map(|end| end.status);
        self.unread = answer.error().is_some() || answer.end().is_some_and(|end| end.warnings > 0);
        if let Some((code, text)) = answer.error() {
            // 1053 shutdown, 1317 interrupted, 1927 and 4031 killed
            let interrupted = matches!(code, 1053 | 1317 | 1927 | 3169 | 4031) && self.doomed();
            if interrupted || text.starts_with("pointsman:") || code == 1317 {
                return self.lost(format!("{label:.300}: ERROR {code} {text}"));
            }
        }
        let dead = |at: Instant| began > at + Duration::from_secs(3);
        if self.shared.peer(self.number, |peer| peer.killed_at).is_some_and(dead) {
            return fail(format!(
                "{label:.300}: answered 3 s after KILL CONNECTION said that this session was killed"
            ));
        }
        if self.conn.as_ref().is_some_and(|conn| !conn.quiet()) {
            return fail(format!("{label:.300}: more came behind the answer"));
        }
        Ok((answer, more))
    }

    pub async fn text(&mut self, sql: &str) -> Step<Answer> {
        let body = [b"\x03", sql.as_bytes()].concat();
        self.run(sql, &body, Shape::Text).await
    }

    /// A command that has no answer.
    pub async fn send(&mut self, label: &str, body: &[u8]) -> Step {
        let number = self.begin_command()?;
        self.note(number, format!("{label:.300} (no answer)"));
        let Some(conn) = self.conn.as_mut() else { return fail("no connection") };
        match conn.command(body).await {
            Ok(()) => Ok(()),
            Err(error) => self.lost(format!("{label:.300}: {error}")),
        }
    }

    /// One OK packet.
    pub async fn ok(&mut self, sql: &str) -> Step<Okay> {
        let answer = self.text(sql).await?;
        expect_ok(sql, &answer)
    }

    pub async fn rows(&mut self, sql: &str, want: Vec<Row>) -> Step<Set> {
        let answer = self.text(sql).await?;
        expect_rows(sql, answer, &want)
    }

    /// One of these codes, and the text contains `part`.
    pub async fn error(&mut self, sql: &str, codes: &[u16], part: &str) -> Step {
        let answer = self.text(sql).await?;
        expect_error(sql, &answer, codes, part)
    }

    /// A statement that changes own rows to `after`; refused in a read-only transaction.
    pub async fn write(&mut self, sql: &str, after: Data, affected: Option<u64>) -> Step<Option<Okay>> {
        let body = [b"\x03", sql.as_bytes()].concat();
        self.write_command(sql, &body, after, affected).await
    }

    pub async fn write_command(
        &mut self,
        label: &str,
        body: &[u8],
        after: Data,
        affected: Option<u64>,
    ) -> Step<Option<Okay>> {
        let binary = body.first() == Some(&0x17);
        if self.model.writes_refused() {
            let answer = self.run(label, body, if binary { Shape::Binary } else { Shape::Text }).await?;
            expect_error(label, &answer, &[1792], "")?;
            return Ok(None);
        }
        if !self.model.in_transaction() {
            self.maybe = Some(after.clone());
        }
        let answer = self.run(label, body, if binary { Shape::Binary } else { Shape::Text }).await?;
        let okay = expect_ok(label, &answer)?;
        if affected.is_some_and(|affected| affected != okay.affected) {
            return fail(format!("{label}: expected {affected:?} affected rows, got {answer}"));
        }
        self.maybe = None;
        self.model.data = after;
        Ok(Some(okay))
    }

    /// A statement that commits what is open.
    pub async fn commits(&mut self, sql: &str) -> Step<Okay> {
        self.maybe = Some(self.model.data.clone());
        let okay = self.ok(sql).await?;
        self.maybe = None;
        Ok(okay)
    }

    /// Several commands in one write, then their answers in order.
    pub async fn pipeline(&mut self, statements: &[String]) -> Step<Vec<Answer>> {
        let mut bytes = Vec::new();
        let mut number = 0;
        for sql in statements {
            number = self.begin_command()?;
            bytes.extend(crate::wire::frame(&[b"\x03", sql.as_bytes()].concat(), 0));
        }
        let Some(conn) = self.conn.as_mut() else { return fail("no connection") };
        let reading = async {
            conn.raw(&bytes).await?;
            let mut answers = Vec::new();
            for _ in statements {
                conn.next_command();
                answers.push(answer::read(conn, Shape::Text, &[]).await?.0);
            }
            Ok(answers)
        };
        let result = timeout(PATIENCE, reading)
            .await
            .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer after 60 s")));
        let label = statements.join(" && ");
        let whole = result.map(|answers| {
            let parts = answers.iter().flat_map(|answer| answer.parts.clone()).collect();
            (Answer { parts }, answers)
        });
        Ok(self.judge(number, &label, Instant::now(), whole)?.1)
    }

    pub async fn change_user(&mut self, account: usize, schema: usize) -> Step {
        let number = self.begin_command()?;
        let login = self.login(account, schema);
        // Whose it is while it changes, nobody can say.
        self.shared.peer(self.number, |peer| peer.id = 0);
        let Some(conn) = self.conn.as_mut() else { return fail("no connection") };
        let result = timeout(PATIENCE, conn.change_user(&login)).await;
        let label = format!("COM_CHANGE_USER {} {}", login.user, login.schema);
        match result {
            Ok(Ok(())) => {
                self.note(number, label);
                let id = self.id();
                self.shared.peer(self.number, |peer| (peer.account, peer.id) = (account, id));
                Ok(())
            }
            Ok(Err(error)) => self.lost(format!("{label}: {error}")),
            Err(_) => self.lost(format!("{label}: no answer")),
        }
    }
}

pub fn expect_ok(label: &str, answer: &Answer) -> Step<Okay> {
    match answer.parts.as_slice() {
        [Part::Ok(okay)] => Ok(*okay),
        _ => fail(format!("{label:.300}: expected OK, got {answer}")),
    }
}

pub fn expect_rows(label: &str, mut answer: Answer, want: &[Row]) -> Step<Set> {
    match answer.parts.as_mut_slice() {
        [Part::Set(set)] if set.rows == want => Ok(std::mem::take(set)),
        _ => fail(format!("{label:.300}: expected {}, got {answer}", show_rows(want))),
    }
}

pub fn expect_error(label: &str, answer: &Answer, codes: &[u16], part: &str) -> Step {
    // Columns may have come before the error, but nothing of a result.
    let nothing =
        |part: &Part| matches!(part, Part::Err(..)) || matches!(part, Part::Set(set) if set.rows.is_empty());
    match answer.error() {
        Some((code, text))
            if codes.contains(&code) && text.contains(part) && answer.parts.iter().all(nothing) =>
        {
            Ok(())
        }
        _ => fail(format!("{label:.300}: expected error {codes:?} with '{part}' in it, got {answer}")),
    }
}
