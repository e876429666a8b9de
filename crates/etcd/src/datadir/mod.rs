//! A data directory from any source, taken apart for people to look at.
//!
//! [`DataDir`] is a set of files with paths, whatever they came from: an archive, a folder, a
//! simulated disk. It says what they are ([`Kind`]) and gives plain data: a summary
//! ([`DataDir::inspect`]) and every record of the log with the byte range of every field
//! ([`DataDir::log`]). Nothing here writes, and damage is shown, not refused.
//!
//! Read so far: the write-ahead log, the members in `.snap` files, the backend
//! (`member/snap/db`, snapshot files of `etcdctl`, bare bbolt files). ZooKeeper's directories are
//! recognised; a summary names what it does not read yet in `not_read`.

mod backend;
mod error;
mod export;
mod fields;
mod file;
mod inspect;
mod kind;
mod listing;
mod log;
mod members;
mod past;
mod repair;
mod request;
mod snap;
mod state;
mod summary;
mod verify;

use disk::{Disk, EntryKind};

pub use backend::{BackendError, BackendFile, SnapshotStatus};
pub use error::DataDirError;
pub use export::{ExportAs, ExportError, Exported};
pub use fields::{FieldRange, FieldsError, Piece, PieceIndex, Pieces, record_ranges};
pub use file::DataFile;
pub use kind::Kind;
pub use listing::Listing;
pub use log::{Damage, LogRecord};
pub use repair::{RepairError, Repaired};
pub use request::{Request, RequestValue};
pub use state::{State, StateError};
pub use summary::{
    AlarmSummary, AuthSummary, BackendSummary, End, FileDamage, FileSummary, HardStateSummary,
    Inspection, LeaseSummary, MemberSummary, NotRead, PermissionSummary, RoleSummary, SnapshotId,
    SnapshotSummary, UserSummary, WalSummary,
};

pub use verify::{DamageAt, Follows, Lost, Release, UnknownRelease, Verdict, Verification};

use crate::bolt::PageStore;
use crate::request::Range;
use crate::wal::{Segment, SegmentName};

/// The files of one data directory, or a single file that belongs to one.
#[derive(Debug, Clone)]
pub struct DataDir {
    kind: Kind,
    /// Paths are relative to the directory.
    files: Vec<DataFile>,
    segments: Vec<Segment>,
}

impl DataDir {
    /// Finds the data directory among files at any depth. More than one, or none, is an error.
    pub fn from_files(files: impl IntoIterator<Item = DataFile>) -> Result<DataDir, DataDirError> {
        let files: Vec<DataFile> = files.into_iter().collect();
        let (kind, root) = kind::recognise(&files)?;
        let within = |mut file: DataFile| {
            file.path = file.path.strip_prefix(&root)?.to_string();
            Some(file)
        };
        let mut files: Vec<DataFile> = files.into_iter().filter_map(within).collect();
        ordered::sort_by(&mut files, |a, b| a.path.cmp(&b.path));
        let segments = files.iter().filter_map(segment).collect();
        Ok(DataDir { kind, files, segments })
    }

    /// The data directory below `root` of a simulated disk, as a process would read it.
    pub fn from_disk(disk: &Disk, root: &str) -> Result<DataDir, DataDirError> {
        let mut files = Vec::new();
        collect(disk, root, &mut files)?;
        DataDir::from_files(files)
    }

    /// What the files are.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The files, by path.
    pub fn files(&self) -> &[DataFile] {
        &self.files
    }

    /// The segments of the log, in order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The segment of that name, to look at a record's bytes.
    pub fn segment(&self, name: &str) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.name.to_string() == name)
    }

    /// A summary of the whole directory.
    pub fn inspect(&self) -> Inspection {
        inspect::inspect(self)
    }

    /// The backend, opened.
    pub fn backend(&self) -> Result<BackendFile, BackendError> {
        BackendFile::of(self)
    }

    /// The keys that a server would serve from it.
    pub fn state(&self) -> Result<State, StateError> {
        State::of(self)
    }

    /// The answer to a range, in memory that does not grow with the keys' values. A revision that
    /// was compacted is had, in memory, from a log that goes back to the first entry.
    pub fn list(&self, range: &Range) -> Result<Listing, StateError> {
        Listing::of(self, range)
    }

    /// What a server of a release makes of it, by default of the release that wrote it, and what
    /// is wrong with it.
    pub fn verify(&self, release: Option<Release>) -> Verification {
        verify::verify(self, release)
    }

    /// The state at a revision, 0 for the last one, in files that a real server accepts; a revision
    /// that was compacted is had from a log that goes back to the first entry. The
    /// database is written into `store`, which has no bytes yet (a `Vec` does where it fits memory).
    pub fn export(
        &self,
        form: ExportAs,
        revision: i64,
        store: impl PageStore + 'static,
    ) -> Result<Exported, ExportError> {
        export::export(self, form, revision, store)
    }

    /// A directory that servers of a release accept, with all that can still be read. A database
    /// that must be made again is written into `store`, which has no bytes yet.
    pub fn repair(
        &self,
        release: Option<Release>,
        store: impl PageStore + 'static,
    ) -> Result<Repaired, RepairError> {
        repair::repair(self, release, store)
    }

    /// The pieces of a file with the byte range of every field: records of a segment, pages of a
    /// database, the message of a `.snap` file.
    pub fn pieces(&self, path: &str) -> Result<Pieces<'_>, FieldsError> {
        fields::pieces(self, path)
    }

    /// The pieces of a database or a `.snap` file by their number, for whoever shows a few of them.
    pub fn piece_index(&self, path: &str) -> Result<PieceIndex, FieldsError> {
        PieceIndex::of(self, path)
    }

    /// Every record of the log, damaged ones included.
    pub fn log(&self) -> impl Iterator<Item = LogRecord> + '_ {
        log::Log::new(&self.segments)
    }
}

fn segment(file: &DataFile) -> Option<Segment> {
    let name = SegmentName::parse(file.path.strip_prefix(kind::WAL_DIRECTORY)?)?;
    Some(Segment::new(name, file.kept()?, file.len()))
}

fn collect(disk: &Disk, path: &str, files: &mut Vec<DataFile>) -> Result<(), DataDirError> {
    for entry in disk.list(path)? {
        let path = format!("{}/{}", path.trim_end_matches('/'), entry.name);
        match entry.kind {
            EntryKind::Directory => collect(disk, &path, files)?,
            EntryKind::File => {
                let bytes = disk.read_range(entry.file, 0..disk.data_end(entry.file))?;
                files.push(DataFile::new(path, bytes, entry.len));
            }
        }
    }
    Ok(())
}
