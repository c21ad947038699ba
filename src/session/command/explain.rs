//! Answers a statement with `/* pointsman: explain */` in front by a result set that says where the statement
//! would go, and why, and what the session holds. The statement itself does not run.

use crate::client::{Request, RequestHead};
use crate::config::{Choice, Level};
use crate::net::Runtime;
use crate::session::Session;
use crate::session::common::Column;
use crate::session::fresh::{Freshness, Needed};
use crate::session::freshness::hinted;
use crate::terms::{Close, Role};
use crate::worker::LevelSource;

const COLUMNS: [&str; 8] =
    ["kind", "target", "server", "reason", "because", "session_holds", "consistency", "unexplained"];

impl<R: Runtime> Session<R> {
    /// Returns the level of the statement, and what decided it.
    fn explained_level(&self, request: &RequestHead) -> (Level, LevelSource) {
        let statement = hinted(request.class.effects).map(|level| (level, LevelSource::Statement));
        statement.unwrap_or_else(|| self.context.level_for(&self.client.handle))
    }

    /// Explains the statement instead of running it.
    pub(in crate::session) async fn explain(&mut self, request: &mut Request) -> Result<(), Close> {
        self.reads.begin(request.class.effects, self.client.handle.level.get());
        let (mut role, mut why) = self.place(request);
        let version = self.context.topology.get();
        let server = match role {
            Role::Replica => self
                .upstream
                .kept_on(role)
                .or_else(|| self.reads.server(&mut self.state.written, &Freshness::Unasked)),
            Role::Primary => version.primary,
        };
        if role == Role::Replica && server.is_none() {
            (role, why) = (
                Role::Primary,
                self.reads.why_none(&Needed { written: &self.state.written, freshness: &Freshness::Unasked }),
            );
        }
        let server = if role == Role::Primary { version.primary } else { server };
        let name = server.and_then(|id| version.server(id)).map(|s| s.name.to_string());
        let held: Vec<String> = Role::BOTH
            .iter()
            .flat_map(|role| {
                let where_ = if *role == Role::Primary { "on the primary" } else { "on a replica" };
                self.state.pins.on(*role).iter().map(move |pin| format!("{} {where_}", pin.words()))
            })
            .collect();
        let (level, source) = self.explained_level(request);
        let own = self.is_own(request);
        let because = if own {
            "the statement is about a variable of the proxy's own".into()
        } else {
            why.words().into()
        };
        let unexplained = request.class.unexplained().map(|by| self.or_no_catalogue(by));
        let row = [
            Some(request.class.kind.as_str().to_owned()),
            Some(if own { "proxy" } else { role.target() }.to_owned()),
            name.filter(|_| !own),
            Some(why.as_str().to_owned()),
            Some(because),
            (!held.is_empty()).then(|| held.join(", ")),
            Some(format!("{} (by {})", level.word(), source.words())),
            unexplained.filter(|_| !own).map(|by| by.words().to_owned()),
        ];
        let seq = self.client.skip(request).await?;
        let columns = COLUMNS.map(|name| Column::text(name, 1024));
        self.replies().send_row(seq, &columns, &row).await
    }
}
