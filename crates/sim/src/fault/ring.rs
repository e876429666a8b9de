//! Every server hears a majority, but no two the same one: each hears its nearest on a ring.
//! Without an order the ring goes by numbers. Of three servers the first and the last do not hear
//! each other, since on a ring everybody would hear everybody.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Draw, HealOne, Kind, Strike, Survival};
use crate::network::CutKind;
use crate::scenario::error::Problem;
use crate::scenario::node::Context;
use crate::scenario::verb::{Group, Verb};
use crate::scenario::word::Words;
use crate::scenario::{Action, Node};
use crate::world::World;

/// See the module's head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ring {
    /// Around the ring; empty for the order of numbers.
    pub order: Vec<Node>,
}

pub(super) static KIND: Kind = Kind {
    name: "ring",
    survival: Survival::Survived,
    verb: Some(Verb {
        name: "ring",
        group: Group::Network,
        usage: "ring [SERVER…]",
        help: "lets every server hear a majority, each a different one",
        example: "ring",
        parse,
    }),
    draw: Some(draw),
};

fn draw(plan: &mut Draw) {
    if plan.members() < 3 {
        return;
    }
    plan.windows(3, 1_000..6_000, |plan, from_ns, until_ns| {
        let order = plan.shuffled();
        plan.at(from_ns, Ring { order });
        plan.at(until_ns, HealOne::of("ring"));
    });
}

fn parse(words: &mut Words, context: Context) -> Result<Action, Problem> {
    let mut order = Vec::new();
    let column = words.column();
    while let Some(word) = words.take() {
        let node = word.node(context)?;
        if order.contains(&node) {
            return Err(word.problem("named twice:", "each server once"));
        }
        order.push(node);
    }
    if order.len() == 1 {
        return Err(Problem::new(column, "no ring of one", "all that are members, or none"));
    }
    Ok(Action::Fault(Ring { order }.into()))
}

impl Strike for Ring {
    fn strike(self, world: &mut World) {
        let ring = if self.order.is_empty() { world.members() } else { self.order };
        let nodes = ring.len();
        // A majority is a server and so many neighbours; the same number on either side.
        let neighbours = nodes / 2;
        let reach = neighbours.div_ceil(2).max(1);
        let place = |node: Node| ring.iter().position(|one| *one == node);
        let network = world.network_mut();
        network.end_cut(CutKind::Ring);
        network.cut(CutKind::Ring, |from, to| {
            let (Some(from), Some(to)) = (place(from), place(to)) else { return false };
            let apart = from.abs_diff(to);
            let around = if nodes > 3 { nodes - apart } else { apart };
            apart.min(around) > reach
        });
    }
}

impl fmt::Display for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ring")?;
        self.order.iter().try_for_each(|node| write!(f, " {node}"))
    }
}
