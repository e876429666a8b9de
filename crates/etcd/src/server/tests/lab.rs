//! A few servers whose messages and syncs happen when the test says so.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use disk::{Disk, Ticket, Unsynced};
use raft::{Message, Role};

use crate::request::{
    Range, Reply, Request, RequestError, RequestId, WatchRequest, WatchResponse, WatchStreamId,
};
use crate::server::{
    Effects, Fatal, HashMessage, Input, Phase, Server, ServerConfig, ServerEvent, SnapshotMessage,
    SnapshotStatus, View,
};

pub(super) type Answer = Result<Reply, RequestError>;

pub(super) struct Machine {
    pub(super) server: Option<Server>,
    pub(super) disk: Disk,
    pub(super) syncs: VecDeque<Ticket>,
    /// Syncs stay outstanding until [`Lab::sync`].
    pub(super) is_slow: bool,
    pub(super) died_of: Option<Fatal>,
}

impl Machine {
    fn new() -> Self {
        let disk = Disk::new(1 << 30);
        Self { server: None, disk, syncs: VecDeque::new(), is_slow: false, died_of: None }
    }
}

/// What travels beside the messages.
#[derive(Clone)]
pub(super) enum Stream {
    Snapshot(SnapshotMessage),
    Status(SnapshotStatus),
    Hash(HashMessage),
}

impl Stream {
    pub(super) fn from(&self) -> u64 {
        match self {
            Stream::Snapshot(snapshot) => snapshot.message.from,
            Stream::Status(status) => status.from,
            Stream::Hash(message) => message.from,
        }
    }

    fn to(&self) -> u64 {
        match self {
            Stream::Snapshot(snapshot) => snapshot.message.to,
            Stream::Status(status) => status.to,
            Stream::Hash(message) => message.to,
        }
    }
}

pub(super) struct Lab {
    pub(super) now_ns: u64,
    pub(super) configs: Vec<ServerConfig>,
    pub(super) machines: Vec<Machine>,
    pub(super) wire: VecDeque<Message>,
    pub(super) streams: VecDeque<Stream>,
    /// Machines that hear and say nothing.
    pub(super) cut_off: BTreeSet<usize>,
    pub(super) answers: BTreeMap<RequestId, Answer>,
    pub(super) events: Vec<(usize, ServerEvent)>,
    /// What was said on watch streams, and which were ended. All of it is taken at once.
    pub(super) watched: Vec<(usize, WatchStreamId, WatchResponse)>,
    pub(super) ended: Vec<(usize, WatchStreamId, RequestError)>,
    lives: u64,
    pub(super) requests: u64,
}

/// Ticks in which whatever happens at all has happened.
const PATIENCE: usize = 200;

impl Lab {
    /// Machines with empty disks, switched on.
    pub(super) fn new(size: usize) -> Self {
        Self::with(size, |_| {})
    }

    pub(super) fn with(size: usize, change: impl Fn(&mut ServerConfig)) -> Self {
        let names = ["n1", "n2", "n3", "n4", "n5"];
        let mut configs = ServerConfig::for_cluster(&names[..size], "etcd-cluster");
        configs.iter_mut().for_each(change);
        let mut lab = Self {
            now_ns: 0,
            machines: configs.iter().map(|_| Machine::new()).collect(),
            configs,
            wire: VecDeque::new(),
            streams: VecDeque::new(),
            cut_off: BTreeSet::new(),
            answers: BTreeMap::new(),
            events: Vec::new(),
            watched: Vec::new(),
            ended: Vec::new(),
            lives: 0,
            requests: 0,
        };
        (0..size).for_each(|node| lab.boot(node));
        lab
    }

    pub(super) fn view(&self, node: usize) -> View<'_> {
        let machine = &self.machines[node];
        let server = machine.server.as_ref();
        server.unwrap_or_else(|| panic!("n{} died: {:?}", node + 1, machine.died_of)).view()
    }

    pub(super) fn boot(&mut self, node: usize) {
        self.lives += 1;
        let seed = self.lives;
        self.machines[node].server = Some(Server::new(self.configs[node].clone(), seed));
        self.machines[node].died_of = None;
        self.input(node, Input::Boot);
    }

    /// Ends the process, at an armed operation or now. What it wrote stays in the machine's cache,
    /// and no sync of it is under way.
    pub(super) fn kill(&mut self, node: usize) {
        let machine = &mut self.machines[node];
        machine.server = None;
        machine.syncs.clear();
        machine.disk.take_issued();
        machine.disk.disarm_crash();
        let id = self.configs[node].id;
        self.streams.retain(|stream| stream.from() != id);
    }

    /// Cuts the power. What was not synced survives or not, all of it.
    pub(super) fn power_cut(&mut self, node: usize, unsynced_survives: bool) {
        self.power_cut_to(node, &mut |_| unsynced_survives);
    }

    /// Cuts the power, with a decision for each thing that was not synced.
    pub(super) fn power_cut_to(&mut self, node: usize, survives: &mut dyn FnMut(Unsynced) -> bool) {
        let machine = &mut self.machines[node];
        machine.server = None;
        machine.syncs.clear();
        let _report = machine.disk.crash(survives);
        let id = self.configs[node].id;
        self.wire.retain(|message| message.from != id);
        self.streams.retain(|stream| stream.from() != id);
    }

    pub(super) fn input(&mut self, node: usize, input: Input) {
        let machine = &mut self.machines[node];
        let Some(server) = &mut machine.server else { return };
        let mut effects = Effects::default();
        let result = server.step(self.now_ns, input, &mut machine.disk, &mut effects);
        let result = match result {
            _ if machine.disk.tripped() => Err(Fatal { reason: "power lost".to_owned() }),
            result => result,
        };
        if let Err(fatal) = result {
            machine.server = None;
            machine.died_of = Some(fatal);
            return;
        }
        machine.syncs.extend(machine.disk.take_issued());
        self.events.extend(effects.trace.into_iter().map(|event| (node, event)));
        self.answers.extend(effects.replies);
        self.ended.extend(effects.watch_ended.into_iter().map(|(stream, why)| (node, stream, why)));
        let told: Vec<WatchStreamId> = effects.watch.iter().map(|(stream, _)| *stream).collect();
        self.watched.extend(effects.watch.into_iter().map(|(stream, said)| (node, stream, said)));
        for stream in told {
            let request = WatchRequest::Taken { responses: 1 };
            self.input(node, Input::Watch { stream, request });
        }
        if !self.cut_off.contains(&node) {
            self.tell_removed(&effects.removed);
        }
        if !self.cut_off.contains(&node) {
            self.wire.extend(effects.messages);
            self.streams.extend(effects.snapshots.into_iter().map(Stream::Snapshot));
            self.streams.extend(effects.snapshot_statuses.into_iter().map(Stream::Status));
            self.streams.extend(effects.hashes.into_iter().map(Stream::Hash));
        }
    }

    fn tell_removed(&mut self, removed: &[u64]) {
        for &id in removed {
            let node = self.node_of(id);
            if !self.cut_off.contains(&node) {
                self.input(node, Input::Removed);
            }
        }
    }

    /// A machine more, switched on.
    pub(super) fn add_machine(&mut self, config: ServerConfig) -> usize {
        self.configs.push(config);
        self.machines.push(Machine::new());
        self.boot(self.machines.len() - 1);
        self.machines.len() - 1
    }

    fn node_of(&self, id: u64) -> usize {
        self.configs.iter().position(|config| config.id == id).expect("a member")
    }

    /// Delivers the oldest message.
    pub(super) fn deliver_one(&mut self) -> bool {
        let Some(message) = self.wire.pop_front() else { return false };
        // A member may be added before its machine is there.
        let to = self.configs.iter().position(|config| config.id == message.to);
        if let Some(to) = to.filter(|to| !self.cut_off.contains(to)) {
            self.input(to, Input::Message(Box::new(message)));
        }
        true
    }

    /// Delivers the oldest snapshot, or answer to one.
    pub(super) fn deliver_stream(&mut self) -> bool {
        let Some(stream) = self.streams.pop_front() else { return false };
        let to = self.node_of(stream.to());
        if !self.cut_off.contains(&to) {
            let input = match stream {
                Stream::Snapshot(snapshot) => Input::Snapshot(Box::new(snapshot)),
                Stream::Status(status) => Input::SnapshotStatus(status),
                Stream::Hash(message) => Input::Hash(message),
            };
            self.input(to, input);
        }
        true
    }

    /// Completes all syncs of a machine.
    pub(super) fn sync(&mut self, node: usize) -> bool {
        let mut any = false;
        while let Some(ticket) = self.machines[node].syncs.pop_front() {
            self.machines[node].disk.complete(ticket);
            self.input(node, Input::Synced(ticket));
            any = true;
        }
        any
    }

    /// Delivers and syncs until nothing is under way but slow syncs.
    pub(super) fn settle(&mut self) {
        loop {
            let mut any = false;
            for node in 0..self.machines.len() {
                any |= !self.machines[node].is_slow && self.sync(node);
            }
            any |= self.deliver_one();
            any |= self.deliver_stream();
            if !any {
                return;
            }
        }
    }

    pub(super) fn tick(&mut self) {
        self.now_ns += self.configs[0].tick_ns;
        for node in 0..self.machines.len() {
            self.input(node, Input::Tick);
        }
        self.settle();
    }

    /// Time passes, and snapshots that are sent stay on their way.
    pub(super) fn tick_without_streams(&mut self) {
        self.now_ns += self.configs[0].tick_ns;
        for node in 0..self.machines.len() {
            self.input(node, Input::Tick);
        }
        while (0..self.machines.len()).any(|node| self.sync(node)) || self.deliver_one() {}
    }

    pub(super) fn ticks(&mut self, count: usize) {
        (0..count).for_each(|_| self.tick());
    }

    fn tick_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        for _ in 0..PATIENCE {
            if done(self) {
                return;
            }
            self.tick();
        }
        let state = |machine: &Machine| match &machine.server {
            Some(server) => format!("{:?} {:?}", server.view().phase(), server.view().log()),
            None => format!("{:?}", machine.died_of),
        };
        let states: Vec<String> = self.machines.iter().map(state).collect();
        panic!("{what}: it never happened; {states:?}");
    }

    pub(super) fn leaders(&self) -> Vec<usize> {
        let is_leader = |node: &usize| {
            self.machines[*node].server.is_some() && self.view(*node).role() == Role::Leader
        };
        (0..self.machines.len()).filter(is_leader).collect()
    }

    /// Lets time pass until a leader among the connected serves, with all others that are on.
    pub(super) fn elect(&mut self) -> usize {
        self.tick_until("a leader that all follow", |lab| {
            lab.connected_leader().is_some_and(|leader| lab.is_followed(leader))
        });
        self.connected_leader().expect("there is one")
    }

    fn connected_leader(&self) -> Option<usize> {
        self.leaders().into_iter().find(|node| !self.cut_off.contains(node))
    }

    fn is_followed(&self, leader: usize) -> bool {
        let id = self.configs[leader].id;
        (0..self.machines.len())
            .filter(|node| !self.cut_off.contains(node) && self.machines[*node].server.is_some())
            .all(|node| self.view(node).leader() == id && self.view(node).phase() == Phase::Serving)
    }

    pub(super) fn ask(&mut self, node: usize, request: Request) -> RequestId {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.input(node, Input::Request { id, request });
        id
    }

    pub(super) fn answer(&self, id: RequestId) -> Option<&Answer> {
        self.answers.get(&id)
    }

    /// Asks and lets time pass until the answer is there.
    pub(super) fn call(&mut self, node: usize, request: Request) -> Answer {
        let id = self.ask(node, request);
        self.settle();
        self.tick_until("an answer", |lab| lab.answers.contains_key(&id));
        self.answers[&id].clone()
    }

    pub(super) fn put(&mut self, node: usize, key: &str, value: &str) -> Answer {
        self.call(node, Request::put(key.to_owned(), value.to_owned()))
    }

    pub(super) fn get(&mut self, node: usize, key: &str) -> Option<String> {
        value(&self.call(node, Request::get(key.to_owned())))
    }

    /// The value as this server has it, without asking anybody.
    pub(super) fn local(&mut self, node: usize, key: &str) -> Option<String> {
        let range = Range { key: key.to_owned().into(), serializable: true, ..Range::default() };
        value(&self.call(node, Request::Range(range)))
    }

    /// Hashes of all stores, for servers that should have applied the same.
    pub(super) fn hashes(&self) -> BTreeSet<u32> {
        (0..self.machines.len())
            .filter_map(|node| self.machines[node].server.as_ref()?.view().store())
            .map(|store| store.hash_kv(0).unwrap().hash)
            .collect()
    }
}

pub(super) fn value(answer: &Answer) -> Option<String> {
    let Ok(Reply::Range(reply)) = answer else { panic!("no range: {answer:?}") };
    reply.kvs.first().map(|kv| String::from_utf8_lossy(&kv.value).into_owned())
}
