//! The stage: servers, messages in flight, clients, the recent past.

use serde::{Deserialize, Serialize};

use crate::check::{State, Violation};
use crate::scenario::Node;

/// The cluster at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterView {
    /// Virtual time.
    pub now_ns: u64,
    /// Events that have happened.
    pub event: u64,
    /// The run's fingerprint up to here.
    pub fingerprint: u64,
    /// Length of a server's tick.
    pub tick_ns: u64,
    /// In the order of their numbers.
    pub nodes: Vec<NodeView>,
    /// Who leads with the highest term, of those that are up.
    pub leader: Option<Node>,
    /// The groups that hear each other; one group when the network is whole.
    pub groups: Vec<Vec<Node>>,
    /// Loss and delay rules as scenario lines.
    pub network_rules: Vec<String>,
    /// In flight, oldest first.
    pub messages: Vec<MessageView>,
    /// Clients.
    pub clients: ClientsView,
    /// The recent past, newest last.
    pub log: Vec<LogLine>,
    /// Every `expect` so far.
    pub expectations: Vec<ExpectationView>,
    /// Every promise, in the order of their table.
    pub promises: Vec<PromiseView>,
    /// What broke promises, in the order in which it was found.
    pub violations: Vec<Violation>,
}

/// How a promise of the cluster stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromiseView {
    /// `R1`.
    pub id: String,
    /// The promise.
    pub says: String,
    /// Kept, broken, or unknown and why.
    pub state: State,
}

/// One server on the stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// Its number.
    pub node: Node,
    /// `n1`.
    pub name: String,
    /// Its member id.
    pub id: u64,
    /// Whether it runs.
    pub condition: Condition,
    /// Its part in raft; of a server that does not run, the last one.
    pub role: Role,
    /// Raft term.
    pub term: u64,
    /// Whom it takes for the leader.
    pub leader: Option<Node>,
    /// Whom it voted for in this term.
    pub vote: Option<Node>,
    /// Last index of its raft log.
    pub last_index: u64,
    /// Raft commit index.
    pub commit: u64,
    /// Raft applied index.
    pub applied: u64,
    /// Revision of its key-value store.
    pub revision: i64,
    /// Ticks since it heard from a leader, of how many it waits.
    pub election: Timer,
    /// Ticks since its last heartbeat (leaders).
    pub heartbeat: Timer,
    /// When its clock ticks next; 0 when it does not run.
    pub next_tick_ns: u64,
    /// Syncs that it waits for.
    pub syncs: u32,
    /// Times that it was started.
    pub boots: u32,
}

/// Whether a server runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// It runs and reads its disk.
    Booting,
    /// It runs.
    #[default]
    Up,
    /// It has no power.
    Down,
    /// It stopped by itself.
    Failed {
        /// The message that it died with.
        reason: String,
    },
}

/// A server's part in raft.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Follows.
    #[default]
    Follower,
    /// Asks whether it would win.
    PreCandidate,
    /// Asks for votes.
    Candidate,
    /// Leads.
    Leader,
}

/// A countdown in ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timer {
    /// Ticks so far.
    pub elapsed: u32,
    /// Fires at this many.
    pub timeout: u32,
}

/// Where a message comes from or goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Endpoint {
    /// A server.
    Node(Node),
    /// A client: 0 is the console, loads count from 1.
    Client(u32),
}

/// What a message is about, for its colour and shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MessageClass {
    /// Votes and pre-votes.
    Vote,
    /// Entries.
    Append,
    /// Answers to entries.
    AppendResponse,
    /// Heartbeats and their answers.
    Heartbeat,
    /// Proposals on their way to the leader.
    Proposal,
    /// Reads that ask the leader where the log stands.
    Read,
    /// A client's request.
    Request,
    /// A server's reply to a client.
    Reply,
    /// Anything else.
    Other,
}

/// A message in flight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageView {
    /// Unique in a run.
    pub id: u64,
    /// Sender.
    pub from: Endpoint,
    /// Receiver.
    pub to: Endpoint,
    /// What it is about.
    pub class: MessageClass,
    /// `MsgApp`, or the client's verb.
    pub kind: String,
    /// Raft term; 0 for clients.
    pub term: u64,
    /// What it says, in a few words.
    pub label: String,
    /// When it left.
    pub sent_ns: u64,
    /// When it arrives, if nothing stops it.
    pub arrives_ns: u64,
}

/// Clients and what they wait for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientsView {
    /// Operations without an answer so far, oldest first; at most 64.
    pub pending: Vec<OperationView>,
    /// The last ones that ended, newest last; at most 32.
    pub ended: Vec<OperationView>,
    /// Operations under way.
    pub in_flight: u64,
    /// Operations that were acknowledged.
    pub acknowledged: u64,
    /// Operations that certainly did not happen.
    pub failed: u64,
    /// Operations that may have happened.
    pub unknown: u64,
    /// Loads that run.
    pub loads: Vec<LoadView>,
    /// Watches of the console and of loads, oldest first; at most 64.
    pub watchers: Vec<WatcherView>,
}

/// A watch of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatcherView {
    /// Its number, unique in a run.
    pub watcher: u64,
    /// Whose: 0 is the console.
    pub client: u32,
    /// The server that it is connected to, or tries.
    pub node: Node,
    /// Whether it is connected.
    pub connected: bool,
    /// What it watches, as a scenario command.
    pub command: String,
    /// The next revision that it wants to hear of.
    pub next_revision: i64,
    /// Events so far.
    pub events: u64,
    /// The last of them as etcdctl prints them, oldest first; at most 16.
    pub latest: Vec<String>,
    /// Why it ended.
    pub ended: Option<String>,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It happened, and the client knows.
    Acknowledged,
    /// It did not happen, and the client knows.
    Failed,
    /// The client does not know.
    Unknown,
}

/// A client's operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationView {
    /// Request id.
    pub id: u64,
    /// Whose: 0 is the console.
    pub client: u32,
    /// The server that it went to.
    pub node: Node,
    /// What was asked, as a scenario command.
    pub command: String,
    /// When it began.
    pub started_ns: u64,
    /// When it ended, and how.
    pub ended: Option<(u64, Outcome)>,
    /// The revision that the reply carried.
    pub revision: Option<i64>,
}

/// A load that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadView {
    /// Its client number.
    pub client: u32,
    /// As a scenario command.
    pub command: String,
    /// Operations begun.
    pub begun: u64,
}

/// What a line about the recent past means for the cluster, for its mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tone {
    /// It happened.
    #[default]
    Plain,
    /// Something is settled: a leader, a recovery, a healed network.
    Agreed,
    /// Something is open: an election, a lost answer.
    Undecided,
    /// Something broke: a crash, a partition, damage.
    Broken,
}

/// A line about the recent past.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// The event.
    pub event: u64,
    /// Its time.
    pub at_ns: u64,
    /// The server that it is about.
    pub node: Option<Node>,
    /// What it means.
    pub tone: Tone,
    /// In words.
    pub text: String,
}

/// An `expect` and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectationView {
    /// Its line in the scenario, from 1; 0 when it was typed.
    pub line: u32,
    /// As a scenario command.
    pub text: String,
    /// `None` while it may still become true.
    pub ok: Option<bool>,
    /// What was found instead, or when it became true.
    pub detail: String,
}
