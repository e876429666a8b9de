//! One kind of fault of the network ends, the others go on.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Kind, Strike, Survival};
use crate::network::Links;
use crate::scenario::error::Problem;
use crate::scenario::word::Word;
use crate::world::World;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealOne {
    what: Healed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Healed {
    Partition,
    Cut,
    Bridge,
    Ring,
    Loss,
    Delay,
    Duplicate,
    Reorder,
    Clog,
    Isolate,
}

const NAMES: [(Healed, &str); 10] = [
    (Healed::Partition, "partition"),
    (Healed::Cut, "cut"),
    (Healed::Bridge, "bridge"),
    (Healed::Ring, "ring"),
    (Healed::Loss, "loss"),
    (Healed::Delay, "delay"),
    (Healed::Duplicate, "duplicate"),
    (Healed::Reorder, "reorder"),
    (Healed::Clog, "clog"),
    (Healed::Isolate, "isolate"),
];

pub(super) static KIND: Kind =
    Kind { name: "heal one", survival: Survival::NoFault, verb: None, draw: None };

impl HealOne {
    /// The end of the faults of that name, which must be one of the table above.
    pub(super) fn of(name: &str) -> HealOne {
        let found = NAMES.iter().find(|(_, known)| *known == name);
        HealOne { what: found.expect("a fault of the network").0 }
    }

    pub(super) fn parse(word: &Word) -> Result<HealOne, Problem> {
        let names = || NAMES.iter().map(|(_, name)| *name);
        let known = names().any(|name| name == word.text);
        if known {
            return Ok(HealOne::of(&word.text));
        }
        let expected =
            format!("nothing more, or one of {}", names().collect::<Vec<_>>().join(", "));
        Err(word.problem("cannot heal", &expected).suggest(&word.text, names()))
    }

    fn name(self) -> &'static str {
        NAMES[self.what as usize].1
    }
}

impl Strike for HealOne {
    fn strike(self, world: &mut World) {
        world.end_network_fault(self.name(), Links::All);
    }
}

impl fmt::Display for HealOne {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "heal {}", self.name())
    }
}
