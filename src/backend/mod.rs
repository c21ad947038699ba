//! The server side: connect, authenticate, pool, reset.
