//! What a hostile client, text, server or neighbour could do before it was closed off: one module
//! for each class of attack, against real servers where the behaviour of the server is the point.
//! `SECURITY.md` names the promise that each module checks.

mod admin_port;
mod answers;
mod attributes;
mod credentials;
mod cursors;
mod functions;
mod globals;
mod handed_on;
#[path = "attacks/hidden_state.rs"]
mod hidden_state;
mod hostile;
mod impostor;
mod local_files;
mod logins;
mod memory;
mod opening;
mod operator;
mod own_statements;
mod passwords;
mod privileges;
mod raw_access;
mod reading_transactions;
mod readings;
mod reread;
mod resets;
mod stalled;
mod texts;
