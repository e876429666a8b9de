//! What will happen next, in one total order: time, then class (actions before everything else),
//! then the order in which it was scheduled within the class.
//!
//! Classes count their sequence apart, so an action that was recorded and is scheduled up front in
//! a replay stands exactly where it stood when it was typed.

use std::collections::BTreeMap;
use std::sync::Arc;

use disk::Ticket;

use crate::machine::{WatchAnswer, WatchSaid};
use crate::scenario::{Action, Node};

/// What is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// A visitor's or a scenario's action.
    Action(Box<Scheduled>),
    /// A server starts.
    Boot(Node),
    /// A server's clock ticks.
    Tick(Node),
    /// A sync completes; it was issued in this boot.
    Synced { node: Node, ticket: Ticket, boot: u32 },
    /// A message arrives at a server.
    Arrival { flight: u64 },
    /// A server's transport notices that a peer does not answer.
    Unreachable { node: Node, peer: Node },
    /// A client's request arrives at its server.
    RequestArrival { request: u64 },
    /// A server's reply arrives at its client.
    ReplyArrival { request: u64 },
    /// A client stops waiting.
    RequestTimeout { request: u64 },
    /// A client of a workload does something.
    Turn { client: u32 },
    /// A lease that a client keeps alive is renewed.
    KeepAlive { lease: i64 },
    /// A watcher connects to its server.
    WatchConnect { watcher: u64 },
    /// What a client says on a watch stream arrives at the server.
    WatchArrival { stream: u64, node: Node, said: WatchSaid },
    /// What a server says on a watch stream arrives at the client.
    WatchResponse { stream: u64, answer: Arc<WatchAnswer> },
    /// An expectation's time is over.
    Deadline { expectation: usize },
}

/// An action that waits for its time.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Scheduled {
    /// Counts the actions of a run, from 1.
    pub(crate) id: u64,
    /// Its line in the scenario, from 1; 0 when it was typed.
    pub(crate) line: u32,
    #[serde(with = "crate::scenario::as_line")]
    pub(crate) action: Action,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) at_ns: u64,
    class: u8,
    sequence: u64,
}

const ACTION: u8 = 0;
const REST: u8 = 1;

/// See the module's head.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    due: BTreeMap<Key, Due>,
    sequences: [u64; 2],
}

impl Queue {
    pub(crate) fn push(&mut self, at_ns: u64, due: Due) -> Key {
        let class = if matches!(due, Due::Action(_)) { ACTION } else { REST };
        let sequence = &mut self.sequences[usize::from(class)];
        *sequence += 1;
        let key = Key { at_ns, class, sequence: *sequence };
        let before = self.due.insert(key, due);
        assert!(before.is_none(), "sequence numbers are unique");
        key
    }

    pub(crate) fn pop(&mut self) -> Option<(u64, Due)> {
        self.due.pop_first().map(|(key, due)| (key.at_ns, due))
    }

    pub(crate) fn cancel(&mut self, key: Key) {
        self.due.remove(&key);
    }

    pub(crate) fn next_ns(&self) -> Option<u64> {
        self.due.first_key_value().map(|(key, _)| key.at_ns)
    }

    /// Forgets everything that a power cut of one machine makes moot.
    pub(crate) fn forget_machine(&mut self, machine: Node) {
        self.forget_process(machine);
        self.due.retain(|_, due| !matches!(due, Due::Synced { node, .. } if *node == machine));
    }

    /// Forgets what a stopped process wanted to do; syncs that it issued go on.
    pub(crate) fn forget_process(&mut self, process: Node) {
        self.due.retain(|_, due| match due {
            Due::Boot(node) | Due::Tick(node) | Due::Unreachable { node, .. } => *node != process,
            Due::Action(_)
            | Due::Synced { .. }
            | Due::Arrival { .. }
            | Due::RequestArrival { .. }
            | Due::ReplyArrival { .. }
            | Due::RequestTimeout { .. }
            | Due::Turn { .. }
            | Due::KeepAlive { .. }
            | Due::WatchConnect { .. }
            | Due::WatchArrival { .. }
            | Due::WatchResponse { .. }
            | Due::Deadline { .. } => true,
        });
    }

    /// Forgets everything but actions.
    pub(crate) fn keep_actions(&mut self) {
        self.due.retain(|_, due| matches!(due, Due::Action(_)));
    }

    /// Actions that wait, in their order.
    pub(crate) fn actions(&self) -> impl Iterator<Item = (u64, &Scheduled)> {
        self.due.iter().filter_map(|(key, due)| {
            if let Due::Action(scheduled) = due { Some((key.at_ns, &**scheduled)) } else { None }
        })
    }
}
