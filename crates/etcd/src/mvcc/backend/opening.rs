//! From a path to a backend.
//!
//! ```text
//! no file ─→ create → sync file and directory ─┐
//! file ────→ open, check, find free pages ─────┴→ backend, its first batch makes missing buckets
//! ```
//!
//! One step more than etcd: the directory of a new file is synced too, so that a log that names
//! entries of it is never without it. Source: etcd release-3.4, `mvcc/backend/backend.go`
//! (`newBackend`), and the places that create their buckets at boot.

use std::collections::BTreeSet;

use ::disk::{Disk, Ticket};

use super::disk::{BackendError, BackendOptions, DiskBackend};
use crate::bolt::{Db, DbError, directory_of};

/// A backend that is being made.
#[derive(Debug, Clone)]
pub struct Opening {
    backend: DiskBackend,
    /// Syncs of a new file and its name.
    waits_for: BTreeSet<Ticket>,
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
        let failed = |source: DbError| BackendError { path: path.to_owned(), source };
        let known = if disk.exists(path) {
            Some(disk.open(path).map_err(|error| failed(error.into()))?)
        } else {
            None
        };
        if let Some(id) = known.filter(|id| disk.len(*id) > 0) {
            let db = Db::open(disk, id, options.db).map_err(failed)?;
            let backend = DiskBackend::new(path, options, db);
            return Ok(Opened::Ready(Box::new(backend)));
        }
        let (db, synced) = match known {
            Some(id) => Db::create(disk, id, options.db),
            None => disk
                .create(path)
                .map_err(DbError::from)
                .and_then(|id| Db::create(disk, id, options.db)),
        }
        .map_err(failed)?;
        let named = disk.sync_dir(directory_of(path)).map_err(|error| failed(error.into()))?;
        let backend = DiskBackend::new(path, options, db);
        let waits_for = BTreeSet::from([synced, named]);
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
