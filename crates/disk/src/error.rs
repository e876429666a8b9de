//! What can go wrong with a disk, told to the server that uses it or to the host that imports it.

use serde::{Deserialize, Serialize};

use crate::{FileId, PageKey};

/// Why an operation of a process on its disk failed. A failed operation changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum DiskError {
    /// No such file or directory.
    #[error("{path}: no such file or directory")]
    NotFound {
        /// The path asked for.
        path: String,
    },
    /// The name is taken.
    #[error("{path}: file exists")]
    Exists {
        /// The path asked for.
        path: String,
    },
    /// A directory was needed here.
    #[error("{path}: not a directory")]
    NotADirectory {
        /// The path asked for.
        path: String,
    },
    /// A file was needed here.
    #[error("{path}: is a directory")]
    IsADirectory {
        /// The path asked for.
        path: String,
    },
    /// Only an empty directory can be removed or replaced.
    #[error("{path}: directory not empty")]
    NotEmpty {
        /// The path asked for.
        path: String,
    },
    /// Not an absolute path of plain names, or a directory moved into itself.
    #[error("{path}: invalid path")]
    InvalidPath {
        /// The path asked for.
        path: String,
    },
    /// The capacity of the disk, or the largest size of a file, is reached.
    #[error("no space left on device")]
    NoSpace,
    /// The file behind this identity has been removed.
    #[error("file {} was removed", file.0)]
    Removed {
        /// The identity that the caller kept.
        file: FileId,
    },
    /// The device failed.
    #[error("{}input/output error", prefix(detail))]
    Io {
        /// What the process was doing, as Go words it: `read /path`. Empty for an fdatasync, which
        /// Go hands on as the system words it.
        detail: String,
    },
    /// The power went away: the process is dead and does not know it yet.
    #[error("power lost")]
    PowerLost,
}

fn prefix(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!("{detail}: ") }
}

/// Why stored metadata and pages are not a disk. The host's data is untrusted input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The metadata cannot be decoded.
    #[error("disk metadata: {detail}")]
    Metadata {
        /// What was wrong.
        detail: String,
    },
    /// The metadata decodes but contradicts itself.
    #[error("disk metadata: inode {}: {detail}", file.0)]
    Inode {
        /// The inode in question.
        file: FileId,
        /// What was wrong.
        detail: String,
    },
    /// A page's record cannot be decoded, or belongs to no file.
    #[error("page {} of file {}: {detail}", key.page, key.file.0)]
    Page {
        /// Which page.
        key: PageKey,
        /// What was wrong.
        detail: String,
    },
}
