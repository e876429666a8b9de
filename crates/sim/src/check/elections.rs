//! Who leads, and by whose votes: R1, R4, R8, R11, C3, C4.

use ordered::Map;

use raft::{ConfState, HardState, MessageType};

use super::facts::shadow::{Shadow, Shadows, view};
use super::facts::{Facts, News, durable};
use super::promise::Promise;
use super::violation::Found;
use super::{Check, Step};
use crate::scenario::Node;
use crate::view::Role;

/// A vote that was granted.
#[derive(Clone, Copy, Debug)]
struct Vote {
    by: Node,
    to: Node,
    /// Term and index of the voter's last entry.
    last: (u64, u64),
}

/// What is remembered of elections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Elections {
    leaders: Map<u64, Node>,
    /// By term and voter: a machine with a new disk is another voter.
    votes: Map<(u64, u64), Vote>,
    /// By term and candidate: term and index of its last entry when it asked.
    candidates: Map<(u64, Node), (u64, u64)>,
    /// What is known to be durable of each server's hard state.
    durable: Map<Node, HardState>,
}

impl Check for Elections {
    fn stepped(&mut self, facts: &Facts, step: &Step<'_>, _: &News, found: &mut Found) {
        let shadow = facts.shadows.of(step.node);
        if shadow.recovered.is_some_and(|recovered| !recovered.lost_power) {
            // What it read in the machine's cache counts as durable to it.
            self.durable.insert(shadow.node, recovered_state(step));
        }
        for (to, message) in step.messages() {
            self.sent(&facts.shadows, shadow, to, message, step, found);
        }
        let (before, now) = (shadow.before, shadow.now);
        if now.leads() {
            self.leads(shadow, found);
        }
        if now.leads() && !(before.leads() && before.term == now.term) {
            leader_is_complete(&facts.shadows, shadow, found);
            self.elected(shadow, facts.configurations.of(step.node), found);
        }
        let campaigns = |role| matches!(role, Role::Candidate | Role::PreCandidate);
        if campaigns(now.role) && (now.role, now.term) != (before.role, before.term) {
            campaigned(shadow, found);
        }
    }

    /// Its disk may hold anything now.
    fn stopped(&mut self, node: Node) {
        self.durable.remove(&node);
    }
}

impl Elections {
    /// R1.
    fn leads(&mut self, shadow: &Shadow, found: &mut Found) {
        let (term, node) = (shadow.now.term, shadow.node);
        let first = *self.leaders.get_or_insert_with(term, || node);
        found.look(Promise::R1, first == node, &[first, node], 0, || {
            format!("{first} and {node} both lead in term {term}")
        });
    }

    /// R11, C4.
    fn elected(&mut self, shadow: &Shadow, conf: Option<&ConfState>, found: &mut Found) {
        let (term, node) = (shadow.now.term, shadow.node);
        let Some(own) = self.candidates.get(&(term, node)).copied() else { return };
        let mut granted = vec![shadow.member_id];
        for ((_, id), vote) in self.votes.range((term, 0)..=(term, u64::MAX)) {
            let voter = vote.by;
            if vote.to != node || voter == node {
                continue;
            }
            granted.push(*id);
            found.look(Promise::R11, own >= vote.last, &[node, voter], own.1, || {
                let ((own_term, own_index), (term_of, index_of)) = (own, vote.last);
                format!(
                    "{node} leads in term {term} with a log that ended at {own_term}/{own_index}; \
                     {voter} voted for it with one that ended at {term_of}/{index_of}"
                )
            });
        }
        let Some(conf) = conf else { return };
        let wins = |voters: &[u64]| {
            let yes = voters.iter().filter(|id| granted.contains(id)).count();
            voters.is_empty() || yes > voters.len() / 2
        };
        let holds = wins(&conf.voters) && wins(&conf.voters_outgoing);
        found.look(Promise::C4, holds, &[node], 0, || {
            format!("{node} leads in term {term} without the votes of a quorum of voters")
        });
    }

    /// R8, and what R11 needs.
    fn sent(
        &mut self,
        shadows: &Shadows,
        shadow: &Shadow,
        to: Node,
        message: &raft::Message,
        step: &Step<'_>,
        found: &mut Found,
    ) {
        let (node, term) = (shadow.node, message.term);
        if message.msg_type == MessageType::Vote {
            self.candidates.insert((term, node), (message.log_term, message.index));
        }
        let is_vote = message.msg_type == MessageType::VoteResp && !message.reject;
        let of_other_term =
            matches!(message.msg_type, MessageType::PreVote | MessageType::PreVoteResp);
        if term == 0 || of_other_term {
            return;
        }
        if is_vote {
            let last = (shadow.before.last_term, shadow.before.last_index);
            let vote = Vote { by: node, to, last };
            let first = *self.votes.get_or_insert_with((term, shadow.member_id), || vote);
            found.look(Promise::R8, first.to == to, &[node, first.to, to], 0, || {
                format!("{node} voted for {} and for {to} in term {term}", first.to)
            });
        }
        let is_needed = |state: &HardState| {
            state.term >= term && (!is_vote || state.term > term || is_for(shadows, state, to))
        };
        let known = self.durable.get_or_default(node);
        if !is_needed(known) {
            *known = durable::hard_state(step.disk());
        }
        found.look(Promise::R8, is_needed(known), &[node, to], 0, || {
            let (msg_type, HardState { term: has, vote, .. }) = (message.msg_type, known);
            format!(
                "{node} sends {msg_type} of term {term} to {to}; durable are term {has} and a vote \
                 for {}",
                shadows
                    .of_member(*vote)
                    .map_or("nobody".to_owned(), |shadow| shadow.node.to_string())
            )
        });
    }
}

/// R4.
fn leader_is_complete(shadows: &Shadows, shadow: &Shadow, found: &mut Found) {
    let (term, node) = (shadow.now.term, shadow.node);
    let earlier = shadows.marks.iter().filter(|(_, of_term)| *of_term < term);
    let last = earlier.map(|(index, _)| *index).max().filter(|index| *index > 0);
    let Some(index) = last else { return };
    let holds = shadow.log.agrees(&shadows.committed, index);
    found.look(Promise::R4, holds, &[node], index, || {
        let has = shadow.log.term(index);
        let committed = shadows.committed.term(index);
        format!(
            "{node} leads in term {term}; entry {index} of term {committed} is committed, and in \
             its log there is {}",
            if has == 0 { "none".to_owned() } else { format!("another, of term {has}") }
        )
    });
}

fn recovered_state(step: &Step<'_>) -> HardState {
    view(step.machine).map_or_else(HardState::default, |view| HardState {
        term: view.term(),
        vote: view.vote(),
        commit: 0,
    })
}

fn is_for(shadows: &Shadows, state: &HardState, to: Node) -> bool {
    state.vote == shadows.of(to).member_id
}

/// C3.
fn campaigned(shadow: &Shadow, found: &mut Found) {
    let (node, now) = (shadow.node, shadow.now);
    let is_change = |index: &u64| shadow.log.get(*index).is_some_and(|entry| entry.is_change);
    let unapplied = (now.applied + 1..=now.commit).find(is_change);
    found.look(Promise::C3, unapplied.is_none(), &[node], unapplied.unwrap_or(0), || {
        format!("{node} campaigns at term {} with a committed change not applied", now.term)
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::facts::shadow::Stand;
    use crate::scenario::ClusterSpec;
    use crate::world::World;

    fn shadows() -> Shadows {
        Shadows::new(World::new(ClusterSpec::default()).machines())
    }

    fn broken(found: &Found) -> Vec<Promise> {
        found.violations().iter().map(|one| one.promise).collect()
    }

    #[test]
    fn a_campaign_before_a_committed_change_is_applied_breaks_c3() {
        let mut shadow = shadows().of(Node(1)).clone();
        let change = raft::EntryType::ConfChange;
        shadow.log.push(&raft::Entry {
            entry_type: change,
            term: 1,
            index: 1,
            ..Default::default()
        });
        let mut campaigns = |applied| {
            shadow.now = Stand { role: Role::Candidate, commit: 1, applied, ..Stand::default() };
            let mut found = Found::new();
            campaigned(&shadow, &mut found);
            broken(&found)
        };
        assert_eq!(campaigns(1), [], "it knows who the members are");
        assert_eq!(campaigns(0), [Promise::C3], "it does not");
    }

    #[test]
    fn a_leader_by_the_vote_of_a_learner_breaks_c4() {
        let mut shadows = shadows();
        let (leader, voter) = (Node(1), Node(2));
        let member_id = |shadows: &Shadows, node| shadows.of(node).member_id;
        shadows.of_mut(leader).now = Stand { role: Role::Leader, term: 2, ..Stand::default() };
        let mut elections = Elections::default();
        elections.candidates.insert((2, leader), (1, 1));
        let vote = Vote { by: voter, to: leader, last: (1, 1) };
        elections.votes.insert((2, member_id(&shadows, voter)), vote);
        let mut elected = |conf: &ConfState| {
            let mut found = Found::new();
            elections.elected(shadows.of(leader), Some(conf), &mut found);
            broken(&found)
        };
        let ids = [1, 2, 3].map(|number| member_id(&shadows, Node(number)));
        let voters = ConfState { voters: ids.to_vec(), ..ConfState::default() };
        assert_eq!(elected(&voters), [], "two of three");
        let (voters, learners) = (vec![ids[0], ids[2]], vec![ids[1]]);
        let with_learner = ConfState { voters, learners, ..ConfState::default() };
        assert_eq!(elected(&with_learner), [Promise::C4], "one of two, and a learner");
    }
}
