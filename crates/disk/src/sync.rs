//! Syncs under way: what a ticket covers, and what its completion makes durable.

use serde::{Deserialize, Serialize};

use crate::FileId;
use crate::page::Slot;

/// One sync that was asked for. Tickets of a disk ascend and are never used twice.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Ticket(pub u64);

/// The state of a file when its sync was issued.
#[derive(Clone)]
pub(crate) struct FileSync {
    pub(crate) len: u64,
    pub(crate) pages: Vec<(u32, Slot)>,
}

/// What one ticket makes durable.
#[derive(Clone)]
pub(crate) enum Sync {
    File {
        file: FileId,
        covers: FileSync,
    },
    /// Every change of a name in `directory` older than the change numbered `before`.
    Directory {
        directory: FileId,
        before: u64,
    },
    /// A later sync of the same file completed first and covered all of this one.
    Covered,
}
