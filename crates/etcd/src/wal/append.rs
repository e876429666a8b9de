//! Writing a log on a disk where a sync takes time.
//!
//! Every call writes at once into the live image and leaves its syncs outstanding; the owner
//! hands each completed ticket to [`Wal::on_synced`], which drives what must wait for it:
//!
//! ```text
//! open     rest of the last segment zeroed, if it was not ─ sync ─► ready
//! create   wal.tmp/0-0.wal written ─ sync file and wal.tmp ─► rename to wal ─ sync parents ─► ready
//! save     frames appended ─ sync ─► saved
//! cut      old segment cut to its length ─ sync ─► n.tmp with header ─ sync ─►
//!          rename to its name ─ sync directory ─► the save that filled the old segment is saved
//! ```
//!
//! Saves that come while a log is opened, created or cut wait in memory until it is done: a
//! segment's first entry must not overtake its header. As in etcd, one save is never split, and a change of
//! the commit index alone is appended without a sync.
//!
//! Two steps more than etcd. The directory is synced before it gets its final name: etcd relies on
//! file systems that make a new file's name durable together with its bytes; the disk below does
//! not. And the zeroed rest is durable before anything is written over it: otherwise a power cut
//! could leave a new record whose lost sectors hold remains of an older one instead of zeros, and
//! the torn record would look like damage.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use disk::{Disk, DiskError, FileId, Ticket};
use serde::{Deserialize, Serialize};

use super::{
    Encoder, ReadMode, Replay, Segment, SegmentName, SnapshotMark, WalError, WalEvent, replay,
    select,
};

/// How a log is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalOptions {
    /// Preallocated length of a segment; the save that reaches it is its last.
    pub segment_bytes: u64,
}

impl Default for WalOptions {
    fn default() -> WalOptions {
        WalOptions { segment_bytes: 64_000_000 }
    }
}

/// One call of [`Wal::save`] or [`Wal::save_snapshot`]; they ascend from 1.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct SaveId(pub u64);

/// What one save writes.
#[derive(Debug, Clone)]
enum Save {
    Entries { entries: Vec<raft::Entry>, state: raft::HardState },
    Snapshot(SnapshotMark),
}

/// What the log waits for before it can append.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Ready,
    /// The zeroed rest of the segment.
    OpenSync,
    /// The temporary directory and its segment.
    CreateSync,
    /// The directories above the log.
    CreateParentSync,
    /// The full segment.
    CutOldSync,
    /// The next segment under its temporary name.
    CutNewSync {
        file: FileId,
        end: u64,
        segment: SegmentName,
    },
    /// The next segment's final name.
    CutNameSync,
}

/// A save in the live image that is not durable yet.
#[derive(Debug, Clone)]
struct Unsaved {
    save: SaveId,
    /// Its sync; `None` when it needs none, or when it waits for a cut.
    ticket: Option<Ticket>,
    /// It filled its segment and counts when the cut is done.
    is_cutting: bool,
}

/// The append side of a log.
///
/// Invariants: `unsaved` and `queued` ascend, all of `unsaved` before all of `queued`; `queued` is
/// empty in `Phase::Ready`; `waiting` is empty exactly in `Phase::Ready`.
#[derive(Debug, Clone)]
pub struct Wal {
    directory: String,
    options: WalOptions,
    metadata: Bytes,
    state: raft::HardState,
    /// Index of the last entry written.
    last_index: u64,
    segment: SegmentName,
    file: FileId,
    /// Where the next frame begins.
    end: u64,
    encoder: Encoder,
    phase: Phase,
    waiting: BTreeSet<Ticket>,
    unsaved: VecDeque<Unsaved>,
    /// Outstanding tickets that a later sync has made superfluous.
    covered: BTreeSet<Ticket>,
    queued: VecDeque<(SaveId, Save)>,
    last_save: SaveId,
    saved: SaveId,
    cuts: u64,
    events: Vec<WalEvent>,
}

impl Wal {
    /// Starts a new log in `directory`, whose parent must be there.
    pub fn create(
        disk: &mut Disk,
        directory: &str,
        metadata: &[u8],
        options: WalOptions,
    ) -> Result<Wal, WalError> {
        if disk.exists(directory) {
            return Err(DiskError::Exists { path: directory.into() }.into());
        }
        let temporary = temporary(directory);
        remove_all(disk, &temporary)?;
        disk.create_dir(&temporary)?;
        let segment = SegmentName { sequence: 0, first_index: 0 };
        let file = disk.create(&format!("{temporary}/{segment}"))?;
        let mut wal = Wal::at(directory, options, segment, file, Encoder::new(0));
        wal.metadata = Bytes::copy_from_slice(metadata);
        wal.phase = Phase::CreateSync;
        disk.set_len(file, options.segment_bytes)?;
        let mut frames = Vec::new();
        wal.encoder.crc_record(&mut frames);
        wal.encoder.metadata(&wal.metadata, &mut frames);
        wal.encoder.snapshot(&SnapshotMark::default(), &mut frames);
        wal.append(disk, &frames)?;
        wal.waiting = BTreeSet::from([disk.sync_file(file)?, disk.sync_dir(&temporary)?]);
        Ok(wal)
    }

    /// Opens a log to go on writing, and reads it from a snapshot on. What follows the last good
    /// record is zeroed, which the log may have to wait for. [`WalError::UnexpectedEof`] asks for [`super::repair`], once.
    pub fn open(
        disk: &mut Disk,
        directory: &str,
        from: &SnapshotMark,
        options: WalOptions,
    ) -> Result<(Wal, Replay), WalError> {
        let names = directory_names(disk, directory)?;
        let names = select(directory, &names, from.index)?;
        let segments: Result<Vec<Segment>, WalError> =
            names.iter().map(|name| read_segment(disk, directory, *name)).collect();
        let replay = replay(&segments?, from, ReadMode::Write)?;
        let segment = *names.last().expect("select returns at least one name");
        let file = disk.open(&format!("{directory}/{segment}"))?;
        let mut wal = Wal::at(directory, options, segment, file, Encoder::new(replay.crc));
        wal.end = replay.end.offset;
        wal.metadata = replay.metadata.clone().unwrap_or_default();
        wal.state = replay.hard_state;
        wal.last_index = replay.entries.last().map_or(from.index, |entry| entry.index);
        if zero_tail(disk, file, wal.end)? {
            wal.waiting.insert(disk.sync_file(file)?);
            wal.phase = Phase::OpenSync;
        }
        Ok((wal, replay))
    }

    /// Appends entries, then the hard state if there is one. Entries and a change of term or vote
    /// are synced. When this fills the segment, the save counts once the next one is in place.
    pub fn save(
        &mut self,
        disk: &mut Disk,
        entries: &[raft::Entry],
        state: Option<&raft::HardState>,
    ) -> Result<SaveId, WalError> {
        let state = state.copied().unwrap_or_default();
        if entries.is_empty() && state.is_empty() {
            return Ok(self.last_save);
        }
        if self.phase == Phase::Ready {
            let save = self.next_save();
            self.write_entries(disk, save, entries, state)?;
            return Ok(save);
        }
        Ok(self.queue(Save::Entries { entries: entries.to_vec(), state }))
    }

    /// Appends the mark of a snapshot whose file is durable already, and syncs.
    pub fn save_snapshot(
        &mut self,
        disk: &mut Disk,
        mark: &SnapshotMark,
    ) -> Result<SaveId, WalError> {
        if self.phase == Phase::Ready {
            let save = self.next_save();
            self.write_snapshot(disk, save, mark)?;
            return Ok(save);
        }
        Ok(self.queue(Save::Snapshot(mark.clone())))
    }

    /// Takes a completed ticket and goes on with what waited for it. False when the ticket
    /// belongs to somebody else.
    pub fn on_synced(&mut self, disk: &mut Disk, ticket: Ticket) -> Result<bool, WalError> {
        if self.waiting.remove(&ticket) {
            if self.waiting.is_empty() {
                self.next_phase(disk)?;
            }
            return Ok(true);
        }
        let of_ticket = |unsaved: &Unsaved| unsaved.ticket == Some(ticket);
        if let Some(at) = self.unsaved.iter().position(of_ticket) {
            self.cover(at + 1);
            self.covered.remove(&ticket);
            self.settle();
            return Ok(true);
        }
        Ok(self.covered.remove(&ticket))
    }

    /// Every save up to this one is durable, or needed no sync of its own.
    pub fn saved(&self) -> SaveId {
        self.saved
    }

    /// Whether no sync is outstanding and no save waits.
    pub fn is_idle(&self) -> bool {
        self.phase == Phase::Ready && self.unsaved.is_empty()
    }

    /// The segment that is written to, and where its next frame begins.
    pub fn tail(&self) -> (SegmentName, u64) {
        (self.segment, self.end)
    }

    /// Index of the last entry written.
    pub fn last_index(&self) -> u64 {
        self.last_index
    }

    /// The last hard state written.
    pub fn hard_state(&self) -> raft::HardState {
        self.state
    }

    /// Bytes of the `etcdserverpb.Metadata` in every segment.
    pub fn metadata(&self) -> &Bytes {
        &self.metadata
    }

    /// What happened since the last call.
    pub fn take_events(&mut self) -> Vec<WalEvent> {
        std::mem::take(&mut self.events)
    }

    fn at(
        directory: &str,
        options: WalOptions,
        segment: SegmentName,
        file: FileId,
        encoder: Encoder,
    ) -> Wal {
        Wal {
            directory: directory.into(),
            options,
            metadata: Bytes::new(),
            state: raft::HardState::default(),
            last_index: 0,
            segment,
            file,
            end: 0,
            encoder,
            phase: Phase::Ready,
            waiting: BTreeSet::new(),
            unsaved: VecDeque::new(),
            covered: BTreeSet::new(),
            queued: VecDeque::new(),
            last_save: SaveId(0),
            saved: SaveId(0),
            cuts: 0,
            events: Vec::new(),
        }
    }

    fn next_save(&mut self) -> SaveId {
        self.last_save = SaveId(self.last_save.0 + 1);
        self.last_save
    }

    fn queue(&mut self, save: Save) -> SaveId {
        let id = self.next_save();
        self.queued.push_back((id, save));
        id
    }

    fn write_entries(
        &mut self,
        disk: &mut Disk,
        save: SaveId,
        entries: &[raft::Entry],
        state: raft::HardState,
    ) -> Result<(), WalError> {
        let is_synced =
            !entries.is_empty() || (state.term, state.vote) != (self.state.term, self.state.vote);
        let mut frames = Vec::new();
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

    fn write_snapshot(
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

    fn append(&mut self, disk: &mut Disk, frames: &[u8]) -> Result<(), WalError> {
        disk.write(self.file, self.end, frames)?;
        self.end += frames.len() as u64;
        Ok(())
    }

    /// The first `count` unsaved saves are durable: a sync covers all that was written before it.
    fn cover(&mut self, count: usize) {
        let tickets = self.unsaved.iter_mut().take(count).filter_map(|save| save.ticket.take());
        self.covered.extend(tickets);
    }

    /// Everything up to the first save that is still outstanding is saved.
    fn settle(&mut self) {
        let is_settled = |unsaved: &Unsaved| unsaved.ticket.is_none() && !unsaved.is_cutting;
        while self.unsaved.front().is_some_and(is_settled) {
            let settled = self.unsaved.pop_front().expect("there is a front");
            self.saved = settled.save;
        }
    }

    fn next_phase(&mut self, disk: &mut Disk) -> Result<(), WalError> {
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
        for parent in ancestors(&self.directory) {
            self.waiting.insert(disk.sync_dir(parent)?);
        }
        self.phase = Phase::CreateParentSync;
        Ok(())
    }

    fn begin_cut(&mut self, disk: &mut Disk) -> Result<(), WalError> {
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
        let path = self.next_path();
        if disk.exists(&path) {
            disk.remove(&path)?;
        }
        let file = disk.create(&path)?;
        disk.set_len(file, self.options.segment_bytes)?;
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
        disk.rename(&self.next_path(), &format!("{}/{segment}", self.directory))?;
        self.waiting.insert(disk.sync_dir(&self.directory)?);
        (self.file, self.end, self.segment) = (file, end, segment);
        self.phase = Phase::CutNameSync;
        Ok(())
    }

    fn finish_cut(&mut self, disk: &mut Disk) -> Result<(), WalError> {
        self.cuts += 1;
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
                None => break,
            }
        }
        Ok(())
    }

    /// Where the next segment is prepared: two names in turn, as etcd's file pipeline has them.
    fn next_path(&self) -> String {
        format!("{}/{}.tmp", self.directory, self.cuts % 2)
    }
}

/// The segments in a directory, in order. Other files are ignored.
pub(super) fn directory_names(disk: &Disk, directory: &str) -> Result<Vec<SegmentName>, WalError> {
    let entries = disk.list(directory)?;
    Ok(entries.iter().filter_map(|entry| SegmentName::parse(&entry.name)).collect())
}

/// One segment as far as it holds data.
pub(super) fn read_segment(
    disk: &Disk,
    directory: &str,
    name: SegmentName,
) -> Result<Segment, WalError> {
    let file = disk.open(&format!("{directory}/{name}"))?;
    let bytes = disk.read_range(file, 0..disk.data_end(file))?;
    Ok(Segment::new(name, &bytes.into(), disk.len(file)))
}

/// Zeros from `end` to the end of the file, which keeps its length. False when all is zero
/// already.
fn zero_tail(disk: &mut Disk, file: FileId, end: u64) -> Result<bool, WalError> {
    let len = disk.len(file);
    let data_end = disk.data_end(file);
    let rest = disk.read_range(file, end..data_end)?;
    let has_garbage = rest.iter().any(|byte| *byte != 0);
    if has_garbage {
        disk.set_len(file, end)?;
        disk.set_len(file, len)?;
    }
    Ok(has_garbage)
}

fn remove_all(disk: &mut Disk, directory: &str) -> Result<(), WalError> {
    if disk.exists(directory) {
        for entry in disk.list(directory)? {
            disk.remove(&format!("{directory}/{}", entry.name))?;
        }
        disk.remove(directory)?;
    }
    Ok(())
}

fn temporary(directory: &str) -> String {
    format!("{directory}.tmp")
}

/// The directories above, from the nearest to the root.
fn ancestors(directory: &str) -> Vec<&str> {
    let slashes = directory.match_indices('/').map(|(at, _)| at);
    slashes.map(|at| if at == 0 { "/" } else { &directory[..at] }).rev().collect()
}
