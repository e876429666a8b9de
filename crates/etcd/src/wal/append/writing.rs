//! One save into the live image, and which saves are durable.

use disk::Disk;

use super::{Save, SaveId, Unsaved, Wal};
use crate::wal::{SnapshotMark, WalError, WalEvent};

/// About what a record takes beside its data.
const FRAME_BYTES: usize = 64;

impl Wal {
    pub(super) fn next_save(&mut self) -> SaveId {
        self.last_save = SaveId(self.last_save.0 + 1);
        self.last_save
    }

    pub(super) fn queue(&mut self, save: Save) -> SaveId {
        let id = self.next_save();
        self.queued.push_back((id, save));
        id
    }

    pub(super) fn write_entries(
        &mut self,
        disk: &mut Disk,
        save: SaveId,
        entries: &[raft::Entry],
        state: raft::HardState,
    ) -> Result<(), WalError> {
        let is_synced =
            !entries.is_empty() || (state.term, state.vote) != (self.state.term, self.state.vote);
        let data: usize = entries.iter().map(|entry| entry.data.len()).sum();
        let mut frames = Vec::with_capacity(data + FRAME_BYTES * (entries.len() + 1));
        for entry in entries {
            self.encoder.entry(entry, &mut frames);
        }
        self.encoder.hard_state(&state, &mut frames);
        self.last_index = entries.last().map_or(self.last_index, |entry| entry.index);
        if !state.is_empty() {
            self.state = state;
        }
        self.append_save(disk, save, &frames)?;
        if self.end >= self.options.segment_bytes {
            self.unsaved.push_back(Unsaved { save, ticket: None, is_cutting: true });
            return self.begin_cut(disk);
        }
        let ticket = if is_synced { Some(disk.sync_file(self.file)?) } else { None };
        self.unsaved.push_back(Unsaved { save, ticket, is_cutting: false });
        self.settle();
        Ok(())
    }

    pub(super) fn write_snapshot(
        &mut self,
        disk: &mut Disk,
        save: SaveId,
        mark: &SnapshotMark,
    ) -> Result<(), WalError> {
        let mut frames = Vec::new();
        self.encoder.snapshot(mark, &mut frames);
        self.last_index = self.last_index.max(mark.index);
        self.append_save(disk, save, &frames)?;
        let ticket = Some(disk.sync_file(self.file)?);
        self.unsaved.push_back(Unsaved { save, ticket, is_cutting: false });
        Ok(())
    }

    pub(super) fn write_sync(&mut self, disk: &mut Disk, save: SaveId) -> Result<(), WalError> {
        let ticket = Some(disk.sync_file(self.file)?);
        self.unsaved.push_back(Unsaved { save, ticket, is_cutting: false });
        Ok(())
    }

    fn append_save(
        &mut self,
        disk: &mut Disk,
        save: SaveId,
        frames: &[u8],
    ) -> Result<(), WalError> {
        let (segment, offset, length) = (self.segment, self.end, frames.len() as u64);
        self.append(disk, frames)?;
        self.events.push(WalEvent::Appended { save, segment, offset, length });
        Ok(())
    }

    pub(super) fn append(&mut self, disk: &mut Disk, frames: &[u8]) -> Result<(), WalError> {
        disk.write(self.file, self.end, frames)?;
        self.end += frames.len() as u64;
        Ok(())
    }

    /// The first `count` unsaved saves are durable: a sync covers all that was written before it.
    pub(super) fn cover(&mut self, count: usize) {
        let tickets = self.unsaved.iter_mut().take(count).filter_map(|save| save.ticket.take());
        self.covered.extend(tickets);
    }

    /// Everything up to the first save that is still outstanding is saved.
    pub(super) fn settle(&mut self) {
        let is_settled = |unsaved: &Unsaved| unsaved.ticket.is_none() && !unsaved.is_cutting;
        while self.unsaved.front().is_some_and(is_settled) {
            let settled = self.unsaved.pop_front().expect("there is a front");
            self.saved = settled.save;
        }
    }
}
