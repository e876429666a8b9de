//! One client of a mixed load: what it does next, from what it saw before.
//!
//! A session does one operation at a time and stays with its server until one fails it; then it
//! asks the next. It remembers the last state that it saw of a few keys, so that its transactions
//! compare with something, and holds at most one lease.

use ordered::Map;

use serde::{Deserialize, Serialize};

use super::zipf::Zipf;
use crate::machine::{Answer, AnswerBody};
use crate::rng::{Consumer, Stream};
use crate::scenario::{
    ClientCommand, Compare, CompareResult, CompareTarget, Delete, Get, KeyPattern, Keys,
    LeaseCommand, Mix, Node, Put, Txn, TxnRequest, Weights,
};
use crate::view::Outcome;

/// Keys whose last state a session remembers.
const SEEN_MAX: usize = 64;
/// Seconds to live of a session's leases: short, so that some expire within a run.
const LEASE_TTL_S: (u64, u64) = (2, 8);
/// A compaction leaves up to so many revisions below the newest that the session saw.
const COMPACT_BEHIND: u64 = 100;
/// Of so many deletions one is followed by a compaction right there: at a tombstone.
const COMPACTED_ONE_IN: u64 = 4;

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

    /// The server that it asks.
    pub(crate) fn server(&self) -> Node {
        self.memory.server
    }

    /// Its next operation.
    pub(crate) fn next(&mut self, mix: &Mix, zipf: &Zipf) -> ClientCommand {
        self.next_ns = None;
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
            "range" => ClientCommand::Get(Get { keys: mix.all_keys(), ..Get::default() }),
            "del" => {
                let keys = Keys::one(self.key(mix, zipf));
                ClientCommand::Delete(Delete { keys, prev_kv: true })
            }
            "txn" => ClientCommand::Txn(self.compare_and_put(mix, zipf)),
            "lease" => self.lease(mix, zipf),
            "compact" => ClientCommand::Compact { revision: self.compacted(), physical: false },
            name => unreachable!("{name} is no kind of operation"),
        }
    }

    /// A place in [`Weights::NAMES`]. Before anything was seen, nothing can be compacted.
    fn pick(&mut self, weights: Weights) -> usize {
        let all = weights.all();
        let total: u64 = all.iter().map(|weight| u64::from(*weight)).sum();
        let mut drawn = self.stream.below(total.max(1));
        for (place, weight) in all.iter().enumerate() {
            match drawn.checked_sub(u64::from(*weight)) {
                Some(rest) => drawn = rest,
                None if Weights::NAMES[place] == "compact" && self.memory.revision < 2 => return 1,
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

    /// Where it compacts: at the newest revision that it saw, or before.
    fn compacted(&mut self) -> i64 {
        let behind = match self.stream.below(4) {
            0 => 0,
            1 => self.stream.below(COMPACT_BEHIND / 10),
            _ => self.stream.below(COMPACT_BEHIND),
        };
        (self.memory.revision - behind.cast_signed()).max(1)
    }

    /// Its operation ended: it learns from the answer, and thinks until it acts again.
    pub(crate) fn ended(
        &mut self,
        now_ns: u64,
        mix: &Mix,
        command: &ClientCommand,
        outcome: Outcome,
        answer: &Answer,
        nodes: u32,
    ) {
        if outcome == Outcome::Acknowledged {
            self.learn(command, answer);
        } else {
            self.forget(command);
        }
        if matches!(answer.body, AnswerBody::Unavailable(_)) {
            self.memory.server = Node(self.memory.server.0 % nodes + 1);
        }
        self.think(now_ns, mix);
    }

    /// It has nothing under way and acts again after a while.
    pub(crate) fn think(&mut self, now_ns: u64, mix: &Mix) {
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
