//! One node: its state, its roles and the ticks that move them. What each role does with a message
//! is in `election`, `leader`, `follower`, `reads`, `transfer` and `membership`.

use crate::bugs::{Bug, Bugs};
use crate::changer;
use crate::config::{Config, Randomness};
use crate::entries::Entries;
use crate::error::{Error, Result, fatal};
use crate::log::RaftLog;
use crate::logger::{Logger, log};
use crate::message::{Message, MessageType, PROMISE};
use crate::progress::Progress;
use crate::read_only::{ReadOnly, ReadState};
use crate::storage::{Storage, payload_size};
use crate::tracker::Tracker;
use crate::types::{Entry, EntryId, EntryType, HardState, NONE, NodeId, Role, SoftState};
use crate::validate::MAX_NUMBER;

/// One node of a group.
///
/// Invariants: term and commit index never go back; at most one vote a term; a leader's log is
/// only appended to; only a leader has `lead_transferee`.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of its own, named as upstream")]
pub(crate) struct Raft<S, R, L> {
    pub(crate) id: NodeId,
    pub(crate) term: u64,
    pub(crate) vote: NodeId,
    pub(crate) role: Role,
    pub(crate) lead: NodeId,
    pub(crate) is_learner: bool,
    pub(crate) log: RaftLog<S, L>,
    pub(crate) tracker: Tracker,

    /// With `coalesce_appends`: the followers are to be told of what is new.
    pub(crate) appends_due: bool,
    /// To be sent at once.
    pub(crate) messages: Vec<Message>,
    /// To be sent when what is appended now is durable; with asynchronous storage writes, also to
    /// this node.
    pub(crate) messages_after_append: Vec<Message>,
    /// Those to this node, without asynchronous storage writes.
    pub(crate) own_answers: Vec<Message>,
    pub(crate) read_states: Vec<ReadState>,

    pub(crate) read_only: ReadOnly,
    /// Reads that came before the first commit of the leader's term. As upstream's they outlive its
    /// office: should it lead again, what is committed then answers them.
    pub(crate) pending_reads: Vec<Message>,
    pub(crate) lead_transferee: NodeId,
    /// Configuration changes are refused until this index is applied.
    pub(crate) pending_conf_index: u64,
    uncommitted_size: u64,

    heartbeat_elapsed: u32,
    pub(crate) election_elapsed: u32,
    pub(crate) randomized_election_timeout: u32,
    randomness: R,

    heartbeat_timeout: u32,
    pub(crate) election_timeout: u32,
    pub(crate) max_message_size: u64,
    max_uncommitted_size: u64,
    pub(crate) async_storage_writes: bool,
    pub(crate) check_quorum: bool,
    pub(crate) pre_vote: bool,
    pub(crate) disable_proposal_forwarding: bool,
    pub(crate) disable_conf_change_validation: bool,
    pub(crate) step_down_on_removal: bool,
    pub(crate) coalesce_appends: bool,
    pub(crate) bugs: Bugs,
}

impl<S: Storage, R: Randomness, L: Logger> Raft<S, R, L> {
    /// A follower in the state that storage remembers.
    pub(crate) fn new(config: &Config, storage: S, randomness: R, logger: L) -> Result<Self> {
        let (hard_state, conf_state) = storage.initial_state()?;
        let log = RaftLog::new(storage, logger, config.max_committed_size_per_ready)?;
        let mut raft = Self::unconfigured(config, log, randomness);
        let last = raft.log.last_id();
        let members = changer::restore(raft.tracker.clone(), last.index, &conf_state)
            .map_err(|error| Error::Fatal(error.to_string()))?;
        raft.switch_to(members, &conf_state)?;
        if !hard_state.is_empty() {
            raft.load_state(hard_state)?;
        }
        if config.applied > 0 {
            raft.log.applied_to(config.applied, 0)?;
        }
        raft.become_follower(raft.term, NONE);
        raft.log_start(last);
        Ok(raft)
    }

    fn unconfigured(config: &Config, log: RaftLog<S, L>, randomness: R) -> Self {
        Self {
            id: config.id,
            term: 0,
            vote: NONE,
            role: Role::Follower,
            lead: NONE,
            is_learner: false,
            log,
            tracker: Tracker::new(config.max_inflight_msgs, config.max_inflight_bytes),
            appends_due: false,
            messages: Vec::new(),
            messages_after_append: Vec::new(),
            own_answers: Vec::new(),
            read_states: Vec::new(),
            read_only: ReadOnly::new(config.read_only_option),
            pending_reads: Vec::new(),
            lead_transferee: NONE,
            pending_conf_index: 0,
            uncommitted_size: 0,
            heartbeat_elapsed: 0,
            election_elapsed: 0,
            randomized_election_timeout: 0,
            randomness,
            heartbeat_timeout: config.heartbeat_tick,
            election_timeout: config.election_tick,
            max_message_size: config.max_size_per_msg,
            max_uncommitted_size: config.max_uncommitted_entries_size,
            async_storage_writes: config.async_storage_writes,
            check_quorum: config.check_quorum,
            pre_vote: config.pre_vote,
            disable_proposal_forwarding: config.disable_proposal_forwarding,
            disable_conf_change_validation: config.disable_conf_change_validation,
            step_down_on_removal: config.step_down_on_removal,
            coalesce_appends: config.coalesce_appends,
            bugs: config.bugs,
        }
    }

    fn load_state(&mut self, state: HardState) -> Result<()> {
        let (committed, last) = (self.log.committed, self.log.last_index());
        if state.term > MAX_NUMBER {
            fatal!("{:x} state.term {} is out of range", self.id, state.term);
        }
        if state.commit < committed || state.commit > last {
            let (id, commit) = (self.id, state.commit);
            fatal!("{id:x} state.commit {commit} is out of range [{committed}, {last}]");
        }
        self.log.committed = state.commit;
        self.term = state.term;
        self.vote = state.vote;
        Ok(())
    }

    fn log_start(&self, last: EntryId) {
        log!(
            self.log.logger,
            Info,
            "newRaft {:x} [peers: [{}], term: {}, commit: {}, applied: {}, lastindex: {}, \
             lastterm: {}]",
            self.id,
            self.voters_in_hex(),
            self.term,
            self.log.committed,
            self.log.applied,
            last.index,
            last.term
        );
    }

    fn voters_in_hex(&self) -> String {
        let ids: Vec<_> =
            self.tracker.config.voters.ids().iter().map(|id| format!("{id:x}")).collect();
        ids.join(",")
    }

    pub(crate) fn hard_state(&self) -> HardState {
        HardState { term: self.term, vote: self.vote, commit: self.log.committed }
    }

    pub(crate) fn soft_state(&self) -> SoftState {
        SoftState { lead: self.lead, role: self.role }
    }

    /// Answers to entries that the log has everything up to `index`, once that is durable.
    pub(crate) fn acknowledge(&mut self, to: NodeId, index: u64) {
        let (from, term) = (self.id, self.term);
        let response =
            move || Message { to, from, term, index, ..Message::new(MessageType::AppResp) };
        push_built(self.promises_to(to), response);
    }

    /// Where messages to a node wait that vouch for what is not durable yet.
    #[inline]
    fn promises_to(&mut self, to: NodeId) -> &mut Vec<Message> {
        if to == self.id && !self.async_storage_writes {
            &mut self.own_answers
        } else {
            &mut self.messages_after_append
        }
    }

    /// Sends now, or, where the message vouches for something, once that is durable.
    pub(crate) fn send(&mut self, mut message: Message) {
        if message.from == NONE {
            message.from = self.id;
        }
        let msg_type = message.msg_type;
        if matches!(
            msg_type,
            MessageType::Vote
                | MessageType::VoteResp
                | MessageType::PreVote
                | MessageType::PreVoteResp
        ) {
            // Pre-votes are of a term that is not the node's own; so campaigns set it themselves.
            assert!(message.term != 0, "term should be set when sending {msg_type}");
        } else {
            assert!(message.term == 0, "term should not be set when sending {msg_type}");
            // What is forwarded to the leader is of no term.
            if !matches!(msg_type, MessageType::Prop | MessageType::ReadIndex) {
                message.term = self.term;
            }
        }
        if msg_type.is(PROMISE) {
            self.promises_to(message.to).push(message);
        } else {
            assert!(message.to != self.id, "message should not be self-addressed: {msg_type}");
            self.messages.push(message);
        }
    }

    /// A new term, or a new role in the same one.
    fn reset(&mut self, term: u64) {
        assert!(term >= self.term, "the term never goes back");
        if self.term != term {
            self.term = term;
            self.vote = NONE;
        }
        self.lead = NONE;
        self.election_elapsed = 0;
        self.heartbeat_elapsed = 0;
        self.randomized_election_timeout =
            self.election_timeout + self.randomness.below(self.election_timeout);
        self.abort_leader_transfer();
        self.tracker.reset_votes();
        self.reset_progress();
        self.pending_conf_index = 0;
        self.uncommitted_size = 0;
        self.appends_due = false;
        self.read_only = ReadOnly::new(self.read_only.option);
    }

    fn reset_progress(&mut self) {
        let last = self.log.last_index();
        let inflights = self.tracker.inflights();
        for (id, progress) in self.tracker.progress.iter_mut() {
            *progress = Progress::new(last + 1, inflights.clone(), progress.is_learner);
            if id == self.id {
                progress.match_index = last;
            }
        }
    }

    pub(crate) fn become_follower(&mut self, term: u64, lead: NodeId) {
        self.reset(term);
        self.lead = lead;
        self.role = Role::Follower;
        log!(self.log.logger, Info, "{:x} became follower at term {}", self.id, self.term);
    }

    pub(crate) fn become_candidate(&mut self) {
        assert!(self.role != Role::Leader, "invalid transition [leader -> candidate]");
        self.reset(self.term + 1);
        self.vote = self.id;
        self.role = Role::Candidate;
        log!(self.log.logger, Info, "{:x} became candidate at term {}", self.id, self.term);
    }

    /// Asking costs nothing: neither term nor vote changes.
    pub(crate) fn become_pre_candidate(&mut self) {
        assert!(self.role != Role::Leader, "invalid transition [leader -> pre-candidate]");
        self.tracker.reset_votes();
        self.lead = NONE;
        self.role = Role::PreCandidate;
        log!(self.log.logger, Info, "{:x} became pre-candidate at term {}", self.id, self.term);
    }

    pub(crate) fn become_leader(&mut self) -> Result<()> {
        assert!(self.role != Role::Follower, "invalid transition [follower -> leader]");
        self.reset(self.term);
        self.lead = self.id;
        self.role = Role::Leader;
        let own = self.tracker.progress.get_mut(self.id);
        let own = own.expect("a leader is a member of its configuration");
        own.become_replicate();
        own.recent_active = true;
        // There may be a change among the uncommitted entries: wait until all are applied.
        if !self.bugs.has(Bug::ChangeBeforeCommit) {
            self.pending_conf_index = self.log.last_index();
        }
        // Raft 8: an entry of the new term, without which earlier ones are not known committed.
        let (term, index) = (self.term, self.log.last_index() + 1);
        let accepted = self.append_entries(Entry { term, index, ..Entry::default() }.into())?;
        assert!(accepted, "an entry without payload is within every limit");
        log!(self.log.logger, Info, "{:x} became leader at term {}", self.id, self.term);
        Ok(())
    }

    /// Appends to the leader's own log; refuses what is beyond the limit of uncommitted bytes.
    #[inline]
    pub(crate) fn append_entries(&mut self, entries: Entries) -> Result<bool> {
        if !self.increase_uncommitted_size(&entries) {
            log!(
                self.log.logger,
                Warning,
                "{:x} appending new entries to log would exceed uncommitted entry size limit; \
                 dropping proposal",
                self.id
            );
            return Ok(false);
        }
        let index = self.log.append(entries)?;
        // The leader's own log counts towards the quorum like any other: once it is durable.
        self.acknowledge(self.id, index);
        if self.bugs.has(Bug::OwnAppendNotAwaited) {
            let own = self.tracker.progress.get_mut(self.id);
            own.expect("a leader is a member of its configuration").maybe_update(index);
            self.maybe_commit()?;
        }
        Ok(true)
    }

    /// The first entry is let through whatever its size, and an empty one always.
    fn increase_uncommitted_size(&mut self, entries: &[Entry]) -> bool {
        let size = payload_size(entries);
        let total = self.uncommitted_size.saturating_add(size);
        if self.uncommitted_size > 0 && size > 0 && total > self.max_uncommitted_size {
            return false;
        }
        self.uncommitted_size = total;
        true
    }

    pub(crate) fn reduce_uncommitted_size(&mut self, size: u64) {
        // A new leader does not know the size of what it inherited.
        self.uncommitted_size = self.uncommitted_size.saturating_sub(size);
    }

    /// Raft 5.3, 5.4.2: commits what a quorum has, if it is of the current term.
    #[inline]
    pub(crate) fn maybe_commit(&mut self) -> Result<bool> {
        let Some(index) = self.tracker.committed_beyond(self.log.committed) else {
            return Ok(false);
        };
        if self.bugs.has(Bug::CommitPriorTerm) {
            let term = self.log.term_if_known(index)?.unwrap_or(0);
            return self.log.maybe_commit(EntryId { term, index });
        }
        self.log.maybe_commit(EntryId { term: self.term, index })
    }

    /// Entries up to `index` were applied; the leader then leaves a joint configuration that is
    /// to be left automatically.
    #[inline]
    pub(crate) fn applied_to(&mut self, index: u64, size: u64) -> Result<()> {
        let index = index.max(self.log.applied);
        self.log.applied_to(index, size)?;
        if self.tracker.config.auto_leave
            && index >= self.pending_conf_index
            && self.role == Role::Leader
        {
            self.propose_to_leave_joint()?;
        }
        Ok(())
    }

    /// The proposal may be dropped while leadership is transferred; each applied entry tries anew.
    fn propose_to_leave_joint(&mut self) -> Result<()> {
        let leave = Entry { entry_type: EntryType::ConfChangeV2, ..Entry::default() };
        let mut proposal = Message { entries: leave.into(), ..Message::new(MessageType::Prop) };
        let config = self.tracker.config.clone();
        match self.step(&mut proposal) {
            Ok(()) => {
                log!(
                    self.log.logger,
                    Info,
                    "initiating automatic transition out of joint configuration {config}"
                );
                Ok(())
            }
            Err(error @ Error::Fatal(_)) => Err(error),
            Err(error) => {
                log!(
                    self.log.logger,
                    Debug,
                    "not initiating automatic transition out of joint configuration {config}: \
                     {error}"
                );
                Ok(())
            }
        }
    }

    /// The snapshot at `index` is durable and applied.
    pub(crate) fn applied_snapshot(&mut self, index: u64) -> Result<()> {
        self.log.unstable.stable_snapshot_to(index);
        self.applied_to(index, 0)
    }

    /// Raft 5.2, 5.6: time passes; a leader sends heartbeats, anyone else waits for one.
    pub(crate) fn tick(&mut self) -> Result<()> {
        match self.role {
            Role::Leader => {
                self.tick_heartbeat();
                Ok(())
            }
            Role::Follower | Role::Candidate | Role::PreCandidate => self.tick_election(),
        }
    }

    fn tick_election(&mut self) -> Result<()> {
        self.election_elapsed = self.election_elapsed.saturating_add(1);
        if self.is_promotable() && self.election_elapsed >= self.randomized_election_timeout {
            self.election_elapsed = 0;
            self.start_election()?;
        }
        Ok(())
    }

    fn tick_heartbeat(&mut self) {
        self.heartbeat_elapsed += 1;
        self.election_elapsed = self.election_elapsed.saturating_add(1);
        if self.election_elapsed >= self.election_timeout {
            self.election_elapsed = 0;
            if self.check_quorum {
                self.check_quorum_is_active();
            }
            // A transfer that takes longer has failed: the leader goes on.
            if self.role == Role::Leader {
                self.abort_leader_transfer();
            }
        }
        if self.role == Role::Leader && self.heartbeat_elapsed >= self.heartbeat_timeout {
            self.heartbeat_elapsed = 0;
            self.broadcast_heartbeat(&self.read_only.last_context());
        }
    }

    /// Whether the node may become leader: a voter that has its snapshot.
    pub(crate) fn is_promotable(&self) -> bool {
        let own = self.tracker.progress.get(self.id);
        own.is_some_and(|progress| !progress.is_learner) && !self.log.has_snapshot()
    }

    pub(crate) fn abort_leader_transfer(&mut self) {
        self.lead_transferee = NONE;
    }
}

/// Pushes a message that is built where it will lie. Built elsewhere by stores of a few bytes and
/// then moved in larger ones, it would keep the processor waiting for the stores.
#[inline]
pub(crate) fn push_built(
    messages: &mut Vec<Message>,
    build: impl FnOnce() -> Message,
) -> &mut Message {
    messages.extend(std::iter::once_with(build));
    messages.last_mut().expect("one was pushed")
}
