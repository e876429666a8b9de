//! How many seeds it takes to find something: the same hunt in several disjoint ranges of seeds.
//!
//! A range in which nothing was found took more seeds than it has. A percentile that falls on such a
//! range is not known, and said to be so.

use std::num::NonZeroU32;
use std::ops::Range;

use serde::Serialize;

use super::Summary;
use crate::failure::Failure;
use crate::output::Output;

#[derive(Serialize)]
struct Reported {
    ranges: Finds,
}

/// What all ranges together say.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Finds {
    ranges: usize,
    /// Those in which a seed failed.
    found: usize,
    /// Seeds up to and with the one that failed, in the middle one of all ranges; of two middle ones
    /// the larger.
    median: Option<u64>,
    /// The same for the range that 95 of 100 do not exceed.
    percentile_95: Option<u64>,
    /// Seeds run in all.
    seeds: u64,
}

/// Ranges of equal length, one behind the other; what is left over at the end is in none. `None` when
/// there is not a seed for each.
pub(super) fn split(seeds: &Range<u64>, ranges: NonZeroU32) -> Option<Vec<Range<u64>>> {
    let ranges = u64::from(ranges.get());
    let length = (seeds.end - seeds.start) / ranges;
    let from = |place: u64| seeds.start + place * length;
    (length > 0).then(|| (0..ranges).map(|place| from(place)..from(place + 1)).collect())
}

/// Tells what hunts of one range each found.
pub(super) fn report(hunts: &[Summary], is_json: bool) -> Result<(), Failure> {
    let ranges = Finds::of(hunts);
    let mut output = Output::new();
    if is_json {
        output.json(&Reported { ranges })?;
    } else {
        output.line(&ranges.line())?;
    }
    output.finish()
}

impl Finds {
    fn of(hunts: &[Summary]) -> Finds {
        // A hunt that stops at the first find has run the seeds up to it.
        let taken = hunts.iter().map(|hunt| hunt.first.map(|_| hunt.seeds));
        let mut found: Vec<u64> = taken.flatten().collect();
        found.sort_unstable();
        let at = |place: usize| found.get(place).copied();
        Finds {
            ranges: hunts.len(),
            found: found.len(),
            median: at(hunts.len() / 2),
            percentile_95: at((hunts.len() * 95).div_ceil(100).saturating_sub(1)),
            seeds: hunts.iter().map(|hunt| hunt.seeds).sum(),
        }
    }

    fn line(&self) -> String {
        let Finds { ranges, found, median, percentile_95, seeds } = self;
        let known = |seeds: &Option<u64>| {
            seeds.map_or_else(|| "more than a range has".to_owned(), |seeds| seeds.to_string())
        };
        format!(
            "found in {found} of {ranges} ranges; seeds it took: median {}, 95th percentile {}; {seeds} \
             seeds run",
            known(median),
            known(percentile_95)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hunt(seeds: u64, first: Option<u64>) -> Summary {
        Summary { seeds, first, ..Summary::default() }
    }

    #[test]
    fn ranges_are_disjoint_and_of_one_length() {
        let ranges = |from, to, count| split(&(from..to), NonZeroU32::new(count).expect("some"));
        assert_eq!(ranges(1, 11, 3), Some(vec![1..4, 4..7, 7..10]), "seed 10 is left over");
        assert_eq!(ranges(1, 3, 3), None, "two seeds are not enough for three");
    }

    #[test]
    fn a_range_without_a_find_took_longer_than_all_others() {
        let hunts = [hunt(4, Some(4)), hunt(100, None), hunt(2, Some(102)), hunt(7, Some(207))];
        let ranges = Finds::of(&hunts);
        assert_eq!((ranges.found, ranges.seeds), (3, 113), "of four");
        assert_eq!(ranges.median, Some(7), "2 4 | 7 -: the larger of the middle ones");
        assert_eq!(ranges.percentile_95, None, "the slowest of four found nothing");
    }

    #[test]
    fn of_twenty_ranges_the_nineteenth_is_the_95th_percentile() {
        let hunts: Vec<Summary> = (1..=20).map(|seeds| hunt(seeds, Some(seeds))).collect();
        let ranges = Finds::of(&hunts);
        assert_eq!((ranges.median, ranges.percentile_95), (Some(11), Some(19)), "1 to 20");
    }
}
