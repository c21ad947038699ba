//! An idle session is little more than itself and its future: their size is a promise.

use super::*;
use crate::client::Request;
use crate::net::{Buf, SystemRuntime};
use crate::terms::Role;
use crate::wire::ResponseWalker;

/// The size of the future that a session's method returns; the method is not run.
fn future_size<'a, F: Future>(_: impl FnOnce(&'a mut Session<SystemRuntime>) -> F) -> usize {
    std::mem::size_of::<F>()
}

#[test]
fn a_session_waits_in_little_memory() {
    let session = std::mem::size_of::<Session<SystemRuntime>>();
    let mut buf = Buf::default();
    let (run, serve) = (future_size(Session::run), future_size(|s| s.serve(&mut buf)));
    // A task takes 1 KiB with this, which is a size of the allocator: 16 bytes more would take 256 more.
    assert!(run <= 832 && session <= 640, "{session} + {run} bytes, of which serve {serve}");
}

/// The size of the future in which a `strong` read waits for the primary's position.
fn waiting_size<'a, F: Future>(
    _: impl FnOnce(&'a mut Session<SystemRuntime>, &'a mut ResponseWalker, &'a mut Buf, &'a mut Request) -> F,
) -> usize {
    std::mem::size_of::<F>()
}

#[test]
fn what_most_reads_await_is_small() {
    // The future is copied to the heap for each read. It had 43 KiB when it contained what happens if the primary has
    // another position.
    let waiting = waiting_size(Session::await_position);
    assert!(waiting <= 1024, "{waiting} bytes");
}

/// The size of the future in which a statement waits for a server connection.
fn acquiring_size<'a, F: Future>(_: impl FnOnce(&'a mut Session<SystemRuntime>, Role) -> F) -> usize {
    std::mem::size_of::<F>()
}

#[test]
fn what_statements_in_line_await_is_small() {
    // Where sessions outnumber connections, most statements wait in line, and each of them copies the future.
    let acquiring = acquiring_size(Session::attach);
    assert!(acquiring <= 4096, "{acquiring} bytes");
}
