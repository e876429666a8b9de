//! A revision and its bytes as a key of the `key` bucket.
//!
//! ```text
//! 0        8 9        17
//! main u64 _ sub u64  [t]     big endian; the 18th byte marks a tombstone
//! ```

use serde::{Deserialize, Serialize};

/// Length of a revision as a key.
pub const REVISION_BYTES: usize = 17;
/// The mark that makes a revision a tombstone, appended to its 17 bytes.
pub const TOMBSTONE_MARK: u8 = b't';

/// One change: `main` numbers the transaction, `sub` the change inside it. Never negative.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Revision {
    /// The transaction, counted from 2.
    pub main: i64,
    /// The change inside the transaction, counted from 0.
    pub sub: i64,
}

impl Revision {
    /// The revision `main_sub`.
    pub const fn new(main: i64, sub: i64) -> Self {
        Self { main, sub }
    }

    /// The 17 bytes.
    pub fn to_bytes(self) -> [u8; REVISION_BYTES] {
        let mut bytes = [0; REVISION_BYTES];
        bytes[..8].copy_from_slice(&self.main.to_be_bytes());
        bytes[8] = b'_';
        bytes[9..].copy_from_slice(&self.sub.to_be_bytes());
        bytes
    }

    /// The 18 bytes of a tombstone.
    pub fn to_tombstone_bytes(self) -> [u8; REVISION_BYTES + 1] {
        let mut bytes = [TOMBSTONE_MARK; REVISION_BYTES + 1];
        bytes[..REVISION_BYTES].copy_from_slice(&self.to_bytes());
        bytes
    }

    /// Reads 17 or 18 bytes; `None` if they are no revision.
    pub fn from_bytes(bytes: &[u8]) -> Option<StoredRevision> {
        let tombstone = match bytes.len() {
            REVISION_BYTES => false,
            18 if bytes[REVISION_BYTES] == TOMBSTONE_MARK => true,
            _ => return None,
        };
        let main = i64::from_be_bytes(bytes[..8].try_into().ok()?);
        let sub = i64::from_be_bytes(bytes[9..REVISION_BYTES].try_into().ok()?);
        let sound = bytes[8] == b'_' && main >= 0 && sub >= 0;
        sound.then_some(StoredRevision { revision: Self { main, sub }, tombstone })
    }
}

/// A key of the `key` bucket, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredRevision {
    /// The revision.
    pub revision: Revision,
    /// Whether it deletes its key.
    pub tombstone: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_sort_as_revisions_do() {
        let revisions =
            [Revision::new(1, 9), Revision::new(2, 0), Revision::new(2, 1), Revision::new(256, 0)];
        assert!(
            revisions.windows(2).all(|pair| pair[0].to_bytes() < pair[1].to_bytes()),
            "byte order is revision order"
        );
        let tombstone = Revision::new(2, 0).to_tombstone_bytes();
        assert!(tombstone[..] > Revision::new(2, 0).to_bytes()[..], "a mark sorts after");
        assert!(tombstone[..] < Revision::new(2, 1).to_bytes()[..], "and before the next");
    }

    #[test]
    fn only_well_formed_keys_are_revisions() {
        let revision = Revision::new(0x0b, 3);
        let read = Revision::from_bytes(&revision.to_tombstone_bytes()).unwrap();
        assert_eq!(read, StoredRevision { revision, tombstone: true }, "reads what was written");
        let mut other_mark = revision.to_tombstone_bytes();
        other_mark[17] = b'x';
        assert_eq!(Revision::from_bytes(&other_mark), None, "an unknown mark");
        assert_eq!(Revision::from_bytes(&[0xff; 17]), None, "negative numbers");
        assert_eq!(Revision::from_bytes(b"short"), None, "wrong length");
    }
}
