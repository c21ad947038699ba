//! One try of a statement: sends the request and handles the answer.

use super::large_request::Streamed;
use crate::client::Request;
use crate::net::Runtime;
use crate::session::Session;
use crate::session::common::Outcome;
use crate::session::fresh::Freshness;
use crate::sql::Effects;
use crate::sql::parts::first_word;
use crate::state::PinSet;
use crate::terms::{Close, Role, StatementKind};
use crate::topology::Flavor;
use crate::wire::{Call, Capabilities, Command, InFront, Legs, ResponseShape, ResponseWalker, StatusFlags};
use crate::worker::DataAccess;

impl<R: Runtime> Session<R> {
    /// Sends the request once on the connection in use, and forwards the answer. Returns how the try ended.
    /// The answer of a read that went ahead of the primary's position is held back until that position is known.
    pub(in crate::session) async fn exchange(
        &mut self,
        request: &mut Request,
        freshness: &mut Freshness,
    ) -> Result<Outcome, Close> {
        if self.upstream.role == Role::Primary {
            self.journaling().begin_statement(request);
        }
        if request.class.effects.contains(Effects::ENDS) {
            self.mark_commit(request);
        }
        // A prepare does not execute the text, so it leaves no state on the connection.
        self.upstream.sent = if request.command == Command::StmtPrepare {
            PinSet::default()
        } else {
            let names = Effects::CREATES_TEMPORARY | Effects::SETS_USER_VARIABLES;
            let text = if request.class.effects.intersects(names) {
                self.classifier().meant_text(request)
            } else {
                None
            };
            self.state.sends(self.upstream.role, &request.class, text.as_deref())
        };
        let shape = request.command.response_to(request.payload());
        self.client.handle.servers.data_access.set(DataAccess::of(self.upstream.role, request));
        let Streamed { seq, packets, sent } = if request.whole {
            let sent = match self.names_client() {
                false => self.upstream.send_whole(request).await,
                true => Box::pin(self.send_with_client(request)).await,
            };
            Streamed { seq: 1, packets: 1, sent }
        } else {
            Box::pin(self.send_large(&mut request.buf, freshness)).await?
        };
        if shape == ResponseShape::None {
            if !sent {
                self.upstream.server_lost();
            } else if self.may_refuse_long_data(request) {
                Box::pin(self.settle_long_data()).await?;
            }
            if let Some(connection) = self.upstream.connection_mut() {
                connection.end_exchange();
                connection.ran(None);
            }
            request.consume();
            return Ok(Outcome::Done);
        }
        let mut walker = self.walker(shape, seq, request);
        walker.answers_packets(packets);
        if !sent || self.upstream.connection().is_none() {
            return Ok(self.lost(sent, false, &walker, request));
        }
        if matches!(freshness, Freshness::Ahead(_)) {
            match self.is_as_expected(freshness).await {
                Ok(true) => {}
                // Boxed: the future of this rare case is large.
                Ok(false) => return Box::pin(self.drop_answer(&mut walker, request)).await,
                Err(stop) => return self.broken_off(stop, &walker, request),
            }
        }
        self.answer(&mut walker, request).await
    }

    /// Returns how the flags in front of the rows differ from those behind them.
    fn in_front(&self, request: &Request) -> InFront {
        let of_mariadb = self.upstream.connection().is_some_and(|c| c.about.flavor == Flavor::MariaDb);
        let explains = of_mariadb && request.class.kind == StatementKind::Read;
        if !explains && !matches!(request.class.kind, StatementKind::Admin | StatementKind::Ddl) {
            return InFront::AsBehind;
        }
        let prepared = self.state.statements.peek(request.statement).map(|prepared| &*prepared.text.text);
        let text = prepared.or_else(|| self.client.text_of(request)).unwrap_or_default();
        let word = first_word(text, self.state.sql_options()).unwrap_or_default();
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        match of_mariadb {
            true if is("HELP") => InFront::OwnTransaction,
            true if ["CHECKSUM", "CACHE", "LOAD"].into_iter().any(is) => InFront::AsBefore,
            true if ["EXPLAIN", "DESCRIBE", "DESC", "ANALYZE"].into_iter().any(is) => InFront::NoPlan,
            false if is("HELP") => InFront::NoTransaction,
            false if is("CHECKSUM") => InFront::AsBefore,
            _ => InFront::AsBehind,
        }
    }

    /// Returns the walker for the answer to a request. `seq` is the sequence id of the answer's first packet.
    fn walker(&mut self, shape: ResponseShape, seq: u8, request: &Request) -> ResponseWalker {
        let server = self.upstream.connection().map_or(Capabilities::empty(), |c| c.about.capabilities);
        let mut legs = Legs::new(server, self.client.capabilities);
        legs.also = self.state.transaction_elsewhere(self.upstream.role);
        legs.warnings = self
            .upstream
            .connection()
            .and_then(|connection| self.state.repeats_conditions(&request.class, connection.about.thread()));
        if self.client.piece.more {
            legs.also |= StatusFlags::MORE_RESULTS_EXISTS;
        }
        let effects = request.class.effects;
        let calls = effects.contains(Effects::CALLS) && !effects.contains(Effects::SEVERAL);
        let of_mysql = self.upstream.connection().is_some_and(|c| c.about.flavor == Flavor::MySql);
        if calls && request.command != Command::StmtPrepare {
            legs.call = if of_mysql { Call::OfMySql } else { Call::OfMariaDb };
        }
        if legs.server_deprecate_eof && !legs.client_deprecate_eof {
            legs.in_front = self.in_front(request);
            legs.eof_says_changed = !of_mysql;
        }
        let mut walker = ResponseWalker::new(shape, legs, seq, self.state.transaction.status);
        walker.goes_on(request.header.seq);
        walker.expects_columns(request.columns);
        if request.command == Command::StmtPrepare {
            walker.names_statement(self.state.statements.next_id());
        }
        if request.class.may_load_local_file() {
            walker.allows_local_files(self.classifier().local_files(request));
        }
        walker
    }
}
