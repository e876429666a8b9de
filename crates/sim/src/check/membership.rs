//! Changes of the configuration: C1, C2, C5, C6.

use etcd::server::{ServerEvent as EtcdEvent, View};
use ordered::Map;
use raft::{ConfState, MessageType};

use super::facts::configurations::Configurations;
use super::facts::shadow::{Shadow, view};
use super::facts::{Facts, News};
use super::promise::Promise;
use super::violation::Found;
use super::{Check, Received, Step};
use crate::machine::Machine;
use crate::scenario::Node;

/// What is remembered of changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Membership {
    /// The last index that the leader of a term inherited.
    inherited: Map<u64, u64>,
}

impl Check for Membership {
    fn stepped(&mut self, facts: &Facts, step: &Step<'_>, news: &News, found: &mut Found) {
        let (shadow, configurations) = (facts.shadows.of(step.node), &facts.configurations);
        if let Some(index) = news.entered {
            came_into_force(step.node, index, configurations, found);
        }
        self.proposes(shadow, found);
        let is_installed = |event: &EtcdEvent| matches!(event, EtcdEvent::SnapshotInstalled { .. });
        if step.told().any(is_installed) {
            installed(shadow, step.machine, configurations, found);
        }
        for (_, message) in step.messages() {
            if let Some(snapshot) = message.snapshot() {
                leaves(shadow.node, snapshot, configurations, found);
            }
        }
    }

    /// C6: a message of a server that was removed, and what it did to its receiver.
    fn received(&mut self, facts: &Facts, received: &Received, found: &mut Found) {
        let Received { from, to, msg_type } = *received;
        let is_campaign = matches!(msg_type, MessageType::Vote | MessageType::PreVote);
        let shadow = facts.shadows.of(to);
        if !is_campaign || !shadow.is_up || !is_removed(facts, from, to) {
            return;
        }
        let (before, now) = (shadow.before, shadow.now);
        let leader = facts.shadows.of_member(before.lead).filter(|leader| leader.now.leads());
        let Some(leader) = leader else { return };
        found.look(Promise::C6, now.term == before.term, &[from, to, leader.node], 0, || {
            format!(
                "{from} was removed; its campaign moves {to} from term {}, in which it hears of \
                 its leader {}, to term {}",
                before.term, leader.node, now.term
            )
        });
    }
}

impl Membership {
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
}

/// C1.
fn came_into_force(node: Node, index: u64, configurations: &Configurations, found: &mut Found) {
    let (before, now) = (configurations.at(index - 1), configurations.at(index));
    // The members that a cluster begins with are added one by one before it is one.
    let (Some(before), Some(conf)) = (before, now) else { return };
    found.look(Promise::C1, intersect(before, conf), &[node], index, || {
        format!("entry {index} puts {conf:?} in force after {before:?}")
    });
}

/// C5, where a snapshot came from a leader.
fn installed(
    shadow: &Shadow,
    machine: &Machine,
    configurations: &Configurations,
    found: &mut Found,
) {
    let (node, applied) = (shadow.node, shadow.now.applied);
    let conf = view(machine).and_then(View::conf_state);
    let (Some(expected), Some(conf)) = (configurations.at(applied), conf) else { return };
    found.look(Promise::C5, conf.is_equivalent(expected), &[node], applied, || {
        format!(
            "{node} goes on from a snapshot and has {conf:?} in force at {applied}; it is \
             {expected:?}"
        )
    });
}

/// C5, where a snapshot leaves.
fn leaves(
    node: Node,
    snapshot: &raft::Snapshot,
    configurations: &Configurations,
    found: &mut Found,
) {
    let (index, conf) = (snapshot.metadata.index, &snapshot.metadata.conf_state);
    let Some(expected) = configurations.at(index) else { return };
    found.look(Promise::C5, conf.is_equivalent(expected), &[node], index, || {
        format!("the snapshot at {index} says {conf:?}; in force was {expected:?}")
    });
}

/// Whether a server is no member of what another has in force.
fn is_removed(facts: &Facts, server: Node, of: Node) -> bool {
    let id = facts.shadows.of(server).member_id;
    let is_in = |conf: &ConfState| {
        let lists = [&conf.voters, &conf.voters_outgoing, &conf.learners, &conf.learners_next];
        lists.iter().any(|ids| ids.contains(&id))
    };
    facts.configurations.of(of).is_some_and(|conf| !is_in(conf))
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
