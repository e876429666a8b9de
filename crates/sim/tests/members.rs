//! Members come and go while the cluster runs.
#![cfg(not(target_arch = "wasm32"))]

mod support;

use sim::World;
use sim::scenario::{Node, SECOND_NS};
use support::{command, run_for, typed, world};

fn done(world: &mut World, line: &str) -> String {
    let answer = typed(world, line);
    assert_eq!(answer.error, None, "{line}");
    answer.output
}

/// Four machines, three of them members, long enough in touch for a change: etcd wants 5 s.
fn with_a_spare() -> World {
    let mut world = world("cluster etcd nodes=4 members=3 seed=5\n");
    world.run_until(8 * SECOND_NS);
    world
}

#[test]
fn a_spare_machine_waits_until_it_is_added() {
    let mut world = with_a_spare();
    assert!(!world.machine(Node(4)).is_up());
    done(&mut world, "restart n4");
    run_for(&mut world, 1);
    assert!(!world.machine(Node(4)).is_up(), "nobody knows it");
}

#[test]
fn a_learner_joins_catches_up_and_is_promoted() {
    let mut world = with_a_spare();
    done(&mut world, "put before joining");
    let added = done(&mut world, "member add n4 --learner");
    assert!(added.contains("added to cluster"), "{added}");
    done(&mut world, "restart n4");
    run_for(&mut world, 5);
    let seen = done(&mut world, "on n4 get before --consistency=s");
    assert_eq!(seen, "before\njoining", "it has the log of the others");
    let members = done(&mut world, "member list");
    let is_learner = |line: &str| line.contains("//n4:2380") && line.ends_with("true");
    assert!(members.lines().any(is_learner), "{members}");
    let promoted = done(&mut world, "on leader member promote n4");
    assert!(promoted.contains("promoted"), "{promoted}");
    // Now two of the old three may go.
    done(&mut world, "move-leader n4");
    run_for(&mut world, 3);
    assert_eq!(world.leader(), Some(Node(4)));
}

#[test]
fn a_removed_member_stops_and_the_others_go_on() {
    let mut world = with_a_spare();
    let gone = (1..=3).map(Node).find(|node| world.leader() != Some(*node)).expect("a follower");
    done(&mut world, &format!("on leader member remove {gone}"));
    run_for(&mut world, 8);
    assert!(!world.machine(gone).is_up(), "it has learnt that it was removed");
    done(&mut world, "on leader put after removal");
    let members = done(&mut world, "on leader member list");
    assert_eq!(members.lines().count(), 2, "{members}");
}

#[test]
fn a_watch_tells_what_changes_and_survives_its_server() {
    let mut world = with_a_spare();
    done(&mut world, "on n2 watch a --prefix --prev-kv");
    run_for(&mut world, 1);
    done(&mut world, "put a1 one");
    done(&mut world, "put b1 'nothing to see'");
    run_for(&mut world, 1);
    done(&mut world, "crash n2");
    run_for(&mut world, 3);
    done(&mut world, "on n1 put a1 two");
    done(&mut world, "on n1 del a1");
    run_for(&mut world, 4);
    let watcher = world.clients().watchers().next().expect("there is one");
    let told: Vec<String> = watcher.latest.iter().map(sim::machine::print_event).collect();
    assert_eq!(told, ["PUT\na1\none", "PUT\na1\none\na1\ntwo", "DELETE\na1\ntwo\na1\n"]);
    assert_ne!(watcher.node, Node(2), "it has found another server");
}

#[test]
fn a_watch_below_the_compact_revision_ends_and_says_so() {
    let mut world = with_a_spare();
    for value in ["1", "2", "3"] {
        done(&mut world, &format!("put a {value}"));
    }
    done(&mut world, "compact 4");
    done(&mut world, "watch a --rev 2");
    run_for(&mut world, 1);
    let watcher = world.clients().watchers().next().expect("there is one");
    assert_eq!(watcher.ended.as_deref(), Some("compacted up to revision 4"));
}

#[test]
fn a_lease_that_is_kept_alive_lives_and_one_that_is_not_goes_with_its_keys() {
    let mut world = with_a_spare();
    done(&mut world, "lease grant 5 --id a");
    done(&mut world, "lease grant 5 --id b");
    done(&mut world, "put kept value --lease a");
    done(&mut world, "put lost value --lease b");
    done(&mut world, "lease keep-alive a");
    run_for(&mut world, 15);
    assert_eq!(done(&mut world, "get kept"), "kept\nvalue");
    assert_eq!(done(&mut world, "get lost"), "");
    let left = done(&mut world, "lease timetolive a --keys");
    assert!(left.starts_with("lease 000000000000000a granted with TTL(5s), remaining("), "{left}");
    assert!(left.ends_with(", attached keys([kept])"), "{left}");
    done(&mut world, "lease revoke a");
    run_for(&mut world, 3);
    assert_eq!(done(&mut world, "get kept"), "", "with the lease, whoever keeps it alive");
}

/// Seconds that the lease has left after its leader went away twenty seconds into its time.
fn left_after_a_crash(settings: &str) -> u64 {
    let mut world = world(&format!("cluster etcd nodes=3 seed=5 {settings}\n"));
    run_for(&mut world, 3);
    done(&mut world, "lease grant 60 --id a");
    run_for(&mut world, 20);
    done(&mut world, "crash leader");
    run_for(&mut world, 5);
    let told = done(&mut world, "lease timetolive a");
    let (_, left) = told.split_once("remaining(").expect("it is there");
    left.split_once("s)").and_then(|(left, _)| left.parse().ok()).expect("seconds")
}

#[test]
fn a_lease_begins_anew_with_a_new_leader_unless_its_time_is_checkpointed() {
    let (anew, noted) = (left_after_a_crash(""), left_after_a_crash("lease-checkpoint=2s"));
    assert!(anew > 50, "all of its time: {anew}");
    assert!((30..45).contains(&noted), "what was left: {noted}");
}

#[test]
fn transactions_compare_and_do_one_of_two_lists() {
    let mut world = with_a_spare();
    let txn = "txn if 'create(\"k\") = \"0\"' then 'put k first' else 'get k' 'put k second'";
    assert_eq!(done(&mut world, txn), "SUCCESS\n\nOK");
    assert_eq!(done(&mut world, txn), "FAILURE\n\nk\nfirst\n\nOK");
    assert_eq!(done(&mut world, "get k --print-value-only"), "second");
}

#[test]
fn a_removed_leader_answers_no_reads_while_the_last_member_leads() {
    let mut were_both_there = 0;
    for seed in 1..9 {
        let mut world = world(&format!("cluster etcd nodes=2 seed={seed} election=5\n"));
        world.run_until(8 * SECOND_NS);
        let removed = world.leader().expect("they have elected one");
        let last = Node(3 - removed.0);
        done(&mut world, &format!("on {last} member remove {removed}"));
        // Nothing holds the other back from an election.
        world.perform(command(&format!("cut {removed}->{last}")));
        while world.machine(removed).is_up() && world.leader() != Some(last) {
            world.step();
        }
        were_both_there += u32::from(world.machine(removed).is_up());
        typed(&mut world, &format!("on {last} put after removal"));
        typed(&mut world, &format!("on {removed} get after"));
        assert_eq!(world.checks().found().violations(), [], "seed {seed}");
    }
    assert!(were_both_there > 0, "the removed one lives on for a second");
}
