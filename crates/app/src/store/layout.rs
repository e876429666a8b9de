//! Where things lie in IndexedDB.
//!
//! Database `quorarium`, version [`SCHEMA`]; keys are out of line, values are `Uint8Array`s of at
//! most [`RECORD_BYTES_MAX`] bytes, because Chromium spills larger ones into files of their own.
//!
//! | object store | key | value |
//! |---|---|---|
//! | `meta` | `["writer"]` | epoch of the writer and number of the last slice |
//! | `meta` | `["checkpoint", part]` | head, disk metadata and page list as of the last checkpoint |
//! | `slices` | `[number, part]` | a redo slice: all that changed since the slice before |
//! | `pages` | `[node, file, page]` | a disk page as of the last checkpoint |
//! | `actions` | `[piece]` | the recorded actions as text, append-only, cut into pieces |

use std::fmt;

use serde::{Deserialize, Serialize};

/// Version of the database and of every record in it.
pub const SCHEMA: u8 = 1;

/// Largest value that is put.
pub const RECORD_BYTES_MAX: usize = 60 * 1024;

/// An object store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Store {
    /// Writer and checkpoint.
    Meta,
    /// Redo slices.
    Slices,
    /// Pages of the checkpoint.
    Pages,
    /// Recorded actions.
    Actions,
}

impl Store {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Meta, Self::Slices, Self::Pages, Self::Actions];

    /// Its name in IndexedDB.
    pub fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Slices => "slices",
            Self::Pages => "pages",
            Self::Actions => "actions",
        }
    }
}

/// One page of one file of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Address {
    /// Server, from 0 in the world's order.
    pub node: u32,
    /// Inode.
    pub file: u32,
    /// Offset in the file divided by the page size.
    pub page: u32,
}

/// The key of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Who writes, and how far it came.
    Writer,
    /// A part of the checkpoint.
    Checkpoint(u32),
    /// A part of a redo slice.
    Slice(u64, u32),
    /// A page.
    Page(Address),
    /// A piece of the actions.
    Actions(u32),
}

impl Key {
    /// The store it belongs to.
    pub fn store(self) -> Store {
        match self {
            Self::Writer | Self::Checkpoint(_) => Store::Meta,
            Self::Slice(..) => Store::Slices,
            Self::Page(_) => Store::Pages,
            Self::Actions(_) => Store::Actions,
        }
    }
}

/// `pages [0, 5, 12]`
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let store = self.store().name();
        match self {
            Self::Writer => write!(f, "{store} [\"writer\"]"),
            Self::Checkpoint(part) => write!(f, "{store} [\"checkpoint\", {part}]"),
            Self::Slice(number, part) => write!(f, "{store} [{number}, {part}]"),
            Self::Page(Address { node, file, page }) => {
                write!(f, "{store} [{node}, {file}, {page}]")
            }
            Self::Actions(piece) => write!(f, "{store} [{piece}]"),
        }
    }
}
