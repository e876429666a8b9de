//! Actions: what a visitor or a scenario does to the world.

use super::World;
use crate::client::{CONSOLE, PATIENCE_NS};
use crate::fault::{Chaos, CrashDuring, Survivors};
use crate::judge::Judgement;
use crate::machine::{Fatal, KILLED, Rate};
use crate::queue::{Due, Scheduled};
use crate::scenario::{
    Action, ClientAction, ClientCommand, Expectation, Fault, LeaseCommand, Line, Node, Statement,
    Target,
};
use crate::trace::TraceEvent;

impl World {
    pub(super) fn act(&mut self, scheduled: Scheduled) {
        let Scheduled { id, line, action } = scheduled;
        if let Action::Fault(Fault::Chaos(plan)) = &action {
            self.plan(plan.clone(), line);
            return;
        }
        let statement = Statement::At(self.now_ns, action.clone());
        self.recorded.push(Line { number: line, statement });
        self.tell(TraceEvent::Acted(Box::new(action.clone())));
        match action {
            Action::Client(ClientAction { on, command }) => {
                let node = self.addressee(on, &command);
                self.console(id, node, command);
            }
            Action::Load(command) => self.load(command),
            Action::Fault(fault) => self.fault(fault),
            Action::Expect(expectation) => self.expect(line, expectation),
            Action::Bug(toggle) => {
                self.bugs.insert(toggle);
            }
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

    /// A plan is recorded without its power to draw: what it draws stands beside it.
    fn plan(&mut self, plan: Chaos, line: u32) {
        let action = Action::Fault(plan.drawn().into());
        let statement = Statement::At(self.now_ns, action.clone());
        self.recorded.push(Line { number: line, statement });
        self.tell(TraceEvent::Acted(Box::new(action)));
        self.fault(plan.into());
    }

    /// Breaks or mends, and keeps count of what came into play.
    fn fault(&mut self, fault: Fault) {
        self.checks.disturbed();
        let has_target = fault.target().is_none_or(|target| !self.targets(target).is_empty());
        if fault.breaks() && has_target {
            self.drawn.insert(fault.name());
        }
        fault.strike(self);
    }

    pub(crate) fn start_soon(&mut self, node: Node) {
        if !self.machine(node).is_up() {
            self.queue.push(self.now_ns + 1, Due::Boot(node));
        }
    }

    pub(crate) fn crash(
        &mut self,
        node: Node,
        survivors: Survivors,
        at_disk_operation: Option<u32>,
    ) {
        match at_disk_operation {
            _ if !self.machine(node).has_power() => {}
            None => {
                self.fired.insert("crash");
                self.cut_power(node, survivors);
            }
            Some(operations) => self.machine_mut(node).arm(operations, survivors),
        }
    }

    pub(crate) fn arm(&mut self, node: Node, crash: CrashDuring) {
        self.machine_mut(node).arm_at_point(crash);
    }

    pub(crate) fn kill(&mut self, node: Node) {
        if self.machine(node).is_up() {
            self.fired.insert("kill");
            self.machine_mut(node).end_process(Fatal { reason: KILLED.to_owned() });
            self.died(node, KILLED.to_owned());
        }
    }

    pub(crate) fn pause(&mut self, node: Node) {
        self.machine_mut(node).pause();
    }

    /// A paused process takes what waited for it, as far as it lives.
    pub(crate) fn resume_process(&mut self, node: Node) {
        for input in self.machine_mut(node).unpause() {
            if self.machine(node).is_up() {
                self.feed(node, input);
            }
        }
    }

    pub(crate) fn skew(&mut self, node: Node, rate: Rate) {
        let now_ns = self.now_ns;
        self.machine_mut(node).skew(now_ns, rate);
    }

    pub(crate) fn jump(&mut self, node: Node, by_ns: u64, is_back: bool) {
        let now_ns = self.now_ns;
        self.machine_mut(node).jump(now_ns, by_ns, is_back);
    }

    /// Power cut of all and restart of all. Depends on nothing but what a head and disks hold.
    pub(crate) fn reload(&mut self) {
        self.fired.insert("reload");
        self.network.clear();
        self.queue.keep_actions();
        for (request, outcome) in self.clients.orphan_all() {
            self.tell(TraceEvent::Ended { request, outcome, revision: None });
        }
        for index in 0..self.machines.len() {
            let node = Node::at(index);
            self.checks.power_cut(node);
            let report = self.machines[index].cut_power(Survivors::Nothing);
            let (survived, lost) = (report.survived.len() as u64, report.lost.len() as u64);
            self.tell(TraceEvent::PowerCut { node, survived, lost });
            if self.has_begun(node) {
                self.queue.push(self.now_ns + 1, Due::Boot(node));
            }
        }
        for again in self.clients.reconnect_all(self.now_ns) {
            self.queue.push(again.at_ns, Due::WatchConnect { watcher: again.watcher });
        }
        for (lease, at_ns) in self.clients.keepers.turns() {
            self.queue.push(at_ns.max(self.now_ns + 1), Due::KeepAlive { lease });
        }
        for (client, at_ns) in self.clients.workloads.wake(self.now_ns) {
            self.turn_at(client, at_ns.max(self.now_ns + 1));
        }
        for &expectation in &self.open {
            let deadline_ns = self.judgements[expectation].deadline_ns();
            self.queue.push(deadline_ns.max(self.now_ns + 1), Due::Deadline { expectation });
        }
    }

    /// Whether a machine is part of the cluster's story: it began with it, or was started since.
    fn has_begun(&self, node: Node) -> bool {
        node.0 <= self.founders || self.machine(node).boots() > 0
    }

    /// The servers that a command means now.
    pub(crate) fn targets(&self, target: Target) -> Vec<Node> {
        match target {
            Target::Node(node) => vec![node],
            Target::Leader => self.leader().into_iter().collect(),
            Target::All => {
                let all = (0..self.machines.len()).map(Node::at);
                all.filter(|node| self.has_begun(*node)).collect()
            }
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
