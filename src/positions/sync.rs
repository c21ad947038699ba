//! The atomics of [`super::turns`]: `tests/loom.rs` puts loom's in their place.

pub use std::sync::atomic::AtomicU64;
pub use std::sync::atomic::Ordering::SeqCst;
