//! The interface of one node: inputs in, [`Ready`] out.

use bytes::Bytes;

use crate::bugs::Bug;
use crate::conf_change::{AnyConfChange, ConfChange, ConfChangeType, ConfChangeV2, Proposed};
use crate::config::{Config, Randomness};
use crate::entries::Entries;
use crate::error::{Error, Result};
use crate::logger::{Logger, Silent};
use crate::message::{Message, MessageType, is_local_thread};
use crate::progress::Progress;
use crate::raft::Raft;
use crate::ready::{Applied, Ready, Stored, must_sync, storage_apply};
use crate::status::{BasicStatus, Status};
use crate::storage::Storage;
use crate::types::{
    ConfState, Entry, EntryId, EntryType, HardState, NONE, NodeId, Role, SoftState,
};
use crate::validate;

/// A member that a new group begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// The member's id.
    pub id: NodeId,
    /// The application's own data, carried by the entry that adds the member.
    pub context: Bytes,
}

/// How sending a snapshot ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotStatus {
    /// It was sent.
    Finish,
    /// It was not.
    Failure,
}

/// One node, driven by one caller.
///
/// Invariants: without asynchronous writes, every [`Ready`] is advanced before the next is taken.
#[derive(Clone, Debug)]
pub struct RawNode<S, R, L = Silent> {
    raft: Raft<S, R, L>,
    async_storage_writes: bool,
    previous_soft_state: SoftState,
    previous_hard_state: HardState,
    /// What the node answers itself when the accepted [`Ready`] was carried out,
    own_answers: Vec<Message>,
    /// what is durable then,
    stored: Option<Stored>,
    /// and what is applied.
    applied: Option<Applied>,
    /// Whether a [`Ready`] was accepted and not yet advanced.
    in_advance: bool,
}

impl<S: Storage, R: Randomness> RawNode<S, R> {
    /// A follower in the state that storage remembers.
    pub fn new(config: Config, storage: S, randomness: R) -> Result<Self> {
        Self::with_logger(config, storage, randomness, Silent)
    }
}

impl<S: Storage, R: Randomness, L: Logger> RawNode<S, R, L> {
    /// As [`RawNode::new`], with a place for log lines.
    pub fn with_logger(config: Config, storage: S, randomness: R, logger: L) -> Result<Self> {
        let config = config.validated()?;
        let raft = Raft::new(&config, storage, randomness, logger)?;
        Ok(Self {
            async_storage_writes: config.async_storage_writes,
            previous_soft_state: raft.soft_state(),
            previous_hard_state: raft.hard_state(),
            raft,
            own_answers: Vec::new(),
            stored: None,
            applied: None,
            in_advance: false,
        })
    }

    /// Begins a new group: the members are added by committed entries of term 1. The storage must
    /// be empty, and every member must begin with the same ones in the same order.
    pub fn bootstrap(&mut self, peers: &[Peer]) -> Result<()> {
        if peers.is_empty() {
            return Err(Error::Config("must provide at least one peer to Bootstrap".to_owned()));
        }
        if self.storage().last_index()? != 0 {
            return Err(Error::Config("can't bootstrap a nonempty Storage".to_owned()));
        }
        // The first Ready shall contain the hard state.
        self.previous_hard_state = HardState::default();
        self.raft.become_follower(1, NONE);
        let changes: Vec<_> = peers.iter().map(addition).collect();
        let entries: Entries =
            changes.iter().zip(1..).map(|(change, index)| entry_of(change, index)).collect();
        self.raft.log.append(entries.clone())?;
        self.raft.log.committed = entries.len() as u64;
        // Already now, so that the node can campaign before it applied the entries; they are
        // applied again by the application, which changes nothing.
        for change in changes {
            self.raft.apply_conf_change(&change.into())?;
        }
        Ok(())
    }

    /// Time passes by one tick.
    pub fn tick(&mut self) -> Result<()> {
        self.raft.tick()
    }

    /// Campaigns at once, without waiting for the election timeout.
    pub fn campaign(&mut self) -> Result<()> {
        self.raft.step(&mut Message::new(MessageType::Hup))
    }

    /// Takes a message from another member, or, with asynchronous storage writes, the answers of
    /// this node's own storage threads.
    ///
    /// Whoever takes messages from a network sees to it that `from` is who sent it: an answer of a
    /// storage thread, or of this node to itself, is believed. Otherwise any message may come here.
    /// One that makes no sense is [`Error::InvalidMessage`], [`Error::StepLocalMsg`] or
    /// [`Error::StepPeerNotFound`] and changes nothing; one whose claims contradict what is
    /// committed here is [`Error::Fatal`], as it is for a real server.
    pub fn step(&mut self, mut message: Message) -> Result<()> {
        let from_thread = is_local_thread(message.from);
        if message.msg_type.is_local() || from_thread {
            let is_answer = matches!(
                message.msg_type,
                MessageType::StorageAppendResp | MessageType::StorageApplyResp
            );
            if !(from_thread && is_answer && self.async_storage_writes) {
                return Err(Error::StepLocalMsg);
            }
        }
        if message.msg_type.is_response()
            && !from_thread
            && !self.raft.tracker.progress.contains(message.from)
        {
            return Err(Error::StepPeerNotFound);
        }
        validate::check(&message)?;
        validate::check_sender(&message, self.raft.id, self.async_storage_writes)?;
        // A leader that restarted may have lost what it sent before it wrote it: only a leader can
        // tell that an answer is wrong.
        if message.msg_type == MessageType::AppResp
            && !message.reject
            && self.raft.role == Role::Leader
            && message.term == self.raft.term
            && message.index > self.raft.log.last_index()
        {
            let what = format!("{:x} acknowledges more than there is", message.from);
            return Err(Error::InvalidMessage(what));
        }
        self.raft.step(&mut message)
    }

    /// Proposes an entry; the leader's address is found by the followers.
    pub fn propose(&mut self, data: impl Into<Bytes>) -> Result<()> {
        self.propose_entry(Entry::normal(data))
    }

    /// Proposes a change of the configuration.
    ///
    /// The leader turns it into an empty entry when it may not be made now: one is pending, or the
    /// joint configuration must be left first. Only the leader itself can say so.
    pub fn propose_conf_change(&mut self, change: impl Into<AnyConfChange>) -> Result<Proposed> {
        let change = change.into();
        let (entry_type, data) = (change.entry_type(), change.encode());
        let is_leader = self.raft.role == Role::Leader;
        let refusal = self.raft.refusal(&change.into());
        self.propose_entry(Entry { entry_type, ..Entry::normal(data) })?;
        Ok(match refusal {
            _ if !is_leader => Proposed::Forwarded,
            None => Proposed::Appended,
            Some(reason) => Proposed::NoOp(reason),
        })
    }

    fn propose_entry(&mut self, entry: Entry) -> Result<()> {
        let from = self.raft.id;
        let proposal = Message::new(MessageType::Prop);
        self.raft.step(&mut Message { from, entries: entry.into(), ..proposal })
    }

    /// Makes a committed change; to be called for each such entry when it is applied, also for one
    /// that the application refuses (with the node ids set to zero).
    pub fn apply_conf_change(&mut self, change: impl Into<ConfChangeV2>) -> Result<ConfState> {
        self.raft.apply_conf_change(&change.into())
    }

    /// Asks for the index that a linearizable read must wait for; it comes as a
    /// [`ReadState`](crate::ReadState) with this context, which must be unique. The request may be
    /// lost without notice, like any message.
    pub fn read_index(&mut self, context: impl Into<Bytes>) -> Result<()> {
        let entries = Entry::normal(context).into();
        self.raft.step(&mut Message { entries, ..Message::new(MessageType::ReadIndex) })
    }

    /// Asks the leader to hand over.
    pub fn transfer_leader(&mut self, to: NodeId) -> Result<()> {
        self.raft.step(&mut Message { from: to, ..Message::new(MessageType::TransferLeader) })
    }

    /// Makes a follower forget its leader, so that it may vote for another one at once.
    pub fn forget_leader(&mut self) -> Result<()> {
        self.raft.step(&mut Message::new(MessageType::ForgetLeader))
    }

    /// The last message to the member did not arrive.
    pub fn report_unreachable(&mut self, id: NodeId) -> Result<()> {
        self.raft.step(&mut Message { from: id, ..Message::new(MessageType::Unreachable) })
    }

    /// How sending a snapshot to the member ended.
    pub fn report_snapshot(&mut self, id: NodeId, status: SnapshotStatus) -> Result<()> {
        let reject = status == SnapshotStatus::Failure;
        self.raft.step(&mut Message { from: id, reject, ..Message::new(MessageType::SnapStatus) })
    }

    /// Whether [`ready`](Self::ready) has anything to give.
    pub fn has_ready(&self) -> bool {
        let raft = &self.raft;
        let mut hard_state = raft.hard_state();
        if raft.bugs.has(Bug::VoteNotPersisted) {
            hard_state.vote = NONE;
        }
        // What is most often the reason comes first.
        !raft.messages.is_empty()
            || !raft.messages_after_append.is_empty()
            || hard_state != self.previous_hard_state && !hard_state.is_empty()
            || raft.soft_state() != self.previous_soft_state
            || raft.log.unstable.next_snapshot().is_some()
            || raft.appends_due
            || raft.log.unstable.has_next_entries()
            || raft.log.has_next_committed(self.applies_unstable())
            || !raft.read_states.is_empty()
    }

    /// Takes everything that is to be done now; see [`Ready`] for what is to become of it.
    pub fn ready(&mut self) -> Result<Ready> {
        let mut ready = Ready::default();
        self.ready_into(&mut ready)?;
        Ok(ready)
    }

    /// As [`ready`](Self::ready), in place of an earlier one, whose memory is used again.
    pub fn ready_into(&mut self, ready: &mut Ready) -> Result<()> {
        assert!(!self.in_advance, "two accepted Ready structs without call to Advance");
        self.collect(ready)?;
        self.raft.log.unstable.accept_in_progress();
        let applied = Applied::of(&ready.committed_entries);
        if self.async_storage_writes {
            ready.messages.extend(self.raft.storage_append(ready));
            ready.messages.extend(storage_apply(self.raft.id, &ready.committed_entries));
        } else {
            self.plan_advance(ready);
            self.applied = applied;
            self.in_advance = true;
        }
        if let Some(Applied { index, encoded_size, .. }) = applied {
            let allow_unstable = self.applies_unstable();
            self.raft.log.accept_applying(index, encoded_size, allow_unstable);
        }
        Ok(())
    }

    fn collect(&mut self, ready: &mut Ready) -> Result<()> {
        let allow_unstable = self.applies_unstable();
        let raft = &mut self.raft;
        raft.send_due_appends()?;
        let (soft_state, mut hard_state) = (raft.soft_state(), raft.hard_state());
        if raft.bugs.has(Bug::VoteNotPersisted) {
            hard_state.vote = NONE;
        }
        raft.log.next_committed(allow_unstable, &mut ready.committed_entries)?;
        if raft.log.unstable.has_next_entries() {
            ready.entries = raft.log.unstable.next_entries();
        } else {
            ready.entries.clear();
        }
        ready.must_sync = must_sync(&hard_state, &self.previous_hard_state, ready.entries.len());
        ready.soft_state = None;
        if soft_state != self.previous_soft_state {
            ready.soft_state = Some(soft_state);
            self.previous_soft_state = soft_state;
        }
        ready.hard_state = None;
        if hard_state != self.previous_hard_state {
            ready.hard_state = Some(hard_state);
            self.previous_hard_state = hard_state;
        }
        let snapshot = raft.log.unstable.next_snapshot();
        if snapshot.is_some() || ready.snapshot.is_some() {
            ready.snapshot = snapshot.cloned();
        }
        ready.messages.clear();
        if !raft.messages.is_empty() {
            std::mem::swap(&mut ready.messages, &mut raft.messages);
        }
        ready.read_states.clear();
        if !raft.read_states.is_empty() {
            std::mem::swap(&mut ready.read_states, &mut raft.read_states);
        }
        Ok(())
    }

    /// What waits for the write: to others with the messages (they are sent after it), to the node
    /// itself on `advance`.
    fn plan_advance(&mut self, ready: &mut Ready) {
        let id = self.raft.id;
        let waiting = &mut self.raft.messages_after_append;
        let own = waiting.iter().filter(|message| message.to == id).count();
        // Most often there is one.
        if own == waiting.len() {
            std::mem::swap(&mut self.own_answers, waiting);
        } else if own == 0 {
            ready.messages.append(waiting);
        } else {
            for message in waiting.drain(..) {
                if message.to == id {
                    self.own_answers.push(message);
                } else {
                    ready.messages.push(message);
                }
            }
        }
        self.stored = self.raft.stored_when_written(ready);
    }

    /// The last [`Ready`] was written, sent and applied. Not with asynchronous storage writes.
    pub fn advance(&mut self) -> Result<()> {
        assert!(
            !self.async_storage_writes,
            "Advance must not be called when using AsyncStorageWrites"
        );
        self.in_advance = false;
        for answer in &mut self.own_answers {
            self.raft.step(answer)?;
        }
        self.own_answers.clear();
        if let Some(stored) = self.stored.take() {
            self.raft.stored(stored)?;
        }
        match self.applied.take() {
            Some(applied) => self.raft.applied(applied),
            None => Ok(()),
        }
    }

    /// The caller writes before it applies, so that what is not durable yet may be applied; with
    /// asynchronous writes it does both at a time.
    fn applies_unstable(&self) -> bool {
        !self.async_storage_writes
    }

    /// The durable part of the log.
    pub fn storage(&self) -> &S {
        &self.raft.log.storage
    }

    /// The durable part of the log, to write to.
    pub fn storage_mut(&mut self) -> &mut S {
        &mut self.raft.log.storage
    }

    /// The node's own state.
    pub fn basic_status(&self) -> BasicStatus {
        BasicStatus {
            id: self.raft.id,
            hard_state: self.raft.hard_state(),
            soft_state: self.raft.soft_state(),
            applied: self.raft.log.applied,
            lead_transferee: self.raft.lead_transferee,
            election_elapsed: self.raft.election_elapsed,
            randomized_election_timeout: self.raft.randomized_election_timeout,
        }
    }

    /// The node's state, its configuration and, on a leader, its members' progress.
    pub fn status(&self) -> Status {
        let is_leader = self.raft.role == Role::Leader;
        let progress = self.raft.tracker.progress.iter().filter(|_| is_leader);
        Status {
            basic: self.basic_status(),
            config: self.raft.tracker.config.clone(),
            progress: progress.map(|(id, progress)| (id, progress.clone())).collect(),
        }
    }

    /// What the leader knows of a member.
    pub fn progress(&self, id: NodeId) -> Option<&Progress> {
        self.raft.tracker.progress.get(id)
    }

    /// The configuration in force, as snapshots carry it.
    pub fn conf_state(&self) -> ConfState {
        self.raft.tracker.config.conf_state()
    }

    /// Read access to the log.
    pub fn log(&self) -> LogView<'_, S, L> {
        LogView { log: &self.raft.log }
    }

    /// Where log lines go.
    pub fn logger(&self) -> &L {
        &self.raft.log.logger
    }

    /// Sets how many ticks start the next election, for tests that need it exact.
    pub fn set_randomized_election_timeout(&mut self, ticks: u32) {
        self.raft.randomized_election_timeout = ticks;
    }
}

fn addition(peer: &Peer) -> ConfChange {
    ConfChange {
        id: 0,
        change_type: ConfChangeType::AddNode,
        node_id: peer.id,
        context: peer.context.clone(),
    }
}

fn entry_of(change: &ConfChange, index: u64) -> Entry {
    Entry { entry_type: EntryType::ConfChange, term: 1, index, data: change.encode() }
}

/// The log of a node as a viewer sees it.
#[derive(Debug)]
pub struct LogView<'a, S, L> {
    log: &'a crate::log::RaftLog<S, L>,
}

impl<S: Storage, L: Logger> LogView<'_, S, L> {
    /// The first index that is there.
    pub fn first_index(&self) -> Result<u64> {
        self.log.first_index()
    }

    /// The last index, unstable entries included.
    pub fn last_index(&self) -> Result<u64> {
        Ok(self.log.last_index())
    }

    /// The last entry's term and index.
    pub fn last_id(&self) -> Result<EntryId> {
        Ok(self.log.last_id())
    }

    /// Term and index before the first entry.
    pub fn sentinel(&self) -> Result<EntryId> {
        let index = self.log.first_index()? - 1;
        Ok(EntryId { term: self.log.term(index)?, index })
    }

    /// The highest index known to be committed.
    pub fn committed(&self) -> u64 {
        self.log.committed
    }

    /// The highest index handed out for applying.
    pub fn applying(&self) -> u64 {
        self.log.applying
    }

    /// The highest index that was applied.
    pub fn applied(&self) -> u64 {
        self.log.applied
    }

    /// Entries from this index on are not known to be durable.
    pub fn unstable_offset(&self) -> u64 {
        self.log.unstable.offset()
    }

    /// Unstable entries from this index on were not handed out for writing yet.
    pub fn unstable_offset_in_progress(&self) -> u64 {
        self.log.unstable.offset_in_progress()
    }

    /// The term at an index, sentinel included.
    pub fn term(&self, index: u64) -> Result<u64> {
        self.log.term(index)
    }

    /// The entry at an index, if it is there.
    pub fn entry(&self, index: u64) -> Option<Entry> {
        if let Some(entry) = self.log.unstable.entry(index) {
            return Some(entry.clone());
        }
        self.log.slice(index, index + 1, u64::MAX).ok()?.first().cloned()
    }

    /// Entries `lo..hi`, as far as they fit in `max_size` encoded bytes, at least one.
    pub fn entries(&self, lo: u64, hi: u64, max_size: u64) -> Result<Vec<Entry>> {
        Ok(self.log.slice(lo, hi, max_size)?.to_vec())
    }
}
