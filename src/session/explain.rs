//! Answers a statement with `/* pointsman: explain */` in front by a result set that says where the statement
//! would go, and why, and what the session holds. The statement itself does not run.

use super::Session;
use super::request::Request;
use crate::config::Choice;
use crate::net::Runtime;
use crate::terms::Close;
use crate::terms::Role;
use crate::wire::{Capabilities, EofPacket, OkPacket, Writer, frame_with};

/// `Protocol::ColumnType` of a VAR_STRING.
const VAR_STRING: u8 = 0xfd;

/// `Protocol::ColumnType` of a BIGINT.
const LONGLONG: u8 = 8;

/// The collation id of utf8mb4_general_ci.
const UTF8MB4: u16 = 45;

/// The collation id of numbers.
const BINARY: u16 = 63;

const COLUMNS: [&str; 7] = ["kind", "target", "server", "reason", "because", "session_holds", "consistency"];

impl<R: Runtime> Session<R> {
    /// Explains the statement instead of running it.
    pub(super) async fn explain(&mut self, buf: &mut crate::net::Buf, request: Request) -> Result<(), Close> {
        self.level_now = self.level(&request);
        let (mut role, mut why) = self.place(&request);
        let version = self.context.topology.get();
        let server = match role {
            Role::Reader => self.links.kept_on(role).or_else(|| self.reader_server()),
            Role::Writer => version.writer,
        };
        if role == Role::Reader && server.is_none() {
            (role, why) = (Role::Writer, self.why_no_reader());
        }
        let server = if role == Role::Writer { version.writer } else { server };
        let name = server.and_then(|id| version.server(id)).map(|s| s.name.to_string());
        let held: Vec<String> = Role::BOTH
            .iter()
            .flat_map(|role| {
                let where_ = if *role == Role::Writer { "on the primary" } else { "on a replica" };
                self.state.pins.on(*role).iter().map(move |pin| format!("{} {where_}", pin.words()))
            })
            .collect();
        let (level, source) = self.explained_level(&request);
        let own = self.is_own(buf, request);
        let because = if own {
            "the statement is about a variable of the proxy's own".into()
        } else {
            why.words().into()
        };
        let row = [
            Some(request.class.kind.as_str().to_owned()),
            Some(if own { "proxy" } else { role.target() }.to_owned()),
            name.filter(|_| !own),
            Some(why.as_str().to_owned()),
            Some(because),
            (!held.is_empty()).then(|| held.join(", ")),
            Some(format!("{} (by {})", level.word(), source.words())),
        ];
        let seq = self.skip(buf, request).await?;
        let columns = COLUMNS.map(|name| Column::text(name, 1024));
        self.send_row(seq, &columns, &row).await
    }

    /// Answers `SELECT ROW_COUNT()` as the connection of the statement before it would have answered.
    pub(super) async fn answer_row_count(&mut self, seq: u8) -> Result<(), Close> {
        let column = Column { name: "ROW_COUNT()", kind: LONGLONG, collation: BINARY, length: 21 };
        let count = self.state.last.row_count.to_string();
        self.state.last.row_count = -1;
        self.send_row(seq, &[column], &[Some(count)]).await
    }

    /// Sends a result set of one row.
    pub(super) async fn send_row(
        &mut self,
        mut seq: u8,
        columns: &[Column<'_>],
        row: &[Option<String>],
    ) -> Result<(), Close> {
        let mut out = self.context.buffers.small();
        let deprecate_eof = self.capabilities.contains(Capabilities::DEPRECATE_EOF);
        let track = self.capabilities.contains(Capabilities::SESSION_TRACK);
        let metadata_ext = self.capabilities.contains(Capabilities::MARIADB_EXTENDED_METADATA);
        let status = self.shown_status();
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
            packet(&mut |out| {
                for value in row {
                    match value {
                        Some(text) => out.put_lenenc_bytes(text.as_bytes()),
                        None => out.push(0xfb),
                    }
                }
            });
            packet(&mut |out| {
                if deprecate_eof {
                    OkPacket { status, ..OkPacket::default() }.encode(out, 0xfe, track);
                } else {
                    eof.encode(out);
                }
            });
        });
        self.state.answer.next_seq = Some(seq);
        let out = self.write(out).await?;
        self.context.buffers.give(out);
        Ok(())
    }
}

/// One column of the proxy's own answers.
pub(super) struct Column<'a> {
    name: &'a str,
    /// `Protocol::ColumnType`
    kind: u8,
    collation: u16,
    length: u32,
}

impl<'a> Column<'a> {
    /// Returns a text column of up to `length` bytes.
    pub(super) fn text(name: &'a str, length: u32) -> Self {
        Column { name, kind: VAR_STRING, collation: UTF8MB4, length }
    }
}

/// Appends a `Protocol::ColumnDefinition41`.
fn column(out: &mut Vec<u8>, column: &Column<'_>, metadata_ext: bool) {
    /// The flag of columns with numbers.
    const BINARY_FLAG: u16 = 128;
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
    let flags = if column.kind == LONGLONG { BINARY_FLAG } else { 0 };
    out.extend_from_slice(&flags.to_le_bytes());
    out.extend_from_slice(&[0, 0, 0]);
}
