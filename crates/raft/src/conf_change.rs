//! Changes of the group's configuration, as they are proposed and applied.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::types::{EntryType, NodeId};

/// What happens to one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ConfChangeType {
    /// Becomes a voter.
    #[default]
    AddNode,
    /// Leaves the group.
    RemoveNode,
    /// Nothing in consensus; the application's record of the node changes.
    UpdateNode,
    /// Becomes a learner.
    AddLearnerNode,
}

/// A change of one node, as etcd's servers propose it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfChange {
    /// The proposer's request id.
    pub id: u64,
    /// What happens to the node.
    pub change_type: ConfChangeType,
    /// The node.
    pub node_id: NodeId,
    /// The application's own data about the change.
    pub context: Bytes,
}

/// How a change goes through a joint configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ConfChangeTransition {
    /// Simple where one change allows it, else joint and left automatically.
    #[default]
    Auto,
    /// Joint, left automatically.
    JointImplicit,
    /// Joint, left by a second proposal.
    JointExplicit,
}

/// One node's part of a [`ConfChangeV2`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfChangeSingle {
    /// What happens to the node.
    pub change_type: ConfChangeType,
    /// The node.
    pub node_id: NodeId,
}

/// Any number of changes in one step, through a joint configuration where needed.
///
/// With no changes and the automatic transition it leaves a joint configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfChangeV2 {
    /// How the change goes through a joint configuration.
    pub transition: ConfChangeTransition,
    /// What changes, in order.
    pub changes: Vec<ConfChangeSingle>,
    /// The application's own data about the change.
    pub context: Bytes,
}

impl ConfChangeV2 {
    /// Whether the change must go through a joint configuration, and if so, whether that one is
    /// left automatically.
    pub fn enter_joint(&self) -> Option<bool> {
        match self.transition {
            ConfChangeTransition::Auto if self.changes.len() <= 1 => None,
            ConfChangeTransition::Auto | ConfChangeTransition::JointImplicit => Some(true),
            ConfChangeTransition::JointExplicit => Some(false),
        }
    }

    /// Whether the change asks to leave a joint configuration.
    pub fn leave_joint(&self) -> bool {
        self.changes.is_empty() && self.transition == ConfChangeTransition::Auto
    }
}

impl From<ConfChange> for ConfChangeV2 {
    fn from(change: ConfChange) -> Self {
        Self {
            transition: ConfChangeTransition::Auto,
            changes: vec![ConfChangeSingle {
                change_type: change.change_type,
                node_id: change.node_id,
            }],
            context: change.context,
        }
    }
}

/// A change in the form in which it was, or is to be, proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AnyConfChange {
    /// A change of one node.
    V1(ConfChange),
    /// Any number of changes.
    V2(ConfChangeV2),
}

impl AnyConfChange {
    /// The type of the entry that carries the change.
    pub fn entry_type(&self) -> EntryType {
        match self {
            Self::V1(_) => EntryType::ConfChange,
            Self::V2(_) => EntryType::ConfChangeV2,
        }
    }

    /// The bytes of the entry that carries the change.
    pub fn encode(&self) -> Bytes {
        match self {
            Self::V1(change) => change.encode(),
            Self::V2(change) => change.encode(),
        }
    }
}

impl From<ConfChange> for AnyConfChange {
    fn from(change: ConfChange) -> Self {
        Self::V1(change)
    }
}

impl From<ConfChangeV2> for AnyConfChange {
    fn from(change: ConfChangeV2) -> Self {
        Self::V2(change)
    }
}

impl From<AnyConfChange> for ConfChangeV2 {
    fn from(change: AnyConfChange) -> Self {
        match change {
            AnyConfChange::V1(change) => change.into(),
            AnyConfChange::V2(change) => change,
        }
    }
}

/// What became of a proposed change, as far as the proposer's node can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proposed {
    /// It was sent to the leader, which decides.
    Forwarded,
    /// It is in the leader's log, to be applied once it is committed.
    Appended,
    /// The leader may not make it now, for this reason, and appended an empty entry instead.
    NoOp(String),
}
