//! One server hears nobody and nobody hears it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Draw, HealOne, Kind, Strike, Survival};
use crate::network::CutKind;
use crate::scenario::verb::{Group, Verb};
use crate::scenario::{Action, Target};
use crate::world::World;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Isolate {
    /// Which server.
    pub target: Target,
}

pub(super) static KIND: Kind = Kind {
    name: "isolate",
    survival: Survival::Survived,
    verb: Some(Verb {
        name: "isolate",
        group: Group::Network,
        usage: "isolate SERVER|leader",
        help: "cuts one server off from the others",
        example: "isolate leader",
        parse: |words, context| {
            Ok(Action::Fault(Isolate { target: words.one_target(context)? }.into()))
        },
    }),
    draw: Some(draw),
};

/// The leader, mostly.
fn draw(plan: &mut Draw) {
    plan.windows(4, 300..6_000, |plan, from_ns, until_ns| {
        let node = Target::Node(plan.node());
        let target = plan.one_of(&[Target::Leader, Target::Leader, node]);
        plan.at(from_ns, Isolate { target });
        plan.at(until_ns, HealOne::of("isolate"));
    });
}

impl Strike for Isolate {
    fn strike(self, world: &mut World) {
        for node in world.targets(self.target) {
            world.network_mut().cut(CutKind::Isolate, |from, to| from == node || to == node);
        }
    }

    fn target(&self) -> Option<Target> {
        Some(self.target)
    }
}

impl fmt::Display for Isolate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "isolate {}", self.target)
    }
}
