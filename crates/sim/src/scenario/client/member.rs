//! Members and leadership: `member list|add|remove|promote`, `move-leader`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::arguments::Arguments;
use super::{ClientCommand, client_of};
use crate::scenario::error::Problem;
use crate::scenario::node::{Context, Node};
use crate::scenario::verb::{Group, Verb};
use crate::scenario::word::Words;

/// What is asked of the membership. Members go by the names of their machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemberCommand {
    /// `member list`
    List,
    /// `member add n4`
    Add {
        /// The machine that joins.
        node: Node,
        /// Without a vote until it is promoted.
        learner: bool,
    },
    /// `member remove n2`
    Remove {
        /// Who leaves.
        node: Node,
    },
    /// `member promote n4`
    Promote {
        /// The learner that gets a vote.
        node: Node,
    },
}

const NAMES: [&str; 4] = ["list", "add", "remove", "promote"];

pub(super) const VERBS: &[Verb] = &[
    Verb {
        name: "member",
        group: Group::Client,
        usage: "member list · member add SERVER [--learner] · member remove SERVER · \
                member promote SERVER",
        help: "lists the members of the cluster, or changes who they are",
        example: "member list",
        parse: |words, context| {
            client_of(words, context, |words, context| {
                member(words, context).map(ClientCommand::Member)
            })
        },
    },
    Verb {
        name: "move-leader",
        group: Group::Client,
        usage: "move-leader SERVER",
        help: "the leader hands over to another server",
        example: "on leader move-leader n2",
        parse: |words, context| {
            client_of(words, context, |words, context| {
                words.node(context).map(ClientCommand::MoveLeader)
            })
        },
    },
];

fn member(words: &mut Words, context: Context) -> Result<MemberCommand, Problem> {
    let expected = NAMES.join(", ");
    let name = words.expect(&expected)?;
    Ok(match name.text.as_str() {
        "list" => MemberCommand::List,
        "add" => {
            let node = words.node(context)?;
            let arguments = Arguments::read(words, &["--learner"], &[])?;
            arguments.at_most(0)?;
            MemberCommand::Add { node, learner: arguments.has("--learner") }
        }
        "remove" => MemberCommand::Remove { node: words.node(context)? },
        "promote" => MemberCommand::Promote { node: words.node(context)? },
        _ => return Err(name.problem("unknown command", &expected).suggest(&name.text, NAMES)),
    })
}

impl fmt::Display for MemberCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MemberCommand::List => f.write_str("member list"),
            MemberCommand::Add { node, learner: false } => write!(f, "member add {node}"),
            MemberCommand::Add { node, learner: true } => write!(f, "member add {node} --learner"),
            MemberCommand::Remove { node } => write!(f, "member remove {node}"),
            MemberCommand::Promote { node } => write!(f, "member promote {node}"),
        }
    }
}
