//! One message that is under way waits until it is delivered or lost by hand.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Kind, Strike, Survival};
use crate::scenario::Action;
use crate::scenario::error::Problem;
use crate::scenario::verb::{Group, Verb};
use crate::scenario::word::Words;
use crate::world::World;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Its number.
    pub message: u64,
}

pub(super) static KIND: Kind = Kind {
    name: "hold",
    survival: Survival::Survived,
    verb: Some(Verb {
        name: "hold",
        group: Group::Network,
        usage: "hold message=N",
        help: "holds one message that is under way, by its number",
        example: "hold message=17",
        parse: |words, _| Ok(Action::Fault(Hold { message: message(words)? }.into())),
    }),
    draw: None,
};

/// `message=N`
pub(super) fn message(words: &mut Words) -> Result<u64, Problem> {
    let word = words.expect("`message=17`")?;
    let (key, value) = word.key_value("`message=17`")?;
    if key != "message" {
        return Err(word.problem("unknown setting", "`message=`").suggest(key, ["message"]));
    }
    value.number("the number of a message")
}

impl Strike for Hold {
    fn strike(self, world: &mut World) {
        world.hold_message(self.message);
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hold message={}", self.message)
    }
}
