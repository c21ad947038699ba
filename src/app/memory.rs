//! The memory budget: its limit, from the configuration or from the memory that the process may
//! use, and the allocator's measurement of what is in use.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;

use crate::config::Live;
use crate::net::MemoryBudget;

/// The part of the cgroup's or the machine's memory that the proxy uses by default, in quarters. The rest is for the
/// allocator's gaps, the sockets' buffers in the kernel, and thread stacks.
const QUARTERS: u64 = 3;

/// Where cgroups are mounted.
const CGROUPS: &str = "/sys/fs/cgroup";

/// Returns the memory in pages with any allocation of the process, in bytes; 0 if the allocator is not jemalloc. Takes
/// about 10 µs.
#[cfg(feature = "jemalloc")]
fn in_use() -> usize {
    use tikv_jemalloc_ctl::{epoch, stats};
    let active = epoch::advance().and_then(|_| stats::active::read());
    active.unwrap_or(0)
}

/// Returns the memory of the process that is in RAM, in bytes: the system's allocator does not say what is in use.
#[cfg(not(feature = "jemalloc"))]
fn in_use() -> usize {
    const PAGE: usize = 4096;
    let resident = || fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse::<usize>().ok();
    resident().unwrap_or(0).saturating_mul(PAGE)
}

/// Returns the budget of this process. A task keeps its limit equal to `limits.memory`.
pub(super) fn budget(live: watch::Receiver<Arc<Live>>) -> Arc<MemoryBudget> {
    let budget = Arc::new(MemoryBudget::new(in_use));
    let available = available();
    let set = move |budget: &MemoryBudget, live: &Live| {
        let limit = live.limits.memory.map(|bytes| bytes as u64);
        let limit = limit.or(available.map(|bytes| bytes / 4 * QUARTERS)).unwrap_or(u64::MAX);
        if budget.limit() != limit {
            tracing::info!(bytes = limit, "limits.memory");
            budget.set_limit(limit);
        }
    };
    set(&budget, &live.borrow());
    tokio::task::spawn_local(follow(budget.clone(), live, set));
    budget
}

async fn follow(
    budget: Arc<MemoryBudget>,
    mut live: watch::Receiver<Arc<Live>>,
    set: impl Fn(&MemoryBudget, &Live),
) {
    while live.changed().await.is_ok() {
        let now = live.borrow_and_update().clone();
        set(&budget, &now);
    }
}

/// Returns the memory that the process may use, in bytes: the smallest of the limits of its cgroup and the cgroups
/// above it, and of the machine's memory.
fn available() -> Option<u64> {
    let of_cgroup = fs::read_to_string("/proc/self/cgroup")
        .map(|text| limit_files(&text, Path::new(CGROUPS)))
        .unwrap_or_default()
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok()?.trim().parse::<u64>().ok())
        .min();
    let of_machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_memory(&text));
    // cgroups of version 1 have a very large number for "no limit", so the machine's memory must be compared, too.
    of_cgroup.into_iter().chain(of_machine).min()
}

/// Returns the files that may have limits, according to `/proc/self/cgroup`: of both cgroup versions, of the process's
/// cgroup and all above it.
fn limit_files(cgroups: &str, mounted: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in cgroups.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let (root, name) = match controllers {
            "" => (mounted.to_owned(), "memory.max"),
            _ if controllers.split(',').any(|one| one == "memory") => {
                (mounted.join("memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let below = Path::new(path.trim_start_matches('/'));
        files.extend(below.ancestors().map(|folder| root.join(folder).join(name)));
    }
    files
}

/// Returns MemTotal of `/proc/meminfo`, in bytes.
fn total_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_looked_for_in_both_versions_of_cgroups() {
        let files = |text| -> Vec<String> {
            limit_files(text, Path::new("/m")).iter().map(|file| file.display().to_string()).collect()
        };
        assert_eq!(files("0::/a/b\n"), ["/m/a/b/memory.max", "/m/a/memory.max", "/m/memory.max"]);
        assert_eq!(
            files("3:cpu:/x\n2:memory:/y\nnonsense\n"),
            ["/m/memory/y/memory.limit_in_bytes", "/m/memory/memory.limit_in_bytes"]
        );
    }

    #[test]
    fn the_machine_has_memory() {
        assert_eq!(total_memory("MemFree: 1 kB\nMemTotal:       1000 kB\n"), Some(1_024_000));
        assert!(available().is_some_and(|bytes| bytes > 1 << 20));
    }
}
