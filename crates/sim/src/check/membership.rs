//! Changes of the configuration: C1, C2, C5, C6.

use ordered::Map;

use etcd::server::{ServerEvent as EtcdEvent, View};
use raft::{ConfState, MessageType};

use super::Step;
use super::logs::has_quorum;
use super::promise::Promise;
use super::shadow::{Shadow, Shadows, view};
use super::violation::Found;
use crate::machine::{Machine, ServerEvent};
use crate::scenario::Node;

/// What is remembered of configurations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Membership {
    /// What was in force from each index on.
    in_force: Map<u64, ConfState>,
    /// What each server has in force, up to which applied index, in which life.
    of: Map<Node, (u32, u64, ConfState)>,
    /// The last index that the leader of a term inherited.
    inherited: Map<u64, u64>,
}

impl Membership {
    /// What a server has in force; nothing before it has applied who its members are.
    pub(crate) fn of(&self, node: Node) -> Option<&ConfState> {
        self.of.get(&node).map(|(.., conf)| conf).filter(|conf| !conf.voters.is_empty())
    }

    /// Whether those for which it is true are a quorum that could commit an entry: of what was in
    /// force before the last change up to there, after it, or later. Of changes there is one at a
    /// time on its way. `None` while nobody knows the members.
    pub(crate) fn quorum_could(
        &self,
        shadows: &Shadows,
        index: u64,
        is: impl Fn(&Shadow) -> bool,
    ) -> Option<bool> {
        let up_to_here = self.in_force.range(..=index).rev().take(2);
        let confs = up_to_here.chain(self.in_force.range(index + 1..));
        confs.map(|(_, conf)| has_quorum(shadows, conf, &is)).reduce(|one, other| one || other)
    }

    /// One server's step.
    pub(crate) fn after_step(
        &mut self,
        shadows: &Shadows,
        step: &Step<'_>,
        machine: &Machine,
        found: &mut Found,
    ) {
        let shadow = shadows.of(step.node);
        self.follow(shadow, machine, found);
        self.proposes(shadow, found);
        let is_installed = |ServerEvent::Etcd(event): &ServerEvent| {
            matches!(event, EtcdEvent::SnapshotInstalled { .. })
        };
        if step.effects.trace.iter().any(is_installed) {
            self.installed(shadow, machine, found);
        }
        for (_, message) in step.messages() {
            if let Some(snapshot) = message.snapshot() {
                self.snapshot(shadow.node, snapshot, found);
            }
        }
    }

    /// Takes up what came into force; C1.
    fn follow(&mut self, shadow: &Shadow, machine: &Machine, found: &mut Found) {
        let (node, applied) = (shadow.node, shadow.now.applied);
        let known = self.of.get(&node).filter(|(boots, ..)| *boots == shadow.boots);
        let from = known.map_or(0, |(_, applied, _)| *applied);
        let is_change = |index| shadow.log.get(index).is_some_and(|entry| entry.is_change);
        let last_change = (from + 1..=applied).rev().find(|index| is_change(*index));
        if known.is_some() && last_change.is_none() {
            if let Some((_, up_to, _)) = self.of.get_mut(&node) {
                *up_to = applied;
            }
            return;
        }
        let Some(conf) = view(machine).and_then(View::conf_state) else { return };
        if let Some(index) = last_change {
            self.came_into_force(node, index, &conf, found);
        }
        self.of.insert(node, (shadow.boots, applied, conf));
    }

    fn came_into_force(&mut self, node: Node, index: u64, conf: &ConfState, found: &mut Found) {
        if self.in_force.contains_key(&index) {
            return;
        }
        if let Some((_, before)) = self.in_force.range(..index).next_back() {
            // The members that a cluster begins with are added one by one before it is one.
            found.look(Promise::C1, intersect(before, conf), &[node], index, || {
                format!("entry {index} puts {conf:?} in force after {before:?}")
            });
        }
        self.in_force.insert(index, conf.clone());
    }

    /// C2.
    fn proposes(&mut self, shadow: &Shadow, found: &mut Found) {
        let (before, now, node) = (shadow.before, shadow.now, shadow.node);
        if !now.leads() {
            return;
        }
        let inherited = *self.inherited.get_or_insert_with(now.term, || {
            let own = |index: &u64| shadow.log.term(*index) == now.term;
            let count = (1..=shadow.log.last_index()).rev().take_while(own).count() as u64;
            shadow.log.last_index() - count
        });
        if !(before.leads() && before.term == now.term) {
            return;
        }
        for index in before.last_index + 1..=now.last_index {
            if !shadow.log.get(index).is_some_and(|entry| entry.is_change) {
                continue;
            }
            // Raft's word for applied is handed out, which is what is committed: a store may be busy.
            // What it committed in this step may have come before the proposal.
            found.look(Promise::C2, now.commit >= inherited, &[node], index, || {
                format!(
                    "{node} leads in term {} and proposes a change in entry {index}; it inherited \
                     entries up to {inherited} and has committed them up to {}",
                    now.term, now.commit
                )
            });
        }
    }

    /// C5, where a snapshot came from a leader.
    fn installed(&self, shadow: &Shadow, machine: &Machine, found: &mut Found) {
        let (node, applied) = (shadow.node, shadow.now.applied);
        let expected = self.in_force.range(..=applied).next_back();
        let conf = view(machine).and_then(View::conf_state);
        let (Some((_, expected)), Some(conf)) = (expected, conf) else { return };
        found.look(Promise::C5, conf.is_equivalent(expected), &[node], applied, || {
            format!(
                "{node} goes on from a snapshot and has {conf:?} in force at {applied}; it is \
                 {expected:?}"
            )
        });
    }

    /// C5, where a snapshot leaves.
    fn snapshot(&mut self, node: Node, snapshot: &raft::Snapshot, found: &mut Found) {
        let (index, conf) = (snapshot.metadata.index, &snapshot.metadata.conf_state);
        let Some((_, expected)) = self.in_force.range(..=index).next_back() else { return };
        found.look(Promise::C5, conf.is_equivalent(expected), &[node], index, || {
            format!("the snapshot at {index} says {conf:?}; in force was {expected:?}")
        });
    }

    /// C6: a message of a server that was removed, and what it did to its receiver.
    pub(crate) fn received(
        &self,
        shadows: &Shadows,
        from: Node,
        to: Node,
        msg_type: MessageType,
        found: &mut Found,
    ) {
        let is_campaign = matches!(msg_type, MessageType::Vote | MessageType::PreVote);
        let shadow = shadows.of(to);
        if !is_campaign || !shadow.is_up || !self.is_removed(shadows.of(from), to) {
            return;
        }
        let (before, now) = (shadow.before, shadow.now);
        let leader = shadows.of_member(before.lead).filter(|leader| leader.now.leads());
        let Some(leader) = leader else { return };
        found.look(Promise::C6, now.term == before.term, &[from, to, leader.node], 0, || {
            format!(
                "{from} was removed; its campaign moves {to} from term {}, in which it hears of \
                 its leader {}, to term {}",
                before.term, leader.node, now.term
            )
        });
    }

    fn is_removed(&self, from: &Shadow, to: Node) -> bool {
        let is_in = |conf: &ConfState| {
            let lists = [&conf.voters, &conf.voters_outgoing, &conf.learners, &conf.learners_next];
            lists.iter().any(|ids| ids.contains(&from.member_id))
        };
        self.of(to).is_some_and(|conf| !is_in(conf))
    }
}

/// Whether every quorum of one has a member in every quorum of the other.
fn intersect(one: &ConfState, other: &ConfState) -> bool {
    let halves = |conf: &ConfState| [conf.voters.clone(), conf.voters_outgoing.clone()];
    let majorities_meet = |one: &[u64], other: &[u64]| {
        let quorum = |voters: &[u64]| voters.len() / 2 + 1;
        let all: ordered::Set<u64> = one.iter().chain(other).copied().collect();
        !one.is_empty() && !other.is_empty() && quorum(one) + quorum(other) > all.len()
    };
    halves(one).iter().any(|one| halves(other).iter().any(|other| majorities_meet(one, other)))
}
