//! Chance that can be had again.

use std::time::Duration;

/// xorshift64*: the same for the same seed.
#[derive(Debug)]
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).expect("31 bits") % bound
    }

    /// Mostly short, so that what goes on side by side meets; sometimes longer than a server's silence may be.
    pub fn pause(&mut self) -> Duration {
        let most = if self.below(4) == 0 { 1200 } else { 120 };
        Duration::from_millis(self.below(most) as u64)
    }
}

/// A number from the environment.
pub fn number(name: &str, fallback: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(fallback)
}
