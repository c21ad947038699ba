//! What one worker counts. Label values are closed enums: an index into an array,
//! so that counting is an add and a scrape needs no map.

use super::cells::{Cell, Latency};

/// Makes an enum whose variants are label values and array indices.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every value, in order of index.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The label's value in `/metrics`.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }
        }
    };
}

label! {
    /// Why a client's connection ended, by who ended it.
    Close {
        /// COM_QUIT or a clean end between statements.
        Quit = "quit",
        /// The client vanished in the middle of something.
        ClientLost = "client_lost",
        /// The client broke the protocol.
        ClientProtocol = "client_protocol",
        /// Login refused.
        LoginFailed = "login_failed",
        /// Login took too long.
        LoginTimeout = "login_timeout",
        /// `timeouts.idle`.
        IdleTimeout = "idle_timeout",
        /// `limits.max_connections`.
        TooManyConnections = "too_many_connections",
        /// The server was lost in the middle of an answer, or held state that cannot move.
        ServerLost = "server_lost",
        /// The server broke the protocol.
        ServerProtocol = "server_protocol",
        /// KILL.
        Killed = "killed",
        /// The proxy is shutting down.
        Drained = "drained",
    }
}

label! {
    /// What a change of writer, or a lost server, meant for a session's statement.
    Disruption {
        /// The session moved silently.
        Moved = "moved",
        /// The statement was run again on another server (a read without an answer yet).
        Retried = "retried",
        /// The statement waited for a writer.
        Held = "held",
        /// The wait for a writer ended in an error.
        HoldExpired = "hold_expired",
        /// Open transaction rolled back: 1213, 40001.
        RolledBack = "rolled_back",
        /// Sent, no answer: 08007.
        OutcomeUnknown = "outcome_unknown",
        /// The answer broke off in the middle.
        AnswerCut = "answer_cut",
        /// State that could not move: 1053, 08S01, and the connection ends.
        StateLost = "state_lost",
    }
}

label! {
    /// The mode of the port a session came through.
    Port {
        /// `mode = "primary"`
        Primary = "primary",
        /// `mode = "replica"`
        Replica = "replica",
        /// `mode = "split"`
        Split = "split",
    }
}

/// One worker's counts.
#[derive(Debug, Default)]
pub struct WorkerMetrics {
    /// Clients accepted, by port.
    pub accepted: [Cell; Port::ALL.len()],
    /// Clients connected now, by port.
    pub clients: [Cell; Port::ALL.len()],
    /// Clients ended, by reason.
    pub closed: [Cell; Close::ALL.len()],
    /// Commands that went to a server, by port.
    pub statements: [Cell; Port::ALL.len()],
    /// From the command read to the last byte of the answer written, by port.
    pub latency: [Latency; Port::ALL.len()],
    /// ERR packets that the proxy made itself.
    pub proxy_errors: Cell,
    /// What failovers did to statements.
    pub disruptions: [Cell; Disruption::ALL.len()],
    /// Statements waiting for a writer now.
    pub waiting_for_writer: Cell,
    /// Statements waiting for a server connection now (a limit is reached).
    pub waiting_for_connection: Cell,
    /// Bytes from and to clients.
    pub bytes_in: Cell,
    /// Bytes to clients.
    pub bytes_out: Cell,
    /// Server connections opened.
    pub server_connects: Cell,
    /// Attempts to open a server connection that failed.
    pub server_connect_errors: Cell,
    /// Server connections open now, in use or pooled.
    pub server_connections: Cell,
    /// Of these, idle in the pool.
    pub server_idle: Cell,
    /// Accepts that failed for want of file descriptors or memory.
    pub accept_errors: Cell,
    /// Raw sockets handed to a less loaded worker.
    pub handed_over: Cell,
}

/// `cell_of(&m.closed, Close::Quit as usize)` without a panic path.
pub fn cell_of(cells: &[Cell], index: usize) -> &Cell {
    static NOWHERE: Cell = Cell::zero();
    cells.get(index).unwrap_or(&NOWHERE)
}
