//! The end of connections, and what becomes of the rows they leave.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::answer::Part;
use super::session::{OWNERS, Session, Step, fail};
use super::shared::{Fault, bump};
use super::state::{Data, Model, SCHEMAS};
use crate::wire::{Conn, frame};

/// For the end of what a lost connection was doing.
const AFTERMATH: Duration = Duration::from_secs(20);
/// Until the first look: behind a write without an answer, and else.
const IN_FLIGHT: Duration = Duration::from_secs(4);
const SETTLED: Duration = Duration::from_millis(700);

/// Rows under a name whose connection has ended.
pub struct Orphan {
    owner: u32,
    /// Each is a way in which it may have ended; none: not known any more.
    candidates: Vec<Data>,
    since: Instant,
    due: Instant,
}

impl Session {
    /// Sends these bytes, of which the other side may make a whole command or not, and closes.
    pub async fn cut(&mut self, label: &str, bytes: &[u8], reset: bool) -> Step {
        let number = self.begin_command()?;
        self.note(number, label.to_string());
        if let Some(mut conn) = self.conn.take() {
            let _ = conn.raw(bytes).await;
            if reset {
                conn.reset_on_close();
            }
        }
        Ok(())
    }

    /// A login that ends in the middle.
    pub async fn half_login(&mut self, share: usize, reset: bool) -> Step {
        self.begin_command()?;
        let login = self.login(self.model.account, self.model.schema);
        let Ok(mut conn) = Conn::greeted(&login).await else { return fail("half a login: no greeting") };
        let bytes = frame(&conn.response().unwrap_or_default(), 1);
        let _ = conn.raw(&bytes[..bytes.len() * share.min(99) / 100]).await;
        if reset {
            conn.reset_on_close();
        }
        Ok(())
    }

    /// A new connection under a new name; rows of the old one are looked at later.
    pub async fn renew(&mut self) -> Step {
        self.conn = None;
        bump(&self.shared.lost);
        self.shared.peer(self.number, |peer| {
            peer.id = 0;
            peer.locks.clear();
        });
        self.let_go();
        let mut candidates = vec![self.model.committed()];
        candidates.extend(self.maybe.take());
        let now = Instant::now();
        // A write in flight may yet commit, later still where a process stands still.
        let due = now + if candidates.len() > 1 { IN_FLIGHT } else { SETTLED };
        self.orphans.push_back(Orphan { owner: self.owner, candidates, since: now, due });
        self.status = None;
        self.unread = false;
        let schema = self.below(SCHEMAS.len());
        self.model = Model::new(&self.shared.baseline, self.model.account, schema);
        self.connect().await?;
        while self.orphans.len() as u32 >= OWNERS {
            sleep(Duration::from_millis(100)).await;
            self.look_after_orphans().await?;
        }
        let base = self.number * OWNERS;
        let free = |owner: &u32| self.orphans.iter().all(|orphan| orphan.owner != *owner);
        self.owner = (base..base + OWNERS).find(free).unwrap_or(base);
        Ok(())
    }

    /// What an ended connection left must be what it had committed, and nothing else.
    pub async fn look_after_orphans(&mut self) -> Step {
        let due = self.orphans.front().is_some_and(|orphan| orphan.due <= Instant::now());
        if !due || self.model.pinned() || self.model.read_only {
            return Ok(());
        }
        let Some(orphan) = self.orphans.front_mut() else { return Ok(()) };
        let (owner, old) = (orphan.owner, orphan.since.elapsed() > AFTERMATH);
        let candidates = std::mem::take(&mut orphan.candidates);
        // Were this session killed now, nothing would be known of these rows but that they must go.
        let before = std::mem::replace(&mut self.feature, "aftermath");
        let mut found = [Vec::new(), Vec::new()];
        for (values, table) in found.iter_mut().zip(["nl_rows", "nl_auto"]) {
            let sql = format!("SELECT v FROM test.{table} WHERE owner = {owner} AND id > 0");
            let answer = self.text(&sql).await?;
            let [Part::Set(set)] = answer.parts.as_slice() else {
                return fail(format!("{sql}: got {answer}"));
            };
            *values = set
                .rows
                .iter()
                .flatten()
                .flatten()
                .map(|v| String::from_utf8_lossy(v).into_owned())
                .collect();
            values.sort();
        }
        let fits = |data: &Data| {
            let mut lists =
                [data.rows.values().cloned().collect::<Vec<_>>(), data.autos.values().cloned().collect()];
            lists.iter_mut().for_each(|list| list.sort());
            lists == found
        };
        if candidates.is_empty() || candidates.iter().any(fits) {
            for table in ["nl_rows", "nl_auto"] {
                self.ok(&format!("DELETE FROM test.{table} WHERE owner = {owner} AND id > 0")).await?;
            }
            self.orphans.pop_front();
        } else if old {
            let ways: Vec<String> =
                candidates.iter().map(|data| format!("{:?} {:?}", data.rows, data.autos)).collect();
            return fail(format!(
                "rows of ended connection {owner}: expected {}, got {found:?}",
                ways.join(" or ")
            ));
        } else if let Some(orphan) = self.orphans.front_mut() {
            orphan.candidates = candidates;
            orphan.due = Instant::now() + Duration::from_millis(500);
        }
        self.feature = before;
        Ok(())
    }

    /// A session that survived a KILL cannot tell for how long.
    pub fn survivor(&self) -> bool {
        self.doomed() && self.shared.peer(self.number, |peer| peer.killed_at.is_none())
    }

    /// MariaDB may end a statement early for a KILL QUERY and still answer OK: what is wrong after a KILL is not judged.
    pub fn killed_meanwhile(&self, what: &str) -> bool {
        let excused = self.doomed();
        if excused {
            self.note(self.shared.statements.get(), format!("not judged, for there was a KILL: {what}"));
            bump(&self.shared.excused);
        }
        excused
    }

    pub fn report(&self, what: String) {
        self.shared.fail(Fault { session: self.number, feature: self.feature, what });
    }
}
