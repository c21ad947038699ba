//! Statements about the proxy's own variable, by which sessions choose a consistency level. Servers never see these.

use crate::client::{Failure, Misuse, Request, StatementError};
use crate::config::{Choice, Level};
use crate::net::Runtime;
use crate::session::Session;
use crate::session::common::Column;
use crate::sql::Effects;
use crate::sql::proxy_variable::{CONSISTENCY, Own, parse};
use crate::terms::Close;
use crate::wire::{Capabilities, Command, query_text};
use crate::worker::Levels;

impl<R: Runtime> Session<R> {
    /// Answers a text about the proxy's variable. Forwards any other text.
    pub(in crate::session) async fn own_variable(&mut self, request: &mut Request) -> Result<(), Close> {
        let prepares = request.command == Command::StmtPrepare;
        let Some(own) = self.own(request) else {
            return self.forward_text(request).await;
        };
        let failure = match own {
            _ if prepares => Failure::OwnVariable(Misuse::Prepared),
            Own::SetGlobal => Failure::OwnVariable(Misuse::SetGlobal),
            Own::SelectGlobal => Failure::OwnVariable(Misuse::ReadGlobal),
            Own::NotAlone => Failure::OwnVariable(Misuse::NotAlone),
            Own::Set(value) => match value.map(level_of).transpose() {
                Ok(level) => {
                    let levels = Levels { set: level, ..self.client.handle.levels.get() };
                    self.context.choose_levels(&self.client.handle, levels);
                    let seq = self.client.skip(request).await?;
                    return self.replies().send_ok(seq).await;
                }
                Err(failure) => failure,
            },
            Own::Select(name) => {
                let name = String::from_utf8_lossy(name).into_owned();
                let seq = self.client.skip(request).await?;
                let value = self.own_value();
                return self.replies().send_row(seq, &[Column::text(&name, 64)], &[Some(value)]).await;
            }
            Own::Show => {
                let seq = self.client.skip(request).await?;
                let columns = [Column::text("Variable_name", 64), Column::text("Value", 1024)];
                let row = [Some(CONSISTENCY.to_owned()), Some(self.own_value())];
                return self.replies().send_row(seq, &columns, &row).await;
            }
        };
        self.replies().skip_and_stop(request, StatementError::Tell(failure)).await
    }

    fn own<'a>(&self, request: &'a Request) -> Option<Own<'a>> {
        let has_attributes = request.command == Command::Query;
        let attributes = has_attributes && self.client.capabilities.contains(Capabilities::QUERY_ATTRIBUTES);
        let text = query_text(request.arguments(), attributes).unwrap_or_default();
        parse(text, self.state.sql_options()).filter(|_| request.whole)
    }

    /// True if `own_variable` answers this statement.
    pub(in crate::session) fn is_own(&self, request: &Request) -> bool {
        request.class.effects.contains(Effects::MAY_BE_OWN) && self.own(request).is_some()
    }

    fn own_value(&self) -> String {
        self.client.handle.level.get().word().to_owned()
    }
}

/// Parses a level's word, in any case, as the variable and the attribute have it.
pub(in crate::session) fn level_of(word: &[u8]) -> Result<Level, Failure> {
    let level = Level::WORDS.iter().find(|(known, _)| word.eq_ignore_ascii_case(known.as_bytes()));
    level.map(|(_, level)| *level).ok_or_else(|| Failure::UnknownLevel(word.into()))
}
