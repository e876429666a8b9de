//! How servers are named in a scenario: `n1`, `leader`, `all`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::error::Problem;
use super::word::{Word, Words};

/// A server of the cluster by its number, from 1; written `n1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Node(pub u32);

impl Node {
    /// Place in a table of all nodes.
    pub fn index(self) -> usize {
        self.0 as usize - 1
    }

    /// The node at a place in a table of all nodes.
    pub fn at(index: usize) -> Node {
        Node(u32::try_from(index + 1).expect("at most NODES_MAX nodes"))
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

/// Which servers a command means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// This one.
    Node(Node),
    /// Whoever leads with the highest term when the command runs.
    Leader,
    /// Every server.
    All,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Node(node) => node.fmt(f),
            Target::Leader => f.write_str("leader"),
            Target::All => f.write_str("all"),
        }
    }
}

/// What the reader knows when a line is read: the cluster that the line talks about.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// Servers in the cluster.
    pub nodes: u32,
}

impl Word {
    pub(crate) fn is_node_name(&self) -> bool {
        self.text.strip_prefix('n').is_some_and(|digits| {
            !digits.is_empty() && digits.chars().all(|digit| digit.is_ascii_digit())
        })
    }

    pub(crate) fn node(&self, context: Context) -> Result<Node, Problem> {
        let expected = format!("a server from n1 to n{}", context.nodes);
        let digits = self.text.strip_prefix('n').filter(|digits| !digits.starts_with(['0', '+']));
        digits
            .and_then(|digits| digits.parse().ok())
            .filter(|number| (1..=context.nodes).contains(number))
            .map(Node)
            .ok_or_else(|| self.problem("no such server:", &expected))
    }
}

impl Words {
    pub(crate) fn node(&mut self, context: Context) -> Result<Node, Problem> {
        self.expect("a server such as `n1`")?.node(context)
    }

    pub(crate) fn target(&mut self, context: Context) -> Result<Target, Problem> {
        let word = self.expect("a server such as `n1`, `leader` or `all`")?;
        match word.text.as_str() {
            "leader" => Ok(Target::Leader),
            "all" => Ok(Target::All),
            _ if word.is_node_name() => word.node(context).map(Target::Node),
            _ => Err(word
                .problem("no such server:", "a server such as `n1`, `leader` or `all`")
                .suggest(&word.text, ["leader", "all"])),
        }
    }

    /// A node or the leader, where `all` makes no sense.
    pub(crate) fn one_target(&mut self, context: Context) -> Result<Target, Problem> {
        let column = self.column();
        match self.target(context)? {
            Target::All => Err(Problem::new(column, "`all` does not fit here", "`n1` or `leader`")),
            target @ (Target::Node(_) | Target::Leader) => Ok(target),
        }
    }
}
