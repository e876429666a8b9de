//! A sector cannot be read: a latent error, met when somebody reads there. Writing it whole cures
//! it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::flip::path;
use super::{Crash, Draw, Kind, Restart, Strike, Survival, Survivors};
use crate::scenario::error::Problem;
use crate::scenario::node::Context;
use crate::scenario::verb::{Group, Verb};
use crate::scenario::word::{Words, quoted};
use crate::scenario::{Action, Node, Target};
use crate::world::World;

/// See the module's head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskBadSector {
    /// Whose disk.
    pub node: Node,
    /// Absolute, or below the server's data directory; `wal` is the newest segment of the log.
    pub path: String,
    /// Offset in the file divided by 512.
    pub sector: u64,
}

pub(super) static KIND: Kind = Kind {
    name: "disk bad-sector",
    survival: Survival::Survived,
    verb: Some(Verb {
        name: "disk bad-sector",
        group: Group::Disks,
        usage: "disk bad-sector SERVER PATH SECTOR",
        help: "makes a sector unreadable; `wal` is the newest segment of the log",
        example: "disk bad-sector n2 wal 0",
        parse,
    }),
    draw: Some(draw),
};

fn parse(words: &mut Words, context: Context) -> Result<Action, Problem> {
    let node = words.node(context)?;
    let path = path(words)?;
    let sector = words.expect("a sector")?.number("the number of a sector: an offset over 512")?;
    Ok(Action::Fault(DiskBadSector { node, path, sector }.into()))
}

/// The server starts again and dies reading its log; then the sector can be read again.
fn draw(plan: &mut Draw) {
    plan.outages(1, 1_000..3_000, |plan, node, from_ns, until_ns| {
        let target = Target::Node(node);
        let survivors = Survivors::Nothing;
        plan.at(from_ns, DiskBadSector { node, path: "wal".to_owned(), sector: 0 });
        plan.at(from_ns, Crash { target, survivors, at_disk_operation: None });
        plan.at(from_ns + (until_ns - from_ns) / 2, Restart { target });
        plan.repaired(node, until_ns);
        plan.at(until_ns, Crash { target, survivors, at_disk_operation: None });
        plan.at(until_ns + 1, Restart { target });
    });
}

impl Strike for DiskBadSector {
    fn strike(self, world: &mut World) {
        world.spoil(self.node, &self.path, self.sector);
    }
}

impl fmt::Display for DiskBadSector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "disk bad-sector {} {} {}", self.node, quoted(&self.path), self.sector)
    }
}
