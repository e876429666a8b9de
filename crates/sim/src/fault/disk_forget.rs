//! An un-synced page counts as clean: nothing writes it, unless it is written to again.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::flip::path;
use super::{Kind, Strike, Survival};
use crate::scenario::error::Problem;
use crate::scenario::node::Context;
use crate::scenario::verb::{Group, Verb};
use crate::scenario::word::{Words, quoted};
use crate::scenario::{Action, Node};
use crate::world::World;

/// See the module's head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskForget {
    /// Whose disk.
    pub node: Node,
    /// Absolute, or below the server's data directory; `wal` is the newest segment of the log.
    pub path: String,
    /// Offset in the file divided by 4096.
    pub page: u32,
}

pub(super) static KIND: Kind = Kind {
    name: "disk forget",
    survival: Survival::NotSurvived("what was acknowledged was never written"),
    verb: Some(Verb {
        name: "disk forget",
        group: Group::Disks,
        usage: "disk forget SERVER PATH PAGE",
        help: "lets one un-synced page (4096 bytes, by number) never reach the disk, whatever is synced",
        example: "disk forget n2 wal 0",
        parse,
    }),
    draw: None,
};

fn parse(words: &mut Words, context: Context) -> Result<Action, Problem> {
    let node = words.node(context)?;
    let path = path(words)?;
    let page = words.expect("a page")?.number_in(0, u64::from(u32::MAX), "a page")?;
    let page = crate::scenario::small(page);
    Ok(Action::Fault(DiskForget { node, path, page }.into()))
}

impl Strike for DiskForget {
    fn strike(self, world: &mut World) {
        world.forget_page(self.node, &self.path, self.page);
    }
}

impl fmt::Display for DiskForget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "disk forget {} {} {}", self.node, quoted(&self.path), self.page)
    }
}
