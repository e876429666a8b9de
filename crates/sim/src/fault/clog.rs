//! Messages between servers wait, and arrive in their order once the clog ends.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Draw, HealOne, Kind, Strike, Survival, select};
use crate::network::{Effect, Rule, Selector};
use crate::scenario::Action;
use crate::scenario::verb::{Group, Verb};
use crate::world::World;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clog {
    /// Which messages.
    pub of: Selector,
}

pub(super) static KIND: Kind = Kind {
    name: "clog",
    survival: Survival::Survived,
    verb: Some(Verb {
        name: "clog",
        group: Group::Network,
        usage: "clog [SERVER|SERVER->SERVER|SERVER<->SERVER] [kinds=KIND,…]",
        help: "lets messages between servers wait until `unclog`; none is lost",
        example: "clog n1->n2",
        parse: |words, context| {
            let of = select::selector(words, context)?;
            Ok(Action::Fault(Clog { of }.into()))
        },
    }),
    draw: Some(draw),
};

fn draw(plan: &mut Draw) {
    plan.windows(4, 200..4_000, |plan, from_ns, until_ns| {
        let of = plan.messages();
        plan.at(from_ns, Clog { of });
        plan.at(until_ns, HealOne::of("clog"));
    });
}

impl Clog {
    fn rule(self) -> Rule {
        Rule { effect: Effect::Clog, of: self.of }
    }
}

impl Strike for Clog {
    fn strike(self, world: &mut World) {
        world.network_mut().set(self.rule());
    }
}

impl fmt::Display for Clog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rule().fmt(f)
    }
}
