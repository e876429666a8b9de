//! Random schedules of everything that may happen to a group, with the promises checked after each
//! event. The short portion runs with the tests; the long one is
//!
//! ```text
//! EXPLORE=0..100000 cargo test --release -p quorarium-raft --test it exploration -- --nocapture
//! ```
//!
//! A seed that fails is run alone by `EXPLORE=17..18`.

use std::ops::Range;

use crate::explore::{Bug, World};

const EVENTS: u32 = 1500;

/// The seeds that the environment asks for, or a short portion.
fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("EXPLORE") else { return 0..150 };
    let (from, to) = text.split_once("..").expect("EXPLORE=FROM..TO");
    from.parse().unwrap()..to.parse().unwrap()
}

fn run(seed: u64, bug: Option<Bug>) -> World {
    let mut world = World::new(seed, bug);
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
        let mut world = run(seed, None);
        world.heal(40);
        committed += world.committed();
        led += u64::from(world.leader().is_some());
    }
    assert!(committed as u64 > 5 * count, "the schedules did something: {committed} entries");
    assert!(led * 10 >= count * 9, "healed groups have leaders: {led} of {count}");
}

/// The first seed whose schedule raises an alarm with the bug switched on.
fn finds(bug: Bug) -> Option<u64> {
    (0..400).find(|seed| std::panic::catch_unwind(|| drop(run(*seed, Some(bug)))).is_err())
}

#[test]
fn every_bug_raises_an_alarm() {
    for bug in [
        Bug::CommitByCounting,
        Bug::VoteNotPersisted,
        Bug::NoUpToDateCheck,
        Bug::AcknowledgeBeforeSync,
        Bug::SnapshotWithoutConfiguration,
        Bug::HeartbeatCommit,
    ] {
        let seed = finds(bug);
        assert!(seed.is_some(), "{bug:?} is not noticed by any schedule");
        println!("{bug:?}: seed {seed:?}");
    }
}
