//! Temporary folders and ports. A folder is named after the test process, so that the
//! next run can end and remove what a crashed run left behind.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

/// In the folder of each process that a test starts.
pub const PID_FILE: &str = "harness.pid";

static NEXT: AtomicU32 = AtomicU32::new(0);
static SWEEP: Once = Once::new();

/// A folder that is removed with its owner.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new, empty folder. Its path is short: Unix sockets go into it.
    pub fn new(name: &str) -> Self {
        let base = std::env::temp_dir().join("pointsman-tests");
        SWEEP.call_once(|| sweep(&base));
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = base.join(format!("{}-{name}{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("cannot create a scratch folder");
        Scratch(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // For looking at the logs of a test that failed.
        if std::env::var_os("POINTSMAN_KEEP").is_none() {
            let _ = std::fs::remove_dir_all(&self.0);
        } else {
            eprintln!("kept: {}", self.0.display());
        }
    }
}

/// Ends what runs in folders whose test process is gone, and removes them.
fn sweep(base: &Path) {
    let Ok(entries) = std::fs::read_dir(base) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.split('-').next().unwrap_or_default();
        if owner.parse::<u32>().is_ok() && !Path::new("/proc").join(owner).exists() {
            end_leftovers(&entry.path());
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn end_leftovers(folder: &Path) {
    let mut folders = vec![folder.to_path_buf()];
    folders.extend(std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()));
    for dir in folders {
        let Ok(pid) = std::fs::read_to_string(dir.join(PID_FILE)) else {
            continue;
        };
        // The number may belong to another process by now: ours carries its folder in its arguments.
        let cmdline = std::fs::read(format!("/proc/{}/cmdline", pid.trim())).unwrap_or_default();
        if String::from_utf8_lossy(&cmdline).contains(&*dir.to_string_lossy()) {
            signal(pid.trim(), "KILL");
        }
    }
}

/// Sends a signal by name, through the shell: the crate and its tests have no unsafe code.
/// After STOP, every thread has stopped.
pub fn signal(pid: impl std::fmt::Display, name: &str) -> bool {
    Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/setup/signal.sh"))
        .args([name, &pid.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

/// A port nobody listens on, below the range from which the kernel takes ports for outgoing
/// connections: so it is still free when a killed server comes back.
pub fn free_port() -> u16 {
    // Below them are the ports of the scripts in tests/setup.
    const FIRST: u32 = 22_000;
    const COUNT: u32 = 10_000;
    let start = std::process::id().wrapping_mul(211);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(7);
        let port = FIRST + start.wrapping_add(step) % COUNT;
        let port = u16::try_from(port).expect("FIRST + COUNT fits a port");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port");
}
