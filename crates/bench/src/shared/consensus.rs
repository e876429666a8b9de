//! The cases of consensus: what is done, how often, and what an operation is.

use super::allocation;
use super::cluster::{Cluster, Log, Setup};
use super::measure::{Effort, Measurement, blocks};

/// Which contender's options a run may use; each is a contender of its own in the report.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// See [`Setup::may_batch`].
    pub may_batch: bool,
}

/// Operations in a block of the small cases: shorter than the turns that a busy machine gives.
const BLOCK: u64 = 64;
/// Entries by which a follower lags, and in the log that is compacted.
const BEHIND: u64 = 100_000;
const MILLION: u64 = 1_000_000;

/// Runs all cases whose name contains `filter` and gives each result to `report`.
pub fn run<C: Cluster, L: Log>(
    filter: &str,
    options: Options,
    effort: Effort,
    mut report: impl FnMut(&Measurement),
) {
    let setup = |nodes| Setup { may_batch: options.may_batch, ..Setup::of(nodes) };
    let together = |cluster: &mut C, payload: &[u8]| cluster.propose_together(payload, 64);
    let mut case = |name: &str, run: &mut dyn FnMut(&str) -> Measurement| {
        // Batching of messages changes nothing where there is one message.
        if name.contains(filter) && (!options.may_batch || name.starts_with("batch64/")) {
            report(&run(name));
        }
    };
    for nodes in [3, 5] {
        for (bytes, label) in [(16, "16B"), (256, "256B"), (4096, "4KiB")] {
            case(&format!("propose/{label}/{nodes}-nodes"), &mut |name| {
                propose::<C>(name, setup(nodes), bytes, effort)
            });
        }
    }
    case("propose/256B-shared/3-nodes", &mut |name| {
        propose::<C>(name, Setup { shared_chunks: true, ..setup(3) }, 256, effort)
    });
    case("batch64/one-message/3-nodes", &mut |name| batches::<C>(name, setup(3), effort, together));
    case("batch64/one-message-shared/3-nodes", &mut |name| {
        let setup = Setup { shared_chunks: true, ..setup(3) };
        batches::<C>(name, setup, effort, together)
    });
    case("batch64/64-messages/3-nodes", &mut |name| {
        batches::<C>(name, setup(3), effort, |cluster, payload| {
            (0..64).for_each(|_| cluster.propose(payload));
        })
    });
    case("batch64/64-messages-coalesced/3-nodes", &mut |name| {
        let setup = Setup { may_batch: true, ..setup(3) };
        batches::<C>(name, setup, effort, |cluster, payload| {
            (0..64).for_each(|_| cluster.propose(payload));
        })
    });
    for nodes in [3, 5, 9] {
        case(&format!("heartbeat/{nodes}-nodes"), &mut |name| {
            heartbeats::<C>(name, setup(nodes), effort)
        });
    }
    for (pre_vote, label) in [(false, "plain"), (true, "pre-vote")] {
        case(&format!("election/{label}/3-nodes"), &mut |name| {
            elections::<C>(name, Setup { pre_vote, ..setup(3) }, effort)
        });
    }
    for (max_message_bytes, label) in [(64 << 10, "64KiB"), (1 << 20, "1MiB")] {
        case(&format!("catch-up/{label}-messages"), &mut |name| {
            catch_up::<C>(name, Setup { max_message_bytes, ..setup(3) }, effort)
        });
    }
    for (shared, label) in [(false, "own"), (true, "shared")] {
        case(&format!("log/append/{label}-payloads"), &mut |name| {
            append::<L>(name, shared, effort)
        });
    }
    for (count, label) in [(1_000, "1k"), (100_000, "100k")] {
        case(&format!("log/compact/{label}-of-1M"), &mut |name| compact::<L>(name, count, effort));
    }
}

/// A group with node 1 as leader and nothing left to do.
fn elected<C: Cluster>(setup: Setup, cut: Option<u64>) -> C {
    let mut cluster = C::start(setup);
    cluster.cut(cut);
    cluster.campaign(1);
    cluster.settle();
    assert!(cluster.is_leader(1), "node 1 was elected");
    cluster
}

/// One proposal at a time, until every node has applied it.
fn propose<C: Cluster>(case: &str, setup: Setup, bytes: usize, effort: Effort) -> Measurement {
    let payload = vec![7; bytes];
    let mut cluster: C = elected(setup, None);
    let before = cluster.applied(setup.nodes);
    let mut proposed = 0;
    let result = blocks(case, BLOCK, effort, &mut cluster, C::compact, |cluster| {
        for _ in 0..BLOCK {
            cluster.propose(&payload);
            cluster.settle();
        }
        proposed += BLOCK;
    });
    assert_eq!(cluster.applied(setup.nodes), before + proposed, "every proposal was applied");
    result
}

/// 64 proposals at a time; an operation is one proposal.
fn batches<C: Cluster>(
    case: &str,
    setup: Setup,
    effort: Effort,
    propose: impl Fn(&mut C, &[u8]),
) -> Measurement {
    let payload = vec![7; 256];
    let mut cluster: C = elected(setup, None);
    let before = cluster.applied(setup.nodes);
    let mut proposed = 0;
    let result = blocks(case, 4 * 64, effort, &mut cluster, C::compact, |cluster| {
        for _ in 0..4 {
            propose(cluster, &payload);
            cluster.settle();
        }
        proposed += 4 * 64;
    });
    assert_eq!(cluster.applied(setup.nodes), before + proposed, "every proposal was applied");
    result
}

/// Heartbeats to all and every answer.
fn heartbeats<C: Cluster>(case: &str, setup: Setup, effort: Effort) -> Measurement {
    let mut cluster: C = elected(setup, None);
    blocks(
        case,
        BLOCK,
        effort,
        &mut cluster,
        |_| (),
        |cluster| {
            for _ in 0..BLOCK {
                cluster.tick();
                cluster.settle();
            }
        },
    )
}

/// From a campaign until the first entry of the term is applied everywhere.
fn elections<C: Cluster>(case: &str, setup: Setup, effort: Effort) -> Measurement {
    let mut cluster: C = elected(setup, None);
    let mut leader = 1;
    let result = blocks(case, BLOCK, effort, &mut cluster, C::compact, |cluster| {
        for _ in 0..BLOCK {
            leader = leader % setup.nodes + 1;
            cluster.campaign(leader);
            cluster.settle();
        }
    });
    assert!(cluster.is_leader(leader), "the last campaign was won");
    result
}

/// A follower comes back and gets what it missed; an operation is one entry.
fn catch_up<C: Cluster>(case: &str, setup: Setup, effort: Effort) -> Measurement {
    let payload = vec![7; 256];
    let mut cluster: Option<C> = None;
    // Each block needs a group of its own.
    let effort = Effort { blocks: Some(effort.blocks.unwrap_or(3)), ..effort };
    let lag = |cluster: &mut Option<C>| {
        *cluster = None;
        let mut group: C = elected(setup, Some(3));
        for _ in 0..BEHIND.div_ceil(100) {
            group.propose_together(&payload, 100);
            group.settle();
        }
        *cluster = Some(group);
    };
    blocks(case, BEHIND, effort, &mut cluster, lag, |cluster| {
        let group = cluster.as_mut().expect("prepared");
        group.cut(None);
        group.tick();
        group.settle();
        assert_eq!(group.applied(3), group.applied(1), "the follower has everything");
    })
}

/// A million entries in batches of 64; an operation is one entry.
fn append<L: Log>(case: &str, shared: bool, effort: Effort) -> Measurement {
    let payload = [7; 64];
    let step = 64;
    let mut log = L::new();
    // An entry's payload is made beforehand and stays; what is beyond it is what the log adds.
    let before = allocation::live_bytes();
    let mut next = 1;
    let mut batches = Vec::new();
    let fill = |batches: &mut Vec<L::Batch>, next: u64| {
        batches.clear();
        batches.extend((0..16).map(|k| L::batch(next + k * step, step, &payload, shared)));
    };
    let per_block = 16 * step;
    let rest = Effort { blocks: Some(number(MILLION / per_block)), ..effort };
    let mut state = (&mut log, &mut batches);
    let result = blocks(
        case,
        per_block,
        rest,
        &mut state,
        |(_, batches)| {
            fill(batches, next);
            next += per_block;
        },
        |(log, batches)| batches.iter().for_each(|batch| log.append(batch)),
    );
    drop(batches);
    let entries = log.last() as f64;
    let held = (allocation::live_bytes() - before) as f64;
    let bytes_per_entry = Some(held / entries - payload.len() as f64);
    Measurement { bytes_per_entry, ..result }
}

/// Compacts a log of a million entries by so many at a time; an operation is one entry dropped.
fn compact<L: Log>(case: &str, count: u64, effort: Effort) -> Measurement {
    let payload = [7; 64];
    let mut log = L::new();
    let mut compacted = 0;
    while log.last() < MILLION {
        let batch = L::batch(log.last() + 1, 1000, &payload, false);
        log.append(&batch);
    }
    let times = number((MILLION / count / 2).min(50));
    let effort = Effort { blocks: Some(effort.blocks.unwrap_or(times)), ..effort };
    blocks(
        case,
        count,
        effort,
        &mut log,
        |_| (),
        |log| {
            compacted += count;
            log.compact(compacted);
        },
    )
}

/// A number of things that are in memory.
fn number(count: u64) -> usize {
    usize::try_from(count).expect("what is in memory can be counted")
}
