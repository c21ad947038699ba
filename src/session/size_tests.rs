//! An idle session is little more than itself and its future: their size is a promise.

use super::*;
use crate::net::{Buf, TokioRuntime};

/// The size of the future that a session's method returns; the method is not run.
fn future_size<'a, F: Future>(_: impl FnOnce(&'a mut Session<TokioRuntime>) -> F) -> usize {
    std::mem::size_of::<F>()
}

#[test]
fn a_session_waits_in_little_memory() {
    let session = std::mem::size_of::<Session<TokioRuntime>>();
    let (run, serve) = (future_size(Session::run), future_size(|s| s.serve(Buf::default())));
    assert!(session + run <= 2048, "{session} + {run} bytes, of which serve {serve}");
}
