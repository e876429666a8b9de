//! A process ends, its machine goes on: what it wrote stays in the cache, synced or not.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Draw, Kind, Restart, Strike, Survival};
use crate::scenario::verb::{Group, Verb};
use crate::scenario::{Action, Target};
use crate::world::World;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kill {
    /// Which server.
    pub target: Target,
}

pub(super) static KIND: Kind = Kind {
    name: "kill",
    survival: Survival::Survived,
    verb: Some(Verb {
        name: "kill",
        group: Group::Machines,
        usage: "kill SERVER|leader|all",
        help: "ends a server as `kill -9` does; its machine and what it wrote stay",
        example: "kill n2",
        parse: |words, context| Ok(Action::Fault(Kill { target: words.target(context)? }.into())),
    }),
    draw: Some(draw),
};

fn draw(plan: &mut Draw) {
    plan.outages(3, 100..2_500, |plan, node, from_ns, until_ns| {
        let target = Target::Node(node);
        plan.at(from_ns, Kill { target });
        plan.at(until_ns, Restart { target });
    });
}

impl Strike for Kill {
    fn strike(self, world: &mut World) {
        for node in world.targets(self.target) {
            world.kill(node);
        }
    }

    fn target(&self) -> Option<Target> {
        Some(self.target)
    }
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kill {}", self.target)
    }
}
