//! One server: a node of the core, the disk that it writes, the store that it applies to.

use raft::{
    AnyConfChange, ConfState, Config, Entry, EntryType, MemoryStorage, Message, NodeId, Peer,
    Randomness, RawNode, ReadState, Ready, Role,
};

use crate::store::Store;

/// Applied entries after which the log becomes a snapshot.
const SNAPSHOT_EVERY: u64 = 10;

/// Entries kept behind the snapshot, for followers that are only a little late.
const KEEP: u64 = 3;

/// A failure that ends the server.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// The spread of election timeouts: each server draws its own numbers, always the same ones.
#[derive(Debug)]
pub(crate) struct Seeded(u64);

impl Randomness for Seeded {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040);
        u32::try_from(self.0 >> 33).expect("31 bits are left") % bound
    }
}

/// What a crash leaves. A real server has a write-ahead log and snapshot files; here the same type
/// that the node reads its log from stands for both, and a clone for a write that was synced.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(MemoryStorage);

/// A running server.
pub(crate) struct Server {
    pub(crate) id: NodeId,
    pub(crate) node: RawNode<MemoryStorage, Seeded>,
    disk: Disk,
    pub(crate) store: Store,
    applied: u64,
    snapshot_index: u64,
    conf_state: ConfState,
    /// Reads that wait until their index is applied.
    waiting: Vec<ReadState>,
    /// Reads that were answered: the key, and what the store had.
    pub(crate) answers: Vec<(String, Option<String>)>,
    /// What happened, to be told.
    pub(crate) events: Vec<String>,
}

impl Server {
    /// A member of a group that begins. Its log begins with an entry for each founder, so that
    /// whoever joins later learns of them like of everything else.
    pub(crate) fn found(id: NodeId, founders: &[NodeId]) -> Result<Self, Failure> {
        let mut server = Self::boot(id, Disk::default())?;
        let peer = |id: &NodeId| Peer { id: *id, ..Peer::default() };
        server.node.bootstrap(&founders.iter().map(peer).collect::<Vec<_>>())?;
        Ok(server)
    }

    /// Starts from what the disk holds: the snapshot becomes the store, and what was committed
    /// behind it comes once more to be applied.
    pub(crate) fn boot(id: NodeId, disk: Disk) -> Result<Self, Failure> {
        let snapshot = raft::Storage::snapshot(&disk.0)?;
        let index = snapshot.metadata.index;
        let config = Config {
            applied: index,
            check_quorum: true,
            pre_vote: true,
            max_size_per_msg: 1024,
            max_inflight_msgs: 8,
            ..Config::new(id)
        };
        Ok(Self {
            id,
            node: RawNode::new(config, disk.0.clone(), Seeded(id))?,
            disk,
            store: Store::decode(&snapshot.data)?,
            applied: index,
            snapshot_index: index,
            conf_state: snapshot.metadata.conf_state,
            waiting: Vec::new(),
            answers: Vec::new(),
            events: Vec::new(),
        })
    }

    /// The power goes: only what was synced is left.
    pub(crate) fn crash(self) -> Disk {
        self.disk
    }

    pub(crate) fn is_leader(&self) -> bool {
        self.node.basic_status().soft_state.role == Role::Leader
    }

    /// Does everything that the node wants done; gives the messages that it wants sent.
    ///
    /// This is the loop of the crate's head. The order matters: what is to be durable is so before
    /// a message leaves that vouches for it, and before anything of it is applied.
    pub(crate) fn work(&mut self) -> Result<Vec<Message>, Failure> {
        let mut messages = Vec::new();
        while self.node.has_ready() {
            let ready = self.node.ready()?;
            self.write(&ready)?;
            messages.extend(ready.messages);
            if let Some(snapshot) = &ready.snapshot {
                self.store = Store::decode(&snapshot.data)?;
                self.applied = snapshot.metadata.index;
                self.snapshot_index = self.applied;
                self.conf_state = snapshot.metadata.conf_state.clone();
                self.tell(&format!("takes a snapshot at {}", self.applied));
            }
            for entry in &ready.committed_entries {
                self.apply(entry)?;
            }
            self.waiting.extend(ready.read_states);
            self.node.advance()?;
            self.answer_reads();
            self.compact()?;
        }
        Ok(messages)
    }

    /// Appends to the log that the node reads, and syncs it to disk where that must be.
    fn write(&mut self, ready: &Ready) -> Result<(), Failure> {
        let log = self.node.storage_mut();
        if let Some(snapshot) = &ready.snapshot {
            log.apply_snapshot(snapshot.clone())?;
        }
        log.append(&ready.entries)?;
        if let Some(state) = ready.hard_state {
            log.set_hard_state(state);
        }
        if ready.must_sync || ready.snapshot.is_some() {
            self.sync();
        }
        Ok(())
    }

    fn sync(&mut self) {
        self.disk = Disk(self.node.storage().clone());
    }

    fn apply(&mut self, entry: &Entry) -> Result<(), Failure> {
        if entry.entry_type == EntryType::Normal {
            self.store.apply(&entry.data);
        } else {
            let change = AnyConfChange::of_entry(entry)?;
            let state = self.node.apply_conf_change(change)?;
            if state != self.conf_state {
                self.tell(&format!("voters {:?}, learners {:?}", state.voters, state.learners));
            }
            self.conf_state = state;
        }
        self.applied = entry.index;
        Ok(())
    }

    /// A read is served once everything up to its index is applied: then the store has every write
    /// that was acknowledged before the read was asked for.
    fn answer_reads(&mut self) {
        let applied = self.applied;
        for read in self.waiting.extract_if(.., |read| read.index <= applied) {
            let context = String::from_utf8_lossy(&read.request_context).into_owned();
            // The context must be unique; here it is the key behind a number.
            let key = context.split_once(':').map_or("", |(_, key)| key).to_owned();
            let value = self.store.get(&key).map(str::to_owned);
            self.answers.push((key, value));
        }
    }

    /// Makes a snapshot now and then, and drops the log before it.
    fn compact(&mut self) -> Result<(), Failure> {
        if self.applied < self.snapshot_index + SNAPSHOT_EVERY {
            return Ok(());
        }
        self.snapshot_index = self.applied;
        let (data, state) = (self.store.encode(), self.conf_state.clone());
        let log = self.node.storage_mut();
        log.create_snapshot(self.snapshot_index, Some(state), data)?;
        log.compact(self.snapshot_index - KEEP)?;
        self.sync();
        self.tell(&format!("makes a snapshot at {}", self.snapshot_index));
        Ok(())
    }

    fn tell(&mut self, event: &str) {
        self.events.push(format!("server {}: {event}", self.id));
    }
}
