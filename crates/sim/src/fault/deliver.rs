//! One message arrives at once, whether it is held or on its way.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Kind, Strike, Survival, hold, select};
use crate::network::Selector;
use crate::scenario::Action;
use crate::scenario::error::Problem;
use crate::scenario::node::Context;
use crate::scenario::verb::{Group, Verb};
use crate::scenario::word::Words;
use crate::world::World;

/// Which message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Chosen {
    /// The one of this number.
    Number(u64),
    /// The oldest of these that is held or clogged.
    OldestHeld(Selector),
}

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deliver {
    /// Which message.
    pub message: Chosen,
}

pub(super) static KIND: Kind = Kind {
    name: "deliver",
    survival: Survival::NoFault,
    verb: Some(Verb {
        name: "deliver",
        group: Group::Network,
        usage: "deliver message=N | [SERVER|SERVER->SERVER|SERVER<->SERVER] [kinds=KIND,…]",
        help: "lets one message arrive now: by its number, or the oldest that waits",
        example: "deliver n1->n2",
        parse: |words, context| {
            Ok(Action::Fault(Deliver { message: chosen(words, context)? }.into()))
        },
    }),
    draw: None,
};

/// `message=N`, or which of those that wait.
pub(super) fn chosen(words: &mut Words, context: Context) -> Result<Chosen, Problem> {
    if words.peek().is_some_and(|word| word.starts_with("message=")) {
        return hold::message(words).map(Chosen::Number);
    }
    select::selector(words, context).map(Chosen::OldestHeld)
}

impl Strike for Deliver {
    fn strike(self, world: &mut World) {
        world.deliver_message(self.message);
    }
}

impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Chosen::Number(number) => write!(f, " message={number}"),
            Chosen::OldestHeld(of) => of.fmt(f),
        }
    }
}

impl fmt::Display for Deliver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "deliver{}", self.message)
    }
}
