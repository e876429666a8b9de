//! Changes of the cluster while it runs.
//!
//! The server that is asked looks first whether the change is safe, as far as it can tell
//! (`--strict-reconfig-check`, on by default); then the change goes through the log, where every
//! member judges it alike ([`Cluster::judge`](crate::membership::Cluster::judge)); then raft takes
//! it. A learner is promoted only by a leader that sees it close behind. A server that applies its
//! own removal stops a second later; one that missed it is told by the members it talks to.
//! Source: etcd release-3.4, `etcdserver/{server,api/membership/cluster}.go`.

use raft::{ConfChange, ConfChangeType};

use super::running::{Running, unless_fatal};
use super::{Effects, Fatal};
use crate::membership::{Member, join_context, joining_member_id, promote_context};
use crate::request::{
    DoneReply, MemberAdd, MemberChangeReply, MemberUpdate, Reply, RequestError, RequestId,
};

/// How long members must have been connected for the cluster to count as healthy.
const HEALTH_NS: u64 = 5_000_000_000;
/// How long a server lives on after its own removal.
const REMOVED_DELAY_NS: u64 = 1_000_000_000;

/// What a server says when it learns that it was removed.
pub const REMOVED: &str = "the member has been permanently removed from the cluster";

/// A hand-over of leadership whose client waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moving {
    client: RequestId,
    target: u64,
    deadline_ns: u64,
}

type Later = Result<Option<Reply>, RequestError>;

impl Running {
    pub(super) fn member_add(&mut self, now_ns: u64, id: RequestId, add: MemberAdd) -> Later {
        let MemberAdd { peer_urls, is_learner } = add;
        let member = Member {
            id: joining_member_id(&peer_urls, now_ns),
            peer_urls,
            is_learner,
            ..Member::default()
        };
        if self.config.strict_reconfig_check {
            self.may_add(now_ns, is_learner)?;
        }
        let change_type =
            if is_learner { ConfChangeType::AddLearnerNode } else { ConfChangeType::AddNode };
        let context = join_context(&member).into();
        let change = ConfChange { change_type, node_id: member.id, context, id: 0 };
        self.propose_change(now_ns, id, change);
        Ok(None)
    }

    pub(super) fn member_remove(&mut self, now_ns: u64, id: RequestId, member: u64) -> Later {
        if self.config.strict_reconfig_check {
            self.may_remove(now_ns, member)?;
        }
        let change_type = ConfChangeType::RemoveNode;
        let change = ConfChange { change_type, node_id: member, ..ConfChange::default() };
        self.propose_change(now_ns, id, change);
        Ok(None)
    }

    pub(super) fn member_update(&mut self, now_ns: u64, id: RequestId, update: MemberUpdate) {
        let MemberUpdate { id: node_id, peer_urls } = update;
        let member = Member { id: node_id, peer_urls, ..Member::default() };
        let context = join_context(&member).into();
        let change_type = ConfChangeType::UpdateNode;
        self.propose_change(now_ns, id, ConfChange { change_type, node_id, context, id: 0 });
    }

    pub(super) fn member_promote(&mut self, now_ns: u64, id: RequestId, member: u64) -> Later {
        self.may_promote(member)?;
        let change_type = ConfChangeType::AddNode;
        let context = promote_context(member).into();
        let change = ConfChange { change_type, node_id: member, context, id: 0 };
        self.propose_change(now_ns, id, change);
        Ok(None)
    }

    /// A new voter must not take the quorum away, and all must be well connected.
    fn may_add(&self, now_ns: u64, is_learner: bool) -> Result<(), RequestError> {
        let (started, voters) = self.started_voters(None);
        // One member alone may become two: that is how data is restored to a cluster.
        let is_second = started == 1 && voters == 1;
        if !is_learner && !is_second && started < quorum(voters + 1) {
            return Err(RequestError::MemberNotEnoughStarted);
        }
        if self.connected_voters(now_ns) < voters {
            return Err(RequestError::Unhealthy);
        }
        Ok(())
    }

    /// The voters that stay must be a quorum that is started and connected.
    fn may_remove(&self, now_ns: u64, id: u64) -> Result<(), RequestError> {
        let cluster = self.applier.cluster();
        if cluster.member(id).is_some_and(|member| member.is_learner) {
            return Ok(());
        }
        let (started, left) = self.started_voters(Some(id));
        if left == 0 || started < quorum(left) {
            return Err(RequestError::MemberNotEnoughStarted);
        }
        // One that is down is no part of the active quorum.
        if id != self.member_id && !self.is_connected(id, now_ns + 1, now_ns) {
            return Ok(());
        }
        let (_, voters) = self.started_voters(None);
        if self.connected_voters(now_ns).saturating_sub(1) < quorum(voters - 1) {
            return Err(RequestError::Unhealthy);
        }
        Ok(())
    }

    /// A learner is ready when it has nine tenths of the leader's log.
    fn may_promote(&self, id: u64) -> Result<(), RequestError> {
        if !self.is_leader() {
            return Err(RequestError::NotLeader);
        }
        let matched = |id| self.node.progress(id).map(|progress| progress.match_index);
        let own = matched(self.member_id).unwrap_or(0);
        if matched(id).is_some_and(|learner| learner.saturating_mul(10) < own.saturating_mul(9)) {
            return Err(RequestError::LearnerNotReady);
        }
        let (started, voters) = self.started_voters(None);
        if self.config.strict_reconfig_check && started + 1 < quorum(voters + 1) {
            return Err(RequestError::MemberNotEnoughStarted);
        }
        Ok(())
    }

    /// Voters that have published their name, and all of them; one left out.
    fn started_voters(&self, without: Option<u64>) -> (usize, usize) {
        let voters = self.applier.cluster().voters().filter(|member| Some(member.id) != without);
        voters.fold((0, 0), |(started, all), member| {
            (started + usize::from(!member.name.is_empty()), all + 1)
        })
    }

    fn connected_voters(&self, now_ns: u64) -> usize {
        let since_ns = now_ns.saturating_sub(HEALTH_NS);
        let connected = |id| id == self.member_id || self.is_connected(id, since_ns, now_ns);
        self.applier.cluster().voters().filter(|member| connected(member.id)).count()
    }

    /// Whether the link to a member stands since before a time. A leader and its followers talk
    /// all the time, so silence between them is a break; two followers have nothing to say.
    fn is_connected(&self, id: u64, since_ns: u64, now_ns: u64) -> bool {
        let lead = self.node.basic_status().soft_state.lead;
        let talk = lead == self.member_id || lead == id;
        self.connections.stands_since(id, since_ns)
            && (!talk || self.connections.lasted_since(id, since_ns, now_ns))
    }

    /// A change of the configuration was applied, or refused: its client is told.
    pub(super) fn applied_change(
        &mut self,
        now_ns: u64,
        change: &ConfChange,
        refused: Option<RequestError>,
        effects: &mut Effects,
    ) -> Result<(), Fatal> {
        self.snapshots.conf_state = self.node.apply_conf_change(change.clone())?;
        let is_own = change.node_id == self.member_id;
        if change.change_type == ConfChangeType::RemoveNode && is_own && refused.is_none() {
            self.removed_at_ns.get_or_insert(now_ns + REMOVED_DELAY_NS);
        }
        let Some(client) =
            self.proposals.take(change.id).and_then(super::proposals::Proposer::client)
        else {
            return Ok(());
        };
        let cluster = self.applier.cluster();
        let adds =
            matches!(change.change_type, ConfChangeType::AddNode | ConfChangeType::AddLearnerNode);
        let answer = refused.map_or_else(
            || {
                Ok(Reply::MemberChange(MemberChangeReply {
                    header: self.header_now(),
                    member: cluster.member(change.node_id).filter(|_| adds).cloned(),
                    members: cluster.members().cloned().collect(),
                }))
            },
            Err,
        );
        self.reply(client, answer, effects);
        Ok(())
    }

    /// Dies of its own removal, when its time has come.
    pub(super) fn stop_if_removed(&self, now_ns: u64) -> Result<(), Fatal> {
        if self.removed_at_ns.is_some_and(|at_ns| at_ns <= now_ns) {
            return Err(Fatal { reason: REMOVED.to_owned() });
        }
        Ok(())
    }

    /// Hands leadership over; the client is told when the other member leads.
    pub(super) fn move_leader(&mut self, now_ns: u64, client: RequestId, target: u64) -> Later {
        if !self.is_leader() {
            return Err(RequestError::NotLeader);
        }
        let member = self.applier.cluster().member(target);
        if member.is_none_or(|member| member.is_learner) {
            return Err(RequestError::BadLeaderTransferee);
        }
        if self.node.transfer_leader(target).or_else(unless_fatal).is_err() {
            return Err(RequestError::Stopped);
        }
        let deadline_ns = now_ns + self.config.request_timeout_ns();
        self.moving.push(Moving { client, target, deadline_ns });
        Ok(None)
    }

    /// Answers those who wait for another leader.
    pub(super) fn answer_moving(&mut self, now_ns: u64, effects: &mut Effects) {
        if self.moving.is_empty() {
            return;
        }
        for moving in std::mem::take(&mut self.moving) {
            if self.told.soft.lead == moving.target {
                let reply = DoneReply { header: self.header_now() };
                self.reply(moving.client, Ok(Reply::MoveLeader(reply)), effects);
            } else if moving.deadline_ns <= now_ns {
                self.reply(moving.client, Err(RequestError::Timeout), effects);
            } else {
                self.moving.push(moving);
            }
        }
    }
}

fn quorum(voters: usize) -> usize {
    voters / 2 + 1
}
