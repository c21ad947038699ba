//! The built-in defaults. `config/pointsman.toml` states them, too, and a test checks that
//! both are the same.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use super::level::Level;
use super::networks::Networks;
use super::types::*;

/// `monitor.interval`
pub(super) const MONITOR_INTERVAL: Duration = Duration::from_millis(100);
/// `worker_fill`
pub(super) const WORKER_FILL: usize = 16;
/// `discovery.servers.weight`
pub(super) const WEIGHT: u16 = 1;
/// Returns the number of data threads if the file says 0 or nothing: one per core.
pub(super) fn workers() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Returns the listeners of a file without `[[listeners]]`.
pub(super) fn listeners() -> Vec<Listener> {
    let listener = |name, address: &str, mode| Listener {
        name: Arc::from(name),
        address: address.to_owned(),
        mode,
        native_password: true,
        compression: ClientCompression::Off,
        proxy_protocol_from: Networks::default(),
    };
    vec![listener("rw", "0.0.0.0:3306", Mode::Split), listener("ro", "0.0.0.0:6447", Mode::Replica)]
}

impl Default for Log {
    fn default() -> Self {
        Log { format: LogFormat::Text, level: "info".to_owned() }
    }
}

impl Default for Consistency {
    fn default() -> Self {
        Consistency { level: Level::Strong, max_wait: Duration::from_millis(50), primary_share: 50 }
    }
}

impl Default for Replicas {
    fn default() -> Self {
        Replicas { max_lag: Duration::from_secs(10), fallback: Fallback::Primary, zone: None }
    }
}

impl Default for Failover {
    fn default() -> Self {
        Failover {
            hold: Duration::from_secs(30),
            grace: Duration::from_secs(5),
            silence: Duration::from_secs(30),
            replay: Replay::Safe,
            replay_limit: 1 << 20,
            commit: LostCommit::Unknown,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_connections: 10_000,
            max_connections_per_address: 0,
            max_user_connections: 0,
            max_login_errors: 100,
            block_time: Duration::from_secs(10),
            memory: None,
            max_server_connections: const { NonZeroUsize::new(1_000).unwrap() },
            reserve: 10,
            queue_timeout: Duration::from_secs(10),
        }
    }
}

impl Default for Pool {
    fn default() -> Self {
        Pool {
            idle_timeout: Duration::from_secs(60),
            max_statements: const { NonZeroUsize::new(256).unwrap() },
            compression: ServerCompression::Off,
            client_tag: ClientTag::Off,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            connect: Duration::from_secs(2),
            login: Duration::from_secs(10),
            idle: Duration::from_secs(8 * 3600),
            client_read: Duration::from_secs(30),
            client_write: Duration::from_secs(60),
        }
    }
}

impl Default for Drain {
    fn default() -> Self {
        Drain { delay: Duration::ZERO, timeout: Duration::from_secs(20) }
    }
}
