//! Decides when a statement that was not executed is tried again.
//!
//! | failed tries | the next try |
//! |---|---|
//! | the first | at once: a pooled connection was broken |
//! | more | after a pause that grows by 20 ms each time, or as soon as the snapshot of the servers changes |
//! | more than 8, or more than 4 if a server refuses the session's state | none: the client gets an error |

use std::time::Duration;

/// The maximum number of tries of one statement in which nothing was executed, before the client gets an error. Pooled
/// connections to a server that died are detected one by one, some only after they accepted the statement.
pub const MAX_TRIES: u32 = 8;

/// The maximum number of failed tries if a server refuses the session's state: no other connection to that server would
/// accept the state.
const MAX_REFUSALS: u32 = 4;

/// How much longer each pause is than the pause before it. During the pauses, the proxy notices what broke together
/// with a server.
const PAUSE: Duration = Duration::from_millis(20);

/// When the next try begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextTry {
    /// Now.
    AtOnce,
    /// After this time, or after the next snapshot of the servers.
    After(Duration),
    /// Never.
    TooMany,
}

/// Decides about the next try after `failed` failed tries. `state_refused`: the last server refused the session's
/// state.
pub fn next_try(failed: u32, state_refused: bool) -> NextTry {
    let most = if state_refused { MAX_REFUSALS } else { MAX_TRIES };
    match failed {
        0 | 1 => NextTry::AtOnce,
        failed if failed <= most => NextTry::After(PAUSE * (failed - 1)),
        _ => NextTry::TooMany,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_tries_has_its_pause_or_is_too_many() {
        for state_refused in [false, true] {
            let most = if state_refused { 4 } else { 8 };
            let mut last = Duration::ZERO;
            for failed in 0..=most {
                match next_try(failed, state_refused) {
                    NextTry::AtOnce => assert!(failed <= 1),
                    NextTry::After(pause) => {
                        assert!(failed > 1 && pause > last, "pauses grow");
                        last = pause;
                    }
                    NextTry::TooMany => panic!("{failed} of {most} are not too many"),
                }
            }
            for failed in most + 1..100 {
                assert_eq!(next_try(failed, state_refused), NextTry::TooMany);
            }
        }
    }

    #[test]
    fn all_pauses_together_are_shorter_than_a_failover() {
        let pause = |failed| match next_try(failed, false) {
            NextTry::After(pause) => pause,
            _ => Duration::ZERO,
        };
        let all: Duration = (0..100).map(pause).sum();
        assert_eq!(all, Duration::from_millis(560));
    }
}
