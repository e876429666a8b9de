//! Messages between servers arrive twice.
//!
//! A plan doubles only what raft takes twice without harm. A proposal on its way to the leader is
//! not of that kind: etcd does not know it again and applies it twice. A real stream never doubles.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Draw, HealOne, Kind, Strike, Survival, select};
use crate::network::{Effect, Kinds, MessageKind, Rule, Selector};
use crate::scenario::Action;
use crate::scenario::verb::{Group, Verb};
use crate::world::World;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duplicate {
    /// Parts per million; 0 ends it.
    pub ppm: u32,
    /// Which messages.
    pub of: Selector,
}

pub(super) static KIND: Kind = Kind {
    name: "duplicate",
    survival: Survival::Survived,
    verb: Some(Verb {
        name: "duplicate",
        group: Group::Network,
        usage: "duplicate PERCENT [SERVER|SERVER->SERVER|SERVER<->SERVER] [kinds=KIND,…]",
        help: "lets a share of the messages between servers arrive twice; 0% ends it",
        example: "duplicate 10% kinds=append,vote",
        parse: |words, context| {
            let ppm = words.expect("a percentage such as `5%`")?.share()?;
            let of = select::selector(words, context)?;
            Ok(Action::Fault(Duplicate { ppm, of }.into()))
        },
    }),
    draw: Some(draw),
};

fn draw(plan: &mut Draw) {
    let kinds = Kinds::of(&[
        MessageKind::Append,
        MessageKind::AppendResponse,
        MessageKind::Heartbeat,
        MessageKind::HeartbeatResponse,
        MessageKind::Vote,
        MessageKind::VoteResponse,
    ]);
    plan.windows(3, 1_000..8_000, |plan, from_ns, until_ns| {
        let ppm = plan.one_of(&[20_000, 200_000, 1_000_000]);
        let of = Selector { links: plan.links(), kinds };
        plan.at(from_ns, Duplicate { ppm, of });
        plan.at(until_ns, HealOne::of("duplicate"));
    });
}

impl Duplicate {
    fn rule(self) -> Rule {
        Rule { effect: Effect::Duplicate(self.ppm), of: self.of }
    }
}

impl Strike for Duplicate {
    fn strike(self, world: &mut World) {
        world.network_mut().set(self.rule());
    }

    fn breaks(&self) -> bool {
        self.ppm > 0
    }
}

impl fmt::Display for Duplicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rule().fmt(f)
    }
}
