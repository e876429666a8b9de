//! What is in the logs and what is committed: R2, R3, R5, R6, R7, R9, R10.

use ordered::SharedMap;
use raft::ConfState;

use super::facts::shadow::{Log, Shadow, Shadows, list};
use super::facts::{Facts, News};
use super::promise::Promise;
use super::violation::Found;
use super::{Check, Step};
use crate::scenario::Node;

/// Of the entries that every server of a new cluster begins with; nobody had to send them.
const FOUNDING_TERM: u64 = 1;

/// What is remembered of logs beyond what is known of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Logs {
    /// The chain of every entry that was ever in a log, by index and term.
    written: SharedMap<(u64, u64), u64>,
}

impl Check for Logs {
    fn stepped(&mut self, facts: &Facts, step: &Step<'_>, news: &News, found: &mut Found) {
        let shadow = facts.shadows.of(step.node);
        self.matches(shadow, found);
        only_appended(shadow, found);
        went_on(shadow, found);
        let (before, now) = (shadow.before, shadow.now);
        let commits = now.commit > before.commit;
        if commits {
            is_committed_prefix(shadow, &facts.shadows.committed, news.committed_before, found);
        }
        if commits && now.leads() {
            if before.leads() && now.term == before.term {
                commits_own_term(shadow, found);
            }
            commit_is_durable(facts, shadow, found);
        }
        let conf = facts.configurations.of(step.node);
        if let Some(conf) = conf.filter(|_| commits || shadow.cut_to.is_some()) {
            quorum_holds(&facts.shadows, step.node, conf, found);
        }
    }
}

impl Logs {
    /// R3.
    fn matches(&mut self, shadow: &Shadow, found: &mut Found) {
        let old = shadow.cut_to.unwrap_or(shadow.before.last_index);
        let from = if shadow.recovered.is_some() { shadow.now.sentinel } else { old };
        for index in from + 1..=shadow.log.last_index() {
            let Some(written) = shadow.log.get(index) else { continue };
            let key = (index, written.term);
            match self.written.get(&key) {
                None => {
                    self.written.insert(key, written.chain);
                }
                Some(&chain) => {
                    found.look(Promise::R3, chain == written.chain, &[shadow.node], index, || {
                        format!(
                            "{} has an entry {index} of term {} that differs from another log's \
                             there, in itself or in what is before it",
                            shadow.node, written.term
                        )
                    });
                }
            }
        }
    }
}

/// R2.
fn only_appended(shadow: &Shadow, found: &mut Found) {
    let (before, now, node) = (shadow.before, shadow.now, shadow.node);
    let leads_on = before.leads() && now.leads() && before.term == now.term;
    if leads_on && (shadow.cut_to.is_some() || now.last_index != before.last_index) {
        let holds = shadow.cut_to.is_none() && now.last_index >= before.last_index;
        found.look(Promise::R2, holds, &[node], before.last_index, || {
            format!("{node} leads in term {} and overwrote its own log", now.term)
        });
    }
}

/// R9.
fn went_on(shadow: &Shadow, found: &mut Found) {
    let (before, now, node) = (shadow.before, shadow.now, shadow.node);
    let holds = now.term >= before.term
        && now.commit >= before.commit
        && now.applied <= now.commit
        && now.sentinel <= now.commit;
    found.look(Promise::R9, holds, &[node], now.commit, || {
        format!(
            "{node} was at term {} commit {}, and is at term {} commit {} applied {} snapshot {}",
            before.term, before.commit, now.term, now.commit, now.applied, now.sentinel
        )
    });
}

/// R5, as far as something was known to be committed before.
fn is_committed_prefix(shadow: &Shadow, committed: &Log, before: u64, found: &mut Found) {
    let Shadow { node, now, log, .. } = shadow;
    let known = before.min(now.commit);
    if known == 0 {
        return;
    }
    found.look(Promise::R5, log.agrees(committed, known), &[*node], known, || {
        let first = first_difference(log, committed, known);
        format!(
            "{node} takes {} for committed; its entry {first} is of term {}, and one of term {} is \
             committed there",
            now.commit,
            log.term(first),
            committed.term(first)
        )
    });
}

fn first_difference(one: &Log, other: &Log, last: u64) -> u64 {
    (1..=last).find(|index| one.get(*index) != other.get(*index)).unwrap_or(last)
}

/// R10.
fn commits_own_term(shadow: &Shadow, found: &mut Found) {
    let (now, node) = (shadow.now, shadow.node);
    let of = shadow.log.term(now.commit);
    found.look(Promise::R10, of == now.term, &[node], now.commit, || {
        format!("{node} leads in term {} and commits entry {} of term {of}", now.term, now.commit)
    });
}

/// R7.
fn commit_is_durable(facts: &Facts, leader: &Shadow, found: &mut Found) {
    let Facts { shadows, configurations, .. } = facts;
    let (now, node) = (leader.now, leader.node);
    let index = now.commit;
    let is_durable = |shadow: &Shadow| shadow.is_durable(&leader.log, index);
    let Some(has_quorum) = configurations.quorum_could(shadows, index, is_durable) else { return };
    let holds = index <= now.last_index && has_quorum;
    found.look(Promise::R7, holds, &[node], index, || {
        format!("{node} commits up to {index}, which is durable on {}", list(shadows, is_durable))
    });
}

/// R6, for a server that has applied every change of members: who replays its log knows a part of
/// them, and who joins hears of a commit index before it knows any.
fn quorum_holds(shadows: &Shadows, node: Node, conf: &ConfState, found: &mut Found) {
    let index = shadows.committed.last_index();
    let is_change = |index| shadows.committed.get(index).is_some_and(|entry| entry.is_change);
    let knows_all = !(shadows.of(node).now.applied + 1..=index).any(is_change);
    if shadows.committed.term(index) <= FOUNDING_TERM || conf.voters.is_empty() || !knows_all {
        return;
    }
    let holds_it = |shadow: &Shadow| shadow.holds().agrees(&shadows.committed, index);
    let holds = every_quorum_has_one(shadows, conf, holds_it);
    found.look(Promise::R6, holds, &[node], index, || {
        format!("up to {index} is committed; of all servers {} hold that", list(shadows, holds_it))
    });
}

/// Whether no quorum can be made of those for which it is not true.
fn every_quorum_has_one(shadows: &Shadows, conf: &ConfState, is: impl Fn(&Shadow) -> bool) -> bool {
    let blocks = |voters: &[u64]| {
        let no = voters.iter().filter(|id| !shadows.of_member(**id).is_some_and(&is)).count();
        !voters.is_empty() && no <= voters.len() / 2
    };
    blocks(&conf.voters) || blocks(&conf.voters_outgoing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::facts::shadow::Stand;
    use crate::scenario::ClusterSpec;
    use crate::view::Role;
    use crate::world::World;

    /// A server between two stands, of one life.
    fn moved(before: Stand, now: Stand, cut_to: Option<u64>) -> Shadow {
        let world = World::new(ClusterSpec::default());
        let mut shadow = Shadows::new(world.machines()).of(Node(1)).clone();
        (shadow.before, shadow.now, shadow.cut_to) = (before, now, cut_to);
        shadow
    }

    fn broken(check: impl FnOnce(&mut Found)) -> Vec<Promise> {
        let mut found = Found::new();
        check(&mut found);
        found.violations().iter().map(|one| one.promise).collect()
    }

    #[test]
    fn a_leader_that_cuts_its_own_log_breaks_r2() {
        let leads =
            |last_index| Stand { role: Role::Leader, term: 3, last_index, ..Stand::default() };
        let appends = moved(leads(5), leads(6), None);
        assert_eq!(broken(|found| only_appended(&appends, found)), [], "it appends");
        let overwrites = moved(leads(5), leads(6), Some(4));
        assert_eq!(broken(|found| only_appended(&overwrites, found)), [Promise::R2]);
    }

    #[test]
    fn a_term_or_a_commit_index_that_goes_back_breaks_r9() {
        let at = |term, commit, applied| Stand { term, commit, applied, ..Stand::default() };
        let onward = moved(at(3, 5, 4), at(3, 5, 5), None);
        assert_eq!(broken(|found| went_on(&onward, found)), [], "it applies what is committed");
        for now in [at(2, 5, 4), at(3, 4, 4), at(3, 5, 6)] {
            let shadow = moved(at(3, 5, 4), now, None);
            assert_eq!(broken(|found| went_on(&shadow, found)), [Promise::R9], "{now:?}");
        }
    }
}
