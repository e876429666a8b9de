//! Between the log's messages and the types of consensus.

use bytes::Bytes;

use super::raftpb;

impl From<raft::EntryType> for raftpb::EntryType {
    fn from(kind: raft::EntryType) -> raftpb::EntryType {
        match kind {
            raft::EntryType::Normal => raftpb::EntryType::EntryNormal,
            raft::EntryType::ConfChange => raftpb::EntryType::EntryConfChange,
            raft::EntryType::ConfChangeV2 => raftpb::EntryType::EntryConfChangeV2,
        }
    }
}

impl From<raftpb::EntryType> for raft::EntryType {
    fn from(kind: raftpb::EntryType) -> raft::EntryType {
        match kind {
            raftpb::EntryType::EntryNormal => raft::EntryType::Normal,
            raftpb::EntryType::EntryConfChange => raft::EntryType::ConfChange,
            raftpb::EntryType::EntryConfChangeV2 => raft::EntryType::ConfChangeV2,
        }
    }
}

impl From<&raft::Entry> for raftpb::Entry {
    fn from(entry: &raft::Entry) -> raftpb::Entry {
        raftpb::Entry {
            r#type: raftpb::EntryType::from(entry.entry_type).into(),
            term: entry.term,
            index: entry.index,
            data: some(&entry.data),
        }
    }
}

/// Fails on an entry type that etcd does not have.
impl TryFrom<raftpb::Entry> for raft::Entry {
    type Error = String;

    fn try_from(entry: raftpb::Entry) -> Result<raft::Entry, String> {
        let kind = raftpb::EntryType::try_from(entry.r#type)
            .map_err(|_| format!("unknown entry type {}", entry.r#type))?;
        let data = entry.data.unwrap_or_default();
        let raftpb::Entry { term, index, .. } = entry;
        Ok(raft::Entry { entry_type: kind.into(), term, index, data })
    }
}

impl From<raft::HardState> for raftpb::HardState {
    fn from(state: raft::HardState) -> raftpb::HardState {
        raftpb::HardState { term: state.term, vote: state.vote, commit: state.commit }
    }
}

impl From<raftpb::HardState> for raft::HardState {
    fn from(state: raftpb::HardState) -> raft::HardState {
        raft::HardState { term: state.term, vote: state.vote, commit: state.commit }
    }
}

impl From<raft::ConfState> for raftpb::ConfState {
    fn from(state: raft::ConfState) -> raftpb::ConfState {
        let raft::ConfState { voters, learners, voters_outgoing, learners_next, auto_leave } =
            state;
        raftpb::ConfState { voters, learners, voters_outgoing, learners_next, auto_leave }
    }
}

impl From<raftpb::ConfState> for raft::ConfState {
    fn from(state: raftpb::ConfState) -> raft::ConfState {
        let raftpb::ConfState { voters, learners, voters_outgoing, learners_next, auto_leave } =
            state;
        raft::ConfState { voters, learners, voters_outgoing, learners_next, auto_leave }
    }
}

impl From<&raft::Snapshot> for raftpb::Snapshot {
    fn from(snapshot: &raft::Snapshot) -> raftpb::Snapshot {
        let raft::SnapshotMetadata { conf_state, index, term } = snapshot.metadata.clone();
        let metadata = raftpb::SnapshotMetadata { conf_state: conf_state.into(), index, term };
        raftpb::Snapshot { data: some(&snapshot.data), metadata }
    }
}

impl From<raftpb::Snapshot> for raft::Snapshot {
    fn from(snapshot: raftpb::Snapshot) -> raft::Snapshot {
        let raftpb::SnapshotMetadata { conf_state, index, term } = snapshot.metadata;
        let metadata = raft::SnapshotMetadata { conf_state: conf_state.into(), index, term };
        raft::Snapshot { data: snapshot.data.unwrap_or_default(), metadata }
    }
}

/// Go's `nil` for no bytes.
fn some(bytes: &Bytes) -> Option<Bytes> {
    (!bytes.is_empty()).then(|| bytes.clone())
}
