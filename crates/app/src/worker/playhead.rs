//! Virtual time against real time: whole nanoseconds, nothing lost to rounding.

use crate::protocol::Speed;

/// Real time that one turn makes up for at most; a longer sleep of the tab is not caught up with.
const TURN_NS_MAX: u64 = 100_000_000;

/// How far virtual time may come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Playhead {
    at_ns: u64,
    /// Of a virtual nanosecond, in parts of the speed's denominator.
    remainder: u64,
    speed: Speed,
}

impl Playhead {
    /// At a virtual time.
    pub fn at(at_ns: u64, speed: Speed) -> Self {
        Self { at_ns, remainder: 0, speed }
    }

    /// The virtual time that may be reached.
    pub fn now_ns(&self) -> u64 {
        self.at_ns
    }

    /// Virtual for real time.
    pub fn speed(&self) -> Speed {
        self.speed
    }

    /// Goes on at another speed.
    pub fn set_speed(&mut self, speed: Speed) {
        if speed != self.speed {
            *self = Self::at(self.at_ns, speed);
        }
    }

    /// Real time passed.
    pub fn advance(&mut self, elapsed_ns: u64) {
        let elapsed_ns = elapsed_ns.min(TURN_NS_MAX);
        let parts = elapsed_ns * u64::from(self.speed.num) + self.remainder;
        self.at_ns += parts / u64::from(self.speed.den);
        self.remainder = parts % u64::from(self.speed.den);
    }

    /// The world is somewhere else than planned: it could not keep up, or was stepped.
    pub fn move_to(&mut self, at_ns: u64) {
        *self = Self::at(at_ns, self.speed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_of_real_time_is_exact_however_it_is_cut() {
        let mut playhead = Playhead::at(5, Speed { num: 1, den: 3 });
        (0..3_000).for_each(|_| playhead.advance(1_000_001));
        assert_eq!(playhead.now_ns(), 5 + 1_000_001_000);
    }

    #[test]
    fn a_tab_that_slept_is_not_caught_up_with() {
        let mut playhead = Playhead::at(0, Speed { num: 1, den: 1 });
        playhead.advance(u64::MAX);
        assert_eq!(playhead.now_ns(), TURN_NS_MAX);
    }

    #[test]
    fn the_fastest_speed_does_not_overflow() {
        let mut playhead = Playhead::at(0, Speed { num: u32::MAX, den: 1 });
        playhead.advance(u64::MAX);
        assert_eq!(playhead.now_ns(), TURN_NS_MAX * u64::from(u32::MAX));
    }
}
