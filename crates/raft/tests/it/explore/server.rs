//! A node with its disk and its storage threads, and how the world carries out what it wants.

use std::collections::VecDeque;

use raft::{
    APPEND_THREAD, APPLY_THREAD, AnyConfChange, ConfChangeV2, ConfState, Entry, EntryType, Error,
    HardState, MemoryStorage, Message, MessageType, NodeId, Role, Snapshot, Storage, StorageError,
};

use super::{Bug, Node, World};
use raft::Randomness as _;

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
    /// The last entry that the application applied.
    pub(crate) applied: u64,
}

impl Server {
    pub(crate) fn new(
        storage: MemoryStorage,
        boot: impl FnOnce(MemoryStorage) -> Result<Node, Error>,
    ) -> Self {
        let metadata = storage.snapshot().unwrap().metadata;
        Self {
            durable: storage.clone(),
            node: boot(storage).unwrap(),
            writes: VecDeque::new(),
            outstanding: VecDeque::new(),
            conf_state: metadata.conf_state,
            applied: metadata.index,
        }
    }

    pub(crate) fn is_leader(&self) -> bool {
        self.node.basic_status().soft_state.role == Role::Leader
    }

    /// The log up to what is applied becomes a snapshot, if it can.
    pub(crate) fn snapshot(&mut self, forced: Option<ConfState>) {
        let (index, state) = (self.applied, forced.unwrap_or_else(|| self.conf_state.clone()));
        let storage = self.node.storage_mut();
        if storage.last_index().unwrap() < index
            || storage.create_snapshot(index, Some(state), "").is_err()
        {
            return;
        }
        storage.compact(index).unwrap();
        // What was applied is committed; a snapshot is synced with all that was written before.
        let hard_state = storage.hard_state();
        storage.set_hard_state(HardState { commit: hard_state.commit.max(index), ..hard_state });
        self.durable = storage.clone();
    }

    fn take_snapshot(&mut self, snapshot: &Snapshot) {
        match self.node.storage_mut().apply_snapshot(snapshot.clone()) {
            Ok(()) | Err(StorageError::SnapOutOfDate) => {}
            Err(error) => panic!("{error}"),
        }
        self.conf_state = snapshot.metadata.conf_state.clone();
        self.applied = snapshot.metadata.index;
    }

    /// A change that cannot be made is refused by all alike, and changes nothing.
    fn change(&mut self, change: &ConfChangeV2, bug: Option<Bug>) {
        let mut change = change.clone();
        for single in &mut change.changes {
            *single = bug.map_or(*single, |bug| bug.distort(*single));
        }
        if bug == Some(Bug::JointSkipped) {
            for single in change.changes {
                let changes = vec![single];
                self.make(ConfChangeV2 { changes, ..ConfChangeV2::default() });
            }
        } else {
            self.make(change);
        }
    }

    fn make(&mut self, change: ConfChangeV2) {
        if let Ok(state) = self.node.apply_conf_change(change) {
            self.conf_state = state;
        }
    }

    /// The last entry of the disk is gone, or another.
    fn damage(&mut self, bug: Bug) {
        let storage = self.node.storage_mut();
        let last = storage.last_index().unwrap();
        let at = if bug == Bug::TailLost { last - 1 } else { last };
        if at <= storage.sentinel().index {
            return;
        }
        let mut entry = storage.entries(at, at + 1, 0).unwrap()[0].clone();
        if bug == Bug::TailRots {
            entry.data = "rotten".into();
        }
        storage.append([entry]).unwrap();
    }
}

impl World {
    pub(super) fn carry_out(&mut self, id: NodeId) {
        let is_async = self.config(id).async_storage_writes;
        let server = self.servers.get_mut(&id).unwrap();
        if !server.node.has_ready() {
            return;
        }
        let ready = match server.node.ready() {
            Ok(ready) => ready,
            Err(_) if self.bug.is_some() => return self.is_dead = true,
            Err(error) => panic!("seed {}: {error}", self.seed),
        };
        let to_thread = ready.messages.iter().any(Message::is_to_local_thread);
        assert!(is_async || !to_thread, "storage threads only where they are asked for");
        if !is_async {
            let loses = self.bug == Some(Bug::AcknowledgeBeforeSync) && self.dice.below(2) == 0;
            let sync = ready.must_sync && !loses || ready.snapshot.is_some();
            self.write(id, ready.hard_state, &ready.entries, ready.snapshot.as_ref(), sync);
        }
        for message in ready.messages {
            self.send(id, message);
        }
        if is_async {
            return;
        }
        if self.bug == Some(Bug::AppliedTooEarly) {
            let work = Message { entries: ready.committed_entries, ..Message::default() };
            self.servers.get_mut(&id).unwrap().outstanding.push_back(work);
        } else {
            self.apply(id, &ready.committed_entries);
        }
        self.accept(id, Node::advance);
        self.damage(id);
    }

    fn damage(&mut self, id: NodeId) {
        let Some(bug @ (Bug::TailLost | Bug::TailRots)) = self.bug else { return };
        if self.dice.below(50) == 0 {
            self.servers.get_mut(&id).unwrap().damage(bug);
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
        if let Some(snapshot) = snapshot {
            server.take_snapshot(snapshot);
        }
        let storage = server.node.storage_mut();
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
        if self.bug == Some(Bug::ChangeBeforeCommit) {
            let changes = entries.iter().filter_map(change_of);
            changes.for_each(|change| server.change(&change, self.bug));
        }
    }

    fn apply(&mut self, id: NodeId, entries: &[Entry]) {
        for entry in entries {
            let server = self.servers.get_mut(&id).unwrap();
            // With asynchronous writes a snapshot may overtake what was to be applied before it.
            if entry.index < server.node.log().first_index().unwrap() {
                continue;
            }
            assert_eq!(entry.index, server.applied + 1, "node {id} applies in order");
            let change = change_of(entry);
            if let Some(change) = &change {
                server.change(change, self.bug);
            }
            server.applied = entry.index;
            let term = server.node.basic_status().hard_state.term;
            self.promises.applied(id, entry, term);
            self.promises.changed(entry.index, change.as_ref());
        }
    }

    /// A storage thread does one thing, whose answers then arrive at once.
    pub(super) fn run_threads(&mut self, id: NodeId) {
        let server = self.servers.get_mut(&id).unwrap();
        let append_first = self.dice.below(2) == 0;
        let work =
            if append_first { server.writes.pop_front() } else { server.outstanding.pop_front() };
        let Some(mut work) = work else { return };
        if work.msg_type == MessageType::StorageAppend {
            self.write(id, work.hard_state(), &work.entries, work.snapshot(), true);
        } else {
            self.apply(id, &work.entries);
        }
        for response in work.take_responses() {
            if response.to == id {
                self.accept(id, |node| node.step(response));
            } else {
                self.send(id, response);
            }
        }
    }

    fn send(&mut self, id: NodeId, message: Message) {
        let server = self.servers.get_mut(&id).unwrap();
        match message.to {
            APPEND_THREAD => server.writes.push_back(message),
            APPLY_THREAD => server.outstanding.push_back(message),
            _ => self.put_on_wire(id, message),
        }
    }
}

fn change_of(entry: &Entry) -> Option<ConfChangeV2> {
    let is_change = entry.entry_type != EntryType::Normal;
    is_change.then(|| AnyConfChange::of_entry(entry).unwrap().into())
}
