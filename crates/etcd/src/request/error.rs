//! Why requests fail, in etcd's words, and what a client may conclude from it.

use serde::{Deserialize, Serialize};

use crate::mvcc::MvccError;

/// Why a request failed, in etcd's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum RequestError {
    /// The revision lies below the compact revision.
    #[error("etcdserver: mvcc: required revision has been compacted")]
    Compacted,
    /// The revision has not been written yet.
    #[error("etcdserver: mvcc: required revision is a future revision")]
    FutureRevision,
    /// A key was needed.
    #[error("etcdserver: key is not provided")]
    EmptyKey,
    /// `ignore_value` or `ignore_lease` for a key that does not exist.
    #[error("etcdserver: key not found")]
    KeyNotFound,
    /// A value and `ignore_value`.
    #[error("etcdserver: value is provided")]
    ValueProvided,
    /// A lease and `ignore_lease`.
    #[error("etcdserver: lease is provided")]
    LeaseProvided,
    /// The lease does not exist.
    #[error("etcdserver: requested lease not found")]
    LeaseNotFound,
    /// The encoded request is larger than 1.5 MiB.
    #[error("etcdserver: request is too large")]
    TooLarge,
    /// More than 5000 committed entries wait to be applied.
    #[error("etcdserver: too many requests")]
    TooManyRequests,
    /// This server knows no leader.
    #[error("etcdserver: no leader")]
    NoLeader,
    /// The leader changed while a read waited for it.
    #[error("etcdserver: leader changed")]
    LeaderChanged,
    /// No quorum answered in time.
    #[error("etcdserver: request timed out")]
    Timeout,
    /// As [`Timeout`](Self::Timeout), while a leader was being replaced.
    #[error("etcdserver: request timed out, possibly due to previous leader failure")]
    TimeoutLeaderFailure,
    /// As [`Timeout`](Self::Timeout), with the connection to the leader or a quorum lost.
    #[error("etcdserver: request timed out, possibly due to connection lost")]
    TimeoutConnectionLost,
    /// Raft refused the proposal.
    #[error("raft proposal dropped")]
    ProposalDropped,
    /// The server is going down.
    #[error("etcdserver: server stopped")]
    Stopped,
    /// The server is not up yet: nobody listens on its client address.
    #[error("connection refused")]
    ConnectionRefused,
    /// A list of a transaction has too many operations.
    #[error("etcdserver: too many operations in txn request")]
    TooManyOperations,
    /// A transaction writes a key twice.
    #[error("etcdserver: duplicate key given in txn request")]
    DuplicateKey,
    /// The database is full: an alarm stands, or the request would pass the quota.
    #[error("etcdserver: mvcc: database space exceeded")]
    NoSpace,
    /// Members disagree on what is stored.
    #[error("etcdserver: corrupt cluster")]
    Corrupt,
    /// There is such a lease already.
    #[error("etcdserver: lease already exists")]
    LeaseExists,
    /// The lease would be too long.
    #[error("etcdserver: too large lease TTL")]
    LeaseTtlTooLarge,
    /// Only the leader can answer, and this server is none.
    #[error("etcdserver: not leader")]
    NotLeader,
    /// A learner answers little more than its status and serializable reads.
    #[error("etcdserver: rpc not supported for learner")]
    NotSupportedForLearner,
    /// There is such a member already, or there was.
    #[error("etcdserver: member ID already exist")]
    MemberExists,
    /// Another member has one of the peer URLs.
    #[error("etcdserver: Peer URLs already exists")]
    PeerUrlExists,
    /// The change would leave too few started members for a quorum.
    #[error("etcdserver: re-configuration failed due to not enough started members")]
    MemberNotEnoughStarted,
    /// No peer URL was given, or one that is none.
    #[error("etcdserver: given member URLs are invalid")]
    MemberBadUrls,
    /// There is no such member.
    #[error("etcdserver: member not found")]
    MemberNotFound,
    /// Only learners can be promoted.
    #[error("etcdserver: can only promote a learner member")]
    MemberNotLearner,
    /// The learner lags behind the leader's log.
    #[error("etcdserver: can only promote a learner member which is in sync with leader")]
    LearnerNotReady,
    /// There is a learner already.
    #[error("etcdserver: too many learner members in cluster")]
    TooManyLearners,
    /// The leader does not hear from enough members.
    #[error("etcdserver: unhealthy cluster")]
    Unhealthy,
    /// Leadership cannot be given to that member.
    #[error("etcdserver: bad leader transferee")]
    BadLeaderTransferee,
    /// The copy of a defragmentation could not be written; the words are the disk's.
    #[error("{0}")]
    NotDefragmented(String),
}

impl RequestError {
    /// Whether every member that applies the request gives this answer, at the same place in the
    /// log. Any other error tells of this server at this time, or of the request before it was
    /// proposed. No room is no such answer: each server has its own quota and backend.
    pub fn is_deterministic(&self) -> bool {
        matches!(
            self,
            Self::Compacted
                | Self::FutureRevision
                | Self::KeyNotFound
                | Self::LeaseNotFound
                | Self::LeaseExists
                | Self::LeaseTtlTooLarge
                | Self::Corrupt
                | Self::MemberExists
                | Self::PeerUrlExists
                | Self::MemberNotFound
                | Self::MemberNotLearner
                | Self::TooManyLearners
        )
    }

    /// Whether a write that failed so may still take effect: it was proposed, and nobody knows
    /// how it ended.
    pub fn may_take_effect(&self) -> bool {
        matches!(
            self,
            Self::Timeout
                | Self::TimeoutLeaderFailure
                | Self::TimeoutConnectionLost
                | Self::LeaderChanged
                | Self::Stopped
        )
    }
}

impl From<MvccError> for RequestError {
    fn from(error: MvccError) -> Self {
        match error {
            MvccError::Compacted => Self::Compacted,
            MvccError::FutureRevision => Self::FutureRevision,
        }
    }
}
