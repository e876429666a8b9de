//! From a directory to a running server.
//!
//! ```text
//! Boot ─ no log ─→ create directories and log ─ synced ─→ bootstrap: one ConfChange a peer ─┐
//!      ├ log ────→ open, read all ─────────────────────────────────────────────────────────┼→ running
//!      └ torn log → repair once ─ synced ─→ open, read all ────────────────────────────────┘
//! ```
//!
//! A server that finds a log takes its ids from there, whatever it is told, and starts consensus
//! from all of its entries; what is committed is applied again from the beginning, since the
//! backend in memory begins empty. While it boots it answers nobody.
//!
//! One step more than etcd: a log without a single entry, left by a power cut in the first boot, is
//! bootstrapped like a new one. Nothing was ever said in its name. A real server would start without
//! members and wait for a leader that may never come.
//! Source: etcd release-3.4, `etcdserver/{raft,storage}.go`.

use std::sync::Arc;

use bytes::Bytes;
use disk::{Disk, DiskError, Ticket};
use prost::Message as _;
use raft::{MemoryStorage, ReadOnlyOption};

use super::election::ElectionTimeouts;
use super::running::{Node, Running};
use super::{Effects, Fatal, ServerConfig, ServerEvent};
use crate::apply::Applier;
use crate::bugs::Bug;
use crate::membership::join_context;
use crate::mvcc::{MemoryBackend, Store};
use crate::proto::etcdserverpb::Metadata;
use crate::wal::{self, Replay, SegmentName, SnapshotMark, Wal, WalError, WalOptions};

/// A boot that waits for the disk.
#[derive(Debug, Clone)]
pub(super) struct Booting {
    config: Arc<ServerConfig>,
    seed: u64,
    waits_for: WaitsFor,
}

#[derive(Debug, Clone)]
enum WaitsFor {
    NewLog(Box<Wal>),
    Repair(Ticket),
}

/// How far a boot has come.
pub(super) enum Progress {
    Booting(Booting),
    Running(Box<Running>),
}

/// Begins a boot.
pub(super) fn begin(
    config: &Arc<ServerConfig>,
    seed: u64,
    now_ns: u64,
    disk: &mut Disk,
    effects: &mut Effects,
) -> Result<Progress, Fatal> {
    let booting = |waits_for| Booting { config: Arc::clone(config), seed, waits_for };
    if !has_log(disk, &config.wal_dir()) {
        let wal = create(config, disk)?;
        return Ok(Progress::Booting(booting(WaitsFor::NewLog(Box::new(wal)))));
    }
    match open(config, disk) {
        Ok((wal, replay)) => restart(config, seed, now_ns, (wal, replay), effects),
        Err(error) if wal::is_mendable(&error, config.bugs) => {
            let ticket = repair(config, disk, &error, effects)?;
            Ok(Progress::Booting(booting(WaitsFor::Repair(ticket))))
        }
        Err(error) => Err(unreadable(&error)),
    }
}

impl Booting {
    /// Takes a completed sync.
    pub(super) fn on_synced(
        self,
        ticket: Ticket,
        now_ns: u64,
        disk: &mut Disk,
        effects: &mut Effects,
    ) -> Result<Progress, Fatal> {
        let Self { config, seed, waits_for } = self;
        match waits_for {
            WaitsFor::NewLog(mut wal) => {
                wal.on_synced(disk, ticket).map_err(|error| not_created(&error))?;
                if wal.is_idle() {
                    return start(&config, seed, now_ns, *wal, effects);
                }
                let waits_for = WaitsFor::NewLog(wal);
                Ok(Progress::Booting(Self { config, seed, waits_for }))
            }
            WaitsFor::Repair(repaired) if repaired == ticket => {
                let opened = open(&config, disk).map_err(|error| unreadable(&error))?;
                restart(&config, seed, now_ns, opened, effects)
            }
            WaitsFor::Repair(_) => Ok(Progress::Booting(Self { config, seed, waits_for })),
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
    disk.create_dir_all(&config.snap_dir()).map_err(|error| not_created(&error.into()))?;
    let metadata = Metadata { node_id: config.id, cluster_id: config.cluster_id };
    Wal::create(disk, &config.wal_dir(), &metadata.encode_to_vec(), options(config))
        .map_err(|error| not_created(&error))
}

fn open(config: &ServerConfig, disk: &mut Disk) -> Result<(Wal, Replay), WalError> {
    Wal::open(disk, &config.wal_dir(), &SnapshotMark::default(), options(config))
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
    effects: &mut Effects,
) -> Result<Progress, Fatal> {
    let mut node = new_node(config, config.id, seed, MemoryStorage::new())?;
    let mut peers = config.peers.clone();
    peers.sort_unstable_by_key(|peer| peer.id);
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
    run(config, ids, now_ns, node, wal)
}

/// Starts a later life from the whole log.
fn restart(
    config: &Arc<ServerConfig>,
    seed: u64,
    now_ns: u64,
    (wal, replay): (Wal, Replay),
    effects: &mut Effects,
) -> Result<Progress, Fatal> {
    if replay.entries.is_empty() && replay.hard_state.is_empty() {
        return start(config, seed, now_ns, wal, effects);
    }
    let metadata = Metadata::decode(replay.metadata.unwrap_or_default())
        .map_err(|error| Fatal { reason: format!("unmarshal should never fail ({error})") })?;
    let mut storage = MemoryStorage::new();
    storage.set_hard_state(replay.hard_state);
    storage.append(&replay.entries).map_err(raft::Error::from)?;
    effects.trace.push(ServerEvent::Booted {
        replayed_entries: u64::try_from(replay.entries.len()).expect("a length fits 64 bits"),
        last_index: replay.entries.last().map_or(0, |entry| entry.index),
        term: replay.hard_state.term,
        commit: replay.hard_state.commit,
    });
    let node = new_node(config, metadata.node_id, seed, storage)?;
    run(config, metadata, now_ns, node, wal)
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

fn run(
    config: &Arc<ServerConfig>,
    ids: Metadata,
    now_ns: u64,
    node: Node,
    wal: Wal,
) -> Result<Progress, Fatal> {
    let store = Store::restore(MemoryBackend::default(), config.rules()).map_err(|error| {
        Fatal { reason: format!("failed to recover store from backend: {error}") }
    })?;
    let mut applier = Applier::new(store);
    applier.set_lease_rules(config.lease_rules());
    applier.set_quota(config.quota_backend_bytes);
    applier.watches_mut().set_progress_interval(config.watch_progress_ns);
    if config.bugs.has(Bug::SlowWatcherSkips) {
        applier.watches_mut().skip_compacted();
    }
    Ok(Progress::Running(Box::new(Running::new(config, ids, now_ns, node, wal, applier))))
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
