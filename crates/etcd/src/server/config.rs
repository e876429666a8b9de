//! What a server is told at its start: the flags of a real one, as far as they matter here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::bugs::{Bug, Bugs};
use crate::lease::{LeaseRules, NANOS_PER_SECOND};
use crate::membership::{self, Member};
use crate::mvcc::Rules;
use crate::mvcc::backend::BackendOptions;
use crate::watch::PROGRESS_NS;

/// Flags of one server. The same cluster needs the same `peers` and `cluster_id` in all of them.
#[allow(clippy::struct_excessive_bools, reason = "the flags of a real server")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerConfig {
    /// This member's id.
    pub id: u64,
    /// `--name`.
    pub name: String,
    /// `--initial-cluster`, this member included.
    pub peers: Vec<Peer>,
    /// The cluster's id.
    pub cluster_id: u64,
    /// `--advertise-client-urls`.
    pub client_url: String,
    /// `--election-timeout` in ticks.
    pub election_ticks: u32,
    /// Ticks between heartbeats.
    pub heartbeat_ticks: u32,
    /// `--heartbeat-interval`: how long a tick is.
    pub tick_ns: u64,
    /// `--pre-vote`.
    pub pre_vote: bool,
    /// Size after which a log segment is closed.
    pub segment_bytes: u64,
    /// `--snapshot-count`: applied entries between two snapshots.
    pub snapshot_count: u64,
    /// Entries below a snapshot that stay in memory for slow followers.
    pub catch_up_entries: u64,
    /// `--max-wals`: segments that a purge leaves; 0 for all.
    pub max_wals: usize,
    /// `--max-snapshots`: files of each kind of snapshot that a purge leaves; 0 for all.
    pub max_snapshots: usize,
    /// `--backend-batch-interval`: time after which a batch of the backend is closed.
    pub batch_interval_ns: u64,
    /// `--backend-batch-limit`: changes after which it is closed before that.
    pub batch_limit: usize,
    /// `--experimental-compaction-batch-limit`: revisions that a compaction looks at between two
    /// commits.
    pub compaction_batch: usize,
    /// `--data-dir`, an absolute path.
    pub data_dir: String,
    /// The release whose rules the server follows.
    pub version: Version,
    /// `--strict-reconfig-check`: refuse changes of the cluster that may cost the quorum.
    pub strict_reconfig_check: bool,
    /// `--quota-backend-bytes`.
    pub quota_backend_bytes: u64,
    /// `--experimental-watch-progress-notify-interval`.
    pub watch_progress_ns: u64,
    /// `--experimental-enable-lease-checkpoint`: how often, `None` for not at all.
    pub lease_checkpoint_ns: Option<u64>,
    /// `--experimental-enable-lease-checkpoint-persist`.
    pub persists_lease_checkpoints: bool,
    /// `--experimental-initial-corrupt-check`: compare the history with the others' before serving.
    pub initial_corrupt_check: bool,
    /// `--experimental-corrupt-check-time`: how often a leader compares, `None` for never.
    pub corrupt_check_ns: Option<u64>,
    /// `--initial-cluster-state existing`: the server was added to a cluster that runs.
    pub joins: bool,
    /// Rules to break on purpose; without the cargo feature `bugs` it has no effect.
    pub bugs: Bugs,
}

/// One entry of `--initial-cluster`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its id, as [`membership::member_id`] computes it.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Where the others reach it.
    pub peer_url: String,
}

/// A tick of etcd's default `--heartbeat-interval`.
const TICK_NS: u64 = 100_000_000;
/// etcd's default `--backend-batch-interval`.
const BATCH_INTERVAL_NS: u64 = 100_000_000;
const COMPACTION_BATCH: usize = 1000;
/// Size of a segment in real servers.
const SEGMENT_BYTES: u64 = 64_000_000;
/// `--snapshot-count` up to release 3.5; later ones take 10,000.
const SNAPSHOT_COUNT: u64 = 100_000;
/// etcd's `DefaultSnapshotCatchUpEntries`.
const CATCH_UP_ENTRIES: u64 = 5_000;

/// etcd's default `--quota-backend-bytes`: 2 GiB.
const QUOTA_BACKEND_BYTES: u64 = 2 << 30;

impl ServerConfig {
    /// The configurations of a new cluster with etcd's defaults, one a name, ids computed from
    /// `http://<name>:2380` and the token.
    pub fn for_cluster(names: &[&str], token: &str) -> Vec<Self> {
        let peers: Vec<Peer> = names.iter().map(|name| Peer::new(name, token)).collect();
        let ids: Vec<u64> = peers.iter().map(|peer| peer.id).collect();
        let cluster_id = membership::cluster_id(&ids);
        peers.iter().map(|peer| Self::for_peer(peer, &peers, cluster_id)).collect()
    }

    fn for_peer(peer: &Peer, peers: &[Peer], cluster_id: u64) -> Self {
        Self {
            id: peer.id,
            name: peer.name.clone(),
            peers: peers.to_vec(),
            cluster_id,
            client_url: format!("http://{}:2379", peer.name),
            election_ticks: 10,
            heartbeat_ticks: 1,
            tick_ns: TICK_NS,
            pre_vote: false,
            segment_bytes: SEGMENT_BYTES,
            snapshot_count: SNAPSHOT_COUNT,
            catch_up_entries: CATCH_UP_ENTRIES,
            max_wals: 5,
            max_snapshots: 5,
            batch_interval_ns: BATCH_INTERVAL_NS,
            batch_limit: BackendOptions::default().batch_limit,
            compaction_batch: COMPACTION_BATCH,
            data_dir: "/var/lib/etcd".to_owned(),
            version: Version::default(),
            strict_reconfig_check: true,
            quota_backend_bytes: QUOTA_BACKEND_BYTES,
            watch_progress_ns: PROGRESS_NS,
            lease_checkpoint_ns: None,
            persists_lease_checkpoints: false,
            initial_corrupt_check: false,
            corrupt_check_ns: None,
            joins: false,
            bugs: Bugs::default(),
        }
    }

    /// How long the server works on a request before it gives up: 5 s and two elections.
    pub fn request_timeout_ns(&self) -> u64 {
        5_000_000_000 + 2 * self.election_timeout_ns()
    }

    /// The shortest time without a leader's word before an election.
    pub fn election_timeout_ns(&self) -> u64 {
        u64::from(self.election_ticks) * self.tick_ns
    }

    /// How leases are treated.
    pub(super) fn lease_rules(&self) -> LeaseRules {
        let ttl_min_ns = u64::from(3 * self.election_ticks / 2) * self.tick_ns;
        LeaseRules {
            ttl_min: i64::try_from(ttl_min_ns.div_ceil(NANOS_PER_SECOND)).unwrap_or(i64::MAX),
            checkpoint_ns: self.lease_checkpoint_ns,
            persists_checkpoints: self.persists_lease_checkpoints,
        }
    }

    /// The storage rules of its version, but for those that it is to break.
    pub(super) fn rules(&self) -> Rules {
        let rules = self.version.rules();
        Rules {
            tombstone_survives_compaction: rules.tombstone_survives_compaction
                && !self.bugs.has(Bug::TombstoneRemoved)
                && !self.bugs.has(Bug::ScheduledRevisionForgotten),
            scheduled_revision_is_floor: rules.scheduled_revision_is_floor
                && !self.bugs.has(Bug::ScheduledRevisionForgotten),
        }
    }

    /// Whether a boot takes the log as released servers do (issue 22442): up to 3.4.33, and when
    /// told to. From 3.4.34 on, which is what clusters run here unless told otherwise, it is done
    /// right, though no release has it yet.
    pub(super) fn skips_overwrites(&self) -> bool {
        let is_right = self.version >= Version { major: 3, minor: 4, patch: 34 };
        !is_right || self.bugs.has(Bug::OverwriteSkipped)
    }

    pub(super) fn wal_dir(&self) -> String {
        format!("{}/member/wal", self.data_dir)
    }

    pub(super) fn snap_dir(&self) -> String {
        format!("{}/member/snap", self.data_dir)
    }

    pub(super) fn backend_options(&self) -> BackendOptions {
        BackendOptions { batch_limit: self.batch_limit, ..BackendOptions::default() }
    }

    pub(super) fn db_path(&self) -> String {
        format!("{}/{}", self.snap_dir(), "db")
    }
}

impl Peer {
    fn new(name: &str, token: &str) -> Self {
        let peer_url = format!("http://{name}:2380");
        let id = membership::member_id(std::slice::from_ref(&peer_url), token);
        Self { id, name: name.to_owned(), peer_url }
    }

    /// The member that a new cluster begins with.
    pub(super) fn as_member(&self) -> Member {
        Member {
            id: self.id,
            name: self.name.clone(),
            peer_urls: vec![self.peer_url.clone()],
            ..Member::default()
        }
    }
}

/// A release of etcd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version {
    /// 3.
    pub major: u16,
    /// 4.
    pub minor: u16,
    /// The patch.
    pub patch: u16,
}

impl Version {
    /// The version that the cluster agrees on: without the patch.
    #[must_use]
    pub fn of_cluster(self) -> Self {
        Self { patch: 0, ..self }
    }

    /// The storage rules of the release.
    pub fn rules(self) -> Rules {
        Rules {
            tombstone_survives_compaction: self >= Self { major: 3, minor: 4, patch: 34 },
            scheduled_revision_is_floor: self >= Self { major: 3, minor: 4, patch: 32 },
        }
    }
}

impl Default for Version {
    /// 3.4.34.
    fn default() -> Self {
        Self { major: 3, minor: 4, patch: 34 }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// The text is not a release that is known here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown version {text:?}: 3.4.0 to 3.4.44 are known")]
pub struct UnknownVersion {
    /// The text.
    pub text: String,
}

impl FromStr for Version {
    type Err = UnknownVersion;

    fn from_str(text: &str) -> Result<Self, UnknownVersion> {
        let patch = text.strip_prefix("3.4.").and_then(|patch| patch.parse().ok());
        patch
            .filter(|patch| (0..=44).contains(patch))
            .map(|patch| Self { major: 3, minor: 4, patch })
            .ok_or_else(|| UnknownVersion { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_shares_ids_and_each_server_knows_its_own() {
        let configs = ServerConfig::for_cluster(&["n1", "n2", "n3"], "etcd-cluster");
        assert_eq!(configs.len(), 3, "one a name");
        assert!(configs.iter().all(|one| one.peers == configs[0].peers), "the same peers");
        assert_eq!(configs[1].id, configs[0].peers[1].id, "its own id");
        assert_eq!(configs[0].request_timeout_ns(), 7_000_000_000, "etcd's default");
    }

    #[test]
    fn rules_follow_the_release() {
        let rules = |text: &str| text.parse::<Version>().unwrap().rules();
        assert!(rules("3.4.34").tombstone_survives_compaction, "from 3.4.34 on");
        assert!(!rules("3.4.33").tombstone_survives_compaction, "not before");
        assert!(rules("3.4.33").scheduled_revision_is_floor, "from 3.4.32 on");
        assert!(!rules("3.4.23").scheduled_revision_is_floor, "not in Debian's");
        assert!("3.5.1".parse::<Version>().is_err(), "not known yet");
    }
}
