//! What must hold after every event, by the names of the promises.

mod log;
mod membership;
mod votes;

use std::collections::BTreeMap;

use raft::{ConfState, EntryId, JointConfig, MemoryStorage, NodeId, Role, Storage, VoteResult};

use super::Server;
use super::configurations::Configurations;

/// The promises of raft (R) and of its changes of membership (C).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Promise {
    /// At most one leader ever in a term.
    R1,
    /// A leader only appends.
    R2,
    /// Same index and term, same prefix.
    R3,
    /// What was committed in a term is in the log of every leader of a later one.
    R4,
    /// Committed prefixes are prefixes of each other.
    R5,
    /// Every quorum of the newest configuration has a member that holds what is committed.
    R6,
    /// What a leader commits is durable on a quorum; what a follower acknowledges, on it.
    R7,
    /// Term and vote are durable before a message that vouches for them leaves; one vote a term.
    R8,
    /// Term and commit index never go back, a crash excepted that takes back what nobody heard of;
    /// snapshot <= applied <= commit <= last.
    R9,
    /// A leader moves its commit index only by an entry of its term, and tells no other.
    R10,
    /// A leader's log is at least as new as that of each of its voters.
    R11,
    /// Quorums of configurations that follow one another intersect.
    C1,
    /// A change is proposed when all that the leader inherited is applied, and every other change.
    C2,
    /// Nobody campaigns who knows a committed change that it has not applied.
    C3,
    /// Learners count neither in elections nor for commits.
    C4,
    /// A node's or snapshot's configuration is the one at its index.
    C5,
    /// A removed server does not depose a leader whose group checks quorums.
    C6,
}

impl Promise {
    pub(crate) const ALL: [Self; 17] = [
        Self::R1,
        Self::R2,
        Self::R3,
        Self::R4,
        Self::R5,
        Self::R6,
        Self::R7,
        Self::R8,
        Self::R9,
        Self::R10,
        Self::R11,
        Self::C1,
        Self::C2,
        Self::C3,
        Self::C4,
        Self::C5,
        Self::C6,
    ];
}

/// A node after its last event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) term: u64,
    pub(crate) commit: u64,
    pub(crate) role: Role,
    pub(crate) last: EntryId,
}

impl Seen {
    fn of(server: &Server) -> Self {
        let status = server.node.basic_status();
        Self {
            term: status.hard_state.term,
            commit: status.hard_state.commit,
            role: status.soft_state.role,
            last: server.node.log().last_id(),
        }
    }

    fn was(before: Option<Self>, role: Role, term: u64) -> bool {
        before.is_some_and(|before| before.role == role && before.term == term)
    }
}

/// An entry that someone committed.
#[derive(Debug)]
struct Committed {
    term: u64,
    data: Vec<u8>,
    /// The term in which it was committed: of whoever knew first.
    by_term: u64,
}

/// A vote that was given.
#[derive(Debug)]
struct Grant {
    candidate: NodeId,
    /// The end of the voter's log.
    last: EntryId,
}

/// What was once seen and must never be otherwise.
#[derive(Debug)]
pub(crate) struct Promises {
    /// Promises that were broken, with what was first seen of it.
    alarms: BTreeMap<Promise, String>,
    seen: BTreeMap<NodeId, Seen>,
    leaders: BTreeMap<u64, NodeId>,
    /// Votes that left, by term and voter.
    votes: BTreeMap<(u64, NodeId), NodeId>,
    /// Votes that were given, whether or not they leave.
    grants: BTreeMap<(u64, NodeId), Grant>,
    /// The highest term that others heard from a node.
    told: BTreeMap<NodeId, u64>,
    committed: BTreeMap<u64, Committed>,
    /// Of each entry ever seen, by term and index: the term of the one before, and its data.
    entries: BTreeMap<(u64, u64), (u64, Vec<u8>)>,
    pub(crate) configurations: Configurations,
    /// Term and configuration of the newest leader.
    in_force: Option<(u64, JointConfig)>,
}

impl Promises {
    pub(crate) fn new(initial: &ConfState) -> Self {
        Self {
            alarms: BTreeMap::new(),
            seen: BTreeMap::new(),
            leaders: BTreeMap::new(),
            votes: BTreeMap::new(),
            grants: BTreeMap::new(),
            told: BTreeMap::new(),
            committed: BTreeMap::new(),
            entries: BTreeMap::new(),
            configurations: Configurations::new(initial),
            in_force: None,
        }
    }

    pub(crate) fn alarms(&self) -> &BTreeMap<Promise, String> {
        &self.alarms
    }

    pub(crate) fn committed(&self) -> usize {
        self.committed.len()
    }

    fn demand(&mut self, promise: Promise, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.alarms.entry(promise).or_insert_with(what);
        }
    }

    /// The node's process ended: it may have forgotten what nobody heard of.
    pub(crate) fn crashed(&mut self, id: NodeId) {
        self.seen.remove(&id);
    }

    /// The node of the last event, as it is now.
    pub(crate) fn check(&mut self, id: NodeId, servers: &BTreeMap<NodeId, Server>) {
        let server = &servers[&id];
        let now = Seen::of(server);
        let before = self.seen.insert(id, now);
        self.check_order(id, server, before, now);
        self.check_entries(id, server);
        self.check_committed(id, server, before.map_or(0, |before| before.commit), now);
        self.check_held(servers);
        self.check_configuration(id, server, now);
        match now.role {
            Role::Leader if Seen::was(before, Role::Leader, now.term) => {
                self.check_leader(id, servers, before.unwrap(), now);
            }
            Role::Leader => self.check_new_leader(id, server, now),
            Role::Candidate | Role::PreCandidate if !Seen::was(before, now.role, now.term) => {
                self.check_campaign(id, server, now);
            }
            Role::Candidate | Role::PreCandidate | Role::Follower => {}
        }
    }
}

/// Whether the members for which `has` says so are a quorum.
fn is_quorum(voters: &JointConfig, has: impl Fn(NodeId) -> bool) -> bool {
    voters.vote_result(|id| Some(has(id))) == VoteResult::Won
}

/// Whether a disk has the entry, or a snapshot in its place.
fn holds(disk: &MemoryStorage, id: EntryId) -> bool {
    disk.sentinel().index >= id.index || disk.term(id.index) == Ok(id.term)
}
