//! Breaking and mending: machines, network, bytes on a disk.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Action;
use super::error::Problem;
use super::node::{Context, Node, Target};
use super::quantity::{print_share, print_time};
use super::verb::{Group, Verb};
use super::word::{Word, Words, quoted};

/// Something that breaks or mends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// The power of a machine goes: what was not synced is lost.
    Crash {
        /// Which machine.
        target: Target,
        /// Un-synced sectors survive one by one, at random, instead of not at all.
        torn: bool,
        /// Not now, but at this disk operation from now (1 is the next one): that operation, all
        /// later ones and everything that the server was about to send are lost.
        at_disk_operation: Option<u32>,
    },
    /// Power comes back; the server boots from its disk.
    Restart {
        /// Which machine.
        target: Target,
    },
    /// Servers hear only those of their own group; whoever is not named forms one more group.
    Partition {
        /// The groups.
        groups: Vec<Vec<Node>>,
    },
    /// Cuts one server off from all others.
    Isolate {
        /// Which server.
        target: Target,
    },
    /// Ends every partition, loss and delay.
    Heal,
    /// Messages between servers get lost.
    Loss {
        /// Parts per million.
        ppm: u32,
        /// Only those from or to this server.
        node: Option<Node>,
    },
    /// Messages between servers take this much longer.
    Delay {
        /// Added to the latency.
        delay_ns: u64,
        /// Only those from or to this server.
        node: Option<Node>,
    },
    /// Turns one bit on a disk over, as rot does.
    Flip {
        /// Whose disk.
        node: Node,
        /// Absolute, or below the server's data directory.
        path: String,
        /// Byte in the file.
        offset: u64,
        /// Bit in the byte, 0 to 7.
        bit: u8,
    },
    /// What closing and opening the page does: power cut of all, then restart of all.
    Reload,
}

pub(super) const VERBS: &[Verb] = &[
    Verb {
        name: "crash",
        group: Group::Machines,
        usage: "crash SERVER|leader|all [torn] [at disk-operation N]",
        help: "cuts the power; what was not synced is lost (torn: sector by sector, at random)",
        example: "crash leader",
        parse: parse_crash,
    },
    Verb {
        name: "restart",
        group: Group::Machines,
        usage: "restart SERVER|all",
        help: "starts a server again from its disk",
        example: "restart n2",
        parse: |words, context| {
            Ok(Action::Fault(Fault::Restart { target: words.target(context)? }))
        },
    },
    Verb {
        name: "reload",
        group: Group::Machines,
        usage: "reload",
        help: "power cut of all servers, restart of all: what a reload of the page does",
        example: "reload",
        parse: |_, _| Ok(Action::Fault(Fault::Reload)),
    },
    Verb {
        name: "partition",
        group: Group::Network,
        usage: "partition SERVERS | SERVERS [| SERVERS]…",
        help: "cuts the network between groups of servers",
        example: "partition n1 | n2 n3",
        parse: parse_partition,
    },
    Verb {
        name: "isolate",
        group: Group::Network,
        usage: "isolate SERVER|leader",
        help: "cuts one server off from the others",
        example: "isolate leader",
        parse: |words, context| {
            Ok(Action::Fault(Fault::Isolate { target: words.one_target(context)? }))
        },
    },
    Verb {
        name: "heal",
        group: Group::Network,
        usage: "heal",
        help: "ends every partition, loss and delay",
        example: "heal",
        parse: |_, _| Ok(Action::Fault(Fault::Heal)),
    },
    Verb {
        name: "loss",
        group: Group::Network,
        usage: "loss PERCENT [SERVER]",
        help: "loses a share of the messages between servers; 0% ends it",
        example: "loss 5%",
        parse: |words, context| {
            let ppm = words.expect("a percentage such as `5%`")?.share()?;
            Ok(Action::Fault(Fault::Loss { ppm, node: optional_node(words, context)? }))
        },
    },
    Verb {
        name: "delay",
        group: Group::Network,
        usage: "delay TIME [SERVER]",
        help: "makes messages between servers slower; 0s ends it",
        example: "delay 200ms n3",
        parse: |words, context| {
            let delay_ns = words.expect("a time such as `200ms`")?.time()?;
            Ok(Action::Fault(Fault::Delay { delay_ns, node: optional_node(words, context)? }))
        },
    },
    Verb {
        name: "flip",
        group: Group::Disks,
        usage: "flip SERVER PATH OFFSET [BIT]",
        help: "turns one bit of a file over, as a rotting disk does; found when it is next read",
        example: "flip n1 member/wal/0000000000000000-0000000000000000.wal 0x1a8",
        parse: parse_flip,
    },
];

fn optional_node(words: &mut Words, context: Context) -> Result<Option<Node>, Problem> {
    if words.is_empty() { Ok(None) } else { words.node(context).map(Some) }
}

fn parse_crash(words: &mut Words, context: Context) -> Result<Action, Problem> {
    let target = words.target(context)?;
    let torn = words.take_if("torn");
    let mut at_disk_operation = None;
    if words.take_if("at") {
        let word = words.expect("`disk-operation`")?;
        if word.text != "disk-operation" {
            return Err(word.problem("unknown point", "`disk-operation`"));
        }
        let number = words.expect("a number")?.number_in(1, 1_000_000, "a number")?;
        at_disk_operation = Some(super::cluster::small(number));
    }
    Ok(Action::Fault(Fault::Crash { target, torn, at_disk_operation }))
}

/// Words with `|` between groups; the bar may stand alone or touch a name.
fn parse_partition(words: &mut Words, context: Context) -> Result<Action, Problem> {
    let start = words.column();
    let mut groups: Vec<Vec<Node>> = vec![Vec::new()];
    while let Some(word) = words.take() {
        let mut column = word.column;
        for (place, part) in word.text.split('|').enumerate() {
            if place > 0 {
                groups.push(Vec::new());
            }
            if !part.is_empty() {
                let name = Word { text: part.to_owned(), column };
                add(&mut groups, name.node(context)?, &name)?;
            }
            column += u32::try_from(part.chars().count() + 1).unwrap_or(0);
        }
    }
    if groups.len() < 2 || groups.iter().any(Vec::is_empty) {
        return Err(Problem::new(start, "not two groups of servers", "`n1 | n2 n3`"));
    }
    Ok(Action::Fault(Fault::Partition { groups }))
}

fn add(groups: &mut [Vec<Node>], node: Node, name: &Word) -> Result<(), Problem> {
    if groups.iter().any(|group| group.contains(&node)) {
        return Err(name.problem("named twice:", "each server in one group"));
    }
    if let Some(group) = groups.last_mut() {
        group.push(node);
    }
    Ok(())
}

fn parse_flip(words: &mut Words, context: Context) -> Result<Action, Problem> {
    let node = words.node(context)?;
    let path = words.expect("a path")?;
    if path.text.is_empty() || path.text.len() > 4_096 {
        return Err(path.problem("not a path:", "a path of 1 to 4096 bytes"));
    }
    let offset = words.expect("an offset")?.number("an offset such as `424` or `0x1a8`")?;
    let bit = match words.take() {
        None => 0,
        Some(word) => u8::try_from(word.number_in(0, 7, "a bit")?).unwrap_or(0),
    };
    Ok(Action::Fault(Fault::Flip { node, path: path.text, offset, bit }))
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Crash { target, torn, at_disk_operation } => {
                write!(f, "crash {target}{}", if *torn { " torn" } else { "" })?;
                match at_disk_operation {
                    Some(operation) => write!(f, " at disk-operation {operation}"),
                    None => Ok(()),
                }
            }
            Fault::Restart { target } => write!(f, "restart {target}"),
            Fault::Partition { groups } => {
                let groups: Vec<String> = groups.iter().map(|group| names(group)).collect();
                write!(f, "partition {}", groups.join(" | "))
            }
            Fault::Isolate { target } => write!(f, "isolate {target}"),
            Fault::Heal => f.write_str("heal"),
            Fault::Loss { ppm, node } => {
                write!(f, "loss {}", print_share(*ppm))?;
                node.map_or(Ok(()), |node| write!(f, " {node}"))
            }
            Fault::Delay { delay_ns, node } => {
                write!(f, "delay {}", print_time(*delay_ns))?;
                node.map_or(Ok(()), |node| write!(f, " {node}"))
            }
            Fault::Flip { node, path, offset, bit } => {
                write!(f, "flip {node} {} {offset:#x}", quoted(path))?;
                if *bit == 0 { Ok(()) } else { write!(f, " {bit}") }
            }
            Fault::Reload => f.write_str("reload"),
        }
    }
}

fn names(group: &[Node]) -> String {
    group.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
