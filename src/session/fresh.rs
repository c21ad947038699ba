//! What a read needs to be fresh. The barrier finds it out; the choice of a replica uses it. It belongs to one statement: the
//! session keeps nothing of it.

use std::rc::Rc;

use super::context::Diverted;
use crate::positions::Batch;
use crate::state::Written;
use crate::topology::{GtidSet, ServerId};

/// What a statement knows of the primary's position.
#[derive(Default)]
pub enum Freshness {
    /// The primary was not asked.
    #[default]
    Unasked,
    /// The statement may go to a replica that has this position.
    Position(Rc<GtidSet>),
    /// The statement may go to a replica that has the position that the batch expects. The client must not
    /// get the answer before the primary has confirmed that position.
    Ahead(Rc<Batch>),
    /// The statement goes to the primary: no replica can serve it.
    Primary,
    /// The statement may go to this server, which has all that the statement must see.
    On(ServerId),
    /// The statement goes to the primary, since no replica could answer in time. If there are many such
    /// statements, the next ones wait until this one is done.
    Diverted(#[expect(dead_code, reason = "counts for as long as it is here")] Diverted),
}

/// What a server must have to answer a read.
#[derive(Clone, Copy)]
pub struct Needed<'s> {
    /// The session's own writes.
    pub written: &'s Written,
    /// What the statement found out.
    pub freshness: &'s Freshness,
}
