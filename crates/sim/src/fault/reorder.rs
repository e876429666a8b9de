//! Messages between servers leave the order of their stream: they take longer, and later ones pass.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Draw, HealOne, Kind, Strike, Survival, select};
use crate::network::{Effect, Rule, Selector};
use crate::scenario::verb::{Group, Verb};
use crate::scenario::{Action, MILLISECOND_NS};
use crate::world::World;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reorder {
    /// Parts per million; 0 ends it.
    pub ppm: u32,
    /// How much longer at most.
    pub by_ns: u64,
    /// Which messages.
    pub of: Selector,
}

/// Without `by`.
const BY_NS: u64 = 20 * MILLISECOND_NS;

pub(super) static KIND: Kind = Kind {
    name: "reorder",
    survival: Survival::Survived,
    verb: Some(Verb {
        name: "reorder",
        group: Group::Network,
        usage: "reorder PERCENT [by TIME] [SERVER|SERVER->SERVER|SERVER<->SERVER] [kinds=KIND,…]",
        help: "lets later messages pass a share of them, by up to a time (20ms); 0% ends it",
        example: "reorder 10% by 50ms",
        parse: |words, context| {
            let ppm = words.expect("a percentage such as `5%`")?.share()?;
            let by_ns = if words.take_if("by") { words.expect("a time")?.time()? } else { BY_NS };
            let of = select::selector(words, context)?;
            Ok(Action::Fault(Reorder { ppm, by_ns, of }.into()))
        },
    }),
    draw: Some(draw),
};

fn draw(plan: &mut Draw) {
    plan.windows(3, 1_000..8_000, |plan, from_ns, until_ns| {
        let ppm = plan.one_of(&[20_000, 200_000, 700_000]);
        let by_ns = MILLISECOND_NS * plan.one_of(&[5, 50, 500]);
        let of = plan.messages();
        plan.at(from_ns, Reorder { ppm, by_ns, of });
        plan.at(until_ns, HealOne::of("reorder"));
    });
}

impl Reorder {
    fn rule(self) -> Rule {
        Rule { effect: Effect::Reorder { ppm: self.ppm, by_ns: self.by_ns }, of: self.of }
    }
}

impl Strike for Reorder {
    fn strike(self, world: &mut World) {
        world.network_mut().set(self.rule());
    }

    fn breaks(&self) -> bool {
        self.ppm > 0
    }
}

impl fmt::Display for Reorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rule().fmt(f)
    }
}
