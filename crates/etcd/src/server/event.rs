//! What a server tells about itself while it works: for the trace, never for its own decisions.

use raft::Role;
use serde::{Deserialize, Serialize};

use crate::mvcc::{Backend, Store};
use crate::request::RequestId;

/// Something that happened inside a server, in the order in which it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServerEvent {
    /// The log ended in the middle of a record and was cut there, before the boot.
    Repaired {
        /// The segment.
        segment: String,
    },
    /// The server is up. With `replayed_entries` 0 it began with an empty directory.
    Booted {
        /// Entries read from the log.
        replayed_entries: u64,
        /// The last of them.
        last_index: u64,
        /// The term in the hard state.
        term: u64,
        /// The commit index in the hard state.
        commit: u64,
    },
    /// The server's role changed.
    BecameRole {
        /// What it is now.
        role: Role,
        /// In which term.
        term: u64,
    },
    /// The server follows another leader, or none.
    LeaderChanged {
        /// The leader; 0 for none.
        leader: u64,
        /// In which term.
        term: u64,
    },
    /// A request was proposed to raft, here or by the leader that it was forwarded to.
    Proposed {
        /// The id that travels in the entry.
        proposal_id: u64,
        /// The client's request; `None` for one of the server's own.
        request: Option<RequestId>,
        /// Bytes of the entry's data.
        bytes: u64,
    },
    /// Entries were written to the log. They are not durable yet.
    Appended {
        /// The segment's name.
        segment: String,
        /// Where in the segment the first record begins.
        offset: u64,
        /// Bytes of the records.
        length: u64,
        /// The first entry.
        first_index: u64,
        /// The last entry.
        last_index: u64,
        /// The term of the last entry.
        term: u64,
    },
    /// All entries up to this one are durable here.
    Synced {
        /// The last of them.
        last_index: u64,
    },
    /// A new segment was begun.
    SegmentCut {
        /// Its name.
        segment: String,
    },
    /// The server learned that entries are committed.
    Committed {
        /// The commit index.
        index: u64,
    },
    /// An entry reached the state machine.
    Applied {
        /// The entry.
        index: u64,
        /// The store's revision after it.
        revision: i64,
    },
    /// The server has published its attributes and serves clients from now on.
    Ready,
    /// A batch of a compaction is durable, and it is not the last one.
    CompactionBatch {
        /// The lowest revision that stays readable.
        revision: i64,
    },
    /// The log of a compaction is done: history below the revision is gone.
    CompactionFinished {
        /// The lowest revision that stays readable.
        revision: i64,
    },
    /// A boot begins with a snapshot.
    SnapshotLoaded {
        /// Its `.snap` file.
        file: String,
        /// The last entry that it covers.
        index: u64,
        /// The term of that entry.
        term: u64,
    },
    /// A boot found a `.snap` file that is none, and put it aside as `.broken`.
    SnapshotBroken {
        /// The file.
        file: String,
        /// The words of a real server.
        reason: String,
    },
    /// A crash left a backend under way, or a snapshot made a received one superfluous; it is
    /// gone.
    OrphanRemoved {
        /// The file.
        file: String,
    },
    /// A snapshot of the state machine is being saved.
    SnapshotTaken {
        /// The last entry that it covers.
        index: u64,
        /// The term of that entry.
        term: u64,
    },
    /// The `.snap` file is durable, and so is its record in the log.
    SnapshotSaved {
        /// The file.
        file: String,
        /// The last entry that it covers.
        index: u64,
    },
    /// Entries are gone from the log in memory; on the disk they stay until a purge.
    LogCompacted {
        /// The last of them: the sentinel from now on.
        index: u64,
    },
    /// Nothing needed the file any more.
    FilePurged {
        /// A segment, a `.snap` file or a received backend.
        file: String,
    },
    /// A snapshot with the whole backend is on its way to a member that the log cannot serve.
    SnapshotSent {
        /// The member.
        to: u64,
        /// The last entry that it covers.
        index: u64,
        /// Bytes of the backend.
        bytes: u64,
    },
    /// How sending a snapshot ended.
    SnapshotSendEnded {
        /// The member.
        to: u64,
        /// Whether it has it.
        ok: bool,
    },
    /// A snapshot is coming in, and its backend is being saved.
    SnapshotReceived {
        /// The leader.
        from: u64,
        /// The last entry that it covers.
        index: u64,
        /// Bytes of the backend.
        bytes: u64,
    },
    /// A snapshot from the leader took the place of log, backend and members.
    SnapshotInstalled {
        /// The last entry that it covers.
        index: u64,
        /// The store's revision from now on.
        revision: i64,
    },
    /// The store in the backend was taken up, by a boot or after a snapshot was installed.
    StoreRestored {
        /// The last entry whose effect is in it: up to here entries change nothing any more.
        consistent_index: u64,
        /// Its revision.
        revision: i64,
    },
    /// A leader has found that a member's history is another one than the others'.
    CorruptionFound {
        /// The member.
        member: u64,
    },
}

impl ServerEvent {
    /// What a store says of itself when it is taken up.
    pub(super) fn restored<B: Backend>(store: &Store<B>) -> ServerEvent {
        let (consistent_index, revision) = (store.consistent_index(), store.revision());
        ServerEvent::StoreRestored { consistent_index, revision }
    }
}
