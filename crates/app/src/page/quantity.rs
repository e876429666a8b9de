//! Numbers as the page shows them: always as wide as the one before, so that nothing jumps.

/// `2.314 s`, `12 min 02.314 s`: virtual time to the millisecond.
pub(crate) fn time(ns: u64) -> String {
    let milliseconds = ns / 1_000_000;
    let (minutes, rest) = (milliseconds / 60_000, milliseconds % 60_000);
    let (seconds, rest) = (rest / 1000, rest % 1000);
    if minutes == 0 {
        format!("{seconds}.{rest:03} s")
    } else {
        format!("{minutes} min {seconds:02}.{rest:03} s")
    }
}

/// `14 ms`, `1.2 ms`, `3.1 s`: how long something took.
pub(crate) fn span(ns: u64) -> String {
    match ns {
        0..10_000_000 => format!("{}.{} ms", ns / 1_000_000, ns / 100_000 % 10),
        10_000_000..1_000_000_000 => format!("{} ms", ns / 1_000_000),
        _ => format!("{}.{} s", ns / 1_000_000_000, ns / 100_000_000 % 10),
    }
}

/// `1 204 306`: thousands apart by a thin space.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3 * 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push('\u{202f}');
        }
        shown.push(digit);
    }
    shown
}

/// `0x1a8`.
pub(crate) fn offset(bytes: u64) -> String {
    format!("{bytes:#x}")
}

/// `88 B`, `2.4 KB`, `64.0 MB`.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1000 => format!("{bytes} B"),
        1000..1_000_000 => format!("{}.{} KB", bytes / 1000, bytes / 100 % 10),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_time_shows_milliseconds_and_minutes_only_when_there_are_some() {
        assert_eq!(time(0), "0.000 s");
        assert_eq!(time(2_314_999_999), "2.314 s");
        assert_eq!(time(722_314_000_000), "12 min 02.314 s");
    }

    #[test]
    fn spans_keep_two_or_three_digits() {
        assert_eq!(span(1_250_000), "1.2 ms");
        assert_eq!(span(14_900_000), "14 ms");
        assert_eq!(span(3_140_000_000), "3.1 s");
    }

    #[test]
    fn counts_are_grouped_by_thousands() {
        assert_eq!(count(7), "7");
        assert_eq!(count(1204), "1\u{202f}204");
        assert_eq!(count(1_204_306), "1\u{202f}204\u{202f}306");
    }

    #[test]
    fn sizes_are_decimal_as_etcds_own_options_are() {
        assert_eq!(size(88), "88 B");
        assert_eq!(size(2_440), "2.4 KB");
        assert_eq!(size(64_000_000), "64.0 MB");
    }
}
