//! Metrics of the process, under the names that Prometheus dashboards expect.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::families::Families;

/// Clock ticks in `/proc/self/stat` are USER_HZ, which Linux fixes at 100 for user space.
const TICKS_PER_SECOND: f64 = 100.0;

/// Version, start time, CPU time, memory and file descriptors.
#[derive(Debug)]
pub struct ProcessFamilies {
    /// When the process began.
    pub started: SystemTime,
}

impl Collector for ProcessFamilies {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families::new(encoder);
        families.info(
            "pointsman_build",
            "The version that runs.",
            [("version", env!("CARGO_PKG_VERSION"))],
        )?;
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        families.gauge(
            "process_start_time_seconds",
            "When the process began, in seconds since 1970.",
            started.as_secs_f64(),
        )?;
        if let Some(seconds) = cpu_seconds() {
            families.seconds_counter(
                "process_cpu_seconds",
                "CPU time of all threads, user and system.",
                seconds,
            )?;
        }
        if let Some(bytes) = resident_bytes() {
            families.gauge("process_resident_memory_bytes", "Memory in RAM.", bytes)?;
        }
        if let Some(open) = open_fds() {
            families.gauge("process_open_fds", "Open file descriptors.", open)?;
        }
        Ok(())
    }
}

/// How the workers wait for their sockets.
#[derive(Debug, Clone, Copy)]
pub struct DriverFamilies {
    /// The driver.
    pub driver: &'static str,
    /// Why it is this one.
    pub reason: &'static str,
}

impl Collector for DriverFamilies {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        Families::new(encoder).info(
            "pointsman_io",
            "How the workers wait for their sockets, and why so.",
            [("driver", self.driver), ("reason", self.reason)],
        )
    }
}

fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The command name, the second field, may contain spaces and parentheses.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / TICKS_PER_SECOND)
}

fn resident_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some((kib * 1024) as f64)
}

fn open_fds() -> Option<f64> {
    // Reading the folder itself opens one descriptor.
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64)
}
