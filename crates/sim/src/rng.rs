//! Randomness in streams. Every consumer has one of its own, all come from the cluster's seed, so
//! a draw in one place never moves the draws of another.
//!
//! A stream is `ChaCha8` with the seed as key and the consumer as nonce. Its position is a number of
//! 32-bit words and goes into the head; [`Stream::at`] goes on from there. The bounded sampler is
//! our own because it is part of every fingerprint: it must never change with a crate's version.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::scenario::{Node, Span};

/// Who draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Consumer {
    /// Latency of messages between servers.
    Network,
    /// Which messages get lost.
    Loss,
    /// Latency of clients, keys of loads.
    Clients,
    /// A server: its phase, and the seed of its own randomness.
    Node(Node),
    /// A disk: latency of syncs, what a power cut leaves.
    Disk(Node),
    /// A client of a mixed load, by its number.
    Session(u32),
    /// Delays, doubles and disorder of messages.
    LinkFaults,
    /// A plan's choices for one fault, by the checksum of its name.
    Plan(u32),
    /// How many servers a cluster begins with.
    Founders,
    /// Whether its servers ask before they campaign.
    PreVote,
}

impl Consumer {
    fn nonce(self) -> u64 {
        match self {
            Consumer::Network => 1,
            Consumer::Loss => 2,
            Consumer::Clients => 3,
            Consumer::Node(node) => 1 << 32 | u64::from(node.0),
            Consumer::Disk(node) => 2 << 32 | u64::from(node.0),
            Consumer::Session(client) => 3 << 32 | u64::from(client),
            Consumer::LinkFaults => 4,
            Consumer::Plan(fault) => 4 << 32 | u64::from(fault),
            Consumer::Founders => 5,
            Consumer::PreVote => 6,
        }
    }
}

/// One consumer's randomness.
#[derive(Clone, Debug)]
pub struct Stream {
    rng: ChaCha8Rng,
}

impl Stream {
    /// The consumer's stream from its beginning.
    pub fn new(seed: u64, consumer: Consumer) -> Stream {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..24].copy_from_slice(b"quorarium stream");
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(consumer.nonce());
        Stream { rng }
    }

    /// The consumer's stream from a position that [`Stream::position`] gave.
    pub fn at(seed: u64, consumer: Consumer, position: u128) -> Stream {
        let mut stream = Stream::new(seed, consumer);
        stream.rng.set_word_pos(position);
        stream
    }

    /// How many words were drawn.
    pub fn position(&self) -> u128 {
        self.rng.get_word_pos()
    }

    /// Any number.
    pub fn draw(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// A number below `bound`, each equally likely: the high half of a 128-bit product, drawn
    /// again while the low half falls into the short remainder.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "nothing is below 0");
        let remainder = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.draw()) * u128::from(bound);
            if split(product).1 >= remainder {
                return split(product).0;
            }
        }
    }

    /// A time within the span, both ends included. A span of one time draws nothing.
    pub fn within(&mut self, span: Span) -> u64 {
        if span.low_ns == span.high_ns {
            return span.low_ns;
        }
        span.low_ns + self.below(span.high_ns - span.low_ns + 1)
    }

    /// True for this share of the draws.
    pub fn chance_ppm(&mut self, ppm: u32) -> bool {
        ppm > 0 && self.below(1_000_000) < u64::from(ppm)
    }
}

/// High and low half.
fn split(product: u128) -> (u64, u64) {
    let high = u64::try_from(product >> 64).expect("64 bits are left");
    let low = u64::try_from(product & u128::from(u64::MAX)).expect("masked to 64 bits");
    (high, low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_goes_on_from_its_position() {
        for skip in 0..200 {
            let mut one = Stream::new(42, Consumer::Network);
            for _ in 0..skip {
                one.draw();
            }
            let mut other = Stream::at(42, Consumer::Network, one.position());
            assert_eq!((one.draw(), one.draw()), (other.draw(), other.draw()), "after {skip}");
        }
    }

    #[test]
    fn consumers_and_seeds_do_not_share_numbers() {
        let draws = [
            Stream::new(42, Consumer::Network).draw(),
            Stream::new(43, Consumer::Network).draw(),
            Stream::new(42, Consumer::Loss).draw(),
            Stream::new(42, Consumer::Node(Node(1))).draw(),
            Stream::new(42, Consumer::Disk(Node(1))).draw(),
            Stream::new(42, Consumer::Node(Node(2))).draw(),
        ];
        for (place, draw) in draws.iter().enumerate() {
            assert!(!draws[..place].contains(draw), "{place} repeats an earlier stream");
        }
    }

    #[test]
    fn the_sampler_is_even_and_stays_below_its_bound() {
        let mut stream = Stream::new(1, Consumer::Clients);
        let mut counts = [0_u32; 7];
        for _ in 0..7_000 {
            counts[usize::try_from(stream.below(7)).expect("below 7")] += 1;
        }
        assert!(counts.iter().all(|count| (850..1_150).contains(count)), "{counts:?}");
    }

    #[test]
    fn draws_are_frozen() {
        let mut stream = Stream::new(42, Consumer::Network);
        let draws: Vec<u64> = (0..6).map(|_| stream.below(1_000_000)).collect();
        assert_eq!(draws, GOLDEN);
    }

    /// Frozen on the first day; every fingerprint rests on them.
    const GOLDEN: [u64; 6] = [352_577, 969_976, 233_874, 344_111, 770_696, 288_581];
}
