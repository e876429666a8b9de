//! What the tests of the world share.
#![allow(dead_code, reason = "every test file uses its own part")]

use std::collections::BTreeMap;

use disk::{Disk, PageKey};
use sim::console::{Answer, Entered, answer, enter};
use sim::scenario::{Action, Context, SECOND_NS, Scenario, parse_command};
use sim::{Node, World};

/// Reads a scenario.
pub(crate) fn scenario(text: &str) -> Scenario {
    Scenario::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

/// A world with the scenario ahead of it.
pub(crate) fn world(text: &str) -> World {
    World::of_scenario(&scenario(text))
}

/// Reads a command.
pub(crate) fn command(text: &str) -> Action {
    parse_command(text, Context { nodes: 101 }).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Types a line and lets time run until it is answered.
pub(crate) fn typed(world: &mut World, line: &str) -> Answer {
    match enter(world, line).unwrap_or_else(|error| panic!("{line}: {error}")) {
        Entered::Answered(answer) => answer,
        Entered::Acted(_, answer) => {
            world.step();
            answer
        }
        Entered::Asked(performed) => loop {
            world.step();
            if let Some(answer) = answer(world, performed) {
                break answer;
            }
        },
    }
}

/// A backing store: what an outside follower of the disks holds.
#[derive(Default)]
pub(crate) struct Store {
    pages: BTreeMap<(usize, PageKey), Vec<u8>>,
    metadata: BTreeMap<usize, Vec<u8>>,
}

impl Store {
    /// Takes over what changed since the last call.
    pub(crate) fn follow(&mut self, world: &mut World) {
        for index in 0..world.machines().len() {
            let disk = world.disk_mut(Node::at(index));
            let dirty = disk.take_dirty();
            for key in dirty.pages {
                match disk.export_page(key) {
                    Some(page) => self.pages.insert((index, key), page),
                    None => self.pages.remove(&(index, key)),
                };
            }
            if dirty.metadata {
                self.metadata.insert(index, disk.export_metadata());
            }
        }
    }

    /// The disks as they were at the last call of `follow`.
    pub(crate) fn disks(&self) -> Vec<Disk> {
        self.metadata
            .iter()
            .map(|(index, metadata)| {
                let pages = self.pages.iter().filter(|((owner, _), _)| owner == index);
                let pages = pages.map(|((_, key), page)| (*key, page.clone()));
                Disk::import(metadata, pages).expect("what was exported imports")
            })
            .collect()
    }
}

/// Runs on for so many seconds.
pub(crate) fn run_for(world: &mut World, seconds: u64) {
    let until_ns = world.now_ns() + seconds * SECOND_NS;
    world.run_until(until_ns);
}

/// The conditions of all servers, one letter each: up, booting, down, failed.
pub(crate) fn conditions(world: &World) -> String {
    use sim::view::Condition;
    sim::view::cluster_view(world)
        .nodes
        .iter()
        .map(|node| match node.condition {
            Condition::Up => 'u',
            Condition::Booting => 'b',
            Condition::Down => 'd',
            Condition::Failed { .. } => 'f',
        })
        .collect()
}
