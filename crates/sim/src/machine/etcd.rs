//! The adapter for etcd: names for ids, scenario commands for API calls.

use std::sync::Arc;

use ::etcd::bugs::Bugs;
use ::etcd::membership::{Cluster, Member};
use ::etcd::mvcc::{KeyRange, RangeOptions, Store};
use ::etcd::proto::LoggedRequest;
use ::etcd::request::{Reply, RequestError, RequestId, WatchCreate, WatchRequest, WatchStreamId};
use ::etcd::server::{
    Effects as EtcdEffects, Input as EtcdInput, Peer, Phase, Server, ServerConfig, Ticks,
};
use bytes::Bytes;
use disk::Disk;
use serde::{Deserialize, Serialize};

use super::{
    Answer, AnswerBody, Certainty, DATA_DIR, Effects, Fatal, Input, Message, Process, ServerEvent,
    ServerStatus, WatchAnswer, WatchSaid, etcd_request,
};
use crate::network::MessageKind;
use crate::scenario::{ClusterSpec, Node, PreVote};
use crate::view::{Role, Timer};

/// `--initial-cluster-token`.
const TOKEN: &str = "etcd-cluster";

/// An etcd server and the names of its peers.
#[derive(Clone, Debug)]
pub struct EtcdProcess {
    server: Server,
    /// The machines of the peers that it was told of at its start, or heard of since by a message
    /// before its log told of them, by member id.
    machines: Vec<(u64, Node)>,
}

impl EtcdProcess {
    /// A server that has not touched its disk yet.
    pub(super) fn start(
        spec: &ClusterSpec,
        node: Node,
        identity: Option<Identity>,
        own: Own,
    ) -> EtcdProcess {
        let Own { seed, pre_vote, bugs } = own;
        let config = identity.map_or_else(|| config(spec, node), |own| own.config(spec, node));
        let config = ServerConfig { pre_vote, bugs, ..config };
        let machine_of = |peer: &Peer| Some((peer.id, etcd_request::node_at(&peer.peer_url)?));
        let machines = config.peers.iter().filter_map(machine_of).collect();
        EtcdProcess { server: Server::new(config, seed), machines }
    }

    /// Its member id.
    pub(super) fn member_id(&self) -> u64 {
        self.server.view().config().id
    }

    /// The server itself, for pictures of it.
    pub fn server(&self) -> &Server {
        &self.server
    }

    pub(crate) fn is_booting(&self) -> bool {
        matches!(self.server.view().phase(), Phase::Off | Phase::Booting)
    }

    pub(crate) fn status(&self) -> ServerStatus {
        let view = self.server.view();
        let log = view.log();
        ServerStatus {
            is_booting: self.is_booting(),
            role: view.role().into(),
            term: view.term(),
            leader: self.node_of(view.leader()),
            vote: self.node_of(view.vote()),
            last_index: log.last_index,
            commit: log.committed,
            applied: log.applied,
            revision: view.store().map_or(0, Store::revision),
            election: timer(view.election()),
            heartbeat: Timer::default(),
        }
    }

    /// The entry among the last [`RECENT_ENTRIES`] that carries a proposal.
    pub(crate) fn find_entry(&self, proposal: u64) -> Option<(u64, u64)> {
        let view = self.server.view();
        let last = view.log().last_index;
        let recent = view.entries(last.saturating_sub(RECENT_ENTRIES)..last + 1);
        let carries = |entry: &&raft::Entry| proposal_of(&entry.data) == Some(proposal);
        recent.iter().rev().find(carries).map(|entry| (entry.index, entry.term))
    }

    pub(crate) fn value(&self, key: &[u8]) -> Option<Vec<u8>> {
        let key = KeyRange::One(Bytes::copy_from_slice(key));
        let found = self.server.view().store()?.range(&key, RangeOptions::default()).ok()?;
        found.kvs.into_iter().next().map(|pair| pair.value.to_vec())
    }

    /// The server with this member id, by its peer URL: as it was told at its start, or as the log
    /// says of members that joined later.
    pub fn node_of(&self, id: u64) -> Option<Node> {
        let peer = self.machines.iter().find(|(peer, _)| *peer == id);
        let cluster = || self.server.view().cluster();
        let joined = || etcd_request::node_at(cluster()?.member(id)?.peer_urls.first()?);
        peer.map(|(_, machine)| *machine).or_else(joined)
    }

    /// A message of a member came from this machine. Who joined later than this server knows says
    /// where it can be answered. Source: etcd release-3.4, `rafthttp/http.go` (`AddRemote`).
    pub(crate) fn hear_of(&mut self, id: u64, node: Node) {
        if self.node_of(id).is_none() {
            self.machines.push((id, node));
        }
    }

    /// The member on a machine, by its peer URL: members that joined later have ids of their own.
    fn id_of(&self, node: Node) -> u64 {
        let url = etcd_request::peer_url(node);
        let cluster = self.server.view().cluster();
        let mut members = cluster.into_iter().flat_map(Cluster::members);
        let member = members.find(|member| member.peer_urls.contains(&url));
        let known = self.peers().iter().find(|peer| peer.peer_url == url);
        member.map(|member| member.id).or_else(|| known.map(|peer| peer.id)).unwrap_or(0)
    }

    fn peers(&self) -> &[Peer] {
        &self.server.view().config().peers
    }

    fn input(&self, input: Input) -> EtcdInput {
        match input {
            Input::Boot => EtcdInput::Boot,
            Input::Tick => EtcdInput::Tick,
            Input::Message(Message::Etcd(message)) => {
                EtcdInput::Message(Box::new(Arc::unwrap_or_clone(message)))
            }
            Input::Message(Message::EtcdRemoved) => EtcdInput::Removed,
            Input::Message(Message::EtcdSnapshot(snapshot)) => {
                EtcdInput::Snapshot(Box::new(Arc::unwrap_or_clone(snapshot)))
            }
            Input::Message(Message::EtcdSnapshotStatus(status)) => {
                EtcdInput::SnapshotStatus(status)
            }
            Input::Message(Message::EtcdHash(message)) => EtcdInput::Hash(*message),
            Input::Synced(ticket) => EtcdInput::Synced(ticket),
            Input::SyncFailed(ticket, error) => EtcdInput::SyncFailed(ticket, error),
            Input::Request { id, command } => {
                let request = etcd_request::of(&command, |node| self.id_of(node));
                let request = request.expect("a watch is no request");
                EtcdInput::Request { id: RequestId(id), request }
            }
            Input::Watch { stream, said } => {
                EtcdInput::Watch { stream: WatchStreamId(stream), request: watch_request(&said) }
            }
            Input::Unreachable(peer) => EtcdInput::Unreachable(self.id_of(peer)),
        }
    }

    fn effects(&self, mut from: EtcdEffects, effects: &mut Effects) {
        for message in std::mem::take(&mut from.messages) {
            // A member may be added before its machine is there.
            let Some(to) = self.node_of(message.to) else { continue };
            effects.messages.push((to, Message::Etcd(Arc::new(message))));
        }
        effects.trace.extend(std::mem::take(&mut from.trace).into_iter().map(ServerEvent::Etcd));
        if !from.is_empty() {
            self.rarer_effects(from, effects);
        }
    }

    /// What most steps have nothing of.
    fn rarer_effects(&self, from: EtcdEffects, effects: &mut Effects) {
        for snapshot in from.snapshots {
            let Some(to) = self.node_of(snapshot.message.to) else { continue };
            effects.messages.push((to, Message::EtcdSnapshot(Arc::new(snapshot))));
        }
        for status in from.snapshot_statuses {
            let Some(to) = self.node_of(status.to) else { continue };
            effects.messages.push((to, Message::EtcdSnapshotStatus(status)));
        }
        for message in from.hashes {
            let Some(to) = self.node_of(message.to) else { continue };
            effects.messages.push((to, Message::EtcdHash(Arc::new(message))));
        }
        let removed = from.removed.into_iter().filter_map(|id| self.node_of(id));
        effects.messages.extend(removed.map(|to| (to, Message::EtcdRemoved)));
        let answers = from.replies.into_iter().map(|(id, result)| (id.0, answer(result)));
        effects.replies.extend(answers);
        let heard = from.watch.into_iter();
        let heard = heard.map(|(id, response)| (id.0, Arc::new(WatchAnswer::Etcd(response))));
        effects.watch.extend(heard);
        effects.watch_ended.extend(from.watch_ended.into_iter().map(|(id, _)| id.0));
    }
}

/// How far back a proposal's entry is looked for.
const RECENT_ENTRIES: u64 = 64;

/// The id that travels in an entry.
fn proposal_of(data: &Bytes) -> Option<u64> {
    match LoggedRequest::decode(data) {
        Ok(LoggedRequest::V3(request)) => request.header.map(|header| header.id),
        Ok(LoggedRequest::Empty | LoggedRequest::V2(_)) | Err(_) => None,
    }
}

impl From<raft::Role> for Role {
    fn from(role: raft::Role) -> Role {
        match role {
            raft::Role::Follower => Role::Follower,
            raft::Role::PreCandidate => Role::PreCandidate,
            raft::Role::Candidate => Role::Candidate,
            raft::Role::Leader => Role::Leader,
        }
    }
}

fn timer(ticks: Ticks) -> Timer {
    Timer { elapsed: ticks.elapsed, timeout: ticks.timeout }
}

/// The flags of a server that the cluster begins with.
pub(super) fn config(spec: &ClusterSpec, node: Node) -> ServerConfig {
    let names: Vec<String> = (1..=spec.founders()).map(|number| Node(number).to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut configs = ServerConfig::for_cluster(&names, TOKEN);
    let own = node.index();
    if own < configs.len() { flags(spec, configs.swap_remove(own)) } else { spare(spec, node) }
}

/// The flags of a machine that is no member yet: an identity of its own, and nobody else.
fn spare(spec: &ClusterSpec, node: Node) -> ServerConfig {
    let name = node.to_string();
    let mut configs = ServerConfig::for_cluster(&[name.as_str()], TOKEN);
    ServerConfig { joins: true, ..flags(spec, configs.swap_remove(0)) }
}

/// Who a server is that was added to a running cluster; its flags keep it from then on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    id: u64,
    cluster_id: u64,
    /// The members when it was added.
    peers: Vec<Peer>,
}

/// What a process has of its own at a start.
#[derive(Clone, Copy)]
pub(super) struct Own {
    pub(super) seed: u64,
    pub(super) pre_vote: bool,
    pub(super) bugs: Bugs,
}

impl Identity {
    /// As another server knows the members. `None` for one that the cluster began with, that is
    /// not known, or known only as what it was before its disk was replaced.
    pub(super) fn of(
        spec: &ClusterSpec,
        node: Node,
        other: &super::Server,
        former: &[u64],
    ) -> Option<Identity> {
        let super::Server::Etcd(other) = other;
        let view = other.server.view();
        let id = member_at(view.cluster()?, node)?.id;
        if id == config(spec, node).id || former.contains(&id) {
            return None;
        }
        let peers = view.cluster()?.members().map(|member| {
            let peer_url = member.peer_urls.first().cloned().unwrap_or_default();
            let name = etcd_request::node_at(&peer_url).map(|node| node.to_string());
            Peer { id: member.id, name: name.unwrap_or_default(), peer_url }
        });
        Some(Identity { id, cluster_id: view.config().cluster_id, peers: peers.collect() })
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    fn config(self, spec: &ClusterSpec, node: Node) -> ServerConfig {
        let Identity { id, cluster_id, peers } = self;
        ServerConfig { id, cluster_id, peers, joins: true, ..spare(spec, node) }
    }
}

fn member_at(cluster: &Cluster, node: Node) -> Option<&Member> {
    let url = etcd_request::peer_url(node);
    cluster.members().find(|member| member.peer_urls.contains(&url))
}

/// Who is a member, as a server knows it: the machine, and whether it has a vote.
pub(super) fn members(server: &super::Server) -> Vec<(Node, bool)> {
    let super::Server::Etcd(server) = server;
    let members = server.server.view().cluster().into_iter().flat_map(Cluster::members);
    let at = |member: &Member| etcd_request::node_at(member.peer_urls.first()?);
    members.filter_map(|member| Some((at(member)?, !member.is_learner))).collect()
}

/// Whether a file of the log's directory is a segment.
pub(super) fn is_segment(name: &str) -> bool {
    ::etcd::wal::SegmentName::parse(name).is_some()
}

/// What a message of raft is about.
pub(super) fn kind_of(message: &raft::Message) -> MessageKind {
    use raft::MessageType as Type;
    match message.msg_type {
        Type::App => MessageKind::Append,
        Type::AppResp => MessageKind::AppendResponse,
        Type::Heartbeat => MessageKind::Heartbeat,
        Type::HeartbeatResp => MessageKind::HeartbeatResponse,
        Type::Vote | Type::PreVote => MessageKind::Vote,
        Type::VoteResp | Type::PreVoteResp => MessageKind::VoteResponse,
        Type::Snap => MessageKind::Snapshot,
        Type::Prop => MessageKind::Proposal,
        Type::ReadIndex | Type::ReadIndexResp => MessageKind::Read,
        Type::Hup
        | Type::Beat
        | Type::Unreachable
        | Type::SnapStatus
        | Type::CheckQuorum
        | Type::TransferLeader
        | Type::TimeoutNow
        | Type::StorageAppend
        | Type::StorageAppendResp
        | Type::StorageApply
        | Type::StorageApplyResp
        | Type::ForgetLeader => MessageKind::Other,
    }
}

/// What a server without a log checks with those that run, before it does anything. One that is
/// to join them must be known to them, as somebody whom it never was (`former`).
/// Source: etcd release-3.4, `etcdserver/server.go`, `NewServer`.
pub(super) fn may_start(
    spec: &ClusterSpec,
    node: Node,
    disk: &Disk,
    other: Option<&super::Server>,
    former: &[u64],
) -> Result<(), String> {
    if disk.exists(&format!("{DATA_DIR}/member/wal")) {
        return Ok(());
    }
    let joins = node.0 > spec.founders() || !former.is_empty();
    let Some(super::Server::Etcd(other)) = other else {
        let words = "cannot fetch cluster info from peer urls: could not retrieve cluster \
                     information from the given URLs";
        return if joins { Err(words.to_owned()) } else { Ok(()) };
    };
    let own = config(spec, node).id;
    match other.server.view().cluster().and_then(|cluster| member_at(cluster, node)) {
        Some(member) if member.id == own && !member.client_urls.is_empty() => {
            Err(format!("member {own:x} has already been bootstrapped"))
        }
        Some(member) if !former.contains(&member.id) => Ok(()),
        None | Some(_) if joins => {
            Err("error validating peerURLs: member count is unequal".to_owned())
        }
        None | Some(_) => Ok(()),
    }
}

fn flags(spec: &ClusterSpec, config: ServerConfig) -> ServerConfig {
    ServerConfig {
        election_ticks: spec.election_ticks,
        tick_ns: spec.tick_ns,
        segment_bytes: spec.segment_bytes,
        snapshot_count: spec.snapshot_count,
        catch_up_entries: spec.catch_up_entries,
        data_dir: DATA_DIR.to_owned(),
        pre_vote: spec.pre_vote != PreVote::Never,
        compaction_batch: spec.compaction_batch as usize,
        initial_corrupt_check: spec.initial_corrupt_check,
        corrupt_check_ns: spec.corrupt_check_ns,
        watch_progress_ns: spec.watch_progress_ns,
        lease_checkpoint_ns: spec.lease_checkpoint_ns,
        persists_lease_checkpoints: spec.lease_checkpoint_ns.is_some(),
        version: spec.version,
        ..config
    }
}

impl Process for EtcdProcess {
    fn step(
        &mut self,
        now_ns: u64,
        input: Input,
        disk: &mut Disk,
        effects: &mut Effects,
    ) -> Result<(), Fatal> {
        let input = self.input(input);
        let mut own = EtcdEffects::default();
        let ended = self.server.step(now_ns, input, disk, &mut own);
        self.effects(own, effects);
        ended.map_err(|fatal| Fatal { reason: fatal.reason })
    }
}

fn watch_request(said: &WatchSaid) -> WatchRequest {
    match said {
        WatchSaid::Open { watch, from_revision } => WatchRequest::Create(WatchCreate {
            start_revision: *from_revision,
            ..etcd_request::watch(watch)
        }),
        WatchSaid::Taken(responses) => WatchRequest::Taken { responses: *responses },
        WatchSaid::Close => WatchRequest::Close,
    }
}

/// What a client makes of etcd's answer.
fn answer(result: Result<Reply, RequestError>) -> Answer {
    match result {
        Ok(reply) => Answer {
            certainty: Certainty::Done,
            revision: Some(reply.header().revision),
            body: AnswerBody::Etcd(reply),
        },
        Err(error) => Answer {
            certainty: if error.may_take_effect() {
                Certainty::Unknown
            } else {
                Certainty::NotDone
            },
            revision: None,
            body: if error.is_deterministic() {
                AnswerBody::Error(error.to_string())
            } else {
                AnswerBody::Unavailable(error.to_string())
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_only_a_message_told_of_can_be_answered() {
        let spec = ClusterSpec::default();
        let own = Own { seed: 1, pre_vote: true, bugs: Bugs::default() };
        let mut process = EtcdProcess::start(&spec, Node(1), None, own);
        assert_eq!(process.node_of(77), None, "nobody has heard of it");
        process.hear_of(77, Node(4));
        assert_eq!(process.node_of(77), Some(Node(4)));
    }
}
