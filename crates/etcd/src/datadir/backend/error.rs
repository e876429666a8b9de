//! Why a backend cannot be read.

use crate::bolt::{OpenError, Problem, ReadError};
use crate::mvcc::RestoreError;

/// A backend that cannot be read, or not to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// The file is not there.
    #[error("{path}: not there")]
    Missing {
        /// Where it would be.
        path: String,
    },
    /// ZooKeeper keeps no such file.
    #[error("a ZooKeeper data directory has no backend")]
    Zookeeper,
    /// Both meta pages are damaged.
    #[error("{path}: failed to open database: {error}")]
    Open {
        /// The file.
        path: String,
        /// What is wrong with them.
        error: OpenError,
    },
    /// A page is damaged.
    #[error("{path}: {problem}")]
    Damaged {
        /// The file.
        path: String,
        /// What, and where.
        problem: Problem,
    },
    /// A key or value is not what its bucket holds.
    #[error("{path}: offset {offset}: bucket {bucket}: {detail}")]
    Malformed {
        /// The file.
        path: String,
        /// Where the value begins.
        offset: u64,
        /// The bucket.
        bucket: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// The revisions make no store.
    #[error("{path}: {error}")]
    Restore {
        /// The file.
        path: String,
        /// What is wrong.
        error: RestoreError,
    },
    /// The bytes cannot be had from where the file is.
    #[error("{path}: {error}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        error: ReadError,
    },
    /// The bytes do not have the digest that ends the file.
    #[error("{path}: offset {offset}: expected sha256 {expected}, got {found}")]
    Digest {
        /// The file.
        path: String,
        /// Where the digest begins.
        offset: u64,
        /// The digest in the file, in hex.
        expected: String,
        /// That of the bytes before it.
        found: String,
    },
}

impl BackendError {
    /// The file, and what is wrong without its name.
    pub(in crate::datadir) fn parts(&self) -> (String, String) {
        let detail = match self {
            BackendError::Damaged { problem, .. } => {
                format!("page {}: {}", problem.page, problem.fault)
            }
            BackendError::Malformed { bucket, detail, .. } => format!("bucket {bucket}: {detail}"),
            BackendError::Digest { expected, found, .. } => {
                format!("expected sha256 {expected}, got {found}")
            }
            BackendError::Open { error, .. } => format!("failed to open database: {error}"),
            BackendError::Restore { error, .. } => error.to_string(),
            BackendError::Unreadable { error, .. } => error.to_string(),
            BackendError::Missing { .. } | BackendError::Zookeeper => self.to_string(),
        };
        (self.path().into(), detail)
    }

    fn path(&self) -> &str {
        match self {
            BackendError::Missing { path }
            | BackendError::Open { path, .. }
            | BackendError::Damaged { path, .. }
            | BackendError::Malformed { path, .. }
            | BackendError::Restore { path, .. }
            | BackendError::Unreadable { path, .. }
            | BackendError::Digest { path, .. } => path,
            BackendError::Zookeeper => "",
        }
    }

    /// The byte of the file that it is about.
    pub fn offset(&self) -> Option<u64> {
        match self {
            BackendError::Damaged { problem, .. } => Some(problem.offset),
            BackendError::Malformed { offset, .. } | BackendError::Digest { offset, .. } => {
                Some(*offset)
            }
            BackendError::Open { .. } => Some(0),
            BackendError::Missing { .. }
            | BackendError::Zookeeper
            | BackendError::Unreadable { .. }
            | BackendError::Restore { .. } => None,
        }
    }
}
