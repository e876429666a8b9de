//! A disk works again: full, slow, failing and unreadable no more. What was lost stays lost.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Kind, Strike, Survival};
use crate::scenario::verb::{Group, Verb};
use crate::scenario::{Action, Target};
use crate::world::World;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskMend {
    /// Whose disk.
    pub target: Target,
}

pub(super) static KIND: Kind = Kind {
    name: "disk mend",
    survival: Survival::NoFault,
    verb: Some(Verb {
        name: "disk mend",
        group: Group::Disks,
        usage: "disk mend SERVER|leader|all",
        help: "ends all faults of a disk; what they lost stays lost",
        example: "disk mend n2",
        parse: |words, context| {
            Ok(Action::Fault(DiskMend { target: words.target(context)? }.into()))
        },
    }),
    draw: None,
};

impl Strike for DiskMend {
    fn strike(self, world: &mut World) {
        for node in world.targets(self.target) {
            world.mend_disk(node);
        }
    }
}

impl fmt::Display for DiskMend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "disk mend {}", self.target)
    }
}
