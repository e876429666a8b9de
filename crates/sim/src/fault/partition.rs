//! Servers hear only those of their own group; whoever is not named forms one more group.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Draw, HealOne, Kind, Strike, Survival};
use crate::scenario::error::Problem;
use crate::scenario::node::Context;
use crate::scenario::verb::{Group, Verb};
use crate::scenario::word::{Word, Words};
use crate::scenario::{Action, Node};
use crate::world::World;

/// See the module's head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// The groups.
    pub groups: Vec<Vec<Node>>,
}

pub(super) static KIND: Kind = Kind {
    name: "partition",
    survival: Survival::Survived,
    verb: Some(Verb {
        name: "partition",
        group: Group::Network,
        usage: "partition SERVERS | SERVERS [| SERVERS]…",
        help: "cuts the network between groups of servers",
        example: "partition n1 | n2 n3",
        parse,
    }),
    draw: Some(draw),
};

/// Two groups, or everybody alone.
fn draw(plan: &mut Draw) {
    plan.windows(4, 300..6_000, |plan, from_ns, until_ns| {
        let nodes = plan.shuffled();
        if nodes.len() < 2 {
            return;
        }
        let groups = if plan.one_of(&[false, false, false, false, true]) {
            nodes.into_iter().map(|node| vec![node]).collect()
        } else {
            let size = 1 + plan.below(nodes.len() - 1);
            let (one, other) = nodes.split_at(size);
            vec![sorted(one), sorted(other)]
        };
        plan.at(from_ns, Partition { groups });
        plan.at(until_ns, HealOne::of("partition"));
    });
}

pub(super) fn sorted(nodes: &[Node]) -> Vec<Node> {
    let mut nodes = nodes.to_vec();
    ordered::sort_by_key(&mut nodes, |node| *node);
    nodes
}

/// Words with `|` between groups; the bar may stand alone or touch a name.
fn parse(words: &mut Words, context: Context) -> Result<Action, Problem> {
    let start = words.column();
    let mut groups: Vec<Vec<Node>> = vec![Vec::new()];
    while let Some(word) = words.take() {
        let mut skip = 0;
        for (place, part) in word.text.split('|').enumerate() {
            if place > 0 {
                groups.push(Vec::new());
            }
            if !part.is_empty() {
                let name = word.part(part, skip);
                add(&mut groups, name.node(context)?, &name)?;
            }
            skip += u32::try_from(part.chars().count() + 1).unwrap_or(0);
        }
    }
    if groups.len() < 2 || groups.iter().any(Vec::is_empty) {
        return Err(Problem::new(start, "not two groups of servers", "`n1 | n2 n3`"));
    }
    Ok(Action::Fault(Partition { groups }.into()))
}

fn add(groups: &mut [Vec<Node>], node: Node, name: &Word) -> Result<(), Problem> {
    if groups.iter().any(|group| group.contains(&node)) {
        return Err(name.problem("named twice:", "each server in one group"));
    }
    if let Some(group) = groups.last_mut() {
        group.push(node);
    }
    Ok(())
}

impl Strike for Partition {
    fn strike(self, world: &mut World) {
        world.network_mut().partition(&self.groups);
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups: Vec<String> = self.groups.iter().map(|group| names(group)).collect();
        write!(f, "partition {}", groups.join(" | "))
    }
}

fn names(group: &[Node]) -> String {
    group.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
