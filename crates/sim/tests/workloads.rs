//! Mixed loads: sessions that do one thing after the other, whatever happens to their servers.
#![cfg(not(target_arch = "wasm32"))]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sim::World;
use sim::scenario::{ClientCommand, SECOND_NS};
use sim::trace::TraceEvent;
use sim::view::Outcome;
use support::{Store, command, run_for, world};

const MIXED: &str = "\
cluster etcd nodes=3 seed=11
1s load mix clients=6 key=k/{0..4} keys=zipf value=16B think=1ms..20ms
";

/// What clients asked and how it ended, by verb.
#[derive(Default)]
struct Tally {
    asked: BTreeMap<u64, (u32, &'static str)>,
    ended: BTreeMap<(&'static str, &'static str), u64>,
    under_way: BTreeMap<u32, u64>,
    busiest: u64,
}

impl Tally {
    fn of(world: &mut World, until_ns: u64) -> Tally {
        let mut tally = Tally::default();
        while world.now_ns() < until_ns {
            let event = world.step().expect("clocks go on for ever");
            for record in world.trace().of_event(event) {
                tally.take(&record.what);
            }
        }
        tally
    }

    fn take(&mut self, what: &TraceEvent) {
        if let TraceEvent::Requested { request, client, command, .. } = what {
            self.asked.insert(*request, (*client, command.verb()));
            let under_way = self.under_way.entry(*client).or_default();
            *under_way += 1;
            self.busiest = self.busiest.max(*under_way);
        }
        if let TraceEvent::Ended { request, outcome, .. } = what
            && let Some((client, verb)) = self.asked.get(request)
        {
            *self.under_way.entry(*client).or_default() -= 1;
            let outcome = match outcome {
                Outcome::Acknowledged => "acknowledged",
                Outcome::Failed => "failed",
                Outcome::Unknown => "unknown",
            };
            *self.ended.entry((verb, outcome)).or_default() += 1;
        }
    }

    fn count(&self, verb: &'static str, outcome: &'static str) -> u64 {
        self.ended.get(&(verb, outcome)).copied().unwrap_or(0)
    }
}

#[test]
fn every_kind_of_operation_is_done_one_at_a_time() {
    let mut world = world(MIXED);
    let tally = Tally::of(&mut world, 20 * SECOND_NS);
    for verb in ["put", "get", "del", "txn", "lease", "compact"] {
        assert!(tally.count(verb, "acknowledged") > 20, "{verb}: {:?}", tally.ended);
    }
    assert_eq!(tally.busiest, 1, "one operation a client at a time");
    let failed: u64 =
        tally.ended.iter().filter(|((_, how), _)| *how == "failed").map(|(_, n)| n).sum();
    assert!(failed > 0, "some compactions are of what is compacted: {:?}", tally.ended);
    assert!(tally.ended.keys().all(|(_, outcome)| *outcome != "unknown"), "{:?}", tally.ended);
}

#[test]
fn sessions_find_another_server_when_theirs_is_gone() {
    let mut world = world(MIXED);
    world.run_until(5 * SECOND_NS);
    world.perform(command("crash n2"));
    let tally = Tally::of(&mut world, 15 * SECOND_NS);
    assert!(tally.count("put", "acknowledged") > 50, "{:?}", tally.ended);
    // Reads also fail because what they ask for is compacted.
    let refused = tally.count("put", "failed") + tally.count("del", "failed");
    assert!(refused < 30, "nobody keeps asking a server that is down: {:?}", tally.ended);
}

/// Requests as a session sent them: what each asked for, which it tries again, and when.
fn requests(world: &mut World, until_ns: u64) -> Vec<(u64, Option<u64>, Arc<ClientCommand>, u64)> {
    let mut requests = Vec::new();
    while world.now_ns() < until_ns {
        let event = world.step().expect("clocks go on for ever");
        for record in world.trace().of_event(event) {
            if let TraceEvent::Requested { request, retry_of, command, .. } = &record.what {
                requests.push((*request, *retry_of, Arc::clone(command), record.at_ns));
            }
        }
    }
    requests
}

const REFUSED: &str = "\
cluster etcd nodes=3 seed=11
1s load mix clients=2 key=k/{0..4} value=16B think=200ms timeout=1s put=1 get=1
2s crash n2
2s crash n3
";

#[test]
fn a_refused_request_is_tried_again_at_the_next_server_within_the_operation_s_time() {
    let mut world = world(REFUSED);
    let sent = requests(&mut world, 12 * SECOND_NS);
    let by_request: BTreeMap<u64, _> = sent.iter().map(|one| (one.0, one)).collect();
    let retries: Vec<_> = sent.iter().filter(|one| one.1.is_some()).collect();
    assert!(retries.len() > 10, "two of three servers refuse: {}", retries.len());
    for (_, retry_of, command, at_ns) in retries {
        let first = by_request[&retry_of.expect("it is one")];
        assert_eq!(first.1, None, "retries name the operation's first request");
        assert_eq!(&first.2, command, "and ask for the same");
        assert!(*at_ns < first.3 + SECOND_NS, "in its time");
    }
}

#[test]
fn an_operation_counts_once_however_often_it_was_tried() {
    for retries in [0, 3] {
        let text = REFUSED.replace("timeout=1s", &format!("timeout=1s retries={retries}"));
        let mut world = world(&text);
        let sent = requests(&mut world, 12 * SECOND_NS);
        let operations = sent.iter().filter(|one| one.1.is_none()).count() as u64;
        let tried_again = sent.iter().any(|one| one.1.is_some());
        assert_eq!(tried_again, retries > 0);
        let ended = world.clients().operations();
        let all = ended.acknowledged + ended.failed + ended.unknown;
        let under_way = world.clients().all_pending().len() as u64;
        assert_eq!(all + under_way, operations, "{ended:?}");
    }
}

#[test]
fn a_write_that_may_have_happened_is_not_sent_again_but_by_the_bug() {
    let text = "\
cluster etcd nodes=3 seed=11
1s load mix clients=2 key=k/{0..4} value=16B think=20ms put=1
5s kill all
5.5s restart all
8s kill all
8.5s restart all
";
    let unknown_tried_again = |text: &str| {
        let mut world = world(text);
        let mut unknown = BTreeSet::new();
        let mut again = 0;
        while world.now_ns() < 12 * SECOND_NS {
            let event = world.step().expect("clocks go on for ever");
            for record in world.trace().of_event(event) {
                let what = &record.what;
                if let TraceEvent::Ended { request, outcome: Outcome::Unknown, .. } = what {
                    unknown.insert(*request);
                } else if let TraceEvent::Requested { retry_of: Some(first), .. } = what {
                    again += u64::from(unknown.contains(first));
                }
            }
        }
        assert!(!unknown.is_empty(), "servers went away with writes in hand");
        again
    };
    assert_eq!(unknown_tried_again(text), 0);
    let broken = text.replace("1s load", "0s bug retry-without-deduplication\n1s load");
    assert!(unknown_tried_again(&broken) > 0);
}

#[test]
fn an_operator_who_finds_nothing_to_do_lets_time_pass() {
    let mut world = world("cluster etcd nodes=3 seed=1\n2s load operator think=0s\n3s crash all\n");
    world.run_until(3 * SECOND_NS);
    let before = world.event();
    world.run_until(4 * SECOND_NS);
    assert!(world.event() - before < 2_000, "{} events in a dead second", world.event() - before);
}

#[test]
fn what_is_under_way_at_the_end_is_unknown_and_a_read_has_failed() {
    let lines = "4s partition n1 | n2 | n3\n6s put k v\n6s get k\n7s end\n";
    let mut world = world(&format!("cluster etcd nodes=3 seed=1\n{lines}"));
    world.run_until(7 * SECOND_NS);
    let (now, at_end) = (world.operations(), world.operations_at_end());
    assert_eq!((now.unknown, now.failed), (0, 0), "both are under way");
    assert_eq!((at_end.unknown, at_end.failed), (1, 1), "nobody will know");
}

#[test]
fn a_load_ends_after_its_count_or_its_time() {
    let text = MIXED.replace("think=1ms..20ms", "think=1ms..20ms put=1 count=40");
    let mut counted = world(&text);
    let tally = Tally::of(&mut counted, 10 * SECOND_NS);
    assert_eq!(tally.count("put", "acknowledged"), 40);
    assert_eq!(counted.clients().workloads().count(), 0, "it is over");
    let mut timed = world(&text.replace("count=40", "for=2s"));
    timed.run_until(4 * SECOND_NS);
    assert_eq!(timed.clients().workloads().count(), 0, "it is over");
}

#[test]
fn sessions_go_on_after_a_reload_as_if_memory_had_stayed() {
    let mut stayed = world(MIXED);
    let mut store = Store::default();
    stayed.run_until(6 * SECOND_NS);
    stayed.settle();
    store.follow(&mut stayed);
    let head = stayed.head();
    let mut resumed = World::resume(head, store.disks()).expect("the head fits the disks");
    for world in [&mut stayed, &mut resumed] {
        world.perform(command("reload"));
        run_for(world, 8);
    }
    assert_eq!(stayed.fingerprint(), resumed.fingerprint());
    assert!(stayed.clients().workloads().all(|mix| mix.begun > 100), "it went on");
}
