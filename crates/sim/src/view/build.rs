//! Making pictures of the world.

use super::cluster::{
    ClientsView, ClusterView, Condition, Endpoint, ExpectationView, LoadView, MessageClass,
    MessageView, NodeView, OperationView, PromiseView, WatcherView,
};
use super::{Query, View, inside, text, wal};
use crate::check::{PROMISES, Promise};
use crate::client::{Clients, Ended, Operation, Stage, Watcher};
use crate::judge::Judgement;
use crate::machine::{Power, print_event};
use crate::network::Flight;
use crate::scenario::{Action, Node};
use crate::workload::Shown;
use crate::world::World;

const PENDING_SHOWN: usize = 64;
const ENDED_SHOWN: usize = 32;
const LOG_LINES_SHOWN: usize = 40;
const WATCHERS_SHOWN: usize = 64;
const EVENTS_SHOWN: usize = 16;

/// Makes pictures; keeps decoded log records from one to the next.
#[derive(Clone, Debug, Default)]
pub struct Viewer {
    wal: wal::Cache,
}

impl Viewer {
    /// A viewer that has seen nothing.
    pub fn new() -> Viewer {
        Viewer::default()
    }

    /// One picture.
    pub fn view(&mut self, world: &World, query: &Query) -> View {
        let cluster = cluster(world);
        let node = query.node.filter(|node| (1..=world.spec().nodes).contains(&node.0));
        let server = node.map(|node| {
            let summary = cluster.nodes[node.index()].clone();
            inside::server(&mut self.wal, world, node, summary, query)
        });
        View { cluster, server, trail: world.trails().last().cloned() }
    }
}

/// All servers and what travels between them.
pub fn cluster(world: &World) -> ClusterView {
    ClusterView {
        now_ns: world.now_ns(),
        event: world.event(),
        fingerprint: world.fingerprint(),
        tick_ns: world.spec().tick_ns,
        nodes: (0..world.machines().len()).map(|index| node(world, Node::at(index))).collect(),
        leader: world.leader(),
        groups: world.network().groups(),
        network_rules: world.network().rules(),
        messages: messages(world),
        clients: clients(world),
        log: text::log_lines(world.trace(), LOG_LINES_SHOWN),
        expectations: world.judgements().iter().map(expectation).collect(),
        promises: promises(world),
        violations: world.checks().found().violations().to_vec(),
    }
}

fn promises(world: &World) -> Vec<PromiseView> {
    let found = world.checks().found();
    let view = |promise: &Promise| PromiseView {
        id: promise.id().to_owned(),
        says: promise.info().says.to_owned(),
        state: found.state(*promise),
    };
    PROMISES.iter().map(view).collect()
}

fn node(world: &World, node: Node) -> NodeView {
    let machine = world.machine(node);
    let status = machine.last_status();
    let condition = match machine.power() {
        Power::On(_) if status.is_booting => Condition::Booting,
        Power::On(_) => Condition::Up,
        Power::Off => Condition::Down,
        Power::Failed(fatal) => Condition::Failed { reason: fatal.reason.clone() },
    };
    NodeView {
        node,
        name: node.to_string(),
        id: machine.member_id(),
        condition,
        role: status.role,
        term: status.term,
        leader: status.leader,
        vote: status.vote,
        last_index: status.last_index,
        commit: status.commit,
        applied: status.applied,
        revision: status.revision,
        election: status.election,
        heartbeat: status.heartbeat,
        next_tick_ns: machine.next_tick_ns(),
        syncs: machine.syncs(),
        boots: machine.boots(),
    }
}

/// Between servers, then between clients and servers, each oldest first.
fn messages(world: &World) -> Vec<MessageView> {
    let flights = world.network().flights().map(|(id, flight)| {
        let (class, kind, term, label) = text::message(&flight.message);
        MessageView {
            id,
            from: Endpoint::Node(flight.from),
            to: Endpoint::Node(flight.to),
            class,
            kind,
            term,
            label,
            sent_ns: flight.sent_ns,
            arrives_ns: if flight.is_held() {
                held_until(world, flight)
            } else {
                flight.arrives_ns
            },
        }
    });
    let clients = world.clients();
    let asked = clients.all_pending().filter_map(|one| travelling(clients, one));
    flights.chain(asked).collect()
}

/// A message that is held is shown half-way.
fn held_until(world: &World, flight: &Flight) -> u64 {
    world.now_ns() + (world.now_ns() - flight.sent_ns) + 1
}

/// Ids of clients' messages lie above those of flights: request times two, plus one for replies.
const CLIENT_MESSAGES: u64 = 1 << 62;

fn travelling(clients: &Clients, operation: &Operation) -> Option<MessageView> {
    let client = Endpoint::Client(clients.shown_as(operation.client));
    let server = Endpoint::Node(operation.node);
    let id = CLIENT_MESSAGES + operation.request * 2;
    let message = |id, from, to, class, sent_ns, arrives_ns| MessageView {
        id,
        from,
        to,
        class,
        kind: operation.command.verb().to_owned(),
        term: 0,
        label: operation.command.to_string(),
        sent_ns,
        arrives_ns,
    };
    match &operation.stage {
        Stage::Asking { arrives_ns } => Some(message(
            id,
            client,
            server,
            MessageClass::Request,
            operation.started_ns,
            *arrives_ns,
        )),
        Stage::AtServer => None,
        Stage::Answering { sent_ns, arrives_ns, .. } => {
            Some(message(id + 1, server, client, MessageClass::Reply, *sent_ns, *arrives_ns))
        }
    }
}

fn clients(world: &World) -> ClientsView {
    let clients = world.clients();
    let operations = clients.operations();
    let mut ended: Vec<OperationView> =
        clients.ended().rev().take(ENDED_SHOWN).map(|ended| ended_operation(ended)).collect();
    ended.reverse();
    let mut watchers: Vec<WatcherView> =
        clients.watchers().rev().take(WATCHERS_SHOWN).map(watcher).collect();
    watchers.reverse();
    ClientsView {
        pending: clients.all_pending().take(PENDING_SHOWN).map(operation).collect(),
        ended,
        in_flight: clients.all_pending().len() as u64,
        acknowledged: operations.acknowledged,
        failed: operations.failed,
        unknown: operations.unknown,
        loads: loads(clients),
        watchers,
    }
}

fn watcher(watcher: &Watcher) -> WatcherView {
    let skipped = watcher.latest.len().saturating_sub(EVENTS_SHOWN);
    WatcherView {
        watcher: watcher.watcher,
        client: watcher.client,
        node: watcher.node,
        connected: watcher.stream.is_some(),
        command: watcher.watch.to_string(),
        next_revision: watcher.next_revision,
        events: watcher.events,
        latest: watcher.latest.iter().skip(skipped).map(print_event).collect(),
        ended: watcher.ended.clone(),
    }
}

fn loads(clients: &Clients) -> Vec<LoadView> {
    let view = |one: Shown| LoadView {
        client: one.client,
        command: Action::Load(one.load).to_string(),
        begun: one.begun,
    };
    clients.workloads().map(view).collect()
}

fn operation(operation: &Operation) -> OperationView {
    OperationView {
        id: operation.request,
        client: operation.client,
        node: operation.node,
        command: operation.command.to_string(),
        started_ns: operation.started_ns,
        ended: None,
        revision: None,
    }
}

fn ended_operation(ended: &Ended) -> OperationView {
    OperationView {
        ended: Some((ended.at_ns, ended.outcome)),
        revision: ended.answer.revision,
        ..operation(&ended.operation)
    }
}

fn expectation(judgement: &Judgement) -> ExpectationView {
    ExpectationView {
        line: judgement.line,
        text: judgement.expectation.to_string(),
        ok: judgement.ok,
        detail: judgement.detail.clone(),
    }
}
