//! The spread of election timeouts, from the server's own stream of random numbers.

use raft::Randomness;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// Draws election timeouts.
#[derive(Debug, Clone)]
pub(super) struct ElectionTimeouts(ChaCha8Rng);

impl ElectionTimeouts {
    pub(super) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }
}

impl Randomness for ElectionTimeouts {
    /// The high half of a 32 by 32 bit product; draws that would favour some numbers are repeated.
    fn below(&mut self, bound: u32) -> u32 {
        let unfair = bound.wrapping_neg() % bound;
        loop {
            let product = u64::from(self.0.next_u32()) * u64::from(bound);
            let (high, low) = (product >> 32, product & u64::from(u32::MAX));
            if low >= u64::from(unfair) {
                return u32::try_from(high).expect("the high half has 32 bits");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_below_the_bound_and_follow_the_seed() {
        let draw = |seed| {
            let mut timeouts = ElectionTimeouts::new(seed);
            (0..100).map(|_| timeouts.below(10)).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1), "the same seed");
        assert_ne!(draw(1), draw(2), "another one");
        assert!((0..10).all(|number| draw(1).contains(&number)), "every number comes up");
        assert!(draw(1).iter().all(|&number| number < 10), "and no other");
    }
}
