//! Raft 6: what a node does when a change of the configuration is applied.

use crate::changer::Changer;
use crate::conf_change::ConfChangeV2;
use crate::config::Randomness;
use crate::describe::ProtoText;
use crate::error::{Error, Result, fatal};
use crate::ids::IdMap;
use crate::logger::{Logger, log};
use crate::progress::Progress;
use crate::raft::Raft;
use crate::storage::Storage;
use crate::tracker;
use crate::types::{ConfState, NONE, Role};

impl<S: Storage, R: Randomness, L: Logger> Raft<S, R, L> {
    /// Makes a committed change. One that cannot be made is fatal: the others will make it.
    pub(crate) fn apply_conf_change(&mut self, change: &ConfChangeV2) -> Result<ConfState> {
        let changer = Changer::new(&self.tracker, self.log.last_index());
        let (config, progress) =
            changer.change(change).map_err(|error| Error::Fatal(error.to_string()))?;
        self.switch(config, progress)
    }

    /// Puts a restored configuration in force, which must be the one described.
    pub(crate) fn switch_to(
        &mut self,
        (config, progress): (tracker::Config, IdMap<Progress>),
        expected: &ConfState,
    ) -> Result<()> {
        let state = self.switch(config, progress)?;
        if !state.is_equivalent(expected) {
            let (expected, state) = (ProtoText(expected), ProtoText(&state));
            fatal!("ConfStates not equivalent: {expected} and {state}");
        }
        Ok(())
    }

    fn switch(&mut self, config: tracker::Config, progress: IdMap<Progress>) -> Result<ConfState> {
        self.tracker.config = config;
        self.tracker.progress = progress;
        log!(
            self.log.logger,
            Info,
            "{:x} switched to configuration {}",
            self.id,
            self.tracker.config
        );
        let own = self.tracker.progress.get(self.id).map(|progress| progress.is_learner);
        self.is_learner = own == Some(true);
        if self.role == Role::Leader {
            if own == Some(false) {
                self.lead_in_new_configuration()?;
            } else if self.step_down_on_removal {
                self.become_follower(self.term, NONE);
            }
        }
        Ok(self.tracker.config.conf_state())
    }

    /// A smaller quorum may have committed more; new members are told of the log at once.
    fn lead_in_new_configuration(&mut self) -> Result<()> {
        if self.maybe_commit()? {
            self.broadcast_append()?;
        } else {
            for slot in 0..self.tracker.progress.len() {
                if self.tracker.progress.id_at(slot) != self.id {
                    self.maybe_send_append(slot, false)?;
                }
            }
        }
        if !self.tracker.config.voters.contains(self.lead_transferee) {
            self.abort_leader_transfer();
        }
        Ok(())
    }
}
