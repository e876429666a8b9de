//! Why files are no data directory.

use disk::DiskError;

/// The files given cannot be inspected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DataDirError {
    /// Nothing that any server would have written.
    #[error(
        "no data directory found: no member/wal/*.wal or member/snap/db (etcd), no bbolt file, \
         no version-2/log.* or snapshot.* (ZooKeeper) among {files} files"
    )]
    NotFound {
        /// How many files were looked at.
        files: usize,
    },
    /// More than one data directory.
    #[error("{} data directories found, choose one: {}", roots.len(), roots.join(", "))]
    Several {
        /// Where they are.
        roots: Vec<String>,
    },
    /// The simulated disk cannot be read.
    #[error(transparent)]
    Disk(#[from] DiskError),
}
