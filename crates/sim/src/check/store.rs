//! Every server's store against the model: M1, M2, M4, M5, M6, M7; and its file: M8.
//!
//! Revisions are compared entry by entry; whole stores when a server has finished a compaction and
//! at the end of a run; pages whenever a file is taken up (what a crash has left of it, or what a
//! leader sent), and at the end.

use etcd::bolt::File;
use etcd::mvcc::{DiskBackend, KeyRange, RangeOptions, Store};
use etcd::request::KeyValue;
use etcd::server::{ServerEvent as EtcdEvent, View};
use ordered::Map;

use super::facts::model::Model;
use super::facts::replay::Replay;
use super::facts::shadow::view;
use super::facts::{Facts, News};
use super::promise::Promise;
use super::violation::Found;
use super::{Check, Step};
use crate::machine::Machine;
use crate::scenario::Node;

/// Least distance of the revisions at which hashes are compared.
const HASH_EVERY: i64 = 64;

/// What is remembered of stores.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stores {
    /// Entries that each server's store had when it was taken up: they change nothing any more.
    restored: Map<Node, u64>,
    /// Where each server's hash is taken next.
    next_hash: Map<Node, i64>,
    /// By revision and compact revision.
    hashes: Map<(i64, i64), (u32, Node)>,
}

impl Check for Stores {
    fn stepped(&mut self, facts: &Facts, step: &Step<'_>, _: &News, found: &mut Found) {
        let Some(store) = view(step.machine).and_then(View::store) else { return };
        let (node, replay) = (step.node, &facts.replay);
        for event in step.told() {
            match event {
                EtcdEvent::StoreRestored { consistent_index, revision } => {
                    self.restored(node, (*consistent_index, *revision), replay, found);
                    pages(node, store.backend().db().file(), found);
                }
                EtcdEvent::Applied { index, revision } => {
                    self.applied(node, (*index, *revision), replay, found);
                }
                EtcdEvent::CompactionFinished { .. } if replay.model.lost().is_none() => {
                    compacted(node, store, &replay.model, found);
                }
                _ => {}
            }
        }
        self.hash(node, store, found);
    }

    /// The process began anew: so do its revisions.
    fn stopped(&mut self, node: Node) {
        self.next_hash.remove(&node);
    }

    /// Whole stores: M5, M6, M7, M8.
    fn at_end(&mut self, facts: &Facts, machines: &[Machine], found: &mut Found) {
        for machine in machines {
            let Some(store) = view(machine).and_then(View::store) else { continue };
            self.whole(machine.node(), store, facts, found);
        }
    }
}

impl Stores {
    /// M2: the store that came back, or came from a leader, is that of the index which it says.
    fn restored(
        &mut self,
        node: Node,
        (index, revision): (u64, i64),
        replay: &Replay,
        found: &mut Found,
    ) {
        self.restored.insert(node, index);
        let expected = if index == 0 { Some(1) } else { replay.revision_after(index) };
        let Some(expected) = expected else { return };
        found.look(Promise::M2, revision == expected, &[node], index, || {
            format!(
                "{node} takes up a store with consistent index {index} and revision {revision}; \
                 after that entry the revision is {expected}"
            )
        });
    }

    /// M1.
    fn applied(
        &self,
        node: Node,
        (index, revision): (u64, i64),
        replay: &Replay,
        found: &mut Found,
    ) {
        if self.restored.get(&node).is_some_and(|restored| index <= *restored) {
            return;
        }
        let Some(expected) = replay.revision_after(index) else { return };
        found.look(Promise::M1, revision == expected, &[node], index, || {
            format!("{node} is at revision {revision} after entry {index}; it should be {expected}")
        });
    }

    /// M5.
    fn hash(&mut self, node: Node, store: &Store<DiskBackend>, found: &mut Found) {
        let revision = store.revision();
        let next = self.next_hash.get_or_insert_with(node, || HASH_EVERY);
        if revision < *next {
            return;
        }
        let at = *next;
        // Farther apart as history grows, so that the whole costs no more than the history.
        *next = (at + at / 4 + HASH_EVERY).max(revision - revision % HASH_EVERY + HASH_EVERY);
        self.compare_hash(node, store, at, found);
    }

    fn compare_hash(&mut self, node: Node, store: &Store<DiskBackend>, at: i64, found: &mut Found) {
        let Ok(hash) = store.hash_kv(at) else { return };
        let key = (at, store.compact_revision());
        if store.compactions().next().is_some() {
            return;
        }
        let Some((first, other)) = self.hashes.get(&key).copied() else {
            self.hashes.insert(key, (hash.hash, node));
            return;
        };
        if other == node && first == hash.hash {
            return;
        }
        found.look(Promise::M5, first == hash.hash, &[other, node], 0, || {
            let (revision, compact) = key;
            format!(
                "at revision {revision}, compacted at {compact}, {other} has hash {first} and \
                 {node} has {}",
                hash.hash
            )
        });
    }

    fn whole(&mut self, node: Node, store: &Store<DiskBackend>, facts: &Facts, found: &mut Found) {
        if store.compactions().next().is_none() {
            self.compare_hash(node, store, store.revision(), found);
        }
        rebuilt(node, store, found);
        pages(node, store.backend().db().file(), found);
        let (model, applied) = (&facts.replay.model, facts.shadows.of(node).now.applied);
        if model.lost().is_none() && facts.replay.revision_after(applied).is_some() {
            equals_model(Promise::M6, node, store, model, store.revision(), found);
        }
    }
}

/// M4.
fn compacted(node: Node, store: &Store<DiskBackend>, model: &Model, found: &mut Found) {
    let at = store.compact_revision();
    equals_model(Promise::M4, node, store, model, at, found);
    equals_model(Promise::M4, node, store, model, store.revision(), found);
    if !store.rules().tombstone_survives_compaction && at < 0 {
        return;
    }
    for key in model.deleted_at(at) {
        let is_kept = store
            .index()
            .key(key)
            .is_some_and(|history| history.since(at).iter().any(|revision| revision.main == at));
        found.look(Promise::M4, is_kept, &[node], 0, || {
            let key = String::from_utf8_lossy(key);
            format!("{node} compacted at {at}; that {key} was deleted at {at} is forgotten")
        });
    }
}

/// Whether the store holds what the model does at a revision.
fn equals_model(
    promise: Promise,
    node: Node,
    store: &Store<DiskBackend>,
    model: &Model,
    at: i64,
    found: &mut Found,
) {
    let options = RangeOptions { revision: at, ..RangeOptions::default() };
    let Ok(result) = store.range(&KeyRange::all(), options) else { return };
    let has: Vec<KeyValue> = result.kvs.into_iter().map(KeyValue::from).collect();
    let mut expected = model.all(at);
    let first = has.iter().find(|kv| expected.next() != Some(*kv));
    let holds = first.is_none() && expected.next().is_none();
    found.look(promise, holds, &[node], 0, || match first {
        Some(kv) => format!("{node} has, as of revision {at}, {kv:?}"),
        None => format!("{node} lacks keys as of revision {at}"),
    });
}

/// M8.
fn pages(node: Node, file: &File, found: &mut Found) {
    let check = file.check();
    let first = check.problems.first();
    found.look(Promise::M8, first.is_none(), &[node], 0, || {
        let what = first.map(ToString::to_string).unwrap_or_default();
        format!("{node}: {} problems in its backend, the first: {what}", check.problems.len())
    });
}

/// M7.
fn rebuilt(node: Node, store: &Store<DiskBackend>, found: &mut Found) {
    // A store that is taken up goes on with its compaction, and writes.
    if store.compactions().next().is_some() || store.backend().busy().is_some() {
        return;
    }
    let again = match Store::restore(store.backend().clone(), store.rules()) {
        Ok(again) => again,
        Err(error) => {
            let detail = format!("{node}: no index can be built from the backend: {error}");
            found.broken(Promise::M7, &[node], 0, &[], detail);
            return;
        }
    };
    let options = RangeOptions::default();
    let (has, rebuilt) =
        (store.range(&KeyRange::all(), options), again.range(&KeyRange::all(), options));
    let holds = has == rebuilt && store.revision() == again.revision();
    found.look(Promise::M7, holds, &[node], 0, || {
        format!("{node}: the index rebuilt from the backend differs from the live one")
    });
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use bytes::Bytes;
    use etcd::mvcc::{Backend as _, Bucket, Revision};

    use super::*;
    use crate::machine::DATA_DIR;
    use crate::scenario::Scenario;
    use crate::world::World;

    /// A server that was busy for a while.
    fn busy() -> World {
        let text = "cluster etcd nodes=1 seed=1\n0s load put rate=50/s\n5s compact 100\n9s end\n";
        let scenario = Scenario::parse(text).expect("it is a scenario");
        let mut world = World::of_scenario(&scenario);
        world.run_scenario(&scenario, scenario.ends_ns(), &mut |_| {});
        world
    }

    /// Its backend.
    fn backend() -> Vec<u8> {
        let world = busy();
        let disk = &world.machine(Node(1)).disk;
        let file = disk.open(&format!("{DATA_DIR}/member/snap/db")).expect("there is one");
        disk.read_range(file, 0..disk.len(file)).expect("it can be read")
    }

    fn broken(bytes: &[u8]) -> Vec<Promise> {
        let mut found = Found::new();
        let file = File::open(bytes.to_vec().into(), bytes.len() as u64).expect("it opens");
        pages(Node(1), &file, &mut found);
        found.violations().iter().map(|one| one.promise).collect()
    }

    /// Where the root page of the database keeps the root of each bucket: an offset in the file.
    fn roots(bytes: &[u8], page: usize) -> Vec<usize> {
        let u32_at = |at: usize| {
            let word: [u8; 4] = bytes[at..at + 4].try_into().expect("four bytes");
            usize::try_from(u32::from_le_bytes(word)).expect("it fits")
        };
        let count = usize::from(u16::from_le_bytes([bytes[page + 10], bytes[page + 11]]));
        let elements = (0..count).map(|n| page + 16 + 16 * n);
        elements.map(|at| at + u32_at(at + 4) + u32_at(at + 8)).collect()
    }

    #[test]
    fn a_page_that_two_buckets_hold_breaks_m8() {
        let mut bytes = backend();
        assert_eq!(broken(&bytes), [], "as the server left it");
        let file = File::open(bytes.clone().into(), bytes.len() as u64).expect("it opens");
        let page = file.meta().root * u64::from(file.meta().page_bytes);
        let roots = roots(&bytes, usize::try_from(page).expect("it is small"));
        let is_page = |at: &&usize| bytes[**at..**at + 8] != [0; 8];
        let held = *roots.iter().find(is_page).expect("a bucket with a page of its own");
        let other = *roots.iter().find(|at| **at != held).expect("there are several buckets");
        bytes.copy_within(held..held + 8, other);
        assert_eq!(broken(&bytes), [Promise::M8], "the page is reached twice");
    }

    /// Seed 1896 of chaos ended there: a store cannot be taken up from a backend within a commit.
    #[test]
    fn no_store_is_built_anew_from_a_backend_within_a_commit() {
        let text = "cluster etcd nodes=1 seed=1\n0s load put rate=50/s\n5s end\n";
        let scenario = Scenario::parse(text).expect("it is a scenario");
        let mut world = World::of_scenario(&scenario);
        let mut commits = 0;
        while world.now_ns() < scenario.ends_ns() {
            world.step().expect("a clock goes on for ever");
            let store = view(world.machine(Node(1))).and_then(View::store);
            if let Some(store) = store.filter(|store| store.backend().busy().is_some()) {
                commits += 1;
                let mut found = Found::new();
                rebuilt(Node(1), store, &mut found);
                assert_eq!(found.violations(), []);
            }
        }
        assert!(commits > 0, "it commits while it serves");
    }

    #[test]
    fn a_row_that_the_index_does_not_know_breaks_m7() {
        let world = busy();
        let store = view(world.machine(Node(1))).and_then(View::store).expect("it is up");
        let broken = |store: &Store<DiskBackend>| {
            let mut found = Found::new();
            rebuilt(Node(1), store, &mut found);
            found.violations().iter().map(|one| one.promise).collect::<Vec<_>>()
        };
        assert_eq!(broken(store), [], "as the server has it");
        let mut row = Bytes::new();
        store.backend().scan(Bucket::Key, &[], None, &mut |_, value| {
            row = Bytes::copy_from_slice(value);
            ControlFlow::Continue(())
        });
        let mut store = store.clone();
        let next = Revision::new(store.revision() + 1, 0).to_bytes();
        store.backend_mut().put(Bucket::Key, &next, row);
        assert_eq!(broken(&store), [Promise::M7], "a revision more");
    }
}
