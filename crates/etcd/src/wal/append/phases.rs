//! What waits for syncs: creating a log, cutting it into segments, and then the queued saves.

use disk::{Disk, DiskError, FileId};

use crate::bugs::Bug;

use super::{Phase, Save, Wal, temporary};
use crate::wal::directory::ancestors;
use crate::wal::{SegmentName, WalError, WalEvent};

impl Wal {
    pub(super) fn next_phase(&mut self, disk: &mut Disk) -> Result<(), WalError> {
        match std::mem::replace(&mut self.phase, Phase::Ready) {
            Phase::Ready => Ok(()),
            Phase::OpenSync => self.write_queued(disk),
            Phase::CreateSync => self.name_directory(disk),
            Phase::CreateParentSync => {
                self.events.push(WalEvent::Created { segment: self.segment });
                self.write_queued(disk)
            }
            Phase::CutOldSync => self.prepare_segment(disk),
            Phase::CutNewSync { file, end, segment } => self.name_segment(disk, file, end, segment),
            Phase::CutNameSync => self.finish_cut(disk),
        }
    }

    fn name_directory(&mut self, disk: &mut Disk) -> Result<(), WalError> {
        disk.rename(&temporary(&self.directory), &self.directory)?;
        self.prepare_next(disk)?;
        for parent in ancestors(&self.directory) {
            self.waiting.insert(disk.sync_dir(parent)?);
        }
        self.phase = Phase::CreateParentSync;
        Ok(())
    }

    pub(super) fn begin_cut(&mut self, disk: &mut Disk) -> Result<(), WalError> {
        disk.set_len(self.file, self.end)?;
        self.waiting.insert(disk.sync_file(self.file)?);
        self.phase = Phase::CutOldSync;
        Ok(())
    }

    fn prepare_segment(&mut self, disk: &mut Disk) -> Result<(), WalError> {
        let segment = self
            .segment
            .next(self.last_index)
            .ok_or_else(|| DiskError::Io { detail: "numbers of segments are used up".into() })?;
        let file = self.next.take().expect("a file is prepared for the next segment");
        let mut frames = Vec::new();
        self.encoder.crc_record(&mut frames);
        self.encoder.metadata(&self.metadata, &mut frames);
        self.encoder.hard_state(&self.state, &mut frames);
        disk.write(file, 0, &frames)?;
        self.waiting.insert(disk.sync_file(file)?);
        self.phase = Phase::CutNewSync { file, end: frames.len() as u64, segment };
        Ok(())
    }

    fn name_segment(
        &mut self,
        disk: &mut Disk,
        file: FileId,
        end: u64,
        segment: SegmentName,
    ) -> Result<(), WalError> {
        disk.rename(&self.prepared_path(), &format!("{}/{segment}", self.directory))?;
        (self.file, self.end, self.segment) = (file, end, segment);
        self.held.push_back(segment);
        self.prepare_next(disk)?;
        if self.options.bugs.has(Bug::SegmentNameNotSynced) {
            return self.finish_cut(disk);
        }
        self.phase = Phase::CutNameSync;
        self.waiting.insert(disk.sync_dir(&self.directory)?);
        Ok(())
    }

    fn finish_cut(&mut self, disk: &mut Disk) -> Result<(), WalError> {
        self.events.push(WalEvent::Cut { segment: self.segment });
        for unsaved in &mut self.unsaved {
            unsaved.is_cutting = false;
        }
        // The old segment was synced whole.
        self.cover(self.unsaved.len());
        self.settle();
        self.write_queued(disk)
    }

    /// Writes what waited, until all is written or a segment is full again.
    fn write_queued(&mut self, disk: &mut Disk) -> Result<(), WalError> {
        while self.phase == Phase::Ready {
            match self.queued.pop_front() {
                Some((save, Save::Entries { entries, state })) => {
                    self.write_entries(disk, save, &entries, state)?;
                }
                Some((save, Save::Snapshot(mark))) => self.write_snapshot(disk, save, &mark)?,
                Some((save, Save::Sync)) => self.write_sync(disk, save)?,
                None => break,
            }
        }
        Ok(())
    }

    /// Makes the file that becomes the next segment, or empties the one that a crash left.
    pub(super) fn prepare_next(&mut self, disk: &mut Disk) -> Result<(), WalError> {
        self.prepared += 1;
        let path = self.prepared_path();
        let file = if disk.exists(&path) { disk.open(&path)? } else { disk.create(&path)? };
        if disk.len(file) > 0 {
            disk.set_len(file, 0)?;
        }
        disk.set_len(file, self.options.segment_bytes)?;
        self.next = Some(file);
        Ok(())
    }

    /// Where the file prepared last is: two names in turn.
    fn prepared_path(&self) -> String {
        format!("{}/{}.tmp", self.directory, (self.prepared - 1) % 2)
    }
}
