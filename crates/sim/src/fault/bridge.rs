//! Two halves of the cluster hear each other only through one server in the middle.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Draw, HealOne, Kind, Strike, Survival};
use crate::network::CutKind;
use crate::scenario::verb::{Group, Verb};
use crate::scenario::{Action, Node};
use crate::world::World;

/// See the module's head. The first half of the others, by number, is on one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bridge {
    /// Hears everybody.
    pub node: Node,
}

pub(super) static KIND: Kind = Kind {
    name: "bridge",
    survival: Survival::Survived,
    verb: Some(Verb {
        name: "bridge",
        group: Group::Network,
        usage: "bridge SERVER",
        help: "two halves of the cluster that meet in one server; that one hears both",
        example: "bridge n2",
        parse: |words, context| Ok(Action::Fault(Bridge { node: words.node(context)? }.into())),
    }),
    draw: Some(draw),
};

fn draw(plan: &mut Draw) {
    if plan.members() < 3 {
        return;
    }
    plan.windows(4, 1_000..6_000, |plan, from_ns, until_ns| {
        let node = plan.node();
        plan.at(from_ns, Bridge { node });
        plan.at(until_ns, HealOne::of("bridge"));
    });
}

impl Strike for Bridge {
    fn strike(self, world: &mut World) {
        let mut others = world.members();
        others.retain(|node| *node != self.node);
        let (left, right) = others.split_at(others.len() / 2);
        let are_apart = |one, other| left.contains(&one) && right.contains(&other);
        let network = world.network_mut();
        network.end_cut(CutKind::Bridge);
        network.cut(CutKind::Bridge, |from, to| are_apart(from, to) || are_apart(to, from));
    }
}

impl fmt::Display for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bridge {}", self.node)
    }
}
