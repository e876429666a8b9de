//! An un-synced page reaches the disk before anybody asks for it, ahead of older ones.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::flip::path;
use super::{Draw, Kind, Strike, Survival};
use crate::scenario::error::Problem;
use crate::scenario::node::Context;
use crate::scenario::verb::{Group, Verb};
use crate::scenario::word::{Words, quoted};
use crate::scenario::{Action, Node};
use crate::world::World;

/// Below the server's data directory.
const BACKEND: &str = "member/snap/db";

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
    draw: Some(draw),
};

/// Pages of the log and of the backend that are likely to be written just then.
fn draw(plan: &mut Draw) {
    plan.windows(60, 1..2, |plan, at_ns, _| {
        let path = plan.one_of(&["wal", BACKEND]).to_owned();
        let page = plan.one_of(&[0, 1, 2, 3, 4, 5, 6, 7]);
        let node = plan.node();
        plan.at(at_ns, DiskFlush { node, path, page });
    });
}

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
