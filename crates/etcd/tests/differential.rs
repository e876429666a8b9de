//! Random sequences of requests against our server and a real etcd, side by side in one life of
//! each: every answer is the same, field by field, and so is what a watch tells.
//!
//! `SEQUENCES=1..20001` chooses which; a sequence is what its number makes it, and starts from what
//! the ones before it left.

#![allow(
    clippy::unwrap_used,
    clippy::missing_assert_message,
    reason = "a test stops where it cannot go on; the comparison is the claim"
)]

mod real;

use std::ops::Range as Numbers;
use std::path::Path;

use bytes::Bytes;
use disk::Disk;
use etcd::request::{
    Compact, Compare, CompareResult, CompareTarget, DeleteRange, LeaseGrant, LeaseTimeToLive,
    Operation, Put, Range, Reply, Request, RequestError, RequestId, SortOrder, SortTarget, Txn,
    WatchCreate, WatchRequest, WatchResponse, WatchStreamId,
};
use etcd::server::{Effects, Input, Phase, Server, ServerConfig};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};
use real::{RealEtcd, gateway};
use serde_json::{Value, json};

const OPERATIONS: u64 = 12;
const STREAM: WatchStreamId = WatchStreamId(1);

fn sequences() -> Numbers<u64> {
    let Ok(text) = std::env::var("SEQUENCES") else { return 1..1_001 };
    let (from, to) = text.split_once("..").expect("SEQUENCES=FROM..TO");
    from.parse().unwrap()..to.parse().unwrap()
}

/// Our server alone on its disk, whose syncs take no time.
struct Ours {
    server: Server,
    disk: Disk,
    now_ns: u64,
    next_id: u64,
    watched: Vec<WatchResponse>,
}

impl Ours {
    fn start() -> Ours {
        let config = ServerConfig {
            version: "3.4.23".parse().unwrap(),
            ..ServerConfig::for_cluster(&["n1"], "differential").remove(0)
        };
        let server = Server::new(config, 1);
        let disk = Disk::new(1 << 34);
        let mut ours = Ours { server, disk, now_ns: 0, next_id: 1, watched: Vec::new() };
        ours.feed(Input::Boot);
        for _ in 0..100 {
            ours.tick();
        }
        assert_eq!(ours.server.view().phase(), Phase::Serving);
        ours
    }

    fn tick(&mut self) -> Vec<(RequestId, Result<Reply, RequestError>)> {
        self.now_ns += 100_000_000;
        self.feed(Input::Tick)
    }

    /// One input, and every sync that comes of it.
    fn feed(&mut self, input: Input) -> Vec<(RequestId, Result<Reply, RequestError>)> {
        let mut inputs = std::collections::VecDeque::from([input]);
        let mut replies = Vec::new();
        while let Some(input) = inputs.pop_front() {
            let mut effects = Effects::default();
            self.server.step(self.now_ns, input, &mut self.disk, &mut effects).unwrap();
            for ticket in self.disk.take_issued() {
                self.disk.complete(ticket);
                inputs.push_back(Input::Synced(ticket));
            }
            replies.extend(effects.replies);
            let told = effects.watch.len();
            self.watched.extend(effects.watch.into_iter().map(|(_, response)| response));
            if told > 0 {
                let request = WatchRequest::Taken { responses: told };
                inputs.push_back(Input::Watch { stream: STREAM, request });
            }
        }
        replies
    }

    fn call(&mut self, request: &Request) -> Result<Reply, RequestError> {
        let id = RequestId(self.next_id);
        self.next_id += 1;
        let mut replies = self.feed(Input::Request { id, request: request.clone() });
        for _ in 0..200 {
            if let Some((_, answer)) = replies.drain(..).find(|(of, _)| *of == id) {
                return answer;
            }
            replies = self.tick();
        }
        panic!("no answer to {request:?}");
    }

    /// Watches everything from a revision on.
    fn watch(&mut self, revision: i64) {
        self.feed(Input::Watch { stream: STREAM, request: WatchRequest::Close });
        self.watched.clear();
        let request = WatchRequest::Create(WatchCreate {
            key: Bytes::from_static(b"\0"),
            range_end: Bytes::from_static(b"\0"),
            start_revision: revision,
            prev_kv: true,
            ..WatchCreate::default()
        });
        self.feed(Input::Watch { stream: STREAM, request });
    }

    fn events(&mut self) -> Vec<Value> {
        for _ in 0..5 {
            self.tick();
        }
        self.watched.iter().flat_map(gateway::events).collect()
    }
}

/// What a sequence asks.
struct Draw {
    rng: ChaCha8Rng,
    revision: i64,
    leases: i64,
}

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }

    fn key(&mut self) -> Bytes {
        if self.chance(60) { Bytes::new() } else { Bytes::from(format!("k{}", self.below(12))) }
    }

    fn value(&mut self) -> Bytes {
        if self.chance(20) { Bytes::new() } else { Bytes::from(format!("v{}", self.below(1_000))) }
    }

    fn range_end(&mut self) -> Bytes {
        match self.below(6) {
            0 => Bytes::from_static(b"\0"),
            1 => Bytes::from(format!("k{}", self.below(12))),
            2 => Bytes::from_static(b"l"),
            _ => Bytes::new(),
        }
    }

    fn around(&mut self, middle: i64) -> i64 {
        (middle + self.below(12).cast_signed() - 9).max(0)
    }

    fn lease(&mut self) -> i64 {
        if self.chance(3) { 1 + self.below(12).cast_signed() } else { 0 }
    }

    fn put(&mut self) -> Put {
        let (ignore_value, ignore_lease) = (self.chance(12), self.chance(12));
        let keeps_value = self.chance(4);
        Put {
            key: self.key(),
            value: if ignore_value && !keeps_value { Bytes::new() } else { self.value() },
            lease: if ignore_lease && !keeps_value { 0 } else { self.lease() },
            prev_kv: self.chance(2),
            ignore_value,
            ignore_lease,
        }
    }

    fn range(&mut self) -> Range {
        let revision = self.revision;
        let bound = |draw: &mut Self| if draw.chance(10) { draw.around(revision) } else { 0 };
        Range {
            key: self.key(),
            range_end: self.range_end(),
            limit: if self.chance(3) { self.below(5).cast_signed() } else { 0 },
            revision: if self.chance(3) { self.around(revision) } else { 0 },
            sort_order: [SortOrder::None, SortOrder::Ascend, SortOrder::Descend]
                [usize::try_from(self.below(3)).unwrap()],
            sort_target: [
                SortTarget::Key,
                SortTarget::Version,
                SortTarget::Create,
                SortTarget::Mod,
                SortTarget::Value,
            ][usize::try_from(self.below(5)).unwrap()],
            serializable: self.chance(3),
            keys_only: self.chance(5),
            count_only: self.chance(6),
            min_mod_revision: bound(self),
            max_mod_revision: bound(self),
            min_create_revision: bound(self),
            max_create_revision: bound(self),
        }
    }

    fn delete(&mut self) -> DeleteRange {
        DeleteRange { key: self.key(), range_end: self.range_end(), prev_kv: self.chance(2) }
    }

    fn compare(&mut self) -> Compare {
        let results = [
            CompareResult::Equal,
            CompareResult::Greater,
            CompareResult::Less,
            CompareResult::NotEqual,
        ];
        let revision = self.revision;
        let target = match self.below(5) {
            0 => CompareTarget::Version(self.below(4).cast_signed()),
            1 => CompareTarget::Create(self.around(revision)),
            2 => CompareTarget::Mod(self.around(revision)),
            3 => CompareTarget::Value(self.value()),
            _ => CompareTarget::Lease(self.lease()),
        };
        let range_end = if self.chance(4) { self.range_end() } else { Bytes::new() };
        let result = results[usize::try_from(self.below(4)).unwrap()];
        Compare { key: self.key(), range_end, result, target }
    }

    /// No deletion of all keys from one on: followed by a put that keeps something, it is let in by
    /// the real server, which then stops. Ours does so too; that ends the comparison.
    fn delete_in_txn(&mut self) -> DeleteRange {
        let mut delete = self.delete();
        if &delete.range_end[..] == b"\0" {
            delete.range_end = Bytes::from_static(b"l");
        }
        delete
    }

    fn txn(&mut self, depth: u32) -> Txn {
        let operations = |draw: &mut Self| {
            let count = draw.below(4);
            (0..count).map(|_| draw.operation(depth)).collect::<Vec<_>>()
        };
        let (success, failure) = (operations(self), operations(self));
        let compares = self.below(3);
        Txn { compares: (0..compares).map(|_| self.compare()).collect(), success, failure }
    }

    fn operation(&mut self, depth: u32) -> Operation {
        match self.below(7) {
            0..=2 => Operation::Put(self.put()),
            3 | 4 => Operation::Range(self.range()),
            5 if depth > 0 => Operation::Txn(self.txn(depth - 1)),
            _ => Operation::DeleteRange(self.delete_in_txn()),
        }
    }

    fn request(&mut self) -> Request {
        match self.below(20) {
            7..=9 => Request::Range(self.range()),
            10 | 11 => Request::DeleteRange(self.delete()),
            12..=15 => Request::Txn(self.txn(1)),
            16 => {
                self.leases += 1;
                Request::LeaseGrant(LeaseGrant {
                    ttl: 10_000,
                    id: 1 + self.below(12).cast_signed(),
                })
            }
            17 => match self.below(3) {
                0 => Request::LeaseRevoke { id: 1 + self.below(12).cast_signed() },
                1 => Request::Leases,
                _ => {
                    let id = 1 + self.below(12).cast_signed();
                    Request::LeaseTimeToLive(LeaseTimeToLive { id, keys: true })
                }
            },
            18 => {
                let revision = self.around(self.revision - 5);
                Request::Compact(Compact { revision, physical: true })
            }
            _ => Request::Put(self.put()),
        }
    }
}

/// A time to live is what is left of it: both sides' clocks run on their own.
fn without_time(mut answer: Value) -> Value {
    if answer.get("grantedTTL").is_some() {
        answer.as_object_mut().unwrap().remove("TTL");
    }
    answer
}

#[test]
fn every_answer_is_that_of_a_real_server() {
    if !real::is_there() {
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("differential");
    let (mut real, mut ours) = (RealEtcd::start(&folder), Ours::start());
    let mut answers = 0_u64;
    for number in sequences() {
        let revision = ours.server.view().store().unwrap().revision();
        let mut draw = Draw { rng: ChaCha8Rng::seed_from_u64(number), revision, leases: 0 };
        let start = revision + 1;
        ours.watch(start);
        let create = json!({ "create_request": {
            "key": "AA==", "range_end": "AA==", "start_revision": start.to_string(), "prev_kv": true,
        }});
        let mut stream = (number % 10 == 0).then(|| real.stream("/v3/watch", &create.to_string()));
        for step in 0..OPERATIONS {
            let request = draw.request();
            let (path, body) = gateway::request(&request);
            let theirs = gateway::theirs(real.call(path, &body.to_string()));
            let mine = gateway::answer(&ours.call(&request));
            assert_eq!(
                without_time(mine),
                without_time(theirs),
                "sequence {number}, step {step}: {path} {body}"
            );
            draw.revision = ours.server.view().store().unwrap().revision();
            answers += 1;
        }
        if let Some(stream) = &mut stream {
            compare_events(number, stream, &ours.events());
        }
    }
    println!("{answers} answers compared");
}

/// The stream tells the same events; it is read until it has told as many.
fn compare_events(number: u64, stream: &mut real::Stream, mine: &[Value]) {
    let mut theirs = Vec::new();
    while theirs.len() < mine.len() {
        let response = stream.next();
        let result = &response["result"];
        assert!(result.get("canceled").is_none(), "sequence {number}: {response}");
        theirs.extend(result["events"].as_array().cloned().unwrap_or_default());
    }
    assert_eq!(mine, theirs, "sequence {number}: what the watch told");
}
