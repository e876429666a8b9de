//! A record of the log does not read back as it was written, until the disk is mended.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Crash, Draw, Kind, Restart, Strike, Survival};
use crate::scenario::error::Problem;
use crate::scenario::node::Context;
use crate::scenario::verb::{Group, Verb};
use crate::scenario::word::Words;
use crate::scenario::{Action, Node, Target};
use crate::world::World;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskRot {
    /// Whose disk.
    pub node: Node,
    /// Which record of the newest segment, counted round.
    pub record: u32,
}

pub(super) static KIND: Kind = Kind {
    name: "disk rot",
    survival: Survival::Survived,
    verb: Some(Verb {
        name: "disk rot",
        group: Group::Disks,
        usage: "disk rot SERVER RECORD",
        help: "turns one bit over in a record of the newest log segment (the RECORD-th, counted \
               round), until `disk mend`; found when it is next read",
        example: "disk rot n2 7",
        parse,
    }),
    draw: Some(draw),
};

fn parse(words: &mut Words, context: Context) -> Result<Action, Problem> {
    let node = words.node(context)?;
    let record = words.expect("a number")?.number_in(0, 1_000_000, "a number")?;
    Ok(Action::Fault(DiskRot { node, record: crate::scenario::small(record) }.into()))
}

/// The server that starts again finds it and stops. With its disk mended it has all that it had.
fn draw(plan: &mut Draw) {
    plan.outages(2, 1_000..4_000, |plan, node, from_ns, until_ns| {
        let (target, survivors) = (Target::Node(node), plan.survivors());
        let record = crate::scenario::small(plan.below(1_000) as u64);
        plan.at(from_ns, Crash { target, survivors, at_disk_operation: None });
        plan.at(from_ns + 1, DiskRot { node, record });
        plan.at(from_ns + (until_ns - from_ns) / 2, Restart { target });
        plan.repaired(node, until_ns);
        plan.at(until_ns + 1, Restart { target });
    });
}

impl Strike for DiskRot {
    fn strike(self, world: &mut World) {
        world.rot(self.node, self.record);
    }
}

impl fmt::Display for DiskRot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "disk rot {} {}", self.node, self.record)
    }
}
