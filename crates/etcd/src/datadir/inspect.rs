//! How the summary of a data directory is made.

use prost::Message;

use super::kind::{SNAP_DIRECTORY, WAL_DIRECTORY};
use super::summary::{
    End, FileSummary, HardStateSummary, Inspection, MemberSummary, NotRead, SnapshotId,
    SnapshotSummary, WalSummary,
};
use super::{DataDir, DataFile, Kind, LogRecord, backend, members, snap};
use crate::membership::{Cluster, Member};
use crate::proto::{etcdserverpb, raftpb, walpb};
use crate::snap::SnapName;
use crate::wal::{
    Decoder, Held, ReadMode, RecordKind, Replay, SegmentName, SnapshotMark, WalError, replay,
    select, valid_snapshots,
};

pub(super) fn inspect(directory: &DataDir) -> Inspection {
    let files = directory.files.iter().map(|file| summarise_file(file, directory.kind)).collect();
    let mut inspection = Inspection {
        kind: directory.kind,
        versions: Vec::new(),
        files,
        cluster_id: None,
        member_id: None,
        members: None,
        wal: None,
        snapshots: None,
        revision: None,
        compact_revision: None,
        consistent_index: None,
        hash_kv: None,
        snapshot_hash: None,
        leases: None,
        alarms: None,
        auth: None,
        backend: None,
        damage: Vec::new(),
        not_read: not_read(directory),
    };
    if directory.kind == Kind::Etcd {
        inspect_etcd(directory, &mut inspection);
    }
    if directory.kind != Kind::Zookeeper {
        backend::summary::inspect(directory, &mut inspection);
    }
    inspection
}

fn inspect_etcd(directory: &DataDir, inspection: &mut Inspection) {
    let snapshots: Vec<SnapshotSummary> =
        directory.files.iter().filter_map(summarise_snapshot).collect();
    let log = Contents::read(directory, &snapshots);
    if let Some(metadata) = log.metadata() {
        inspection.member_id = Some(metadata.node_id);
        inspection.cluster_id = Some(metadata.cluster_id);
    }
    match log.cluster(directory) {
        Ok(cluster) => {
            inspection.members = Some(cluster.members().map(summarise_member).collect());
            inspection.versions.extend(cluster.version().map(String::from));
        }
        Err(reason) => {
            inspection.not_read.push(NotRead { fields: vec!["members", "versions"], reason });
        }
    }
    inspection.snapshots = Some(snapshots);
    inspection.wal = Some(log.summary(directory));
}

/// The log from as far back as it goes without a gap.
pub(super) struct Contents {
    entries: Vec<raft::Entry>,
    /// The newest snapshot that a server would start from.
    pub(super) snapshot: Option<SnapshotMark>,
    /// What a server reads from there on.
    pub(super) replay: Option<Replay>,
    /// Where reading ended early.
    pub(super) end: Option<End>,
    torn: bool,
}

impl Contents {
    /// The log of a directory.
    pub(super) fn of(directory: &DataDir) -> Contents {
        let snapshots: Vec<SnapshotSummary> =
            directory.files.iter().filter_map(summarise_snapshot).collect();
        Contents::read(directory, &snapshots)
    }

    /// Whether the member is the only one with a vote.
    pub(super) fn is_lone(&self, directory: &DataDir) -> bool {
        let Ok(cluster) = self.cluster(directory) else { return false };
        let id = self.metadata().map(|metadata| metadata.node_id);
        let mut voters = cluster.members().filter(|member| !member.is_learner);
        voters.next().map(|voter| voter.id) == id && voters.next().is_none()
    }

    fn read(directory: &DataDir, snapshots: &[SnapshotSummary]) -> Contents {
        let (snapshot, damage) = match valid_snapshots(directory.segments()) {
            Ok(marks) => (newest_usable(marks, snapshots), None),
            Err(error) => (None, Some(error)),
        };
        let replay = boot(directory, &snapshot.clone().unwrap_or_default());
        let (replay, damage) = match replay {
            Ok(replay) => (Some(replay), damage),
            Err(error) => (None, damage.or(Some(error))),
        };
        let torn = replay.as_ref().and_then(|replay| replay.torn.as_ref());
        let end = damage.as_ref().or(torn).map(End::of);
        Contents { entries: whole_log(directory), torn: torn.is_some(), snapshot, replay, end }
    }

    pub(super) fn metadata(&self) -> Option<etcdserverpb::Metadata> {
        let bytes = self.replay.as_ref()?.metadata.clone()?;
        etcdserverpb::Metadata::decode(bytes).ok()
    }

    fn summary(&self, directory: &DataDir) -> WalSummary {
        let state =
            self.replay.as_ref().map_or_else(|| last_state(directory), |replay| replay.hard_state);
        let from = self.snapshot.as_ref().map_or((0, 0), |mark| (mark.index, mark.term));
        let last = self.entries.last().map(|entry| (entry.index, entry.term));
        let (last_index, last_term) = last.filter(|last| last.0 >= from.0).unwrap_or(from);
        let id = |mark: &SnapshotMark| SnapshotId { term: mark.term, index: mark.index };
        WalSummary {
            segments: directory.segments().len(),
            entries: self.entries.len() as u64,
            first_index: self.entries.first().map(|entry| entry.index),
            last_index,
            last_term,
            hard_state: HardStateSummary {
                term: state.term,
                vote: state.vote,
                commit: state.commit,
            },
            snapshot: self.snapshot.as_ref().map(id),
            torn: self.torn,
            end: self.end.clone(),
        }
    }

    /// The term of an entry, or of the last one before it that is known; at least 1.
    pub(super) fn last_term_at(&self, index: u64) -> u64 {
        let entries = self.replay.iter().flat_map(|replay| &replay.entries);
        let before =
            entries.take_while(|entry| entry.index <= index).last().map(|entry| entry.term);
        before.or(self.snapshot.as_ref().map(|mark| mark.term)).unwrap_or(1)
    }

    /// The members after all committed entries: from the snapshot on, or from the log's start.
    fn cluster(&self, directory: &DataDir) -> Result<Cluster, String> {
        let replay = self.replay.as_ref().ok_or("the log is damaged")?;
        let mut cluster = match &self.snapshot {
            Some(mark) => members::of_snapshot(directory, mark.term, mark.index)?,
            None => Cluster::default(),
        };
        let commit = replay.hard_state.commit;
        for entry in replay.entries.iter().take_while(|entry| entry.index <= commit) {
            members::apply(entry, &mut cluster)?;
        }
        Ok(cluster)
    }
}

/// The newest mark whose `.snap` file is whole.
fn newest_usable(marks: Vec<SnapshotMark>, snapshots: &[SnapshotSummary]) -> Option<SnapshotMark> {
    let is_usable = |mark: &SnapshotMark| {
        let is_of =
            |file: &SnapshotSummary| file.ok && (file.term, file.index) == (mark.term, mark.index);
        mark.index > 0 && snapshots.iter().any(is_of)
    };
    marks.into_iter().filter(is_usable).max_by_key(|mark| mark.index)
}

/// The log as a server reads it, or, when its end is torn, as it will after the repair.
fn boot(directory: &DataDir, from: &SnapshotMark) -> Result<Replay, WalError> {
    let segments = directory.segments();
    let names: Vec<SegmentName> = segments.iter().map(|segment| segment.name).collect();
    let selected = select(WAL_DIRECTORY, &names, from.index)?.len();
    let segments = &segments[names.len() - selected..];
    match replay(segments, from, ReadMode::Write) {
        Err(error) if error.is_torn() => replay(segments, from, ReadMode::Read),
        other => other,
    }
}

/// The entries after a snapshot as they should be read, with all that raft took back left out.
pub(super) fn entries_after(directory: &DataDir, from: &SnapshotMark) -> Option<Vec<raft::Entry>> {
    boot(directory, from).ok().map(|replay| replay.entries)
}

/// Versions that the log and the backend tell of.
pub(super) fn versions(directory: &DataDir) -> Vec<String> {
    let log = Contents::of(directory);
    let cluster = log.cluster(directory).ok();
    let mut versions: Vec<String> =
        cluster.iter().filter_map(|cluster| cluster.version()).map(String::from).collect();
    if let Ok(backend) = directory.backend() {
        versions.extend(backend::summary::versions(&backend).unwrap_or_default());
    }
    versions
}

/// The entries that end the log, without a gap, as far back as the segments go.
pub(super) fn whole_log(directory: &DataDir) -> Vec<raft::Entry> {
    let mut held = Held::default();
    let mut decoder = Decoder::new(directory.segments());
    while let Ok(Some(record)) = decoder.next_record() {
        let data = record.data.unwrap_or_default();
        match record.kind {
            RecordKind::Entry => {
                let entry = raftpb::Entry::decode(data).map_err(|error| error.to_string());
                let Ok(entry) = entry.and_then(raft::Entry::try_from) else { break };
                held.take_entry(entry);
            }
            RecordKind::Snapshot => {
                let Ok(mark) = walpb::Snapshot::decode(data) else { break };
                held.take_snapshot(mark.index, mark.term);
            }
            RecordKind::State => {
                let Ok(state) = raftpb::HardState::decode(data) else { break };
                held.take_commit(state.commit);
            }
            RecordKind::Metadata | RecordKind::Crc => {}
        }
    }
    held.into_entries()
}

/// The last hard state of a log that no server would read to its end.
fn last_state(directory: &DataDir) -> raft::HardState {
    let state = |record: LogRecord| {
        let (term, vote, commit) = (record.term?, record.vote?, record.commit?);
        record.crc_ok.then_some(raft::HardState { term, vote, commit })
    };
    directory.log().filter_map(state).last().unwrap_or_default()
}

impl End {
    fn of(error: &WalError) -> End {
        let place = error.place();
        End {
            file: place.map(|(file, _)| file.to_string()),
            offset: place.map(|(_, offset)| offset),
            reason: error.reason(),
        }
    }
}

pub(super) fn summarise_member(member: &Member) -> MemberSummary {
    let Member { id, name, peer_urls, client_urls, is_learner } = member.clone();
    MemberSummary { id, name, peer_urls, client_urls, is_learner }
}

fn summarise_snapshot(file: &DataFile) -> Option<SnapshotSummary> {
    let SnapName { term, index } = snap::name(file)?;
    let reason = snap::read(file).err().map(|error| error.reason());
    let ok = reason.is_none();
    Some(SnapshotSummary { term, index, file: file.path.clone(), ok, reason })
}

fn summarise_file(file: &DataFile, kind: Kind) -> FileSummary {
    let role = match kind {
        Kind::Etcd => etcd_role(&file.path),
        Kind::EtcdSnapshot => "snapshot",
        Kind::Bbolt => "bbolt",
        Kind::Zookeeper => zookeeper_role(&file.path),
    };
    FileSummary { path: file.path.clone(), size: file.len(), role }
}

fn etcd_role(path: &str) -> &'static str {
    if let Some(name) = path.strip_prefix(WAL_DIRECTORY) {
        return match name {
            name if SegmentName::parse(name).is_some() => "wal",
            "0.tmp" | "1.tmp" => "wal-next",
            name if name.ends_with(".broken") => "broken",
            _ => "other",
        };
    }
    match path.strip_prefix(SNAP_DIRECTORY) {
        Some("db") => "backend",
        Some(name) if SnapName::parse(name).is_some() => "snap",
        Some(name) if name.ends_with(".snap.db") => "received-backend",
        Some(name) if name.ends_with(".broken") => "broken",
        Some(name) if name.starts_with("db.tmp") || name.starts_with("tmp") => "orphan",
        Some(_) | None => "other",
    }
}

fn zookeeper_role(path: &str) -> &'static str {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name {
        "currentEpoch" | "acceptedEpoch" => "epoch",
        "myid" => "id",
        name if name.starts_with("log.") => "txnlog",
        name if name.starts_with("snapshot.") => "snapshot",
        _ => "other",
    }
}

fn not_read(directory: &DataDir) -> Vec<NotRead> {
    let later = |fields: &[&'static str], what: &str| {
        vec![NotRead { fields: fields.to_vec(), reason: format!("{what} not read yet") }]
    };
    match directory.kind {
        Kind::Etcd | Kind::EtcdSnapshot | Kind::Bbolt => Vec::new(),
        Kind::Zookeeper => later(
            &[
                "restored_zxid",
                "txns_replayed",
                "snapshot_used",
                "tree_digest",
                "sessions",
                "current_epoch",
                "accepted_epoch",
            ],
            "ZooKeeper's files are",
        ),
    }
}
