//! The adapter for etcd: names for ids, scenario commands for API calls.

use ::etcd::request::{Compact, DeleteRange, Put, Range, Reply, Request, RequestError, RequestId};
use ::etcd::server::ServerConfig;
use bytes::Bytes;
use disk::Disk;

use super::{
    Answer, AnswerBody, Certainty, DATA_DIR, Effects, Fatal, Input, Process, ServerStatus,
};
use crate::scenario::{ClientCommand, ClusterSpec, Get, Node};

/// `--initial-cluster-token`.
const TOKEN: &str = "etcd-cluster";

/// An etcd server and the names of its peers.
#[derive(Clone, Debug)]
pub struct EtcdProcess {
    config: ServerConfig,
}

impl EtcdProcess {
    /// A server that has not touched its disk yet.
    pub fn new(spec: &ClusterSpec, node: Node, _seed: u64) -> EtcdProcess {
        EtcdProcess { config: config(spec, node) }
    }

    pub(crate) fn status(&self) -> ServerStatus {
        ServerStatus::default()
    }

    pub(crate) fn value(&self, _key: &[u8]) -> Option<Vec<u8>> {
        None
    }

    /// The server's flags.
    pub fn config(&self) -> &ServerConfig {
        &self.config
    }

    /// The server with this member id.
    pub fn node_of(&self, id: u64) -> Option<Node> {
        self.config.peers.iter().position(|peer| peer.id == id).map(Node::at)
    }
}

/// The flags of a server of this cluster.
pub fn config(spec: &ClusterSpec, node: Node) -> ServerConfig {
    let names: Vec<String> = (1..=spec.nodes).map(|number| Node(number).to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut configs = ServerConfig::for_cluster(&names, TOKEN);
    let config = configs.swap_remove(node.index());
    ServerConfig {
        election_ticks: spec.election_ticks,
        tick_ns: spec.tick_ns,
        segment_bytes: spec.segment_bytes,
        data_dir: DATA_DIR.to_owned(),
        pre_vote: true,
        ..config
    }
}

impl Process for EtcdProcess {
    fn step(
        &mut self,
        _now_ns: u64,
        _input: Input,
        _disk: &mut Disk,
        _effects: &mut Effects,
    ) -> Result<(), Fatal> {
        Ok(())
    }
}

/// etcd's call for a command.
pub(crate) fn request(command: &ClientCommand) -> Request {
    match command {
        ClientCommand::Put { key, value } => {
            Request::Put(Put { key: text(key), value: text(value), ..Put::default() })
        }
        ClientCommand::Get(get) => Request::Range(range(get)),
        ClientCommand::Delete { key, range_end, prefix } => Request::DeleteRange(DeleteRange {
            key: first_key(key, *prefix),
            range_end: end_of(key, range_end.as_deref(), *prefix),
            prev_kv: false,
        }),
        ClientCommand::Compact { revision, physical } => {
            Request::Compact(Compact { revision: *revision, physical: *physical })
        }
        ClientCommand::MemberList => Request::MemberList,
        ClientCommand::EndpointStatus => Request::Status,
    }
}

fn text(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn range(get: &Get) -> Range {
    Range {
        key: first_key(&get.key, get.prefix),
        range_end: end_of(&get.key, get.range_end.as_deref(), get.prefix),
        limit: get.limit,
        revision: get.revision,
        serializable: get.serializable,
        keys_only: get.keys_only,
        count_only: get.count_only,
        ..Range::default()
    }
}

/// etcdctl reads an empty prefix as everything: from `\0` on.
fn first_key(key: &str, prefix: bool) -> Bytes {
    if prefix && key.is_empty() { Bytes::from_static(b"\0") } else { text(key) }
}

/// The end of a range; a prefix ends at the next key that does not begin with it.
fn end_of(key: &str, range_end: Option<&str>, prefix: bool) -> Bytes {
    if !prefix {
        return range_end.map_or_else(Bytes::new, text);
    }
    let mut end = key.as_bytes().to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Bytes::from(end);
        }
    }
    Bytes::from_static(b"\0")
}

/// What a client makes of etcd's answer.
pub(crate) fn answer(result: Result<Reply, RequestError>) -> Answer {
    match result {
        Ok(reply) => Answer {
            certainty: Certainty::Done,
            revision: Some(reply.header().revision),
            body: AnswerBody::Etcd(reply),
        },
        Err(error) => Answer {
            certainty: certainty(&error),
            revision: None,
            body: AnswerBody::Error(error.to_string()),
        },
    }
}

/// After these the write may still take effect: it was proposed, and nobody knows how it ended.
fn certainty(error: &RequestError) -> Certainty {
    match error {
        RequestError::Timeout
        | RequestError::TimeoutLeaderFailure
        | RequestError::TimeoutConnectionLost
        | RequestError::LeaderChanged
        | RequestError::Stopped => Certainty::Unknown,
        RequestError::Compacted
        | RequestError::FutureRevision
        | RequestError::EmptyKey
        | RequestError::KeyNotFound
        | RequestError::ValueProvided
        | RequestError::LeaseProvided
        | RequestError::LeaseNotFound
        | RequestError::TooLarge
        | RequestError::TooManyRequests
        | RequestError::NoLeader
        | RequestError::ProposalDropped
        | RequestError::ConnectionRefused => Certainty::NotDone,
    }
}

/// The id under which a server knows a request.
pub(crate) fn request_id(id: u64) -> RequestId {
    RequestId(id)
}
