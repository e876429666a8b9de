//! The host's redo log: a session in IndexedDB.
//!
//! RAM is the live world; IndexedDB receives it slice by slice. A slice is one readwrite
//! transaction with the disk pages that changed since the last one, the recorded actions and the
//! head. Most slices are appended as one redo record; every now and then one is a checkpoint, which
//! lays the changed pages down in place and drops the redo records, so the store stays as large as
//! the simulated disks are.
//!
//! | module | is |
//! |---|---|
//! | [`layout`] | object stores and keys |
//! | [`record`] | a checksum before the bytes |
//! | [`mod@slice`] | what one transaction writes |
//! | [`backlog`] | what is due, and which slice comes next |
//! | [`stored`] | what the records mean when a session is opened |
//! | `database` | the transactions themselves (browser), over `request` and `keys` |
//! | `lock` | one writer a session (browser) |
//!
//! Promises: a slice is there whole or not at all, and only after the one before it; of two writers
//! the one that opened last wins, and the other's next transaction aborts and says so; whatever the
//! records hold, opening returns a session or an error that names store and key.

pub mod backlog;
#[cfg(target_arch = "wasm32")]
pub mod database;
pub mod error;
#[cfg(target_arch = "wasm32")]
mod keys;
pub mod layout;
#[cfg(target_arch = "wasm32")]
pub mod lock;
pub mod record;
#[cfg(target_arch = "wasm32")]
mod request;
pub mod slice;
pub mod stored;

pub use backlog::{Backlog, Changes, Source};
pub use error::StoreError;
pub use layout::{Address, Key, Store};
pub use record::Damage;
pub use slice::{Head, Slice, Write};
pub use stored::{Records, Stored, StoredDisk, StoredPage, Writer};

#[cfg(test)]
pub(crate) mod shelf;
#[cfg(test)]
mod tests;
