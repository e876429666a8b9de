//! A disk has no space left. What was reserved (a log segment's length) can still be written.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Draw, Kind, Restart, Strike, Survival};
use crate::check::Excuse;
use crate::scenario::verb::{Group, Verb};
use crate::scenario::{Action, Target};
use crate::world::World;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskFull {
    /// Whose disk.
    pub target: Target,
}

pub(super) static KIND: Kind = Kind {
    name: "disk full",
    survival: Survival::Survived,
    verb: Some(Verb {
        name: "disk full",
        group: Group::Disks,
        usage: "disk full SERVER|leader|all",
        help: "leaves no space on a disk until `disk mend`; what is reserved can still be written",
        example: "disk full n2",
        parse: |words, context| {
            Ok(Action::Fault(DiskFull { target: words.target(context)? }.into()))
        },
    }),
    draw: Some(draw),
};

/// Until the server needs space and dies of it; then there is space, and it starts again.
fn draw(plan: &mut Draw) {
    plan.outages(1, 3_000..7_000, |plan, node, from_ns, until_ns| {
        let target = Target::Node(node);
        plan.at(from_ns, DiskFull { target });
        plan.repaired(node, until_ns);
        plan.at(until_ns, Restart { target });
    });
}

impl Strike for DiskFull {
    fn strike(self, world: &mut World) {
        for node in world.targets(self.target) {
            world.set_disk_faults(node, Excuse::UntilMended, |faults| faults.is_full = true);
        }
    }
}

impl fmt::Display for DiskFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "disk full {}", self.target)
    }
}
