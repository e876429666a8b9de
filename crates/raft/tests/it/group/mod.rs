//! A group of nodes on a network of queues, for tests that speak of a whole group.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use raft::{
    AnyConfChange, ConfState, Config, Entry, EntryType, MemoryStorage, Message, MessageType,
    NodeId, Randomness, RawNode, ReadState, Ready, Role, StorageError,
};

/// Draws numbers in a row, each below its bound.
#[derive(Clone, Debug)]
pub(crate) struct Counting(pub(crate) u32);

impl Randomness for Counting {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 16) % bound
    }
}

pub(crate) type Node = RawNode<MemoryStorage, Counting>;

/// Nodes, what is on its way between them, and what each applied.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) nodes: BTreeMap<NodeId, Node>,
    pub(crate) applied: BTreeMap<NodeId, Vec<Entry>>,
    pub(crate) reads: BTreeMap<NodeId, Vec<ReadState>>,
    pub(crate) cut_off: BTreeSet<NodeId>,
    pub(crate) wires: VecDeque<Message>,
}

pub(crate) fn node(config: Config, voters: &[NodeId]) -> Node {
    let seed = u32::try_from(config.id).unwrap();
    let storage = MemoryStorage::with_conf_state(ConfState::of_voters(voters));
    RawNode::new(config, storage, Counting(seed)).unwrap()
}

impl Group {
    /// Nodes 1 to `size`, all voters, set up alike.
    pub(crate) fn new(size: u64, configure: impl Fn(&mut Config)) -> Self {
        let voters: Vec<_> = (1..=size).collect();
        let build = |&id: &NodeId| {
            let mut config = Config::new(id);
            configure(&mut config);
            (id, node(config, &voters))
        };
        Self {
            nodes: voters.iter().map(build).collect(),
            applied: BTreeMap::new(),
            reads: BTreeMap::new(),
            cut_off: BTreeSet::new(),
            wires: VecDeque::new(),
        }
    }

    pub(crate) fn at(&mut self, id: NodeId) -> &mut Node {
        self.nodes.get_mut(&id).unwrap()
    }

    pub(crate) fn role(&self, id: NodeId) -> Role {
        self.nodes[&id].basic_status().soft_state.role
    }

    pub(crate) fn term(&self, id: NodeId) -> u64 {
        self.nodes[&id].basic_status().hard_state.term
    }

    pub(crate) fn lead(&self, id: NodeId) -> NodeId {
        self.nodes[&id].basic_status().soft_state.lead
    }

    pub(crate) fn committed(&self, id: NodeId) -> u64 {
        self.nodes[&id].log().committed()
    }

    pub(crate) fn last(&self, id: NodeId) -> u64 {
        self.nodes[&id].log().last_index()
    }

    pub(crate) fn payloads(&self, id: NodeId) -> Vec<&[u8]> {
        let applied = self.applied.get(&id).into_iter().flatten();
        applied.map(|entry| &entry.data[..]).filter(|data| !data.is_empty()).collect()
    }

    /// Carries out what every node wants and delivers every message, until nothing is left.
    pub(crate) fn settle(&mut self) {
        loop {
            for id in self.nodes.keys().copied().collect::<Vec<_>>() {
                while self.at(id).has_ready() {
                    self.carry_out(id);
                }
            }
            let Some(message) = self.wires.pop_front() else { return };
            self.deliver(message);
        }
    }

    pub(crate) fn deliver(&mut self, message: Message) {
        let is_cut = |id: NodeId| self.cut_off.contains(&id);
        if message.from != message.to && (is_cut(message.from) || is_cut(message.to)) {
            return;
        }
        if let Some(node) = self.nodes.get_mut(&message.to) {
            match node.step(message) {
                Ok(()) | Err(raft::Error::ProposalDropped | raft::Error::StepPeerNotFound) => {}
                Err(error) => panic!("a message within the protocol was refused: {error}"),
            }
        }
    }

    pub(crate) fn carry_out(&mut self, id: NodeId) {
        let ready = self.at(id).ready().unwrap();
        store(self.at(id), &ready);
        self.wires.extend(ready.messages);
        self.apply(id, ready.committed_entries.to_vec());
        self.reads.entry(id).or_default().extend(ready.read_states);
        self.at(id).advance().unwrap();
    }

    fn apply(&mut self, id: NodeId, entries: Vec<Entry>) {
        for entry in entries {
            if entry.entry_type != EntryType::Normal {
                let change = AnyConfChange::of_entry(&entry).unwrap();
                self.at(id).apply_conf_change(change).unwrap();
            }
            self.applied.entry(id).or_default().push(entry);
        }
    }

    /// Carries out what node `id` wants, but delivers nothing that it sends.
    pub(crate) fn drain(&mut self, id: NodeId) {
        assert!(self.wires.is_empty(), "nothing is on its way");
        while self.at(id).has_ready() {
            self.carry_out(id);
        }
        self.wires.clear();
    }

    /// Node `id` wins with the votes of others; nothing else that it sends arrives.
    pub(crate) fn win_unheard(&mut self, id: NodeId, votes_of: &[NodeId]) {
        self.at(id).campaign().unwrap();
        self.drain(id);
        let term = self.term(id);
        for &from in votes_of {
            let vote = Message { to: id, from, term, ..Message::new(MessageType::VoteResp) };
            self.at(id).step(vote).unwrap();
        }
        assert_eq!(self.role(id), Role::Leader, "elected at term {term}");
    }

    /// Node `id` campaigns and everyone answers.
    pub(crate) fn elect(&mut self, id: NodeId) {
        self.at(id).campaign().unwrap();
        self.settle();
    }

    pub(crate) fn propose(&mut self, id: NodeId, data: &'static str) {
        self.at(id).propose(data).unwrap();
        self.settle();
    }

    /// Time passes on one node alone.
    pub(crate) fn tick(&mut self, id: NodeId, ticks: u32) {
        for _ in 0..ticks {
            self.at(id).tick().unwrap();
            self.settle();
        }
    }

    /// Node `id` starts again from what it stored.
    pub(crate) fn restart(&mut self, mut config: Config, applied: u64) {
        config.applied = applied;
        let (id, storage) = (config.id, self.nodes[&config.id].storage().clone());
        // Each its own: nodes that draw alike split their votes for ever.
        let seed = 100 + u32::try_from(id).unwrap();
        self.nodes.insert(id, RawNode::new(config, storage, Counting(seed)).unwrap());
    }
}

/// Writes what a Ready wants written, as a disk would.
pub(crate) fn store(node: &mut Node, ready: &Ready) {
    if let Some(snapshot) = &ready.snapshot {
        match node.storage_mut().apply_snapshot(snapshot.clone()) {
            Ok(()) | Err(StorageError::SnapOutOfDate) => {}
            Err(error) => panic!("{error}"),
        }
    }
    node.storage_mut().append(&ready.entries).unwrap();
    if let Some(state) = ready.hard_state {
        node.storage_mut().set_hard_state(state);
    }
}

/// Carries out what a node wants, alone; gives what it sends.
pub(crate) fn pump(node: &mut Node) -> Vec<Message> {
    let mut messages = Vec::new();
    while node.has_ready() {
        let ready = node.ready().unwrap();
        store(node, &ready);
        messages.extend(ready.messages);
        for entry in &ready.committed_entries {
            if entry.entry_type != EntryType::Normal {
                node.apply_conf_change(AnyConfChange::of_entry(entry).unwrap()).unwrap();
            }
        }
        node.advance().unwrap();
    }
    messages
}

pub(crate) fn message(msg_type: MessageType, from: NodeId, to: NodeId, term: u64) -> Message {
    Message { from, to, term, ..Message::new(msg_type) }
}

/// The node takes the message; gives what it sends then.
pub(crate) fn step(node: &mut Node, message: Message) -> Vec<Message> {
    node.step(message).unwrap();
    pump(node)
}

/// An entry that no one needs to look into.
pub(crate) fn entry(term: u64, index: u64) -> Entry {
    Entry { term, index, ..Entry::normal("some data") }
}

/// A node whose log holds an entry of each of these terms.
pub(crate) fn node_with_log(config: Config, voters: &[NodeId], terms: &[u64]) -> Node {
    let mut storage = MemoryStorage::with_conf_state(ConfState::of_voters(voters));
    let entries: Vec<_> = terms.iter().zip(1..).map(|(term, index)| entry(*term, index)).collect();
    storage.append(&entries[..]).unwrap();
    let term = terms.last().copied().unwrap_or(0);
    storage.set_hard_state(raft::HardState { term, ..raft::HardState::default() });
    RawNode::new(config, storage, Counting(7)).unwrap()
}

/// Node 1 of these voters, elected by all; nobody has its first entry yet.
pub(crate) fn lead(node: &mut Node) {
    node.campaign().unwrap();
    pump(node);
    let BasicStatusOf { id, term } = status_of(node);
    for from in node.status().config.voters.ids().iter().filter(|from| *from != id) {
        step(node, message(MessageType::VoteResp, from, id, term));
    }
    assert_eq!(node.basic_status().soft_state.role, Role::Leader, "elected");
}

pub(crate) struct BasicStatusOf {
    pub(crate) id: NodeId,
    pub(crate) term: u64,
}

pub(crate) fn status_of(node: &Node) -> BasicStatusOf {
    let status = node.basic_status();
    BasicStatusOf { id: status.id, term: status.hard_state.term }
}

/// A leader as [`lead`] makes it.
pub(crate) fn leader(config: Config, voters: &[NodeId]) -> Node {
    let mut leader = node(config, voters);
    lead(&mut leader);
    leader
}

/// A member acknowledges everything up to `index`; gives what the leader sends then.
pub(crate) fn ack(leader: &mut Node, from: NodeId, index: u64) -> Vec<Message> {
    let BasicStatusOf { id, term } = status_of(leader);
    step(leader, Message { index, ..message(MessageType::AppResp, from, id, term) })
}

/// A member refuses an append behind `index` and says where the logs may agree.
pub(crate) fn refuse(leader: &mut Node, from: NodeId, index: u64, hint: u64) -> Vec<Message> {
    let BasicStatusOf { id, term } = status_of(leader);
    let response = message(MessageType::AppResp, from, id, term);
    step(leader, Message { index, reject: true, reject_hint: hint, ..response })
}

/// Those of the messages that go to `to` and are of the type.
pub(crate) fn to(messages: &[Message], to: NodeId, msg_type: MessageType) -> Vec<Message> {
    let meant = messages.iter().filter(|one| one.to == to && one.msg_type == msg_type);
    meant.cloned().collect()
}
