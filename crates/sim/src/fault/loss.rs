//! Messages between servers get lost.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Draw, HealOne, Kind, Strike, Survival, select};
use crate::network::{Effect, Rule, Selector};
use crate::scenario::Action;
use crate::scenario::verb::{Group, Verb};
use crate::world::World;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Parts per million; 0 ends it.
    pub ppm: u32,
    /// Which messages.
    pub of: Selector,
}

pub(super) static KIND: Kind = Kind {
    name: "loss",
    survival: Survival::Survived,
    verb: Some(Verb {
        name: "loss",
        group: Group::Network,
        usage: "loss PERCENT [SERVER|SERVER->SERVER|SERVER<->SERVER] [kinds=KIND,…]",
        help: "loses a share of the messages between servers; 0% ends it",
        example: "loss 5%",
        parse: |words, context| {
            let ppm = words.expect("a percentage such as `5%`")?.share()?;
            let of = select::selector(words, context)?;
            Ok(Action::Fault(Loss { ppm, of }.into()))
        },
    }),
    draw: Some(draw),
};

/// Now and then a few percent, sometimes nearly all.
fn draw(plan: &mut Draw) {
    plan.windows(4, 500..8_000, |plan, from_ns, until_ns| {
        let ppm = plan.one_of(&[10_000, 50_000, 200_000, 500_000, 900_000]);
        let of = plan.messages();
        plan.at(from_ns, Loss { ppm, of });
        plan.at(until_ns, HealOne::of("loss"));
    });
}

impl Loss {
    fn rule(self) -> Rule {
        Rule { effect: Effect::Loss(self.ppm), of: self.of }
    }
}

impl Strike for Loss {
    fn strike(self, world: &mut World) {
        world.network_mut().set(self.rule());
    }

    fn breaks(&self) -> bool {
        self.ppm > 0
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rule().fmt(f)
    }
}
