//! A machine: a disk, power, and a server process on it.
//!
//! [`Process`] is all that the world knows of a server: inputs in, effects out, a disk beside it.
//! Each engine has a thin adapter in a file of its own that translates; the world never sees an
//! engine's types except to show them.

mod etcd;
mod etcd_request;
mod etcdctl;
mod process;

use disk::{CrashReport, Disk, Ticket};
use serde::{Deserialize, Serialize};

pub use self::etcd::EtcdProcess;
pub use self::etcdctl::{print_event, print_reply};
pub use self::process::{
    Answer, AnswerBody, Certainty, Effects, Fatal, Input, Message, Process, Server, ServerEvent,
    ServerStatus, WatchAnswer, WatchSaid,
};

use crate::rng::{Consumer, Stream};
use crate::scenario::{ClusterSpec, Engine, Node};

/// Space on a machine's disk.
pub const DISK_BYTES: u64 = 8 << 30;

/// Where a server keeps its data.
pub const DATA_DIR: &str = "/var/lib/etcd";

/// A path as a scenario gives it: absolute, or below the data directory.
pub(crate) fn absolute_path(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("{DATA_DIR}/{path}") }
}

fn member_id(spec: &ClusterSpec, node: Node) -> u64 {
    match spec.engine {
        Engine::Etcd => etcd::config(spec, node).id,
    }
}

/// Whether the process on a machine runs.
#[derive(Clone, Debug)]
pub enum Power {
    /// The machine runs, the process with it.
    On(Server),
    /// No power.
    Off,
    /// The machine runs, the process died.
    Failed(Fatal),
}

/// A machine of the cluster.
#[derive(Clone)]
pub struct Machine {
    node: Node,
    /// Its disk.
    pub disk: Disk,
    power: Power,
    boots: u32,
    node_stream: Stream,
    disk_stream: Stream,
    torn_when_tripped: bool,
    next_tick_ns: u64,
    syncs: u32,
    /// What the process said of itself before it ended.
    last_words: ServerStatus,
    member_id: u64,
}

/// What goes into the head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MachineHead {
    boots: u32,
    node_position: u128,
    disk_position: u128,
}

/// What came of one step.
pub(crate) enum Stepped {
    /// Its effects.
    Ran(Effects),
    /// The process died; nothing that it did in this step left it.
    Died(Fatal),
    /// The power went in the middle, as armed: nothing of the step counts.
    PowerLost,
}

impl Machine {
    /// A machine with an empty disk and no power.
    pub(crate) fn new(spec: &ClusterSpec, node: Node) -> Machine {
        let head = MachineHead { boots: 0, node_position: 0, disk_position: 0 };
        Machine::resume(spec, node, &head, Disk::new(DISK_BYTES))
    }

    pub(crate) fn head(&self) -> MachineHead {
        MachineHead {
            boots: self.boots,
            node_position: self.node_stream.position(),
            disk_position: self.disk_stream.position(),
        }
    }

    /// A machine with that disk and no power.
    pub(crate) fn resume(
        spec: &ClusterSpec,
        node: Node,
        head: &MachineHead,
        disk: Disk,
    ) -> Machine {
        Machine {
            node,
            disk,
            power: Power::Off,
            boots: head.boots,
            node_stream: Stream::at(spec.seed, Consumer::Node(node), head.node_position),
            disk_stream: Stream::at(spec.seed, Consumer::Disk(node), head.disk_position),
            torn_when_tripped: false,
            next_tick_ns: 0,
            syncs: 0,
            last_words: ServerStatus::default(),
            member_id: member_id(spec, node),
        }
    }

    /// Its number.
    pub fn node(&self) -> Node {
        self.node
    }

    /// Whether its process runs, and the process.
    pub fn power(&self) -> &Power {
        &self.power
    }

    /// The process, when it runs.
    pub fn server(&self) -> Option<&Server> {
        match &self.power {
            Power::On(server) => Some(server),
            Power::Off | Power::Failed(_) => None,
        }
    }

    /// Whether the machine runs, whatever its process does.
    pub fn has_power(&self) -> bool {
        !matches!(self.power, Power::Off)
    }

    /// Whether its process runs.
    pub fn is_up(&self) -> bool {
        self.server().is_some()
    }

    /// What the process says of itself, or said last.
    pub fn last_status(&self) -> ServerStatus {
        self.server().map_or_else(|| self.last_words.clone(), Server::status)
    }

    /// Its member id.
    pub fn member_id(&self) -> u64 {
        self.member_id
    }

    /// How often it was started.
    pub fn boots(&self) -> u32 {
        self.boots
    }

    /// When its clock ticks next.
    pub fn next_tick_ns(&self) -> u64 {
        if self.is_up() { self.next_tick_ns } else { 0 }
    }

    /// Syncs under way.
    pub fn syncs(&self) -> u32 {
        self.syncs
    }

    /// Puts a fresh process on the machine, and gives when its clock ticks first.
    pub(crate) fn start(&mut self, spec: &ClusterSpec, now_ns: u64) -> u64 {
        assert!(!self.is_up(), "{} is started once", self.node);
        self.boots += 1;
        let seed = self.node_stream.draw();
        self.next_tick_ns = now_ns + 1 + self.node_stream.below(spec.tick_ns);
        self.power = Power::On(match spec.engine {
            Engine::Etcd => Server::Etcd(Box::new(EtcdProcess::new(spec, self.node, seed))),
        });
        self.next_tick_ns
    }

    pub(crate) fn tick_after(&mut self, now_ns: u64, tick_ns: u64) -> u64 {
        self.next_tick_ns = now_ns + tick_ns;
        self.next_tick_ns
    }

    /// Runs the process for one input.
    pub(crate) fn step(&mut self, now_ns: u64, input: Input) -> Stepped {
        let Power::On(server) = &mut self.power else {
            unreachable!("{}: only a running process gets input", self.node);
        };
        let mut effects = Effects::default();
        let ended = server.step(now_ns, input, &mut self.disk, &mut effects);
        if self.disk.tripped() {
            return Stepped::PowerLost;
        }
        match ended {
            Ok(()) => Stepped::Ran(effects),
            Err(fatal) => {
                self.last_words = server.status();
                self.power = Power::Failed(fatal.clone());
                Stepped::Died(fatal)
            }
        }
    }

    /// Syncs that were issued since the last call, each with the time that it takes.
    pub(crate) fn issued(&mut self, spec: &ClusterSpec) -> Vec<(Ticket, u64)> {
        let tickets = self.disk.take_issued();
        self.syncs += u32::try_from(tickets.len()).unwrap_or(u32::MAX);
        tickets
            .into_iter()
            .map(|ticket| (ticket, self.disk_stream.within(spec.sync).max(1)))
            .collect()
    }

    /// The disk has done a sync.
    pub(crate) fn complete(&mut self, ticket: Ticket) {
        self.syncs = self.syncs.saturating_sub(1);
        self.disk.complete(ticket);
    }

    /// The power goes at the n-th disk operation from now.
    pub(crate) fn arm(&mut self, operations: u32, torn: bool) {
        self.torn_when_tripped = torn;
        self.disk.arm_crash(operations);
    }

    /// Whether the armed cut leaves torn writes.
    pub(crate) fn torn_when_tripped(&self) -> bool {
        self.torn_when_tripped
    }

    /// The power goes. Torn: each thing that was not synced survives with one chance in two.
    pub(crate) fn cut_power(&mut self, torn: bool) -> CrashReport {
        self.last_words = self.last_status();
        self.power = Power::Off;
        self.torn_when_tripped = false;
        self.syncs = 0;
        let stream = &mut self.disk_stream;
        self.disk.crash(&mut |_| torn && stream.below(2) == 1)
    }
}
