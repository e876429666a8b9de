//! The next syncs of a disk fail, and the pages that they covered count as clean, as on Linux.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Crash, Draw, Kind, Restart, Strike, Survival};
use crate::check::Excuse;
use crate::scenario::error::Problem;
use crate::scenario::node::Context;
use crate::scenario::verb::{Group, Verb};
use crate::scenario::word::Words;
use crate::scenario::{Action, Target};
use crate::world::World;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskFailSync {
    /// Whose disk.
    pub target: Target,
    /// How many.
    pub syncs: u32,
}

pub(super) static KIND: Kind = Kind {
    name: "disk fail-sync",
    survival: Survival::Survived,
    verb: Some(Verb {
        name: "disk fail-sync",
        group: Group::Disks,
        usage: "disk fail-sync SERVER|leader|all [N]",
        help: "lets the next syncs fail (one, or N); as on Linux, nothing writes what they covered any more",
        example: "disk fail-sync n2",
        parse,
    }),
    draw: Some(draw),
};

/// The server dies of it. Its cache holds what is not on the disk and counts as clean, so the
/// machine is switched off before the server starts again: nobody may rely on such a cache.
fn draw(plan: &mut Draw) {
    plan.outages(2, 1_500..4_000, |plan, node, from_ns, until_ns| {
        let target = Target::Node(node);
        plan.at(from_ns, DiskFailSync { target, syncs: 1 });
        plan.repaired(node, until_ns);
        let survivors = plan.survivors();
        plan.at(until_ns, Crash { target, survivors, at_disk_operation: None });
        plan.at(until_ns + 1, Restart { target });
    });
}

fn parse(words: &mut Words, context: Context) -> Result<Action, Problem> {
    let target = words.target(context)?;
    let number = match words.take() {
        None => 1,
        Some(word) => word.number_in(1, 1_000_000, "a number")?,
    };
    let syncs = crate::scenario::small(number);
    Ok(Action::Fault(DiskFailSync { target, syncs }.into()))
}

impl Strike for DiskFailSync {
    fn strike(self, world: &mut World) {
        for node in world.targets(self.target) {
            world.set_disk_faults(node, Excuse::UntilMended, |faults| {
                faults.failing_syncs = self.syncs;
            });
        }
    }
}

impl fmt::Display for DiskFailSync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "disk fail-sync {}", self.target)?;
        if self.syncs == 1 { Ok(()) } else { write!(f, " {}", self.syncs) }
    }
}
