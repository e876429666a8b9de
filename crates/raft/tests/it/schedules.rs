//! Random schedules of loss, duplication, reordering and restarts keep the promises R1, R3 and R5.

use std::collections::BTreeMap;

use crate::group::{Counting, Group};
use raft::{Config, NodeId, Randomness, Role};

fn configure(seed: u32, config: &mut Config) {
    config.pre_vote = seed & 1 != 0;
    config.check_quorum = seed & 2 != 0;
    config.max_size_per_msg = if seed & 4 != 0 { 0 } else { raft::NO_LIMIT };
    config.max_inflight_msgs = 3;
}

/// A group under one schedule, with what must not change any more.
struct Run {
    group: Group,
    random: Counting,
    seed: u32,
    size: u64,
    leaders: BTreeMap<u64, NodeId>,
    committed: Vec<(u64, Vec<u8>)>,
}

impl Run {
    fn new(seed: u32) -> Self {
        let size = if seed & 8 != 0 { 5 } else { 3 };
        let group = Group::new(size, |config| configure(seed, config));
        let (leaders, committed) = (BTreeMap::new(), Vec::new());
        Self { group, random: Counting(seed), seed, size, leaders, committed }
    }

    fn act(&mut self) {
        let id = u64::from(self.random.below(u32::try_from(self.size).unwrap())) + 1;
        match self.random.below(100) {
            0 if self.random.below(4) == 0 => self.restart(id),
            1..=7 => drop(self.group.at(id).propose(format!("{}", self.random.0))),
            8..=12 => self.group.at(id).tick().unwrap(),
            13..=54 if self.group.at(id).has_ready() => self.group.carry_out(id),
            _ => self.deliver_one(),
        }
        self.check();
    }

    fn restart(&mut self, id: NodeId) {
        let mut config = Config::new(id);
        configure(self.seed, &mut config);
        self.group.applied.remove(&id);
        self.group.restart(config, 0);
    }

    /// One of the oldest messages; some are lost, some come twice.
    fn deliver_one(&mut self) {
        let Ok(count) = u32::try_from(self.group.wires.len()) else { return };
        if count == 0 {
            return;
        }
        let slot = self.random.below(count.min(6)) as usize;
        let message = self.group.wires.remove(slot).unwrap();
        match self.random.below(10) {
            0 => {}
            1 => {
                self.group.wires.push_back(message.clone());
                self.group.deliver(message);
            }
            _ => self.group.deliver(message),
        }
    }

    fn check(&mut self) {
        for id in 1..=self.size {
            if self.group.role(id) == Role::Leader {
                let term = self.group.term(id);
                let first = *self.leaders.entry(term).or_insert(id);
                assert_eq!(first, id, "R1: one leader ever in term {term}, seed {}", self.seed);
            }
            let applied = self.group.applied.get(&id).into_iter().flatten();
            for (position, entry) in applied.enumerate() {
                let ours = (entry.term, entry.data.to_vec());
                assert_eq!(entry.index, position as u64 + 1, "applied in order");
                match self.committed.get(position) {
                    Some(other) => assert_eq!(*other, ours, "R5: seed {}", self.seed),
                    None => self.committed.push(ours),
                }
            }
        }
    }

    /// With a quiet network the group goes on, and all logs become the same.
    fn heal(&mut self) {
        for _ in 0..200 {
            for id in 1..=self.size {
                self.group.at(id).tick().unwrap();
            }
            self.group.settle();
        }
        self.check();
        let leader = (1..=self.size).find(|id| self.group.role(*id) == Role::Leader);
        let leader = leader.unwrap_or_else(|| panic!("a leader, seed {}", self.seed));
        self.group.propose(leader, "at last");
        self.check();
        for id in 1..=self.size {
            let last = *self.group.payloads(id).last().unwrap();
            assert_eq!(last, b"at last", "node {id} has everything, seed {}", self.seed);
        }
    }
}

#[test]
fn schedules_keep_the_promises_and_heal() {
    let mut committed = 0;
    for seed in 0..64 {
        let mut run = Run::new(seed);
        for _ in 0..3000 {
            run.act();
        }
        committed += run.committed.len();
        run.heal();
    }
    assert!(committed > 1000, "the schedules did something: {committed} entries");
}
