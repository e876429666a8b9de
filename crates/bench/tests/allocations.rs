//! What the consensus core may not allocate for. One test, since the counter is of the whole
//! program.

#![cfg(feature = "raft")]

use bench::shared::allocation::allocations;
use raft::{ConfState, Config, MemoryStorage, Randomness, RawNode, Ready};

struct Fixed;

impl Randomness for Fixed {
    fn below(&mut self, _bound: u32) -> u32 {
        0
    }
}

type Node = RawNode<MemoryStorage, Fixed>;

fn work(node: &mut Node, ready: &mut Ready) {
    while node.has_ready() {
        node.ready_into(ready).expect("the storage answers");
        node.storage_mut().append(&ready.entries).expect("entries follow one another");
        node.advance().expect("nothing is wrong");
    }
}

/// The fewest of several tries: the program that runs the test has a thread of its own.
fn fewest(mut act: impl FnMut()) -> u64 {
    let count = |_| {
        let before = allocations();
        act();
        allocations() - before
    };
    (0..16).map(count).min().expect("there were tries")
}

#[test]
fn status_and_the_steady_state_allocate_nothing_but_payloads() {
    let storage = MemoryStorage::with_conf_state(ConfState::of_voters([1]));
    let mut node = RawNode::new(Config::new(1), storage, Fixed).expect("it makes sense");
    let mut ready = Ready::default();
    node.campaign().expect("it may");
    work(&mut node, &mut ready);
    for _ in 0..64 {
        node.propose(vec![7; 100]).expect("it leads");
        work(&mut node, &mut ready);
    }

    let status = fewest(|| {
        let status = node.basic_status();
        assert_eq!((status.id, status.applied), (1, 65), "what it is");
        assert!(node.progress(1).is_some_and(|progress| progress.match_index == 65), "its own");
        assert!(node.members().all(|(id, progress)| id == 1 && !progress.is_learner), "of all");
        assert!(node.config().voters.contains(1), "the configuration");
        assert!(!node.has_ready(), "nothing to do");
    });
    assert_eq!(status, 0, "status is read where it is");

    let tick = fewest(|| {
        node.tick().expect("time may pass");
        work(&mut node, &mut ready);
    });
    assert_eq!(tick, 0, "so is a tick");

    // The bytes, and their count of handles when they are first shared.
    let propose = fewest(|| {
        node.propose(vec![7; 100]).expect("it leads");
        work(&mut node, &mut ready);
    });
    assert_eq!(propose, 2, "a proposal costs its payload");
}
