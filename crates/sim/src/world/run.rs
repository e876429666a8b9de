//! Running a world, looking at it, putting it away and taking it up again.

use std::sync::Arc;

use disk::Disk;

use super::{Performed, World};
use crate::check::Checks;
use crate::client::{Clients, Ended, Operations};
use crate::fault::Names;
use crate::head::{FORMAT, Head, HeadError};
use crate::judge::Judgement;
use crate::machine::Machine;
use crate::network::Network;
use crate::queue::{Due, Queue};
use crate::scenario::{ClusterSpec, Line, Node, Scenario, Statement};
use crate::trace::Trace;
use crate::trails::Trails;
use crate::workload::Workloads;

/// What became of a client command.
#[derive(Clone, Debug)]
pub enum Fate {
    /// It has not run, or waits for its answer.
    Waiting,
    /// It ended.
    Ended(Arc<Ended>),
    /// Nothing is known of it any more, or it was no client command.
    Gone,
}

impl World {
    /// All events up to a time, this time included.
    pub fn run_until(&mut self, until_ns: u64) {
        while self.next_event_ns().is_some_and(|next_ns| next_ns <= until_ns) {
            self.step();
        }
    }

    /// Runs a scenario to its end, or to another time: then its lines without a time are judged,
    /// and it goes on until nothing that is expected is open. `look` sees the world after every
    /// event.
    pub fn run_scenario(
        &mut self,
        scenario: &Scenario,
        until_ns: u64,
        look: &mut dyn FnMut(&World),
    ) {
        while self.next_event_ns().is_some_and(|next_ns| next_ns <= until_ns) {
            self.step();
            look(self);
        }
        self.finish_checks();
        self.judge_at_end(scenario, until_ns);
        while !self.open.is_empty() && self.step().is_some() {
            look(self);
        }
    }

    /// Looks at what can only be told at the end of a run.
    pub fn finish_checks(&mut self) {
        self.checks.finish(&self.machines);
    }

    /// How operations ended, at the end of a run: what is under way then is unknown, or a read that
    /// failed.
    pub fn operations_at_end(&self) -> Operations {
        self.clients.operations_at_end()
    }

    /// The promises of the cluster, and what was found of them.
    pub fn checks(&self) -> &Checks {
        &self.checks
    }

    /// All events up to this one.
    pub fn run_to_event(&mut self, event: u64) {
        while self.event < event && self.step().is_some() {}
    }

    /// The rest of the current nanosecond, so that a head can be taken.
    pub fn settle(&mut self) {
        self.run_until(self.now_ns);
    }

    /// Whether nothing is left at the current nanosecond.
    pub fn is_at_rest(&self) -> bool {
        self.next_event_ns().is_none_or(|next_ns| next_ns > self.now_ns)
    }

    /// When the next event is due.
    pub fn next_event_ns(&self) -> Option<u64> {
        self.queue.next_ns()
    }

    /// The cluster.
    pub fn spec(&self) -> &ClusterSpec {
        &self.spec
    }

    /// Virtual time of the last event.
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// Events so far: the moment.
    pub fn event(&self) -> u64 {
        self.event
    }

    /// A number for everything that happened so far; equal for equal runs on every machine.
    pub fn fingerprint(&self) -> u64 {
        self.trace.fingerprint()
    }

    /// Keeps no record of what happens: for runs that nobody looks at.
    pub fn forget_trace(&mut self) {
        self.trace.forget();
    }

    /// What happened lately.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// How recent console requests travelled.
    pub fn trails(&self) -> &Trails {
        &self.trails
    }

    /// The links between servers.
    pub fn network(&self) -> &Network {
        &self.network
    }

    pub(crate) fn network_mut(&mut self) -> &mut Network {
        &mut self.network
    }

    /// Faults that came into play so far, typed or drawn by a plan.
    pub fn faults_drawn(&self) -> &Names {
        &self.drawn
    }

    /// Faults that did something: lost a message, cut the power of a server that was up, failed
    /// a sync.
    pub fn faults_fired(&self) -> Names {
        let mut fired = self.fired.clone();
        fired.extend(self.network.fired());
        for machine in &self.machines {
            fired.extend(&machine.fired());
        }
        fired
    }

    /// Clients and their operations.
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    pub(crate) fn clients_mut(&mut self) -> &mut Clients {
        &mut self.clients
    }

    pub(crate) fn workloads_mut(&mut self) -> &mut Workloads {
        &mut self.clients.workloads
    }

    /// How many servers the cluster began with.
    pub(crate) fn founders(&self) -> u32 {
        self.founders
    }

    /// How operations ended.
    pub fn operations(&self) -> Operations {
        self.clients.operations()
    }

    /// All expectations so far.
    pub fn judgements(&self) -> &[Judgement] {
        &self.judgements
    }

    /// All machines, by number.
    pub fn machines(&self) -> &[Machine] {
        &self.machines
    }

    /// One machine.
    pub fn machine(&self, node: Node) -> &Machine {
        &self.machines[node.index()]
    }

    pub(crate) fn machine_mut(&mut self, node: Node) -> &mut Machine {
        &mut self.machines[node.index()]
    }

    /// A disk, for the store that follows what changes on it.
    pub fn disk_mut(&mut self, node: Node) -> &mut Disk {
        &mut self.machine_mut(node).disk
    }

    /// What became of a client command that was performed.
    pub fn fate(&self, performed: Performed) -> Fate {
        let action = performed.action;
        let mut answered = self.clients.console_ended().rev();
        if let Some(ended) = answered.find(|one| one.operation.action == action) {
            return Fate::Ended(Arc::clone(ended));
        }
        let pending = self.clients.all_pending().any(|operation| operation.action == action);
        let waits = || self.queue.actions().any(|(_, scheduled)| scheduled.id == action);
        if pending || waits() { Fate::Waiting } else { Fate::Gone }
    }

    // ---- the run as a scenario ----

    /// Actions that have run since the world began or was resumed.
    pub fn recorded_lines(&self) -> &[Line] {
        &self.recorded
    }

    /// How many actions have run in all.
    pub fn recorded_count(&self) -> u64 {
        self.forgotten + self.recorded.len() as u64
    }

    /// Gives a resumed world the actions of before, so that it can be shared.
    pub fn remember(&mut self, mut lines: Vec<Line>) {
        self.forgotten = self.forgotten.saturating_sub(lines.len() as u64);
        lines.append(&mut self.recorded);
        self.recorded = lines;
    }

    /// Whether every action of the run is known: without them there is no link.
    pub fn remembers_all(&self) -> bool {
        self.forgotten == 0
    }

    /// The run so far, with what still waits for its time, and what the scenario that it began
    /// with says of itself and of the end.
    pub fn recorded(&self) -> Scenario {
        let waiting = self.queue.actions().map(|(at_ns, scheduled)| Line {
            number: scheduled.line,
            statement: Statement::At(at_ns, scheduled.action.clone()),
        });
        let lines = self.recorded.iter().cloned().chain(waiting).chain(self.tail.iter().cloned());
        let (heading, cluster) = (self.heading.to_vec(), (*self.spec).clone());
        Scenario { heading, cluster, lines: lines.collect() }
    }

    // ---- putting away and taking up again ----

    /// What must be kept beside the disks. The world must be at rest.
    pub fn head(&self) -> Head {
        assert!(self.is_at_rest(), "a head is taken at rest: call settle first");
        Head {
            format: FORMAT,
            spec: (*self.spec).clone(),
            event: self.event,
            now_ns: self.now_ns,
            fingerprint: self.fingerprint(),
            recorded: self.recorded_count(),
            next_action: self.next_action,
            network: self.network.head(),
            clients: self.clients.head(),
            machines: self.machines.iter().map(Machine::head).collect(),
            judgements: self.judgements.clone(),
            drawn: self.drawn.clone(),
            fired: self.fired.clone(),
            bugs: self.bugs.clone(),
            waiting: self
                .queue
                .actions()
                .map(|(at_ns, scheduled)| (at_ns, scheduled.clone()))
                .collect(),
        }
    }

    /// A world without power from a head and its disks, by number. `reload` is its first action.
    pub fn resume(head: Head, disks: Vec<Disk>) -> Result<World, HeadError> {
        head.fits_disks(disks.len())?;
        let mut queue = Queue::default();
        for (at_ns, scheduled) in head.waiting {
            queue.push(at_ns, Due::Action(Box::new(scheduled)));
        }
        let spec = head.spec;
        let machines = head.machines.iter().zip(disks).enumerate();
        let machines: Vec<Machine> = machines
            .map(|(index, (machine, disk))| Machine::resume(&spec, Node::at(index), machine, disk))
            .collect();
        let open = (0..head.judgements.len())
            .filter(|place| head.judgements[*place].ok.is_none())
            .collect();
        Ok(World {
            founders: spec.founders(),
            now_ns: head.now_ns,
            event: head.event,
            queue,
            checks: Checks::new(&machines),
            bugs: head.bugs,
            machines,
            network: Network::resume(&spec, head.network),
            clients: Clients::resume(&spec, head.clients),
            judgements: head.judgements,
            drawn: head.drawn,
            fired: head.fired,
            open,
            trace: Trace::new(head.fingerprint),
            trails: Trails::default(),
            next_action: head.next_action,
            recorded: Vec::new(),
            forgotten: head.recorded,
            heading: [].into(),
            tail: [].into(),
            spec: Arc::new(spec),
        })
    }
}
