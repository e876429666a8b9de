//! How a node sees itself and its group.

use crate::progress::Progress;
use crate::tracker::Config;
use crate::types::{HardState, NodeId, SoftState};

/// A node's own state; copying it allocates nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BasicStatus {
    /// The node.
    pub id: NodeId,
    /// Term, vote and commit index.
    pub hard_state: HardState,
    /// Leader and role.
    pub soft_state: SoftState,
    /// The last index that was applied.
    pub applied: u64,
    /// To whom leadership is being handed; zero for nobody.
    pub lead_transferee: NodeId,
    /// Ticks since the last sign of a leader, or since the leader's last look at its quorum.
    pub election_elapsed: u32,
    /// How many such ticks start an election.
    pub randomized_election_timeout: u32,
}

/// A node's state with its configuration and, on a leader, what it knows of each member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The node's own state.
    pub basic: BasicStatus,
    /// The configuration in force.
    pub config: Config,
    /// Members by ascending id; empty unless leader.
    pub progress: Vec<(NodeId, Progress)>,
}
