//! Writing a log on a disk where a sync takes time.
//!
//! Every call writes at once into the live image and leaves its syncs outstanding; the owner
//! hands each completed ticket to [`Wal::on_synced`], which drives what must wait for it:
//!
//! ```text
//! open     rest of the last segment zeroed, if it was not ─ sync file, wal and parents ─► ready
//! create   wal.tmp/0-0.wal written ─ sync file and wal.tmp ─► rename to wal ─ sync parents ─► ready
//! save     frames appended ─ sync ─► saved
//! cut      old segment cut to its length ─ sync ─► n.tmp with header ─ sync ─►
//!          rename to its name ─ sync directory ─► the save that filled the old segment is saved
//! ```
//!
//! The next segment is there before it is needed: while one is written to, `0.tmp` or `1.tmp` in
//! turn waits beside it at full length, as from etcd's file pipeline. A crash leaves it; the next
//! life empties it and goes on with it.
//!
//! A log holds the segments that a boot from the last snapshot reads ([`Wal::release_to`]); others
//! may be purged.
//!
//! Saves that come while a log is opened, created or cut wait in memory until it is done: a
//! segment's first entry must not overtake its header. As in etcd, one save is never split, and a change of
//! the commit index alone is appended without a sync.
//!
//! Three steps more than etcd. The directory is synced before it gets its final name: etcd relies on
//! file systems that make a new file's name durable together with its bytes; the disk below does
//! not. And the zeroed rest is durable before anything is written over it: otherwise a power cut
//! could leave a new record whose lost sectors hold remains of an older one instead of zeros, and
//! the torn record would look like damage. And what an opened log was read from is durable before
//! anything is said of it: when only the process died, its last records and the name of its last
//! segment may be in the machine's cache alone. A real server takes them for durable all the same,
//! and a power cut then takes what it has acknowledged.

mod phases;
mod writing;

use ordered::Set;
use std::collections::VecDeque;

use bytes::Bytes;
use disk::{Disk, DiskError, FileId, Ticket};
use serde::{Deserialize, Serialize};

use crate::bugs::Bugs;

use super::directory::{ancestors, directory_names, read_segment, remove_all, zero_tail};
use super::{
    Encoder, ReadMode, Replay, Segment, SegmentName, SnapshotMark, WalError, WalEvent, replay,
    replay_as_released, select,
};

/// How a log is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalOptions {
    /// Preallocated length of a segment; the save that reaches it is its last.
    pub segment_bytes: u64,
    /// What [`replay_as_released`] says of itself.
    pub skips_overwrites: bool,
    /// Rules to break on purpose; without the cargo feature `bugs` it has no effect.
    pub bugs: Bugs,
}

impl Default for WalOptions {
    fn default() -> WalOptions {
        WalOptions { segment_bytes: 64_000_000, skips_overwrites: false, bugs: Bugs::default() }
    }
}

/// One call of [`Wal::save`], [`Wal::save_snapshot`] or [`Wal::sync`]; they ascend from 1.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct SaveId(pub u64);

/// What one save writes.
#[derive(Debug, Clone)]
enum Save {
    Entries { entries: Vec<raft::Entry>, state: raft::HardState },
    Snapshot(SnapshotMark),
    Sync,
}

/// What the log waits for before it can append.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Ready,
    /// All that was read, and the zeroed rest of the segment.
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
/// empty in `Phase::Ready`; `waiting` is empty exactly in `Phase::Ready`; `held` is never empty and
/// ends with `segment`; `next` is there except before the log is created or opened.
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
    waiting: Set<Ticket>,
    unsaved: VecDeque<Unsaved>,
    /// Outstanding tickets that a later sync has made superfluous.
    covered: Set<Ticket>,
    queued: VecDeque<(SaveId, Save)>,
    last_save: SaveId,
    saved: SaveId,
    /// Segments that a boot from the last snapshot reads.
    held: VecDeque<SegmentName>,
    /// The file that becomes the next segment.
    next: Option<FileId>,
    /// Files prepared so far.
    prepared: u64,
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
        wal.waiting = Set::from([disk.sync_file(file)?, disk.sync_dir(&temporary)?]);
        Ok(wal)
    }

    /// Opens a log to go on writing, and reads it from a snapshot on. What follows the last good
    /// record is zeroed. Until the log is idle, what was read may not be durable: nobody may be
    /// told of it. [`WalError::UnexpectedEof`] asks for [`super::repair`], once.
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
        let read = if options.skips_overwrites { replay_as_released } else { replay };
        let replay = read(&segments?, from, ReadMode::Write)?;
        let segment = *names.last().expect("select returns at least one name");
        let file = disk.open(&format!("{directory}/{segment}"))?;
        let mut wal = Wal::at(directory, options, segment, file, Encoder::new(replay.crc));
        wal.end = replay.end.offset;
        wal.metadata = replay.metadata.clone().unwrap_or_default();
        wal.state = replay.hard_state;
        wal.last_index = replay.entries.last().map_or(from.index, |entry| entry.index);
        wal.held = names.iter().copied().collect();
        zero_tail(disk, file, wal.end)?;
        wal.phase = Phase::OpenSync;
        wal.waiting = Set::from([disk.sync_file(file)?, disk.sync_dir(directory)?]);
        for parent in ancestors(directory) {
            wal.waiting.insert(disk.sync_dir(parent)?);
        }
        wal.prepare_next(disk)?;
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

    /// Syncs what was written without a sync of its own: a change of the commit index alone.
    pub fn sync(&mut self, disk: &mut Disk) -> Result<SaveId, WalError> {
        if self.phase == Phase::Ready {
            let save = self.next_save();
            self.write_sync(disk, save)?;
            return Ok(save);
        }
        Ok(self.queue(Save::Sync))
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

    /// Gives up the segments that a boot from a snapshot at this index does not read: all before
    /// the last one that begins below it. etcd's `ReleaseLockTo`.
    pub fn release_to(&mut self, index: u64) {
        let reaching = self.held.iter().position(|held| held.first_index >= index);
        let first = reaching.unwrap_or(self.held.len()).saturating_sub(1);
        self.held.drain(..first);
    }

    /// The first segment that is not given up.
    pub fn first_held(&self) -> SegmentName {
        *self.held.front().expect("the current segment is held")
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
            waiting: Set::new(),
            unsaved: VecDeque::new(),
            covered: Set::new(),
            queued: VecDeque::new(),
            last_save: SaveId(0),
            saved: SaveId(0),
            held: VecDeque::from([segment]),
            next: None,
            prepared: 0,
            events: Vec::new(),
        }
    }
}

/// Where a log is built before it has its name.
fn temporary(directory: &str) -> String {
    format!("{directory}.tmp")
}
