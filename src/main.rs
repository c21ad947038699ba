//! The binary: everything is in the library.

use std::process::ExitCode;

/// Says how much memory is in use, which limits.memory needs, and gives freed memory back.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    pointsman::app::main()
}
