//! The authentication plugins' exchanges as pure functions and small state machines.
