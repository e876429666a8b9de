//! An un-synced page reaches the disk before anybody asks for it, ahead of older ones.

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
pub struct DiskFlush {
    /// Whose disk.
    pub node: Node,
    /// Absolute, or below the server's data directory; `wal` is the newest segment of the log.
    pub path: String,
    /// Offset in the file divided by 4096.
    pub page: u32,
}

pub(super) static KIND: Kind = Kind {
    name: "disk flush",
    survival: Survival::Survived,
    verb: Some(Verb {
        name: "disk flush",
        group: Group::Disks,
        usage: "disk flush SERVER PATH PAGE",
        help: "writes one un-synced page (4096 bytes, by number) back early; `wal` is the newest segment",
        example: "disk flush n2 wal 0",
        parse,
    }),
    draw: None,
};

fn parse(words: &mut Words, context: Context) -> Result<Action, Problem> {
    let node = words.node(context)?;
    let path = path(words)?;
    let page = words.expect("a page")?.number_in(0, u64::from(u32::MAX), "a page")?;
    let page = crate::scenario::small(page);
    Ok(Action::Fault(DiskFlush { node, path, page }.into()))
}

impl Strike for DiskFlush {
    fn strike(self, world: &mut World) {
        world.flush_page(self.node, &self.path, self.page);
    }
}

impl fmt::Display for DiskFlush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "disk flush {} {} {}", self.node, quoted(&self.path), self.page)
    }
}
