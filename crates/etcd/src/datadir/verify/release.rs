//! Releases of etcd, and what changed between them in how a directory is booted.

use std::fmt;
use std::str::FromStr;

use crate::mvcc::Rules;
use crate::server::Version;
use crate::wal::RecordLimit;

/// A release whose boot is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release(Version);

/// Last patches that are known of 3.4, 3.5 and 3.6.
const LAST_PATCHES: [(u16, u16); 3] = [(4, 44), (5, 25), (6, 6)];

/// The text is no release that is known here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown version {text:?}: 3.4.0 to 3.4.44, 3.5.0 to 3.5.25 and 3.6.0 to 3.6.6 are known")]
pub struct UnknownRelease {
    /// The text.
    pub text: String,
}

impl Release {
    /// 3.4.34: taken when the files do not tell.
    pub const DEFAULT: Release = Release::new(4, 34);

    const fn new(minor: u16, patch: u16) -> Release {
        Release(Version { major: 3, minor, patch })
    }

    /// The release to assume for a cluster version, which has no patch: the one of that minor
    /// whose rules were compared with real servers or read from its sources. Nothing for others.
    pub fn of_cluster_version(version: &str) -> Option<Release> {
        let (major, minor) = major_and_minor(version)?;
        let patch = match (major, minor) {
            (3, 4) => 23,
            (3, 5) => 12,
            (3, 6) => 4,
            _ => return None,
        };
        Some(Release::new(u16::try_from(minor).ok()?, patch))
    }

    /// Whether a cluster of this version is too new for the release.
    pub(in crate::datadir) fn is_below_cluster(self, version: &str) -> bool {
        let own = (u64::from(self.0.major), u64::from(self.0.minor));
        major_and_minor(version).is_some_and(|cluster| cluster > own)
    }

    fn is_since(self, minor: u16, patch: u16) -> bool {
        self >= Release::new(minor, patch)
    }

    /// Whether all marks of snapshots are read first, and with them the whole log (3.4.8).
    pub(super) fn reads_all_marks(self) -> bool {
        self.is_since(4, 8)
    }

    /// Whether bbolt is 1.3.7 or later: it looks for the second meta page, minds numbers of pages
    /// and the order of keys when it opens a file (3.4.25, 3.5.8).
    pub(super) fn has_strict_bbolt(self) -> bool {
        if self.is_since(5, 0) { self.is_since(5, 8) } else { self.is_since(4, 25) }
    }

    /// Whether members and the cluster's version are read from the backend (3.5).
    pub(super) fn reads_members_from_backend(self) -> bool {
        self.is_since(5, 0)
    }

    /// The rule for the size of a record.
    pub(super) fn record_limit(self) -> RecordLimit {
        if self.is_since(5, 7) {
            RecordLimit::RestOfFileOrTorn
        } else if self.is_since(5, 5) {
            RecordLimit::RestOfFile
        } else {
            RecordLimit::TenMebibytes
        }
    }

    /// The rules of the store.
    pub fn rules(self) -> Rules {
        let is_35 = self.is_since(5, 0);
        let mut rules = Rules::CURRENT;
        rules.tombstone_survives_compaction =
            if is_35 { self.is_since(5, 16) } else { self.is_since(4, 34) };
        rules.scheduled_revision_is_floor =
            if is_35 { self.is_since(5, 14) } else { self.is_since(4, 32) };
        rules
    }
}

fn major_and_minor(version: &str) -> Option<(u64, u64)> {
    let mut numbers = version.split('.').map(|number| number.parse::<u64>().ok());
    Some((numbers.next()??, numbers.next()??))
}

impl FromStr for Release {
    type Err = UnknownRelease;

    fn from_str(text: &str) -> Result<Release, UnknownRelease> {
        let unknown = || UnknownRelease { text: text.to_owned() };
        let known = LAST_PATCHES.into_iter().find_map(|(minor, last)| {
            let patch = text.strip_prefix(&format!("3.{minor}."))?;
            let is_plain = patch.bytes().all(|byte| byte.is_ascii_digit());
            let patch: u16 = patch.parse().ok().filter(|patch| is_plain && *patch <= last)?;
            Some(Release::new(minor, patch))
        });
        known.ok_or_else(unknown)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_that_are_known_are_read_as_they_are_written() {
        for text in ["3.4.0", "3.4.44", "3.5.12", "3.6.6"] {
            assert_eq!(text.parse::<Release>().unwrap().to_string(), text, "{text}");
        }
        for text in ["3.4.45", "3.3.1", "3.7.0", "3.4", "3.4.+1", "", "latest", "3.5.26"] {
            let error = text.parse::<Release>().unwrap_err().to_string();
            assert!(error.contains("3.4.0 to 3.4.44, 3.5.0 to 3.5.25"), "{error}");
        }
    }

    #[test]
    fn rules_change_with_the_release() {
        let release = |text: &str| text.parse::<Release>().unwrap();
        assert!(release("3.4.34").rules().tombstone_survives_compaction, "fixed in 3.4.34");
        assert!(!release("3.5.1").rules().tombstone_survives_compaction, "and later in 3.5");
        assert_eq!(release("3.5.4").record_limit(), RecordLimit::TenMebibytes, "as in 3.4");
        assert_eq!(release("3.6.0").record_limit(), RecordLimit::RestOfFileOrTorn, "as in 3.5.7");
        assert!(release("3.4.23").is_below_cluster("3.5.0"), "an upgrade cannot be taken back");
        assert!(!release("3.5.1").is_below_cluster("3.5.0"), "the same minor");
    }
}
