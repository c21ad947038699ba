//! What a client asks for: reads its commands, classifies their texts, and answers those that need no server.

mod commands;
mod dump;
mod explain;
mod kill;
mod own_variable;
mod pieces;
mod prepared;
mod text_command;

pub use kill::kill_here;
pub(in crate::session) use own_variable::level_of;
