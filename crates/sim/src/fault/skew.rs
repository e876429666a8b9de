//! A machine's clock runs fast or slow: what it takes for a second is a fraction of one.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Draw, Kind, Strike, Survival};
use crate::machine::Rate;
use crate::scenario::error::Problem;
use crate::scenario::node::Context;
use crate::scenario::verb::{Group, Verb};
use crate::scenario::word::Words;
use crate::scenario::{Action, Target};
use crate::world::World;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skew {
    /// Whose clock.
    pub target: Target,
    /// Its seconds in one second.
    pub rate: Rate,
}

pub(super) static KIND: Kind = Kind {
    name: "skew",
    survival: Survival::Survived,
    verb: Some(Verb {
        name: "skew",
        group: Group::Machines,
        usage: "skew SERVER|leader|all RATE",
        help: "lets a clock run so many times as fast, as a fraction from 1/10 to 10; 1 ends it",
        example: "skew n2 11/10",
        parse,
    }),
    draw: Some(draw),
};

fn parse(words: &mut Words, context: Context) -> Result<Action, Problem> {
    let target = words.target(context)?;
    let expected = "a rate such as `11/10` or `1`, from 1/10 to 10";
    let word = words.expect(expected)?;
    let (over, under) = word.text.split_once('/').unwrap_or((&word.text, "1"));
    let skip = u32::try_from(over.chars().count() + 1).unwrap_or(0);
    let over = word.part(over, 0).number_in(1, 1_000, "a number")?;
    let under = word.part(under, skip).number_in(1, 1_000, "a number")?;
    let rate = Rate::new(over, under).ok_or_else(|| word.problem("out of range:", expected))?;
    Ok(Action::Fault(Skew { target, rate }.into()))
}

/// A percent or ten, sometimes twice or half or less.
fn draw(plan: &mut Draw) {
    plan.windows(3, 2_000..15_000, |plan, from_ns, until_ns| {
        let node = Target::Node(plan.node());
        let target = plan.one_of(&[Target::Leader, node]);
        let (over, under) =
            plan.one_of(&[(101, 100), (99, 100), (11, 10), (9, 10), (2, 1), (1, 2), (1, 4)]);
        let rate = Rate::new(over, under).expect("it is in range");
        plan.at(from_ns, Skew { target, rate });
        plan.at(until_ns, Skew { target: Target::All, rate: Rate::TRUE });
    });
}

impl Strike for Skew {
    fn strike(self, world: &mut World) {
        for node in world.targets(self.target) {
            world.skew(node, self.rate);
        }
    }

    fn breaks(&self) -> bool {
        self.rate != Rate::TRUE
    }

    fn target(&self) -> Option<Target> {
        Some(self.target)
    }
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "skew {} {}", self.target, self.rate)
    }
}
