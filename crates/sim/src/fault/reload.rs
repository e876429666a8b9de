//! What closing and opening the page does: power cut of all, then restart of all.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Draw, Kind, Strike, Survival};
use crate::scenario::Action;
use crate::scenario::verb::{Group, Verb};
use crate::world::World;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reload;

pub(super) static KIND: Kind = Kind {
    name: "reload",
    survival: Survival::Survived,
    verb: Some(Verb {
        name: "reload",
        group: Group::Machines,
        usage: "reload",
        help: "power cut of all servers, restart of all: what a reload of the page does",
        example: "reload",
        parse: |_, _| Ok(Action::Fault(Reload.into())),
    }),
    draw: Some(draw),
};

fn draw(plan: &mut Draw) {
    plan.blackouts(1, 1..2, |plan, at_ns, _| plan.at(at_ns, Reload));
}

impl Strike for Reload {
    fn strike(self, world: &mut World) {
        world.reload();
    }
}

impl fmt::Display for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("reload")
    }
}
