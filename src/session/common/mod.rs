//! What the other folders share.

mod acquire;
mod client_tag;
mod drain;
mod facts;
mod outcome;
mod output;
mod replies;
mod statement_text;

pub(in crate::session) use drain::LOOKS;
pub(in crate::session) use facts::may_end_transaction;
pub(in crate::session) use outcome::{Outcome, UnansweredTry};
pub(in crate::session) use output::{ChunkOutput, PassingChunk};
pub(in crate::session) use replies::{Column, StatementEnd, ok_before_41};
pub(in crate::session) use statement_text::asked;
