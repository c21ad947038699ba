//! An idle session is little more than itself and its future: their size is a promise.

use super::fresh::Freshness;
use super::*;
use crate::backend::Connection;
use crate::net::{Buf, SystemRuntime, SystemStream};
use crate::terms::Role;
use crate::worker::Handle;

/// The size of the future that a session's method returns; the method is not run.
fn future_size<'a, F: Future>(_: impl FnOnce(&'a mut Session<SystemRuntime>) -> F) -> usize {
    std::mem::size_of::<F>()
}

#[test]
fn a_session_waits_in_little_memory() {
    let session = std::mem::size_of::<Session<SystemRuntime>>();
    let mut request = Request::reading_into(Buf::default());
    let (run, serve) = (future_size(Session::run), future_size(|s| s.serve(&mut request)));
    // The task of a session has 1,024 bytes with this, and the allocator's next size is 1,280.
    assert!(run <= 888 && session <= 640, "{session} + {run} bytes, of which serve {serve}");
}

#[test]
fn connections_and_handles_fit_the_allocators_sizes() {
    let connection = std::mem::size_of::<Connection<SystemStream>>();
    let handle = std::mem::size_of::<Handle>();
    // The allocator's next size is 640. An `Rc` adds two counts to the handle.
    assert!(connection <= 512 && handle + 16 <= 512, "{connection} and {handle} bytes");
}

/// The size of the future in which a statement waits for a server connection.
fn acquiring_size<'a, F: Future>(
    _: impl FnOnce(&'a mut Session<SystemRuntime>, Role, &'a Freshness) -> F,
) -> usize {
    std::mem::size_of::<F>()
}

#[test]
fn what_statements_in_line_await_is_small() {
    // Where sessions outnumber connections, most statements wait in line, and each of them copies the future.
    let acquiring = acquiring_size(Session::attach);
    assert!(acquiring <= 4096, "{acquiring} bytes");
}
