//! Answers that the proxy itself sends to the client.

use crate::backend::{RefusedCommand, ServerError};
use crate::client::{Client, Count, CountQuestion, Failure, Request, StatementError};
use crate::config::Level;
use crate::net::Runtime;
use crate::session::Context;
use crate::session::observe::{Measured, Observation};
use crate::state::SessionState;
use crate::terms::Close;
use crate::wire::error_code::{ER_MALFORMED_PACKET, ER_WARN_DEPRECATED_SYNTAX};
use crate::wire::{Capabilities, EofPacket, OkPacket, ResponseShape, StatusFlags, Writer, frame_with};

/// `Protocol::ColumnType` of a VAR_STRING.
const VAR_STRING: u8 = 0xfd;

/// `Protocol::ColumnType` of a BIGINT.
const LONGLONG: u8 = 8;

/// The collation id of utf8mb4_general_ci.
const UTF8MB4: u16 = 45;

/// The collation id of numbers.
const BINARY: u16 = 63;

/// The parts of a session that answer its client.
pub(in crate::session) struct Replies<'s, R: Runtime> {
    pub(in crate::session) context: &'s Context<R>,
    pub(in crate::session) client: &'s mut Client<R>,
    pub(in crate::session) measured: &'s mut Measured,
    pub(in crate::session) state: &'s mut SessionState,
    pub(in crate::session) level: Level,
}

impl<R: Runtime> Replies<'_, R> {
    /// Sends an OK packet of the proxy itself.
    pub(in crate::session) async fn send_ok(self, seq: u8) -> Result<(), Close> {
        self.send_ok_with(seq, b"").await
    }

    /// Sends an OK packet of the proxy itself with this text.
    pub(in crate::session) async fn send_ok_with(self, seq: u8, info: &[u8]) -> Result<(), Close> {
        let status = self.shown_status();
        let track = self.legs_track();
        self.state.last.answered_itself(0);
        self.state.answer.next_seq = Some(seq.wrapping_add(1));
        self.client
            .send(seq, |out| OkPacket { status, info, ..OkPacket::default() }.encode(out, 0, track))
            .await
    }

    /// Answers COM_SET_OPTION by the packet that otherwise ends rows: an EOF packet, or an OK packet for clients that do
    /// not expect EOF.
    pub(in crate::session) async fn send_end(self, seq: u8) -> Result<(), Close> {
        let status = self.shown_status();
        let track = self.legs_track();
        let deprecate_eof = self.client.capabilities.contains(Capabilities::DEPRECATE_EOF);
        let warnings = self.state.conditions();
        self.state.last.answered_itself(-1);
        self.client
            .send(seq, |out| match deprecate_eof {
                true => OkPacket { status, warnings, ..OkPacket::default() }.encode(out, 0xfe, track),
                false => EofPacket { warnings, status }.encode(out),
            })
            .await
    }

    /// Answers COM_PING. The OK packet repeats the number of warnings of the last statement, as MySQL's does.
    pub(in crate::session) async fn send_pong(self, seq: u8) -> Result<(), Close> {
        let status = self.state.transaction.status & StatusFlags::OF_THE_SESSION;
        let warnings = self.state.conditions();
        self.state.last.answered_itself(0);
        let track = self.legs_track();
        self.client
            .send(seq, |out| OkPacket { status, warnings, ..OkPacket::default() }.encode(out, 0, track))
            .await
    }

    /// Returns the status flags for an answer of the proxy itself.
    pub(in crate::session) fn shown_status(&self) -> StatusFlags {
        let status = self.state.transaction.status & StatusFlags::OF_THE_SESSION;
        if self.client.piece.more { status | StatusFlags::MORE_RESULTS_EXISTS } else { status }
    }

    fn legs_track(&self) -> bool {
        self.client.capabilities.contains(Capabilities::SESSION_TRACK)
    }

    /// Discards a request that is not sent to a server, and sends the error after the client has sent the whole
    /// request.
    pub(in crate::session) async fn skip_and_stop(
        self,
        request: &mut Request,
        stop: StatementError,
    ) -> Result<(), Close> {
        let seq = self.client.skip(request).await?;
        match stop {
            // COM_STMT_SEND_LONG_DATA has no answer. The statement must not run without this part of its parameter,
            // so the connection ends. The client reads this error as the answer to its next command.
            StatementError::Tell(failure) | StatementError::TellAndClose(failure, _)
                if request.command.response() == ResponseShape::None && request.statement != 0 =>
            {
                Err(self.client.refuse(seq, &failure, Close::ServerLost).await)
            }
            StatementError::Close(close) => Err(close),
            _ if request.command.response() == ResponseShape::None => Ok(()),
            stop => self.stop(seq, stop).await,
        }
    }

    /// Sends an ERR packet of the proxy itself. The session goes on, and its diagnostics show the error.
    pub(in crate::session) async fn send_failure(self, seq: u8, failure: &Failure) -> Result<(), Close> {
        let (code, sqlstate, text) = failure.parts();
        let refused = match failure {
            Failure::UnknownCommand => Some(RefusedCommand::Unknown),
            Failure::NoStatement(id, _) => Some(RefusedCommand::Statement(*id)),
            Failure::NoCursor(id, _) => {
                let text = self.state.statements.peek(*id).map(|known| known.text.id);
                let text = text.filter(|text| !self.state.statements.is_busy(*text));
                Some(RefusedCommand::Cursor(*id, text))
            }
            Failure::Server(error) if error.code == ER_MALFORMED_PACKET => Some(RefusedCommand::Malformed),
            _ => None,
        };
        self.state
            .answered_itself(ServerError { code, sqlstate, message: text.as_bytes().to_vec() }, refused);
        self.client.send_failure(seq, failure).await
    }

    fn as_observation(&mut self) -> Observation<'_, R> {
        Observation {
            context: self.context,
            client: self.client,
            measured: self.measured,
            state: self.state,
            level: self.level,
        }
    }

    /// Sends the error to the client, and returns Err if the session ends.
    pub(in crate::session) async fn stop(mut self, seq: u8, stop: StatementError) -> Result<(), Close> {
        match stop {
            StatementError::Count(question) => Box::pin(self.answer_count(seq, question)).await,
            StatementError::Tell(failure) => {
                self.as_observation().count_failure(&failure);
                self.send_failure(seq, &failure).await
            }
            StatementError::TellAndClose(failure, close) => {
                self.as_observation().count_failure(&failure);
                Err(self.client.refuse(seq, &failure, close).await)
            }
            StatementError::Close(close) => Err(close),
        }
    }

    /// Ends a statement that was not sent, with this error.
    pub(in crate::session) async fn end_unsent(
        self,
        request: &mut Request,
        stop: StatementError,
    ) -> StatementEnd {
        StatementEnd(self.skip_and_stop(request, stop).await)
    }

    /// Answers `SELECT ROW_COUNT()` or `SELECT FOUND_ROWS()` as the connection of the earlier statement would have answered.
    async fn answer_count(self, seq: u8, question: CountQuestion) -> Result<(), Close> {
        let column = Column { name: &question.column, kind: LONGLONG, collation: BINARY, length: 21 };
        let count = match question.count {
            Count::Row => self.state.last.row_count.to_string(),
            Count::Found => self.state.last.query.rows.to_string(),
        };
        let warns = question.count == Count::Found && !self.state.texts.of_mariadb;
        let row = [Some(count)];
        // It is a query as any other: the session may want no rows.
        let wants_none = self.state.carried.variable(b"sql_select_limit") == Some(b"0");
        let row = if wants_none { None } else { Some(row.as_slice()) };
        self.send_row_and_warn(seq, &[column], row, warns.then(found_rows_are_deprecated)).await
    }

    /// Sends a result set of one row.
    pub(in crate::session) async fn send_row(
        self,
        seq: u8,
        columns: &[Column<'_>],
        row: &[Option<String>],
    ) -> Result<(), Close> {
        self.send_row_and_warn(seq, columns, Some(row), None).await
    }

    /// Sends a result set of one row, or of none, behind which the session's diagnostics show this warning.
    async fn send_row_and_warn(
        self,
        mut seq: u8,
        columns: &[Column<'_>],
        row: Option<&[Option<String>]>,
        warning: Option<ServerError>,
    ) -> Result<(), Close> {
        let mut out = self.context.buffers.small();
        let deprecate_eof = self.client.capabilities.contains(Capabilities::DEPRECATE_EOF);
        let track = self.client.capabilities.contains(Capabilities::SESSION_TRACK);
        let metadata_ext = self.client.capabilities.contains(Capabilities::MARIADB_EXTENDED_METADATA);
        let status = self.shown_status();
        let warnings = u16::from(warning.is_some());
        self.state.answered_query(u32::from(row.is_some()), warning);
        out.replace_with(|out| {
            let mut packet = |write: &mut dyn FnMut(&mut Vec<u8>)| {
                frame_with(out, seq, |out| write(out));
                seq = seq.wrapping_add(1);
            };
            packet(&mut |out| out.put_lenenc(columns.len() as u64));
            for one in columns {
                packet(&mut |out| column(out, one, metadata_ext));
            }
            let eof = EofPacket { warnings: 0, status };
            if !deprecate_eof {
                packet(&mut |out| eof.encode(out));
            }
            if let Some(row) = row {
                packet(&mut |out| {
                    for value in row {
                        match value {
                            Some(text) => out.put_lenenc_bytes(text.as_bytes()),
                            None => out.push(0xfb),
                        }
                    }
                });
            }
            packet(&mut |out| {
                if deprecate_eof {
                    OkPacket { status, warnings, ..OkPacket::default() }.encode(out, 0xfe, track);
                } else {
                    EofPacket { warnings, status }.encode(out);
                }
            });
        });
        self.state.answer.next_seq = Some(seq);
        self.client.write(&mut out).await?;
        self.context.buffers.give(out);
        Ok(())
    }
}

/// Returns MySQL's warning behind `FOUND_ROWS()`, from version 8.0.17 on.
fn found_rows_are_deprecated() -> ServerError {
    let text = b"FOUND_ROWS() is deprecated and will be removed in a future release. Consider using COUNT(*) instead.";
    ServerError { code: ER_WARN_DEPRECATED_SYNTAX, sqlstate: *b"01000", message: text.to_vec() }
}

/// The end of a statement without a server's answer. Ok: the client got an answer or an error from the proxy, and the
/// session continues. Err: the session ends.
pub(in crate::session) struct StatementEnd(pub Result<(), Close>);

impl From<Close> for StatementEnd {
    fn from(close: Close) -> Self {
        StatementEnd(Err(close))
    }
}

/// One column of a result set of the proxy itself.
pub(in crate::session) struct Column<'a> {
    name: &'a str,
    /// `Protocol::ColumnType`
    kind: u8,
    collation: u16,
    length: u32,
}

impl<'a> Column<'a> {
    /// Returns a text column of up to `length` bytes.
    pub(in crate::session) fn text(name: &'a str, length: u32) -> Self {
        Column { name, kind: VAR_STRING, collation: UTF8MB4, length }
    }
}

/// Appends a `Protocol::ColumnDefinition41`.
fn column(out: &mut Vec<u8>, column: &Column<'_>, metadata_ext: bool) {
    /// The column flags of numbers of servers: NOT_NULL and BINARY.
    const NUMBER: u16 = 1 | 128;
    out.put_lenenc_bytes(b"def");
    for part in ["", "", "", column.name, ""] {
        out.put_lenenc_bytes(part.as_bytes());
    }
    if metadata_ext {
        out.push(0);
    }
    out.push(0x0c);
    out.extend_from_slice(&column.collation.to_le_bytes());
    out.extend_from_slice(&column.length.to_le_bytes());
    out.push(column.kind);
    let flags = if column.kind == LONGLONG { NUMBER } else { 0 };
    out.extend_from_slice(&flags.to_le_bytes());
    out.extend_from_slice(&[0, 0, 0]);
}

/// Writes the OK packet for clients from before version 4.1: no rows, and no insert id.
pub(in crate::session) fn ok_before_41(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0, 0, 0]);
}
