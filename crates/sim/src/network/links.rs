//! Which messages a rule is about: on which links, of which kinds.
//!
//! ```text
//! n3               from or to n3            kinds=append,vote
//! n1->n2           from n1 to n2 only
//! n1<->n2          between the two
//! ```
//!
//! Nothing named means all links and all kinds.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::scenario::Node;

/// Links between servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Links {
    /// All.
    #[default]
    All,
    /// Those from or to this server.
    Of(Node),
    /// The one from the first server to the second.
    From(Node, Node),
    /// Both directions between two servers.
    Between(Node, Node),
}

impl Links {
    /// Whether the link from one server to another is among them.
    pub fn contain(self, from: Node, to: Node) -> bool {
        match self {
            Links::All => true,
            Links::Of(node) => node == from || node == to,
            Links::From(one, other) => (one, other) == (from, to),
            Links::Between(one, other) => (one, other) == (from, to) || (other, one) == (from, to),
        }
    }
}

impl fmt::Display for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Links::All => f.write_str("all"),
            Links::Of(node) => node.fmt(f),
            Links::From(one, other) => write!(f, "{one}->{other}"),
            Links::Between(one, other) => write!(f, "{one}<->{other}"),
        }
    }
}

/// What a message between servers is about, as rules tell messages apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum MessageKind {
    /// Entries for a follower.
    Append,
    /// Its answer.
    AppendResponse,
    /// A leader's heartbeat.
    Heartbeat,
    /// Its answer.
    HeartbeatResponse,
    /// A candidate's question, for real or beforehand.
    Vote,
    /// Its answer.
    VoteResponse,
    /// A whole state machine.
    Snapshot,
    /// A proposal on its way to the leader.
    Proposal,
    /// A follower's question where the log stands, and the answer.
    Read,
    /// Leadership handed over, and the rest.
    Other,
}

impl MessageKind {
    /// All kinds with the words for them.
    pub const ALL: [(MessageKind, &'static str); 10] = [
        (MessageKind::Append, "append"),
        (MessageKind::AppendResponse, "append-response"),
        (MessageKind::Heartbeat, "heartbeat"),
        (MessageKind::HeartbeatResponse, "heartbeat-response"),
        (MessageKind::Vote, "vote"),
        (MessageKind::VoteResponse, "vote-response"),
        (MessageKind::Snapshot, "snapshot"),
        (MessageKind::Proposal, "proposal"),
        (MessageKind::Read, "read"),
        (MessageKind::Other, "other"),
    ];

    /// The word for it.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// A set of kinds; empty means all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kinds(u16);

impl Kinds {
    /// Every kind.
    pub const ALL: Kinds = Kinds(0);

    /// These kinds.
    pub fn of(kinds: &[MessageKind]) -> Kinds {
        Kinds(kinds.iter().fold(0, |bits, kind| bits | kind.bit()))
    }

    /// Adds a kind; false when it was there.
    pub(crate) fn insert(&mut self, kind: MessageKind) -> bool {
        let was_there = self.0 & kind.bit() != 0;
        self.0 |= kind.bit();
        !was_there
    }

    /// Whether a kind is among them.
    pub fn contain(self, kind: MessageKind) -> bool {
        self.0 == 0 || self.0 & kind.bit() != 0
    }

    /// Whether it is every kind.
    pub fn is_all(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members = MessageKind::ALL.iter().filter(|(kind, _)| self.contain(*kind));
        let names: Vec<&str> = members.map(|(_, name)| *name).collect();
        f.write_str(&names.join(","))
    }
}

/// The messages that a rule is about. Prints with a space before each part, nothing for everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selector {
    /// On these links …
    pub links: Links,
    /// … of these kinds.
    pub kinds: Kinds,
}

impl Selector {
    /// All messages on some links.
    pub fn on(links: Links) -> Selector {
        Selector { links, kinds: Kinds::ALL }
    }

    /// Whether a message is among them.
    pub fn contains(self, from: Node, to: Node, kind: MessageKind) -> bool {
        self.links.contain(from, to) && self.kinds.contain(kind)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.links != Links::All {
            write!(f, " {}", self.links)?;
        }
        if !self.kinds.is_all() {
            write!(f, " kinds={}", self.kinds)?;
        }
        Ok(())
    }
}
