//! What can go wrong in the core, and for whom.

use std::fmt;

use thiserror::Error;

use crate::storage::StorageError;

/// Why a call was refused, or why the node cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// The proposal was not appended; the proposer may try again.
    #[error("raft proposal dropped")]
    ProposalDropped,
    /// A message that only the node itself may send came from outside.
    #[error("raft: cannot step raft local message")]
    StepLocalMsg,
    /// An answer from a node that is not in the configuration.
    #[error("raft: cannot step as peer not found")]
    StepPeerNotFound,
    /// A message makes no sense, whoever sent it; it changed nothing.
    #[error("raft: invalid message: {0}")]
    InvalidMessage(String),
    /// A node cannot start with this configuration or on this storage.
    #[error("{0}")]
    Config(String),
    /// The storage refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Data from outside broke what consensus relies on; a real server dies with this message.
    /// The node must not be used further.
    #[error("{0}")]
    Fatal(String),
}

/// Results of the core.
pub type Result<T> = std::result::Result<T, Error>;

/// Leaves the function with [`Error::Fatal`].
macro_rules! fatal {
    ($($arg:tt)+) => {
        return Err($crate::error::fatal_error(format_args!($($arg)+)))
    };
}

pub(crate) use fatal;

/// Apart, so that what never happens takes no room among what always does.
#[cold]
pub(crate) fn fatal_error(message: fmt::Arguments<'_>) -> Error {
    Error::Fatal(message.to_string())
}
