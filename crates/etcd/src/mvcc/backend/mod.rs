//! Where revisions are kept: named buckets of ordered byte keys.
//!
//! Changes collect in a batch and become durable together: [`Backend::commit`] closes the batch.
//! Reads see the open batch. What a crash leaves is some closed batch, never part of one, so data
//! and consistent index that are written in one batch move together.
//!
//! [`DiskBackend`] is etcd's bbolt file: what a server has. Its commits take time, so that closing a
//! batch only asks for one; whoever has the disk lets it happen before anything else is applied.
//! [`FileBackend`] lays changes over a file that is only read: for what is read from a directory and
//! never written back. [`MemoryBackend`] keeps the buckets in persistent maps, for tests of what
//! does not care.

mod buffer;
mod disk;
mod file;
mod memory;
mod opening;
#[cfg(test)]
mod tests;

pub use self::disk::{BackendError, BackendOptions, Busy, DiskBackend};
pub use file::FileBackend;
pub use memory::MemoryBackend;
pub use opening::{Opened, Opening};

use std::ops::ControlFlow;

use bytes::Bytes;

/// The top-level buckets of etcd's backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bucket {
    /// Revisions.
    Key,
    /// `consistent_index`, `scheduledCompactRev`, `finishedCompactRev`.
    Meta,
    /// Leases by id.
    Lease,
    /// Raised alarms.
    Alarm,
    /// Whether users are asked who they are.
    Auth,
    /// Roles by name.
    AuthRoles,
    /// Users by name.
    AuthUsers,
    /// Members by id.
    Members,
    /// Ids that may not come back.
    MembersRemoved,
    /// The cluster version.
    Cluster,
}

impl Bucket {
    /// All buckets, in the order of their names.
    pub const ALL: [Self; 10] = [
        Self::Alarm,
        Self::Auth,
        Self::AuthRoles,
        Self::AuthUsers,
        Self::Cluster,
        Self::Key,
        Self::Lease,
        Self::Members,
        Self::MembersRemoved,
        Self::Meta,
    ];

    /// The name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Meta => "meta",
            Self::Lease => "lease",
            Self::Alarm => "alarm",
            Self::Auth => "auth",
            Self::AuthRoles => "authRoles",
            Self::AuthUsers => "authUsers",
            Self::Members => "members",
            Self::MembersRemoved => "members_removed",
            Self::Cluster => "cluster",
        }
    }
}

/// Called with each key and value; ends the walk with `Break`.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// Ordered buckets with batched, atomic commits.
pub trait Backend {
    /// The value under `key`.
    fn get(&self, bucket: Bucket, key: &[u8]) -> Option<Bytes>;

    /// Calls `read` with the value under `key`, if there is one, without a copy being made.
    fn lend(&self, bucket: Bucket, key: &[u8], read: &mut dyn FnMut(&[u8]));

    /// Calls `read` with the value under each of the keys, and which of them it is. Ascending keys
    /// may be found with less.
    fn lend_each(
        &self,
        bucket: Bucket,
        keys: &mut dyn Iterator<Item = &[u8]>,
        read: &mut dyn FnMut(usize, &[u8]),
    ) {
        for (number, key) in keys.enumerate() {
            self.lend(bucket, key, &mut |value| read(number, value));
        }
    }

    /// Visits the keys from `from` up to but without `to`, in order.
    fn scan(&self, bucket: Bucket, from: &[u8], to: Option<&[u8]>, visit: &mut Visit<'_>);

    /// Sets `key` in the open batch.
    fn put(&mut self, bucket: Bucket, key: &[u8], value: Bytes);

    /// Removes `key` in the open batch; nothing if it is not there.
    fn delete(&mut self, bucket: Bucket, key: &[u8]);

    /// Changes in the open batch.
    fn pending(&self) -> usize;

    /// Closes the batch, or asks for that: see [`Backend::wants_commit`].
    fn commit(&mut self);

    /// Whether the batch waits to be closed: nothing more may be applied before that.
    fn wants_commit(&self) -> bool {
        false
    }

    /// Size of the file, free pages included.
    fn size_bytes(&self) -> u64;

    /// The same without free pages.
    fn in_use_bytes(&self) -> u64 {
        self.size_bytes()
    }
}

/// Position of a bucket in an array of all.
fn slot(bucket: Bucket) -> usize {
    bucket as usize
}
