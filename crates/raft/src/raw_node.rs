//! The interface of one node: what goes in, and its state to look at. What comes out is in
//! `output.rs`.

use std::borrow::BorrowMut;

use bytes::Bytes;

use crate::conf_change::{AnyConfChange, ConfChange, ConfChangeType, ConfChangeV2, Proposed};
use crate::config::{Config, Randomness};
use crate::entries::Entries;
use crate::error::{Error, Result};
use crate::log_view::LogView;
use crate::logger::{Logger, Silent};
use crate::message::{Message, MessageType, is_local_thread};
use crate::progress::Progress;
use crate::raft::Raft;
use crate::ready::{Applied, Stored};
use crate::status::{BasicStatus, Status};
use crate::storage::Storage;
use crate::tracker::Config as GroupConfig;
use crate::types::{ConfState, Entry, EntryType, HardState, NONE, NodeId, Role, SoftState};
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
/// Invariants: without asynchronous writes, every [`Ready`](crate::Ready) is advanced before the
/// next is taken.
#[derive(Clone, Debug)]
pub struct RawNode<S, R, L = Silent> {
    pub(crate) raft: Raft<S, R, L>,
    /// What the last [`Ready`](crate::Ready) that had them said of the states.
    pub(crate) told_soft_state: SoftState,
    pub(crate) told_hard_state: HardState,
    /// What the node answers itself when the accepted [`Ready`](crate::Ready) was carried out,
    pub(crate) own_answers: Vec<Message>,
    /// what is durable then,
    pub(crate) stored: Stored,
    /// and what is applied.
    pub(crate) applied: Applied,
    /// Whether a [`Ready`](crate::Ready) was accepted and not yet advanced.
    pub(crate) in_advance: bool,
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
            told_soft_state: raft.soft_state(),
            told_hard_state: raft.hard_state(),
            raft,
            own_answers: Vec::new(),
            stored: Stored::default(),
            applied: Applied::default(),
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
        self.told_hard_state = HardState::default();
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
        self.raft.start_election()
    }

    /// Takes a message from another member, or, with asynchronous storage writes, the answers of
    /// this node's own storage threads.
    ///
    /// Whoever takes messages from a network sees to it that `from` is who sent it: an answer of a
    /// storage thread, or of this node to itself, is believed. Otherwise any message may come here.
    /// One that makes no sense is [`Error::InvalidMessage`], [`Error::StepLocalMsg`] or
    /// [`Error::StepPeerNotFound`] and changes nothing; one whose claims contradict what is
    /// committed here is [`Error::Fatal`], as it is for a real server.
    ///
    /// The message may be lent: what the node keeps of it is taken out of it.
    pub fn step(&mut self, mut message: impl BorrowMut<Message>) -> Result<()> {
        let message = message.borrow_mut();
        match self.raft.routine(message) {
            Some(kind) if message.from != self.raft.id => self.raft.step_routine(kind, message),
            _ => self.step_checked(message),
        }
    }

    /// Takes a message of whatever kind, after every check.
    #[inline(never)]
    fn step_checked(&mut self, message: &mut Message) -> Result<()> {
        let from_thread = is_local_thread(message.from);
        if message.msg_type.is_local() || from_thread {
            let is_answer = matches!(
                message.msg_type,
                MessageType::StorageAppendResp | MessageType::StorageApplyResp
            );
            if !(from_thread && is_answer && self.raft.async_storage_writes) {
                return Err(Error::StepLocalMsg);
            }
        }
        if message.msg_type.is_response()
            && !from_thread
            && !self.raft.tracker.progress.contains(message.from)
        {
            return Err(Error::StepPeerNotFound);
        }
        validate::check(message)?;
        validate::check_sender(message, self.raft.id, self.raft.async_storage_writes)?;
        self.raft.step(message)
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
        if self.raft.role == Role::Leader {
            return self.raft.handle_proposal(entry.into());
        }
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

    /// The durable part of the log.
    pub fn storage(&self) -> &S {
        &self.raft.log.storage
    }

    /// The durable part of the log, to write to.
    pub fn storage_mut(&mut self) -> &mut S {
        &mut self.raft.log.storage
    }

    /// The node's own state; nothing is allocated.
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

    /// The node's state, its configuration and, on a leader, its members' progress, copied; what is
    /// looked at often is read in place by the calls that follow.
    pub fn status(&self) -> Status {
        let is_leader = self.raft.role == Role::Leader;
        let progress = self.members().filter(|_| is_leader);
        Status {
            basic: self.basic_status(),
            config: self.config().clone(),
            progress: progress.map(|(id, progress)| (id, progress.clone())).collect(),
        }
    }

    /// The configuration in force.
    pub fn config(&self) -> &GroupConfig {
        &self.raft.tracker.config
    }

    /// What the leader knows of each member, by ascending id.
    pub fn members(&self) -> impl Iterator<Item = (NodeId, &Progress)> {
        self.raft.tracker.progress.iter()
    }

    /// What the leader knows of a member.
    pub fn progress(&self, id: NodeId) -> Option<&Progress> {
        self.raft.tracker.progress.get(id)
    }

    /// The configuration in force, as snapshots carry it.
    pub fn conf_state(&self) -> ConfState {
        self.config().conf_state()
    }

    /// Read access to the log.
    pub fn log(&self) -> LogView<'_, S, L> {
        LogView { log: &self.raft.log }
    }

    /// Where log lines go.
    pub fn logger(&self) -> &L {
        &self.raft.log.logger
    }

    /// Sets how many ticks without a leader start the next election, in place of what was drawn:
    /// where one member shall be the first to campaign.
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
