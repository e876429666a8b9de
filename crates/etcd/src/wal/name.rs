//! Names of segments.

use std::fmt;

/// `0000000000000001-0000000000000065.wal`: which segment, and the index that it begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentName {
    /// Consecutive number, from 0 on.
    pub sequence: u64,
    /// Raft index of the first entry, unless an overwrite of older entries follows.
    pub first_index: u64,
}

impl SegmentName {
    /// Reads a file name; anything but two times sixteen lower-case hex digits is none.
    pub fn parse(name: &str) -> Option<SegmentName> {
        let (sequence, first_index) = name.strip_suffix(".wal")?.split_once('-')?;
        Some(SegmentName { sequence: hex(sequence)?, first_index: hex(first_index)? })
    }

    /// The segment that follows when this one ends with entry `last_index`.
    pub(crate) fn next(self, last_index: u64) -> Option<SegmentName> {
        let (sequence, first_index) = (self.sequence.checked_add(1)?, last_index.checked_add(1)?);
        Some(SegmentName { sequence, first_index })
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut name = *b"0000000000000000-0000000000000000.wal";
        put_hex(&mut name[..16], self.sequence);
        put_hex(&mut name[17..33], self.first_index);
        f.write_str(str::from_utf8(&name).expect("hex digits are ASCII"))
    }
}

/// The number in hex digits, as far as there is room, from the last one on.
fn put_hex(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
    }
}

fn hex(digits: &str) -> Option<u64> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_number = digits.len() == 16 && digits.bytes().all(is_hex);
    is_number.then(|| u64::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::SegmentName;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        let name = SegmentName { sequence: 1, first_index: 0x65 };
        assert_eq!(name.to_string(), "0000000000000001-0000000000000065.wal");
        assert_eq!(SegmentName::parse(&name.to_string()), Some(name));
        let name = SegmentName { sequence: u64::MAX, first_index: 0x0123_4567_89ab_cdef };
        assert_eq!(name.to_string(), "ffffffffffffffff-0123456789abcdef.wal");
    }

    #[test]
    fn other_files_are_no_segments() {
        for name in ["0.tmp", "1-2.wal", "0000000000000000-0000000000000000.wal.broken", "é.wal"] {
            assert_eq!(SegmentName::parse(name), None, "{name}");
        }
    }
}
