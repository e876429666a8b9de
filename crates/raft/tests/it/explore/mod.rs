//! A small world for random schedules: servers with disks that lose what was not synced, a network
//! that loses, repeats and reorders, members that come and go, snapshots that replace the log.
//!
//! Every event is drawn from the seed, so that a schedule can be run again. After each event the
//! promises are checked; a [`Bug`] switches on what the promises are there to catch.

mod bug;
mod configurations;
mod network;
mod promises;
mod server;

use std::collections::BTreeMap;

use raft::{
    AnyConfChange, ConfChange, ConfChangeSingle, ConfChangeTransition, ConfChangeType,
    ConfChangeV2, ConfState, Config, Error, MemoryStorage, Message, NodeId, Randomness, RawNode,
};

pub(crate) use bug::Bug;
pub(crate) use promises::Promise;
use promises::Promises;
use server::Server;

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

/// A schedule on its way.
#[derive(Debug)]
pub(crate) struct World {
    servers: BTreeMap<NodeId, Server>,
    wires: Vec<Message>,
    dice: Dice,
    seed: u64,
    bug: Option<Bug>,
    initial: ConfState,
    promises: Promises,
    /// A node found that it cannot go on.
    is_dead: bool,
}

impl World {
    pub(crate) fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut dice = Dice::new(seed);
        let size = u64::from(dice.below(7)) + 1;
        let voters = u64::from(dice.below(u32::try_from(size).unwrap())) + 1;
        let figure_8 = bug == Some(Bug::CommitByCounting);
        let (size, voters) = if figure_8 { (5, 5) } else { (size, voters) };
        let initial = ConfState::of_voters((1..=voters).collect::<Vec<_>>());
        let promises = Promises::new(&initial);
        let (servers, wires, is_dead) = (BTreeMap::new(), Vec::new(), false);
        let mut world = Self { servers, wires, dice, seed, bug, initial, promises, is_dead };
        for id in 1..=size {
            let storage = MemoryStorage::with_conf_state(world.initial.clone());
            world.boot(id, storage);
        }
        world
    }

    /// What the group is asked to be.
    fn asked(&self, id: NodeId) -> Config {
        let bit = |bit: u32| self.seed >> bit & 1 == 1;
        Config {
            pre_vote: bit(1),
            check_quorum: bit(2),
            async_storage_writes: bit(3),
            step_down_on_removal: bit(4),
            coalesce_appends: bit(6),
            max_size_per_msg: if bit(5) { 0 } else { raft::NO_LIMIT },
            max_inflight_msgs: 3,
            election_tick: 5,
            ..Config::new(id)
        }
    }

    fn config(&self, id: NodeId) -> Config {
        let mut config = self.asked(id);
        if let Some(bug) = self.bug {
            bug.configure(&mut config);
        }
        config
    }

    fn boot(&mut self, id: NodeId, storage: MemoryStorage) {
        let dice = Dice::new(self.seed ^ id << 32 ^ u64::from(self.dice.below(1 << 20)));
        let server = Server::new(storage, |storage| RawNode::new(self.config(id), storage, dice));
        self.servers.insert(id, server);
    }

    fn some_id(&mut self) -> NodeId {
        u64::from(self.dice.below(u32::try_from(self.servers.len()).unwrap())) + 1
    }

    /// One event, after which every promise must hold.
    pub(crate) fn act(&mut self) {
        let id = self.some_id();
        let has = |property: fn(Bug) -> bool| self.bug.is_some_and(property);
        match self.dice.below(100) {
            0 if self.dice.below(3) == 0 => self.crash(id),
            99.. if has(Bug::needs_elections) => self.accept(id, Node::campaign),
            97.. if has(Bug::needs_crashes) => self.crash(id),
            1 if self.dice.below(3) == 0 || has(Bug::needs_changes) => self.change_members(id),
            2 if self.dice.below(3) == 0 => self.snapshot(id),
            0 if self.dice.below(3) == 0 => self.transfer(id),
            3 => self.propose(id),
            4..=9 => self.accept(id, Node::tick),
            10..=44 => self.carry_out(id),
            45..=59 => self.run_threads(id),
            _ => return self.deliver_one(),
        }
        self.check(id);
    }

    fn check(&mut self, id: NodeId) {
        self.promises.check(id, &self.servers);
        self.insist();
    }

    /// Without a bug, the first alarm ends the schedule.
    fn insist(&self) {
        let alarm = self.promises.alarms().first_key_value().filter(|_| self.bug.is_none());
        if let Some((promise, what)) = alarm {
            panic!("seed {}: {promise:?}: {what}", self.seed);
        }
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
                    self.check(*id);
                    self.run_threads(*id);
                    self.check(*id);
                }
                if self.wires.is_empty() {
                    break;
                }
                for message in std::mem::take(&mut self.wires) {
                    self.deliver(&message);
                }
            }
        }
    }

    /// Promises that were broken so far.
    pub(crate) fn broken(&self) -> impl Iterator<Item = Promise> {
        self.promises.alarms().keys().copied()
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.is_dead
    }

    pub(crate) fn committed(&self) -> usize {
        self.promises.committed()
    }

    pub(crate) fn leader(&self) -> Option<NodeId> {
        let leaders = self.servers.iter().filter(|(_, server)| server.is_leader());
        leaders
            .max_by_key(|(_, server)| server.node.basic_status().hard_state.term)
            .map(|(id, _)| *id)
    }

    /// What the node may refuse is no alarm; anything else is.
    fn accept(&mut self, id: NodeId, input: impl FnOnce(&mut Node) -> Result<(), Error>) {
        match input(&mut self.servers.get_mut(&id).unwrap().node) {
            Ok(()) | Err(Error::ProposalDropped | Error::StepPeerNotFound) => {}
            Err(_) if self.bug.is_some() => self.is_dead = true,
            Err(error) => panic!("seed {}: node {id}: {error}", self.seed),
        }
    }

    fn propose(&mut self, id: NodeId) {
        let data = self.dice.below(u32::MAX).to_be_bytes().to_vec();
        self.accept(id, |node| node.propose(data));
    }

    fn transfer(&mut self, id: NodeId) {
        let to = self.some_id();
        self.accept(id, |node| node.transfer_leader(to));
    }

    fn change_members(&mut self, id: NodeId) {
        let changes = vec![self.some_change(), self.some_change()];
        let kind = if self.bug == Some(Bug::ChangeBeforeCommit) { 3 } else { self.dice.below(4) };
        let change: AnyConfChange = match kind {
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

    fn some_change(&mut self) -> ConfChangeSingle {
        let change_type = match self.dice.below(4) {
            0 => ConfChangeType::RemoveNode,
            1 => ConfChangeType::AddLearnerNode,
            _ => ConfChangeType::AddNode,
        };
        ConfChangeSingle { change_type, node_id: self.some_id() }
    }

    /// The process ends, and begins again from what its disk has: with the power, what was not
    /// synced is gone too.
    fn crash(&mut self, id: NodeId) {
        let loses_power = self.bug.is_some_and(Bug::needs_crashes) || self.dice.below(2) == 0;
        let server = &self.servers[&id];
        let disk = if loses_power { &server.durable } else { server.node.storage() };
        let storage = disk.clone();
        self.promises.crashed(id);
        self.boot(id, storage);
    }

    fn snapshot(&mut self, id: NodeId) {
        let with_bug = self.bug == Some(Bug::SnapshotWithoutConfiguration);
        let forced = with_bug.then(|| self.initial.clone());
        self.servers.get_mut(&id).unwrap().snapshot(forced);
    }

    /// A leader that checks quorums hears only its members.
    fn is_protected(&self, id: NodeId) -> bool {
        let is_checking = self.config(id).check_quorum || self.bug == Some(Bug::RemovedCampaigns);
        is_checking && self.servers[&id].is_leader()
    }
}
