//! A machine's clock: the world's time, scaled by a fraction and moved.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Seconds of a clock in one second, from 1/10 to 10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "(u64, u64)", into = "(u64, u64)")]
pub struct Rate {
    over: u64,
    under: u64,
}

impl Rate {
    /// A clock that is right.
    pub const TRUE: Rate = Rate { over: 1, under: 1 };

    /// A fraction of numbers from 1 to 1000, between 1/10 and 10, in lowest terms.
    pub fn new(over: u64, under: u64) -> Option<Rate> {
        let is_small = |number| (1..=1_000).contains(&number);
        let is_near = over <= 10 * under && under <= 10 * over;
        if !is_small(over) || !is_small(under) || !is_near {
            return None;
        }
        let divisor = greatest_divisor(over, under);
        Some(Rate { over: over / divisor, under: under / divisor })
    }
}

fn greatest_divisor(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { greatest_divisor(other, one % other) }
}

impl TryFrom<(u64, u64)> for Rate {
    type Error = &'static str;

    fn try_from((over, under): (u64, u64)) -> Result<Rate, &'static str> {
        Rate::new(over, under).ok_or("no rate of a clock")
    }
}

impl From<Rate> for (u64, u64) {
    fn from(rate: Rate) -> (u64, u64) {
        (rate.over, rate.under)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.under {
            1 => self.over.fmt(f),
            under => write!(f, "{}/{under}", self.over),
        }
    }
}

/// See the module's head. A world's times stay below 2^52, so nothing here overflows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Clock {
    rate: Rate,
    /// When the rate was set, in the world's time …
    since_ns: u64,
    /// … and what the clock showed then.
    shown_ns: u64,
}

impl Default for Clock {
    fn default() -> Clock {
        Clock { rate: Rate::TRUE, since_ns: 0, shown_ns: 0 }
    }
}

/// No clock shows more: far from the end of what times are reckoned in.
const SHOWN_NS_MAX: u64 = 1 << 60;

impl Clock {
    /// What it shows.
    pub(crate) fn show(&self, world_ns: u64) -> u64 {
        let passed_ns = world_ns.saturating_sub(self.since_ns);
        let shown_ns = self.shown_ns
            + passed_ns / self.rate.under * self.rate.over
            + passed_ns % self.rate.under * self.rate.over / self.rate.under;
        shown_ns.min(SHOWN_NS_MAX)
    }

    /// How long the world takes for so much of its time, at least a nanosecond.
    pub(crate) fn takes(&self, shown_ns: u64) -> u64 {
        (shown_ns * self.rate.under / self.rate.over).max(1)
    }

    pub(crate) fn is_true(&self) -> bool {
        self.rate == Rate::TRUE
    }

    pub(crate) fn set_rate(&mut self, world_ns: u64, rate: Rate) {
        *self = Clock { rate, since_ns: world_ns, shown_ns: self.show(world_ns) };
    }

    /// Sets it forward, or back as far as 0.
    pub(crate) fn jump(&mut self, world_ns: u64, by_ns: u64, is_back: bool) {
        let shown_ns = self.show(world_ns);
        let shown_ns =
            if is_back { shown_ns.saturating_sub(by_ns) } else { shown_ns.saturating_add(by_ns) };
        *self = Clock { rate: self.rate, since_ns: world_ns, shown_ns: shown_ns.min(SHOWN_NS_MAX) };
    }

    /// Whether it could have come to be: what comes from a store is not taken on trust.
    pub(crate) fn is_sound(&self) -> bool {
        self.shown_ns <= SHOWN_NS_MAX && self.since_ns <= SHOWN_NS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_true_clock_shows_the_worlds_time() {
        assert_eq!(Clock::default().show(12_345), 12_345);
        assert_eq!(Clock::default().takes(100), 100);
    }

    #[test]
    fn a_rate_begins_where_the_clock_stood() {
        let mut clock = Clock::default();
        clock.set_rate(1_000, Rate::new(11, 10).expect("a rate"));
        assert_eq!((clock.show(1_000), clock.show(2_000)), (1_000, 2_100));
        assert_eq!(clock.takes(1_100), 1_000);
        clock.set_rate(2_000, Rate::TRUE);
        assert_eq!(clock.show(3_000), 3_100);
    }

    #[test]
    fn a_jump_moves_it_and_not_below_zero() {
        let mut clock = Clock::default();
        clock.jump(1_000, 500, false);
        assert_eq!(clock.show(1_001), 1_501);
        clock.jump(1_001, 9_000, true);
        assert_eq!(clock.show(1_001), 0);
    }

    #[test]
    fn rates_are_in_lowest_terms_and_bounded() {
        assert_eq!(Rate::new(20, 10), Rate::new(2, 1));
        assert!(
            [(0, 1), (1, 0), (11, 1), (1, 11), (1_001, 1_000)]
                .iter()
                .all(|(over, under)| Rate::new(*over, *under).is_none())
        );
    }
}
