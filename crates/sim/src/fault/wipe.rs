//! A machine gets an empty disk, after a power cut.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Kind, Strike, Survival};
use crate::scenario::verb::{Group, Verb};
use crate::scenario::{Action, Target};
use crate::world::World;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wipe {
    /// Whose disk.
    pub target: Target,
}

pub(super) static KIND: Kind = Kind {
    name: "wipe",
    survival: Survival::NotSurvived("a member that forgot its vote and its log may break both"),
    verb: Some(Verb {
        name: "wipe",
        group: Group::Machines,
        usage: "wipe SERVER|leader|all",
        help: "cuts the power and puts an empty disk into the machine; `restart` starts a server that knows nothing",
        example: "wipe n2",
        parse: |words, context| Ok(Action::Fault(Wipe { target: words.target(context)? }.into())),
    }),
    draw: None,
};

impl Strike for Wipe {
    fn strike(self, world: &mut World) {
        for node in world.targets(self.target) {
            world.wipe(node);
        }
    }
}

impl fmt::Display for Wipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wipe {}", self.target)
    }
}
