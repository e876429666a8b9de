//! From a directory to a running server.
//!
//! ```text
//! Boot ─ directories, orphans removed ─→ backend opened, or created ─ synced ─┐
//!      ┌──────────────────────────────────────────────────────────────────────┘
//!      ├ no log ─→ created ─ synced ─→ bootstrap: one ConfChange a peer ──────────────────┐
//!      └ log ─→ newest .snap that it marks ─→ its backend ─→ log from its record on ─┬────┴→ running
//!                                                  torn: repaired once, all of it again
//! ```
//!
//! A server that finds a log takes its ids from there, whatever it is told. Consensus starts from
//! the snapshot, which is the sentinel of the log in memory, and the entries after it; what is
//! committed of them is applied again, but changes the store only above its consistent index. While
//! it boots the server answers nobody.
//!
//! One step more than etcd: a log without a single entry, left by a power cut in the first boot, is
//! bootstrapped like a new one. Nothing was ever said in its name. A real server would start without
//! members and wait for a leader that may never come.
//! Source: etcd release-3.4, `etcdserver/{server,raft,storage,backend}.go`.

use std::sync::Arc;

use bytes::Bytes;
use disk::{Disk, DiskError, Ticket};
use prost::Message as _;
use raft::{MemoryStorage, ReadOnlyOption};

use super::election::ElectionTimeouts;
use super::install::{cluster_of, received_database, restore};
use super::running::{Node, Running};
use super::snapshot::mark_of;
use super::{Effects, Fatal, ServerConfig, ServerEvent};
use crate::apply::Applier;
use crate::bugs::Bug;
use crate::membership::{Cluster, join_context};
use crate::mvcc::backend::{BackendError, Opened, Opening};
use crate::mvcc::{DiskBackend, Store};
use crate::proto::etcdserverpb::Metadata;
use crate::snap;
use crate::wal::{self, Replay, SegmentName, SnapshotMark, Wal, WalError, WalOptions};

/// A boot that waits for the disk.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    booting: Booting,
    waits_for: WaitsFor,
}

/// What a boot begins with.
#[derive(Debug, Clone)]
struct Booting {
    config: Arc<ServerConfig>,
    seed: u64,
}

#[derive(Debug, Clone)]
enum WaitsFor {
    Backend(Box<Opening>),
    NewLog(Box<Wal>, Box<DiskBackend>),
    Repair(Ticket, Box<DiskBackend>),
    /// What was read: a process that died leaves it in the machine's cache at least.
    Log(Box<Found>),
}

/// How far a boot has come.
pub(super) enum Progress {
    Booting(Waiting),
    Running(Box<Running>),
}

/// Begins a boot.
pub(super) fn begin(
    config: &Arc<ServerConfig>,
    seed: u64,
    disk: &mut Disk,
    effects: &mut Effects,
) -> Result<Progress, Fatal> {
    prepare_snap_dir(config, disk, effects)?;
    if !has_log(disk, &config.wal_dir()) {
        discard_backend(config, disk)?;
    }
    let opened = Opening::begin(disk, &config.db_path(), config.backend_options());
    let booting = Booting { config: Arc::clone(config), seed };
    booting.backend_opened(opened.map_err(|error| not_opened(&error))?, disk, effects)
}

impl Booting {
    fn waiting(self, waits_for: WaitsFor) -> Progress {
        Progress::Booting(Waiting { booting: self, waits_for })
    }

    /// The backend is there, or will be.
    fn backend_opened(
        self,
        opened: Opened,
        disk: &mut Disk,
        effects: &mut Effects,
    ) -> Result<Progress, Fatal> {
        let mut backend = match opened {
            Opened::Waiting(opening) => return Ok(self.waiting(WaitsFor::Backend(opening))),
            Opened::Ready(backend) => backend,
        };
        if !has_log(disk, &self.config.wal_dir()) {
            let wal = create(&self.config, disk)?;
            return Ok(self.waiting(WaitsFor::NewLog(Box::new(wal), backend)));
        }
        match open(&self.config, &mut backend, disk, effects)? {
            Ok(found) => Ok(self.waiting(WaitsFor::Log(Box::new(found)))),
            Err(error) if wal::is_mendable(&error, self.config.bugs) => {
                let ticket = repair(&self.config, disk, &error, effects)?;
                Ok(self.waiting(WaitsFor::Repair(ticket, backend)))
            }
            Err(error) => Err(unreadable(&error)),
        }
    }
}

impl Waiting {
    /// Takes a completed sync.
    pub(super) fn on_synced(
        self,
        ticket: Ticket,
        now_ns: u64,
        disk: &mut Disk,
        effects: &mut Effects,
    ) -> Result<Progress, Fatal> {
        let Self { booting, waits_for } = self;
        let (config, seed) = (&booting.config, booting.seed);
        match waits_for {
            WaitsFor::Backend(opening) => {
                booting.backend_opened(opening.on_synced(ticket), disk, effects)
            }
            WaitsFor::NewLog(mut wal, backend) => {
                wal.on_synced(disk, ticket).map_err(|error| not_created(&error))?;
                if wal.is_idle() {
                    let store = restore(config, *backend)?;
                    return start(config, seed, now_ns, *wal, store, effects);
                }
                Ok(booting.waiting(WaitsFor::NewLog(wal, backend)))
            }
            WaitsFor::Repair(repaired, mut backend) if repaired == ticket => {
                let found = open(config, &mut backend, disk, effects)?;
                let found = found.map_err(|error| unreadable(&error))?;
                Ok(booting.waiting(WaitsFor::Log(Box::new(found))))
            }
            WaitsFor::Log(mut found) => {
                found.wal.on_synced(disk, ticket).map_err(|error| not_created(&error))?;
                if found.wal.is_idle() {
                    return restart(config, seed, now_ns, *found, effects);
                }
                Ok(booting.waiting(WaitsFor::Log(found)))
            }
            waits_for @ WaitsFor::Repair(..) => Ok(booting.waiting(waits_for)),
        }
    }
}

/// Dies of a sync that failed during a boot.
pub(super) fn sync_failed(error: &DiskError) -> Fatal {
    Fatal { reason: format!("failed to create WAL: {error}") }
}

fn has_log(disk: &Disk, wal_dir: &str) -> bool {
    let entries = disk.list(wal_dir).unwrap_or_default();
    entries.iter().any(|entry| SegmentName::parse(&entry.name).is_some())
}

fn create(config: &ServerConfig, disk: &mut Disk) -> Result<Wal, Fatal> {
    let metadata = Metadata { node_id: config.id, cluster_id: config.cluster_id };
    Wal::create(disk, &config.wal_dir(), &metadata.encode_to_vec(), options(config))
        .map_err(|error| not_created(&error))
}

/// What a directory with a log holds.
#[derive(Debug, Clone)]
struct Found {
    snapshot: raft::Snapshot,
    cluster: Cluster,
    store: Store<DiskBackend>,
    wal: Wal,
    replay: Replay,
}

/// Reads a directory with a log. The inner error is of the log, and may be mended: then `backend`
/// is the one to go on with, which may have come with a snapshot.
fn open(
    config: &ServerConfig,
    backend: &mut DiskBackend,
    disk: &mut Disk,
    effects: &mut Effects,
) -> Result<Result<Found, WalError>, Fatal> {
    let marks = match wal::valid_snapshots_on(disk, &config.wal_dir()) {
        Ok(marks) => marks,
        Err(error) => return Ok(Err(error)),
    };
    let snapshot = load_snapshot(config, disk, &marks, effects)?.unwrap_or_default();
    let mut cluster = Cluster::default();
    if !snapshot.is_empty() {
        cluster = cluster_of(&snapshot.data)?;
        recover_backend(config, snapshot.metadata.index, backend, disk)?;
    }
    let opened = Wal::open(disk, &config.wal_dir(), &mark_of(&snapshot), options(config));
    let (wal, replay) = match opened {
        Ok(opened) => opened,
        Err(error) => return Ok(Err(error)),
    };
    let store = restore(config, backend.clone())?;
    check_consistent_index(config, &store, snapshot.metadata.index)?;
    Ok(Ok(Found { snapshot, cluster, store, wal, replay }))
}

fn prepare_snap_dir(
    config: &ServerConfig,
    disk: &mut Disk,
    effects: &mut Effects,
) -> Result<(), Fatal> {
    let directory = config.snap_dir();
    disk.create_dir_all(&directory).map_err(|error| Fatal {
        reason: format!("failed to create snapshot directory: {error}"),
    })?;
    let removed = snap::remove_orphans(disk, &directory).map_err(|error| Fatal {
        reason: format!("discovery failed: failed to remove orphaned .snap.db file: {error}"),
    })?;
    effects.trace.extend(removed.into_iter().map(|file| ServerEvent::OrphanRemoved { file }));
    Ok(())
}

fn load_snapshot(
    config: &ServerConfig,
    disk: &mut Disk,
    marks: &[SnapshotMark],
    effects: &mut Effects,
) -> Result<Option<raft::Snapshot>, Fatal> {
    let loaded = snap::load_newest(disk, &config.snap_dir(), marks)
        .map_err(|error| Fatal { reason: format!("discovery failed: {error}") })?;
    for error in loaded.broken {
        let (file, reason) = (error.file().to_owned(), error.reason());
        effects.trace.push(ServerEvent::SnapshotBroken { file, reason });
    }
    let Some((file, snapshot)) = loaded.snapshot else { return Ok(None) };
    let (index, term) = (snapshot.metadata.index, snapshot.metadata.term);
    effects.trace.push(ServerEvent::SnapshotLoaded { file, index, term });
    Ok(Some(snapshot))
}

/// The backend to go on with: one that is behind the snapshot was to be replaced by the one that
/// came with it when the server died.
fn recover_backend(
    config: &ServerConfig,
    index: u64,
    backend: &mut DiskBackend,
    disk: &mut Disk,
) -> Result<(), Fatal> {
    if restore(config, backend.clone())?.consistent_index() < index {
        *backend = received_database(config, index, disk).map_err(|error| Fatal {
            reason: format!("failed to recover v3 backend from snapshot: {error}"),
        })?;
    }
    Ok(())
}

fn check_consistent_index(
    config: &ServerConfig,
    store: &Store<DiskBackend>,
    index: u64,
) -> Result<(), Fatal> {
    let consistent_index = store.consistent_index();
    if consistent_index == 0 || consistent_index >= index {
        return Ok(());
    }
    let reason = format!(
        "discovery failed: database file ({} index {consistent_index}) does not match with \
         snapshot (index {index})",
        config.db_path()
    );
    Err(Fatal { reason })
}

fn repair(
    config: &ServerConfig,
    disk: &mut Disk,
    torn: &WalError,
    effects: &mut Effects,
) -> Result<Ticket, Fatal> {
    let repaired = wal::repair(disk, &config.wal_dir(), config.bugs).ok();
    let cut = repaired.and_then(|repair| Some((repair.segment, repair.ticket?)));
    let (segment, ticket) = cut.ok_or_else(|| Fatal {
        reason: format!("failed to repair WAL: {}{}", torn.reason(), place(torn)),
    })?;
    effects.trace.push(ServerEvent::Repaired { segment: segment.to_string() });
    Ok(ticket)
}

fn options(config: &ServerConfig) -> WalOptions {
    WalOptions {
        segment_bytes: config.segment_bytes,
        skips_overwrites: config.skips_overwrites(),
        bugs: config.bugs,
    }
}

/// Starts the first life: the log begins with the members of the initial cluster. A server that
/// joins a running cluster has them from its leader.
fn start(
    config: &Arc<ServerConfig>,
    seed: u64,
    now_ns: u64,
    wal: Wal,
    store: Store<DiskBackend>,
    effects: &mut Effects,
) -> Result<Progress, Fatal> {
    let mut node = new_node(config, config.id, seed, MemoryStorage::new())?;
    let mut peers = config.peers.clone();
    ordered::sort_by_key(&mut peers, |peer| peer.id);
    let peers = peers.iter().map(|peer| raft::Peer {
        id: peer.id,
        context: Bytes::from(join_context(&peer.as_member())),
    });
    if !config.joins {
        node.bootstrap(&peers.collect::<Vec<_>>())?;
    }
    effects.trace.push(ServerEvent::Booted {
        replayed_entries: 0,
        last_index: 0,
        term: 0,
        commit: 0,
    });
    let ids = Metadata { node_id: config.id, cluster_id: config.cluster_id };
    effects.trace.push(ServerEvent::restored(&store));
    let mut applier = Applier::new(store);
    configure(&mut applier, config);
    let snapshot = raft::SnapshotMetadata::default();
    Ok(Progress::Running(Box::new(Running::new(
        config, ids, now_ns, node, wal, applier, &snapshot,
    ))))
}

/// Starts a later life from what the directory holds.
fn restart(
    config: &Arc<ServerConfig>,
    seed: u64,
    now_ns: u64,
    found: Found,
    effects: &mut Effects,
) -> Result<Progress, Fatal> {
    let Found { snapshot, cluster, store, wal, replay } = found;
    let (metadata, id) = (snapshot.metadata.clone(), snapshot.id());
    if snapshot.is_empty() && replay.entries.is_empty() && replay.hard_state.is_empty() {
        return start(config, seed, now_ns, wal, store, effects);
    }
    let ids = Metadata::decode(replay.metadata.unwrap_or_default())
        .map_err(|error| Fatal { reason: format!("unmarshal should never fail ({error})") })?;
    let mut storage = MemoryStorage::new();
    if !snapshot.is_empty() {
        storage.apply_snapshot(snapshot).map_err(raft::Error::from)?;
    }
    storage.set_hard_state(replay.hard_state);
    effects.trace.push(ServerEvent::Booted {
        replayed_entries: u64::try_from(replay.entries.len()).expect("a length fits 64 bits"),
        last_index: replay.entries.last().map_or(id.index, |entry| entry.index),
        term: replay.hard_state.term,
        commit: replay.hard_state.commit,
    });
    storage.append(replay.entries).map_err(raft::Error::from)?;
    let node = new_node(config, ids.node_id, seed, storage)?;
    effects.trace.push(ServerEvent::restored(&store));
    let mut applier = Applier::restored(store, cluster, id);
    configure(&mut applier, config);
    Ok(Progress::Running(Box::new(Running::new(
        config, ids, now_ns, node, wal, applier, &metadata,
    ))))
}

fn new_node(
    config: &ServerConfig,
    id: u64,
    seed: u64,
    storage: MemoryStorage,
) -> Result<Node, Fatal> {
    let raft_config = raft::Config {
        election_tick: config.election_ticks,
        heartbeat_tick: config.heartbeat_ticks,
        max_size_per_msg: MAX_SIZE_PER_MESSAGE,
        max_inflight_msgs: MAX_INFLIGHT_MESSAGES,
        check_quorum: true,
        pre_vote: config.pre_vote,
        read_only_option: read_only_option(config),
        // Real releases leave a removed leader in office for the second that it lives on: the last
        // two members being one, it answers reads alone while the other leads already.
        step_down_on_removal: true,
        bugs: config.bugs.core,
        ..raft::Config::new(id)
    };
    Ok(Node::new(raft_config, storage, ElectionTimeouts::new(seed))?)
}

fn read_only_option(config: &ServerConfig) -> ReadOnlyOption {
    if config.bugs.has(Bug::ReadByLease) {
        ReadOnlyOption::LeaseBased
    } else {
        ReadOnlyOption::Safe
    }
}

/// etcd's limits on what one message carries and on how many are under way to a member.
const MAX_SIZE_PER_MESSAGE: u64 = 512 * 1024;
const MAX_INFLIGHT_MESSAGES: usize = 4096 / 8;

/// Tells a state machine what the flags say.
fn configure(applier: &mut Applier<DiskBackend>, config: &ServerConfig) {
    applier.set_lease_rules(config.lease_rules());
    applier.set_quota(config.quota_backend_bytes);
    applier.watches_mut().set_progress_interval(config.watch_progress_ns);
    if config.bugs.has(Bug::SlowWatcherSkips) {
        applier.watches_mut().skip_compacted();
    }
}

/// Without a log nothing was ever promised, and what a power cut in the first boot has left of the
/// backend may not even be a database. A real server would refuse that one for ever.
fn discard_backend(config: &ServerConfig, disk: &mut Disk) -> Result<(), Fatal> {
    if disk.exists(&config.db_path()) {
        disk.remove(&config.db_path())
            .map_err(|error| not_opened(&BackendError::of_disk(&config.db_path(), error)))?;
    }
    Ok(())
}

fn not_opened(error: &BackendError) -> Fatal {
    Fatal { reason: format!("failed to open database: {error}") }
}

fn not_created(error: &WalError) -> Fatal {
    Fatal { reason: format!("failed to create WAL: {}", error.reason()) }
}

/// A real server reads the log twice: first for marks of snapshots, where a bad checksum or length
/// stops it, then for entries.
fn unreadable(error: &WalError) -> Fatal {
    let step = match error {
        WalError::RecordCrc { .. }
        | WalError::ChainCrc { .. }
        | WalError::RecordTooLarge { .. }
        | WalError::Malformed { what: "walpb.Record", .. } => "discovery failed",
        WalError::FileNotFound { .. } | WalError::Disk(_) => "failed to open WAL",
        WalError::UnexpectedEof { .. }
        | WalError::Malformed { .. }
        | WalError::UnexpectedBlockType { .. }
        | WalError::ConflictingMetadata { .. }
        | WalError::SnapshotMismatch { .. }
        | WalError::Hole { .. }
        | WalError::SnapshotNotFound { .. } => "failed to read WAL, cannot be repaired",
    };
    Fatal { reason: format!("{step}: {}{}", error.reason(), place(error)) }
}

fn place(error: &WalError) -> String {
    error.place().map_or_else(String::new, |(file, offset)| format!(" ({file} at offset {offset})"))
}
