//! Names of snapshot files.

use std::fmt;

/// `0000000000000002-0000000000000066.snap`: the entry up to which a snapshot reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapName {
    /// Term of the entry.
    pub term: u64,
    /// Index of the entry.
    pub index: u64,
}

impl SnapName {
    /// Reads a file name; anything but two times sixteen lower-case hex digits is none.
    pub fn parse(name: &str) -> Option<SnapName> {
        let (term, index) = name.strip_suffix(".snap")?.split_once('-')?;
        Some(SnapName { term: hex(term)?, index: hex(index)? })
    }
}

impl fmt::Display for SnapName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:016x}.snap", self.term, self.index)
    }
}

/// `0000000000000066.snap.db`: a backend that came with a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatabaseName {
    /// Index of the snapshot.
    pub index: u64,
}

impl DatabaseName {
    /// Reads a file name; anything but sixteen lower-case hex digits is none.
    pub fn parse(name: &str) -> Option<DatabaseName> {
        Some(DatabaseName { index: hex(name.strip_suffix(".snap.db")?)? })
    }
}

impl fmt::Display for DatabaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}.snap.db", self.index)
    }
}

fn hex(digits: &str) -> Option<u64> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_number = digits.len() == 16 && digits.bytes().all(is_hex);
    is_number.then(|| u64::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let snap = SnapName { term: 2, index: 0x66 };
        assert_eq!(snap.to_string(), "0000000000000002-0000000000000066.snap", "term first");
        assert_eq!(SnapName::parse(&snap.to_string()), Some(snap), "and back");
        let database = DatabaseName { index: 0x66 };
        assert_eq!(database.to_string(), "0000000000000066.snap.db", "the index alone");
        assert_eq!(DatabaseName::parse(&database.to_string()), Some(database), "and back");
    }

    #[test]
    fn other_files_are_none() {
        for name in ["db", "2-66.snap", "0000000000000002-0000000000000066.snap.broken", "é.snap"]
        {
            assert_eq!(SnapName::parse(name), None, "{name}");
            assert_eq!(DatabaseName::parse(name), None, "{name}");
        }
    }
}
