//! The keys that a directory holds: what a server would serve from it.
//!
//! That is the backend and, on top, the log's entries after the backend's consistent index, up to
//! the commit index of the last hard state; of a lone voter all of them, since what such a member
//! stored is committed. They go through the same state machine as a running server's. A backend
//! that is behind the snapshot that the log goes on from is replaced by the one that was received
//! with it, as at a boot. Snapshot files and bare bbolt files have no log; a snapshot file whose digest
//! is not that of its bytes is an error, which `repair` passes over.
//!
//! Left out: judging requests by users and roles. Where that would matter, there is an error.

use crate::apply::{Applier, ApplyError};
use crate::mvcc::{FileBackend, HashKv, MvccError, Rules, Store};
use crate::proto::LoggedRequest;
use crate::request::{Range, RangeReply, RequestError};

use super::backend::check_digest;
use super::inspect::Contents;
use super::kind::SNAP_DIRECTORY;
use super::summary::End;
use super::{BackendError, BackendFile, DataDir, Kind};

/// Revisions that a compaction walks at a time.
const COMPACTION_BATCH: usize = 1000;

/// Keys with their history.
#[derive(Debug, Clone)]
pub struct State {
    applier: Applier<FileBackend>,
    /// The backend.
    path: String,
    backend_index: u64,
    applied_index: u64,
    /// Entries beyond the backend that change users and roles.
    auth_requests: u64,
}

/// Why a directory's keys are not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The backend cannot be read.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// No server reads the log to its end.
    #[error("{}{}: {}", end.file.as_deref().unwrap_or("member/wal"), place(end), end.reason)]
    Log {
        /// Where, and why.
        end: End,
    },
    /// The log begins after what the backend has.
    #[error(
        "the log goes on from index {from}, the backend ({path}) ends at index {backend}: \
         entries between them are missing"
    )]
    Gap {
        /// The last index that the log presumes.
        from: u64,
        /// The backend.
        path: String,
        /// Its consistent index.
        backend: u64,
    },
    /// An entry cannot be applied.
    #[error("member/wal: {0}")]
    Apply(#[from] ApplyError),
    /// What was asked cannot be answered.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Users and roles decide whether an entry takes effect.
    #[error(
        "member/wal: entry {index}: authentication is on, and what users may do is not read yet"
    )]
    Auth {
        /// The entry.
        index: u64,
    },
}

impl State {
    pub(super) fn of(directory: &DataDir) -> Result<State, StateError> {
        State::of_source(&Source::of(directory)?)
    }

    /// The same of a snapshot file whose digest need not be right.
    pub(super) fn despite_digest(directory: &DataDir) -> Result<State, StateError> {
        State::of_source(&Source::of_backend(directory)?)
    }

    fn of_source(source: &Source) -> Result<State, StateError> {
        let store = source.open(|backend| backend.store(Rules::CURRENT))?;
        State::boot(store, source.is_judged, source.committed())?.of_file(source.path())
    }

    /// A store and, on top, entries; compactions are complete.
    pub(super) fn boot(
        store: Store<FileBackend>,
        is_judged: bool,
        entries: &[raft::Entry],
    ) -> Result<State, StateError> {
        let mut state = State::uncompacted(store, is_judged, entries)?;
        while state.applier.step_compaction(COMPACTION_BATCH).is_some() {}
        Ok(state)
    }

    /// The same with revisions left in the backend that no reader can reach.
    pub(super) fn uncompacted(
        store: Store<FileBackend>,
        is_judged: bool,
        entries: &[raft::Entry],
    ) -> Result<State, StateError> {
        check_auth(entries, store.consistent_index(), is_judged)?;
        let backend_index = store.consistent_index();
        let mut state = State {
            applier: Applier::new(store),
            path: String::new(),
            backend_index,
            applied_index: backend_index,
            auth_requests: 0,
        };
        for entry in entries {
            state.applier.apply(entry)?;
            let is_beyond = entry.index > state.backend_index;
            state.auth_requests += u64::from(is_beyond && changes_auth(entry));
            state.applied_index = state.applied_index.max(entry.index);
        }
        Ok(state)
    }

    /// The same, of a backend at this path, unless that could not be read to the end.
    pub(super) fn of_file(self, path: &str) -> Result<State, StateError> {
        let state = State { path: path.into(), ..self };
        match state.problem() {
            None => Ok(state),
            Some(problem) => Err(problem),
        }
    }

    /// What went wrong while the backend was read, if anything did: a file that is read piece by
    /// piece may change or become unreadable. Answers given since are not to be believed.
    pub fn problem(&self) -> Option<StateError> {
        let problem = self.store().backend().problem()?;
        Some(BackendError::Damaged { path: self.path.clone(), problem }.into())
    }

    /// The last entry whose changes the backend has.
    pub fn backend_index(&self) -> u64 {
        self.backend_index
    }

    /// The last entry that is in the keys.
    pub fn applied_index(&self) -> u64 {
        self.applied_index
    }

    /// How many entries beyond the backend change users and roles, which is not kept here.
    pub(super) fn auth_requests(&self) -> u64 {
        self.auth_requests
    }

    /// The keys with their history.
    pub fn store(&self) -> &Store<FileBackend> {
        self.applier.store()
    }

    /// The hash of the history up to `revision`, 0 for all, as `etcdctl endpoint hashkv` has it.
    pub fn hash_kv(&self, revision: i64) -> Result<HashKv, MvccError> {
        self.store().hash_kv(revision)
    }

    /// Answers a range.
    pub fn range(&self, range: &Range) -> Result<RangeReply, RequestError> {
        self.applier.range(range)
    }
}

/// What a state is made of: the backend to begin with, and the entries that come after it.
pub(super) struct Source {
    /// None if a server would begin with an empty one.
    backend: Option<BackendFile>,
    /// Whether authentication is on.
    is_judged: bool,
    /// From the snapshot on that the log goes on from.
    entries: Vec<raft::Entry>,
    /// The last one that is committed.
    end: u64,
}

impl Source {
    pub(super) fn of(directory: &DataDir) -> Result<Source, StateError> {
        if let (Kind::EtcdSnapshot, [only]) = (directory.kind(), directory.files()) {
            check_digest(only)?;
        }
        if directory.kind() != Kind::Etcd || directory.segments().is_empty() {
            return Source::of_backend(directory);
        }
        let mut log = Contents::of(directory);
        let is_lone = log.is_lone(directory);
        let Some(replay) = log.replay.take() else {
            let reason = "the log cannot be read".into();
            let nowhere = End { file: None, offset: None, reason };
            return Err(StateError::Log { end: log.end.unwrap_or(nowhere) });
        };
        let from = log.snapshot.as_ref().map_or(0, |mark| mark.index);
        let backend = backend_at(directory, from)?;
        let is_judged = backend.as_ref().map_or(Ok(false), is_judged)?;
        let end = if is_lone { u64::MAX } else { replay.hard_state.commit };
        Ok(Source { backend, is_judged, entries: replay.entries, end })
    }

    fn of_backend(directory: &DataDir) -> Result<Source, StateError> {
        let backend = Some(BackendFile::of(directory)?);
        Ok(Source { backend, is_judged: false, entries: Vec::new(), end: 0 })
    }

    pub(super) fn is_judged(&self) -> bool {
        self.is_judged
    }

    /// The last committed entry; of a lone voter no entry is beyond it.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// The backend's path.
    pub(super) fn path(&self) -> &str {
        self.backend.as_ref().map_or("", BackendFile::path)
    }

    /// The store that the backend makes.
    pub(super) fn open(
        &self,
        open: impl FnOnce(&BackendFile) -> Result<Store<FileBackend>, BackendError>,
    ) -> Result<Store<FileBackend>, BackendError> {
        match &self.backend {
            Some(backend) => open(backend),
            None => {
                Ok(Store::restore(FileBackend::default(), Rules::CURRENT)
                    .expect("nothing to restore"))
            }
        }
    }

    /// The entries up to the last committed one.
    pub(super) fn committed(&self) -> &[raft::Entry] {
        until(&self.entries, self.end)
    }

    /// Those of them that the backend does not have.
    pub(super) fn beyond(&self) -> Result<&[raft::Entry], BackendError> {
        let index = self.backend.as_ref().map_or(Ok(0), BackendFile::consistent_index)?;
        let committed = self.committed();
        Ok(&committed[committed.partition_point(|entry| entry.index <= index)..])
    }
}

/// The entries up to an index.
pub(super) fn until(entries: &[raft::Entry], end: u64) -> &[raft::Entry] {
    &entries[..entries.partition_point(|entry| entry.index <= end)]
}

/// The backend that a server begins with when its log goes on from a snapshot at `from`.
fn backend_at(directory: &DataDir, from: u64) -> Result<Option<BackendFile>, StateError> {
    let backend = match BackendFile::of(directory) {
        // A server begins anew if the log has everything.
        Err(BackendError::Missing { .. }) if from == 0 => return Ok(None),
        backend => backend?,
    };
    let index = backend.consistent_index()?;
    if index >= from {
        return Ok(Some(backend));
    }
    let path = format!("{SNAP_DIRECTORY}{from:016x}.snap.db");
    match BackendFile::received(directory, &path)? {
        Some(received) => Ok(Some(received)),
        None => Err(StateError::Gap { from, path: backend.path().into(), backend: index }),
    }
}

fn is_judged(backend: &BackendFile) -> Result<bool, BackendError> {
    Ok(backend.value("auth", "authEnabled")?.is_some_and(|value| value[..] == [1]))
}

/// Fails on an entry behind the backend that only some users may make.
fn check_auth(
    entries: &[raft::Entry],
    backend_index: u64,
    is_judged: bool,
) -> Result<(), StateError> {
    let mut is_judged = is_judged;
    for entry in entries.iter().filter(|entry| entry.index > backend_index) {
        let is_normal = entry.entry_type == raft::EntryType::Normal;
        let Ok(LoggedRequest::V3(request)) = LoggedRequest::decode(&entry.data) else { continue };
        if !is_normal {
            continue;
        }
        let writes = request.put.is_some()
            || request.delete_range.is_some()
            || request.txn.is_some()
            || request.lease_revoke.is_some();
        if is_judged && writes {
            return Err(StateError::Auth { index: entry.index });
        }
        is_judged |= request.auth_enable.is_some();
        is_judged &= request.auth_disable.is_none();
    }
    Ok(())
}

fn changes_auth(entry: &raft::Entry) -> bool {
    if entry.entry_type != raft::EntryType::Normal {
        return false;
    }
    let Ok(LoggedRequest::V3(request)) = LoggedRequest::decode(&entry.data) else { return false };
    request.auth_enable.is_some()
        || request.auth_disable.is_some()
        || request.auth_user_add.is_some()
        || request.auth_user_delete.is_some()
        || request.auth_user_change_password.is_some()
        || request.auth_user_grant_role.is_some()
        || request.auth_user_revoke_role.is_some()
        || request.auth_role_add.is_some()
        || request.auth_role_delete.is_some()
        || request.auth_role_grant_permission.is_some()
        || request.auth_role_revoke_permission.is_some()
}

fn place(end: &End) -> String {
    end.offset.map(|offset| format!(": offset {offset}")).unwrap_or_default()
}
