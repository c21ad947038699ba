//! Temporary folders and ports. A folder is named after the test process, so that the
//! next run can end and remove what a crashed run left behind.

use std::fs::File;
use std::io::{Read, Seek, Write};
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
/// connections: so it is still free when a killed server comes back. The test processes of this machine
/// take turns: a port comes again after all the others, so nobody else takes it before a server listens.
pub fn free_port() -> u16 {
    // Below them are the ports of the scripts in tests/setup.
    const FIRST: u16 = 22_000;
    const COUNT: u16 = 10_000;
    let base = std::env::temp_dir().join("pointsman-tests");
    std::fs::create_dir_all(&base).expect("cannot create the folder of the tests");
    let mut counter = File::options();
    let counter = counter.read(true).write(true).create(true).truncate(false).open(base.join("last-port"));
    let mut counter = counter.expect("cannot open the counter of ports");
    counter.lock().expect("cannot lock the counter of ports");
    let mut last = String::new();
    counter.read_to_string(&mut last).expect("cannot read the counter of ports");
    let mut place = last.trim().parse::<u16>().map_or(0, |last| last.saturating_sub(FIRST));
    for _ in 0..COUNT {
        place = (place + 1) % COUNT;
        let port = FIRST + place;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            let written = counter.rewind().and_then(|()| writeln!(counter, "{port}"));
            written.expect("cannot write the counter of ports");
            return port;
        }
    }
    panic!("no free port");
}
