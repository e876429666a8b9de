//! A small world for random schedules: servers with disks that lose what was not synced, a network
//! that loses, repeats and reorders, members that come and go, snapshots that replace the log.
//!
//! Every event is drawn from the seed, so that a schedule can be run again. After each event the
//! promises are checked; a [`Bug`] switches on what the promises are there to catch.

mod promises;

use std::collections::{BTreeMap, VecDeque};

use raft::{
    APPEND_THREAD, APPLY_THREAD, AnyConfChange, ConfChange, ConfChangeSingle, ConfChangeTransition,
    ConfChangeType, ConfChangeV2, ConfState, Config, Entry, EntryType, Error, HardState,
    MemoryStorage, Message, MessageType, NodeId, Randomness, RawNode, Role, Snapshot, Storage,
    StorageError,
};

use promises::Promises;

/// A bug that real systems had, re-enacted around the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// 1: followers are told that a majority's entry is committed, whatever its term.
    CommitByCounting,
    /// 2: the vote is not written.
    VoteNotPersisted,
    /// 3: voters believe that every candidate's log is newer.
    NoUpToDateCheck,
    /// 4: messages leave before the disk is synced.
    AcknowledgeBeforeSync,
    /// 16: a snapshot carries the configuration of the beginning.
    SnapshotWithoutConfiguration,
    /// A heartbeat tells the leader's commit index, whatever the follower has.
    HeartbeatCommit,
}

/// Draws numbers from a seed.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }
}

impl Randomness for Dice {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0 >> 33).unwrap() % bound
    }
}

type Node = RawNode<MemoryStorage, Dice>;

/// A node with its disk and its storage threads.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) node: Node,
    /// What a crash leaves.
    pub(crate) durable: MemoryStorage,
    writes: VecDeque<Message>,
    outstanding: VecDeque<Message>,
    /// The configuration after the last applied entry.
    conf_state: ConfState,
    applied: u64,
}

/// A schedule on its way.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) servers: BTreeMap<NodeId, Server>,
    wires: Vec<Message>,
    dice: Dice,
    seed: u64,
    bug: Option<Bug>,
    initial: ConfState,
    promises: Promises,
}

/// Messages on their way beyond which the oldest are lost.
const MAX_WIRES: usize = 150;

impl World {
    pub(crate) fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut dice = Dice::new(seed);
        let size = u64::from(dice.below(7)) + 1;
        let voters = u64::from(dice.below(u32::try_from(size).unwrap())) + 1;
        let initial = ConfState::of_voters((1..=voters).collect::<Vec<_>>());
        let (wires, promises) = (Vec::new(), Promises::default());
        let servers = BTreeMap::new();
        let mut world = Self { servers, wires, dice, seed, bug, initial, promises };
        for id in 1..=size {
            let storage = MemoryStorage::with_conf_state(world.initial.clone());
            world.boot(id, storage);
        }
        world
    }

    fn config(&self, id: NodeId) -> Config {
        let bit = |bit: u32| self.seed >> bit & 1 == 1;
        Config {
            pre_vote: bit(1),
            check_quorum: bit(2),
            async_storage_writes: bit(3) && self.bug.is_none(),
            step_down_on_removal: bit(4),
            max_size_per_msg: if bit(5) { 0 } else { raft::NO_LIMIT },
            max_inflight_msgs: 3,
            election_tick: 5,
            ..Config::new(id)
        }
    }

    fn boot(&mut self, id: NodeId, storage: MemoryStorage) {
        let dice = Dice::new(self.seed ^ id << 32 ^ u64::from(self.dice.below(1 << 20)));
        let metadata = storage.snapshot().unwrap().metadata;
        let durable = storage.clone();
        let node = RawNode::new(self.config(id), storage, dice).unwrap();
        let (writes, outstanding) = (VecDeque::new(), VecDeque::new());
        let (conf_state, applied) = (metadata.conf_state, metadata.index);
        self.servers.insert(id, Server { node, durable, writes, outstanding, conf_state, applied });
    }

    fn some_id(&mut self) -> NodeId {
        u64::from(self.dice.below(u32::try_from(self.servers.len()).unwrap())) + 1
    }

    /// One event, after which every promise must hold.
    pub(crate) fn act(&mut self) {
        let id = self.some_id();
        match self.dice.below(100) {
            0 if self.dice.below(3) == 0 => self.crash(id),
            // What only a crash brings to light must not take as many schedules.
            97.. if self.needs_crashes() => self.crash(id),
            1 if self.dice.below(3) == 0 => self.change_members(id),
            2 if self.dice.below(3) == 0 => self.snapshot(id),
            3 => self.propose(id),
            4..=9 => self.accept(id, Node::tick),
            10..=44 => self.carry_out(id),
            45..=59 => self.run_threads(id),
            _ => return self.deliver_one(),
        }
        self.promises.check(id, &self.servers);
    }

    fn needs_crashes(&self) -> bool {
        matches!(self.bug, Some(Bug::VoteNotPersisted | Bug::AcknowledgeBeforeSync))
    }

    /// Everything that waits is done, everything sent arrives, time passes alike for all.
    pub(crate) fn heal(&mut self, ticks: u32) {
        for _ in 0..ticks {
            let ids: Vec<_> = self.servers.keys().copied().collect();
            for id in &ids {
                self.accept(*id, Node::tick);
            }
            for _ in 0..200 {
                for id in &ids {
                    self.carry_out(*id);
                    self.promises.check(*id, &self.servers);
                    self.run_threads(*id);
                    self.promises.check(*id, &self.servers);
                }
                if self.wires.is_empty() {
                    break;
                }
                for message in std::mem::take(&mut self.wires) {
                    self.deliver(message);
                }
            }
        }
    }

    pub(crate) fn committed(&self) -> usize {
        self.promises.committed()
    }

    pub(crate) fn leader(&self) -> Option<NodeId> {
        let is_leader = |node: &Node| node.basic_status().soft_state.role == Role::Leader;
        let leaders = self.servers.iter().filter(|(_, server)| is_leader(&server.node));
        leaders
            .max_by_key(|(_, server)| server.node.basic_status().hard_state.term)
            .map(|(id, _)| *id)
    }

    /// What the node may refuse is no alarm; anything else is.
    fn accept(&mut self, id: NodeId, input: impl FnOnce(&mut Node) -> Result<(), Error>) {
        match input(&mut self.servers.get_mut(&id).unwrap().node) {
            Ok(()) | Err(Error::ProposalDropped | Error::StepPeerNotFound) => {}
            Err(error) => panic!("seed {}: node {id}: {error}", self.seed),
        }
    }

    pub(crate) fn propose(&mut self, id: NodeId) {
        let data = self.dice.below(u32::MAX).to_be_bytes().to_vec();
        self.accept(id, |node| node.propose(data));
    }

    fn change_members(&mut self, id: NodeId) {
        let mut one = || {
            let change_type = match self.dice.below(4) {
                0 => ConfChangeType::RemoveNode,
                1 => ConfChangeType::AddLearnerNode,
                _ => ConfChangeType::AddNode,
            };
            let node_id =
                u64::from(self.dice.below(u32::try_from(self.servers.len()).unwrap())) + 1;
            ConfChangeSingle { change_type, node_id }
        };
        let changes = vec![one(), one()];
        let change: AnyConfChange = match self.dice.below(4) {
            0 => ConfChangeV2 { changes, ..ConfChangeV2::default() }.into(),
            1 => {
                let transition = ConfChangeTransition::JointExplicit;
                ConfChangeV2 { transition, changes, ..ConfChangeV2::default() }.into()
            }
            2 => ConfChangeV2::default().into(),
            _ => {
                let ConfChangeSingle { change_type, node_id } = changes[0];
                ConfChange { change_type, node_id, ..ConfChange::default() }.into()
            }
        };
        self.accept(id, |node| node.propose_conf_change(change).map(drop));
    }

    /// The process ends, and begins again from what its disk has.
    fn crash(&mut self, id: NodeId) {
        let storage = self.servers[&id].durable.clone();
        self.boot(id, storage);
    }

    fn snapshot(&mut self, id: NodeId) {
        let server = self.servers.get_mut(&id).unwrap();
        let index = server.applied;
        let mut state = server.conf_state.clone();
        if self.bug == Some(Bug::SnapshotWithoutConfiguration) {
            state = self.initial.clone();
        }
        let storage = server.node.storage_mut();
        if storage.last_index().unwrap() < index
            || storage.create_snapshot(index, Some(state), "").is_err()
        {
            return;
        }
        storage.compact(index).unwrap();
        // What was applied is committed; a snapshot is synced with all that was written before.
        let hard_state = storage.hard_state();
        storage.set_hard_state(HardState { commit: hard_state.commit.max(index), ..hard_state });
        server.durable = storage.clone();
    }

    fn carry_out(&mut self, id: NodeId) {
        let server = self.servers.get_mut(&id).unwrap();
        if !server.node.has_ready() {
            return;
        }
        let ready =
            server.node.ready().unwrap_or_else(|error| panic!("seed {}: {error}", self.seed));
        let is_async = ready.messages.iter().any(Message::is_to_local_thread);
        let asynchronous = self.config(id).async_storage_writes;
        assert!(asynchronous || !is_async, "storage threads only where they are asked for");
        if !asynchronous {
            let loses = self.bug == Some(Bug::AcknowledgeBeforeSync) && self.dice.below(2) == 0;
            let sync = ready.must_sync && !loses || ready.snapshot.is_some();
            self.write(id, ready.hard_state, &ready.entries, ready.snapshot.as_ref(), sync);
        }
        for message in ready.messages {
            self.send(id, message);
        }
        if !asynchronous {
            self.apply(id, &ready.committed_entries);
            self.accept(id, Node::advance);
        }
    }

    fn write(
        &mut self,
        id: NodeId,
        state: Option<HardState>,
        entries: &[Entry],
        snapshot: Option<&Snapshot>,
        sync: bool,
    ) {
        let server = self.servers.get_mut(&id).unwrap();
        let storage = server.node.storage_mut();
        if let Some(snapshot) = snapshot {
            match storage.apply_snapshot(snapshot.clone()) {
                Ok(()) | Err(StorageError::SnapOutOfDate) => {}
                Err(error) => panic!("{error}"),
            }
            server.conf_state = snapshot.metadata.conf_state.clone();
            server.applied = snapshot.metadata.index;
        }
        storage.append(entries).unwrap();
        if let Some(state) = state {
            // A snapshot of the applied state may have been taken before this write's turn came.
            let commit = state.commit.max(storage.sentinel().index);
            storage.set_hard_state(HardState { commit, ..state });
        }
        if sync {
            server.durable = storage.clone();
            if self.bug == Some(Bug::VoteNotPersisted) {
                let state = HardState { vote: 0, ..server.durable.hard_state() };
                server.durable.set_hard_state(state);
            }
        }
    }

    fn apply(&mut self, id: NodeId, entries: &[Entry]) {
        let server = self.servers.get_mut(&id).unwrap();
        for entry in entries {
            // With asynchronous writes a snapshot may overtake what was to be applied before it.
            if entry.index < server.node.log().first_index().unwrap() {
                continue;
            }
            assert_eq!(entry.index, server.applied + 1, "node {id} applies in order");
            if entry.entry_type != EntryType::Normal {
                let change = AnyConfChange::of_entry(entry).unwrap();
                // A change that cannot be made is refused by all alike, and changes nothing.
                if let Ok(state) = server.node.apply_conf_change(change) {
                    server.conf_state = state;
                }
            }
            server.applied = entry.index;
            self.promises.applied(id, entry, &server.conf_state, self.seed);
        }
    }

    /// A storage thread does one thing, whose answers then arrive at once.
    fn run_threads(&mut self, id: NodeId) {
        let server = self.servers.get_mut(&id).unwrap();
        let append_first = self.dice.below(2) == 0;
        let work =
            if append_first { server.writes.pop_front() } else { server.outstanding.pop_front() };
        let Some(work) = work else { return };
        if work.msg_type == MessageType::StorageAppend {
            self.write(id, work.hard_state(), &work.entries, work.snapshot.as_deref(), true);
        } else {
            self.apply(id, &work.entries);
        }
        for response in work.responses {
            if response.to == id {
                self.accept(id, |node| node.step(response));
            } else {
                self.send(id, response);
            }
        }
    }

    fn send(&mut self, id: NodeId, mut message: Message) {
        let server = self.servers.get_mut(&id).unwrap();
        match message.to {
            APPEND_THREAD => return server.writes.push_back(message),
            APPLY_THREAD => return server.outstanding.push_back(message),
            _ => {}
        }
        self.promises.sent(&message, &server.durable, self.bug.is_some(), self.seed);
        match (self.bug, message.msg_type) {
            (Some(Bug::CommitByCounting), MessageType::App | MessageType::Heartbeat) => {
                let config = server.node.status().config;
                let acked = |id| server.node.progress(id).map(|progress| progress.match_index);
                let counted = config.voters.committed_index(acked);
                let has =
                    server.node.progress(message.to).map_or(0, |progress| progress.match_index);
                message.commit = message.commit.max(counted.min(has));
            }
            (Some(Bug::HeartbeatCommit), MessageType::Heartbeat) => {
                message.commit = server.node.log().committed();
            }
            (Some(Bug::NoUpToDateCheck), MessageType::Vote | MessageType::PreVote) => {
                (message.log_term, message.index) = (message.term, u64::MAX / 4);
            }
            _ => {}
        }
        Promises::told(&message, server);
        self.wires.push(message);
        if self.wires.len() > MAX_WIRES {
            self.wires.remove(0);
        }
    }

    /// One of the messages on their way arrives, gets lost, or arrives and comes once more.
    fn deliver_one(&mut self) {
        let Ok(count @ 1..) = u32::try_from(self.wires.len()) else { return };
        let slot = self.dice.below(count.min(8)) as usize;
        let message = self.wires.remove(slot);
        match self.dice.below(12) {
            0 => {}
            1 => {
                self.wires.push(message.clone());
                self.deliver(message);
            }
            _ => self.deliver(message),
        }
    }

    fn deliver(&mut self, message: Message) {
        let id = message.to;
        if self.servers.contains_key(&id) {
            self.accept(id, |node| node.step(message));
            self.promises.check(id, &self.servers);
        }
    }
}
