//! What is known of a cluster, for all checks alike: followed step by step, never judged.
//!
//! ```text
//! shadow          each server's log, durable log and standing; the committed log
//!   ↓
//! configurations  who the members are: on each server, and from each index on
//!   ↓
//! replay          the committed log applied once, to the model: what each entry did
//! ```
//!
//! A step is followed as a whole before any check looks at it. What is new in it stands in its
//! [`News`] and, of its server, in its [`Shadow`](shadow::Shadow).

pub(super) mod configurations;
pub(super) mod durable;
pub(super) mod model;
pub(super) mod replay;
pub(super) mod shadow;
pub(super) mod told;

use configurations::Configurations;
use replay::{Replay, Replayed};
use shadow::Shadows;

use super::Step;
use crate::machine::Machine;

/// See the module's head.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) shadows: Shadows,
    pub(super) configurations: Configurations,
    pub(super) replay: Replay,
}

/// What nobody knew before a step.
#[derive(Debug, Default)]
pub(super) struct News {
    /// The entries that were known to be committed before it.
    pub(super) committed_before: u64,
    /// The entry whose configuration came into force, for the first time anywhere.
    pub(super) entered: Option<u64>,
    /// Committed entries.
    pub(super) replayed: Vec<Replayed>,
    /// A committed entry was compacted before it could be read: nothing is replayed any more.
    pub(super) is_lost: bool,
}

impl Facts {
    pub(super) fn new(machines: &[Machine]) -> Facts {
        Facts {
            shadows: Shadows::new(machines),
            configurations: Configurations::default(),
            replay: Replay::new(),
        }
    }

    /// Follows one server through one step; `None` while it takes no part in consensus.
    pub(super) fn follow(&mut self, step: &Step<'_>) -> Option<News> {
        self.shadows.follow(step.machine, &step.effects.trace);
        let shadow = self.shadows.of(step.node);
        if !shadow.is_up {
            return None;
        }
        let entered = self.configurations.follow(shadow, step.machine);
        let committed_before = self.shadows.committed.last_index();
        self.shadows.commit(step.node);
        self.replay.proposed(&step.effects.trace);
        let mut news = News { committed_before, entered, ..News::default() };
        self.replay.follow(self.shadows.committed.last_index(), step.machine, &mut news);
        Some(news)
    }
}
