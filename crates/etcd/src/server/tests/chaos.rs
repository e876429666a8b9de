//! Whatever order messages, syncs and power cuts come in: what was acknowledged stays.
//!
//! Random schedules from fixed seeds. Messages are delivered out of order, twice or never, syncs
//! take any time, the power goes at any disk operation with any part of what was not synced. At the
//! end everything is healed, and every acknowledged write must be found at its own revision.
//!
//! `SEEDS=0..2500` runs others than the short portion; see docs/campaigns.md.

use std::collections::BTreeMap;
use std::ops::Range as Span;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

use super::lab::Lab;
use crate::request::{Range, Reply, Request, RequestId};
use crate::server::{Input, ServerEvent};

const STEPS: usize = 6000;
const KEYS: u32 = 3;

/// What a request must turn out to be.
enum Asked {
    Put {
        key: String,
        value: String,
    },
    /// A read that begins when `key` is known to be written at this revision.
    Get {
        key: String,
        at_least: i64,
    },
}

struct Chaos {
    lab: Lab,
    random: ChaCha8Rng,
    asked: BTreeMap<RequestId, Asked>,
    /// Acknowledged writes: key and revision to value.
    acknowledged: BTreeMap<(String, i64), String>,
    leaders: BTreeMap<u64, u64>,
    values: u32,
    cuts: usize,
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let lab = Lab::with(3, |config| {
            config.segment_bytes = 3000;
            config.pre_vote = seed.is_multiple_of(2);
            if seed % 4 == 1 {
                config.batch_limit = 3;
            }
            if !seed.is_multiple_of(3) {
                config.snapshot_count = 2;
                config.catch_up_entries = 1;
                config.max_wals = 2;
                config.max_snapshots = 2;
            }
        });
        Self {
            lab,
            random: ChaCha8Rng::seed_from_u64(seed),
            asked: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            leaders: BTreeMap::new(),
            values: 0,
            cuts: 0,
        }
    }

    fn below(&mut self, bound: u32) -> u32 {
        self.random.next_u32() % bound
    }

    fn node(&mut self) -> usize {
        usize::try_from(self.below(3)).unwrap()
    }

    fn step(&mut self) {
        match self.below(1000) {
            0..580 => self.network(),
            580..600 => self.stream(),
            600..780 => {
                let (node, syncs) = (self.node(), 1 + self.below(4));
                (0..syncs).for_each(|_| self.one_sync(node));
            }
            780..880 => self.one_tick(),
            880..990 => self.ask(),
            990..993 => self.cut(),
            993..996 => {
                let node = self.node();
                let operations = 1 + self.below(8);
                self.lab.machines[node].disk.arm_crash(operations);
            }
            _ => {
                let node = self.node();
                if !self.lab.cut_off.remove(&node) {
                    self.lab.cut_off.insert(node);
                }
            }
        }
        self.boot_some();
        self.take_answers();
        self.check_leaders();
    }

    /// One message arrives, not always the oldest; some never do, some twice.
    fn network(&mut self) {
        let in_flight = u32::try_from(self.lab.wire.len()).unwrap();
        if in_flight == 0 {
            return;
        }
        let chosen = usize::try_from(self.below(in_flight)).unwrap();
        let message = self.lab.wire.remove(chosen).unwrap();
        match self.below(20) {
            0 => return,
            1 => self.lab.wire.push_back(message.clone()),
            _ => {}
        }
        self.lab.wire.push_front(message);
        self.lab.deliver_one();
    }

    /// A snapshot arrives, or an answer to one, not always the oldest; some never do.
    fn stream(&mut self) {
        let in_flight = u32::try_from(self.lab.streams.len()).unwrap();
        if in_flight == 0 {
            return;
        }
        let chosen = usize::try_from(self.below(in_flight)).unwrap();
        let stream = self.lab.streams.remove(chosen).unwrap();
        if self.below(10) > 0 {
            self.lab.streams.push_front(stream);
            self.lab.deliver_stream();
        }
    }

    fn one_sync(&mut self, node: usize) {
        if let Some(ticket) = self.lab.machines[node].syncs.pop_front() {
            self.lab.machines[node].disk.complete(ticket);
            self.lab.input(node, Input::Synced(ticket));
        }
    }

    fn one_tick(&mut self) {
        self.lab.now_ns += 30_000_000;
        let node = self.node();
        self.lab.input(node, Input::Tick);
    }

    fn ask(&mut self) {
        let (node, key) = (self.node(), format!("k{}", self.below(KEYS)));
        if self.below(3) == 0 {
            let newest = self.acknowledged.keys().filter(|(written, _)| *written == key);
            let at_least = newest.map(|(_, revision)| *revision).max().unwrap_or(0);
            let id = self.lab.ask(node, Request::get(key.clone()));
            self.asked.insert(id, Asked::Get { key, at_least });
        } else {
            self.values += 1;
            let value = format!("v{}", self.values);
            let id = self.lab.ask(node, Request::put(key.clone(), value.clone()));
            self.asked.insert(id, Asked::Put { key, value });
        }
    }

    fn cut(&mut self) {
        let node = self.node();
        self.cut_power(node);
    }

    /// Each part of what was not synced survives or not.
    fn cut_power(&mut self, node: usize) {
        let machine = &mut self.lab.machines[node];
        machine.server = None;
        machine.syncs.clear();
        let random = &mut self.random;
        let _report = machine.disk.crash(&mut |_| random.next_u32().is_multiple_of(2));
        let id = self.lab.configs[node].id;
        self.lab.wire.retain(|message| message.from != id);
        self.lab.streams.retain(|stream| stream.from() != id);
        self.cuts += 1;
    }

    /// Machines that died of an armed cut lose their power, and dark ones come back in time.
    fn boot_some(&mut self) {
        for node in 0..3 {
            if self.lab.machines[node].server.is_some() {
                continue;
            }
            if let Some(fatal) = self.lab.machines[node].died_of.take() {
                assert!(fatal.reason.contains("power lost"), "n{}: {fatal}", node + 1);
                self.cut_power(node);
            } else if self.below(200) == 0 {
                self.lab.boot(node);
            }
        }
    }

    fn take_answers(&mut self) {
        for (id, answer) in std::mem::take(&mut self.lab.answers) {
            let Some(asked) = self.asked.remove(&id) else { continue };
            let Ok(reply) = answer else { continue };
            match asked {
                Asked::Put { key, value } => {
                    let revision = reply.header().revision;
                    let other = self.acknowledged.insert((key, revision), value);
                    assert_eq!(other, None, "revision {revision} was given out twice");
                }
                Asked::Get { key, at_least } => {
                    let Reply::Range(reply) = reply else { panic!("a get answers a range") };
                    let found = reply.kvs.first().map_or(0, |kv| kv.mod_revision);
                    assert!(found >= at_least, "{key}: {found}, but {at_least} was acknowledged");
                }
            }
        }
    }

    /// One leader a term, ever.
    fn check_leaders(&mut self) {
        for node in self.lab.leaders() {
            let (term, id) = (self.lab.view(node).term(), self.lab.configs[node].id);
            let known = *self.leaders.entry(term).or_insert(id);
            assert_eq!(known, id, "two leaders in term {term}");
        }
    }

    /// Heals everything and looks for what was acknowledged.
    fn check_writes(&mut self) {
        self.lab.cut_off.clear();
        for node in 0..3 {
            // An armed cut that did not hit is still armed.
            self.cut_power(node);
            self.lab.boot(node);
        }
        let leader = self.lab.elect();
        self.lab.put(leader, "last", "v").unwrap();
        self.lab.ticks(5);
        assert_eq!(self.lab.hashes().len(), 1, "all servers agree");
        for ((key, revision), value) in std::mem::take(&mut self.acknowledged) {
            let range = Range { key: key.clone().into(), revision, ..Range::default() };
            let found = self.lab.call(leader, Request::Range(range));
            let found = super::lab::value(&found);
            assert_eq!(found, Some(value), "{key} at revision {revision}");
        }
    }
}

/// The seeds that the environment asks for, or a short portion.
fn seeds() -> Span<u64> {
    let Ok(text) = std::env::var("SEEDS") else { return 0..60 };
    let (from, to) = text.split_once("..").expect("SEEDS=FROM..TO");
    from.parse().expect("a number")..to.parse().expect("a number")
}

#[test]
fn acknowledged_writes_are_there_after_any_schedule() {
    let (mut cuts, mut acknowledged) = (0, 0);
    let (mut taken, mut installed) = (0, 0);
    let seeds = seeds();
    let count = usize::try_from(seeds.end - seeds.start).expect("a count");
    for seed in seeds {
        let mut chaos = Chaos::new(seed);
        for _ in 0..STEPS {
            chaos.step();
        }
        cuts += chaos.cuts;
        acknowledged += chaos.acknowledged.len();
        let events = chaos.lab.events.iter().map(|(_, event)| event);
        for event in events {
            taken += usize::from(matches!(event, ServerEvent::SnapshotSaved { .. }));
            installed += usize::from(matches!(event, ServerEvent::SnapshotInstalled { .. }));
        }
        chaos.check_writes();
    }
    println!("{taken} snapshots saved, {installed} installed");
    println!("{count} seeds: {cuts} power cuts, {acknowledged} acknowledged writes, none lost");
    assert!(taken > count, "{taken} snapshots were saved");
    assert!(installed > 0 || count < 200, "no member needed a snapshot");
    assert!(cuts > 2 * count, "power was cut {cuts} times");
    assert!(acknowledged > 5 * count, "{acknowledged} writes were acknowledged");
}
