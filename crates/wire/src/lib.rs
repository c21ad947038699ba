//! The protocol as values: headers, flags, commands, packets and the response
//! walker. No I/O, no async, no logging; whatever a peer sends is a value or an
//! error, never a panic.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation
    )
)]

mod attributes;
mod binlog;
mod capabilities;
mod change_user;
mod client_tag;
mod command;
mod dump;
mod edits;
mod error;
pub mod error_code;
mod greeting;
mod handshake_response;
mod handshake_response_320;
mod header;
mod packets;
mod parameters;
mod primitives;
mod proxy_header;
mod query;
mod session_track;
mod status;
mod trace_parent;
mod walker;

pub use attributes::{attributes_for_server, kept_attributes};
pub use binlog::BinlogEvent;
pub use capabilities::Capabilities;
pub use change_user::ChangeUser;
pub use client_tag::{Splice, attribute_of_execute, attribute_of_query, client_named, comment_in_front};
pub use command::{Command, ResponseShape};
pub use dump::{DumpEvents, DumpReplies};
pub use edits::{Edits, Piece};
pub use error::ProtocolError;
pub use greeting::Greeting;
pub use handshake_response::{HandshakeResponse, encode_ssl_request, is_ssl_request};
pub use handshake_response_320::HandshakeResponse320;
pub use header::{MAX_PAYLOAD, PacketHeader, frame, frame_with};
pub use packets::{AuthSwitchRequest, EofPacket, ErrPacket, OkPacket, PrepareOk, auth_more_data};
pub use parameters::{Execute, Types, bulk_types, first_types, flag_types, kinds_of_types};
pub use primitives::{Reader, Writer};
pub use proxy_header::{ProxyHeader, ProxyHeaderStart};
pub use query::{query_attribute, query_text};
pub use session_track::{StateChange, StateChanges, Tracked};
pub use status::StatusFlags;
pub use trace_parent::TraceParent;
pub use walker::{Call, InFront, Legs, Observer, OnErr, ResponseWalker, Walked};
