//! What a server process is to the world: inputs, effects, and what it says of itself.

use std::sync::Arc;

use disk::{Disk, DiskError, Ticket};
use serde::{Deserialize, Serialize};

use super::EtcdProcess;
use super::etcd::kind_of;
use crate::network::MessageKind;
use crate::scenario::{ClientCommand, Node, Watch};
use crate::view::{Role, Timer};

/// A server process: one call, no operating system.
///
/// Reads and writes on the disk are immediate; a sync is a ticket that comes back as
/// [`Input::Synced`]. `Err` is the process's death with the message that the real one would leave.
pub trait Process {
    /// One input, all its effects.
    fn step(
        &mut self,
        now_ns: u64,
        input: Input,
        disk: &mut Disk,
        effects: &mut Effects,
    ) -> Result<(), Fatal>;
}

/// What happens to a process.
#[derive(Clone, Debug)]
pub enum Input {
    /// It starts; first of all inputs.
    Boot,
    /// Its clock ticks.
    Tick,
    /// A peer's message arrives.
    Message(Message),
    /// A sync that it issued is complete.
    Synced(Ticket),
    /// A sync that it issued failed.
    SyncFailed(Ticket, DiskError),
    /// A client asks.
    Request {
        /// Comes back with the answer.
        id: u64,
        /// What is asked.
        command: Arc<ClientCommand>,
    },
    /// Its transport cannot reach a peer.
    Unreachable(Node),
    /// A client says something on a watch stream.
    Watch {
        /// The stream; the first word opens it.
        stream: u64,
        /// What.
        said: WatchSaid,
    },
}

/// What a client says on a watch stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchSaid {
    /// Watch this, from a revision on; 0 for whatever comes next.
    Open {
        /// What to watch.
        watch: Arc<Watch>,
        /// From where on.
        from_revision: i64,
    },
    /// It has taken so many responses.
    Taken(usize),
    /// It listens no more.
    Close,
}

/// What a process does.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    /// Messages to peers.
    pub messages: Vec<(Node, Message)>,
    /// Answers to requests.
    pub replies: Vec<(u64, Answer)>,
    /// What is worth telling, in order.
    pub trace: Vec<ServerEvent>,
    /// Responses on watch streams, in order.
    pub watch: Vec<(u64, Arc<WatchAnswer>)>,
    /// Watch streams that it did not open, or ended.
    pub watch_ended: Vec<u64>,
}

impl Effects {
    /// Whether nothing left the process.
    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
            && self.replies.is_empty()
            && self.trace.is_empty()
            && self.watch.is_empty()
            && self.watch_ended.is_empty()
    }
}

/// A response on a watch stream, in the engine's own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WatchAnswer {
    /// etcd's.
    Etcd(::etcd::request::WatchResponse),
}

/// A message between servers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Message {
    /// raft, as etcd speaks it.
    Etcd(Arc<raft::Message>),
    /// etcd's peers refuse a member that was removed, and say so.
    EtcdRemoved,
    /// A snapshot with the whole backend, on a stream of its own.
    EtcdSnapshot(Arc<::etcd::server::SnapshotMessage>),
    /// The answer to a snapshot, on the same stream.
    EtcdSnapshotStatus(::etcd::server::SnapshotStatus),
    /// A question for the hash of another member's history, or the answer.
    EtcdHash(Arc<::etcd::server::HashMessage>),
}

impl Message {
    /// What it is about, as rules tell messages apart.
    pub fn kind(&self) -> MessageKind {
        match self {
            Message::Etcd(message) => kind_of(message),
            Message::EtcdSnapshot(_) | Message::EtcdSnapshotStatus(_) => MessageKind::Snapshot,
            Message::EtcdRemoved | Message::EtcdHash(_) => MessageKind::Other,
        }
    }
}

/// Something that a server tells about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ServerEvent {
    /// etcd's.
    Etcd(::etcd::server::ServerEvent),
}

/// A server's answer to a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// How sure the client can be.
    pub certainty: Certainty,
    /// The store's revision, of an answer that has one.
    pub revision: Option<i64>,
    /// The answer itself.
    pub body: AnswerBody,
}

/// Whether the request took effect, as far as the answer tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Certainty {
    /// It did.
    Done,
    /// It did not and will not.
    NotDone,
    /// It may still.
    Unknown,
}

/// An answer in the engine's own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AnswerBody {
    /// etcd's reply.
    Etcd(::etcd::request::Reply),
    /// An error, as the client prints it.
    Error(String),
    /// The same of an error that another server might not give: this one is gone, or not able to.
    Unavailable(String),
}

/// Why a process died.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fatal {
    /// The message that it died with.
    pub reason: String,
}

impl Fatal {
    /// Whether it ended because the cluster has removed it.
    pub fn is_removal(&self) -> bool {
        self.reason == ::etcd::server::REMOVED
    }
}

/// The process on a machine.
#[derive(Clone, Debug)]
pub enum Server {
    /// etcd.
    Etcd(Box<EtcdProcess>),
}

impl Process for Server {
    fn step(
        &mut self,
        now_ns: u64,
        input: Input,
        disk: &mut Disk,
        effects: &mut Effects,
    ) -> Result<(), Fatal> {
        match self {
            Server::Etcd(server) => server.step(now_ns, input, disk, effects),
        }
    }
}

/// What a server says of itself, whatever its engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerStatus {
    /// It still reads its disk.
    pub is_booting: bool,
    /// Its part.
    pub role: Role,
    /// Its term.
    pub term: u64,
    /// Whom it takes for the leader.
    pub leader: Option<Node>,
    /// Whom it voted for.
    pub vote: Option<Node>,
    /// Last index of its log.
    pub last_index: u64,
    /// Commit index.
    pub commit: u64,
    /// Applied index.
    pub applied: u64,
    /// Revision of its store.
    pub revision: i64,
    /// Ticks since it heard from a leader, of how many it waits.
    pub election: Timer,
    /// Ticks since its last heartbeat.
    pub heartbeat: Timer,
}

impl Server {
    /// A message came from a machine: whose server it is can be answered there.
    pub(crate) fn hear_of(&mut self, from: Node, message: &Message) {
        let Server::Etcd(server) = self;
        match message {
            Message::Etcd(message) => server.hear_of(message.from, from),
            Message::EtcdSnapshot(snapshot) => server.hear_of(snapshot.message.from, from),
            Message::EtcdRemoved | Message::EtcdSnapshotStatus(_) | Message::EtcdHash(_) => {}
        }
    }

    /// What it says of itself.
    pub fn status(&self) -> ServerStatus {
        match self {
            Server::Etcd(server) => server.status(),
        }
    }

    /// Whether it still reads its disk.
    pub(crate) fn is_booting(&self) -> bool {
        match self {
            Server::Etcd(server) => server.is_booting(),
        }
    }

    /// Index and term of the recent entry that carries a proposal.
    pub(crate) fn find_entry(&self, proposal: u64) -> Option<(u64, u64)> {
        match self {
            Server::Etcd(server) => server.find_entry(proposal),
        }
    }

    /// A key's value in its own store.
    pub fn value(&self, key: &[u8]) -> Option<Vec<u8>> {
        match self {
            Server::Etcd(server) => server.value(key),
        }
    }
}
