//! Clogged messages go on, in their order.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Kind, Strike, Survival, select};
use crate::network::{Links, Selector};
use crate::scenario::Action;
use crate::scenario::verb::{Group, Verb};
use crate::world::World;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unclog {
    /// Clogs that were set for just these links; all clogs for all.
    pub links: Links,
}

pub(super) static KIND: Kind = Kind {
    name: "unclog",
    survival: Survival::NoFault,
    verb: Some(Verb {
        name: "unclog",
        group: Group::Network,
        usage: "unclog [SERVER|SERVER->SERVER|SERVER<->SERVER]",
        help: "ends a clog: what waited arrives in its order",
        example: "unclog n1->n2",
        parse: |words, context| {
            let links = select::optional_links(words, context)?;
            Ok(Action::Fault(Unclog { links }.into()))
        },
    }),
    draw: None,
};

impl Strike for Unclog {
    fn strike(self, world: &mut World) {
        world.end_network_fault("clog", self.links);
    }
}

impl fmt::Display for Unclog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unclog{}", Selector::on(self.links))
    }
}
