//! The bbolt file format, read from bytes: where etcd keeps its backend.
//!
//! A file is a row of pages of one size, 1 KiB to 64 KiB, everything little endian. Pages 0 and 1
//! are meta pages, written in turn: the transaction's parity chooses. All others form trees that
//! are copied on write, so that the older meta page still shows the state before.
//!
//! ```text
//! page     0  u64 id          8  u16 flags: 1 branch, 2 leaf, 4 meta, 16 freelist
//!         10  u16 count      12  u32 overflow: pages that follow and belong to this one
//! meta    16  u32 magic ED0CDAED   20 u32 version 2   24 u32 page size   28 u32 flags
//!         32  u64 root page  40 u64 root sequence  48 u64 freelist page, all ones for none
//!         56  u64 high water mark: pages in the file   64 u64 transaction
//!         72  u64 FNV-1a of bytes 16 to 72
//! branch  16 + 16·i   u32 pos  u32 key size  u64 child page
//! leaf    16 + 16·i   u32 flags (1: bucket)  u32 pos  u32 key size  u32 value size
//!                     `pos` counts from the element itself; the value follows the key
//! bucket  a value: u64 root page  u64 sequence; root 0 means inline: a leaf page follows, id 0
//! free    16 + 8·i    u64 page; a count of FFFF means that the first u64 is the count
//! ```
//!
//! Keys ascend bytewise in a page and through a tree. A branch's key is at most the first key of
//! its child. There are no checksums but those of the meta pages: a flipped bit in a value cannot
//! be seen here.
//!
//! [`File`] opens bytes, or a file of a disk, and chooses the meta page; [`Bucket`] and [`Cursor`]
//! read; [`File::check`] walks everything and finds what is damaged. Nothing panics on any bytes, no
//! length is believed before it was compared with the page, and every walk ends. A checksum of 0
//! is a wrong one here, as in bbolt 1.3.7; older ones took it for "not set".
//!
//! [`Db`] writes: a [`Tx`] changes nodes in memory, a [`Commit`] makes pages of them in the order
//! that lets a power cut at any moment leave the old or the new state:
//!
//! ```text
//! rebalance → spill → (longer file → sync) → data pages → sync → meta page → sync
//! ```
//!
//! One transaction at a time; nobody waits for readers, who keep the pages they read by themselves.
//! A file that is too large for memory is read piece by piece: see [`Paged`]. [`Build`] writes a new
//! one of keys in their order, in one go.

mod bucket;
mod build;
mod check;
mod commit;
mod compact;
mod cursor;
mod db;
mod fault;
mod file;
mod free_pages;
mod freelist;
mod image;
mod lookup;
mod meta;
mod node;
mod owners;
mod page;
mod paged;
mod place;
mod rebalance;
mod remove;
mod spill;
mod stream;
#[cfg(test)]
mod tests;
mod tx;
mod walk;

pub use bucket::{Bucket, Tree, Value};
pub use build::{Build, BuildError};
pub use check::{Check, PROBLEMS_MAX, Statistics};
pub use commit::{Commit, Progress};
pub(crate) use compact::directory_of;
pub use compact::{Compact, CompactProgress, ITEMS_PER_TX, remove_leftovers};
pub use cursor::{Cursor, Item};
pub use db::{Db, DbError, DbOptions};
pub use fault::{Fault, OpenError, Problem};
pub use file::File;
pub(crate) use meta::checksum as meta_checksum;
pub use meta::{Meta, MetaFault, PAGE_BYTES_MAX, PAGE_BYTES_MIN};
pub use owners::Owner;
pub use page::PageKind;
pub use paged::{CACHE_BYTES_MAX, PIECE_BYTES, PageSource, PageStore, Paged, ReadError};
pub use stream::Stream;
pub(crate) use tx::sound;
pub use tx::{BucketId, Element, FILL_PERCENT, KEY_BYTES_MAX, Tx, TxError, VALUE_BYTES_MAX};
pub use walk::Visit;
