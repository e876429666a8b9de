//! The cluster's promises, looked at after every event.
//!
//! [`Checks`] sees everything that a world does (steps of servers, syncs, power cuts, what clients
//! asked and got), keeps what it needs of it (`shadow`), and reports a broken promise as a
//! [`Violation`]. It never changes the run. Each group of promises is a file; `promise` is the
//! one table of them all.
//!
//! ```text
//! shadow      each server's log, durable log and standing; the committed log
//!   ↓
//! elections · logs · membership · durability · store · lease · watch · clients · liveness
//!   ↓
//! Found       violations, and how often each promise was looked at
//! ```
//!
//! A check that saw nothing does not hold: its promise is *unknown*. What a check needs beyond its
//! bounds (a history that is too long to search) makes it unknown too, with the reason.
//!
//! A world that was resumed begins with empty checks: what happened before is not looked at again.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a check looks at the few kinds of things that it is about"
)]

mod clients;
mod durability;
mod elections;
pub mod history;
mod lease;
pub mod linearizability;
mod liveness;
mod logs;
mod membership;
mod model;
mod names;
mod promise;
mod shadow;
mod store;
mod told;
mod violation;
mod watch;

pub(crate) use liveness::PATIENCE_ELECTIONS;
pub use promise::{PROMISES, Promise, PromiseGroup, PromiseInfo};
pub use violation::{Found, State, Violation};

use std::sync::Arc;

use disk::Disk;
use etcd::server::ServerEvent as EtcdEvent;

use crate::machine::{
    Answer, AnswerBody, Certainty, Effects, KILLED, Machine, Message, ServerEvent, WatchAnswer,
    etcd_request,
};
use crate::scenario::{ClientCommand, Node, Watch};
use clients::Replay;
use durability::Durability;
use elections::Elections;
use history::{Asked, History};
use lease::Leases;
use liveness::Liveness;
use logs::Logs;
use membership::Membership;
pub(crate) use shadow::Excuse;
use shadow::{Log, Shadow, Shadows};
use store::Stores;
use watch::WatchChecks;

/// One input for one server, and what came of it.
pub(crate) struct Step<'a> {
    pub(crate) node: Node,
    pub(crate) machine: &'a Machine,
    pub(crate) effects: &'a Effects,
}

impl<'a> Step<'a> {
    fn messages(&self) -> impl Iterator<Item = (Node, &'a raft::Message)> + use<'a> {
        self.effects.messages.iter().filter_map(|(to, message)| match message {
            Message::Etcd(message) => Some((*to, message.as_ref())),
            Message::EtcdSnapshot(snapshot) => Some((*to, &snapshot.message)),
            Message::EtcdRemoved | Message::EtcdSnapshotStatus(_) | Message::EtcdHash(_) => None,
        })
    }

    fn disk(&self) -> &'a Disk {
        &self.machine.disk
    }
}

/// All checks of one world.
#[derive(Clone)]
pub struct Checks {
    found: Found,
    shadows: Shadows,
    elections: Elections,
    logs: Logs,
    membership: Membership,
    durability: Durability,
    stores: Stores,
    replay: Replay,
    leases: Leases,
    watches: WatchChecks,
    liveness: Liveness,
    history: History,
    is_finished: bool,
}

impl Checks {
    pub(crate) fn new(machines: &[Machine]) -> Checks {
        Checks {
            found: Found::new(),
            shadows: Shadows::new(machines),
            elections: Elections::default(),
            logs: Logs::default(),
            membership: Membership::default(),
            durability: Durability::default(),
            stores: Stores::default(),
            replay: Replay::new(),
            leases: Leases::default(),
            watches: WatchChecks::default(),
            liveness: Liveness::default(),
            history: History::default(),
            is_finished: false,
        }
    }

    /// What was found so far.
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// What clients saw, for the search of an order.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Everything from now on belongs to this event.
    pub(crate) fn begin_event(&mut self, event: u64, now_ns: u64) {
        self.found.event = event;
        self.found.now_ns = now_ns;
    }

    // ---- machines ----

    pub(crate) fn booted(&mut self, machine: &Machine) {
        self.shadows.of_mut(machine.node()).booted(machine.boots(), machine.member_id());
        self.liveness.disturbed();
    }

    /// A disk made something durable.
    pub(crate) fn synced(&mut self, machine: &Machine, succeeded: bool) {
        let shadow = self.shadows.of_mut(machine.node());
        shadow.settle(&machine.disk);
        shadow.sync_failed |= !succeeded;
    }

    /// The process ended by itself: of what, only a fault may be the reason.
    pub(crate) fn died(&mut self, machine: &Machine, reason: &str) {
        let node = machine.node();
        let shadow = self.shadows.of(node);
        let is_excused = shadow.excuse.is_some()
            || shadow.sync_failed
            || [KILLED, etcd::server::REMOVED].contains(&reason);
        self.found.look(Promise::Fatal, is_excused, &[node], 0, || format!("{node}: {reason}"));
        self.stopped(node, true);
    }

    pub(crate) fn power_cut(&mut self, node: Node) {
        self.stopped(node, false);
    }

    fn stopped(&mut self, node: Node, has_power: bool) {
        self.shadows.of_mut(node).stopped(has_power);
        self.elections.stopped(node);
        self.stores.stopped(node);
        self.liveness.disturbed();
    }

    /// Something was done to a disk that its server need not survive.
    pub(crate) fn excuse(&mut self, node: Node, excuse: Excuse) {
        let shadow = self.shadows.of_mut(node);
        shadow.excuse = shadow.excuse.max(Some(excuse));
        self.liveness.disturbed();
    }

    /// Its disk works again.
    pub(crate) fn mended(&mut self, node: Node) {
        let shadow = self.shadows.of_mut(node);
        shadow.excuse = shadow.excuse.filter(|excuse| *excuse == Excuse::ForGood);
    }

    /// Its disk was replaced by an empty one.
    pub(crate) fn wiped(&mut self, node: Node) {
        self.excuse(node, Excuse::ForGood);
        self.shadows.of_mut(node).durable = Log::default();
    }

    /// Something was done to the cluster.
    pub(crate) fn disturbed(&mut self) {
        self.liveness.disturbed();
    }

    /// A server did what an input made it do.
    pub(crate) fn after_step(&mut self, machine: &Machine, effects: &Effects) {
        let node = machine.node();
        let step = Step { node, machine, effects };
        self.shadows.follow(machine, &effects.trace);
        let Checks { shadows, found, .. } = self;
        if !shadows.of(node).is_up {
            return;
        }
        self.membership.after_step(shadows, &step, machine, found);
        let conf = self.membership.of(node);
        self.elections.after_step(shadows, &step, conf, found);
        self.durability.after_step(shadows, &step, &self.membership, found);
        self.logs.after_step(shadows, node, &self.membership, found);
        self.leases.before_replay(shadows.of(node), &step, machine);
        self.replay(machine);
        for ServerEvent::Etcd(event) in &effects.trace {
            if let EtcdEvent::Proposed { proposal_id, request: Some(request), .. } = event {
                self.replay.proposed(request.0, *proposal_id);
            }
        }
        let Checks { shadows, found, replay, stores, leases, .. } = self;
        stores.after_step(shadows.of(node), &step, machine, &replay.model, found);
        leases.after_step(shadows.of(node), &step, machine, found);
    }

    /// Replays what this server was the first to know committed.
    fn replay(&mut self, machine: &Machine) {
        let (from, to) = (self.replay.replayed(), self.shadows.committed.last_index());
        if from == to {
            return;
        }
        let entries = shadow::view(machine).map(|view| view.entries(from + 1..to + 1));
        for entry in entries.unwrap_or_default() {
            if entry.index != self.replay.replayed() + 1 {
                self.found.undecided(Promise::Replay, "an entry was compacted unseen".to_owned());
                return;
            }
            let data = (entry.entry_type == raft::EntryType::Normal).then_some(&entry.data);
            let placed = self.replay.replay(entry.index, data, &mut self.found);
            self.stores.replayed(self.replay.model.revision());
            if let Some(placed) = placed {
                let (model, found) = (&self.replay.model, &mut self.found);
                self.leases.replayed(entry.term, placed, model, found);
            }
        }
    }

    /// A message arrived and its receiver has taken it.
    pub(crate) fn received(&mut self, from: Node, to: Node, message: &Message) {
        let Message::Etcd(message) = message else { return };
        let Checks { shadows, membership, found, .. } = self;
        membership.received(shadows, from, to, message.msg_type, found);
    }

    /// Whether it is up to these servers alone who leads. It is not while all follow one that is
    /// none of them; nor while nobody leads, they are `hasty`, which is to campaign without asking
    /// first, and one of them could not win: as long as chance lets it come first, the others wait
    /// anew.
    pub(crate) fn is_on_its_own(&self, quorum: &[Node], hasty: bool) -> bool {
        let shadows = || quorum.iter().map(|node| self.shadows.of(*node));
        let is_one = |id: u64| shadows().any(|shadow| shadow.member_id == id);
        let follows_another = |shadow: &Shadow| shadow.now.lead != 0 && !is_one(shadow.now.lead);
        let log_end = |shadow: &Shadow| (shadow.now.last_term, shadow.now.last_index);
        let newest = shadows().map(log_end).max();
        let is_led = shadows().any(|shadow| shadow.now.leads());
        let all_could_win = shadows().all(|shadow| Some(log_end(shadow)) == newest);
        !shadows().all(follows_another) && (is_led || !hasty || all_could_win)
    }

    /// The servers of the quorum that is left alone, if there is one.
    pub(crate) fn look_at_quorum(&mut self, quorum: Vec<Node>, patience_ns: u64) {
        let Checks { shadows, liveness, membership, found, .. } = self;
        let best = quorum.iter().max_by_key(|node| shadows.of(**node).now.applied);
        let conf = best.and_then(|node| membership.of(*node));
        let is_in = |shadow: &Shadow| quorum.contains(&shadow.node);
        let is_quorum = conf.is_some_and(|conf| logs::has_quorum(shadows, conf, is_in));
        let quorum = if is_quorum { quorum } else { Vec::new() };
        liveness.look(shadows, quorum, patience_ns, found);
    }

    // ---- clients ----

    pub(crate) fn asked(&mut self, asked: &Asked<'_>) {
        self.replay.asked(asked.request, asked.retry_of);
        self.leases.asked(asked.request, self.replay.replayed());
        self.history.asked(asked);
    }

    pub(crate) fn answered(
        &mut self,
        node: Node,
        request: u64,
        command: &ClientCommand,
        answer: &Answer,
    ) {
        let Checks { shadows, found, replay, durability, membership, leases, .. } = self;
        if let AnswerBody::Etcd(reply) = &answer.body {
            leases.answered(node, request, reply, found);
        }
        let Some(asked) = etcd_request(command) else { return };
        replay.answered(node, request, &asked, answer, found);
        let is_done = answer.certainty == Certainty::Done && !command.is_read();
        if let Some(placed) = replay.placed(request).filter(|_| is_done) {
            durability.acknowledged(shadows, node, (request, placed.index), membership, found);
        }
    }

    pub(crate) fn ended(&mut self, node: Node, request: u64, answer: &Answer) {
        self.replay.ended(request, answer);
        self.leases.forget(request);
        self.history.ended(node, request, answer, &self.found);
    }

    /// A client asks to watch, for the first time or again after a break.
    pub(crate) fn watch_opened(
        &mut self,
        (watcher, stream): (u64, u64),
        node: Node,
        watch: &Arc<Watch>,
        from_revision: i64,
    ) {
        self.watches.opened((watcher, stream), node, watch, from_revision);
    }

    /// A client hears something on a watch stream.
    pub(crate) fn watch_heard(&mut self, stream: u64, answer: &WatchAnswer) {
        let WatchAnswer::Etcd(response) = answer;
        if self.replay.model.lost().is_none() {
            self.watches.heard(stream, response, &self.replay.model, &mut self.found);
        }
    }

    // ---- the end ----

    /// Whether an order explains what clients saw so far.
    pub(crate) fn linearizable(&self) -> Result<(), String> {
        let mut found = Found::new();
        self.history.decide(&mut found);
        match (found.violations().first(), found.state(Promise::Linearizable)) {
            (Some(violation), _) => Err(violation.detail.clone()),
            (None, State::Unknown { why }) => Err(why),
            (None, State::Holds { .. } | State::Broken { .. }) => Ok(()),
        }
    }

    /// What can only be said at the end of a run; looked at once.
    pub(crate) fn finish(&mut self, machines: &[Machine]) {
        if std::mem::replace(&mut self.is_finished, true) {
            return;
        }
        let Checks { found, shadows, stores, replay, .. } = self;
        for machine in machines {
            durability::chain(machine.node(), &machine.disk, found);
            let applied = shadows.of(machine.node()).now.applied;
            stores.at_end(machine, applied, &replay.model, found);
        }
        if let Some(why) = replay.model.lost() {
            for promise in [Promise::Replay, Promise::Serializable] {
                found.undecided(promise, why.to_owned());
            }
        }
        self.history.decide(found);
    }
}
