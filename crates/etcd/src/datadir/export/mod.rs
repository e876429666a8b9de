//! A directory or a snapshot file that a real server accepts, written anew.
//!
//! Nothing is copied from the source's files: the backend is written by [`crate::bolt`], the log by
//! [`crate::wal`], the `.snap` file by [`crate::snap`]. What the source holds goes in as state:
//! keys with their history, leases, alarms, members, users and roles. The backend goes page by page
//! into a [`PageStore`] of the caller's: it need not fit memory.
//!
//! ```text
//! member/snap/db                       all buckets; consistent_index = M
//! member/snap/<T>-<M>.snap             members and version as a v2 store, voters
//! member/wal/0…0-0…0.wal               crc · metadata · snapshot 0/0 · state{T, vote, M} ·
//!                                      snapshot M/T · zeros to 64,000,000 bytes
//! ```
//!
//! M is the last entry that was applied, T its term: a server goes on counting where the source
//! stood. The directory is a cluster of one, the source's member: it needs no other to serve.

mod database;

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message as _;
use sha2::{Digest as _, Sha256};

use super::inspect::Contents;
use super::kind::{SNAP_DIRECTORY, WAL_DIRECTORY};
use super::listing::Pages;
use super::{BackendError, DataDir, DataFile, Kind, State, StateError, members, past};
use crate::bolt::{BuildError, PIECE_BYTES, PageStore, Paged};
use crate::membership::{self, Cluster, Member, join_context, promote_context};
use crate::mvcc::{Backend as _, Bucket, MvccError};
use crate::proto::etcdserverpb::Metadata;
use crate::request::Range;
use crate::snap::{SnapName, encode};
use crate::wal::{Encoder, SegmentName, SnapshotMark};

/// Length of a new segment in real servers.
const SEGMENT_BYTES: u64 = 64_000_000;

/// All keys from one on.
const FROM_KEY: Bytes = Bytes::from_static(b"\0");
/// Keys in memory at a time.
const PAGE_KEYS: i64 = 256;

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportAs {
    /// A member's data directory.
    Directory,
    /// What `etcdctl snapshot save` writes.
    Snapshot,
}

/// The files, and what did not go into them.
#[derive(Debug, Clone)]
pub struct Exported {
    /// Paths are relative to the new directory; a snapshot is one file without a path.
    pub files: Vec<DataFile>,
    /// Last revision in them.
    pub revision: i64,
    /// What the source holds and they do not.
    pub given_up: Vec<String>,
}

/// Why there is nothing to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// The keys of the source are not known.
    #[error(transparent)]
    State(#[from] StateError),
    /// The backend of the source cannot be read.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The revision asked for is not there.
    #[error(transparent)]
    Revision(#[from] MvccError),
    /// The members of the source are not known.
    #[error("members: {0}")]
    Members(String),
    /// The new backend cannot be written.
    #[error("backend: {0}")]
    Build(#[from] BuildError),
}

/// Who the exported server is, and where its log stands.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    id: u64,
    cluster_id: u64,
    cluster: Cluster,
    term: u64,
    index: u64,
    /// The highest term that the member knows, and its vote in it.
    vote: (u64, u64),
    /// Entries behind `index`.
    tail: Vec<raft::Entry>,
}

/// Exports a directory at a revision, 0 for the last one.
pub(super) fn export(
    directory: &DataDir,
    form: ExportAs,
    revision: i64,
    store: impl PageStore + 'static,
) -> Result<Exported, ExportError> {
    export_state(directory, &directory.state()?, form, revision, store)
}

/// The same of a state that was made of the directory.
pub(super) fn export_state(
    directory: &DataDir,
    state: &State,
    form: ExportAs,
    revision: i64,
    store: impl PageStore + 'static,
) -> Result<Exported, ExportError> {
    let mut given_up = Vec::new();
    if state.auth_requests() > 0 {
        given_up.push(format!(
            "{} changes of users and roles that the log has and the backend has not",
            state.auth_requests()
        ));
    }
    let is_compacted = (1..state.store().compact_revision()).contains(&revision);
    let all = Range { range_end: FROM_KEY, ..Range::default() };
    let past = is_compacted.then(|| past::history(directory, state, &all)).flatten();
    let history = past.as_ref().unwrap_or(state);
    let last = bound(history, revision, &mut given_up)?;
    if last < history.store().revision() {
        given_up.extend(ended_leases(history, state, last)?);
    }
    let identity = identity(directory, state, form, &mut given_up)?;
    let exported = write(state, history, &identity, form, last, store)?;
    Ok(Exported { files: exported, revision: last, given_up })
}

/// The last revision that goes in.
fn bound(state: &State, revision: i64, given_up: &mut Vec<String>) -> Result<i64, ExportError> {
    let (current, compact) = (state.store().revision(), state.store().compact_revision());
    if revision == 0 || revision == current {
        return Ok(current);
    }
    if revision < compact {
        return Err(MvccError::Compacted.into());
    }
    if revision > current {
        return Err(MvccError::FutureRevision.into());
    }
    given_up.push(format!("revisions {} to {current}: later than was asked for", revision + 1));
    Ok(revision)
}

/// Leases that keys had at a revision, and that are no more: such keys stay for good.
fn ended_leases(history: &State, state: &State, at: i64) -> Result<Vec<String>, StateError> {
    let mut keys: BTreeMap<i64, u64> = BTreeMap::new();
    let mut pages = Pages::new(Range { revision: at, range_end: FROM_KEY, ..Range::default() });
    while let Some(page) = pages.next(history, PAGE_KEYS)? {
        for kv in page.kvs.iter().filter(|kv| kv.lease != 0) {
            *keys.entry(kv.lease).or_default() += 1;
        }
    }
    let backend = state.store().backend();
    let ended = |lease: &i64| backend.get(Bucket::Lease, &lease.to_be_bytes()).is_none();
    let words =
        |(lease, count)| format!("lease {lease:x} has ended since; keys that had it: {count}");
    Ok(keys.into_iter().filter(|(lease, _)| ended(lease)).map(words).collect())
}

/// The member of the source alone; of a snapshot file the one that `etcdctl` would restore.
fn identity(
    directory: &DataDir,
    state: &State,
    form: ExportAs,
    given_up: &mut Vec<String>,
) -> Result<Identity, ExportError> {
    let index = state.applied_index().max(1);
    let log = Contents::of(directory);
    let Some(metadata) = log.metadata().filter(|_| directory.kind() == Kind::Etcd) else {
        return Ok(restored(directory, index));
    };
    let mut cluster = cluster_at(directory, &log, state.applied_index())?;
    let id = metadata.node_id;
    let term = log.last_term_at(index);
    if form == ExportAs::Snapshot {
        if cluster.v2().has_keys() || cluster.v2().not_applied() > 0 {
            given_up.push("keys of the v2 API: a snapshot of the database has none of them".into());
        }
        // A snapshot tells of all members; whoever restores it names new ones.
        let cluster_id = metadata.cluster_id;
        return Ok(Identity::lone(id, cluster_id, cluster, term, index));
    }
    if cluster.member(id).is_none() {
        given_up.push(format!("the cluster: member {id:x} was removed from it; this is a new one"));
        return Ok(Identity { term, vote: (term, 0), ..restored(directory, index) });
    }
    let gone: Vec<u64> =
        cluster.members().map(|member| member.id).filter(|other| *other != id).collect();
    for other in gone {
        given_up.push(format!("member {other:x}: the exported directory is a cluster of one"));
        cluster.remove(other);
    }
    if cluster.member(id).is_some_and(|member| member.is_learner) {
        given_up.push(format!("member {id:x} was a learner: it votes now"));
        let promoted = cluster.add(id, promote_context(id).as_bytes());
        promoted.map_err(|error| ExportError::Members(error.to_string()))?;
    }
    let identity = Identity::lone(id, metadata.cluster_id, cluster, term, index);
    given_up.extend(identity.passed_over());
    Ok(identity)
}

/// The members after the entries up to an index.
fn cluster_at(directory: &DataDir, log: &Contents, index: u64) -> Result<Cluster, ExportError> {
    let mut cluster = match &log.snapshot {
        Some(mark) => members::of_snapshot(directory, mark.term, mark.index),
        None => Ok(Cluster::default()),
    }
    .map_err(ExportError::Members)?;
    let entries = log.replay.iter().flat_map(|replay| &replay.entries);
    for entry in entries.take_while(|entry| entry.index <= index) {
        members::apply(entry, &mut cluster).map_err(ExportError::Members)?;
    }
    Ok(cluster)
}

/// A member for a file that names none: `etcdctl snapshot restore` without flags.
fn restored(directory: &DataDir, index: u64) -> Identity {
    let peer_urls = vec!["http://localhost:2380".to_string()];
    let id = membership::member_id(&peer_urls, "etcd-cluster");
    let member = Member { id, name: "default".into(), peer_urls, ..Member::default() };
    let mut cluster = Cluster::default();
    cluster.add(id, join_context(&member).as_bytes()).expect("the context names the member");
    let version =
        directory.backend().and_then(|backend| backend.value("cluster", "clusterVersion"));
    if let Ok(Some(version)) = version {
        let version = String::from_utf8_lossy(&version).into_owned();
        let set = cluster.apply_v2_put(membership::VERSION_PATH, &version);
        set.expect("a version is not parsed");
    }
    let cluster_id = membership::cluster_id(&[id]);
    Identity::lone(id, cluster_id, cluster, 1, index)
}

/// The files; the database is what was written into `store`. Revisions are those of `history`, all
/// else is that of `state`.
pub(super) fn write(
    state: &State,
    history: &State,
    identity: &Identity,
    form: ExportAs,
    last: i64,
    mut store: impl PageStore + 'static,
) -> Result<Vec<DataFile>, ExportError> {
    database::write(state, history, identity, last, &mut store)?;
    if form == ExportAs::Snapshot {
        add_digest(&mut store).map_err(BuildError::Write)?;
        return Ok(vec![DataFile::paged("snapshot.db", Paged::new(store))]);
    }
    let Identity { term, index, .. } = *identity;
    let name = SegmentName { sequence: 0, first_index: 0 };
    Ok(vec![
        file(format!("{SNAP_DIRECTORY}{}", SnapName { term, index }), snapshot(identity), 0),
        DataFile::paged(format!("{SNAP_DIRECTORY}db"), Paged::new(store)),
        file(format!("{WAL_DIRECTORY}{name}"), log(identity), SEGMENT_BYTES),
    ])
}

/// Adds the SHA-256 of all bytes at their end, as `etcdctl snapshot save` does.
fn add_digest(store: &mut impl PageStore) -> Result<(), String> {
    let (mut hasher, mut at, len) = (Sha256::new(), 0, store.len());
    let mut piece = vec![0; usize::try_from(PIECE_BYTES).expect("a piece fits memory")];
    while at < len {
        let bytes = usize::try_from(len - at).map_or(piece.len(), |left| left.min(piece.len()));
        store.read_at(at, &mut piece[..bytes])?;
        hasher.update(&piece[..bytes]);
        at += bytes as u64;
    }
    store.write_at(len, &hasher.finalize())
}

fn file(path: String, bytes: Vec<u8>, len: u64) -> DataFile {
    DataFile::new(path, bytes, len)
}

fn snapshot(identity: &Identity) -> Vec<u8> {
    let conf_state = identity.conf_state();
    let (index, term) = (identity.index, identity.term);
    let metadata = raft::SnapshotMetadata { conf_state, index, term };
    encode(&raft::Snapshot { data: identity.cluster.v2().to_json().into(), metadata })
}

fn log(identity: &Identity) -> Vec<u8> {
    let Identity { id, cluster_id, term, index, .. } = *identity;
    let (known_term, vote) = identity.vote;
    let (mut encoder, mut bytes) = (Encoder::new(0), Vec::new());
    let metadata = Metadata { node_id: id, cluster_id };
    encoder.crc_record(&mut bytes);
    encoder.metadata(&Bytes::from(metadata.encode_to_vec()), &mut bytes);
    encoder.snapshot(&SnapshotMark::default(), &mut bytes);
    // Releases from 3.5 on want the members here; older ones pass over them.
    let conf_state = identity.is_since_3_5().then(|| identity.conf_state().into());
    encoder.snapshot(&SnapshotMark { index, term, conf_state }, &mut bytes);
    for entry in &identity.tail {
        encoder.entry(entry, &mut bytes);
    }
    let state = raft::HardState { term: known_term, vote, commit: index };
    encoder.hard_state(&state, &mut bytes);
    bytes
}

impl Identity {
    fn lone(id: u64, cluster_id: u64, cluster: Cluster, term: u64, index: u64) -> Identity {
        Identity { id, cluster_id, cluster, term, index, vote: (term, id), tail: Vec::new() }
    }

    /// The member whose log this is, before any of its entries: from the snapshot on that a boot
    /// would begin with, or from the first entry.
    pub(super) fn of_member(
        directory: &DataDir,
        log: &Contents,
        entries: &BTreeMap<u64, raft::Entry>,
    ) -> Result<Identity, String> {
        let metadata = directory.log().find_map(|record| {
            Some(Metadata { node_id: record.member_id?, cluster_id: record.cluster_id? })
        });
        let Metadata { node_id: id, cluster_id } =
            metadata.ok_or("the log does not say whose it is")?;
        let (cluster, index) = match &log.snapshot {
            Some(mark) => (members::of_snapshot(directory, mark.term, mark.index)?, mark.index),
            None if entries.contains_key(&1) => (Cluster::default(), 0),
            None => (members::newest(directory).ok_or("no snapshot tells of them")?, 0),
        };
        let term = log.snapshot.as_ref().map_or(1, |mark| mark.term);
        let states = directory.log().filter(|record| record.crc_ok && record.vote.is_some());
        let vote = states.filter_map(|record| Some((record.term?, record.vote?))).max();
        let vote = vote.unwrap_or((term, 0));
        Ok(Identity { id, cluster_id, cluster, term, index, vote, tail: Vec::new() })
    }

    /// Whether no other member has a vote once all entries are applied.
    pub(super) fn is_lone(&self, entries: &BTreeMap<u64, raft::Entry>) -> bool {
        let mut last = self.clone();
        last.apply_from(entries, self.index, u64::MAX);
        let mut voters = last.cluster.voters();
        voters.next().is_some_and(|voter| voter.id == self.id) && voters.next().is_none()
    }

    /// The same at a later index, with entries behind it.
    pub(super) fn at(
        mut self,
        index: u64,
        entries: &BTreeMap<u64, raft::Entry>,
        tail: Vec<raft::Entry>,
    ) -> Identity {
        self.apply_from(entries, self.index, index);
        if let Some((_, entry)) = entries.range(..=index).next_back() {
            self.term = self.term.max(entry.term);
        }
        let vote = if self.vote.0 < self.term { (self.term, 0) } else { self.vote };
        Identity { index: index.max(1), vote, tail, ..self }
    }

    fn apply_from(&mut self, entries: &BTreeMap<u64, raft::Entry>, from: u64, to: u64) {
        let later = entries.range(from.saturating_add(1)..);
        for (_, entry) in later.take_while(|(index, _)| **index <= to) {
            // What cannot be applied says nothing.
            let _ = members::apply(entry, &mut self.cluster);
        }
    }

    /// What entries of the log would have changed below `/1` of the v2 store.
    pub(super) fn passed_over(&self) -> Option<String> {
        let count = self.cluster.v2().not_applied();
        let words = || format!("{count} requests of the v2 API: what they changed is not kept");
        (count > 0).then(words)
    }

    fn conf_state(&self) -> raft::ConfState {
        let (voters, learners): (Vec<&Member>, Vec<&Member>) =
            self.cluster.members().partition(|member| !member.is_learner);
        let ids = |members: Vec<&Member>| members.into_iter().map(|member| member.id).collect();
        let (voters, learners): (Vec<u64>, Vec<u64>) = (ids(voters), ids(learners));
        raft::ConfState { learners, ..raft::ConfState::of_voters(voters) }
    }

    /// As releases from 3.5 on keep it in the backend.
    fn conf_state_json(&self) -> String {
        let ids = |ids: &[u64]| ids.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
        let state = self.conf_state();
        let learners = match state.learners.as_slice() {
            [] => String::new(),
            learners => format!("\"learners\":[{}],", ids(learners)),
        };
        format!("{{\"voters\":[{}],{learners}\"auto_leave\":false}}", ids(&state.voters))
    }

    /// Whether the cluster's version is 3.5 or later.
    fn is_since_3_5(&self) -> bool {
        let version = self.cluster.version().unwrap_or("3.4.0");
        super::Release::DEFAULT.is_below_cluster(version)
    }
}
