//! What clients did and saw, as the search for an order needs it: values only, no revisions.

use std::sync::Arc;

use etcd::request::{Operation as RequestOperation, OperationReply, Reply, Request};
use ordered::{Set, SharedList, SharedMap};

use super::answers;
use super::facts::Facts;
use super::linearizability::{Bounds, Operation, Verdict, decide};
use super::names::Names;
use super::promise::Promise;
use super::violation::Found;
use super::{Asked, Check, Ended};
use crate::machine::{Answer, AnswerBody, Certainty, Machine, etcd_request};
use crate::scenario::{ClientCommand, Node};

/// Operations that are remembered; a longer history is not searched.
const OPERATIONS_MAX: usize = 50_000;

/// What a search at the end of a run may use: well below a second.
const BOUNDS: Bounds = Bounds { configurations: 20_000, steps: 300_000 };

#[derive(Clone, Debug)]
struct Did {
    request: u64,
    command: Arc<ClientCommand>,
    invoked: u64,
    end: End,
}

impl Did {
    fn reply(&self) -> Option<&Reply> {
        match &self.end {
            End::Returned { answer, .. } => match &answer.body {
                AnswerBody::Etcd(reply) => Some(reply),
                AnswerBody::Error(_) | AnswerBody::Unavailable(_) => None,
            },
            End::Open | End::NotDone => None,
        }
    }

    /// Whether it may have happened.
    fn may_have_happened(&self) -> bool {
        !matches!(self.end, End::NotDone)
    }

    fn returned(&self) -> Option<u64> {
        match self.end {
            End::NotDone | End::Open => None,
            End::Returned { at, .. } => Some(at),
        }
    }
}

#[derive(Clone, Debug)]
enum End {
    /// Not yet, or nobody knows.
    Open,
    /// It did not happen.
    NotDone,
    /// It returned this.
    Returned { at: u64, answer: Answer, moment: Moment },
}

/// When a client had its answer, and of whom.
#[derive(Clone, Copy, Debug)]
struct Moment {
    /// The event and its time.
    at: (u64, u64),
    node: Node,
}

/// See the module's head.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    operations: SharedList<Did>,
    /// Places of operations by their requests.
    places: SharedMap<u64, usize>,
    /// Orders invocations and returns.
    clock: u64,
    left_out: u64,
}

impl Check for History {
    fn asked(&mut self, _: &Facts, asked: &Asked<'_>) {
        self.clock += 1;
        if let Some(place) = asked.retry_of.and_then(|first| self.places.get(&first).copied()) {
            self.places.insert(asked.request, place);
            if let Some(did) = self.operations.get_mut(place) {
                did.end = End::Open;
            }
            return;
        }
        if !is_searched(asked.command) {
            return;
        }
        if self.operations.len() == OPERATIONS_MAX {
            self.left_out += 1;
            return;
        }
        self.places.insert(asked.request, self.operations.len());
        self.operations.push_back(Did {
            request: asked.request,
            command: Arc::clone(asked.command),
            invoked: self.clock,
            end: End::Open,
        });
    }

    fn ended(&mut self, _: &Facts, ended: &Ended<'_>, found: &mut Found) {
        let Ended { node, request, answer } = *ended;
        self.clock += 1;
        let moment = Moment { at: (found.event, found.now_ns), node };
        let Some(did) = self.places.get(&request).and_then(|at| self.operations.get_mut(*at))
        else {
            return;
        };
        did.end = match answer.certainty {
            Certainty::Done => End::Returned { at: self.clock, answer: answer.clone(), moment },
            Certainty::NotDone => End::NotDone,
            Certainty::Unknown => End::Open,
        };
    }

    fn at_end(&mut self, _: &Facts, _: &[Machine], found: &mut Found) {
        self.decide(found);
    }
}

impl History {
    /// Searches an order.
    pub(super) fn decide(&self, found: &mut Found) {
        let promise = Promise::Linearizable;
        if self.left_out > 0 {
            found.undecided(promise, format!("more than {OPERATIONS_MAX} operations"));
            return;
        }
        let operations = self.operations();
        if operations.is_empty() {
            return;
        }
        match decide(&operations, BOUNDS) {
            Verdict::Ok => found.looked(promise),
            Verdict::Unknown(why) => found.undecided(promise, why),
            Verdict::Broken(window) => {
                let detail = format!(
                    "no order of operations explains what request {} got; the shortest part of \
                     the history without one has {} operations",
                    window.last,
                    window.operations.len()
                );
                let moment = |request: &u64| self.moment_of(*request);
                let nodes: Set<Node> =
                    window.operations.iter().filter_map(moment).map(|one| one.node).collect();
                let nodes: Vec<Node> = nodes.iter().copied().collect();
                // It was broken when the last of them returned.
                let at = moment(&window.last).map_or((found.event, found.now_ns), |last| last.at);
                found.broken_at(at, promise, &nodes, 0, &window.operations, detail);
            }
        }
    }

    fn moment_of(&self, request: u64) -> Option<Moment> {
        let did = self.operations.get(*self.places.get(&request)?)?;
        match did.end {
            End::Returned { moment, .. } => Some(moment),
            End::Open | End::NotDone => None,
        }
    }

    /// The history as the search takes it.
    fn operations(&self) -> Vec<Operation> {
        let mut names = Names::default();
        let requests: Vec<Option<Request>> =
            self.operations.iter().map(|did| etcd_request(&did.command)).collect();
        for (did, request) in self.operations.iter().zip(&requests) {
            names.learn(request.as_ref(), did.reply());
        }
        let mut operations = Vec::new();
        for (did, request) in self.operations.iter().zip(&requests) {
            let Some(request) = request.as_ref().filter(|_| did.may_have_happened()) else {
                continue;
            };
            let Some(branches) = names.branches(request, did.reply()) else { continue };
            let (id, invoked, returned) = (did.request, did.invoked, did.returned());
            let hint = did.reply().and_then(hint);
            operations.push(Operation { id, invoked, returned, branches, hint });
            for branch in names.expiries(request) {
                operations.push(Operation::new(id, invoked, None, branch));
            }
        }
        operations
    }
}

/// Where an answer says that its operation stands: what changed something before what saw that.
fn hint(reply: &Reply) -> Option<u64> {
    let changes = match reply {
        Reply::Put(_) => true,
        Reply::DeleteRange(reply) => reply.deleted > 0,
        Reply::Txn(reply) => reply.responses.iter().any(has_changed),
        _ => false,
    };
    let revision = u64::try_from(reply.header().revision).ok()?;
    Some(2 * revision + u64::from(!changes))
}

fn has_changed(response: &OperationReply) -> bool {
    match response {
        OperationReply::Put(_) => true,
        OperationReply::DeleteRange(reply) => reply.deleted > 0,
        OperationReply::Txn(reply) => reply.responses.iter().any(has_changed),
        OperationReply::Range(_) => false,
    }
}

/// Reads of the past and of one server's own state are no part of an order, nor is what shows no
/// values or writes one that its request does not name.
fn is_searched(command: &ClientCommand) -> bool {
    match etcd_request(command) {
        Some(Request::Put(put)) => !put.ignore_value,
        Some(Request::DeleteRange(_)) => true,
        Some(Request::Txn(txn)) => !txn.success.iter().chain(&txn.failure).any(keeps_a_value),
        Some(Request::Range(range)) => answers::is_whole(&range),
        _ => false,
    }
}

fn keeps_a_value(operation: &RequestOperation) -> bool {
    matches!(operation, RequestOperation::Put(put) if put.ignore_value)
}
