//! The check of members against each other: one whose history is another one than the others' is
//! found out.
//!
//! ```text
//! a boot     own hash ─ the others, one by one ─→ one differs: the server does not start
//! a leader   every so often: own hash ─ the others ─ a linearizable read ─→ own hash again
//!            ─→ one differs, or is ahead: alarm CORRUPT in its name
//! ```
//!
//! Hashes are compared only where they were taken at the same revision with the same compact
//! revision; whoever does not answer is passed over. A boot asks those members that its snapshot
//! names: before the first snapshot it asks nobody. Members answer at once; one that does not run
//! yet refuses, as a port that nobody listens on.
//!
//! Both checks are off unless [`super::ServerConfig`] turns them on. Source: etcd release-3.4,
//! `etcdserver/corrupt.go`, `embed/etcd.go` (`StartEtcd`).

use serde::{Deserialize, Serialize};

use super::proposals::Proposer;
use super::reads::{Ask, Read};
use super::running::Running;
use super::{Effects, Fatal, Input, ServerEvent};
use crate::mvcc::HashKv;
use crate::proto::etcdserverpb::InternalRaftRequest;
use crate::request::{AlarmAction, AlarmChange, AlarmKind, RequestId};

/// What one member asks another, and what that answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashMessage {
    /// Who says it.
    pub from: u64,
    /// Who is to hear it.
    pub to: u64,
    /// The revision up to which the history is hashed.
    pub revision: i64,
    /// The question, or its answer.
    pub says: HashSays,
}

/// A question for a hash, or its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HashSays {
    /// What is your hash?
    Ask,
    /// This.
    Is(HashKv),
    /// There is none: the revision is compacted, not there yet, or the server does not run.
    Refused,
}

impl HashMessage {
    fn answer(self, says: HashSays) -> HashMessage {
        HashMessage { from: self.to, to: self.from, revision: self.revision, says }
    }
}

/// Answers for a server that does not run yet.
pub(super) fn refuse(message: HashMessage, effects: &mut Effects) {
    if message.says == HashSays::Ask {
        effects.hashes.push(message.answer(HashSays::Refused));
    }
}

/// A round of questions to the other members, one after the other.
#[derive(Debug, Clone)]
pub(super) struct Round {
    member_id: u64,
    own: HashKv,
    timeout_ns: u64,
    /// Those that were not asked yet, the next one last.
    left: Vec<u64>,
    /// Who is asked, and until when.
    asked: Option<(u64, u64)>,
    answers: Vec<(u64, HashKv)>,
}

impl Round {
    fn of(running: &Running) -> Round {
        let own = running.applier.store().hash_kv(0).expect("the current revision is there");
        let members = running.applier.cluster().members().map(|member| member.id);
        let mut left: Vec<u64> = members.filter(|id| *id != running.member_id).collect();
        left.reverse();
        let timeout_ns = running.config.request_timeout_ns();
        let member_id = running.member_id;
        Round { member_id, own, timeout_ns, left, asked: None, answers: Vec::new() }
    }

    /// Asks the next member, unless one is being asked. Whether all were.
    fn is_over(&mut self, now_ns: u64, effects: &mut Effects) -> bool {
        if self.asked.is_some_and(|(_, deadline_ns)| deadline_ns <= now_ns) {
            self.asked = None;
        }
        if self.asked.is_none()
            && let Some(to) = self.left.pop()
        {
            self.asked = Some((to, now_ns + self.timeout_ns));
            let (from, revision) = (self.member_id, self.own.revision);
            effects.hashes.push(HashMessage { from, to, revision, says: HashSays::Ask });
        }
        self.asked.is_none()
    }

    /// Takes an answer; one to another question is late.
    fn take(&mut self, message: &HashMessage) {
        let is_it = self.asked.is_some_and(|(id, _)| id == message.from);
        if !is_it || message.revision != self.own.revision || message.says == HashSays::Ask {
            return;
        }
        self.asked = None;
        if let HashSays::Is(found) = message.says {
            self.answers.push((message.from, found));
        }
    }

    /// A member cannot be reached.
    fn lost(&mut self, id: u64) {
        self.asked.take_if(|asked| asked.0 == id);
    }

    /// Members whose hash cannot be that of the same history.
    fn differing(&self) -> impl Iterator<Item = u64> {
        let differs = |found: &HashKv| {
            found.hash != self.own.hash && found.compact_revision == self.own.compact_revision
        };
        self.answers.iter().filter(move |(_, found)| differs(found)).map(|(id, _)| *id)
    }
}

/// A server that has read its disk and asks the others before it starts.
#[derive(Debug, Clone)]
pub(super) struct Checking {
    running: Box<Running>,
    round: Round,
    /// What it has to tell of its boot, once it is up.
    boot: Vec<ServerEvent>,
}

/// What became of it.
pub(super) enum Checked {
    Checking(Box<Checking>),
    Passed(Box<Running>),
}

impl Checking {
    /// Begins to ask.
    pub(super) fn begin(
        running: Box<Running>,
        now_ns: u64,
        effects: &mut Effects,
    ) -> Result<Checked, Fatal> {
        let (round, boot) = (Round::of(&running), std::mem::take(&mut effects.trace));
        Box::new(Checking { running, round, boot }).go_on(now_ns, effects)
    }

    /// Takes what comes meanwhile; clients and messages find nobody yet.
    pub(super) fn step(
        mut self: Box<Self>,
        now_ns: u64,
        input: &Input,
        effects: &mut Effects,
    ) -> Result<Checked, Fatal> {
        match input {
            Input::Hash(message) if message.says == HashSays::Ask => refuse(*message, effects),
            Input::Hash(message) => self.round.take(message),
            Input::Unreachable(id) => self.round.lost(*id),
            Input::Boot
            | Input::Tick
            | Input::Message(_)
            | Input::Synced(_)
            | Input::SyncFailed(..)
            | Input::Request { .. }
            | Input::Watch { .. }
            | Input::Removed
            | Input::Snapshot(_)
            | Input::SnapshotStatus(_) => {}
        }
        self.go_on(now_ns, effects)
    }

    fn go_on(mut self: Box<Self>, now_ns: u64, effects: &mut Effects) -> Result<Checked, Fatal> {
        if !self.round.is_over(now_ns, effects) {
            return Ok(Checked::Checking(self));
        }
        if self.round.differing().next().is_some() {
            let id = self.running.member_id;
            return Err(Fatal { reason: format!("{id:x} found data inconsistency with peers") });
        }
        effects.trace.append(&mut self.boot);
        Ok(Checked::Passed(self.running))
    }
}

/// The periodic check.
#[derive(Debug, Clone)]
pub(super) struct Corruption {
    /// When the next one begins.
    next_ns: u64,
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    Idle,
    Asking(Round),
    /// The others have answered, and a read is under way.
    Reading(Round),
}

impl Corruption {
    pub(super) fn at_start(now_ns: u64, interval_ns: Option<u64>) -> Corruption {
        let next_ns = now_ns.saturating_add(interval_ns.unwrap_or(0));
        Corruption { next_ns, state: State::Idle }
    }
}

impl Running {
    /// Begins a check when its time has come, and goes on with one that is under way.
    pub(super) fn check_members(&mut self, now_ns: u64, effects: &mut Effects) {
        let Some(interval_ns) = self.config.corrupt_check_ns else { return };
        let is_due = now_ns >= self.corruption.next_ns;
        match std::mem::replace(&mut self.corruption.state, State::Idle) {
            State::Idle if is_due && self.is_leader() && self.is_serving => {
                self.go_on_checking(Round::of(self), now_ns, effects);
            }
            State::Idle if is_due => self.corruption.next_ns = now_ns + interval_ns,
            State::Idle => {}
            State::Asking(round) => self.go_on_checking(round, now_ns, effects),
            state @ State::Reading(_) => self.corruption.state = state,
        }
    }

    fn go_on_checking(&mut self, mut round: Round, now_ns: u64, effects: &mut Effects) {
        if !round.is_over(now_ns, effects) {
            self.corruption.state = State::Asking(round);
            return;
        }
        self.corruption.state = State::Reading(round);
        self.reads.push(Read { client: RequestId(0), ask: Ask::Corruption });
    }

    /// Answers another member, or takes its answer.
    pub(super) fn hear_hash(&mut self, now_ns: u64, message: HashMessage, effects: &mut Effects) {
        if message.says == HashSays::Ask {
            let found = self.applier.store().hash_kv(message.revision);
            effects.hashes.push(message.answer(found.map_or(HashSays::Refused, HashSays::Is)));
        } else if let State::Asking(round) = &mut self.corruption.state {
            round.take(&message);
            self.check_members(now_ns, effects);
        }
    }

    /// A member cannot be reached: it is passed over.
    pub(super) fn hash_lost(&mut self, now_ns: u64, id: u64, effects: &mut Effects) {
        if let State::Asking(round) = &mut self.corruption.state {
            round.lost(id);
            self.check_members(now_ns, effects);
        }
    }

    /// The read that a check waits for has failed: the check is over.
    pub(super) fn check_failed(&mut self, now_ns: u64) {
        let interval_ns = self.config.corrupt_check_ns.unwrap_or(0);
        self.corruption = Corruption::at_start(now_ns, Some(interval_ns));
    }

    /// Everything that the others may have applied is applied here: judges their answers.
    pub(super) fn judge(&mut self, now_ns: u64, effects: &mut Effects) {
        let State::Reading(round) = std::mem::replace(&mut self.corruption.state, State::Idle)
        else {
            return;
        };
        self.check_failed(now_ns);
        let Ok(now) = self.applier.store().hash_kv(0) else { return };
        let own = round.own;
        let is_own_wrong = now.hash != own.hash
            && (now.revision, now.compact_revision) == (own.revision, own.compact_revision);
        let is_ahead = |found: &HashKv| {
            found.revision > now.revision || found.compact_revision > now.compact_revision
        };
        let differs = |(id, found): &(u64, HashKv)| {
            is_ahead(found) || round.differing().any(|differing| differing == *id)
        };
        let member = is_own_wrong.then_some(self.member_id);
        let others = || round.answers.iter().find(|answer| differs(answer)).map(|(id, _)| *id);
        if let Some(member) = member.or_else(others) {
            effects.trace.push(ServerEvent::CorruptionFound { member });
            self.raise_corrupt(now_ns, member);
        }
    }

    /// Proposes the alarm; one that cannot be proposed now is raised by the next check.
    fn raise_corrupt(&mut self, now_ns: u64, member_id: u64) {
        let (action, alarm) = (AlarmAction::Activate, AlarmKind::Corrupt);
        let alarm = Some(AlarmChange { action, member_id, alarm }.into());
        let request = InternalRaftRequest { alarm, ..InternalRaftRequest::default() };
        let _refused = self.propose_v3(now_ns, request, Proposer::Alarm);
    }
}
