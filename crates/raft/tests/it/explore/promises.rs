//! What must hold after every event, by the names of the promises.

use std::collections::BTreeMap;

use raft::{ConfState, Entry, MemoryStorage, Message, MessageType, NodeId, Role, Storage};

use super::Server;

/// What was once seen and must never be otherwise.
#[derive(Debug, Default)]
pub(crate) struct Promises {
    leaders: BTreeMap<u64, NodeId>,
    votes: BTreeMap<(NodeId, u64), NodeId>,
    /// Committed entries: term and data by index.
    committed: BTreeMap<u64, (u64, Vec<u8>)>,
    /// The configuration after each index.
    configurations: BTreeMap<u64, ConfState>,
    /// Of each entry ever seen: the term of the one before, and its data.
    entries: BTreeMap<(u64, u64), (u64, Vec<u8>)>,
    /// Term, commit index and role of each node after its last event.
    seen: BTreeMap<NodeId, (u64, u64, Role)>,
}

impl Promises {
    pub(crate) fn committed(&self) -> usize {
        self.committed.len()
    }

    /// R5 and C5: everyone applies the same, and is in the same configuration after it.
    pub(crate) fn applied(&mut self, id: NodeId, entry: &Entry, state: &ConfState, seed: u64) {
        let ours = (entry.term, entry.data.to_vec());
        let first = self.committed.entry(entry.index).or_insert_with(|| ours.clone());
        assert_eq!(*first, ours, "R5: node {id} at {}, seed {seed}", entry.index);
        let first = self.configurations.entry(entry.index).or_insert_with(|| state.clone());
        assert!(first.is_equivalent(state), "C5: node {id} at {}, seed {seed}", entry.index);
    }

    /// R8: one vote a term, and nothing leaves of a term that a crash could take back.
    pub(crate) fn sent(
        &mut self,
        message: &Message,
        durable: &MemoryStorage,
        bug: bool,
        seed: u64,
    ) {
        let is_promise = matches!(message.msg_type, MessageType::VoteResp | MessageType::AppResp);
        if is_promise && !bug {
            let known = durable.hard_state().term;
            assert!(message.term <= known, "R8: term {} is not durable, seed {seed}", message.term);
        }
        let is_grant = message.msg_type == MessageType::VoteResp && !message.reject;
        // With asynchronous writes a candidate asks before its own vote counts, or is durable.
        let own_counts = bug || durable.hard_state().term == message.term;
        let is_request = message.msg_type == MessageType::Vote && own_counts;
        let own = is_request.then_some(message.from);
        let voted_for = own.or(is_grant.then_some(message.to));
        if let Some(candidate) = voted_for {
            let vote = (message.from, message.term);
            let first = *self.votes.entry(vote).or_insert(candidate);
            assert_eq!(first, candidate, "R8: {vote:?} voted twice, seed {seed}");
        }
        if message.msg_type == MessageType::AppResp && !message.reject && !bug {
            let last = durable.last_index().unwrap();
            assert!(message.index <= last, "R7: {} is not durable, seed {seed}", message.index);
        }
    }

    /// R10: a leader tells no commit index but its own, which only entries of its term move.
    pub(crate) fn told(message: &Message, server: &Server) {
        let is_told = matches!(message.msg_type, MessageType::App | MessageType::Heartbeat);
        let committed = server.node.log().committed();
        let (from, commit) = (message.from, message.commit);
        assert!(!is_told || commit <= committed, "R10: {from} tells {commit}, has {committed}");
    }

    /// What the node of the last event is like now.
    pub(crate) fn check(&mut self, id: NodeId, servers: &BTreeMap<NodeId, Server>) {
        let server = &servers[&id];
        let status = server.node.basic_status();
        let (term, commit, role) =
            (status.hard_state.term, status.hard_state.commit, status.soft_state.role);
        let log = server.node.log();
        let (first, last) = (log.first_index().unwrap(), log.last_index().unwrap());
        assert!(status.applied <= commit && commit <= last, "R9: applied, committed, last of {id}");
        self.check_entries(id, server, first, last);
        let before = self.seen.insert(id, (term, commit, role));
        if role != Role::Leader {
            return;
        }
        let leader = *self.leaders.entry(term).or_insert(id);
        assert_eq!(leader, id, "R1: two leaders in term {term}");
        if before.is_none_or(|(old, _, was)| was != Role::Leader || old != term) {
            self.check_new_leader(id, server, first, last);
        } else if before.is_some_and(|(_, old, _)| commit > old) {
            assert_eq!(log.term(commit), Ok(term), "R10: {id} commits {commit} of another term");
            check_quorum(id, server, servers, commit, term);
        }
    }

    /// R3: same index and term, same entry and same entry before it.
    fn check_entries(&mut self, id: NodeId, server: &Server, first: u64, last: u64) {
        let log = server.node.log();
        let Ok(mut previous) = log.term(first - 1) else { return };
        let entries = log.entries(first, last + 1, raft::NO_LIMIT).unwrap_or_default();
        for entry in entries {
            let ours = (previous, entry.data.to_vec());
            let seen =
                self.entries.entry((entry.term, entry.index)).or_insert_with(|| ours.clone());
            assert_eq!(*seen, ours, "R3: node {id} at {}", entry.index);
            previous = entry.term;
        }
    }

    /// R4: what was committed is in the log of every later leader.
    fn check_new_leader(&self, id: NodeId, server: &Server, first: u64, last: u64) {
        for (index, (term, _)) in self.committed.range(first..) {
            assert!(*index <= last, "R4: leader {id} has no entry {index}");
            assert_eq!(server.node.log().term(*index), Ok(*term), "R4: leader {id} at {index}");
        }
    }
}

/// R6 and R7: what a leader commits is durable on a quorum.
fn check_quorum(
    id: NodeId,
    server: &Server,
    servers: &BTreeMap<NodeId, Server>,
    commit: u64,
    term: u64,
) {
    let has = |member: NodeId| {
        let durable = &servers.get(&member)?.durable;
        let covered = durable.sentinel().index >= commit;
        Some(if covered || durable.term(commit) == Ok(term) { commit } else { 0 })
    };
    let quorum = server.node.status().config.voters.committed_index(has);
    assert!(quorum >= commit, "R7: leader {id} commits {commit}, which a quorum could lose");
}
