//! The configurations of a group, worked out apart from its nodes: what is true at each index.

use std::collections::BTreeMap;

use raft::{
    Changer, ConfChangeSingle, ConfChangeType, ConfChangeV2, ConfState, GroupConfig, JointConfig,
    Tracker, VoteResult,
};

/// The configuration after each committed change, by index.
#[derive(Debug)]
pub(crate) struct Configurations {
    by_index: BTreeMap<u64, Tracker>,
    /// Up to here it is known what changed.
    known: u64,
}

impl Configurations {
    /// A group that begins with these voters.
    pub(crate) fn new(initial: &ConfState) -> Self {
        let mut tracker = Tracker::new(1, 1);
        for node_id in initial.voters.iter().copied() {
            let change = ConfChangeSingle { change_type: ConfChangeType::AddNode, node_id };
            let (config, progress) = Changer::new(&tracker, 0).simple(&[change]).unwrap();
            (tracker.config, tracker.progress) = (config, progress);
        }
        Self { by_index: BTreeMap::from([(0, tracker)]), known: 0 }
    }

    /// Someone applies the entry at `index`; gives the change, from one to the other, if it is one
    /// and the first to be heard of. A change that cannot be made changes nothing.
    pub(crate) fn apply(
        &mut self,
        index: u64,
        change: Option<&ConfChangeV2>,
    ) -> Option<(GroupConfig, GroupConfig)> {
        if index <= self.known {
            return None;
        }
        assert_eq!(index, self.known + 1, "someone applied every entry before");
        self.known = index;
        let (_, last) = self.by_index.last_key_value().unwrap();
        let (before, mut tracker) = (last.config.clone(), last.clone());
        let Ok((config, progress)) = Changer::new(&tracker, 0).change(change?) else { return None };
        (tracker.config, tracker.progress) = (config.clone(), progress);
        self.by_index.insert(index, tracker);
        Some((before, config))
    }

    /// The configuration of whoever applied everything up to `index`.
    pub(crate) fn at(&self, index: u64) -> &GroupConfig {
        let (_, tracker) = self.by_index.range(..=index).next_back().unwrap();
        &tracker.config
    }

    /// The newest that anyone applied.
    pub(crate) fn newest(&self) -> &GroupConfig {
        self.at(u64::MAX)
    }
}

/// Whether every quorum of one configuration has a member in every quorum of the other.
pub(crate) fn intersect(one: &JointConfig, other: &JointConfig) -> bool {
    let mut members = one.ids();
    for id in other.ids().iter() {
        members.insert(id);
    }
    let is_quorum = |of: &JointConfig, set: u64| {
        let votes = |id| {
            let slot = members.iter().position(|member| member == id);
            slot.map(|slot| set >> slot & 1 == 1)
        };
        of.vote_result(votes) == VoteResult::Won
    };
    (0..1_u64 << members.len()).all(|set| !(is_quorum(one, set) && is_quorum(other, !set)))
}
