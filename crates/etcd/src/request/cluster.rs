//! Members: the requests of etcd's `Cluster` service, and what they are answered with.

use serde::{Deserialize, Serialize};

use super::ResponseHeader;
use crate::membership::Member;

/// Adds a member. Its server starts afterwards, with the members that the answer lists.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberAdd {
    /// Where the others will reach it; not empty.
    pub peer_urls: Vec<String>,
    /// Whether it begins without a vote.
    pub is_learner: bool,
}

/// Changes the peer URLs of a member.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberUpdate {
    /// The member.
    pub id: u64,
    /// Where the others will reach it; not empty.
    pub peer_urls: Vec<String>,
}

/// The members of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberListReply {
    /// Who answers.
    pub header: ResponseHeader,
    /// By id.
    pub members: Vec<Member>,
}

/// The change is in force on the server that answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberChangeReply {
    /// Who answers.
    pub header: ResponseHeader,
    /// The member that was added; `None` of any other change.
    pub member: Option<Member>,
    /// All members after it, by id.
    pub members: Vec<Member>,
}
