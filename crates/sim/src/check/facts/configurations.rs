//! Who the members are: on each server, and from each index of the log on.

use etcd::server::View;
use ordered::Map;
use raft::ConfState;

use super::shadow::{Shadow, Shadows, view};
use crate::machine::Machine;
use crate::scenario::Node;

/// See the module's head.
#[derive(Clone, Debug, Default)]
pub(in crate::check) struct Configurations {
    /// What was in force from each index on.
    in_force: Map<u64, ConfState>,
    /// What each server has in force, up to which applied index, in which life.
    of: Map<Node, (u32, u64, ConfState)>,
}

impl Configurations {
    /// What a server has in force; nothing before it has applied who its members are.
    pub(in crate::check) fn of(&self, node: Node) -> Option<&ConfState> {
        self.of.get(&node).map(|(.., conf)| conf).filter(|conf| !conf.voters.is_empty())
    }

    /// What is in force at an index.
    pub(in crate::check) fn at(&self, index: u64) -> Option<&ConfState> {
        self.in_force.range(..=index).next_back().map(|(_, conf)| conf)
    }

    /// Whether those for which it is true are a quorum that could commit an entry: of what was in
    /// force before the last change up to there, after it, or later. Of changes there is one at a
    /// time on its way. `None` while nobody knows the members.
    pub(in crate::check) fn quorum_could(
        &self,
        shadows: &Shadows,
        index: u64,
        is: impl Fn(&Shadow) -> bool,
    ) -> Option<bool> {
        let up_to_here = self.in_force.range(..=index).rev().take(2);
        let confs = up_to_here.chain(self.in_force.range(index + 1..));
        confs.map(|(_, conf)| has_quorum(shadows, conf, &is)).reduce(|one, other| one || other)
    }

    /// Takes up what a server has in force after a step. Gives the entry that put it in force, if
    /// this is the first server to have applied that.
    pub(super) fn follow(&mut self, shadow: &Shadow, machine: &Machine) -> Option<u64> {
        let (node, applied) = (shadow.node, shadow.now.applied);
        let known = self.of.get(&node).filter(|(boots, ..)| *boots == shadow.boots);
        let from = known.map_or(0, |(_, applied, _)| *applied);
        let is_change = |index| shadow.log.get(index).is_some_and(|entry| entry.is_change);
        let last_change = (from + 1..=applied).rev().find(|index| is_change(*index));
        if known.is_some() && last_change.is_none() {
            if let Some((_, up_to, _)) = self.of.get_mut(&node) {
                *up_to = applied;
            }
            return None;
        }
        let conf = view(machine).and_then(View::conf_state)?;
        let entered = last_change.filter(|index| !self.in_force.contains_key(index));
        if let Some(index) = entered {
            self.in_force.insert(index, conf.clone());
        }
        self.of.insert(node, (shadow.boots, applied, conf));
        entered
    }
}

/// Whether those for which it is true are a quorum of both halves of the configuration.
pub(in crate::check) fn has_quorum(
    shadows: &Shadows,
    conf: &ConfState,
    is: impl Fn(&Shadow) -> bool,
) -> bool {
    let won = |voters: &[u64]| {
        let yes = voters.iter().filter(|id| shadows.of_member(**id).is_some_and(&is)).count();
        voters.is_empty() || yes > voters.len() / 2
    };
    won(&conf.voters) && won(&conf.voters_outgoing)
}
