//! The network is whole again: every cut and every rule ends, what was clogged goes on.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::heal_one::HealOne;
use super::{Kind, Strike, Survival};
use crate::scenario::Action;
use crate::scenario::verb::{Group, Verb};
use crate::world::World;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heal;

pub(super) static KIND: Kind = Kind {
    name: "heal",
    survival: Survival::NoFault,
    verb: Some(Verb {
        name: "heal",
        group: Group::Network,
        usage: "heal [partition|isolate|cut|bridge|ring|loss|delay|duplicate|reorder|clog]",
        help: "ends every partition, loss and delay, or those of one kind",
        example: "heal",
        parse: |words, _| match words.take() {
            None => Ok(Action::Fault(Heal.into())),
            Some(word) => HealOne::parse(&word).map(|heal| Action::Fault(heal.into())),
        },
    }),
    draw: None,
};

impl Strike for Heal {
    fn strike(self, world: &mut World) {
        world.heal_network();
    }
}

impl fmt::Display for Heal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("heal")
    }
}
