//! What the other folders share.

mod acquire;
mod classification;
mod client_tag;
mod cut;
mod drain;
mod facts;
mod outcome;
mod output;
mod replies;
mod statement_text;

pub(in crate::session) use classification::{Classified, Classifier, prepared_as_text, reads_aside};
pub(in crate::session) use cut::{cut, has_several, trimmed};
pub(in crate::session) use drain::LOOKS;
pub(in crate::session) use facts::{StatementFacts, may_end_transaction};
pub(in crate::session) use outcome::{Outcome, UnansweredTry};
pub(in crate::session) use output::{ChunkOutput, PassingChunk};
pub(in crate::session) use replies::{Column, Replies, StatementEnd, ok_before_41};
pub(in crate::session) use statement_text::asked;
