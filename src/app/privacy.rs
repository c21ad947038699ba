//! Protects the memory of the process, which contains passwords, from other processes.

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// Makes this process undumpable (`PR_SET_DUMPABLE`): it leaves no core dump, and other processes of the same user
/// cannot attach to it or read its memory. Programs that it starts are dumpable as usual.
pub(super) fn keep_private() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "the memory of this process, with passwords, can be dumped: the system refuses PR_SET_DUMPABLE");
    }
}
