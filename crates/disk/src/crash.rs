//! Faults: bit rot, and the power cut with one decision for each thing that was not yet durable.

use serde::{Deserialize, Serialize};

use crate::directory::{Change, ChangeKind};
use crate::disk::Inode;
use crate::file::File;
use crate::page::{PAGE_BYTES, SECTOR_BYTES, SECTORS_PER_PAGE, page_of};
use crate::{Disk, DiskError, FileId};

/// Something that is live and not durable: the unit of decision of a crash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unsynced {
    /// A file or directory was created under a name, or moved to it.
    Name {
        /// The directory of the name.
        directory: FileId,
        /// The name.
        name: String,
        /// What has it now.
        file: FileId,
    },
    /// A name was removed.
    Removal {
        /// The directory of the name.
        directory: FileId,
        /// The name.
        name: String,
        /// What had it.
        file: FileId,
    },
    /// The length of a file changed.
    Length {
        /// The file.
        file: FileId,
        /// Length in bytes if the change is lost.
        durable: u64,
        /// Length in bytes if it survives.
        live: u64,
    },
    /// A sector was written (or cut off, when its live content is zeros).
    Sector {
        /// The file.
        file: FileId,
        /// Offset in the file divided by [`SECTOR_BYTES`].
        sector: u64,
    },
}

/// What became of the things that were not synced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrashReport {
    /// What survived, in the order in which it was offered.
    pub survived: Vec<Unsynced>,
    /// What is gone.
    pub lost: Vec<Unsynced>,
}

impl CrashReport {
    fn decide(&mut self, thing: Unsynced, survives: &mut dyn FnMut(Unsynced) -> bool) -> bool {
        let is_kept = survives(thing.clone());
        let list = if is_kept { &mut self.survived } else { &mut self.lost };
        list.push(thing);
        is_kept
    }
}

/// A mutating operation, as a [`Watch`] tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A file or directory is created.
    Create,
    /// Bytes are written.
    Write,
    /// A length is set.
    SetLen,
    /// Something gets another name.
    Rename,
    /// A name is taken away.
    Remove,
    /// A sync of a file is asked for.
    SyncFile,
    /// A sync of a directory is asked for.
    SyncDir,
}

/// Waits for an operation on a path, after which the power goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// The operation.
    pub operation: Operation,
    /// What the path (of a renaming: the new one) must contain.
    pub path_contains: &'static str,
    /// Which one of those to come, from 1.
    pub nth: u32,
}

/// What an operation is about.
pub(crate) enum Subject<'a> {
    Path(&'a str),
    File(FileId),
}

/// Counts down to a power cut in the middle of what a process does.
#[derive(Clone, Default)]
pub(crate) struct Power {
    operations_left: Option<u32>,
    watches: Vec<Watch>,
    lost: bool,
}

impl Disk {
    /// Lets the `operations`-th next mutating operation, and every later one, fail with
    /// [`DiskError::PowerLost`] and do nothing; 0 and 1 both mean the next one. Reading goes on.
    pub fn arm_crash(&mut self, operations: u32) {
        self.power.operations_left = Some(operations.max(1) - 1);
    }

    /// Forgets what was armed, and every watch.
    pub fn disarm_crash(&mut self) {
        self.power = Power::default();
    }

    /// Lets the power go right after an operation: that one is done, every later one fails with
    /// [`DiskError::PowerLost`]. Replaces the watches of before.
    pub fn watch(&mut self, watches: Vec<Watch>) {
        self.power.watches = watches;
    }

    /// The watches that wait, in the order in which they were given.
    pub fn watches(&self) -> &[Watch] {
        &self.power.watches
    }

    /// Whether the armed crash has hit.
    pub fn tripped(&self) -> bool {
        self.power.lost
    }

    pub(crate) fn operate(
        &mut self,
        operation: Operation,
        subject: &Subject,
    ) -> Result<(), DiskError> {
        match &mut self.power.operations_left {
            _ if self.power.lost => return Err(DiskError::PowerLost),
            None => {}
            Some(0) => {
                self.power.lost = true;
                return Err(DiskError::PowerLost);
            }
            Some(left) => *left -= 1,
        }
        if !self.power.watches.is_empty() {
            self.observe(operation, subject);
        }
        Ok(())
    }

    fn observe(&mut self, operation: Operation, subject: &Subject) {
        let path = match subject {
            Subject::Path(path) => (*path).to_owned(),
            Subject::File(file) => self.path_of(*file).unwrap_or_default(),
        };
        let mut lost = false;
        self.power.watches.retain_mut(|watch| {
            if watch.operation != operation || !path.contains(watch.path_contains) {
                return true;
            }
            watch.nth = watch.nth.saturating_sub(1);
            lost |= watch.nth == 0;
            watch.nth > 0
        });
        self.power.lost |= lost;
    }

    /// Flips bits of one byte in both images: bit rot. Beyond the end nothing happens.
    pub fn corrupt(&mut self, path: &str, offset: u64, xor: u8) -> Result<(), DiskError> {
        let file = self.open(path)?;
        let target = self.file_mut(file)?;
        if offset < target.live.len.max(target.durable.len) {
            target.corrupt(offset, xor);
            self.feed.touch(file, [crate::file::page_number(offset)]);
        }
        Ok(())
    }

    /// Cuts the power. Offers everything that is not durable, in a fixed order: changes of names
    /// from the oldest on; then, file by file of those that still have a name, the length and the
    /// sectors from the first on. Afterwards both images are equal, no sync is under way, and no
    /// crash is armed.
    pub fn crash(&mut self, survives: &mut dyn FnMut(Unsynced) -> bool) -> CrashReport {
        let mut report = CrashReport::default();
        self.crash_names(&mut report, survives);
        for (id, pages) in self.crash_files(&mut report, survives) {
            self.feed.touch(id, pages);
        }
        self.syncs.clear();
        self.issued.clear();
        self.power = Power::default();
        self.feed.metadata = true;
        report
    }

    fn crash_names(
        &mut self,
        report: &mut CrashReport,
        survives: &mut dyn FnMut(Unsynced) -> bool,
    ) {
        for change in std::mem::take(&mut self.journal.changes).into_values() {
            if report.decide(describe(&change), survives) {
                self.make_durable(&change);
            }
        }
        let ids: Vec<FileId> = self.inodes.keys().copied().collect();
        for id in ids {
            if matches!(*self.inodes[&id], Inode::Directory(_)) {
                let directory = self.directory_mut(id);
                directory.live = directory.durable.clone();
            }
        }
        self.free_unreachable();
    }

    fn crash_files(
        &mut self,
        report: &mut CrashReport,
        survives: &mut dyn FnMut(Unsynced) -> bool,
    ) -> Vec<(FileId, Vec<u32>)> {
        let ids: Vec<FileId> = self.inodes.keys().copied().collect();
        let mut touched = Vec::new();
        for id in ids {
            if self.file(id).is_ok_and(has_unsynced) {
                let file = self.file_mut(id).expect("the file was just looked at");
                touched.push((id, file.page_numbers().into_iter().collect()));
                crash_file(id, file, report, survives);
            }
        }
        touched
    }
}

fn has_unsynced(file: &File) -> bool {
    !file.unsynced.is_empty() || file.live.len != file.durable.len
}

fn crash_file(
    id: FileId,
    file: &mut File,
    report: &mut CrashReport,
    survives: &mut dyn FnMut(Unsynced) -> bool,
) {
    let (durable, live) = (file.durable.len, file.live.len);
    if live != durable && report.decide(Unsynced::Length { file: id, durable, live }, survives) {
        file.durable.len = live;
    }
    let cleaned = std::mem::take(&mut file.cleaned);
    for page in std::mem::take(&mut file.unsynced) {
        if cleaned.contains(&page) {
            crash_page(id, file, page, report, &mut |_| false);
        } else {
            crash_page(id, file, page, report, survives);
        }
    }
    file.settle();
}

fn crash_page(
    id: FileId,
    file: &mut File,
    page: u32,
    report: &mut CrashReport,
    survives: &mut dyn FnMut(Unsynced) -> bool,
) {
    let (live, durable) = file.slots(page);
    let (live, durable) = (page_of(live.as_ref()), page_of(durable.as_ref()));
    let mut outcome = durable.clone();
    for sector in (0..SECTORS_PER_PAGE).filter(|s| live.sector(*s) != durable.sector(*s)) {
        let number = u64::from(page) * (PAGE_BYTES / SECTOR_BYTES) as u64 + sector as u64;
        if report.decide(Unsynced::Sector { file: id, sector: number }, survives) {
            outcome.sector_mut(sector).copy_from_slice(live.sector(sector));
        }
    }
    let slot = (!outcome.is_zero()).then(|| outcome.into());
    file.durable.pages.set(page, slot);
}

fn describe(change: &Change) -> Unsynced {
    let Change { file, directory, name, kind } = change.clone();
    match kind {
        ChangeKind::Place { .. } => Unsynced::Name { directory, name, file },
        ChangeKind::Remove => Unsynced::Removal { directory, name, file },
    }
}
