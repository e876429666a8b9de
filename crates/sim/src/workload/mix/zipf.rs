//! Uneven draws without floats: the n-th of some things with a weight of 1/n.

use std::sync::Arc;

use super::{Distribution, ZIPF_KEYS_MAX};
use crate::rng::Stream;

/// The weight of the first thing.
const WHOLE: u64 = 1 << 32;

/// Sums of the weights, or nothing for an even distribution.
#[derive(Clone, Debug)]
pub(crate) struct Zipf {
    sums: Option<Arc<[u64]>>,
}

impl Zipf {
    /// Of so many things; only the first [`ZIPF_KEYS_MAX`] are ever drawn.
    pub(crate) fn new(distribution: Distribution, things: u64) -> Zipf {
        if distribution == Distribution::Even {
            return Zipf { sums: None };
        }
        let mut sum = 0;
        let weights = (1..=things.min(ZIPF_KEYS_MAX)).map(|place| WHOLE / place);
        let sums = weights.map(|weight| {
            sum += weight;
            sum
        });
        Zipf { sums: Some(sums.collect()) }
    }

    /// The place of one of `things`, from 0.
    pub(crate) fn draw(&self, stream: &mut Stream, things: u64) -> u64 {
        let Some(sums) = &self.sums else { return stream.below(things) };
        let total = sums.last().copied().expect("there is something to draw from");
        let drawn = stream.below(total);
        sums.partition_point(|sum| *sum <= drawn) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Consumer;

    #[test]
    fn the_first_is_drawn_twice_as_often_as_the_second() {
        let zipf = Zipf::new(Distribution::Zipf, 10);
        let mut stream = Stream::new(7, Consumer::Clients);
        let mut counts = [0_u32; 10];
        for _ in 0..29_290 {
            counts[usize::try_from(zipf.draw(&mut stream, 10)).expect("below 10")] += 1;
        }
        assert!((9_700..10_300).contains(&counts[0]), "{counts:?}");
        assert!((4_800..5_200).contains(&counts[1]), "{counts:?}");
        assert!((900..1_100).contains(&counts[9]), "{counts:?}");
    }
}
