//! A machine: a disk, power, and a server process on it.
//!
//! [`Process`] is all that the world knows of a server: inputs in, effects out, a disk beside it.
//! Each engine has a thin adapter in a file of its own that translates; the world never sees an
//! engine's types except to show them.

mod clock;
mod etcd;
mod etcd_request;
mod etcdctl;
mod pause;
mod process;
pub(crate) mod rot;
mod trap;

use ::etcd::bugs::Bugs;
use bytes::Bytes;
use disk::{CrashReport, Disk, DiskError, Faults, Ticket, Unsynced};
use serde::{Deserialize, Serialize};

pub use self::clock::Rate;
pub use self::etcd::EtcdProcess;
use self::etcd::{Identity, Own};
pub use self::etcdctl::{print_event, print_reply};
pub use self::process::{
    Answer, AnswerBody, Certainty, Effects, Fatal, Input, Message, Process, Server, ServerEvent,
    ServerStatus, WatchAnswer, WatchSaid,
};

use self::clock::Clock;
use self::pause::Pause;
use self::trap::Traps;
use crate::fault::{CrashDuring, Moment, Names, Survivors};
use crate::network::Delay;
use crate::rng::{Consumer, Stream};
use crate::scenario::{ClientCommand, ClusterSpec, Engine, Node, Watch};

/// The last words of a process that was killed from outside.
pub const KILLED: &str = "signal: killed";

/// Space on a machine's disk.
pub const DISK_BYTES: u64 = 8 << 30;

/// Where a server keeps its data.
pub const DATA_DIR: &str = "/var/lib/etcd";
/// Where its log is.
pub const LOG_DIR: &str = "/var/lib/etcd/member/wal";

/// A path as a scenario gives it: absolute, or below the data directory.
pub(crate) fn absolute_path(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("{DATA_DIR}/{path}") }
}

const SECTORS_PER_PAGE: u64 = (disk::PAGE_BYTES / disk::SECTOR_BYTES) as u64;

/// The call of etcd's API that a command is; where it names a member, without that one's id.
pub(crate) fn etcd_request(command: &ClientCommand) -> Option<::etcd::request::Request> {
    etcd_request::of(command, |_| 0)
}

/// The keys of a watch as etcd has them: the first, and the end of the range.
pub(crate) fn watched(watch: &Watch) -> (Bytes, Bytes) {
    let create = etcd_request::watch(watch);
    (create.key, create.range_end)
}

fn member_id(spec: &ClusterSpec, node: Node, identity: Option<&Identity>) -> u64 {
    match (spec.engine, identity) {
        (Engine::Etcd, Some(identity)) => identity.id(),
        (Engine::Etcd, None) => etcd::config(spec, node).id,
    }
}

/// Who is a member, as a server knows it: the machine, and whether it has a vote.
pub(crate) fn members(server: &Server) -> Vec<(Node, bool)> {
    etcd::members(server)
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
    clock: Clock,
    /// What its clock last showed to the process.
    shown_ns: u64,
    /// Set while the process stands still.
    pause: Option<Pause>,
    traps: Traps,
    survivors_when_tripped: Survivors,
    /// Added to every sync.
    slow: Delay,
    /// A bit that does not read back as it was written.
    rotten: Option<Rotten>,
    /// Faults that did something here.
    fired: Names,
    next_tick_ns: u64,
    syncs: u32,
    /// What the process said of itself before it ended.
    last_words: ServerStatus,
    member_id: u64,
    /// Set once it has joined a running cluster.
    identity: Option<Identity>,
    /// Ids of members that it was before its disk was replaced: it never is one of them again.
    former: Vec<u64>,
    /// Whether its server asks if it would win before it campaigns.
    pre_vote: bool,
}

/// A bit of a file that is turned over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rotten {
    pub(crate) path: String,
    pub(crate) offset: u64,
    pub(crate) mask: u8,
}

/// What goes into the head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MachineHead {
    boots: u32,
    node_position: u128,
    disk_position: u128,
    clock: Clock,
    traps: Traps,
    slow: Delay,
    rotten: Option<Rotten>,
    disk_faults: Faults,
    fired: Names,
    identity: Option<Identity>,
    former: Vec<u64>,
}

impl MachineHead {
    /// Whether it could have come to be.
    pub(crate) fn is_sound(&self) -> bool {
        self.clock.is_sound() && self.traps.is_sound()
    }
}

/// What came of one step.
pub(crate) enum Stepped {
    /// Its effects.
    Ran(Effects),
    /// The process died; nothing that it did in this step left it.
    Died(Fatal),
    /// The power went in the middle or right after, as armed. What the step had to say is lost
    /// too, unless it is here.
    PowerLost(Survivors, Effects),
}

impl Machine {
    /// A machine with an empty disk and no power.
    pub(crate) fn new(spec: &ClusterSpec, node: Node) -> Machine {
        let head = MachineHead {
            boots: 0,
            node_position: 0,
            disk_position: 0,
            clock: Clock::default(),
            traps: Traps::default(),
            slow: Delay::fixed(0),
            rotten: None,
            disk_faults: Faults::default(),
            fired: Names::default(),
            identity: None,
            former: Vec::new(),
        };
        Machine::resume(spec, node, &head, Disk::new(DISK_BYTES))
    }

    pub(crate) fn head(&self) -> MachineHead {
        MachineHead {
            boots: self.boots,
            node_position: self.node_stream.position(),
            disk_position: self.disk_stream.position(),
            clock: self.clock,
            traps: self.traps.clone(),
            slow: self.slow,
            rotten: self.rotten.clone(),
            disk_faults: self.disk.faults().clone(),
            fired: self.fired.clone(),
            identity: self.identity.clone(),
            former: self.former.clone(),
        }
    }

    /// A machine with that disk and no power.
    pub(crate) fn resume(
        spec: &ClusterSpec,
        node: Node,
        head: &MachineHead,
        mut disk: Disk,
    ) -> Machine {
        disk.set_faults(head.disk_faults.clone());
        Machine {
            node,
            disk,
            power: Power::Off,
            boots: head.boots,
            node_stream: Stream::at(spec.seed, Consumer::Node(node), head.node_position),
            disk_stream: Stream::at(spec.seed, Consumer::Disk(node), head.disk_position),
            clock: head.clock,
            shown_ns: 0,
            pause: None,
            traps: head.traps.clone(),
            survivors_when_tripped: Survivors::Nothing,
            slow: head.slow,
            rotten: head.rotten.clone(),
            fired: head.fired.clone(),
            next_tick_ns: 0,
            syncs: 0,
            last_words: ServerStatus::default(),
            member_id: member_id(spec, node, head.identity.as_ref()),
            identity: head.identity.clone(),
            former: head.former.clone(),
            pre_vote: false,
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

    /// A message came from another machine.
    pub(crate) fn hear_of(&mut self, from: Node, message: &Message) {
        if let Power::On(server) = &mut self.power {
            server.hear_of(from, message);
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

    /// Whether its process goes on at the world's pace.
    pub(crate) fn is_undisturbed(&self) -> bool {
        self.clock.is_true() && !self.is_paused()
    }

    /// Whether its server asks if it would win before it campaigns.
    pub(crate) fn pre_vote(&self) -> bool {
        self.pre_vote
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

    /// Puts a fresh process on the machine, and gives when its clock ticks first. `others` run
    /// already: a machine that was added to their cluster joins it.
    pub(crate) fn start(
        &mut self,
        spec: &ClusterSpec,
        now_ns: u64,
        others: Option<&Server>,
        bugs: Bugs,
    ) -> u64 {
        assert!(!self.is_up(), "{} is started once", self.node);
        self.boots += 1;
        self.shown_ns = 0;
        self.traps.set_on(&mut self.disk);
        let seed = self.node_stream.draw();
        self.pre_vote = spec.pre_votes().unwrap_or_else(|| self.node_stream.below(2) == 1);
        let own = Own { seed, pre_vote: self.pre_vote, bugs };
        self.next_tick_ns = now_ns + 1 + self.node_stream.below(spec.tick_ns);
        self.power = Power::On(match spec.engine {
            Engine::Etcd => {
                let joins = others.filter(|_| self.identity.is_none());
                let joins =
                    joins.and_then(|other| Identity::of(spec, self.node, other, &self.former));
                self.identity = self.identity.take().or(joins);
                let process = EtcdProcess::start(spec, self.node, self.identity.clone(), own);
                self.member_id = process.member_id();
                Server::Etcd(Box::new(process))
            }
        });
        self.next_tick_ns
    }

    /// Whether it has a log: a server ran here.
    pub(crate) fn has_log(&self) -> bool {
        self.disk.exists(LOG_DIR)
    }

    /// The newest segment of its log.
    pub(crate) fn newest_segment(&self) -> Option<String> {
        let entries = self.disk.list(LOG_DIR).unwrap_or_default();
        let segment = entries.iter().rev().find(|entry| etcd::is_segment(&entry.name))?;
        Some(format!("{LOG_DIR}/{}", segment.name))
    }

    /// Whether a process of this machine could start beside `others` that run, or with what words
    /// it would die.
    pub(crate) fn may_start(
        &self,
        spec: &ClusterSpec,
        others: Option<&Server>,
    ) -> Result<(), String> {
        match spec.engine {
            Engine::Etcd => etcd::may_start(spec, self.node, &self.disk, others, &self.former),
        }
    }

    /// A process that was started and died before it did anything.
    pub(crate) fn refuse(&mut self, reason: &str) {
        self.boots += 1;
        self.power = Power::Failed(Fatal { reason: reason.to_owned() });
    }

    pub(crate) fn tick_after(&mut self, now_ns: u64, tick_ns: u64) -> u64 {
        if !self.clock.is_true() {
            self.fired.insert("skew");
        }
        self.next_tick_ns = now_ns + self.clock.takes(tick_ns);
        self.next_tick_ns
    }

    /// Runs the process for one input.
    pub(crate) fn step(&mut self, now_ns: u64, input: Input) -> Stepped {
        let Power::On(server) = &mut self.power else {
            unreachable!("{}: only a running process gets input", self.node);
        };
        self.shown_ns = self.shown_ns.max(self.clock.show(now_ns));
        let mut effects = Effects::default();
        let is_boot = matches!(input, Input::Boot);
        let ended = server.step(self.shown_ns, input, &mut self.disk, &mut effects);
        if self.disk.tripped() {
            return self.tripped();
        }
        if !self.traps.is_empty() {
            let moment = Moment { is_boot, boots: self.boots, effects: &effects };
            if let Some(closed) = self.traps.take_reached(&moment) {
                self.fired.insert(closed.point.fault);
                let said = if closed.lets_out { effects } else { Effects::default() };
                return Stepped::PowerLost(closed.survivors, said);
            }
        }
        match ended {
            Ok(()) => Stepped::Ran(effects),
            Err(fatal) => {
                self.note_disk_faults(&fatal);
                self.end_process(fatal.clone());
                Stepped::Died(fatal)
            }
        }
    }

    /// The power went at an operation of the disk.
    fn tripped(&mut self) -> Stepped {
        let closed = self.traps.take_tripped(&self.disk);
        self.fired.insert(closed.map_or("crash", |closed| closed.point.fault));
        let survivors = closed.map_or(self.survivors_when_tripped, |closed| closed.survivors);
        Stepped::PowerLost(survivors, Effects::default())
    }

    /// The process is gone, the machine is not.
    pub(crate) fn end_process(&mut self, fatal: Fatal) {
        self.last_words = self.last_status();
        self.power = Power::Failed(fatal);
        self.pause = None;
    }

    /// Reading errors show only in what a process dies of.
    fn note_disk_faults(&mut self, fatal: &Fatal) {
        let faults = self.disk.faults();
        if !faults.unreadable.is_empty() && fatal.reason.contains("input/output error") {
            self.fired.insert("disk bad-sector");
        }
        if self.rotten.is_some() {
            self.fired.insert("disk rot");
        }
    }

    /// Syncs that were issued since the last call, each with the time that it takes.
    pub(crate) fn issued(&mut self, spec: &ClusterSpec) -> Vec<(Ticket, u64)> {
        let tickets = self.disk.take_issued();
        if tickets.is_empty() {
            return Vec::new();
        }
        self.syncs += u32::try_from(tickets.len()).unwrap_or(u32::MAX);
        tickets
            .into_iter()
            .map(|ticket| {
                let slow_ns = self.slow.draw(&mut self.disk_stream);
                if slow_ns > 0 {
                    self.fired.insert("disk slow");
                }
                (ticket, (self.disk_stream.within(spec.sync) + slow_ns).max(1))
            })
            .collect()
    }

    /// The disk has done a sync.
    pub(crate) fn complete(&mut self, ticket: Ticket) -> Result<(), DiskError> {
        self.syncs = self.syncs.saturating_sub(1);
        self.disk.end_sync(ticket)
    }

    /// The power goes at the n-th disk operation from now.
    pub(crate) fn arm(&mut self, operations: u32, survivors: Survivors) {
        self.survivors_when_tripped = survivors;
        self.disk.arm_crash(operations);
    }

    /// The power goes when the process comes to a point.
    pub(crate) fn arm_at_point(&mut self, crash: CrashDuring) {
        self.traps.add(crash);
        self.traps.set_on(&mut self.disk);
    }

    /// Nothing waits any more.
    pub(crate) fn disarm(&mut self) {
        self.traps.clear();
        self.disk.disarm_crash();
    }

    /// The power goes.
    pub(crate) fn cut_power(&mut self, survivors: Survivors) -> CrashReport {
        self.last_words = self.last_status();
        self.power = Power::Off;
        self.pause = None;
        self.survivors_when_tripped = Survivors::Nothing;
        self.syncs = 0;
        let stream = &mut self.disk_stream;
        let mut page = (None, false);
        self.disk.crash(&mut |thing| match survivors {
            Survivors::Nothing => false,
            Survivors::Everything => true,
            Survivors::Torn => stream.below(2) == 1,
            Survivors::Nameless => {
                !matches!(thing, Unsynced::Name { .. } | Unsynced::Removal { .. })
            }
            Survivors::Reordered => match thing {
                Unsynced::Sector { file, sector } => {
                    let its = Some((file, sector / SECTORS_PER_PAGE));
                    if page.0 != its {
                        page = (its, stream.below(2) == 1);
                    }
                    page.1
                }
                Unsynced::Name { .. } | Unsynced::Removal { .. } | Unsynced::Length { .. } => true,
            },
        })
    }

    // ---- disk ----

    /// An empty disk takes the place of this one.
    pub(crate) fn wipe(&mut self) {
        self.disk.wipe();
        self.rotten = None;
        self.identity = None;
    }

    /// It will join as a new member, whatever it was.
    pub(crate) fn forget_identity(&mut self) {
        self.former.push(self.member_id);
    }

    /// Every sync takes so much longer.
    pub(crate) fn slow_down(&mut self, delay: Delay) {
        self.slow = delay;
    }

    /// The disk works again.
    pub(crate) fn mend_disk(&mut self) {
        self.slow = Delay::fixed(0);
        self.disk.mend();
        if let Some(Rotten { path, offset, mask }) = self.rotten.take()
            && self.disk.exists(&path)
        {
            self.disk.corrupt(&path, offset, mask).expect("it was turned over once");
        }
    }

    /// A bit reads back turned over from now on.
    pub(crate) fn rot(&mut self, rotten: Rotten) {
        let Rotten { path, offset, mask } = &rotten;
        self.disk.corrupt(path, *offset, *mask).expect("there was a record");
        self.rotten = Some(rotten);
    }

    // ---- clock ----

    /// Its clock runs at a rate from now on.
    pub(crate) fn skew(&mut self, now_ns: u64, rate: Rate) {
        self.clock.set_rate(now_ns, rate);
    }

    /// Its clock is set.
    pub(crate) fn jump(&mut self, now_ns: u64, by_ns: u64, is_back: bool) {
        if self.is_up() {
            self.fired.insert("jump");
        }
        self.clock.jump(now_ns, by_ns, is_back);
    }

    /// What its clock shows.
    pub fn clock_ns(&self, world_ns: u64) -> u64 {
        self.clock.show(world_ns)
    }

    /// What its clock last showed to the process; that never goes back in a life.
    pub(crate) fn shown_ns(&self) -> u64 {
        self.shown_ns
    }

    /// Faults that did something here.
    pub(crate) fn fired(&self) -> Names {
        let mut fired = self.fired.clone();
        let met = self.disk.faults().met;
        let counts = [
            ("disk full", met.full),
            ("disk fail-sync", met.failed_syncs),
            ("disk lie", met.lying_syncs),
            ("disk misdirect", met.misdirected),
        ];
        counts.iter().filter(|(_, met)| *met > 0).for_each(|(name, _)| fired.insert(name));
        fired
    }
}
