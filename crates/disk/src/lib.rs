//! A disk that can lose, tear, rot and lie.
//!
//! A [`Disk`] is a tree of directories and files with two images of everything:
//!
//! * **live**: what a running process reads, changed at once by every operation;
//! * **durable**: what survives a power cut, changed only when a sync completes.
//!
//! A sync is a [`Ticket`]. It covers what was live when it was issued, and takes effect when the
//! machine that owns the disk says so with [`Disk::complete`]. A file's ticket covers its bytes
//! and its length; its name is durable only after a sync of the directory. [`Disk::crash`] decides
//! one un-synced thing at a time (512-byte sector, length, change of a name) what survived, and
//! afterwards both images are equal.
//!
//! Bytes live in shared 4096-byte pages that are copied on write; pages of zeros are holes. So a
//! clone of a whole disk costs one reference a file, which is what rewinding depends on.
//!
//! [`Disk::map`] gives a file's bytes as they are at one moment, for a process that keeps them in
//! its memory: a [`Mapping`] changes only where its owner asks for it.
//!
//! A backing store follows a disk through [`Disk::take_dirty`], [`Disk::export_page`] and
//! [`Disk::export_metadata`], and brings it back with [`Disk::import`].
//!
//! What a device does wrong on its own (errors, lies, no space) are its [`Faults`].
//!
//! Left out: hard and symbolic links, permissions and times of files. A sector that was written again while a sync of its older
//! content was under way survives a crash with its durable or its live content, never with the
//! one in between.

mod crash;
mod directory;
mod disk;
mod durable;
mod error;
mod fault;
mod feed;
mod file;
mod mapping;
mod names;
mod page;
mod page_table;
mod sync;

pub use crash::{CrashReport, Operation, Unsynced, Watch};
pub use disk::{DirEntry, Disk, EntryKind, FileId};
pub use error::{DiskError, ImportError};
pub use fault::{Faults, Met};
pub use feed::{Dirty, PageKey};
pub use file::FILE_BYTES_MAX;
pub use mapping::Mapping;
pub use page::{PAGE_BYTES, SECTOR_BYTES};
pub use sync::Ticket;
