//! One message never arrives.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::deliver::{Chosen, chosen};
use super::{Kind, Strike, Survival};
use crate::scenario::Action;
use crate::scenario::verb::{Group, Verb};
use crate::world::World;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lose {
    /// Which message.
    pub message: Chosen,
}

pub(super) static KIND: Kind = Kind {
    name: "lose",
    survival: Survival::Survived,
    verb: Some(Verb {
        name: "lose",
        group: Group::Network,
        usage: "lose message=N | [SERVER|SERVER->SERVER|SERVER<->SERVER] [kinds=KIND,…]",
        help: "loses one message: by its number, or the oldest that waits",
        example: "lose message=17",
        parse: |words, context| Ok(Action::Fault(Lose { message: chosen(words, context)? }.into())),
    }),
    draw: None,
};

impl Strike for Lose {
    fn strike(self, world: &mut World) {
        world.lose_message(self.message);
    }
}

impl fmt::Display for Lose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lose{}", self.message)
    }
}
