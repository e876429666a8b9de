//! Why an archive is not read.

/// An archive that is damaged, hostile or too large.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// It cannot be read, or an entry is not allowed.
    #[error("{source_name}: {detail}")]
    Damaged {
        /// The archive, and the entry in it as far as known.
        source_name: String,
        /// Why.
        detail: String,
    },
    /// It holds more than is sensible.
    #[error("{source_name}: more than {limit}, which is not read")]
    TooLarge {
        /// The archive or folder.
        source_name: String,
        /// What is exceeded.
        limit: String,
    },
}
