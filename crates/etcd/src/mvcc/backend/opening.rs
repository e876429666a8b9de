//! From a path to a backend.
//!
//! ```text
//! no file ─→ create ──────────────────────┐
//! file ────→ open, check, find free pages ─┴→ sync file and directory → backend, its first batch
//!                                            makes missing buckets
//! ```
//!
//! Two steps more than etcd. The directory of a new file is synced too, so that a log that names
//! entries of it is never without it. And so is a file that was there: when only the process died,
//! the last commit's meta page may be in the machine's cache alone. The next transaction writes
//! over pages that the meta page before it still needs, and a power cut could leave that one.
//! Source: etcd release-3.4, `mvcc/backend/backend.go` (`newBackend`), and the places that create
//! their buckets at boot.

use ordered::Set;

use ::disk::{Disk, Ticket};

use super::disk::{BackendError, BackendOptions, DiskBackend};
use crate::bolt::{Db, DbError, directory_of};

/// A backend that is being made or made durable.
#[derive(Debug, Clone)]
pub struct Opening {
    backend: DiskBackend,
    /// Syncs of the file and its name.
    waits_for: Set<Ticket>,
}

/// How far that has come.
#[derive(Debug, Clone)]
pub enum Opened {
    /// It waits for the disk.
    Waiting(Box<Opening>),
    /// It is there.
    Ready(Box<DiskBackend>),
}

impl Opening {
    /// Opens the file at `path`, or makes it. Its directory must be there.
    pub fn begin(
        disk: &mut Disk,
        path: &str,
        options: BackendOptions,
    ) -> Result<Opened, BackendError> {
        let failed =
            |source: DbError| BackendError { path: path.to_owned(), source, is_of_copy: false };
        let known = if disk.exists(path) {
            Some(disk.open(path).map_err(|error| failed(error.into()))?)
        } else {
            None
        };
        if let Some(id) = known.filter(|id| disk.len(*id) > 0) {
            let db = Db::open(disk, id, options.db).map_err(failed)?;
            let synced = disk.sync_file(id).map_err(|error| failed(error.into()))?;
            return Opening::synced(disk, DiskBackend::new(path, options, db), synced);
        }
        let (db, synced) = match known {
            Some(id) => Db::create(disk, id, options.db),
            None => disk
                .create(path)
                .map_err(DbError::from)
                .and_then(|id| Db::create(disk, id, options.db)),
        }
        .map_err(failed)?;
        Opening::synced(disk, DiskBackend::new(path, options, db), synced)
    }

    /// Opens a file whose bytes are durable, under whatever name.
    pub fn of_durable(
        disk: &Disk,
        path: &str,
        options: BackendOptions,
    ) -> Result<DiskBackend, BackendError> {
        let opened = disk.open(path).map_err(DbError::from);
        let db = opened.and_then(|id| Db::open(disk, id, options.db));
        let db =
            db.map_err(|source| BackendError { path: path.to_owned(), source, is_of_copy: false })?;
        Ok(DiskBackend::new(path, options, db))
    }

    fn synced(disk: &mut Disk, backend: DiskBackend, file: Ticket) -> Result<Opened, BackendError> {
        let path = backend.path();
        let named = disk.sync_dir(directory_of(path));
        let named = named.map_err(|error| BackendError::of_disk(path, error))?;
        let waits_for = Set::from([file, named]);
        Ok(Opened::Waiting(Box::new(Self { backend, waits_for })))
    }

    /// Takes a completed sync; others than its own change nothing.
    pub fn on_synced(mut self, ticket: Ticket) -> Opened {
        self.waits_for.remove(&ticket);
        if self.waits_for.is_empty() {
            return Opened::Ready(Box::new(self.backend));
        }
        Opened::Waiting(Box::new(self))
    }
}
