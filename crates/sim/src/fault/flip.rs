//! One bit on a disk turns over, as rot does.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Kind, Strike, Survival};
use crate::scenario::error::Problem;
use crate::scenario::node::Context;
use crate::scenario::verb::{Group, Verb};
use crate::scenario::word::{Words, quoted};
use crate::scenario::{Action, Node};
use crate::world::World;

/// See the module's head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flip {
    /// Whose disk.
    pub node: Node,
    /// Absolute, or below the server's data directory.
    pub path: String,
    /// Byte in the file.
    pub offset: u64,
    /// Bit in the byte, 0 to 7.
    pub bit: u8,
}

pub(super) static KIND: Kind = Kind {
    name: "flip",
    survival: Survival::NotSurvived("pages of the backend have no checksum"),
    verb: Some(Verb {
        name: "flip",
        group: Group::Disks,
        usage: "flip SERVER PATH OFFSET [BIT]",
        help: "turns one bit of a file over, as a rotting disk does; found when it is next read",
        example: "flip n1 member/wal/0000000000000000-0000000000000000.wal 0x1a8",
        parse,
    }),
    draw: None,
};

fn parse(words: &mut Words, context: Context) -> Result<Action, Problem> {
    let node = words.node(context)?;
    let path = path(words)?;
    let offset = words.expect("an offset")?.number("an offset such as `424` or `0x1a8`")?;
    let bit = match words.take() {
        None => 0,
        Some(word) => u8::try_from(word.number_in(0, 7, "a bit")?).unwrap_or(0),
    };
    Ok(Action::Fault(Flip { node, path, offset, bit }.into()))
}

/// A path of a bounded length.
pub(super) fn path(words: &mut Words) -> Result<String, Problem> {
    let path = words.expect("a path")?;
    if path.text.is_empty() || path.text.len() > 4_096 {
        return Err(path.problem("not a path:", "a path of 1 to 4096 bytes"));
    }
    Ok(path.text)
}

impl Strike for Flip {
    fn strike(self, world: &mut World) {
        world.flip(self.node, &self.path, self.offset, self.bit);
    }
}

impl fmt::Display for Flip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "flip {} {} {:#x}", self.node, quoted(&self.path), self.offset)?;
        if self.bit == 0 { Ok(()) } else { write!(f, " {}", self.bit) }
    }
}
