//! The same runs in front of somebody else's port: see the head of `tests/it/faults.rs`.

use super::scene::Front;
use crate::support::Relay;
use std::process::{Child, Stdio};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What was started for a rival; it ends with its owner.
pub struct Command(Child);

impl Drop for Command {
    fn drop(&mut self) {
        crate::support::signal(self.0.id(), "TERM");
        let _ = self.0.wait();
    }
}

/// `POINTSMAN_TARGET=host:port`, where the host is this machine.
pub fn target() -> Option<u16> {
    let target = std::env::var("POINTSMAN_TARGET").ok()?;
    let port = target.rsplit(':').next().and_then(|port| port.parse().ok());
    Some(port.unwrap_or_else(|| panic!("POINTSMAN_TARGET={target} is not host:port")))
}

/// Where servers are found, one port after the other: so that a rival's configuration can be written before.
pub fn first_port() -> Option<u16> {
    target()
        .map(|_| u16::try_from(crate::support::number("FIRST_PORT", 21_306)).expect("FIRST_PORT is a port"))
}

/// Runs `RIVAL` and waits until the port answers.
pub async fn begin(lines: &[Relay]) -> Option<Front> {
    let port = target()?;
    let servers: Vec<_> = lines.iter().map(|line| format!("127.0.0.1:{}", line.port())).collect();
    eprintln!("servers at {}; accounts app/app, monitor/monitor; waiting for port {port}", servers.join(" "));
    let child = std::env::var("RIVAL").ok().map(|command| {
        let mut shell = std::process::Command::new("sh");
        shell
            .args(["-c", &format!("exec {command}")])
            .env("SERVERS", servers.join(" "))
            .env("PORT", port.to_string());
        Command(shell.stdin(Stdio::null()).spawn().expect("cannot run RIVAL"))
    });
    let deadline = Instant::now() + Duration::from_secs(120);
    while crate::support::connect(port, "app", "app", "test").await.is_err() {
        assert!(Instant::now() < deadline, "nobody answers on port {port}");
        sleep(Duration::from_millis(100)).await;
    }
    Some(Front::Rival(port, child))
}
