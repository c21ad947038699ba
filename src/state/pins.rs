//! What keeps a session on its server connections: a set of named pins for each of its two servers, and how
//! long each pin was held.

use std::sync::Arc;

use tokio::time::Instant;

use crate::telemetry::WorkerMetrics;
use crate::terms::{PerRole, Pin, Role};

/// A set of pins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PinSet(u32);

impl PinSet {
    const fn bit(pin: Pin) -> u32 {
        1 << pin as u16
    }

    /// Returns the set of these pins.
    pub const fn of(mut pins: &[Pin]) -> Self {
        let mut bits = 0;
        while let Some((first, rest)) = pins.split_first() {
            bits |= Self::bit(*first);
            pins = rest;
        }
        PinSet(bits)
    }

    /// True if there is no pin.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// True if this pin is in the set.
    pub fn has(self, pin: Pin) -> bool {
        self.0 & Self::bit(pin) != 0
    }

    /// True if any pin is in both sets.
    pub fn has_any(self, of: PinSet) -> bool {
        self.0 & of.0 != 0
    }

    /// Returns the pins of both sets.
    pub const fn with(self, other: PinSet) -> PinSet {
        PinSet(self.0 | other.0)
    }

    /// Returns a bit for the index of each pin.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Returns the pins that the other set lacks.
    pub fn without(self, other: PinSet) -> PinSet {
        PinSet(self.0 & !other.0)
    }

    /// Returns the pins of the set, in the order of their definition.
    pub fn iter(self) -> impl Iterator<Item = Pin> {
        Pin::ALL.iter().copied().filter(move |pin| self.has(*pin))
    }
}

/// Pins that do not bind the session's reads to their connection.
const NOT_FOR_READS: PinSet = PinSet::of(&[Pin::Sequence, Pin::FoundRows]);

/// See the module.
#[derive(Debug, Default)]
pub struct Pins {
    /// Where pins are counted.
    metrics: Option<Arc<WorkerMetrics>>,
    sets: PerRole<PinSet>,
    /// When each pin began, on either server. None for a session that never had a pin.
    since: Option<Box<[Option<Instant>; Pin::ALL.len()]>>,
}

impl Pins {
    /// Creates an empty set of pins, whose future pins are counted in these metrics.
    pub fn counted_in(metrics: Option<Arc<WorkerMetrics>>) -> Self {
        Pins { metrics, ..Pins::default() }
    }

    /// Removes and returns the metrics, for the `Pins` that replace these.
    pub fn take_metrics(&mut self) -> Option<Arc<WorkerMetrics>> {
        self.metrics.take()
    }

    /// Returns the pins on one of the two servers.
    #[inline]
    pub fn on(&self, role: Role) -> PinSet {
        *self.sets.of(role)
    }

    /// Returns what keeps the session on either connection.
    pub fn on_both(&self) -> PinSet {
        self.on(Role::Primary).with(self.on(Role::Replica))
    }

    fn on_mut(&mut self, role: Role) -> &mut PinSet {
        self.sets.of_mut(role)
    }

    /// Returns the role on whose connection the session's reads must run because of its pins. None: on any.
    #[inline]
    pub fn reads_follow(&self) -> Option<Role> {
        Role::BOTH
            .into_iter()
            .find(|role| !self.on(*role).is_empty() && !self.on(*role).without(NOT_FOR_READS).is_empty())
    }

    /// Sets a pin. Counts it, unless it was set already.
    pub fn set(&mut self, role: Role, pin: Pin) {
        if self.on(role).has(pin) {
            return;
        }
        self.on_mut(role).0 |= PinSet::bit(pin);
        if let Some(metrics) = &self.metrics {
            metrics.pins[pin].add(1);
        }
        if let Some(since) = self.since.get_or_insert_default().get_mut(pin as usize) {
            since.get_or_insert_with(Instant::now);
        }
    }

    /// Removes pins. Counts the time that a pin was held once neither server has the pin.
    pub fn end(&mut self, role: Role, pins: PinSet) {
        let ending = PinSet(self.on(role).0 & pins.0);
        if ending.is_empty() {
            return;
        }
        self.on_mut(role).0 &= !ending.0;
        let PerRole { primary, replica } = self.sets;
        for pin in ending.iter().filter(|pin| !primary.has(*pin) && !replica.has(*pin)) {
            let since = self.since.as_mut().and_then(|all| all.get_mut(pin as usize)).and_then(Option::take);
            if let (Some(since), Some(metrics)) = (since, &self.metrics) {
                let held = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
                metrics.pinned_us[pin].add(held);
            }
        }
    }

    /// Removes all pins of one server.
    pub fn end_all(&mut self, role: Role) {
        self.end(role, PinSet(u32::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pins_are_counted_and_timed() {
        let metrics = Arc::new(WorkerMetrics::default());
        assert_eq!(Pin::ALL.len(), 17);
        let mut pins = Pins::counted_in(Some(metrics.clone()));
        assert_eq!(pins.reads_follow(), None);
        pins.set(Role::Primary, Pin::FoundRows);
        assert_eq!(pins.reads_follow(), None);
        pins.set(Role::Replica, Pin::Cursor);
        assert_eq!(pins.reads_follow(), Some(Role::Replica));
        pins.set(Role::Primary, Pin::UserVariable);
        pins.set(Role::Primary, Pin::UserVariable);
        assert_eq!((pins.reads_follow(), metrics.pins[Pin::UserVariable].get()), (Some(Role::Primary), 1));
        tokio::time::advance(std::time::Duration::from_millis(7)).await;
        pins.end(Role::Primary, PinSet::of(&[Pin::FoundRows]));
        assert!(pins.on(Role::Primary).has(Pin::UserVariable) && !pins.on(Role::Primary).has(Pin::FoundRows));
        pins.end_all(Role::Primary);
        assert_eq!(
            (pins.reads_follow(), metrics.pinned_us[Pin::UserVariable].get()),
            (Some(Role::Replica), 7000)
        );
    }
}
