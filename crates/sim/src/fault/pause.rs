//! A process stands still, as under SIGSTOP: what comes to it waits, its clock ticks once at most.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Draw, Kind, Resume, Strike, Survival};
use crate::scenario::verb::{Group, Verb};
use crate::scenario::{Action, Target};
use crate::world::World;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Which server.
    pub target: Target,
}

pub(super) static KIND: Kind = Kind {
    name: "pause",
    survival: Survival::Survived,
    verb: Some(Verb {
        name: "pause",
        group: Group::Machines,
        usage: "pause SERVER|leader|all",
        help: "lets a server stand still; what comes to it waits until `resume`",
        example: "pause leader",
        parse: |words, context| Ok(Action::Fault(Pause { target: words.target(context)? }.into())),
    }),
    draw: Some(draw),
};

fn draw(plan: &mut Draw) {
    plan.outages(4, 100..6_000, |plan, node, from_ns, until_ns| {
        let target = Target::Node(node);
        plan.at(from_ns, Pause { target });
        plan.at(until_ns, Resume { target });
    });
    plan.blackouts(1, 100..4_000, |plan, from_ns, until_ns| {
        plan.at(from_ns, Pause { target: Target::Leader });
        plan.at(until_ns, Resume { target: Target::All });
    });
}

impl Strike for Pause {
    fn strike(self, world: &mut World) {
        for node in world.targets(self.target) {
            world.pause(node);
        }
    }

    fn target(&self) -> Option<Target> {
        Some(self.target)
    }
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pause {}", self.target)
    }
}
