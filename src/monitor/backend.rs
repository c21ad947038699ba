//! Implements the probes' connection with `backend`'s: one account, and a small class of its own.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::client::{Closed, Connection, Connector, Encryption, Error, Greeting, ResultSet, Target};
use super::name_watch::{LeftAddresses, NameWatch};
use crate::backend::{
    self, Announced, Ceilings, ConnectError, Full, Introduction, Login, PooledQuestion, QueryError,
    WaitingMark, connect, own_class,
};
use crate::net::{Runtime, Stream, TlsError};
use crate::topology::ServerId;

/// Probes need no particular character set: utf8mb4_general_ci, which every server has.
const COLLATION: u16 = 45;

/// A server's connections are retired at most once in this period because its name leads to other addresses: some names
/// lead to other ones with each look-up.
const RETIRED_FLOOR: Duration = Duration::from_secs(60);

/// Opens the probes' connections.
#[derive(Debug)]
pub struct BackendConnector<R: Runtime> {
    runtime: R,
    ceilings: Arc<Ceilings>,
    /// The servers that took no more connections at the last attempt. For each mark the pools close one connection there.
    wanted: RefCell<HashMap<ServerId, WaitingMark>>,
    retired: Rc<RetiredCell>,
    /// Where the pools get questions. None: there are no pools.
    asks: Option<mpsc::UnboundedSender<PooledQuestion>>,
}

/// When the connections of a server were last retired.
type RetiredCell = RefCell<HashMap<ServerId, Instant>>;

impl<R: Runtime> BackendConnector<R> {
    /// Returns a connector that asks the pools for a place on a server that takes no more connections.
    pub fn new(runtime: R, ceilings: Arc<Ceilings>) -> Self {
        let (wanted, retired) = (RefCell::default(), Rc::default());
        BackendConnector { runtime, ceilings, wanted, retired, asks: None }
    }

    /// Has the pools' connections answer where a server does not let the probes in.
    pub fn asking(self, pools: mpsc::UnboundedSender<PooledQuestion>) -> Self {
        BackendConnector { asks: Some(pools), ..self }
    }

    /// Asks for a place, until the next attempt, if the server took no more connections.
    fn wants_place(&self, server: ServerId, refused: Option<&ConnectError>) {
        let full =
            matches!(refused, Some(ConnectError::Refused(e)) if Full::of(e.code) == Some(Full::Server));
        let mut wanted = self.wanted.borrow_mut();
        wanted.remove(&server);
        // Each attempt makes a mark of its own: somebody else may have taken the place that the last one freed.
        if let Some(mark) = full.then(|| self.ceilings.mark_waiting(server, None)).flatten() {
            wanted.insert(server, mark);
        }
    }
}

/// A connection for probes.
pub struct BackendConnection<S> {
    connection: backend::Connection<S>,
    greeting: Greeting,
    /// None: the server's address is no name.
    name: Option<NameWatch>,
    server: ServerId,
    ceilings: Arc<Ceilings>,
    retired: Rc<RetiredCell>,
}

impl<S> BackendConnection<S> {
    /// Has the connections to the server that are open now be closed as soon as nothing pins them.
    fn retire(&self) {
        let mut retired = self.retired.borrow_mut();
        if retired.get(&self.server).is_none_or(|last| last.elapsed() >= RETIRED_FLOOR) {
            retired.insert(self.server, Instant::now());
            self.ceilings.renewals.retire(self.server);
        }
    }
}

impl<R: Runtime> Connector for BackendConnector<R> {
    type Connection = BackendConnection<R::Stream>;

    async fn connect(&self, target: &Target) -> Result<Self::Connection, Error> {
        // The probes' connections are in no pool, so the server id and generation do not matter.
        let to = backend::Target {
            autocommit: true,
            resets: true,
            flavor: None,
            instance: Arc::default(),
            server: ServerId(0),
            name: target.name.clone(),
            address: target.address.clone(),
            tls_names: target.tls_names.clone(),
            generation: 0,
        };
        let login = Login::new(target.user.clone(), target.password.clone());
        let announced = target.proxy_header.then_some(Announced::Proxy);
        let introduction = Introduction { announced, ..Introduction::of_proxy(COLLATION) };
        let opened = connect(&self.runtime, &to, &login, own_class(), &introduction).await;
        self.wants_place(target.server, opened.as_ref().err());
        let (connection, greeting) = opened.map_err(connect_error)?;
        let greeting = Greeting {
            version: String::from_utf8_lossy(&greeting.version).into(),
            capabilities: greeting.capabilities.bits(),
            collation: greeting.collation,
            encryption: match &connection.encrypted {
                Some(tls) => Encryption::Tls(tls.version),
                None if connection.fell_back => Encryption::NotOffered,
                None => Encryption::Plain,
            },
        };
        let name = NameWatch::of(&target.address, connection.stream.peer_address());
        let (server, ceilings, retired) = (target.server, self.ceilings.clone(), self.retired.clone());
        Ok(BackendConnection { connection, greeting, name, server, ceilings, retired })
    }

    async fn ask_pooled(&self, server: ServerId, sql: &str) -> Option<Vec<ResultSet>> {
        let (reply, answer) = oneshot::channel();
        self.asks.as_ref()?.send(PooledQuestion { server, text: sql.to_owned(), reply }).ok()?;
        Some(result_sets(answer.await.ok()?))
    }

    fn pooled(&self, server: ServerId) -> Option<usize> {
        self.ceilings.open_to(server)
    }
}

impl<S: Stream> Connection for BackendConnection<S> {
    fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    async fn query(&mut self, sql: &str) -> Result<Vec<ResultSet>, Error> {
        self.connection.query(sql).await.map(result_sets).map_err(query_error)
    }

    async fn errors(&mut self, texts: &[String]) -> Result<Vec<Option<Error>>, Error> {
        let refused = self.connection.refusals(texts).await.map_err(query_error)?;
        Ok(refused.into_iter().map(|error| error.as_ref().map(server_error)).collect())
    }

    async fn closed(&mut self) -> Closed {
        loop {
            let Some(name) = &mut self.name else {
                self.connection.closed().await;
                return Closed::ByServer;
            };
            let left = tokio::select! {
                () = self.connection.closed() => return Closed::ByServer,
                left = name.left() => left,
            };
            self.retire();
            if left == LeftAddresses::Own {
                return Closed::Moved;
            }
        }
    }

    async fn quit(self) {
        self.connection.quit().await;
    }
}

fn result_sets(sets: Vec<backend::ResultSet>) -> Vec<ResultSet> {
    sets.into_iter().map(|s| ResultSet { columns: s.columns, rows: s.rows }).collect()
}

fn connect_error(e: ConnectError) -> Error {
    match e {
        ConnectError::Io(e) => Error::Lost(e.to_string()),
        ConnectError::Tls { error: TlsError::Io(e), .. } => Error::Lost(format!("TLS handshake: {e}")),
        ConnectError::Refused(e) => server_error(&e),
        other => Error::Protocol(other.to_string()),
    }
}

fn query_error(e: QueryError) -> Error {
    match e {
        QueryError::Io(e) => Error::Lost(e.to_string()),
        QueryError::Refused(e) => server_error(&e),
        QueryError::Protocol(e) => Error::Protocol(e.to_string()),
    }
}

fn server_error(e: &backend::ServerError) -> Error {
    Error::Server { code: e.code, message: String::from_utf8_lossy(&e.message).into_owned() }
}
