//! Go's way to print quoted strings and times, as etcd's tools show them.

use std::fmt::Write as _;

/// `%q` of the bytes, cut in the middle when they are long.
pub(crate) fn excerpt(bytes: &[u8], head: usize, tail: usize) -> String {
    if bytes.len() <= head + tail {
        return quote(bytes);
    }
    let tail = &bytes[bytes.len() - tail..];
    format!("{}...{}", quote(&bytes[..head]), quote(tail))
}

/// `%q`: printable characters as they are, control characters and broken UTF-8 escaped.
pub(crate) fn quote(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| quote_char(c, &mut out));
        for byte in chunk.invalid() {
            write!(out, "\\x{byte:02x}").expect("writing to a string");
        }
    }
    out.push('"');
    out
}

fn quote_char(c: char, out: &mut String) {
    match c {
        '"' | '\\' => out.extend(['\\', c]),
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\x0c' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\x0b' => out.push_str("\\v"),
        '\0'..='\x1f' | '\x7f' => {
            write!(out, "\\x{:02x}", u32::from(c)).expect("writing to a string");
        }
        '\u{80}'..='\u{9f}' => {
            write!(out, "\\u{:04x}", u32::from(c)).expect("writing to a string");
        }
        printable => out.push(printable),
    }
}

/// Nanoseconds since 1970 as Go prints a UTC time: `2026-11-20 11:27:22.782078238 +0000 UTC`.
pub(crate) fn time(unix_ns: i64) -> String {
    let (seconds, ns) = (unix_ns.div_euclid(1_000_000_000), unix_ns.rem_euclid(1_000_000_000));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let fraction = format!(".{ns:09}");
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{fraction} +0000 UTC")
}

/// Days since 1970 as a date of the Gregorian calendar, counted in eras of 400 years that begin
/// on the first of March, so that a leap day is the last of its year.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, date)
}

#[cfg(test)]
mod tests {
    use super::{excerpt, quote, time};

    #[test]
    fn a_time_prints_as_in_go() {
        assert_eq!(time(1_795_174_042_782_078_238), "2026-11-20 11:27:22.782078238 +0000 UTC");
        assert_eq!(time(0), "1970-01-01 00:00:00 +0000 UTC");
        assert_eq!(time(-500_000_000), "1969-12-31 23:59:59.5 +0000 UTC");
        assert_eq!(time(951_782_400_000_000_000), "2000-02-29 00:00:00 +0000 UTC");
    }

    #[test]
    fn a_string_prints_as_in_go() {
        assert_eq!(quote(b"a\"b\\\n\x01\xff\xc3\xa9"), r#""a\"b\\\n\x01\xffé""#);
        assert_eq!(excerpt(b"abcdef", 2, 1), r#""ab"..."f""#);
    }
}
