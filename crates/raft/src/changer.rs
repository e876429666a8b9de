//! Changes of the configuration, checked: simple ones, and through a joint configuration.
//!
//! Raft 6. A simple change moves at most one voter, so that old and new majorities overlap; any
//! other goes through a configuration in which both majorities must agree.

use thiserror::Error;

use crate::conf_change::{ConfChangeSingle, ConfChangeType, ConfChangeV2};
use crate::ids::{IdMap, IdSet};
use crate::progress::Progress;
use crate::tracker::{Config, Tracker};
use crate::types::{ConfState, NodeId};

/// Why a change cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ChangeError(String);

/// The configuration after a change, with each member's progress.
type Changed = Result<(Config, IdMap<Progress>), ChangeError>;

/// Works out what a change makes of the configuration in a tracker, without touching it.
///
/// The core does this when a committed change is applied; who wants to know beforehand can ask.
#[derive(Clone, Debug)]
pub struct Changer {
    config: Config,
    progress: IdMap<Progress>,
    last_index: u64,
    empty: Tracker,
}

/// Leaves the function with a [`ChangeError`].
macro_rules! refuse {
    ($($arg:tt)+) => {
        return Err(ChangeError(format!($($arg)+)))
    };
}

impl Changer {
    /// `last_index` is where the probing of new members begins.
    pub fn new(tracker: &Tracker, last_index: u64) -> Self {
        Self {
            config: tracker.config.clone(),
            progress: tracker.progress.clone(),
            last_index,
            empty: Tracker::new(tracker.max_inflight, tracker.max_inflight_bytes),
        }
    }

    /// The kind of change that the proposal asks for.
    pub fn change(self, change: &ConfChangeV2) -> Changed {
        if change.leave_joint() {
            self.leave_joint()
        } else if let Some(auto_leave) = change.enter_joint() {
            self.enter_joint(auto_leave, &change.changes)
        } else {
            self.simple(&change.changes)
        }
    }

    /// Both configurations are in force from here on.
    pub fn enter_joint(mut self, auto_leave: bool, changes: &[ConfChangeSingle]) -> Changed {
        self.check()?;
        if self.config.voters.is_joint() {
            refuse!("config is already joint");
        }
        if self.config.voters.incoming.is_empty() {
            refuse!("can't make a zero-voter config joint");
        }
        self.config.voters.outgoing = self.config.voters.incoming.clone();
        self.apply(changes)?;
        self.config.auto_leave = auto_leave;
        self.finish()
    }

    /// The incoming configuration alone is in force from here on.
    pub fn leave_joint(mut self) -> Changed {
        self.check()?;
        if !self.config.voters.is_joint() {
            refuse!("can't leave a non-joint config");
        }
        for id in std::mem::take(&mut self.config.learners_next).iter() {
            self.config.learners.insert(id);
            if let Some(progress) = self.progress.get_mut(id) {
                progress.is_learner = true;
            }
        }
        for id in std::mem::take(&mut self.config.voters.outgoing).iter() {
            if !self.config.voters.incoming.contains(id) && !self.config.learners.contains(id) {
                self.progress.remove(id);
            }
        }
        self.config.auto_leave = false;
        self.finish()
    }

    /// Moves at most one voter.
    pub fn simple(mut self, changes: &[ConfChangeSingle]) -> Changed {
        self.check()?;
        if self.config.voters.is_joint() {
            refuse!("can't apply simple config change in joint config");
        }
        let before = self.config.voters.incoming.clone();
        self.apply(changes)?;
        if symmetric_difference(&before, &self.config.voters.incoming) > 1 {
            refuse!("more than one voter changed without entering joint config");
        }
        self.finish()
    }

    fn apply(&mut self, changes: &[ConfChangeSingle]) -> Result<(), ChangeError> {
        for change in changes {
            // etcd puts a zero where it decided not to make the change.
            if change.node_id == 0 {
                continue;
            }
            match change.change_type {
                ConfChangeType::AddNode => self.make_voter(change.node_id),
                ConfChangeType::AddLearnerNode => self.make_learner(change.node_id),
                ConfChangeType::RemoveNode => self.remove(change.node_id),
                ConfChangeType::UpdateNode => {}
            }
        }
        if self.config.voters.incoming.is_empty() {
            refuse!("removed all voters");
        }
        Ok(())
    }

    fn make_voter(&mut self, id: NodeId) {
        let Some(progress) = self.progress.get_mut(id) else {
            self.add_progress(id, false);
            return;
        };
        progress.is_learner = false;
        self.config.learners.remove(id);
        self.config.learners_next.remove(id);
        self.config.voters.incoming.insert(id);
    }

    /// A voter of the outgoing configuration stays one until that is left.
    fn make_learner(&mut self, id: NodeId) {
        let Some(mut progress) = self.progress.get(id).cloned() else {
            self.add_progress(id, true);
            return;
        };
        if progress.is_learner {
            return;
        }
        self.remove(id);
        let stays_voter = self.config.voters.outgoing.contains(id);
        if stays_voter {
            self.config.learners_next.insert(id);
        } else {
            self.config.learners.insert(id);
        }
        progress.is_learner = !stays_voter;
        self.progress.insert(id, progress);
    }

    fn remove(&mut self, id: NodeId) {
        if !self.progress.contains(id) {
            return;
        }
        self.config.voters.incoming.remove(id);
        self.config.learners.remove(id);
        self.config.learners_next.remove(id);
        if !self.config.voters.outgoing.contains(id) {
            self.progress.remove(id);
        }
    }

    /// A new member is probed from the last entry, and counts as active so that the leader does
    /// not step down before it heard of it.
    fn add_progress(&mut self, id: NodeId, is_learner: bool) {
        if is_learner {
            self.config.learners.insert(id);
        } else {
            self.config.voters.incoming.insert(id);
        }
        let mut progress =
            Progress::new(self.last_index.max(1), self.empty.inflights(), is_learner);
        progress.recent_active = true;
        self.progress.insert(id, progress);
    }

    fn finish(self) -> Changed {
        self.check()?;
        Ok((self.config, self.progress))
    }

    fn check(&self) -> Result<(), ChangeError> {
        self.check_progress()?;
        self.check_learners()?;
        if !self.config.voters.is_joint() {
            if !self.config.learners_next.is_empty() {
                refuse!("cfg.LearnersNext must be nil when not joint");
            }
            if self.config.auto_leave {
                refuse!("AutoLeave must be false when not joint");
            }
        }
        Ok(())
    }

    fn check_progress(&self) -> Result<(), ChangeError> {
        let config = &self.config;
        for ids in [&config.voters.ids(), &config.learners, &config.learners_next] {
            if let Some(id) = ids.iter().find(|id| !self.progress.contains(*id)) {
                refuse!("no progress for {id}");
            }
        }
        Ok(())
    }

    fn check_learners(&self) -> Result<(), ChangeError> {
        let marked = |id| self.progress.get(id).is_some_and(|progress| progress.is_learner);
        for id in self.config.learners_next.iter() {
            if !self.config.voters.outgoing.contains(id) {
                refuse!("{id} is in LearnersNext, but not Voters[1]");
            }
            if marked(id) {
                refuse!("{id} is in LearnersNext, but is already marked as learner");
            }
        }
        for id in self.config.learners.iter() {
            if self.config.voters.outgoing.contains(id) {
                refuse!("{id} is in Learners and Voters[1]");
            }
            if self.config.voters.incoming.contains(id) {
                refuse!("{id} is in Learners and Voters[0]");
            }
            if !marked(id) {
                refuse!("{id} is in Learners, but is not marked as learner");
            }
        }
        Ok(())
    }
}

fn symmetric_difference(left: &IdSet, right: &IdSet) -> usize {
    left.iter().filter(|id| !right.contains(*id)).count()
        + right.iter().filter(|id| !left.contains(*id)).count()
}

/// The configuration that a snapshot or storage describes, built up in a tracker without members.
pub(crate) fn restore(mut tracker: Tracker, last_index: u64, state: &ConfState) -> Changed {
    let single = |change_type, ids: &[NodeId]| {
        let change = move |&node_id| ConfChangeSingle { change_type, node_id };
        ids.iter().map(change).collect::<Vec<_>>()
    };
    let outgoing = single(ConfChangeType::AddNode, &state.voters_outgoing);
    let incoming = [
        single(ConfChangeType::RemoveNode, &state.voters_outgoing),
        single(ConfChangeType::AddNode, &state.voters),
        single(ConfChangeType::AddLearnerNode, &state.learners),
        single(ConfChangeType::AddLearnerNode, &state.learners_next),
    ]
    .concat();
    let one_by_one = if outgoing.is_empty() { &incoming } else { &outgoing };
    for change in one_by_one {
        let changer = Changer::new(&tracker, last_index);
        (tracker.config, tracker.progress) = changer.simple(std::slice::from_ref(change))?;
    }
    if !outgoing.is_empty() {
        let changer = Changer::new(&tracker, last_index);
        (tracker.config, tracker.progress) = changer.enter_joint(state.auto_leave, &incoming)?;
    }
    Ok((tracker.config, tracker.progress))
}
