//! One client of a mixed load: what it does next, from what it saw before.
//!
//! A session does one operation at a time and stays with its server until one fails it; then it
//! asks the next. It remembers the last state that it saw of a few keys, so that its transactions
//! compare with something, and holds at most one lease.
//!
//! What no server did is tried again within the operation's time, as etcd's client does
//! (`clientv3/retry_interceptor.go`): a read whatever became of it, anything else only if it surely
//! did nothing. Each try is a request of its own, which names the operation's first one.

use std::sync::Arc;

use ordered::Map;

use serde::{Deserialize, Serialize};

use super::zipf::Zipf;
use super::{Mix, Weights};
use crate::client::{Ended, Operation};
use crate::machine::{Answer, AnswerBody, Certainty};
use crate::rng::{Consumer, Stream};
use crate::scenario::{
    ClientCommand, Compare, CompareResult, CompareTarget, Delete, Get, KeyPattern, Keys,
    LeaseCommand, MILLISECOND_NS, Node, Put, Span, Txn, TxnRequest,
};
use crate::view::Outcome;

/// Keys whose last state a session remembers.
const SEEN_MAX: usize = 64;
/// Seconds to live of a session's leases: short, so that some expire within a run.
const LEASE_TTL_S: (u64, u64) = (2, 8);
/// A compaction or a read of the past is up to so many revisions below the newest that the session
/// saw.
const BEHIND: u64 = 100;
/// Of so many deletions one is followed by a compaction right there: at a tombstone.
const COMPACTED_ONE_IN: u64 = 4;
/// Between two tries: clientv3's 25 ms, a tenth more or less.
const BACKOFF: Span = Span { low_ns: 22 * MILLISECOND_NS, high_ns: 28 * MILLISECOND_NS };

/// What of a session goes into the head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionHead {
    position: u128,
    memory: Memory,
    pub(crate) next_ns: Option<u64>,
}

/// What a session knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Memory {
    server: Node,
    begun: u64,
    revision: i64,
    /// The revision of the deletion that it did just now; 0 after anything else.
    deleted: i64,
    seen: Map<String, i64>,
    lease: Option<Held>,
    trying: Option<Trying>,
}

/// The operation under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Trying {
    #[serde(with = "crate::scenario::as_line")]
    command: Arc<ClientCommand>,
    /// The tries before, once one has come back.
    tried: Option<Tried>,
    deadline_ns: u64,
    /// How often it may be tried again.
    left: u32,
}

/// What there was of an operation that is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tried {
    /// The first request.
    pub(crate) first: u64,
    /// How the operation would have ended with the last one.
    pub(crate) outcome: Outcome,
}

/// What a session does in its turn.
pub(super) struct SessionTurn {
    pub(super) node: Node,
    pub(super) command: Arc<ClientCommand>,
    /// If it tries again.
    pub(super) tried: Option<Tried>,
    pub(super) patience_ns: u64,
}

/// A lease that a session was granted, or asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    id: i64,
    attached: bool,
}

/// See the module's head.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    client: u32,
    stream: Stream,
    memory: Memory,
    /// When it acts next; `None` while an operation is under way.
    pub(crate) next_ns: Option<u64>,
}

impl Session {
    pub(crate) fn new(seed: u64, client: u32, nodes: u32, next_ns: u64) -> Session {
        let memory = Memory {
            server: Node(1 + client % nodes),
            begun: 0,
            revision: 0,
            deleted: 0,
            seen: Map::new(),
            lease: None,
            trying: None,
        };
        let stream = Stream::new(seed, Consumer::Session(client));
        Session { client, stream, memory, next_ns: Some(next_ns) }
    }

    pub(crate) fn head(&self) -> SessionHead {
        let position = self.stream.position();
        SessionHead { position, memory: self.memory.clone(), next_ns: self.next_ns }
    }

    pub(crate) fn resume(seed: u64, client: u32, head: SessionHead) -> Session {
        let stream = Stream::at(seed, Consumer::Session(client), head.position);
        Session { client, stream, memory: head.memory, next_ns: head.next_ns }
    }

    /// What it does in its turn: it tries the same again, or begins the next operation.
    pub(super) fn turn(&mut self, now_ns: u64, mix: &Mix, zipf: &Zipf) -> SessionTurn {
        self.next_ns = None;
        let again = self.memory.trying.take();
        let trying = again.unwrap_or_else(|| Trying {
            command: Arc::new(self.next(mix, zipf)),
            tried: None,
            deadline_ns: now_ns + mix.timeout_ns,
            left: mix.retries,
        });
        let (command, tried) = (Arc::clone(&trying.command), trying.tried);
        let patience_ns = trying.deadline_ns.saturating_sub(now_ns);
        self.memory.trying = Some(trying);
        SessionTurn { node: self.memory.server, command, tried, patience_ns }
    }

    /// Its next operation.
    fn next(&mut self, mix: &Mix, zipf: &Zipf) -> ClientCommand {
        self.memory.begun += 1;
        let deleted = std::mem::take(&mut self.memory.deleted);
        if deleted > 0 && mix.weights.compact > 0 && self.stream.below(COMPACTED_ONE_IN) == 0 {
            return ClientCommand::Compact { revision: deleted, physical: false };
        }
        let place = self.pick(mix.weights);
        match Weights::NAMES[place] {
            "put" => ClientCommand::Put(self.put(mix, zipf)),
            "get" | "stale" => ClientCommand::Get(Get {
                keys: Keys::one(self.key(mix, zipf)),
                serializable: Weights::NAMES[place] == "stale",
                ..Get::default()
            }),
            "old" => ClientCommand::Get(Get {
                keys: Keys::one(self.key(mix, zipf)),
                revision: self.before_now(),
                ..Get::default()
            }),
            "range" => ClientCommand::Get(Get { keys: mix.all_keys(), ..Get::default() }),
            "del" => {
                let keys = Keys::one(self.key(mix, zipf));
                ClientCommand::Delete(Delete { keys, prev_kv: true })
            }
            "txn" => ClientCommand::Txn(self.compare_and_put(mix, zipf)),
            "lease" => self.lease(mix, zipf),
            "compact" => ClientCommand::Compact { revision: self.before_now(), physical: false },
            name => unreachable!("{name} is no kind of operation"),
        }
    }

    /// A place in [`Weights::NAMES`]. Before anything was seen there is no past.
    fn pick(&mut self, weights: Weights) -> usize {
        let all = weights.all();
        let total: u64 = all.iter().map(|weight| u64::from(*weight)).sum();
        let mut drawn = self.stream.below(total.max(1));
        for (place, weight) in all.iter().enumerate() {
            match drawn.checked_sub(u64::from(*weight)) {
                Some(rest) => drawn = rest,
                None if self.memory.revision < 2 && is_of_past(Weights::NAMES[place]) => return 1,
                None => return place,
            }
        }
        0
    }

    fn key(&mut self, mix: &Mix, zipf: &Zipf) -> String {
        let KeyPattern { prefix, range, suffix } = &mix.key;
        let Some((low, _)) = range else { return prefix.clone() };
        let place = zipf.draw(&mut self.stream, mix.keys());
        format!("{prefix}{}{suffix}", low + place)
    }

    fn put(&mut self, mix: &Mix, zipf: &Zipf) -> Put {
        Put { key: self.key(mix, zipf), value: self.value(mix), ..Put::default() }
    }

    /// `c2-17`, filled with dots; unique as long as the client's number and its own fit.
    fn value(&self, mix: &Mix) -> String {
        let mut value = format!("c{}-{}", self.client, self.memory.begun);
        let bytes = mix.value_bytes as usize;
        value.truncate(bytes);
        let dots = bytes - value.len();
        value.extend(std::iter::repeat_n('.', dots));
        value
    }

    fn compare_and_put(&mut self, mix: &Mix, zipf: &Zipf) -> Txn {
        let put = self.put(mix, zipf);
        let get = Get { keys: Keys::one(put.key.clone()), ..Get::default() };
        let seen = self.memory.seen.get(&put.key).copied().unwrap_or(0);
        let compare = Compare {
            target: CompareTarget::Mod(seen),
            key: put.key.clone(),
            result: CompareResult::Equal,
        };
        Txn {
            compares: vec![compare],
            success: vec![TxnRequest::Put(put)],
            failure: vec![TxnRequest::Get(get)],
        }
    }

    /// The next step in the life of its lease.
    fn lease(&mut self, mix: &Mix, zipf: &Zipf) -> ClientCommand {
        let Some(held) = self.memory.lease else {
            let (low, high) = LEASE_TTL_S;
            let ttl_s = low + self.stream.below(high - low + 1);
            let id = i64::from(self.client) << 32 | i64::try_from(self.memory.begun).unwrap_or(1);
            self.memory.lease = Some(Held { id, attached: false });
            return ClientCommand::Lease(LeaseCommand::Grant { ttl_s: ttl_s.cast_signed(), id });
        };
        if !held.attached {
            self.memory.lease = Some(Held { attached: true, ..held });
            return ClientCommand::Put(Put { lease: held.id, ..self.put(mix, zipf) });
        }
        match self.stream.below(8) {
            0 => {
                self.memory.lease = None;
                ClientCommand::Lease(LeaseCommand::Revoke { id: held.id })
            }
            1 => {
                // Nobody keeps it alive from now on.
                self.memory.lease = None;
                ClientCommand::Lease(LeaseCommand::TimeToLive { id: held.id, keys: true })
            }
            _ => ClientCommand::Lease(LeaseCommand::KeepAlive { id: held.id, once: true }),
        }
    }

    /// The newest revision that it saw, or one before.
    fn before_now(&mut self) -> i64 {
        let behind = match self.stream.below(4) {
            0 => 0,
            1 => self.stream.below(BEHIND / 10),
            _ => self.stream.below(BEHIND),
        };
        (self.memory.revision - behind.cast_signed()).max(1)
    }

    /// A request came back: the operation is tried again after a moment, or the session learns from
    /// the answer and thinks. Who is `careless` also sends again what may have taken effect.
    pub(super) fn came_back(
        &mut self,
        now_ns: u64,
        mix: &Mix,
        ended: &Ended,
        nodes: u32,
        careless: bool,
    ) {
        let Operation { request, command, .. } = &ended.operation;
        let is_unavailable = matches!(ended.answer.body, AnswerBody::Unavailable(_));
        if is_unavailable {
            self.memory.server = Node(self.memory.server.0 % nodes + 1);
        }
        let surely_did_nothing = ended.answer.certainty == Certainty::NotDone;
        let may_try = is_unavailable && (command.is_read() || surely_did_nothing || careless);
        let again_ns = now_ns + self.stream.within(BACKOFF);
        let trying = self.memory.trying.take();
        let again = trying.filter(|one| may_try && one.left > 0 && again_ns < one.deadline_ns);
        if let Some(trying) = again {
            let first = trying.tried.map_or(*request, |tried| tried.first);
            let tried = Some(Tried { first, outcome: ended.outcome });
            self.memory.trying = Some(Trying { tried, left: trying.left - 1, ..trying });
            self.next_ns = Some(again_ns);
            return;
        }
        if ended.outcome == Outcome::Acknowledged {
            self.learn(command, &ended.answer);
        } else {
            self.forget(command);
        }
        self.think(now_ns, mix);
    }

    /// Nobody will ever answer it.
    pub(super) fn abandon(&mut self, now_ns: u64, mix: &Mix) {
        if let Some(trying) = self.memory.trying.take() {
            self.forget(&trying.command);
        }
        self.think(now_ns, mix);
    }

    /// It has nothing under way and acts again after a while.
    fn think(&mut self, now_ns: u64, mix: &Mix) {
        self.next_ns = Some(now_ns + self.stream.within(mix.think).max(1));
    }

    fn learn(&mut self, command: &ClientCommand, answer: &Answer) {
        self.memory.revision = self.memory.revision.max(answer.revision.unwrap_or(0));
        if matches!(command, ClientCommand::Delete(_)) {
            self.memory.deleted = answer.revision.unwrap_or(0);
        }
        let AnswerBody::Etcd(reply) = &answer.body else { return };
        for (key, revision) in super::seen::of(command, reply) {
            if self.memory.seen.len() == SEEN_MAX && !self.memory.seen.contains_key(&key) {
                self.memory.seen.pop_first();
            }
            self.memory.seen.insert(key, revision);
        }
    }

    /// A lease that was refused is not held.
    fn forget(&mut self, command: &ClientCommand) {
        let is_about_lease = matches!(command, ClientCommand::Lease(_))
            || matches!(command, ClientCommand::Put(put) if put.lease != 0);
        if is_about_lease {
            self.memory.lease = None;
        }
    }
}

fn is_of_past(name: &str) -> bool {
    matches!(name, "old" | "compact")
}
