//! One sector of the next sync of a file is written somewhere else in it.

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
pub struct DiskMisdirect {
    /// Whose disk.
    pub target: Target,
    /// How far beside its place.
    pub by_sectors: u32,
}

pub(super) static KIND: Kind = Kind {
    name: "disk misdirect",
    survival: Survival::NotSurvived("what was acknowledged was written over something else"),
    verb: Some(Verb {
        name: "disk misdirect",
        group: Group::Disks,
        usage: "disk misdirect SERVER|leader|all [N]",
        help: "writes the first sector of the next sync N sectors further on (1); found when it is next read",
        example: "disk misdirect n2",
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
    let by_sectors = crate::scenario::small(number);
    Ok(Action::Fault(DiskMisdirect { target, by_sectors }.into()))
}

impl Strike for DiskMisdirect {
    fn strike(self, world: &mut World) {
        for node in world.targets(self.target) {
            world.set_disk_faults(node, Excuse::ForGood, |faults| {
                faults.misdirect_by = Some(self.by_sectors);
            });
        }
    }
}

impl fmt::Display for DiskMisdirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "disk misdirect {}", self.target)?;
        if self.by_sectors == 1 { Ok(()) } else { write!(f, " {}", self.by_sectors) }
    }
}
