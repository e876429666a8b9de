//! Single kinds of faults: what each does to messages, processes, clocks and disks, and what the
//! cluster makes of it.
#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for one kind of event")]

mod support;

use sim::check::Promise;
use sim::machine::Message;
use sim::network::LossReason;
use sim::scenario::{MILLISECOND_NS, SECOND_NS};
use sim::trace::{Record, TraceEvent};
use sim::{Node, World};
use support::{command, conditions, run_for, world};

const LOAD: &str = "0s load put key=k/{0..9} value=60B rate=50/s\n";

/// A cluster under load with these lines, and everything that happened until a time.
fn told(head: &str, lines: &str, until_s: u64) -> (World, Vec<Record>) {
    let mut world = world(&format!("cluster etcd {head}\n{LOAD}{lines}"));
    let records = run_on(&mut world, until_s * SECOND_NS);
    (world, records)
}

fn run_on(world: &mut World, until_ns: u64) -> Vec<Record> {
    let mut records = Vec::new();
    while world.next_event_ns().is_some_and(|next_ns| next_ns <= until_ns) {
        world.step();
        records.extend(world.trace().of_event(world.event()).into_iter().cloned());
    }
    records
}

/// When messages of a link arrived, with their numbers.
fn arrivals(records: &[Record], from: u32, to: u32) -> Vec<(u64, u64)> {
    let of_link = |record: &Record| match record.what {
        TraceEvent::Delivered { flight, from: one, to: other }
            if (one, other) == (Node(from), Node(to)) =>
        {
            Some((record.at_ns, flight))
        }
        _ => None,
    };
    records.iter().filter_map(of_link).collect()
}

fn within(arrivals: &[(u64, u64)], from_ms: u64, until_ms: u64) -> Vec<(u64, u64)> {
    let span = from_ms * MILLISECOND_NS..until_ms * MILLISECOND_NS;
    arrivals.iter().copied().filter(|(at_ns, _)| span.contains(at_ns)).collect()
}

fn deaths(records: &[Record]) -> Vec<String> {
    let death = |record: &Record| match &record.what {
        TraceEvent::Died(_, reason) => Some(reason.clone()),
        _ => None,
    };
    records.iter().filter_map(death).collect()
}

/// Losses of messages that found a full queue, and reports that a peer cannot be reached.
fn full_queues(records: &[Record]) -> (usize, usize) {
    let full = |record: &&Record| {
        matches!(record.what, TraceEvent::Lost { reason: LossReason::QueueFull, .. })
    };
    let told = |record: &&Record| matches!(record.what, TraceEvent::Unreachable(..));
    (records.iter().filter(full).count(), records.iter().filter(told).count())
}

#[test]
fn a_full_queue_drops_and_the_peer_is_reported_unreachable() {
    let head = "nodes=3 seed=4 tick=1ms election=100";
    for fault in ["2s clog n1<->n2\n2s clog n2<->n3\n", "2s pause n2\n"] {
        let (_, before) = told(head, fault, 3);
        assert_eq!(full_queues(&before).0, 0, "{fault}: there is room");
        let (_, records) = told(head, fault, 12);
        let (full, reported) = full_queues(&records);
        assert!(full > 0 && reported > 0, "{fault}: {full} lost, {reported} reports");
    }
}

#[test]
fn a_fault_of_a_disk_names_its_file_in_one_way_and_excuses_nothing_if_there_is_none() {
    let (flipped, _) = told("nodes=3 seed=4", "2s flip n2 wal 0x40\n", 3);
    assert!(flipped.faults_fired().contain("flip"), "`wal` is the newest segment");
    let lines = "2s flip n2 nosuch 5\n2s disk forget n2 nosuch 0\n";
    let (missed, _) = told("nodes=3 seed=4", lines, 3);
    assert!(!missed.faults_fired().contain("flip"), "there is no such file");
    assert!(missed.faults_drawn().contain("flip"), "it was in play all the same");
}

#[test]
fn a_clog_holds_messages_and_lets_them_go_in_their_order() {
    let lines = "3s clog n1->n2\n4s unclog n1->n2\n";
    let (world, records) = told("nodes=3 seed=2", lines, 6);
    let arrivals = arrivals(&records, 1, 2);
    assert!(within(&arrivals, 3_010, 4_000).is_empty(), "nothing passes");
    let released = within(&arrivals, 4_000, 4_020);
    assert!(released.len() > 5, "{released:?}");
    assert!(world.faults_fired().contain("clog"));
    let lost = records.iter().filter(|record| matches!(record.what, TraceEvent::Lost { .. }));
    assert_eq!(lost.count(), 0, "none is lost");
}

#[test]
fn a_cut_one_way_lets_the_other_way_pass() {
    let (world, records) = told("nodes=3 seed=2", "3s cut n1->n2\n5s mend\n", 7);
    let (there, back) = (arrivals(&records, 1, 2), arrivals(&records, 2, 1));
    assert!(within(&there, 3_010, 5_000).is_empty(), "cut");
    assert!(!within(&back, 3_010, 5_000).is_empty(), "whole");
    assert!(!within(&there, 5_010, 7_000).is_empty(), "mended");
    assert!(world.faults_fired().contain("cut"));
}

#[test]
fn a_cut_reports_the_peer_unreachable_and_loss_does_not() {
    let unreachable = |lines: &str| {
        let (_, records) = told("nodes=3 seed=2", lines, 5);
        let told = |record: &&Record| matches!(record.what, TraceEvent::Unreachable(..));
        records.iter().filter(told).count()
    };
    assert!(unreachable("3s cut n1<->n2\n") > 0);
    assert_eq!(unreachable("3s loss 50%\n"), 0);
}

#[test]
fn rules_are_about_kinds_of_messages() {
    let (_, records) = told("nodes=3 seed=2", "3s loss 100% kinds=heartbeat\n", 6);
    let late = records.iter().filter(|record| record.at_ns > 3 * SECOND_NS);
    let (mut heartbeats, mut others) = (0, 0);
    for record in late {
        if let TraceEvent::Sent { message: Message::Etcd(message), .. } = &record.what {
            let is_heartbeat = message.msg_type == raft::MessageType::Heartbeat;
            if is_heartbeat { heartbeats += 1 } else { others += 1 }
        }
    }
    assert_eq!(heartbeats, 0, "all are lost");
    assert!(others > 100, "{others}");
}

#[test]
fn a_doubled_message_arrives_twice_and_harms_nothing() {
    let (world, records) = told("nodes=3 seed=2", "3s duplicate 100% kinds=append\n", 6);
    let sent = |what: &TraceEvent| matches!(what, TraceEvent::Sent { .. });
    let before = records.iter().filter(|one| one.at_ns < 3 * SECOND_NS && sent(&one.what)).count();
    let after = records.iter().filter(|one| one.at_ns > 3 * SECOND_NS && sent(&one.what)).count();
    assert!(after > before, "{after} after {before}");
    assert_eq!(conditions(&world), "uuu");
    assert!(world.faults_fired().contain("duplicate"));
}

#[test]
fn order_is_kept_until_a_rule_breaks_it() {
    let overtaken = |lines: &str| {
        let (_, records) = told("nodes=3 seed=2 latency=1ms..9ms", lines, 8);
        let kinds = |kind| {
            let of_kind = |record: &Record| match &record.what {
                TraceEvent::Sent { flight, message: Message::Etcd(message), .. } => {
                    (message.msg_type == kind).then_some(*flight)
                }
                _ => None,
            };
            records.iter().filter_map(of_kind).collect::<std::collections::BTreeSet<u64>>()
        };
        let appends = kinds(raft::MessageType::App);
        let order = arrivals(&records, 1, 2).into_iter().map(|(_, flight)| flight);
        let order: Vec<u64> = order.filter(|flight| appends.contains(flight)).collect();
        assert!(order.len() > 50, "n1 leads: {}", order.len());
        order.windows(2).filter(|pair| pair[0] > pair[1]).count()
    };
    assert_eq!(overtaken(""), 0);
    assert!(overtaken("3s reorder 30% by 50ms\n") > 5);
}

#[test]
fn one_message_is_held_and_delivered_by_hand() {
    let mut world = world(&format!("cluster etcd nodes=3 seed=2\n{LOAD}"));
    world.run_until(3 * SECOND_NS);
    let flight = loop {
        world.step();
        if let Some((flight, _)) = world.network().flights().next() {
            break flight;
        }
    };
    world.perform(command(&format!("hold message={flight}")));
    run_for(&mut world, 2);
    let held = world.network().flights().find(|(id, _)| *id == flight).expect("it waits");
    assert!(held.1.is_held());
    world.perform(command("deliver"));
    let at_ns = world.now_ns() + 3;
    let records = run_on(&mut world, at_ns);
    let arrives = |record: &Record| match record.what {
        TraceEvent::Delivered { flight: other, .. } => other == flight,
        _ => false,
    };
    assert!(records.iter().any(arrives), "{records:?}");
}

#[test]
fn a_paused_server_takes_what_waited_once_it_goes_on() {
    let (mut world, _) = told("nodes=3 seed=2", "3s pause n2\n", 8);
    assert!(world.machine(Node(2)).is_paused());
    let applied = |world: &World, node| world.status(Node(node)).expect("it is up").applied;
    assert!(applied(&world, 2) + 50 < applied(&world, 1), "it stands still");
    world.perform(command("resume n2"));
    run_for(&mut world, 1);
    assert!(applied(&world, 2) + 50 > applied(&world, 1), "it caught up");
    assert!(world.faults_fired().contain("pause"));
}

#[test]
fn a_killed_server_finds_what_it_wrote_in_the_cache() {
    let lines = "3s kill n2\n3.1s expect failed n2\n4s restart n2\n6s expect up n2\n";
    let (world, records) = told("nodes=3 seed=2 sync=20ms", lines, 7);
    assert!(world.judgements().iter().all(|judgement| judgement.ok == Some(true)));
    assert_eq!(deaths(&records), ["signal: killed"]);
    let cuts = records.iter().filter(|one| matches!(one.what, TraceEvent::PowerCut { .. }));
    assert_eq!(cuts.count(), 0, "the machine kept its power");
}

#[test]
fn a_fast_clock_ticks_more_often() {
    let (world, records) = told("nodes=3 seed=2", "2s skew n2 3/2\n", 12);
    let ticks = |node| {
        let its = |record: &&Record| {
            record.at_ns > 2 * SECOND_NS && record.what == TraceEvent::Ticked(Node(node))
        };
        records.iter().filter(its).count()
    };
    assert_eq!((ticks(1), ticks(2)), (100, 150));
    assert_eq!(world.machine(Node(2)).clock_ns(12 * SECOND_NS), 17 * SECOND_NS);
    assert!(world.faults_fired().contain("skew"));
}

#[test]
fn a_clock_that_jumps_back_harms_no_running_server() {
    let lines = "3s jump n1 -2s\n4s jump n2 +20s\n5s jump n3 -1h\n6s crash n3\n7s restart n3\n";
    let (world, records) = told("nodes=3 seed=2", lines, 12);
    assert_eq!(conditions(&world), "uuu");
    assert_eq!(deaths(&records), Vec::<String>::new());
}

#[test]
fn every_point_of_a_crash_is_reached_and_recovered_from() {
    for point in sim::fault::POINTS {
        let mut world = world(&format!(
            "cluster etcd nodes=3 seed=4 segment=4KiB snapshot-count=60 catch-up=10 \
             compaction-batch=5\n{LOAD}0s load mix clients=1 put=1 compact=1\n\
             2s crash all during {} torn\n3s crash leader\n4s restart all\n\
             4.5s isolate n2\n6.5s heal\n9s disarm all\n9s restart all\n",
            point.name
        ));
        for second in 0..5 {
            world.run_until((4 + second) * SECOND_NS);
            world.perform(command("restart all"));
        }
        world.run_until(15 * SECOND_NS);
        assert!(world.faults_fired().contain(point.fault), "{}", point.name);
        assert_eq!(conditions(&world), "uuu", "{}", point.name);
        assert!(world.leader().is_some(), "{}", point.name);
    }
}

#[test]
fn a_server_whose_sync_fails_dies_with_the_real_words() {
    let lines = "3s disk fail-sync n2\n4s crash n2\n5s restart n2\n";
    let (world, records) = told("nodes=3 seed=2", lines, 9);
    let words = "failed to save Raft hard state and entries: input/output error";
    assert_eq!(deaths(&records), [words]);
    assert_eq!(conditions(&world), "uuu");
    assert!(world.faults_fired().contain("disk fail-sync"));
}

#[test]
fn a_server_without_space_dies_when_it_needs_some() {
    let lines = "3s disk full n2\n12s disk mend n2\n12s restart n2\n";
    let (world, records) = told("nodes=3 seed=2 segment=8KB", lines, 16);
    let deaths = deaths(&records);
    assert!(deaths.len() == 1 && deaths[0].contains("no space left on device"), "{deaths:?}");
    assert_eq!(conditions(&world), "uuu");
    assert!(world.faults_fired().contain("disk full"));
}

#[test]
fn a_server_that_cannot_read_its_log_dies_and_says_so() {
    let lines = "3s disk bad-sector n2 wal 0\n3s crash n2\n4s restart n2\n6s disk mend n2\n\
                 6s restart n2\n";
    let (world, records) = told("nodes=3 seed=2", lines, 10);
    let deaths = deaths(&records);
    assert!(deaths.len() == 1 && deaths[0].contains("input/output error"), "{deaths:?}");
    assert_eq!(conditions(&world), "uuu");
    assert!(world.faults_fired().contain("disk bad-sector"));
}

#[test]
fn a_fault_excuses_a_server_s_death_until_its_disk_is_mended_and_a_lost_page_for_good() {
    let without_reason = |fault: &str| {
        let lines = format!(
            "0s bug segment-name-not-synced\n1s {fault}\n1.001s disk mend n2\n\
             5s crash n2 nameless\n6s restart n2\n"
        );
        let (world, records) = told("nodes=3 seed=2 segment=4KiB", &lines, 9);
        let deaths = deaths(&records);
        assert!(deaths.len() == 1, "it dies of the segment that it lost: {deaths:?}");
        world.checks().found().is_broken(Promise::Fatal)
    };
    assert!(without_reason("disk full n2"));
    assert!(without_reason("disk fail-sync n2 5"));
    assert!(!without_reason("disk lie n2 1"));
}

#[test]
fn a_sync_that_lied_is_found_out_by_a_power_cut() {
    let lines = "3s disk lie n2 100\n4s crash n2 flushed\n4.5s disk mend n2\n";
    let (mut world, _) = told("nodes=3 seed=2", lines, 5);
    assert!(world.faults_fired().contain("disk lie"));
    let before = world.machine(Node(2)).last_status().last_index;
    world.perform(command("isolate n2"));
    world.perform(command("restart n2"));
    run_for(&mut world, 1);
    let after = world.machine(Node(2)).last_status().last_index;
    assert!(after < before, "{after} of {before} are left");
}

#[test]
fn a_wiped_member_that_starts_again_stops_as_the_real_one_does() {
    let (world, records) = told("nodes=3 seed=2", "3s wipe n2\n4s restart n2\n", 8);
    assert_eq!(conditions(&world), "ufu");
    let deaths = deaths(&records);
    assert!(deaths[0].ends_with("has already been bootstrapped"), "{deaths:?}");
}

#[test]
fn a_slow_disk_makes_a_slow_server() {
    let (mut world, _) = told("nodes=1 seed=2", "3s load stop\n3s disk slow n1 700ms\n", 4);
    world.perform(command("put a 1"));
    run_for(&mut world, 3);
    let ended = world.clients().ended().next_back().expect("it ended");
    assert!(ended.at_ns - ended.operation.started_ns > 700 * MILLISECOND_NS);
    assert!(world.faults_fired().contain("disk slow"));
}

#[test]
fn partitions_of_all_kinds_show_in_who_hears_whom() {
    let mut world = world("cluster etcd nodes=5 seed=1\n");
    let hears = |world: &World| -> Vec<usize> {
        let node = |number| Node(number);
        (1..=5)
            .map(|one| {
                (1..=5).filter(|other| world.network().connected(node(*other), node(one))).count()
            })
            .collect()
    };
    for (line, expected) in [
        ("bridge n3", [3, 3, 5, 3, 3]),
        ("heal bridge", [5; 5]),
        ("ring", [3; 5]),
        ("isolate n1", [1, 2, 3, 3, 2]),
        ("heal ring", [1, 4, 4, 4, 4]),
        ("partition n1 n2 | n3 n4 n5", [2, 2, 3, 3, 3]),
        ("heal", [5; 5]),
        ("cut n1", [1, 4, 4, 4, 4]),
        ("mend n1->n2", [1, 5, 4, 4, 4]),
        ("heal", [5; 5]),
    ] {
        world.run_until(world.now_ns() + SECOND_NS);
        world.perform(command(line));
        world.step();
        assert_eq!(hears(&world), expected, "{line}");
        if line == "heal" {
            assert_eq!(world.network().groups().len(), 1);
        }
    }
    run_for(&mut world, 8);
    assert!(world.leader().is_some(), "and serves again");
}
