//! Links that were cut one by one are whole again.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Kind, Strike, Survival, select};
use crate::network::{Links, Selector};
use crate::scenario::Action;
use crate::scenario::verb::{Group, Verb};
use crate::world::World;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mend {
    /// Which links.
    pub links: Links,
}

pub(super) static KIND: Kind = Kind {
    name: "mend",
    survival: Survival::NoFault,
    verb: Some(Verb {
        name: "mend",
        group: Group::Network,
        usage: "mend [SERVER->SERVER|SERVER<->SERVER|SERVER]",
        help: "makes links whole that `cut` had cut",
        example: "mend n1->n2",
        parse: |words, context| {
            let links = select::optional_links(words, context)?;
            Ok(Action::Fault(Mend { links }.into()))
        },
    }),
    draw: None,
};

impl Strike for Mend {
    fn strike(self, world: &mut World) {
        world.network_mut().mend(self.links);
    }
}

impl fmt::Display for Mend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mend{}", Selector::on(self.links))
    }
}
