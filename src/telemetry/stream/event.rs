//! A statement that ended: borrowed, as the worker has it, and copied, for the reader.

use std::net::SocketAddr;
use std::sync::Arc;

use super::time::unix_us;
use crate::telemetry::Figures;
use crate::terms::StatementKind;

/// A statement at its end, as the worker knows it. Nothing is copied before a filter admits it.
#[derive(Debug, Clone, Copy)]
pub struct ExecutedStatement<'a> {
    /// The connection id of the client.
    pub session: u32,
    /// The client's address; None: a unix socket.
    pub client: Option<SocketAddr>,
    /// The account.
    pub user: &'a Arc<str>,
    /// The default schema.
    pub schema: &'a [u8],
    /// The digest's number and text.
    pub digest: (u64, &'a str),
    /// The text with its literals, if the configuration allows to show it.
    pub text: Option<&'a str>,
    /// The kind of the statement; None if it was refused before it was classified.
    pub kind: Option<StatementKind>,
    /// The name of its server; None: no server executed it.
    pub server: Option<&'a Arc<str>>,
    /// The index of its consistency level, strictest first.
    pub level: usize,
    /// What it did.
    pub figures: &'a Figures,
}

/// The same, for another thread.
#[derive(Debug, Clone)]
pub struct Event {
    /// When it ended, in microseconds since the Unix epoch.
    pub time_us: u64,
    /// The connection id of the client.
    pub session: u32,
    /// The client's address; None: a unix socket.
    pub client: Option<SocketAddr>,
    /// The account.
    pub user: Arc<str>,
    /// The default schema.
    pub schema: Box<str>,
    /// The digest's number.
    pub digest: u64,
    /// The digest text.
    pub digest_text: Box<str>,
    /// The text with its literals.
    pub text: Option<Box<str>>,
    /// The kind of the statement.
    pub kind: Option<StatementKind>,
    /// The name of its server.
    pub server: Option<Arc<str>>,
    /// What it did.
    pub figures: Figures,
}

impl ExecutedStatement<'_> {
    /// Copies the statement.
    pub fn event(&self) -> Event {
        Event {
            time_us: unix_us(),
            session: self.session,
            client: self.client,
            user: self.user.clone(),
            schema: String::from_utf8_lossy(self.schema).into(),
            digest: self.digest.0,
            digest_text: self.digest.1.into(),
            text: self.text.map(Box::from),
            kind: self.kind,
            server: self.server.cloned(),
            figures: *self.figures,
        }
    }
}

impl Event {
    /// Returns about how much memory the event takes, in bytes.
    pub fn bytes(&self) -> usize {
        let texts =
            self.schema.len() + self.digest_text.len() + self.text.as_ref().map_or(0, |text| text.len());
        size_of::<Self>() + texts
    }
}
