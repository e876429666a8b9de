//! The summary of a data directory, as the command line and the page show it.

use serde::Serialize;

use super::Kind;

/// What a data directory holds. Fields that are not there say nothing about the directory: what
/// was not read is in `not_read`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// What it is.
    pub kind: Kind,
    /// Versions that the files tell of, as far as they were read.
    pub versions: Vec<String>,
    /// All files, by path.
    pub files: Vec<FileSummary>,
    /// From the log's metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<u64>,
    /// From the log's metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member_id: Option<u64>,
    /// The members as of the commit index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<MemberSummary>>,
    /// The write-ahead log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wal: Option<WalSummary>,
    /// The `.snap` files, oldest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshots: Option<Vec<SnapshotSummary>>,
    /// The revision of the last change in the backend. The log may hold later ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// The lowest revision that can be read; -1 if nothing was compacted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compact_revision: Option<i64>,
    /// The last entry of the log whose changes the backend has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consistent_index: Option<u64>,
    /// The hash of the backend's history, as `etcdctl endpoint hashkv` computes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_kv: Option<u32>,
    /// The hash of a snapshot file, as `etcdctl snapshot status` computes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_hash: Option<u32>,
    /// The leases in the backend, by id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leases: Option<Vec<LeaseSummary>>,
    /// The alarms raised in the backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alarms: Option<Vec<AlarmSummary>>,
    /// Users and roles in the backend. They are shown, not enforced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthSummary>,
    /// The bbolt file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<BackendSummary>,
    /// Damage in the backend or in a snapshot file. That of the log is in `wal`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub damage: Vec<FileDamage>,
    /// What this summary would hold, and why it does not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_read: Vec<NotRead>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileSummary {
    /// Path in the data directory.
    pub path: String,
    /// Length in bytes.
    pub size: u64,
    /// What it is for.
    pub role: &'static str,
}

/// One member, as `etcdctl member list` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemberSummary {
    /// Its id.
    #[serde(rename = "ID")]
    pub id: u64,
    /// Its name, once it has published it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Where the others reach it.
    #[serde(rename = "peerURLs")]
    pub peer_urls: Vec<String>,
    /// Where clients reach it.
    #[serde(rename = "clientURLs", skip_serializing_if = "Vec::is_empty")]
    pub client_urls: Vec<String>,
    /// Whether it has no vote.
    #[serde(rename = "isLearner", skip_serializing_if = "std::ops::Not::not")]
    pub is_learner: bool,
}

/// The write-ahead log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct WalSummary {
    /// How many segments.
    pub segments: usize,
    /// How many entries: those without a gap before the last one, overwritten ones left out.
    pub entries: u64,
    /// Index of the first of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_index: Option<u64>,
    /// Index of the last entry, or of the snapshot that the log goes on from.
    pub last_index: u64,
    /// Its term.
    pub last_term: u64,
    /// The last hard state.
    pub hard_state: HardStateSummary,
    /// The newest snapshot that a server would start from: a mark at or below the commit index,
    /// and its `.snap` file whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotId>,
    /// Whether the last record is torn, which a server repairs.
    pub torn: bool,
    /// Where reading ended before the end of what was written, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
}

/// The hard state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HardStateSummary {
    /// Current term.
    pub term: u64,
    /// Whom it voted for.
    pub vote: u64,
    /// Commit index.
    pub commit: u64,
}

/// A snapshot's place in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SnapshotId {
    /// Term of the last entry that it includes.
    pub term: u64,
    /// Index of that entry.
    pub index: u64,
}

/// Where reading the log ended early.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct End {
    /// Segment, when it is about one place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Where the frame begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// The words of the real server.
    pub reason: String,
}

/// One `.snap` file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SnapshotSummary {
    /// Term in its name.
    pub term: u64,
    /// Index in its name.
    pub index: u64,
    /// Path in the data directory.
    pub file: String,
    /// Whether it is whole.
    pub ok: bool,
    /// The words with which the real server refuses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Something that this version does not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotRead {
    /// Names of the missing fields.
    pub fields: Vec<&'static str>,
    /// Why they are missing.
    pub reason: String,
}

/// A lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeaseSummary {
    /// Its id.
    pub id: i64,
    /// Seconds it was granted for.
    pub ttl: i64,
    /// Seconds left at the last checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining_ttl: Option<i64>,
}

/// A raised alarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlarmSummary {
    /// The member that raised it.
    pub member_id: u64,
    /// `NOSPACE` or `CORRUPT`.
    pub alarm: &'static str,
}

/// Users and roles.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AuthSummary {
    /// Whether a server asks who its clients are.
    pub enabled: bool,
    /// Counts the changes of users and roles; 0 if there never was one.
    pub revision: u64,
    /// By name.
    pub users: Vec<UserSummary>,
    /// By name.
    pub roles: Vec<RoleSummary>,
}

/// A user, without the hash of the password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UserSummary {
    /// The name.
    pub name: String,
    /// Names of the roles.
    pub roles: Vec<String>,
    /// Whether the user has a password, or only a certificate's name.
    pub has_password: bool,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoleSummary {
    /// The name.
    pub name: String,
    /// What it may do.
    pub permissions: Vec<PermissionSummary>,
}

/// What a role may do with a range of keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PermissionSummary {
    /// `READ`, `WRITE` or `READWRITE`.
    #[serde(rename = "permType")]
    pub kind: &'static str,
    /// The first key, in base64.
    pub key: String,
    /// End of the range by etcd's convention, in base64; empty for the key alone.
    pub range_end: String,
}

/// A bbolt file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackendSummary {
    /// Path in the data directory.
    pub file: String,
    /// Bytes of a page.
    pub page_size: u32,
    /// The transaction whose state is read.
    pub transaction: u64,
    /// Bytes of all pages.
    pub size: u64,
    /// Bytes of the pages that are not free.
    pub size_in_use: u64,
    /// Keys of all buckets, unless damage keeps them from being counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_keys: Option<u64>,
    /// Pages that nothing uses.
    pub free_pages: u64,
    /// How many buckets.
    pub buckets: u64,
}

/// Damage at a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileDamage {
    /// Path in the data directory.
    pub file: String,
    /// Byte of the file, when it is about one place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// What is wrong.
    pub detail: String,
}
