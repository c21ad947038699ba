//! The memory budget of the process (`limits.memory`). Whatever clients can make the proxy keep is
//! claimed here first, and refused while the budget is used up: the proxy never grows over it.
//!
//! The memory of sessions is not added up. The allocator says how much memory is in use; between two
//! of its answers the budget counts what was claimed since. So nothing is forgotten and nothing
//! counted twice. A statement of a usual size claims nothing, since its buffers are reused.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// What memory is claimed for. As the budget is used up, claims are refused in this order, so that
/// existing sessions can complete what they began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// A new client.
    Connection,
    /// A larger buffer for a large answer, statement or file.
    LargeBuffer,
    /// A statement of a transaction, kept so that the transaction can be replayed.
    Replay,
    /// The text of a prepared statement.
    Prepared,
    /// A statement, or a login, that is longer than a usual buffer.
    Statement,
    /// The buffer of a session that begins to do something.
    Buffer,
}

impl Claim {
    /// Every claim, in order of index.
    pub const ALL: [Claim; 6] = [
        Claim::Connection,
        Claim::LargeBuffer,
        Claim::Replay,
        Claim::Prepared,
        Claim::Statement,
        Claim::Buffer,
    ];

    /// Returns the label's value in `/metrics`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Claim::Connection => "connection",
            Claim::LargeBuffer => "large_buffer",
            Claim::Replay => "replay",
            Claim::Prepared => "prepared_statement",
            Claim::Statement => "statement",
            Claim::Buffer => "buffer",
        }
    }

    /// Returns how much of the budget may be in use after the claim is granted, in sixteenths.
    const fn sixteenths(self) -> u64 {
        match self {
            Claim::Connection => 11,
            Claim::LargeBuffer | Claim::Replay => 12,
            Claim::Prepared => 13,
            Claim::Statement => 14,
            Claim::Buffer => 15,
        }
    }
}

/// The memory of a new session until it borrows a buffer, in bytes: its task, its handle and what is kept
/// of the login.
pub const SESSION_BYTES: usize = 4 * 1024;

/// The allocator is asked again after claims of one part in this many of the budget.
const ASK_AFTER: u64 = 64;

/// The memory budget; see the module. One for the process. Only rare operations use it.
#[derive(Debug)]
pub struct MemoryBudget {
    /// `limits.memory`, in bytes.
    limit: AtomicU64,
    /// The memory in use at the last measurement, in bytes.
    measured: AtomicU64,
    /// The memory claimed since the last measurement, in bytes.
    claimed: AtomicU64,
    /// Asks the allocator how much memory is in use, in bytes.
    measure: fn() -> usize,
    refused: [AtomicUsize; Claim::ALL.len()],
}

/// A budget without a limit, for packets of servers, which are bounded and few.
pub static WITHOUT_LIMIT: MemoryBudget = MemoryBudget::new(|| 0);

impl Default for MemoryBudget {
    /// Makes a budget without a limit.
    fn default() -> Self {
        MemoryBudget::new(|| 0)
    }
}

impl MemoryBudget {
    /// Makes a budget, at first without a limit. `measure` returns the memory of the process in use, in bytes.
    pub const fn new(measure: fn() -> usize) -> Self {
        MemoryBudget {
            limit: AtomicU64::new(u64::MAX),
            measured: AtomicU64::new(0),
            claimed: AtomicU64::new(0),
            measure,
            refused: [const { AtomicUsize::new(0) }; Claim::ALL.len()],
        }
    }

    /// Sets the limit, in bytes.
    pub fn set_limit(&self, bytes: u64) {
        self.limit.store(bytes, Relaxed);
        self.refresh();
    }

    /// Returns the limit, in bytes.
    pub fn limit(&self) -> u64 {
        self.limit.load(Relaxed)
    }

    /// Returns the memory in use at the last measurement plus what was claimed since, in bytes.
    pub fn in_use(&self) -> u64 {
        self.measured.load(Relaxed).saturating_add(self.claimed.load(Relaxed))
    }

    /// Returns how often a claim of this kind was refused.
    pub fn refused(&self, claim: Claim) -> usize {
        self.refused.get(claim as usize).map_or(0, |count| count.load(Relaxed))
    }

    /// Asks the allocator again, so that freed memory can be claimed.
    pub fn refresh(&self) {
        self.claimed.store(0, Relaxed);
        self.measured.store((self.measure)() as u64, Relaxed);
    }

    /// True if new clients are refused. Then memory that can be recovered later should be freed.
    pub fn is_tight(&self) -> bool {
        self.in_use() > self.limit() / 16 * Claim::Connection.sixteenths()
    }

    /// Returns true if this many more bytes may be allocated now. Granted bytes count as in use until the next
    /// measurement.
    pub fn grant(&self, claim: Claim, bytes: usize) -> bool {
        let (limit, bytes) = (self.limit(), bytes as u64);
        if limit == u64::MAX {
            return true;
        }
        let most = limit / 16 * claim.sixteenths();
        let claimed = self.claimed.fetch_add(bytes, Relaxed).saturating_add(bytes);
        if claimed > limit / ASK_AFTER || self.in_use() > most {
            // The bytes of this claim are not allocated yet, so the measurement does not include them.
            self.refresh();
            self.claimed.fetch_add(bytes, Relaxed);
        }
        let granted = self.in_use() <= most;
        if !granted {
            self.claimed.fetch_sub(bytes.min(self.claimed.load(Relaxed)), Relaxed);
            if let Some(count) = self.refused.get(claim as usize) {
                count.fetch_add(1, Relaxed);
            }
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    thread_local!(static IN_USE: Cell<usize> = const { Cell::new(0) });

    fn budget(limit: u64) -> MemoryBudget {
        let budget = MemoryBudget::new(|| IN_USE.get());
        budget.set_limit(limit);
        budget
    }

    #[test]
    fn without_a_limit_everything_is_granted() {
        let budget = MemoryBudget::default();
        assert!(Claim::ALL.iter().all(|claim| budget.grant(*claim, usize::MAX / 4)));
        assert_eq!(budget.in_use(), 0);
    }

    #[test]
    fn claims_count_until_the_allocator_is_asked() {
        IN_USE.set(0);
        let budget = budget(1600);
        assert!(budget.grant(Claim::Statement, 20));
        assert_eq!(budget.in_use(), 20);
        IN_USE.set(1000);
        assert!(budget.grant(Claim::Statement, 20), "the allocator is asked after 25 bytes");
        assert_eq!(budget.in_use(), 1020);
    }

    #[test]
    fn each_claim_has_its_share() {
        let budget = budget(1600);
        for claim in Claim::ALL {
            let most = 100 * claim.sixteenths();
            IN_USE.set(usize::try_from(most).unwrap() - 10);
            budget.refresh();
            assert!(budget.grant(claim, 10), "{claim:?}");
            budget.refresh();
            assert!(!budget.grant(claim, 11), "{claim:?}");
            assert_eq!(budget.refused(claim), 1);
            IN_USE.set(0);
            assert!(budget.grant(claim, 11), "{claim:?}: memory was freed");
        }
    }

    #[test]
    fn a_refused_claim_takes_nothing() {
        IN_USE.set(0);
        let budget = budget(1600);
        for _ in 0..100 {
            assert!(!budget.grant(Claim::Buffer, 5000));
        }
        assert!(budget.grant(Claim::Buffer, 1000));
    }
}
