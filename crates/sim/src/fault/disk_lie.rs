//! The next syncs of files are acknowledged and write nothing.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Kind, Strike, Survival};
use crate::check::Excuse;
use crate::scenario::error::Problem;
use crate::scenario::node::Context;
use crate::scenario::verb::{Group, Verb};
use crate::scenario::word::Words;
use crate::scenario::{Action, Target};
use crate::world::World;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskLie {
    /// Whose disk.
    pub target: Target,
    /// How many.
    pub syncs: u32,
}

pub(super) static KIND: Kind = Kind {
    name: "disk lie",
    survival: Survival::NotSurvived("what was acknowledged was never written"),
    verb: Some(Verb {
        name: "disk lie",
        group: Group::Disks,
        usage: "disk lie SERVER|leader|all [N]",
        help: "acknowledges the next syncs of files (one, or N) and writes nothing",
        example: "disk lie n2",
        parse,
    }),
    draw: None,
};

fn parse(words: &mut Words, context: Context) -> Result<Action, Problem> {
    let target = words.target(context)?;
    let number = match words.take() {
        None => 1,
        Some(word) => word.number_in(1, 1_000_000, "a number")?,
    };
    let syncs = crate::scenario::small(number);
    Ok(Action::Fault(DiskLie { target, syncs }.into()))
}

impl Strike for DiskLie {
    fn strike(self, world: &mut World) {
        for node in world.targets(self.target) {
            world.set_disk_faults(node, Excuse::ForGood, |faults| faults.lying_syncs = self.syncs);
        }
    }
}

impl fmt::Display for DiskLie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "disk lie {}", self.target)?;
        if self.syncs == 1 { Ok(()) } else { write!(f, " {}", self.syncs) }
    }
}
