//! When the backend closes its batch, and what waits for that.
//!
//! ```text
//! interval over, batch full, or asked for ─→ commit: data, sync, meta, sync ─→ apply goes on
//! defragment ─→ batch closed ─→ copied into a new file ─→ renamed ─→ answer
//! ```
//!
//! While it happens nothing is applied: etcd holds the lock of the batch. Consensus goes on, so that
//! committed entries may queue up. A failed write or sync is deadly, as in etcd.
//! Source: etcd release-3.4, `mvcc/backend/{backend,batch_tx}.go`, `etcdserver/api/v3rpc/maintenance.go`.

use disk::{Disk, Ticket};

use super::running::Running;
use super::{Effects, Fatal};
use crate::mvcc::backend::{Backend as _, BackendError, Busy, DiskBackend};
use crate::request::{DoneReply, Reply, RequestId};

/// When the next batch is closed, and who waits for a defragmentation.
#[derive(Debug, Clone, Default)]
pub(super) struct Batches {
    next_ns: u64,
    defragmenting: Vec<RequestId>,
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

    /// Takes a request to copy the file without its free pages.
    pub(super) fn defragment(&mut self, client: RequestId) {
        self.batches.defragmenting.push(client);
    }

    /// Begins to copy the file, after the batch was closed.
    pub(super) fn defragment_if_asked(&mut self, disk: &mut Disk) -> Result<(), Fatal> {
        if self.batches.defragmenting.is_empty() || self.is_closing_batch() {
            return Ok(());
        }
        if self.backend().pending() > 0 {
            return self.close_batch(disk);
        }
        let begun = self.applier.backend_mut().begin_defragmentation(disk);
        begun.map_err(|error| Fatal { reason: format!("failed to defragment: {error}") })
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
        let synced = self.applier.backend_mut().on_synced(ticket, disk);
        if !synced.map_err(|error| not_committed(&error))? {
            return Ok(true);
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
