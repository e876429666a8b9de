//! A machine's clock is set forward or back at once.
//!
//! As with Go's monotonic readings, no process sees its time go back: a clock that is set back
//! stands still for a running server until it is past again what it has shown, and shows the
//! earlier time to the next one.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Draw, Kind, Strike, Survival};
use crate::scenario::error::Problem;
use crate::scenario::node::Context;
use crate::scenario::verb::{Group, Verb};
use crate::scenario::word::Words;
use crate::scenario::{Action, MILLISECOND_NS, Target, print_time};
use crate::world::World;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jump {
    /// Whose clock.
    pub target: Target,
    /// By how much.
    pub by_ns: u64,
    /// Back, not forward.
    pub is_back: bool,
}

pub(super) static KIND: Kind = Kind {
    name: "jump",
    survival: Survival::Survived,
    verb: Some(Verb {
        name: "jump",
        group: Group::Machines,
        usage: "jump SERVER|leader|all +TIME|-TIME",
        help: "sets a clock forward or back",
        example: "jump n2 +1.5s",
        parse,
    }),
    draw: Some(draw),
};

fn parse(words: &mut Words, context: Context) -> Result<Action, Problem> {
    let target = words.target(context)?;
    let word = words.expect("`+` or `-` and a time, such as `+1.5s`")?;
    let is_back = word.text.starts_with('-');
    let time = word.text.strip_prefix(['+', '-']);
    let time = time.ok_or_else(|| word.problem("no sign:", "`+` or `-` and a time"))?;
    let by_ns = word.part(time, 1).time()?;
    Ok(Action::Fault(Jump { target, by_ns, is_back }.into()))
}

fn draw(plan: &mut Draw) {
    plan.windows(3, 0..1, |plan, from_ns, _| {
        let target = Target::Node(plan.node());
        let by_ns = MILLISECOND_NS * plan.one_of(&[10, 500, 3_000, 60_000]);
        let is_back = plan.one_of(&[false, true]);
        plan.at(from_ns, Jump { target, by_ns, is_back });
    });
}

impl Strike for Jump {
    fn strike(self, world: &mut World) {
        for node in world.targets(self.target) {
            world.jump(node, self.by_ns, self.is_back);
        }
    }
}

impl fmt::Display for Jump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.is_back { '-' } else { '+' };
        write!(f, "jump {} {sign}{}", self.target, print_time(self.by_ns))
    }
}
