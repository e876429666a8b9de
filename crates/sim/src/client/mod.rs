//! Clients: the console and workloads. Every operation ends as acknowledged, failed or unknown.
//!
//! A request travels to its server and its reply back with the cluster's latency. A server that is
//! not there refuses (failed); one that goes away with the request in hand leaves it unknown, as
//! does a client's patience of [`PATIENCE_NS`]. Reads that did not come back are failed: they
//! change nothing either way.

mod keeper;
mod watch;

use ordered::Map;
use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use watch::{WATCHERS_MAX, Watcher};

use keeper::Keepers;
use watch::WatcherHead;

use crate::machine::{Answer, AnswerBody, Certainty};
use crate::queue::Key;
use crate::rng::{Consumer, Stream};
use crate::scenario::{ClientCommand, ClusterSpec, Node, SECOND_NS, Span};
use crate::view::Outcome;
use crate::workload::{Shown, WorkloadHead, Workloads};

/// etcdctl's `--command-timeout`.
pub const PATIENCE_NS: u64 = 5 * SECOND_NS;
/// The console's client number; loads count from 1.
pub const CONSOLE: u32 = 0;
/// Operations that ended and are still told about; of the console's, so many more.
const ENDED_KEPT: usize = 64;
/// An operation.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Request id, unique in a run.
    pub request: u64,
    /// Whose.
    pub client: u32,
    /// The action that it came from; 0 for loads.
    pub action: u64,
    /// The server that it goes to.
    pub node: Node,
    /// What is asked.
    pub command: Arc<ClientCommand>,
    /// When it left the client.
    pub started_ns: u64,
    /// Where it is.
    pub stage: Stage,
    pub(crate) timeout: Option<Key>,
}

/// How far an operation has come.
#[derive(Clone, Debug)]
pub enum Stage {
    /// On its way to the server.
    Asking {
        /// When it arrives.
        arrives_ns: u64,
    },
    /// The server has it.
    AtServer,
    /// The answer is on its way.
    Answering {
        /// When the server replied.
        sent_ns: u64,
        /// When it arrives.
        arrives_ns: u64,
        /// What it says.
        answer: Arc<Answer>,
    },
}

/// An operation that ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The operation.
    pub operation: Operation,
    /// When.
    pub at_ns: u64,
    /// How.
    pub outcome: Outcome,
    /// The server's answer, or what the client makes of having none.
    pub answer: Arc<Answer>,
}

/// How operations ended so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operations {
    /// They happened.
    pub acknowledged: u64,
    /// They did not.
    pub failed: u64,
    /// Nobody knows.
    pub unknown: u64,
}

/// What goes into the head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClientsHead {
    position: u128,
    next_request: u64,
    next_client: u32,
    /// Requests without an answer: id, and whether they are reads.
    pending: Vec<(u64, bool)>,
    workloads: Vec<WorkloadHead>,
    operations: Operations,
    turn: u64,
    watchers: Vec<WatcherHead>,
    next_watcher: u64,
    next_stream: u64,
    keepers: Keepers,
}

/// All clients.
#[derive(Clone, Debug)]
pub struct Clients {
    nodes: u32,
    stream: Stream,
    latency: Span,
    next_request: u64,
    next_client: u32,
    pending: Map<u64, Operation>,
    /// Requests of before a reload, which nobody will ever answer.
    orphans: Vec<(u64, bool)>,
    ended: VecDeque<Arc<Ended>>,
    /// Of the console alone: an answer must not be swept away by loads.
    console_ended: VecDeque<Arc<Ended>>,
    pub(crate) workloads: Workloads,
    operations: Operations,
    turn: u64,
    pub(crate) keepers: Keepers,
    watchers: Map<u64, Watcher>,
    next_watcher: u64,
    next_stream: u64,
    /// When the last response on each watch stream arrives.
    stream_free_ns: Map<u64, u64>,
    /// When the last request on each connection arrives: connections keep their order.
    connection_free_ns: Map<(u32, Node), u64>,
}

impl Clients {
    pub(crate) fn new(spec: &ClusterSpec) -> Clients {
        let head = ClientsHead {
            position: 0,
            next_request: 1,
            next_client: CONSOLE + 1,
            pending: Vec::new(),
            workloads: Vec::new(),
            operations: Operations::default(),
            turn: 0,
            watchers: Vec::new(),
            next_watcher: 1,
            next_stream: 1,
            keepers: Keepers::default(),
        };
        Clients::resume(spec, head)
    }

    pub(crate) fn head(&self) -> ClientsHead {
        let pending =
            self.pending.values().map(|operation| (operation.request, operation.command.is_read()));
        ClientsHead {
            position: self.stream.position(),
            next_request: self.next_request,
            next_client: self.next_client,
            pending: self.orphans.iter().copied().chain(pending).collect(),
            workloads: self.workloads.head(),
            operations: self.operations,
            turn: self.turn,
            watchers: self.watchers.values().map(Watcher::head).collect(),
            next_watcher: self.next_watcher,
            next_stream: self.next_stream,
            keepers: self.keepers.clone(),
        }
    }

    pub(crate) fn resume(spec: &ClusterSpec, head: ClientsHead) -> Clients {
        let watchers = head.watchers.into_iter().map(Watcher::resume);
        Clients {
            nodes: spec.nodes,
            stream: Stream::at(spec.seed, Consumer::Clients, head.position),
            latency: spec.latency,
            next_request: head.next_request,
            next_client: head.next_client,
            pending: Map::new(),
            orphans: head.pending,
            ended: VecDeque::new(),
            console_ended: VecDeque::new(),
            workloads: Workloads::resume(spec.seed, head.workloads),
            operations: head.operations,
            turn: head.turn,
            watchers: watchers.map(|one| (one.watcher, one)).collect(),
            next_watcher: head.next_watcher,
            next_stream: head.next_stream,
            stream_free_ns: Map::new(),
            keepers: head.keepers,
            connection_free_ns: Map::new(),
        }
    }

    /// Begins an operation; it arrives at its server at the stage's time.
    pub(crate) fn begin(
        &mut self,
        now_ns: u64,
        client: u32,
        action: u64,
        node: Node,
        command: Arc<ClientCommand>,
    ) -> &mut Operation {
        let request = self.next_request;
        self.next_request += 1;
        let travel_ns = self.travel_ns();
        let free_ns = self.connection_free_ns.get_or_default((client, node));
        let arrives_ns = (now_ns + travel_ns).max(*free_ns + 1);
        *free_ns = arrives_ns;
        let stage = Stage::Asking { arrives_ns };
        let operation = Operation {
            request,
            client,
            action,
            node,
            command,
            started_ns: now_ns,
            stage,
            timeout: None,
        };
        self.pending.get_or_insert_with(request, || operation)
    }

    /// So many client numbers in a row; gives the first.
    pub(crate) fn take_numbers(&mut self, clients: u32) -> u32 {
        let first = self.next_client;
        self.next_client += clients;
        first
    }

    /// What clients that share one draw from.
    pub(crate) fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// The next of these servers in turn.
    pub(crate) fn next_of(&mut self, up: &[Node]) -> Option<Node> {
        let place = self.turn.checked_rem(up.len() as u64)?;
        self.turn += 1;
        up.get(usize::try_from(place).ok()?).copied()
    }

    /// How many operations of a client have no answer yet.
    pub(crate) fn under_way(&self, client: u32) -> usize {
        self.pending.values().filter(|one| one.client == client).count()
    }

    /// An operation that had ended so is tried again.
    pub(crate) fn goes_on(&mut self, ended: Outcome) {
        self.operations.goes_on(ended);
    }

    fn travel_ns(&mut self) -> u64 {
        self.stream.within(self.latency).max(1)
    }

    /// The server has the request now.
    pub(crate) fn arrived(&mut self, request: u64) -> Option<&Operation> {
        let operation = self.pending.get_mut(&request)?;
        operation.stage = Stage::AtServer;
        Some(operation)
    }

    /// The server answered; gives when the answer arrives, if anybody still waits for it.
    pub(crate) fn answered(&mut self, now_ns: u64, request: u64, answer: Answer) -> Option<u64> {
        let arrives_ns = now_ns + self.travel_ns();
        let operation = self.pending.get_mut(&request)?;
        let answer = Arc::new(answer);
        operation.stage = Stage::Answering { sent_ns: now_ns, arrives_ns, answer };
        Some(arrives_ns)
    }

    /// The answer has arrived.
    pub(crate) fn take_answer(&mut self, now_ns: u64, request: u64) -> Option<Arc<Ended>> {
        let operation = self.pending.get(&request)?;
        let Stage::Answering { answer, .. } = &operation.stage else { return None };
        let answer = Arc::clone(answer);
        let outcome = outcome(answer.certainty, operation.command.is_read());
        Some(self.end(now_ns, request, outcome, answer))
    }

    /// There will be no answer.
    pub(crate) fn give_up(
        &mut self,
        now_ns: u64,
        request: u64,
        certainty: Certainty,
        message: &str,
    ) -> Option<Arc<Ended>> {
        let operation = self.pending.get(&request)?;
        let outcome = outcome(certainty, operation.command.is_read());
        let body = AnswerBody::Unavailable(message.to_owned());
        let answer = Answer { certainty, revision: None, body };
        Some(self.end(now_ns, request, outcome, Arc::new(answer)))
    }

    fn end(
        &mut self,
        at_ns: u64,
        request: u64,
        outcome: Outcome,
        answer: Arc<Answer>,
    ) -> Arc<Ended> {
        let operation = self.pending.remove(&request).expect("an operation ends once");
        self.operations.count(outcome);
        let ended = Arc::new(Ended { operation, at_ns, outcome, answer });
        if ended.operation.client == CONSOLE {
            keep(&mut self.console_ended, &ended);
        }
        keep(&mut self.ended, &ended);
        ended
    }

    /// Requests that a server held, or all of them, in their order.
    pub(crate) fn held_by(&self, node: Node) -> Vec<u64> {
        let held = |operation: &&Operation| {
            operation.node == node && matches!(operation.stage, Stage::AtServer)
        };
        self.pending.values().filter(held).map(|operation| operation.request).collect()
    }

    /// Everything under way is orphaned; gives each request with how it ended.
    pub(crate) fn orphan_all(&mut self) -> Vec<(u64, Outcome)> {
        self.connection_free_ns.clear();
        let pending = std::mem::take(&mut self.pending);
        let mut orphans = std::mem::take(&mut self.orphans);
        orphans.extend(
            pending.values().map(|operation| (operation.request, operation.command.is_read())),
        );
        let ended: Vec<(u64, Outcome)> = orphans
            .into_iter()
            .map(|(request, is_read)| (request, outcome(Certainty::Unknown, is_read)))
            .collect();
        for (_, outcome) in &ended {
            self.operations.count(*outcome);
        }
        ended
    }

    /// An operation without an answer.
    pub fn pending(&self, request: u64) -> Option<&Operation> {
        self.pending.get(&request)
    }

    /// All operations without an answer, oldest first.
    pub fn all_pending(&self) -> impl ExactSizeIterator<Item = &Operation> {
        self.pending.values()
    }

    /// Operations that ended lately, newest last.
    pub fn ended(&self) -> impl DoubleEndedIterator<Item = &Arc<Ended>> {
        self.ended.iter()
    }

    /// Operations of the console that ended lately, newest last.
    pub fn console_ended(&self) -> impl DoubleEndedIterator<Item = &Arc<Ended>> {
        self.console_ended.iter()
    }

    /// As [`operations`](Self::operations) would be if nothing under way were answered any more.
    pub fn operations_at_end(&self) -> Operations {
        let mut operations = self.operations;
        let pending = self.pending.values().map(|one| one.command.is_read());
        for is_read in self.orphans.iter().map(|(_, is_read)| *is_read).chain(pending) {
            operations.count(outcome(Certainty::Unknown, is_read));
        }
        operations
    }

    /// Workloads that run.
    pub fn workloads(&self) -> impl Iterator<Item = Shown> {
        self.workloads.shown()
    }

    /// The client that stands for this one in pictures: the first of its workload, the console for
    /// whoever renews its leases.
    pub fn shown_as(&self, client: u32) -> u32 {
        self.workloads.first_of(client).unwrap_or(CONSOLE)
    }

    /// How all operations so far ended.
    pub fn operations(&self) -> Operations {
        self.operations
    }
}

impl Operation {
    /// When the request reaches its server.
    pub(crate) fn arrives_ns(&self) -> u64 {
        match self.stage {
            Stage::Asking { arrives_ns } => arrives_ns,
            Stage::AtServer | Stage::Answering { .. } => self.started_ns,
        }
    }
}

impl Operations {
    fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Acknowledged => self.acknowledged += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::Unknown => self.unknown += 1,
        }
    }

    /// An operation that had ended so far is tried again.
    fn goes_on(&mut self, ended: Outcome) {
        match ended {
            Outcome::Acknowledged => self.acknowledged -= 1,
            Outcome::Failed => self.failed -= 1,
            Outcome::Unknown => self.unknown -= 1,
        }
    }
}

fn keep(ended: &mut VecDeque<Arc<Ended>>, one: &Arc<Ended>) {
    if ended.len() == ENDED_KEPT {
        ended.pop_front();
    }
    ended.push_back(Arc::clone(one));
}

fn outcome(certainty: Certainty, is_read: bool) -> Outcome {
    match certainty {
        Certainty::Done => Outcome::Acknowledged,
        Certainty::Unknown if !is_read => Outcome::Unknown,
        Certainty::Unknown | Certainty::NotDone => Outcome::Failed,
    }
}
