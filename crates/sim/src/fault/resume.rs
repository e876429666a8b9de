//! A paused process goes on with what came to it meanwhile.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Kind, Strike, Survival};
use crate::scenario::verb::{Group, Verb};
use crate::scenario::{Action, Target};
use crate::world::World;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// Which server.
    pub target: Target,
}

pub(super) static KIND: Kind = Kind {
    name: "resume",
    survival: Survival::NoFault,
    verb: Some(Verb {
        name: "resume",
        group: Group::Machines,
        usage: "resume SERVER|all",
        help: "lets a paused server go on",
        example: "resume all",
        parse: |words, context| Ok(Action::Fault(Resume { target: words.target(context)? }.into())),
    }),
    draw: None,
};

impl Strike for Resume {
    fn strike(self, world: &mut World) {
        for node in world.targets(self.target) {
            world.resume_process(node);
        }
    }
}

impl fmt::Display for Resume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "resume {}", self.target)
    }
}
