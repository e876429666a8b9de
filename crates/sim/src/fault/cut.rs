//! Links are cut one by one: one way, both ways, or all of a server in one direction.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Draw, HealOne, Kind, Strike, Survival, select};
use crate::network::{CutKind, Links};
use crate::scenario::Action;
use crate::scenario::verb::{Group, Verb};
use crate::world::World;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Which links.
    pub links: Links,
}

pub(super) static KIND: Kind = Kind {
    name: "cut",
    survival: Survival::Survived,
    verb: Some(Verb {
        name: "cut",
        group: Group::Network,
        usage: "cut SERVER->SERVER|SERVER<->SERVER|SERVER",
        help: "cuts links, one way or both; what was cut before stays so",
        example: "cut n1->n2",
        parse: |words, context| {
            let links = select::links(&words.expect("links such as `n1->n2`")?, context)?;
            Ok(Action::Fault(Cut { links }.into()))
        },
    }),
    draw: Some(draw),
};

/// Some links, in one direction each.
fn draw(plan: &mut Draw) {
    plan.windows(4, 300..6_000, |plan, from_ns, until_ns| {
        let nodes = plan.shuffled();
        if nodes.len() < 2 {
            return;
        }
        let (one, others) = (nodes[0], &nodes[1..]);
        let count = 1 + plan.below(others.len());
        let is_deaf = plan.one_of(&[false, true]);
        for other in &others[..count] {
            let links = if is_deaf { Links::From(*other, one) } else { Links::From(one, *other) };
            plan.at(from_ns, Cut { links });
        }
        plan.at(until_ns, HealOne::of("cut"));
    });
}

impl Strike for Cut {
    fn strike(self, world: &mut World) {
        world.network_mut().cut(CutKind::OneWay, |from, to| self.links.contain(from, to));
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cut {}", self.links)
    }
}
