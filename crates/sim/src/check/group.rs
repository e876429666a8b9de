//! A group of promises, and what it is told of a world.

use std::sync::Arc;

use disk::Disk;
use etcd::request::{Request, WatchResponse};
use etcd::server::ServerEvent as EtcdEvent;

use super::Found;
use super::facts::{Facts, News};
use crate::machine::{Answer, Effects, Machine, Message, ServerEvent};
use crate::scenario::{ClientCommand, Node, Watch};

/// A group of promises and what it remembers. Each function is told of one kind of thing that
/// happened; what a check does not care for it leaves out.
pub(super) trait Check {
    /// A server that takes part in consensus did what an input made it do.
    fn stepped(&mut self, _: &Facts, _: &Step<'_>, _: &News, _: &mut Found) {}

    /// A message arrived and its receiver has taken it.
    fn received(&mut self, _: &Facts, _: &Received, _: &mut Found) {}

    /// A process ended by itself.
    fn died(&mut self, _: &Facts, _node: Node, _reason: &str, _: &mut Found) {}

    /// A process is gone, for whatever reason.
    fn stopped(&mut self, _: Node) {}

    /// Something was done to the cluster.
    fn disturbed(&mut self) {}

    /// At some times: the servers of the quorum that is left alone, none if there is none.
    fn left_alone(&mut self, _: &Facts, _: &LeftAlone, _: &mut Found) {}

    /// A client asks.
    fn asked(&mut self, _: &Facts, _: &Asked<'_>) {}

    /// A server answers.
    fn answered(&mut self, _: &Facts, _: &Answered<'_>, _: &mut Found) {}

    /// The client has the answer, or gave up.
    fn ended(&mut self, _: &Facts, _: &Ended<'_>, _: &mut Found) {}

    /// A client asks to watch, for the first time or again after a break.
    fn watch_opened(&mut self, _: WatchOpened<'_>) {}

    /// A client hears something on a watch stream.
    fn watch_heard(&mut self, _: &Facts, _stream: u64, _: &WatchResponse, _: &mut Found) {}

    /// What can only be said at the end of a run.
    fn at_end(&mut self, _: &Facts, _: &[Machine], _: &mut Found) {}
}

/// One input for one server, and what came of it.
#[derive(Clone, Copy)]
pub(super) struct Step<'a> {
    pub(super) node: Node,
    pub(super) machine: &'a Machine,
    pub(super) effects: &'a Effects,
}

impl<'a> Step<'a> {
    pub(super) fn messages(&self) -> impl Iterator<Item = (Node, &'a raft::Message)> + use<'a> {
        self.effects.messages.iter().filter_map(|(to, message)| Some((*to, raft_of(message)?)))
    }

    pub(super) fn told(&self) -> impl Iterator<Item = &'a EtcdEvent> + use<'a> {
        self.effects.trace.iter().map(|ServerEvent::Etcd(event)| event)
    }

    pub(super) fn disk(&self) -> &'a Disk {
        &self.machine.disk
    }
}

fn raft_of(message: &Message) -> Option<&raft::Message> {
    match message {
        Message::Etcd(message) => Some(message),
        Message::EtcdSnapshot(snapshot) => Some(&snapshot.message),
        Message::EtcdRemoved | Message::EtcdSnapshotStatus(_) | Message::EtcdHash(_) => None,
    }
}

/// A message that its receiver has taken.
#[derive(Clone, Copy)]
pub(super) struct Received {
    pub(super) from: Node,
    pub(super) to: Node,
    pub(super) msg_type: raft::MessageType,
}

/// The servers of the quorum that is left alone, if there is one, and how long it may take to make
/// progress.
pub(super) struct LeftAlone {
    pub(super) quorum: Vec<Node>,
    pub(super) patience_ns: u64,
}

/// A request on its way.
pub(crate) struct Asked<'a> {
    pub(crate) request: u64,
    /// The first request of the operation, if this one asks again.
    pub(crate) retry_of: Option<u64>,
    pub(crate) command: &'a Arc<ClientCommand>,
}

/// A server's answer to a request.
pub(super) struct Answered<'a> {
    pub(super) node: Node,
    pub(super) request: u64,
    /// What was asked, if it is one request of etcd's API.
    pub(super) asked: Option<Request>,
    pub(super) is_read: bool,
    pub(super) answer: &'a Answer,
}

/// The end of a request.
pub(super) struct Ended<'a> {
    pub(super) node: Node,
    pub(super) request: u64,
    pub(super) answer: &'a Answer,
}

/// A watch that is opened.
#[derive(Clone, Copy)]
pub(crate) struct WatchOpened<'a> {
    pub(crate) watcher: u64,
    pub(crate) stream: u64,
    pub(crate) node: Node,
    pub(crate) watch: &'a Arc<Watch>,
    pub(crate) from_revision: i64,
}
