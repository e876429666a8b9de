//! When the backend closes its batch, and what waits for that.
//!
//! ```text
//! interval over, batch full, or asked for ─→ commit: data, sync, meta, sync ─→ apply goes on
//! defragment ─→ batch closed ─→ copied into a new file ─→ renamed ─→ answer
//! snapshot ─→ batch closed ─→ answer with the file
//! ```
//!
//! While it happens nothing is applied: etcd holds the lock of the batch. Consensus goes on, so that
//! committed entries may queue up. A failed write or sync is deadly, as in etcd, but for the copy of
//! a defragmentation: that is given up, and whoever asked is told. Releases before 3.4.35 have then
//! lost their transactions, and die when they next need one.
//! Source: etcd release-3.4, `mvcc/backend/{backend,batch_tx}.go`, `etcdserver/api/v3rpc/maintenance.go`;
//! etcd-io/etcd#18843.

use bytes::{BufMut as _, Bytes, BytesMut};
use disk::{Disk, Ticket};
use sha2::{Digest as _, Sha256};

use super::running::Running;
use super::{Effects, Fatal, Version};
use crate::bugs::Bug;
use crate::mvcc::Bucket;
use crate::mvcc::backend::{Backend as _, BackendError, Busy, DiskBackend};
use crate::request::{DoneReply, Reply, RequestError, RequestId, SnapshotReply};

/// The first release that goes on after a defragmentation that failed.
const DEFRAGMENTATION_MAY_FAIL: Version = Version { major: 3, minor: 4, patch: 35 };
/// What Go dies with when it needs a transaction that is not there.
const NO_TRANSACTION: &str =
    "panic: runtime error: invalid memory address or nil pointer dereference";

/// When the next batch is closed, and who waits for that.
#[derive(Debug, Clone, Default)]
pub(super) struct Batches {
    next_ns: u64,
    defragmenting: Vec<RequestId>,
    /// Who waits for a snapshot.
    saving: Vec<RequestId>,
    /// A defragmentation failed, and left no transaction.
    has_no_transaction: bool,
}

impl Running {
    pub(super) fn backend(&self) -> &DiskBackend {
        self.applier.store().backend()
    }

    /// Whether the backend waits for the disk: then nothing is applied.
    pub(super) fn is_closing_batch(&self) -> bool {
        self.backend().busy().is_some()
    }

    /// Begins to close the batch, whatever is in it.
    pub(super) fn close_batch(&mut self, disk: &mut Disk) -> Result<(), Fatal> {
        self.applier.backend_mut().begin_commit(disk).map_err(|error| not_committed(&error))?;
        Ok(())
    }

    /// Begins to close the batch if it is full or what was applied asks for it.
    pub(super) fn close_wanted_batch(&mut self, disk: &mut Disk) -> Result<(), Fatal> {
        if self.backend().wants_commit() && !self.is_closing_batch() {
            self.close_batch(disk)?;
        }
        Ok(())
    }

    /// Begins to close the batch at the interval.
    pub(super) fn close_due_batch(&mut self, now_ns: u64, disk: &mut Disk) -> Result<(), Fatal> {
        if now_ns < self.batches.next_ns || self.is_closing_batch() {
            return Ok(());
        }
        self.batches.next_ns = now_ns + self.config.batch_interval_ns;
        self.close_batch(disk)
    }

    /// Breaks a rule on purpose: closes the batch at the interval between noting the index of the
    /// next entry and applying it, so that a crash before the next batch loses that entry.
    pub(super) fn close_batch_apart(&mut self, now_ns: u64, disk: &mut Disk) -> Result<(), Fatal> {
        let is_due = now_ns >= self.batches.next_ns && !self.is_closing_batch();
        if !self.config.bugs.has(Bug::IndexApartFromData) || !is_due {
            return Ok(());
        }
        if let Some(next) = self.to_apply.front() {
            let index = Bytes::copy_from_slice(&next.index.to_be_bytes());
            self.applier.backend_mut().put(Bucket::Meta, b"consistent_index", index);
            self.close_due_batch(now_ns, disk)?;
        }
        Ok(())
    }

    /// Takes a request to copy the file without its free pages.
    pub(super) fn defragment(&mut self, client: RequestId) {
        self.batches.defragmenting.push(client);
    }

    /// Begins to copy the file, after the batch was closed.
    pub(super) fn defragment_if_asked(
        &mut self,
        disk: &mut Disk,
        effects: &mut Effects,
    ) -> Result<(), Fatal> {
        if self.batches.defragmenting.is_empty() || self.is_closing_batch() {
            return Ok(());
        }
        if self.backend().pending() > 0 {
            return self.close_batch(disk);
        }
        match self.applier.backend_mut().begin_defragmentation(disk) {
            Ok(()) => Ok(()),
            Err(error) => self.backend_failed(&error, effects),
        }
    }

    /// Takes a request for the whole database.
    pub(super) fn ask_snapshot(&mut self, client: RequestId) {
        self.batches.saving.push(client);
    }

    /// Gives the database to who asked for it, after the batch was closed.
    pub(super) fn give_snapshots(
        &mut self,
        disk: &mut Disk,
        effects: &mut Effects,
    ) -> Result<(), Fatal> {
        if self.batches.saving.is_empty() || self.is_closing_batch() {
            return Ok(());
        }
        if self.backend().pending() > 0 {
            return self.close_batch(disk);
        }
        let stream = self.backend().stream();
        let mut blob = BytesMut::new();
        stream.for_each(|piece| blob.put(piece));
        let digest = Sha256::digest(&blob);
        blob.put_slice(&digest);
        let reply = SnapshotReply { header: self.header_now(), blob: blob.freeze() };
        for client in std::mem::take(&mut self.batches.saving) {
            self.reply(client, Ok(Reply::Snapshot(reply.clone())), effects);
        }
        Ok(())
    }

    /// Dies of a backend that cannot be written; tells who asked for a copy that it could not be.
    pub(super) fn backend_failed(
        &mut self,
        error: &BackendError,
        effects: &mut Effects,
    ) -> Result<(), Fatal> {
        if !error.is_of_copy {
            return Err(not_committed(error));
        }
        for client in std::mem::take(&mut self.batches.defragmenting) {
            let told = RequestError::NotDefragmented(error.to_string());
            self.reply(client, Err(told), effects);
        }
        self.batches.has_no_transaction = self.config.version < DEFRAGMENTATION_MAY_FAIL;
        Ok(())
    }

    /// Dies if the backend is needed and has no transaction.
    pub(super) fn use_backend(&self) -> Result<(), Fatal> {
        if self.batches.has_no_transaction {
            return Err(Fatal { reason: NO_TRANSACTION.to_owned() });
        }
        Ok(())
    }

    /// Takes a completed sync of the backend; what waited for it goes on.
    pub(super) fn backend_synced(
        &mut self,
        now_ns: u64,
        ticket: Ticket,
        disk: &mut Disk,
        effects: &mut Effects,
    ) -> Result<bool, Fatal> {
        if self.backend().waits_for() != Some(ticket) {
            return Ok(false);
        }
        let work = self.backend().busy();
        match self.applier.backend_mut().on_synced(ticket, disk) {
            Ok(true) => {}
            Ok(false) => return Ok(true),
            Err(error) => {
                self.backend_failed(&error, effects)?;
                return Ok(true);
            }
        }
        if work == Some(Busy::Defragmentation) {
            for client in std::mem::take(&mut self.batches.defragmenting) {
                let header = self.header_now();
                self.reply(client, Ok(Reply::Defragment(DoneReply { header })), effects);
            }
        }
        self.snapshot_committed(disk)?;
        self.send_snapshot(now_ns, disk, effects)?;
        Ok(true)
    }
}

/// Dies of a batch that cannot be closed.
fn not_committed(error: &BackendError) -> Fatal {
    Fatal { reason: format!("failed to commit tx: {}", error.source) }
}
