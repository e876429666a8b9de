//! Random schedules of everything that may happen to a group, with the promises checked after each
//! event. The short portion runs with the tests; the long one is
//!
//! ```text
//! EXPLORE=0..100000 cargo test --release -p quorarium-raft --test it no_schedule -- --nocapture
//! ```
//!
//! A seed that fails is run alone by `EXPLORE=17..18`.
//!
//! Each promise is a check that some bug trips when it is switched on; the tests below insist on
//! it. Numbers in brackets are those of the project's list of bugs.
//!
//! | promise | tripped by |
//! |---|---|
//! | R1 one leader a term | vote not persisted (2) |
//! | R2 a leader only appends | the disk loses its tail under a leader |
//! | R3 same index and term, same prefix | the last entry on disk rots |
//! | R4 leaders have what was committed | no up-to-date check (3) |
//! | R5 one committed sequence | commit by counting (1), heartbeat tells the leader's commit |
//! | R6 every quorum knows what is committed | acknowledge before sync (4) |
//! | R7 committed and acknowledged is durable | acknowledge before sync (4) |
//! | R8 durable before told, one vote a term | vote not persisted (2) |
//! | R9 nothing goes back | acknowledge before sync (4) |
//! | R10 commit by an entry of the term | commit by counting (1) |
//! | R11 the leader's log is as new as its voters' | no up-to-date check (3) |
//! | C1 quorums of consecutive configurations intersect | change before commit (5), joint skipped |
//! | C2 changes wait for what was inherited | change before commit (5) |
//! | C3 no campaign with an unapplied change | told that it is applied too early |
//! | C4 learners never count | learners vote |
//! | C5 a snapshot has its index's configuration | snapshot without its configuration (16) |
//! | C6 removed servers depose nobody | removed server campaigns, quorum not checked (7) |

use std::collections::BTreeSet;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::explore::{Bug, Promise, World};

const EVENTS: u32 = 1500;

/// The seeds that the environment asks for, or a short portion.
fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("EXPLORE") else { return 0..150 };
    let (from, to) = text.split_once("..").expect("EXPLORE=FROM..TO");
    from.parse().unwrap()..to.parse().unwrap()
}

fn run(seed: u64) -> World {
    let mut world = World::new(seed, None);
    for _ in 0..EVENTS {
        world.act();
    }
    world
}

#[test]
fn no_schedule_breaks_a_promise() {
    let (mut committed, mut led) = (0, 0);
    let seeds = seeds();
    let count = seeds.end - seeds.start;
    for seed in seeds {
        let mut world = run(seed);
        world.heal(40);
        committed += world.committed();
        led += u64::from(world.leader().is_some());
    }
    assert!(committed as u64 > 5 * count, "the schedules did something: {committed} entries");
    assert!(led * 10 >= count * 9, "healed groups have leaders: {led} of {count}");
}

/// Promises that schedules with the bug see broken, until all that it must trip are among them.
fn broken_by(bug: Bug) -> BTreeSet<Promise> {
    let mut broken = BTreeSet::new();
    for seed in 0..1000 {
        let mut world = World::new(seed, Some(bug));
        for _ in 0..EVENTS {
            // With the bug on, the core may find that its own invariants are gone.
            if catch_unwind(AssertUnwindSafe(|| world.act())).is_err() || world.is_dead() {
                break;
            }
        }
        broken.extend(world.broken());
        if bug.trips().iter().all(|promise| broken.contains(promise)) {
            println!("{bug:?}: {broken:?} after {} schedules", seed + 1);
            break;
        }
    }
    broken
}

#[test]
fn every_bug_breaks_its_promises() {
    for bug in Bug::ALL {
        let broken = broken_by(bug);
        for promise in bug.trips() {
            assert!(broken.contains(promise), "{bug:?} breaks {broken:?}, never {promise:?}");
        }
    }
}

#[test]
fn every_promise_is_broken_by_some_bug() {
    for promise in Promise::ALL {
        let mut bugs = Bug::ALL.into_iter().filter(|bug| bug.trips().contains(&promise));
        assert!(bugs.next().is_some(), "{promise:?} cannot fail");
    }
}
