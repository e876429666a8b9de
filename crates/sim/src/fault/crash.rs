//! The power of a machine goes: what was not synced is lost, or some of it is.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::crash_during::CrashDuring;
use super::{Draw, Kind, Restart, Strike, Survival};
use crate::scenario::error::Problem;
use crate::scenario::node::Context;
use crate::scenario::verb::{Group, Verb};
use crate::scenario::word::Words;
use crate::scenario::{Action, Target};
use crate::world::World;

/// What of the things that were not synced a power cut leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Survivors {
    /// Nothing.
    #[default]
    Nothing,
    /// Each sector, length and name with one chance in two: torn writes.
    Torn,
    /// Names, lengths, and each page with one chance in two: later writes without earlier ones.
    Reordered,
    /// All bytes, but no change of a name: directories that were not synced.
    Nameless,
    /// Everything: the cache had just been written back.
    Everything,
}

impl Survivors {
    const WORDS: [(Survivors, &'static str); 4] = [
        (Survivors::Torn, "torn"),
        (Survivors::Reordered, "reordered"),
        (Survivors::Nameless, "nameless"),
        (Survivors::Everything, "flushed"),
    ];

    /// The word for it if the next one is one.
    pub(super) fn take(words: &mut Words) -> Option<Survivors> {
        let found = Self::WORDS.iter().find(|(_, word)| words.take_if(word));
        found.map(|(survivors, _)| *survivors)
    }
}

/// With a space before it, nothing for nothing.
impl fmt::Display for Survivors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::WORDS.iter().find(|(survivors, _)| survivors == self) {
            Some((_, word)) => write!(f, " {word}"),
            None => Ok(()),
        }
    }
}

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crash {
    /// Which machine.
    pub target: Target,
    /// What survives of the things that were not synced.
    pub survivors: Survivors,
    /// Not now, but at this disk operation from now (1 is the next one): that operation, all
    /// later ones and everything that the server was about to send are lost.
    pub at_disk_operation: Option<u32>,
}

pub(super) static KIND: Kind = Kind {
    name: "crash",
    survival: Survival::Survived,
    verb: Some(Verb {
        name: "crash",
        group: Group::Machines,
        usage: "crash SERVER|leader|all [torn|reordered|nameless|flushed] \
                [at disk-operation N | during POINT [nth N]]",
        help: "cuts the power; what was not synced is lost, or some of it",
        example: "crash leader",
        parse,
    }),
    draw: Some(draw),
};

/// One machine, the leader, or all at once; now or in the middle of what it does.
fn draw(plan: &mut Draw) {
    plan.outages(6, 100..2_500, |plan, node, from_ns, until_ns| {
        let survivors = plan.survivors();
        let at_disk_operation = match plan.below(3) {
            0 => Some(1 + u32::try_from(plan.below(40)).unwrap_or(0)),
            _ => None,
        };
        let target = Target::Node(node);
        plan.at(from_ns, Crash { target, survivors, at_disk_operation });
        if at_disk_operation.is_some() {
            plan.at(until_ns - 1, Crash { target, survivors, at_disk_operation: None });
        }
        plan.at(until_ns, Restart { target });
    });
    plan.blackouts(2, 100..2_500, |plan, from_ns, until_ns| {
        let target = plan.one_of(&[Target::Leader, Target::All]);
        let survivors = plan.survivors();
        plan.at(from_ns, Crash { target, survivors, at_disk_operation: None });
        plan.at(until_ns, Restart { target: Target::All });
    });
}

fn parse(words: &mut Words, context: Context) -> Result<Action, Problem> {
    let target = words.target(context)?;
    let mut survivors = Survivors::take(words);
    if words.take_if("during") {
        return CrashDuring::parse(words, target, survivors)
            .map(|crash| Action::Fault(crash.into()));
    }
    let mut at_disk_operation = None;
    if words.take_if("at") {
        let word = words.expect("`disk-operation`")?;
        if word.text != "disk-operation" {
            return Err(word.problem("unknown point", "`disk-operation`"));
        }
        let number = words.expect("a number")?.number_in(1, 1_000_000, "a number")?;
        at_disk_operation = Some(crate::scenario::small(number));
        survivors = survivors.or_else(|| Survivors::take(words));
    }
    let survivors = survivors.unwrap_or_default();
    Ok(Action::Fault(Crash { target, survivors, at_disk_operation }.into()))
}

impl Strike for Crash {
    fn strike(self, world: &mut World) {
        for node in world.targets(self.target) {
            world.crash(node, self.survivors, self.at_disk_operation);
        }
    }

    fn target(&self) -> Option<Target> {
        Some(self.target)
    }
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "crash {}{}", self.target, self.survivors)?;
        match self.at_disk_operation {
            Some(operation) => write!(f, " at disk-operation {operation}"),
            None => Ok(()),
        }
    }
}
