//! The keys that a directory holds: what a server would serve from it.
//!
//! That is the backend and, on top, the log's entries after the backend's consistent index, up to
//! the commit index of the last hard state; of a lone voter all of them, since what such a member
//! stored is committed. They go through the same state machine as a running server's. A backend
//! that is behind the snapshot that the log goes on from is replaced by the one that was received
//! with it, as at a boot. Snapshot files and bare bbolt files have no log.
//!
//! Left out: judging requests by users and roles. Where that would matter, there is an error.

use crate::apply::{Applier, ApplyError};
use crate::mvcc::{HashKv, MemoryBackend, MvccError, Rules, Store};
use crate::proto::LoggedRequest;
use crate::request::{Range, RangeReply, RequestError};

use super::inspect::Contents;
use super::kind::SNAP_DIRECTORY;
use super::summary::End;
use super::{BackendError, BackendFile, DataDir, Kind};

/// Revisions that a compaction walks at a time.
const COMPACTION_BATCH: usize = 1000;

/// Keys with their history.
#[derive(Debug, Clone)]
pub struct State {
    applier: Applier,
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
        if directory.kind() != Kind::Etcd || directory.segments().is_empty() {
            let backend = BackendFile::of(directory)?;
            return Ok(State::of_store(backend.store(Rules::CURRENT)?));
        }
        let log = Contents::of(directory);
        let Some(replay) = &log.replay else {
            let reason = "the log cannot be read".into();
            let nowhere = End { file: None, offset: None, reason };
            return Err(StateError::Log { end: log.end.unwrap_or(nowhere) });
        };
        let from = log.snapshot.as_ref().map_or(0, |mark| mark.index);
        let (store, is_judged) = store(directory, from)?;
        let end = if log.is_lone(directory) { u64::MAX } else { replay.hard_state.commit };
        State::boot(store, is_judged, &replay.entries, end)
    }

    /// A store and, on top, the entries up to `end`.
    pub(super) fn boot(
        store: Store,
        is_judged: bool,
        entries: &[raft::Entry],
        end: u64,
    ) -> Result<State, StateError> {
        let committed = entries.iter().take_while(|entry| entry.index <= end);
        let entries: Vec<&raft::Entry> = committed.collect();
        check_auth(&entries, store.consistent_index(), is_judged)?;
        let mut state = State::of_store(store);
        for entry in entries {
            state.applier.apply(entry)?;
            let is_beyond = entry.index > state.backend_index;
            state.auth_requests += u64::from(is_beyond && changes_auth(entry));
            state.applied_index = state.applied_index.max(entry.index);
            while state.applier.step_compaction(COMPACTION_BATCH).is_some() {}
        }
        Ok(state)
    }

    fn of_store(store: Store) -> State {
        let backend_index = store.consistent_index();
        let mut applier = Applier::new(store);
        while applier.step_compaction(COMPACTION_BATCH).is_some() {}
        State { applier, backend_index, applied_index: backend_index, auth_requests: 0 }
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
    pub fn store(&self) -> &Store {
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

/// The store to begin with, and whether authentication is on.
fn store(directory: &DataDir, from: u64) -> Result<(Store, bool), StateError> {
    let backend = match BackendFile::of(directory) {
        // A server begins anew if the log has everything.
        Err(BackendError::Missing { .. }) if from == 0 => {
            let backend = MemoryBackend::default();
            let store = Store::restore(backend, Rules::CURRENT);
            return Ok((store.expect("nothing to restore"), false));
        }
        backend => backend?,
    };
    let store = backend.store(Rules::CURRENT)?;
    if store.consistent_index() >= from {
        return Ok((store, is_judged(&backend)?));
    }
    let path = format!("{SNAP_DIRECTORY}{from:016x}.snap.db");
    let Some(received) = BackendFile::received(directory, &path)? else {
        let (path, backend) = (backend.path().into(), store.consistent_index());
        return Err(StateError::Gap { from, path, backend });
    };
    Ok((received.store(Rules::CURRENT)?, is_judged(&received)?))
}

fn is_judged(backend: &BackendFile) -> Result<bool, BackendError> {
    Ok(backend.value("auth", "authEnabled")?.is_some_and(|value| value[..] == [1]))
}

/// Fails on an entry behind the backend that only some users may make.
fn check_auth(
    entries: &[&raft::Entry],
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
