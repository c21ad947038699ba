//! What a hostile client, text, server or neighbour could do before it was closed off: one module
//! for each class of attack, against real servers where the behaviour of the server is the point.
//! `SECURITY.md` names the promise that each module checks.

#[path = "attacks/admin_port.rs"]
mod admin_port;
#[path = "attacks/attributes.rs"]
mod attributes;
#[path = "attacks/credentials.rs"]
mod credentials;
#[path = "attacks/cursors.rs"]
mod cursors;
mod dialogue;
#[path = "attacks/functions.rs"]
mod functions;
#[path = "attacks/globals.rs"]
mod globals;
#[path = "attacks/impostor.rs"]
mod impostor;
#[path = "attacks/local_files.rs"]
mod local_files;
#[path = "attacks/logins.rs"]
mod logins;
#[path = "attacks/memory.rs"]
mod memory;
#[path = "attacks/operator.rs"]
mod operator;
#[path = "attacks/own_statements.rs"]
mod own_statements;
#[path = "attacks/passwords.rs"]
mod passwords;
#[path = "attacks/privileges.rs"]
mod privileges;
#[path = "attacks/raw_access.rs"]
mod raw_access;
#[path = "attacks/readings.rs"]
mod readings;
#[path = "attacks/resets.rs"]
mod resets;
#[path = "attacks/stalled.rs"]
mod stalled;
mod support;
#[path = "attacks/texts.rs"]
mod texts;
