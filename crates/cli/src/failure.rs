//! Why a command could not run: one line that names the place.

use std::path::PathBuf;

use etcd::datadir::DataDirError;

/// Bad usage or unreadable input; the exit code is 2.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A file or folder cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// An archive is damaged, hostile or too large.
    #[error(transparent)]
    Archive(#[from] archive::ArchiveError),
    /// The files are no data directory.
    #[error("{source_name}: {error}")]
    NoDataDir {
        /// Where they are from.
        source_name: String,
        /// Why.
        error: DataDirError,
    },
    /// The keys of a directory cannot be told, or not what was asked of them.
    #[error("{source_name}: {detail}")]
    State {
        /// Where it is.
        source_name: String,
        /// Why, with the file and its offset.
        detail: String,
    },
    /// The command does not do this for such a directory.
    #[error("{source_name}: {detail}")]
    Unsupported {
        /// Where it is.
        source_name: String,
        /// What, and what is there instead.
        detail: String,
    },
    /// A scenario is not right.
    #[error("{}: {error}", path.display())]
    Scenario {
        /// The file.
        path: PathBuf,
        /// What, and where.
        error: sim::scenario::ParseError,
    },
    /// A link does not open, or cannot be made.
    #[error("{0}")]
    Link(#[from] sim::link::LinkError),
    /// An argument is not right.
    #[error("{0}")]
    Usage(String),
    /// A file cannot be written.
    #[error("{}: {error}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Standard output is gone or full.
    #[error("standard output: {0}")]
    Output(#[from] std::io::Error),
}

impl Failure {
    pub(crate) fn state(source_name: String, error: &dyn std::fmt::Display) -> Failure {
        Failure::State { source_name, detail: error.to_string() }
    }
}
