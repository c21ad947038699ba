//! Whose memory this is: passwords stand in it, and nobody else is to read them.

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// From now on this process leaves no core dump, and no other one of the same user can attach to it or read its memory
/// (`PR_SET_DUMPABLE`). What it starts begins as usual.
pub(super) fn keep_private() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "the memory of this process, with passwords, can be dumped: the system refuses PR_SET_DUMPABLE");
    }
}
