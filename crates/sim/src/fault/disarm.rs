//! No crash waits any more for a point or a disk operation.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Kind, Strike, Survival};
use crate::scenario::verb::{Group, Verb};
use crate::scenario::{Action, Target};
use crate::world::World;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disarm {
    /// On which machine.
    pub target: Target,
}

pub(super) static KIND: Kind = Kind {
    name: "disarm",
    survival: Survival::NoFault,
    verb: Some(Verb {
        name: "disarm",
        group: Group::Machines,
        usage: "disarm SERVER|leader|all",
        help: "forgets crashes that wait for a point or a disk operation",
        example: "disarm all",
        parse: |words, context| Ok(Action::Fault(Disarm { target: words.target(context)? }.into())),
    }),
    draw: None,
};

impl Strike for Disarm {
    fn strike(self, world: &mut World) {
        for node in world.targets(self.target) {
            world.machine_mut(node).disarm();
        }
    }
}

impl fmt::Display for Disarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "disarm {}", self.target)
    }
}
