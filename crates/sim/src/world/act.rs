//! Actions: what a visitor or a scenario does to the world.

use super::World;
use crate::client::{CONSOLE, PATIENCE_NS};
use crate::judge::Judgement;
use crate::queue::{Due, Scheduled};
use crate::scenario::{
    Action, ClientAction, ClientCommand, Expectation, Fault, LeaseCommand, Line, LoadCommand, Mix,
    Node, Statement, Target, Watch,
};
use crate::trace::TraceEvent;

impl World {
    pub(super) fn act(&mut self, scheduled: Scheduled) {
        let Scheduled { id, line, action } = scheduled;
        let statement = Statement::At(self.now_ns, action.clone());
        self.recorded.push(Line { number: line, statement });
        self.tell(TraceEvent::Acted(action.clone()));
        match action {
            Action::Client(ClientAction { on, command }) => {
                let node = self.addressee(on, &command);
                self.console(id, node, command);
            }
            Action::Load(LoadCommand::Stop) => self.clients.stop_loads(),
            Action::Load(LoadCommand::Start(load)) => {
                if let Some(running) = self.clients.start_load(self.now_ns, load) {
                    self.queue.push(running.next_ns, Due::LoadTurn { client: running.client });
                }
            }
            Action::Load(LoadCommand::Mix(mix)) => {
                self.start_mix(mix);
            }
            Action::Fault(fault) => self.fault(fault),
            Action::Expect(expectation) => self.expect(line, expectation),
        }
    }

    fn console(&mut self, id: u64, node: Node, command: ClientCommand) {
        if let ClientCommand::Watch(watch) = command {
            self.watch(CONSOLE, id, node, watch);
            return;
        }
        if command == ClientCommand::Unwatch {
            self.unwatch();
            return;
        }
        if let ClientCommand::Lease(LeaseCommand::KeepAlive { id: lease, once: false }) = command {
            self.clients.keep(self.now_ns, lease);
        }
        self.ask(CONSOLE, id, node, command, PATIENCE_NS);
    }

    fn start_mix(&mut self, mix: Mix) {
        let (watches, keys) = (mix.watches, mix.all_keys());
        let turns = self.clients.start_mix(self.now_ns, mix);
        let Some(&(first_client, _)) = turns.first() else { return };
        for (client, at_ns) in turns {
            self.queue.push(at_ns, Due::SessionTurn { client });
        }
        for number in 0..watches {
            let node = Node(1 + number % self.spec.nodes);
            let watch = Watch { keys: keys.clone(), prev_kv: true, ..Watch::default() };
            self.watch(first_client, 0, node, watch);
        }
    }

    /// Whom a command of the console goes to. Only a leader hands over, and only its clock counts
    /// for leases; a client of the real etcd reaches it through any server.
    pub(super) fn addressee(&self, on: Option<Target>, command: &ClientCommand) -> Node {
        let first = || self.up().next().unwrap_or(Node(1));
        match on {
            Some(target) => self.targets(target).first().copied().unwrap_or_else(first),
            None if command.is_for_leader() => self.leader().unwrap_or_else(first),
            None => first(),
        }
    }

    fn fault(&mut self, fault: Fault) {
        match fault {
            Fault::Crash { target, torn, at_disk_operation } => {
                for node in self.targets(target) {
                    self.crash(node, torn, at_disk_operation);
                }
            }
            Fault::Restart { target } => {
                for node in self.targets(target) {
                    if !self.machine(node).is_up() {
                        self.queue.push(self.now_ns + 1, Due::Boot(node));
                    }
                }
            }
            Fault::Partition { groups } => self.network.partition(&groups),
            Fault::Isolate { target } => {
                for node in self.targets(target) {
                    self.network.isolate(node);
                }
            }
            Fault::Heal => self.network.heal(),
            Fault::Loss { ppm, node } => self.network.set_loss(ppm, node),
            Fault::Delay { delay_ns, node } => self.network.set_delay(delay_ns, node),
            Fault::Flip { node, path, offset, bit } => self.flip(node, &path, offset, bit),
            Fault::Reload => self.reload(),
        }
    }

    fn crash(&mut self, node: Node, torn: bool, at_disk_operation: Option<u32>) {
        match at_disk_operation {
            _ if !self.machine(node).has_power() => {}
            None => self.cut_power(node, torn),
            Some(operations) => self.machine_mut(node).arm(operations, torn),
        }
    }

    fn flip(&mut self, node: Node, path: &str, offset: u64, bit: u8) {
        let path = crate::machine::absolute_path(path);
        let flipped = self.machine_mut(node).disk.corrupt(&path, offset, 1 << bit);
        self.tell(TraceEvent::Flipped { node, ok: flipped.is_ok() });
    }

    /// Power cut of all and restart of all. Depends on nothing but what a head and disks hold.
    fn reload(&mut self) {
        self.network.clear();
        self.queue.keep_actions();
        for (request, outcome) in self.clients.orphan_all() {
            self.tell(TraceEvent::Ended { request, outcome, revision: None });
        }
        for index in 0..self.machines.len() {
            let node = Node::at(index);
            let report = self.machines[index].cut_power(false);
            let (survived, lost) = (report.survived.len() as u64, report.lost.len() as u64);
            self.tell(TraceEvent::PowerCut { node, survived, lost });
            self.queue.push(self.now_ns + 1, Due::Boot(node));
        }
        for load in self.clients.loads() {
            let at_ns = load.next_ns.max(self.now_ns + 1);
            self.queue.push(at_ns, Due::LoadTurn { client: load.client });
        }
        for again in self.clients.reconnect_all(self.now_ns) {
            self.queue.push(again.at_ns, Due::WatchConnect { watcher: again.watcher });
        }
        for (lease, at_ns) in self.clients.keepers.turns() {
            self.queue.push(at_ns.max(self.now_ns + 1), Due::KeepAlive { lease });
        }
        for (client, at_ns) in self.clients.wake_sessions(self.now_ns) {
            self.queue.push(at_ns.max(self.now_ns + 1), Due::SessionTurn { client });
        }
        for &expectation in &self.open {
            let deadline_ns = self.judgements[expectation].deadline_ns();
            self.queue.push(deadline_ns.max(self.now_ns + 1), Due::Deadline { expectation });
        }
    }

    /// The servers that a command means now.
    fn targets(&self, target: Target) -> Vec<Node> {
        match target {
            Target::Node(node) => vec![node],
            Target::Leader => self.leader().into_iter().collect(),
            Target::All => (0..self.machines.len()).map(Node::at).collect(),
        }
    }

    /// Begins to look for something that should be true.
    pub(super) fn expect(&mut self, line: u32, expectation: Expectation) {
        let judgement = Judgement::new(line, expectation, self.now_ns);
        let (place, deadline_ns) = (self.judgements.len(), judgement.deadline_ns());
        self.judgements.push(judgement);
        self.open.push(place);
        if deadline_ns > self.now_ns {
            self.queue.push(deadline_ns, Due::Deadline { expectation: place });
        }
        self.look(place, deadline_ns <= self.now_ns);
    }

    pub(super) fn look_at_all(&mut self) {
        for place in self.open.clone() {
            self.look(place, false);
        }
    }

    /// Looks once; at its deadline for the last time.
    pub(super) fn look(&mut self, place: usize, is_over: bool) {
        if !self.open.contains(&place) {
            return;
        }
        let found = self.find(&self.judgements[place].expectation.what);
        let now_ns = self.now_ns;
        let judgement = &mut self.judgements[place];
        if judgement.look(found, now_ns, is_over) {
            let ok = judgement.ok == Some(true);
            self.open.retain(|open| *open != place);
            self.tell(TraceEvent::Judged { expectation: place as u64, ok });
        }
    }
}
