//! A server starts again from its disk; its machine gets power if it has none.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Kind, Strike, Survival};
use crate::scenario::verb::{Group, Verb};
use crate::scenario::{Action, Target};
use crate::world::World;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// Which server.
    pub target: Target,
}

pub(super) static KIND: Kind = Kind {
    name: "restart",
    survival: Survival::NoFault,
    verb: Some(Verb {
        name: "restart",
        group: Group::Machines,
        usage: "restart SERVER|all",
        help: "starts a server again from its disk",
        example: "restart n2",
        parse: |words, context| {
            Ok(Action::Fault(Restart { target: words.target(context)? }.into()))
        },
    }),
    draw: None,
};

impl Strike for Restart {
    fn strike(self, world: &mut World) {
        for node in world.targets(self.target) {
            world.start_soon(node);
        }
    }
}

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "restart {}", self.target)
    }
}
