//! Syncs under way: what a ticket covers, and what its completion makes durable.

use serde::{Deserialize, Serialize};

use crate::crash::{Operation, Subject};
use crate::page::Slot;
use crate::{Disk, DiskError, FileId};

/// One sync that was asked for. Tickets of a disk ascend and are never used twice.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Ticket(pub u64);

/// The state of a file when its sync was issued.
#[derive(Clone)]
pub(crate) struct FileSync {
    pub(crate) len: u64,
    pub(crate) pages: Vec<(u32, Slot)>,
}

/// What one ticket makes durable.
#[derive(Clone)]
pub(crate) enum Sync {
    File {
        file: FileId,
        covers: FileSync,
    },
    /// Every change of a name in `directory` older than the change numbered `before`.
    Directory {
        directory: FileId,
        before: u64,
    },
    /// A later sync of the same file completed first and covered all of this one.
    Covered,
}

impl Disk {
    /// Asks for the file's bytes and length, as they are now, to become durable.
    pub fn sync_file(&mut self, file: FileId) -> Result<Ticket, DiskError> {
        self.operate(Operation::SyncFile, &Subject::File(file))?;
        let covers = self.file(file)?.sync();
        Ok(self.issue(Sync::File { file, covers }))
    }

    /// Asks for the names in a directory, as they are now, to become durable.
    pub fn sync_dir(&mut self, path: &str) -> Result<Ticket, DiskError> {
        self.operate(Operation::SyncDir, &Subject::Path(path))?;
        let directory = self.resolve(path)?;
        self.directory(directory, path)?;
        Ok(self.issue(Sync::Directory { directory, before: self.journal.next }))
    }

    fn issue(&mut self, sync: Sync) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.feed.metadata = true;
        self.syncs.insert(ticket, sync);
        self.issued.push(ticket);
        ticket
    }

    /// The tickets issued since the last call: the machine schedules their completion.
    pub fn take_issued(&mut self) -> Vec<Ticket> {
        std::mem::take(&mut self.issued)
    }

    /// Makes durable what the ticket covered, on a device without [`Faults`](crate::Faults). A
    /// ticket that a crash swept away is ignored.
    pub fn complete(&mut self, ticket: Ticket) {
        self.end_sync(ticket).expect("a device without faults completes its syncs");
    }

    /// Makes durable what the ticket covered, as far as the device's faults let it, and gives what
    /// the process is told. A ticket that a crash swept away is ignored.
    pub fn end_sync(&mut self, ticket: Ticket) -> Result<(), DiskError> {
        match self.syncs.remove(&ticket) {
            Some(Sync::File { file, covers }) => return self.complete_file(ticket, file, covers),
            Some(Sync::Directory { directory, .. }) if self.fails_sync() => {
                return Err(self.io_error("sync", directory));
            }
            Some(Sync::Directory { directory, before }) => {
                for change in self.journal.take_synced(directory, before) {
                    self.make_durable(&change);
                }
                self.feed.metadata = true;
                self.free_unreachable();
            }
            Some(Sync::Covered) | None => {}
        }
        Ok(())
    }

    fn complete_file(
        &mut self,
        ticket: Ticket,
        file: FileId,
        covers: FileSync,
    ) -> Result<(), DiskError> {
        for (_, earlier) in self.syncs.range_mut(..ticket) {
            if matches!(earlier, Sync::File { file: other, .. } if *other == file) {
                *earlier = Sync::Covered;
            }
        }
        let touched: Vec<u32> = covers.pages.iter().map(|(page, _)| *page).collect();
        let durable_len = |disk: &Disk| disk.file(file).map(|file| file.durable.len);
        let Ok(len) = durable_len(self) else { return Ok(()) };
        let written = self.write_through(file, covers);
        let grew = durable_len(self) != Ok(len);
        self.feed.touch(file, touched);
        self.feed.metadata |= grew;
        written
    }
}
