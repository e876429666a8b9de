//! How the store fails, as far as a visitor can do something about it.

use thiserror::Error;

use super::record::Damage;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// No IndexedDB here, or it would not open.
    #[error("IndexedDB would not open: {message}")]
    Missing {
        /// What the browser said.
        message: String,
    },
    /// Another connection does not let go of the database.
    #[error("IndexedDB is blocked by another tab")]
    Blocked,
    /// No room.
    #[error("IndexedDB is full: {message}")]
    Full {
        /// What the browser said.
        message: String,
    },
    /// Another writer opened the session: nothing of this slice was written.
    #[error("another tab writes this session now (its epoch is {theirs}, ours is {ours})")]
    Lost {
        /// Of this writer.
        ours: u64,
        /// Found in the store.
        theirs: u64,
    },
    /// The slice before this one is not in the store: nothing of this slice was written.
    #[error("slice {expected} should be the last one in IndexedDB, but {found} is")]
    OutOfOrder {
        /// The slice before this one.
        expected: u64,
        /// The last one in the store.
        found: u64,
    },
    /// The transaction aborted for a reason of the browser's.
    #[error("IndexedDB aborted: {message}")]
    Aborted {
        /// What the browser said.
        message: String,
    },
    /// A record is not what was written.
    #[error("the stored session is damaged: {0}")]
    Damaged(#[from] Damage),
}
