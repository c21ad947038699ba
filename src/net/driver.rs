//! Which driver the data threads use.

use pointsman_uring::Unusable;

use super::ring::{BUFFER, BUFFERS, OPERATIONS};
use crate::config::IoChoice;

/// How data threads wait for their sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// tokio, which uses epoll.
    Epoll,
    /// io_uring.
    IoUring,
}

/// The driver of this process, and why it is that one: for a log line and a metric.
#[derive(Debug, Clone, Copy)]
pub struct ChosenDriver {
    /// The driver.
    pub driver: Driver,
    /// `configured`, `usable`, or why io_uring is not.
    pub reason: &'static str,
}

impl Driver {
    /// Returns the word of the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Driver::Epoll => "epoll",
            Driver::IoUring => "io_uring",
        }
    }
}

/// io_uring was configured, and cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("io = \"io_uring\": {0}; with io = \"auto\" the proxy uses epoll instead")]
pub struct NoIoUring(Unusable);

/// Makes a ring as each worker will, and tries it out.
fn probe() -> Result<(), Unusable> {
    pointsman_uring::probe(OPERATIONS, BUFFERS, BUFFER)
}

impl ChosenDriver {
    /// Chooses the driver. Tries io_uring out, unless epoll is configured.
    pub fn of(choice: IoChoice) -> Result<Self, NoIoUring> {
        let usable = || ChosenDriver { driver: Driver::IoUring, reason: "usable" };
        match choice {
            IoChoice::Epoll => Ok(ChosenDriver { driver: Driver::Epoll, reason: "configured" }),
            IoChoice::IoUring => probe().map(|()| usable()).map_err(NoIoUring),
            IoChoice::Auto => Ok(match probe() {
                Ok(()) => usable(),
                Err(unusable) => {
                    tracing::info!(reason = %unusable, "io_uring cannot be used: the proxy uses epoll");
                    ChosenDriver { driver: Driver::Epoll, reason: unusable.name() }
                }
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_is_kept_and_explained() {
        let epoll = ChosenDriver::of(IoChoice::Epoll).unwrap();
        assert_eq!((epoll.driver, epoll.reason), (Driver::Epoll, "configured"));
        let auto = ChosenDriver::of(IoChoice::Auto).unwrap();
        assert_eq!(auto.driver == Driver::IoUring, auto.reason == "usable");
        // Where the system has io_uring, insisting on it works; where not, the error says why.
        match ChosenDriver::of(IoChoice::IoUring) {
            Ok(chosen) => assert_eq!(chosen.driver, auto.driver),
            Err(error) => assert!(error.to_string().starts_with("io = \"io_uring\": the ")),
        }
    }
}
