//! Snapshot files.
//!
//! `<term>-<index>.snap`, both sixteen hex digits, term first, is one message:
//!
//! ```text
//! 08 crc          CRC-32C of data
//! 12 length data  raftpb.Snapshot: 0a v2 store as JSON · 12 { conf state, index, term }
//! ```
//!
//! It holds neither keys nor leases: those are in the backend, which is at this index or later.
//! `<index>.snap.db`, the index alone, is a backend that came from a leader with a snapshot, until
//! it takes the place of `db`.
//!
//! Reading is a function from bytes to a [`raft::Snapshot`] or a typed error with file and offset
//! ([`decode`]); [`load_newest`] picks what a server boots from. Writing takes time: [`SaveFile`]
//! is driven by completed syncs, and what it wrote counts only when it is done, which is what keeps
//! the record in the log from naming a file that is not there.
//!
//! One step more than etcd: the directory is synced too. Real servers up to 3.6 rely on the file's
//! own sync for its name (issue 22340).
//! Source: etcd release-3.4, `etcdserver/api/snap/{snapshotter,db}.go`.

mod directory;
mod file;
mod name;
mod save;

pub use directory::{Loaded, load_newest, release_databases, remove_orphans};
pub use file::{SnapError, decode, encode};
pub use name::{DatabaseName, SnapName};
pub use save::SaveFile;
