//! The driver on io_uring: one ring for each data thread. Sockets receive into buffers that the kernel chooses, and keep
//! one receive under way for as long as they live, so that neither a wait nor a read needs a system call of its own.
//!
//! The tasks of a thread run in tokio's `LocalSet`, which this driver polls in place of tokio's runtime. The runtime of
//! the control thread lends its context, for what is rare: name resolution, long work aside, and timers of other modules.

mod listener;
mod reactor;
mod run;
mod slot;
mod socket;
#[cfg(test)]
mod tests;
mod timers;

/// Operations that can be queued between two turns; a full queue is handed over earlier.
pub const OPERATIONS: u32 = 512;

/// The receive buffers of a thread. All sockets that have bytes in one turn can have one.
pub const BUFFERS: u16 = 256;

/// The size of a receive buffer, in bytes: enough for a statement and for a short answer. All buffers of a thread are
/// used in turn, so that its memory is that of all of them.
pub const BUFFER: u32 = 4 * 1024;

pub(super) use listener::RingListener;
pub(super) use reactor::Reactor;
pub use run::run;

/// Returns how many sockets of this thread were closed, and stay open until their peers have read what was written.
pub fn lingering() -> usize {
    Reactor::current().map_or(0, |reactor| reactor.lingering())
}

/// Gives up those that have waited too long. Call it once a second.
pub fn end_lingering() {
    if let Some(reactor) = Reactor::current() {
        reactor.end_lingering();
    }
}

pub(super) use socket::RingSocket;
pub(super) use timers::Sleep;
