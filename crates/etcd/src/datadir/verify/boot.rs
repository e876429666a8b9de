//! The boot of a real server, step by step, on a directory that is only read.
//!
//! Source: etcd 3.4.23 and 3.5.12, `etcdserver/server.go` (`NewServer`), `etcdserver/raft.go`
//! (`restartNode`), `etcdserver/backend.go`, `snap/snapshotter.go`.

use super::backend::{Hidden, Opened, Restored};
use super::reading::{self, Read, Stop};
use super::{Dies, Release, Verdict};
use crate::datadir::kind::{SNAP_DIRECTORY, WAL_DIRECTORY};
use crate::datadir::listing::Touched;
use crate::datadir::state::until;
use crate::datadir::{DataDir, State, StateError, members, snap};
use crate::membership::Cluster;
use crate::proto::strict;
use crate::proto::{LoggedRequest, etcdserverpb};
use crate::wal::{Segment, SegmentName, SnapshotMark, select};

/// What a boot came to.
#[derive(Default)]
pub(super) struct Boot {
    pub(super) verdict: Option<Verdict>,
    pub(super) reason: String,
    pub(super) served: Option<i64>,
    /// The snapshot that the boot starts from.
    pub(super) snapshot: SnapshotMark,
    /// The log after it.
    pub(super) read: Option<Read>,
    /// Length to which the last segment is cut.
    pub(super) cut: Option<u64>,
    /// The last entry that the backend has, and its path.
    pub(super) backend: Option<(u64, String)>,
    /// Revisions on the pages that the server does not meet.
    pub(super) hidden: Hidden,
    /// `member/snap/db` as it was opened.
    pub(super) opened: Option<Opened>,
    /// What came up, for comparisons; its index has the keys that the log touches.
    pub(super) state: Option<State>,
    pub(super) not_checked: Vec<String>,
    /// Where the server died, when that is a place in a file.
    pub(super) died: Option<(String, u64)>,
    warnings: Vec<String>,
}

/// Boots a member's directory. `is_whole`: whether the pages of its database are sound, if somebody
/// has looked.
pub(super) fn boot(directory: &DataDir, release: Release, is_whole: Option<bool>) -> Boot {
    let mut boot = Boot::default();
    match boot.run(directory, release, is_whole) {
        Ok(()) => {
            let cut = boot.cut.is_some();
            boot.verdict = Some(if cut { Verdict::Repairs } else { Verdict::Boots });
            if cut {
                boot.warnings.insert(0, "repaired WAL: unexpected EOF".into());
            }
            if boot.warnings.is_empty() {
                boot.warnings.push("ready to serve client requests".into());
            }
            boot.reason = boot.warnings.join("; ");
        }
        Err(dies) => {
            boot.verdict = Some(Verdict::Refuses);
            boot.died = dies.place();
            boot.served = None;
            boot.reason = dies.reason;
        }
    }
    boot
}

impl Boot {
    fn run(
        &mut self,
        directory: &DataDir,
        release: Release,
        is_whole: Option<bool>,
    ) -> Result<(), Dies> {
        let opened = Opened::open(directory, &format!("{SNAP_DIRECTORY}db"), release)?;
        let opened = opened.known(is_whole);
        self.opened = Some(opened.clone());
        if directory.segments().is_empty() {
            self.warnings.push("no WAL: the server begins a new log over this backend".into());
            return self.serve(&opened, release, &Cluster::default());
        }
        let (mark, mut cluster) = self.snapshot(directory, release)?;
        self.snapshot = mark;
        let opened = self.backend_at(directory, opened, release)?;
        let read = self.log(directory, release)?;
        check_raft(&read, &self.snapshot)?;
        if cluster.version().is_some() && !opened.exists {
            return Err(Dies::new(format!(
                "discovery failed: database file ({SNAP_DIRECTORY}db) of the backend is missing"
            )));
        }
        for entry in read.entries.iter().take_while(|entry| entry.index <= read.hard_state.commit) {
            members::apply(entry, &mut cluster).map_err(Dies::new)?;
        }
        check_version(release, &cluster, &opened, &read)?;
        self.read = Some(read);
        self.serve(&opened, release, &cluster)
    }

    /// The newest `.snap` file that is whole and has a mark in the log.
    fn snapshot(
        &mut self,
        directory: &DataDir,
        release: Release,
    ) -> Result<(SnapshotMark, Cluster), Dies> {
        let segments = directory.segments();
        let marks = if release.reads_all_marks() {
            let marks = reading::marks(segments, release.record_limit());
            Some(marks.map_err(|stop| death("discovery failed", &stop, segments))?)
        } else {
            None
        };
        for file in snap::files(directory).rev() {
            let snapshot = match snap::read(file) {
                Ok(snapshot) => snapshot,
                Err(error) => {
                    let reason = error.reason();
                    self.warnings.push(format!("failed to read a snap file: {reason}"));
                    continue;
                }
            };
            let (index, term) = (snapshot.metadata.index, snapshot.metadata.term);
            let is_of = |mark: &SnapshotMark| (mark.index, mark.term) == (index, term);
            if marks.as_ref().is_none_or(|marks| marks.iter().any(is_of)) {
                let cluster = members::cluster_of(&snapshot.data).map_err(|error| {
                    Dies::at(format!("failed to recover from snapshot: {error}"), 0)
                        .in_file(&file.path)
                })?;
                return Ok((SnapshotMark::new(index, term), cluster));
            }
        }
        Ok((SnapshotMark::default(), Cluster::default()))
    }

    /// The backend, or the one that was received with the snapshot when that is newer.
    fn backend_at(
        &mut self,
        directory: &DataDir,
        opened: Opened,
        release: Release,
    ) -> Result<Opened, Dies> {
        let consistent = opened.consistent_index()?;
        self.backend = Some((consistent, opened.path.clone()));
        let from = self.snapshot.index;
        if from <= consistent {
            return Ok(opened);
        }
        let path = format!("{SNAP_DIRECTORY}{from:016x}.snap.db");
        if !directory.files().iter().any(|file| file.path == path) {
            let words = "failed to recover v3 backend from snapshot: failed to find database \
                         snapshot file (snap: snapshot file doesn't exist)";
            return Err(Dies::new(words.into()));
        }
        let existed = opened.exists;
        let mut received = Opened::open(directory, &path, release)?;
        received.exists = existed;
        let consistent = received.consistent_index()?;
        if consistent != 0 && consistent < from {
            return Err(Dies::new(format!(
                "discovery failed: database file ({SNAP_DIRECTORY}db index {consistent}) does \
                 not match with snapshot (index {from})"
            )));
        }
        self.backend = Some((consistent, path));
        Ok(received)
    }

    /// Opens the log and reads it, after one repair if need be.
    fn log(&mut self, directory: &DataDir, release: Release) -> Result<Read, Dies> {
        let names: Vec<SegmentName> =
            directory.segments().iter().map(|segment| segment.name).collect();
        let selected = select(WAL_DIRECTORY.trim_end_matches('/'), &names, self.snapshot.index)
            .map_err(|error| Dies::new(format!("failed to open WAL: {}", error.reason())))?;
        let mut segments = directory.segments()[names.len() - selected.len()..].to_vec();
        let limit = release.record_limit();
        let first = reading::read_all(&segments, &self.snapshot, limit);
        let unreadable = |stop: &Stop, segments: &[Segment]| {
            death("failed to read WAL, cannot be repaired", stop, segments)
        };
        match first {
            Err(Stop::Error(error)) if error.is_torn() => {
                let Some(len) = reading::repaired_len(&segments, limit) else {
                    return Err(death("failed to repair WAL", &error.into(), &segments));
                };
                let last = segments.last_mut().expect("a log has a segment");
                let used =
                    usize::try_from(len).map_or(last.bytes.len(), |len| len.min(last.bytes.len()));
                *last = Segment::new(last.name, &last.bytes.slice(..used), len);
                self.cut = Some(len);
                reading::read_all(&segments, &self.snapshot, limit)
                    .map_err(|stop| unreadable(&stop, &segments))
            }
            other => other.map_err(|stop| unreadable(&stop, &segments)),
        }
    }

    /// Restores the store and applies what the log has beyond it.
    fn serve(&mut self, opened: &Opened, release: Release, cluster: &Cluster) -> Result<(), Dies> {
        let in_file = |dies: Dies| dies.in_file(&opened.path);
        let consistent = opened.consistent_index().map_err(in_file)?;
        self.backend.get_or_insert((consistent, opened.path.clone()));
        let read = self.read.take().unwrap_or_default();
        let end = if is_lone(cluster, &read) { u64::MAX } else { read.hard_state.commit };
        let committed = until(&read.entries, end);
        let first = committed.partition_point(|entry| entry.index <= consistent);
        let touched = Touched::by(&committed[first..]);
        let restored = opened.restore(release, &|key| touched.contains(key));
        let Restored { store, revision, is_judged, hidden } = restored.map_err(in_file)?;
        self.hidden = hidden;
        let beyond = revision - store.revision();
        let state = State::uncompacted(store, is_judged, committed)
            .and_then(|state| state.of_file(&opened.path));
        self.read = Some(read);
        match state {
            Ok(state) => {
                self.served = state.store().revision().checked_add(beyond);
                self.state = Some(state);
                Ok(())
            }
            Err(StateError::Auth { index }) => {
                self.not_checked.push(format!(
                    "served: entry {index} is judged by users and roles, which is not done here"
                ));
                Ok(())
            }
            Err(error) => Err(Dies::new(error.to_string())),
        }
    }
}

/// Whether the member is the only one with a vote: then all that it stored is committed.
fn is_lone(cluster: &Cluster, read: &Read) -> bool {
    let metadata = read.metadata.clone().unwrap_or_default();
    let id = <etcdserverpb::Metadata as prost::Message>::decode(metadata).ok();
    let mut voters = cluster.members().filter(|member| !member.is_learner);
    voters.next().map(|voter| voter.id) == id.map(|metadata| metadata.node_id)
        && voters.next().is_none()
}

fn check_raft(read: &Read, snapshot: &SnapshotMark) -> Result<(), Dies> {
    let metadata = read.metadata.clone().unwrap_or_default();
    if let Err(refused) = strict::check(&strict::METADATA, &metadata) {
        return Err(Dies::new(format!("unmarshal should never fail ({})", refused.words())));
    }
    let id = <etcdserverpb::Metadata as prost::Message>::decode(metadata)
        .map_or(0, |metadata| metadata.node_id);
    if id == 0 {
        return Err(Dies::new("cannot use none as id".into()));
    }
    let last = read.entries.last().map_or(snapshot.index, |entry| entry.index);
    let commit = read.hard_state.commit;
    if !read.hard_state.is_empty() && !(snapshot.index..=last).contains(&commit) {
        return Err(Dies::new(format!(
            "{id:x} state.commit {commit} is out of range [{}, {last}]",
            snapshot.index
        )));
    }
    Ok(())
}

/// A server that is too old for its cluster, or that has lost its backend, does not start.
fn check_version(
    release: Release,
    cluster: &Cluster,
    opened: &Opened,
    read: &Read,
) -> Result<(), Dies> {
    let mut versions: Vec<String> = cluster.version().map(String::from).into_iter().collect();
    if release.reads_members_from_backend() {
        let stored = opened.value("cluster", "clusterVersion")?;
        versions.extend(stored.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
    }
    let committed = read.entries.iter().take_while(|entry| entry.index <= read.hard_state.commit);
    versions.extend(committed.filter_map(version_set));
    if let Some(version) = versions.iter().find(|version| release.is_below_cluster(version)) {
        return Err(Dies::new(format!(
            "invalid downgrade; server version is lower than determined cluster version \
             (current-server-version: {release}, determined-cluster-version: {version})"
        )));
    }
    Ok(())
}

/// The cluster's version, when an entry sets it the way of 3.5.
fn version_set(entry: &raft::Entry) -> Option<String> {
    if entry.entry_type != raft::EntryType::Normal {
        return None;
    }
    let Ok(LoggedRequest::V3(request)) = LoggedRequest::decode(&entry.data) else { return None };
    let version = request.cluster_version_set?.ver;
    Some(String::from_utf8_lossy(&version).into_owned())
}

/// A reason with its place.
fn death(during: &str, stop: &Stop, segments: &[Segment]) -> Dies {
    match stop {
        Stop::Error(error) => {
            let dies = Dies::new(format!("{during}: {}", error.reason()));
            match error.place() {
                Some((file, offset)) => dies.placed(&format!("{WAL_DIRECTORY}{file}"), offset),
                None => dies,
            }
        }
        Stop::Panic { words, position } => {
            let file = format!("{WAL_DIRECTORY}{}", segments[position.segment].name);
            Dies::new(words.clone()).placed(&file, position.offset)
        }
    }
}
