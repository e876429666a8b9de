//! Quantities as people write them and as integers: times, byte sizes, shares.
//!
//! `250ms`, `2.314000001s`, `1.5us`, `2m`; `16B`, `64MB`, `4KiB`; `5%`, `0.25%`.
//! Inside there are only integers: nanoseconds, bytes, parts per million.

use winnow::Parser;
use winnow::ascii::digit1;
use winnow::combinator::{opt, preceded};
use winnow::error::{ContextError, ErrMode};
use winnow::token::rest;

use super::error::Problem;
use super::word::Word;

/// No scenario reaches further than thirty virtual days.
pub const TIME_MAX_NS: u64 = 30 * 24 * 3_600 * SECOND_NS;
/// Nanoseconds in a second.
pub const SECOND_NS: u64 = 1_000_000_000;
/// Nanoseconds in a millisecond.
pub const MILLISECOND_NS: u64 = 1_000_000;

const TIME_UNITS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", MILLISECOND_NS),
    ("s", SECOND_NS),
    ("m", 60 * SECOND_NS),
    ("h", 3_600 * SECOND_NS),
];

const SIZE_UNITS: &[(&str, u64)] =
    &[("B", 1), ("KB", 1_000), ("KiB", 1_024), ("MB", 1_000_000), ("MiB", 1_048_576)];

/// `whole [ "." fraction ] unit`
fn measure<'a>(
    input: &mut &'a str,
) -> Result<(&'a str, Option<&'a str>, &'a str), ErrMode<ContextError>> {
    (digit1, opt(preceded('.', digit1)), rest).parse_next(input)
}

/// A decimal number with a unit, as a whole number of the smallest unit; `None` when it is not
/// one or would have to be rounded.
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (whole, fraction, unit) = measure.parse(text).ok()?;
    let (_, scale) = units.iter().find(|(name, _)| *name == unit)?;
    let mut total = whole.parse::<u64>().ok()?.checked_mul(*scale)?;
    let mut weight = *scale;
    for digit in fraction.unwrap_or_default().chars() {
        let digit = u64::from(digit.to_digit(10)?);
        if !weight.is_multiple_of(10) && digit != 0 {
            return None;
        }
        weight /= 10;
        total = total.checked_add(digit.checked_mul(weight)?)?;
    }
    Some(total)
}

/// Reads a time.
pub fn parse_time(text: &str) -> Option<u64> {
    scaled(text, TIME_UNITS).filter(|time_ns| *time_ns <= TIME_MAX_NS)
}

/// Prints a time with the largest unit that keeps it above 1: `0s`, `250ms`, `2.314000001s`.
pub fn print_time(time_ns: u64) -> String {
    let (unit, scale) = match time_ns {
        0 => ("s", SECOND_NS),
        1..1_000 => ("ns", 1),
        1_000..MILLISECOND_NS => ("us", 1_000),
        MILLISECOND_NS..SECOND_NS => ("ms", MILLISECOND_NS),
        SECOND_NS.. => ("s", SECOND_NS),
    };
    format!("{}{unit}", decimal(time_ns, scale))
}

/// Prints a byte size in the largest unit that divides it.
pub fn print_size(bytes: u64) -> String {
    let unit = [("MB", 1_000_000), ("MiB", 1_048_576), ("KB", 1_000), ("KiB", 1_024)]
        .into_iter()
        .find(|&(_, scale)| bytes > 0 && bytes.is_multiple_of(scale));
    unit.map_or_else(|| format!("{bytes}B"), |(name, scale)| format!("{}{name}", bytes / scale))
}

/// Prints a share given in parts per million.
pub fn print_share(ppm: u32) -> String {
    format!("{}%", decimal(u64::from(ppm), 10_000))
}

/// `amount / scale`, exactly; `scale` is a power of ten.
fn decimal(amount: u64, scale: u64) -> String {
    let (whole, part) = (amount / scale, amount % scale);
    if part == 0 {
        return whole.to_string();
    }
    let width = scale.ilog10() as usize;
    format!("{whole}.{}", format!("{part:0width$}").trim_end_matches('0'))
}

impl Word {
    pub(crate) fn time(&self) -> Result<u64, Problem> {
        parse_time(&self.text).ok_or_else(|| {
            self.problem("not a time:", "a time such as `250ms` or `2.5s`, up to 720h")
        })
    }

    /// `LOW..HIGH` or one time for both.
    pub(crate) fn time_span(&self) -> Result<(u64, u64), Problem> {
        let (low, high) = self.text.split_once("..").unwrap_or((&self.text, &self.text));
        let bounds = parse_time(low).zip(parse_time(high)).filter(|(low, high)| low <= high);
        bounds.ok_or_else(|| {
            self.problem("not a span of time:", "`LOW..HIGH` such as `1ms..3ms`, or one time")
        })
    }

    pub(crate) fn size(&self, bytes_max: u64) -> Result<u64, Problem> {
        let expected = format!("a size such as `16B` or `4KiB`, up to {}", print_size(bytes_max));
        scaled(&self.text, SIZE_UNITS)
            .filter(|bytes| *bytes <= bytes_max)
            .ok_or_else(|| self.problem("not a size:", &expected))
    }

    /// A percentage as parts per million.
    pub(crate) fn share(&self) -> Result<u32, Problem> {
        scaled(&self.text, &[("%", 10_000)])
            .filter(|ppm| *ppm <= 1_000_000)
            .and_then(|ppm| u32::try_from(ppm).ok())
            .ok_or_else(|| {
                self.problem("not a percentage:", "a percentage such as `5%` or `0.25%`")
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_exact_to_the_nanosecond() {
        assert_eq!(parse_time("2.314000001s"), Some(2_314_000_001));
        assert_eq!(parse_time("250ms"), Some(250 * MILLISECOND_NS));
        assert_eq!(parse_time("1.5us"), Some(1_500));
        assert_eq!(parse_time("1.5m"), Some(90 * SECOND_NS));
        assert_eq!(parse_time("7µs"), Some(7_000));
    }

    #[test]
    fn a_time_that_would_be_rounded_is_refused() {
        assert_eq!(parse_time("0.5ns"), None);
        assert_eq!(parse_time("1.0000000001s"), None);
        assert_eq!(parse_time("1.0s"), Some(SECOND_NS));
    }

    #[test]
    fn what_is_not_a_time_is_refused() {
        for text in ["", "s", "5", "5 s", "-5s", "5.s", ".5s", "5sec", "721h", "99999999999999h"] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    #[test]
    fn printed_times_read_back() {
        for time_ns in [0, 1, 999, 1_000, 1_500, 999_999, 1_000_000, 2_314_000_001, TIME_MAX_NS] {
            assert_eq!(parse_time(&print_time(time_ns)), Some(time_ns));
        }
        assert_eq!(print_time(2_314_000_001), "2.314000001s");
        assert_eq!(print_time(250 * MILLISECOND_NS), "250ms");
    }

    #[test]
    fn sizes_and_shares_read_back() {
        for bytes in [0, 1, 16, 1_000, 1_024, 4_096, 64_000_000, 64 << 20] {
            assert_eq!(scaled(&print_size(bytes), SIZE_UNITS), Some(bytes));
        }
        assert_eq!(print_share(50_000), "5%");
        assert_eq!(print_share(2_500), "0.25%");
    }
}
