//! Snapshots of the server's own state, taken when enough entries were applied since the last one.
//!
//! ```text
//! Ready saved ─ enough applied? ─→ backend's batch closed ─→ .snap ─ file, directory synced ─→
//!   record in the log ─ synced ─→ segments given up ─→ log in memory compacted
//! ```
//!
//! The server goes on meanwhile. The `.snap` file is durable before the record that names it, and
//! the record before anything that only a boot from the snapshot can do without is given up.
//! Entries right below the snapshot stay in memory for slow followers, and all of them while a
//! snapshot is on its way to one: or it would need the next snapshot as soon as it has this one.
//!
//! Where etcd would begin a snapshot while an earlier one is still being saved, this server waits
//! for the earlier one. Source: etcd release-3.4, `etcdserver/{server,storage}.go`.

use disk::{Disk, DiskError, Ticket};
use raft::{ConfState, Snapshot, StorageError};

use super::running::{Running, save_failed};
use super::{Effects, Fatal, ServerEvent};
use crate::snap::{SaveFile, SnapName, release_databases};
use crate::wal::{SaveId, SnapshotMark};

/// Where the last snapshot stands, and the next one if it is being saved.
#[derive(Debug, Clone, Default)]
pub(super) struct Snapshots {
    /// The last entry that the last snapshot covers.
    pub(super) index: u64,
    /// The configuration after the last applied entry.
    pub(super) conf_state: ConfState,
    /// The last one whose record is durable: what a boot begins with.
    pub(super) saved: Option<SnapName>,
    taking: Option<Taking>,
}

/// A snapshot that is being saved.
#[derive(Debug, Clone)]
struct Taking {
    snapshot: Snapshot,
    step: Step,
}

#[derive(Debug, Clone)]
enum Step {
    /// The backend closes its batch.
    Database,
    File(SaveFile),
    Record {
        save: SaveId,
        file: String,
    },
}

impl Snapshots {
    /// Right after a snapshot: none, or the one that a boot began with.
    pub(super) fn after(snapshot: &raft::SnapshotMetadata) -> Self {
        let conf_state = snapshot.conf_state.clone();
        let saved = (snapshot.index > 0).then(|| name_of(snapshot));
        Self { index: snapshot.index, conf_state, saved, taking: None }
    }

    /// Gives up a snapshot that is being saved and has no record yet: a newer one is there.
    fn overtaken(&mut self) {
        self.taking.take_if(|taking| !matches!(taking.step, Step::Record { .. }));
    }
}

impl Running {
    /// Takes a snapshot if it is time for one. All that was applied must be in the log.
    pub(super) fn trigger_snapshot(
        &mut self,
        disk: &mut Disk,
        effects: &mut Effects,
    ) -> Result<(), Fatal> {
        let applied = self.applier.applied();
        let since = applied.index - self.snapshots.index;
        let is_blocked = self.is_closing_batch() || self.saving.is_some();
        if since <= self.config.snapshot_count || self.snapshots.taking.is_some() || is_blocked {
            return Ok(());
        }
        self.snapshots.index = applied.index;
        self.applier.flush();
        let data = self.applier.cluster().v2().to_json();
        let conf_state = Some(self.snapshots.conf_state.clone());
        let snapshot =
            match self.node.storage_mut().create_snapshot(applied.index, conf_state, data) {
                Ok(snapshot) => snapshot.clone(),
                // A newer one came from a leader.
                Err(StorageError::SnapOutOfDate) => return Ok(()),
                Err(error) => return Err(raft::Error::from(error).into()),
            };
        self.snapshots.taking = Some(Taking { snapshot, step: Step::Database });
        self.close_batch(disk)?;
        let (index, term) = (applied.index, applied.term);
        effects.trace.push(ServerEvent::SnapshotTaken { index, term });
        Ok(())
    }

    /// The backend has closed its batch: what waited for that is written.
    pub(super) fn snapshot_committed(&mut self, disk: &mut Disk) -> Result<(), Fatal> {
        let Some(Taking { snapshot, step: step @ Step::Database }) = &mut self.snapshots.taking
        else {
            return Ok(());
        };
        let file = SaveFile::snap(disk, &self.config.snap_dir(), snapshot);
        *step = Step::File(file.map_err(|error| not_saved(&error))?.with_bugs(self.config.bugs));
        Ok(())
    }

    /// Takes a completed sync of a snapshot that is being saved.
    pub(super) fn snapshot_synced(
        &mut self,
        disk: &mut Disk,
        ticket: Ticket,
    ) -> Result<bool, Fatal> {
        let Some(Taking { snapshot, step }) = &mut self.snapshots.taking else { return Ok(false) };
        let Step::File(file) = step else { return Ok(false) };
        if !file.on_synced(disk, ticket).map_err(|error| not_saved(&error))? {
            return Ok(false);
        }
        if file.is_done() {
            let save = self.wal.save_snapshot(disk, &mark_of(snapshot));
            let save = save.map_err(|error| save_failed(&error))?;
            *step = Step::Record { save, file: file.name().to_owned() };
        }
        Ok(true)
    }

    /// If the record of a snapshot is durable: gives up what lies below it.
    pub(super) fn finish_snapshot(
        &mut self,
        disk: &mut Disk,
        effects: &mut Effects,
    ) -> Result<(), Fatal> {
        let durable = self.wal.saved();
        let is_saved = |taking: &mut Taking| matches!(taking.step, Step::Record { save, .. } if save <= durable);
        let Some(Taking { snapshot, step: Step::Record { file, .. } }) =
            self.snapshots.taking.take_if(is_saved)
        else {
            return Ok(());
        };
        let index = snapshot.metadata.index;
        self.snapshots.saved = self.snapshots.saved.max(Some(name_of(&snapshot.metadata)));
        effects.trace.push(ServerEvent::SnapshotSaved { file, index });
        self.release(index, disk, effects)?;
        if self.transfers.are_under_way() {
            return Ok(());
        }
        self.compact_log(index, effects)
    }

    /// Drops entries from memory, but for those that slow followers may ask for.
    fn compact_log(&mut self, snapshot: u64, effects: &mut Effects) -> Result<(), Fatal> {
        let index = snapshot.saturating_sub(self.config.catch_up_entries).max(1);
        match self.node.storage_mut().compact(index) {
            Ok(()) => effects.trace.push(ServerEvent::LogCompacted { index }),
            Err(StorageError::Compacted) => {}
            Err(error) => return Err(raft::Error::from(error).into()),
        }
        Ok(())
    }

    /// Gives up segments and received backends that no boot needs any more.
    pub(super) fn release(
        &mut self,
        index: u64,
        disk: &mut Disk,
        effects: &mut Effects,
    ) -> Result<(), Fatal> {
        self.wal.release_to(index);
        let removed = release_databases(disk, &self.config.snap_dir(), index);
        let removed =
            removed.map_err(|error| Fatal { reason: format!("failed to release wal: {error}") })?;
        effects.trace.extend(removed.into_iter().map(|file| ServerEvent::OrphanRemoved { file }));
        Ok(())
    }

    /// A snapshot from the leader was installed.
    pub(super) fn snapshot_installed(&mut self, metadata: &raft::SnapshotMetadata) {
        self.snapshots.overtaken();
        self.snapshots.index = metadata.index;
        self.snapshots.saved = Some(name_of(metadata));
        self.snapshots.conf_state = metadata.conf_state.clone();
    }
}

fn name_of(metadata: &raft::SnapshotMetadata) -> SnapName {
    SnapName { term: metadata.term, index: metadata.index }
}

/// The record that names a snapshot.
pub(super) fn mark_of(snapshot: &Snapshot) -> SnapshotMark {
    SnapshotMark::new(snapshot.metadata.index, snapshot.metadata.term)
}

fn not_saved(error: &DiskError) -> Fatal {
    Fatal { reason: format!("failed to save snapshot: {error}") }
}
