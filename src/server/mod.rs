//! Workers, accept, drain, reload, signals.
