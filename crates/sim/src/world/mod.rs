//! One deterministic world, told event by event.
//!
//! [`World::step`] is the story: the next event of the queue happens, a machine gets an input, and
//! what it does (syncs, messages, replies) becomes later events. Time is virtual and moves only
//! from event to event; a moment is an event number. Nothing that happens takes place in zero
//! time: whatever an event causes is due at least a nanosecond later.
//!
//! Everything that a visitor does is an [`Action`], stamped at the next nanosecond and ahead of
//! everything else that is due then, so that the recorded times alone replay the run.
//!
//! The world is a function of its [`ClusterSpec`] and its actions: see [`World::fingerprint`].

mod act;
mod disks;
mod find;
mod messages;
mod run;
mod watch;

use ordered::Set;
use std::sync::Arc;

pub use run::Fate;

use crate::bugs::{self, Toggle};
use crate::check::{Asked, Checks, PATIENCE_ELECTIONS};
use crate::client::{CONSOLE, Clients, Ended, Operation, PATIENCE_NS};
use crate::fault::{Names, Survivors};
use crate::judge::Judgement;
use crate::machine::{Certainty, Effects, Input, Machine, Stepped};
use crate::network::Network;
use crate::queue::{Due, Queue, Scheduled};
use crate::scenario::{
    Action, ClientCommand, ClusterSpec, LeaseCommand, Line, Node, Scenario, Statement,
};
use crate::trace::{Record, Trace, TraceEvent};
use crate::trails::Trails;

/// Servers, network, clients, and what will happen to them.
#[derive(Clone)]
pub struct World {
    spec: Arc<ClusterSpec>,
    /// How many servers the cluster began with.
    founders: u32,
    now_ns: u64,
    event: u64,
    queue: Queue,
    machines: Vec<Machine>,
    network: Network,
    clients: Clients,
    /// Faults that came into play, and those that did something.
    drawn: Names,
    fired: Names,
    judgements: Vec<Judgement>,
    /// Places of those that may still become true.
    open: Vec<usize>,
    trace: Trace,
    trails: Trails,
    checks: Checks,
    bugs: Set<Toggle>,
    next_action: u64,
    /// Actions that have run; those of before a resume are only counted.
    recorded: Vec<Line>,
    forgotten: u64,
    /// Of the scenario that it began with: the comments at its head …
    heading: Arc<[String]>,
    /// … and what is judged at the end.
    tail: Arc<[Line]>,
}

/// Who sends a request, and as what.
#[derive(Clone, Copy)]
pub(crate) struct Asking {
    pub(crate) client: u32,
    /// The action that it came from; 0 for a workload.
    pub(crate) action: u64,
    /// The first request for the same operation, if this is another try.
    pub(crate) retry_of: Option<u64>,
    pub(crate) patience_ns: u64,
}

/// An action that was taken up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Performed {
    /// When it runs.
    pub at_ns: u64,
    /// Its number; see [`World::fate`].
    pub action: u64,
}

impl World {
    /// A fresh world at time 0; all servers boot with the first events.
    pub fn new(spec: ClusterSpec) -> World {
        let (nodes, founders) = (spec.nodes, spec.founders());
        let machines: Vec<Machine> =
            (1..=nodes).map(|number| Machine::new(&spec, Node(number))).collect();
        let mut queue = Queue::default();
        for number in 1..=founders {
            queue.push(0, Due::Boot(Node(number)));
        }
        World {
            founders,
            now_ns: 0,
            event: 0,
            queue,
            checks: Checks::new(&machines),
            bugs: Set::new(),
            machines,
            network: Network::new(&spec),
            clients: Clients::new(&spec),
            drawn: Names::default(),
            fired: Names::default(),
            judgements: Vec::new(),
            open: Vec::new(),
            trace: Trace::new(spec.seed),
            trails: Trails::default(),
            next_action: 1,
            recorded: Vec::new(),
            forgotten: 0,
            heading: [].into(),
            tail: [].into(),
            spec: Arc::new(spec),
        }
    }

    /// A fresh world with all timed lines of a scenario ahead of it.
    pub fn of_scenario(scenario: &Scenario) -> World {
        let mut world = World::new(scenario.cluster.clone());
        let is_tail = |line: &&Line| matches!(line.statement, Statement::AtEnd(_));
        world.heading = scenario.heading.clone().into();
        world.tail = scenario.lines.iter().filter(is_tail).cloned().collect();
        for line in &scenario.lines {
            if let Statement::At(at_ns, action) = &line.statement {
                world.schedule(*at_ns, action.clone(), line.number);
            }
        }
        world
    }

    // ---- acting ----

    /// Does something now: at the next nanosecond, before everything else.
    pub fn perform(&mut self, action: Action) -> Performed {
        let at_ns = if self.event == 0 { 0 } else { self.now_ns + 1 };
        let action = self.schedule(at_ns, action, 0);
        Performed { at_ns, action }
    }

    /// Does something at a later time; gives the action's number.
    pub fn schedule(&mut self, at_ns: u64, action: Action, line: u32) -> u64 {
        assert!(at_ns >= self.now_ns, "the past does not change");
        let id = self.next_action;
        self.next_action += 1;
        self.queue.push(at_ns, Due::Action(Box::new(Scheduled { id, line, action })));
        id
    }

    /// Judges the lines of a scenario that stand without a time, from that time on.
    pub fn judge_at_end(&mut self, scenario: &Scenario, at_ns: u64) {
        self.now_ns = self.now_ns.max(at_ns);
        for line in &scenario.lines {
            if let Statement::AtEnd(expectation) = &line.statement {
                self.expect(line.number, expectation.clone());
            }
        }
    }

    // ---- the story of one event ----

    /// The next event happens; gives its number.
    pub fn step(&mut self) -> Option<u64> {
        let (at_ns, due) = self.queue.pop()?;
        assert!(at_ns >= self.now_ns, "time does not go back");
        self.now_ns = at_ns;
        self.event += 1;
        self.checks.begin_event(self.event, at_ns);
        match due {
            Due::Action(scheduled) => self.act(*scheduled),
            Due::Boot(node) => self.boot(node),
            Due::Tick(node) => self.tick(node),
            Due::Synced { node, ticket, boot } => {
                self.tell(TraceEvent::Synced(node, ticket));
                let machine = self.machine_mut(node);
                let ended = machine.complete(ticket);
                self.checks.synced(&self.machines[node.index()], ended.is_ok());
                let machine = self.machine(node);
                if machine.is_up() && machine.boots() == boot {
                    self.feed(
                        node,
                        match ended {
                            Ok(()) => Input::Synced(ticket),
                            Err(error) => Input::SyncFailed(ticket, error),
                        },
                    );
                }
            }
            Due::Arrival { flight } => self.arrive(flight),
            Due::Unreachable { node, peer } => {
                self.tell(TraceEvent::Unreachable(node, peer));
                self.feed(node, Input::Unreachable(peer));
            }
            Due::RequestArrival { request } => self.request_arrives(request),
            Due::ReplyArrival { request } => self.reply_arrives(request),
            Due::RequestTimeout { request } => {
                self.give_up(request, Certainty::Unknown, "context deadline exceeded");
            }
            Due::Turn { client } => self.work(client),
            Due::KeepAlive { lease } => self.keep_alive(lease),
            Due::WatchConnect { watcher } => self.watch_connects(watcher),
            Due::WatchArrival { stream, node, said } => self.watch_arrives(stream, node, said),
            Due::WatchResponse { stream, answer } => self.watch_hears(stream, answer),
            Due::Deadline { expectation } => self.look(expectation, true),
        }
        self.look_at_all();
        Some(self.event)
    }

    /// One input for one running machine, and what comes of it.
    pub(super) fn feed(&mut self, node: Node, input: Input) {
        let now_ns = self.now_ns;
        let machine = self.machine_mut(node);
        let Some(input) = machine.take_in(input) else { return };
        match machine.step(now_ns, input) {
            Stepped::Ran(effects) => {
                self.checks.after_step(&self.machines[node.index()], &effects);
                self.take_effects(node, effects);
            }
            Stepped::Died(fatal) => {
                self.take_effects(node, Effects::default());
                self.died(node, fatal.reason);
            }
            Stepped::PowerLost(survivors, said) => {
                if !said.is_empty() {
                    self.checks.after_step(&self.machines[node.index()], &said);
                }
                self.take_effects(node, said);
                self.cut_power(node, survivors);
            }
        }
    }

    /// For the trails: a leader's log may have got what a console request proposed.
    fn place_proposals(&mut self, node: Node) {
        if self.trails.is_empty() {
            return;
        }
        for proposal in self.trails.unplaced() {
            let server = self.machine(node).server();
            if let Some((index, term)) = server.and_then(|server| server.find_entry(proposal)) {
                self.trails.place(proposal, index, term);
            }
        }
    }

    /// Syncs, messages and replies of a step become events.
    fn take_effects(&mut self, node: Node, mut effects: Effects) {
        self.place_proposals(node);
        for event in std::mem::take(&mut effects.trace) {
            self.tell(TraceEvent::Told(node, event));
            self.place_proposals(node);
        }
        let (spec, now_ns) = (Arc::clone(&self.spec), self.now_ns);
        let boot = self.machine(node).boots();
        for (ticket, takes_ns) in self.machine_mut(node).issued(&spec) {
            let ends_ns = now_ns + takes_ns;
            self.tell(TraceEvent::SyncIssued(node, ticket, ends_ns));
            self.queue.push(ends_ns, Due::Synced { node, ticket, boot });
        }
        for (to, message) in std::mem::take(&mut effects.messages) {
            self.send(node, to, &message);
        }
        if !effects.is_empty() {
            self.take_words_to_clients(node, effects);
        }
    }

    /// What most steps have nothing of.
    fn take_words_to_clients(&mut self, node: Node, effects: Effects) {
        let now_ns = self.now_ns;
        for (request, answer) in effects.replies {
            if let Some(operation) = self.clients.pending(request) {
                self.checks.answered(node, request, &operation.command, &answer);
            }
            self.tell(TraceEvent::Replied(node, request));
            if let Some(arrives_ns) = self.clients.answered(now_ns, request, answer) {
                self.queue.push(arrives_ns, Due::ReplyArrival { request });
            }
        }
        for stream in effects.watch_ended {
            self.watch_ended(stream);
        }
        for (stream, answer) in effects.watch {
            let arrives_ns = self.clients.stream_arrival(now_ns, stream);
            self.queue.push(arrives_ns, Due::WatchResponse { stream, answer });
        }
    }

    // ---- machines ----

    fn boot(&mut self, node: Node) {
        let (spec, now_ns) = (Arc::clone(&self.spec), self.now_ns);
        if self.machine(node).is_up() {
            return;
        }
        let other = self.leader().or_else(|| self.up().next());
        let other = other.and_then(|other| self.machine(other).server().cloned());
        if let Err(reason) = self.machine(node).may_start(&spec, other.as_ref()) {
            self.machine_mut(node).refuse(&reason);
            self.tell(TraceEvent::Died(node, reason));
            return;
        }
        let bugs = bugs::of_servers(&self.bugs);
        let machine = self.machine_mut(node);
        let first_tick_ns = machine.start(&spec, now_ns, other.as_ref(), bugs);
        let boots = machine.boots();
        self.checks.booted(&self.machines[node.index()]);
        self.tell(TraceEvent::Booted(node, boots));
        if boots > 1 {
            self.break_connections(node);
        }
        self.queue.push(first_tick_ns, Due::Tick(node));
        self.feed(node, Input::Boot);
    }

    fn tick(&mut self, node: Node) {
        self.tell(TraceEvent::Ticked(node));
        let (now_ns, tick_ns) = (self.now_ns, self.spec.tick_ns);
        let next_ns = self.machine_mut(node).tick_after(now_ns, tick_ns);
        self.queue.push(next_ns, Due::Tick(node));
        self.feed(node, Input::Tick);
        self.look_at_quorum();
    }

    pub(super) fn cut_power(&mut self, node: Node, survivors: Survivors) {
        self.queue.forget_machine(node);
        self.checks.power_cut(node);
        let report = self.machine_mut(node).cut_power(survivors);
        let (survived, lost) = (report.survived.len() as u64, report.lost.len() as u64);
        self.tell(TraceEvent::PowerCut { node, survived, lost });
        self.drop_connections(node);
    }

    /// A process that ended takes nothing with it but itself: the machine goes on.
    pub(super) fn died(&mut self, node: Node, reason: String) {
        self.queue.forget_process(node);
        self.checks.died(&self.machines[node.index()], &reason);
        self.tell(TraceEvent::Died(node, reason));
        self.drop_connections(node);
    }

    fn drop_connections(&mut self, node: Node) {
        for request in self.clients.held_by(node) {
            self.give_up(request, Certainty::Unknown, "error reading from server: EOF");
        }
        self.break_streams(node);
    }

    // ---- clients ----

    pub(crate) fn ask(
        &mut self,
        client: u32,
        action: u64,
        node: Node,
        command: ClientCommand,
        patience_ns: u64,
    ) {
        let asking = Asking { client, action, retry_of: None, patience_ns };
        self.send_request(asking, node, &Arc::new(command));
    }

    /// Sends a request; one that asks again for what an earlier one asked for names it.
    pub(crate) fn send_request(
        &mut self,
        asking: Asking,
        node: Node,
        command: &Arc<ClientCommand>,
    ) {
        let Asking { client, action, retry_of, patience_ns } = asking;
        let (now_ns, command) = (self.now_ns, Arc::clone(command));
        let operation = self.clients.begin(now_ns, client, action, node, Arc::clone(&command));
        let request = operation.request;
        self.checks.asked(&Asked { request, retry_of, command: &command });
        let arrives_ns = operation.arrives_ns();
        operation.timeout =
            Some(self.queue.push(now_ns + patience_ns, Due::RequestTimeout { request }));
        self.queue.push(arrives_ns, Due::RequestArrival { request });
        if client == CONSOLE {
            self.trails.begin(request, &command);
        }
        self.tell(TraceEvent::Requested { request, retry_of, client, node, command });
    }

    fn request_arrives(&mut self, request: u64) {
        let Some(operation) = self.clients.arrived(request) else { return };
        let (node, command) = (operation.node, Arc::clone(&operation.command));
        if self.machine(node).is_up() {
            self.tell(TraceEvent::Received(node, request));
            self.feed(node, Input::Request { id: request, command });
        } else {
            self.give_up(request, Certainty::NotDone, "connection refused");
        }
    }

    fn reply_arrives(&mut self, request: u64) {
        if let Some(ended) = self.clients.take_answer(self.now_ns, request) {
            self.ended(&ended);
        }
    }

    fn give_up(&mut self, request: u64, certainty: Certainty, message: &str) {
        if let Some(ended) = self.clients.give_up(self.now_ns, request, certainty, message) {
            self.ended(&ended);
        }
    }

    fn ended(&mut self, ended: &Ended) {
        self.checks.ended(ended.operation.node, ended.operation.request, &ended.answer);
        if let Some(timeout) = ended.operation.timeout {
            self.queue.cancel(timeout);
        }
        self.tell(TraceEvent::Ended {
            request: ended.operation.request,
            outcome: ended.outcome,
            revision: ended.answer.revision,
        });
        if let Some((lease, at_ns)) = self.clients.keeper_ended(self.now_ns, ended) {
            self.queue.push(at_ns, Due::KeepAlive { lease });
        }
        let careless = bugs::retries(&self.bugs);
        if careless && !self.clients.workloads.tries_again(ended.operation.client) {
            self.ask_again(ended);
        }
        self.work_ended(ended, careless);
    }

    /// A known bug of clients that do not try again by themselves: a write that may have happened is
    /// sent again as if it had not.
    fn ask_again(&mut self, ended: &Ended) {
        let Operation { request, client, action, command, .. } = &ended.operation;
        if ended.answer.certainty != Certainty::Unknown || command.is_read() {
            return;
        }
        if let Some(node) = self.next_server() {
            let (client, action, retry_of) = (*client, *action, Some(*request));
            let asking = Asking { client, action, retry_of, patience_ns: PATIENCE_NS };
            self.send_request(asking, node, command);
        }
    }

    /// The servers that are up, in turn.
    pub(crate) fn next_server(&mut self) -> Option<Node> {
        let up: Vec<Node> = self.up().collect();
        self.clients.next_of(&up)
    }

    /// A client of a workload does something then.
    pub(crate) fn turn_at(&mut self, client: u32, at_ns: u64) {
        self.queue.push(at_ns, Due::Turn { client });
    }

    fn keep_alive(&mut self, lease: i64) {
        let Some(client) = self.clients.keeper(lease) else { return };
        let command = ClientCommand::Lease(LeaseCommand::KeepAlive { id: lease, once: false });
        let node = self.addressee(None, &command);
        self.ask(client, 0, node, command, PATIENCE_NS);
    }

    /// For the promise of progress: the servers that are left alone, if they are a quorum.
    fn look_at_quorum(&mut self) {
        let quorum = self.calm_quorum();
        let election_ns = self.spec.tick_ns * u64::from(self.spec.election_ticks);
        self.checks.look_at_quorum(quorum, election_ns * PATIENCE_ELECTIONS);
    }

    pub(super) fn tell(&mut self, what: TraceEvent) {
        let record = Record { event: self.event, at_ns: self.now_ns, what };
        if !self.trails.is_empty() {
            self.trails.observe(&record);
        }
        self.trace.push(record);
    }
}
