//! How much longer a message takes: fixed, uniform, or with a heavy tail.
//!
//! The tail is a table of integers, the quantiles of a Pareto distribution with exponent 3/2 moved
//! to begin at 0, in 64ths of the scale: half of the messages take up to 0.6 of it, one in
//! sixty-four 24 times as much.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::rng::Stream;
use crate::scenario::{Span, print_time};

/// A distribution of delays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Delay {
    /// Between two times, each as likely; one time when both are equal.
    Uniform(Span),
    /// Heavy-tailed, with this scale in nanoseconds.
    Tail(u64),
}

/// See the module's head.
const TAIL_64THS: [u64; 64] = [
    0, 1, 2, 2, 3, 4, 5, 6, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 21, 23, 24, 26, 27,
    29, 31, 33, 35, 37, 39, 41, 43, 46, 48, 51, 54, 57, 61, 64, 68, 73, 77, 82, 88, 94, 101, 108,
    117, 126, 137, 150, 164, 182, 203, 230, 265, 312, 380, 492, 717, 1561,
];

impl Delay {
    /// Always the same.
    pub fn fixed(delay_ns: u64) -> Delay {
        Delay::Uniform(Span { low_ns: delay_ns, high_ns: delay_ns })
    }

    /// Whether it delays nothing.
    pub fn is_none(self) -> bool {
        matches!(self, Delay::Uniform(Span { high_ns: 0, .. }) | Delay::Tail(0))
    }

    pub(crate) fn draw(self, stream: &mut Stream) -> u64 {
        match self {
            Delay::Uniform(span) => stream.within(span),
            Delay::Tail(scale_ns) => {
                let place = usize::try_from(stream.below(64)).expect("below 64");
                scale_ns.saturating_mul(TAIL_64THS[place]) / 64
            }
        }
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Delay::Uniform(span) => span.fmt(f),
            Delay::Tail(scale_ns) => write!(f, "tail:{}", print_time(*scale_ns)),
        }
    }
}
