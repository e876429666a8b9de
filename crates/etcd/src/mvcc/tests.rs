//! The store against the claims of etcd's documentation, and against a model that forgets nothing.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use proptest::prelude::*;

use super::index::Index;
use super::key_index::KeyIndex;
use super::*;

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn one(key: &str) -> KeyRange {
    KeyRange::One(bytes(key))
}

fn at(revision: i64) -> RangeOptions {
    RangeOptions { revision, ..RangeOptions::default() }
}

fn empty() -> Store {
    Store::restore(MemoryBackend::default(), Rules::CURRENT).unwrap()
}

fn put(store: &mut Store, key: &str, value: &str) -> i64 {
    let mut txn = store.write();
    txn.put(bytes(key), bytes(value), 0);
    txn.end().revision
}

fn delete(store: &mut Store, key: &str) -> i64 {
    let mut txn = store.write();
    txn.delete_range(&one(key));
    txn.end().revision
}

fn compact(store: &mut Store, revision: i64) {
    store.compact(revision).unwrap();
    while store.step_compaction(3).is_some() {}
}

fn value_at(store: &Store, key: &str, revision: i64) -> Option<String> {
    let found = store.range(&one(key), at(revision)).unwrap();
    found.kvs.first().map(|kv| String::from_utf8_lossy(&kv.value).into_owned())
}

fn mains(revisions: &[Revision]) -> Vec<i64> {
    revisions.iter().map(|revision| revision.main).collect()
}

mod key_index {
    use super::*;

    /// put 2, put 4, tombstone 6 | put 8, put 10, tombstone 12 | put 14, 15.1, tombstone 16 | {}
    fn history() -> KeyIndex {
        let mut key = KeyIndex::created(Revision::new(2, 0));
        key.put(Revision::new(4, 0));
        assert!(key.tombstone(Revision::new(6, 0)), "it was alive");
        key.put(Revision::new(8, 0));
        key.put(Revision::new(10, 0));
        assert!(key.tombstone(Revision::new(12, 0)), "it was alive");
        key.put(Revision::new(14, 0));
        key.put(Revision::new(14, 1));
        assert!(key.tombstone(Revision::new(16, 0)), "it was alive");
        key
    }

    #[test]
    fn get_finds_the_newest_change_of_the_life_at_a_revision() {
        let key = history();
        let cases = [
            (17, None),
            (16, None),
            (15, Some((14, 1, 14, 2))),
            (14, Some((14, 1, 14, 2))),
            (13, None),
            (12, None),
            (11, Some((10, 0, 8, 2))),
            (8, Some((8, 0, 8, 1))),
            (7, None),
            (6, None),
            (5, Some((4, 0, 2, 2))),
            (3, Some((2, 0, 2, 1))),
            (1, None),
        ];
        for (at, expected) in cases {
            let found = key.get(at).map(|found| {
                (found.modified.main, found.modified.sub, found.created.main, found.version)
            });
            assert_eq!(found, expected, "get({at})");
        }
    }

    #[test]
    fn since_gives_one_revision_a_transaction() {
        let key = history();
        assert_eq!(
            key.since(11),
            [Revision::new(12, 0), Revision::new(14, 1), Revision::new(16, 0)],
            "the last sub revision of 14"
        );
        assert_eq!(mains(&key.since(0)), [2, 4, 6, 8, 10, 12, 14, 16], "all");
        assert_eq!(key.since(17), [], "none");
    }

    #[test]
    fn a_second_tombstone_in_a_row_is_refused() {
        let mut key = history();
        assert!(!key.tombstone(Revision::new(17, 0)), "it is deleted already");
        assert_eq!(key, history(), "and nothing changed");
    }

    fn after(at: i64, rules: Rules) -> (Vec<i64>, Vec<Vec<i64>>, Vec<i64>) {
        let (mut key, mut kept, mut keep) = (history(), Vec::new(), Vec::new());
        key.keep(at, rules, &mut keep);
        key.compact(at, rules, &mut kept);
        let generations =
            key.generations().iter().map(|generation| mains(&generation.revisions)).collect();
        (mains(&kept), generations, mains(&keep))
    }

    #[test]
    fn compact_keeps_the_newest_visible_revision_and_a_tombstone_at_the_revision() {
        let end = vec![14, 14, 16];
        let middle = vec![8, 10, 12];
        let rules = Rules::CURRENT;
        let whole = vec![vec![2, 4, 6], middle.clone(), end.clone(), vec![]];
        assert_eq!(after(1, rules), (vec![], whole.clone(), vec![]), "before it all");
        assert_eq!(after(2, rules), (vec![2], whole, vec![2]), "at the first put");
        let from_4 = vec![vec![4, 6], middle.clone(), end.clone(), vec![]];
        assert_eq!(after(5, rules), (vec![4], from_4, vec![4]), "between two changes");
        let from_6 = vec![vec![6], middle.clone(), end.clone(), vec![]];
        assert_eq!(after(6, rules), (vec![6], from_6, vec![]), "at a tombstone");
        assert_eq!(after(7, rules), (vec![], vec![middle, end, vec![]], vec![]), "in a gap");
        assert_eq!(after(16, rules), (vec![16], vec![vec![16], vec![]], vec![]), "the last one");
        assert_eq!(after(17, rules), (vec![], vec![vec![]], vec![]), "nothing is left");
    }

    #[test]
    fn before_3_4_34_compact_removed_a_tombstone_at_the_revision() {
        let rules = Rules { tombstone_survives_compaction: false, ..Rules::CURRENT };
        let end = vec![14, 14, 16];
        assert_eq!(
            after(6, rules),
            (vec![], vec![vec![8, 10, 12], end, vec![]], vec![]),
            "the generation goes"
        );
        assert_eq!(after(16, rules), (vec![], vec![vec![]], vec![]), "and the key with it");
    }
}

#[test]
fn an_empty_store_is_at_revision_one_and_the_first_write_is_two() {
    let mut store = empty();
    assert_eq!((store.revision(), store.compact_revision()), (1, -1), "as etcd begins");
    assert_eq!(put(&mut store, "a", "1"), 2, "the first write");
}

#[test]
fn put_counts_versions_within_a_life() {
    let mut store = empty();
    put(&mut store, "a", "1");
    put(&mut store, "a", "2");
    delete(&mut store, "a");
    put(&mut store, "a", "3");
    let numbers = |revision| {
        let kv = store.range(&one("a"), at(revision)).unwrap().kvs.remove(0);
        (kv.create_revision, kv.mod_revision, kv.version)
    };
    assert_eq!(numbers(2), (2, 2, 1), "created");
    assert_eq!(numbers(3), (2, 3, 2), "written again");
    assert_eq!(numbers(5), (5, 5, 1), "a new life counts from one");
    assert_eq!(value_at(&store, "a", 4), None, "deleted in between");
}

#[test]
fn one_transaction_is_one_revision_and_reads_its_own_writes() {
    let mut store = empty();
    put(&mut store, "a", "1");
    let mut txn = store.write();
    txn.put(bytes("b"), bytes("1"), 0);
    txn.put(bytes("c"), bytes("1"), 0);
    let seen = txn.range(&KeyRange::all(), RangeOptions::default()).unwrap();
    assert_eq!((seen.count, seen.revision), (3, 3), "own writes at the coming revision");
    assert_eq!(txn.delete_range(&KeyRange::Until(bytes("a"), bytes("c"))), 2, "a and b");
    let committed = txn.end();
    assert_eq!((committed.revision, committed.changes.len()), (3, 4), "four changes, one revision");

    let subs: Vec<(i64, i64, bool)> = store
        .backend()
        .bucket(Bucket::Key)
        .map(|(key, _)| Revision::from_bytes(key).unwrap())
        .map(|stored| (stored.revision.main, stored.revision.sub, stored.tombstone))
        .collect();
    let expected = [(2, 0, false), (3, 0, false), (3, 1, false), (3, 2, true), (3, 3, true)];
    assert_eq!(subs, expected, "sub revisions count from zero");
}

#[test]
fn a_transaction_that_changes_nothing_takes_no_revision() {
    let mut store = empty();
    store.set_consistent_index(7);
    assert_eq!(delete(&mut store, "missing"), 1, "the revision stays");
    assert_eq!(store.backend().pending(), 0, "and so does the backend");
}

#[test]
fn ranges_limit_what_they_return_and_count_all() {
    let mut store = empty();
    for key in ["a", "b", "c", "d"] {
        put(&mut store, key, "v");
    }
    let range = KeyRange::Until(bytes("b"), bytes("d"));
    let all = store.range(&range, RangeOptions::default()).unwrap();
    assert_eq!((all.kvs.len(), all.count, all.revision), (2, 2, 5), "half open");
    let limited = RangeOptions { limit: 1, ..RangeOptions::default() };
    let some = store.range(&KeyRange::new(&bytes("b"), &bytes("\0")), limited).unwrap();
    assert_eq!((some.kvs.len(), some.count), (1, 3), "from a key on, limited");
    let count = RangeOptions { count_only: true, ..RangeOptions::default() };
    let counted = store.range(&KeyRange::all(), count).unwrap();
    assert_eq!((counted.kvs.len(), counted.count), (0, 4), "counted only");
    let reversed = KeyRange::Until(bytes("d"), bytes("b"));
    assert_eq!(store.range(&reversed, RangeOptions::default()).unwrap().count, 0, "empty range");
}

#[test]
fn reads_below_the_compact_revision_and_of_the_future_are_refused() {
    let mut store = empty();
    (0..5).for_each(|i| _ = put(&mut store, "a", &i.to_string()));
    assert_eq!(store.compact(7), Err(MvccError::FutureRevision), "6 is the newest");
    store.compact(4).unwrap();
    let read = |revision| store.range(&one("a"), at(revision)).map(|found| found.count);
    assert_eq!(read(3), Err(MvccError::Compacted), "at once, before the walk");
    assert_eq!(read(4), Ok(1), "the compact revision itself can be read");
    assert_eq!(read(7), Err(MvccError::FutureRevision), "not written yet");
    assert_eq!(store.clone().compact(4), Err(MvccError::Compacted), "a second time");
    assert_eq!(
        MvccError::Compacted.to_string(),
        "mvcc: required revision has been compacted",
        "etcd's words"
    );
}

#[test]
fn a_tombstone_at_the_compact_revision_stays_in_the_backend() {
    let mut store = empty();
    put(&mut store, "a", "1");
    delete(&mut store, "a");
    put(&mut store, "b", "1");
    compact(&mut store, 3);
    let left: Vec<i64> = store
        .backend()
        .bucket(Bucket::Key)
        .map(|(key, _)| Revision::from_bytes(key).unwrap().revision.main)
        .collect();
    assert_eq!(left, [3, 4], "put 2 is gone, its tombstone is not");
    let again = Store::restore(store.backend().clone(), Rules::CURRENT).unwrap();
    assert_eq!(again.index().key(b"a").map(|key| mains(&key.since(0))), Some(vec![3]), "restored");
}

#[test]
fn an_unfinished_compaction_goes_on_after_a_crash_at_any_step() {
    for steps in 0..6 {
        let mut store = empty();
        (0..9).for_each(|i| _ = put(&mut store, ["a", "b", "c"][i % 3], &i.to_string()));
        store.compact(8).unwrap();
        (0..steps).for_each(|_| _ = store.step_compaction(2));

        let mut again = Store::restore(store.backend().crashed(), Rules::CURRENT).unwrap();
        while again.step_compaction(100).is_some() {}
        while store.step_compaction(100).is_some() {}
        assert_eq!(again.revision(), 10, "the revision did not go back");
        assert_eq!(again.compact_revision(), 8, "the compact revision neither");
        assert!(
            again.backend().bucket(Bucket::Key).eq(store.backend().bucket(Bucket::Key)),
            "the same revisions are left after {steps} steps"
        );
    }
}

#[test]
fn writes_go_on_between_the_steps_of_a_compaction() {
    let mut store = empty();
    (0..20).for_each(|i| _ = put(&mut store, &format!("k{:02}", i % 10), "old"));
    store.compact(21).unwrap();
    let mut written = 0;
    while store.step_compaction(3).is_some() {
        put(&mut store, &format!("k{written:02}"), "new");
        written += 1;
    }
    assert!(written > 3, "it took several steps");
    let found = store.range(&KeyRange::all(), at(21)).unwrap();
    assert!(found.kvs.iter().all(|kv| kv.value == "old"), "readers at 21 see the old values");
    assert_eq!(value_at(&store, "k00", 0).as_deref(), Some("new"), "and now the new one");
}

#[test]
fn a_compaction_deletes_in_batches_with_a_commit_after_each_and_a_mark_at_the_end() {
    let mut store = empty();
    (0..20).for_each(|i| _ = put(&mut store, &format!("k{}", i % 4), "v"));
    store.compact(21).unwrap();
    let stored = |store: &Store| store.backend().bucket(Bucket::Key).count();
    let mark = |store: &Store| store.backend().get(Bucket::Meta, b"finishedCompactRev");
    let (mut left, mut sizes) = (stored(&store), Vec::new());
    while let Some(step) = store.step_compaction(3) {
        assert_eq!(store.backend().pending(), 0, "what it changed is committed");
        let gone = left - stored(&store);
        assert!(
            step == crate::mvcc::Step::Backend || gone == 0,
            "the walk over the index deletes nothing"
        );
        left -= gone;
        sizes.push(gone);
        let is_over = store.compactions().count() == 0;
        let expected = Bytes::copy_from_slice(&Revision::new(21, 0).to_bytes());
        assert_eq!(mark(&store), is_over.then_some(expected), "after {sizes:?}");
    }
    assert_eq!(left, 4, "the newest of each key");
    assert!(sizes.iter().all(|gone| *gone <= 3), "{sizes:?}");
}

#[test]
fn a_second_compaction_waits_for_the_first() {
    let mut store = empty();
    (0..12).for_each(|i| _ = put(&mut store, &format!("k{}", i % 3), "v"));
    store.compact(5).unwrap();
    store.compact(9).unwrap();
    assert_eq!(store.compact_revision(), 9, "both are in force");
    let (mut order, mut first) = (Vec::new(), Some(5));
    while let Some(revision) = first {
        order.push(revision);
        store.step_compaction(2);
        first = store.compactions().next().map(Compaction::revision);
    }
    assert!(order.is_sorted() && order.contains(&5) && order.contains(&9), "{order:?}");
}

/// A chunk at a time, with puts in between that split chunks on both sides of the walk.
#[test]
fn an_index_walk_with_puts_in_between_keeps_what_one_without_keeps() {
    let key = |number: i64| Bytes::from(format!("key/{:04}", number * 7919 % 3000));
    let mut index = Index::default();
    for main in 2..6000 {
        if main % 5 == 0 {
            index.tombstone(&key(main / 3), Revision::new(main, 0));
        } else {
            index.put(&key(main), Revision::new(main, 0));
        }
    }
    let before: Vec<_> = index.iter().map(|(key, all)| (key.clone(), all.clone())).collect();
    let clone = index.clone();
    let later = |index: &mut Index, main: i64| _ = index.put(&key(main), Revision::new(main, 0));

    let (at, rules) = (5000, Rules::CURRENT);
    let (mut whole, mut kept) = (index.clone(), Vec::new());
    assert_eq!(whole.compact(&Bound::Unbounded, usize::MAX, at, rules, &mut kept), None, "at once");
    let (mut from, mut kept_in_parts, mut main) = (Some(Bound::Unbounded), Vec::new(), 6000);
    while let Some(bound) = from {
        from = index.compact(&bound, 1, at, rules, &mut kept_in_parts);
        (0..30).for_each(|_| {
            later(&mut index, main);
            main += 1;
        });
    }
    assert!(main > 6500, "it took many steps");
    (6000..main).for_each(|main| later(&mut whole, main));
    kept.sort_unstable();
    kept_in_parts.sort_unstable();
    assert_eq!(kept_in_parts, kept, "the same revisions stay");
    assert!(index == whole, "and the same histories, generation by generation");
    let after: Vec<_> = clone.iter().map(|(key, all)| (key.clone(), all.clone())).collect();
    assert!(before == after, "a clone that was taken before is as it was");
}

#[test]
fn the_consistent_index_is_committed_with_the_data() {
    let mut store = empty();
    for index in 1..=3 {
        store.set_consistent_index(index * 10);
        put(&mut store, "a", "1");
        if index == 2 {
            store.commit();
        }
    }
    let crashed = Store::restore(store.backend().crashed(), Rules::CURRENT).unwrap();
    assert_eq!((crashed.consistent_index(), crashed.revision()), (20, 3), "both at the commit");
    let stopped = Store::restore(store.backend().clone(), Rules::CURRENT).unwrap();
    assert_eq!((stopped.consistent_index(), stopped.revision()), (30, 4), "both at the end");
}

#[test]
fn hash_kv_does_not_depend_on_how_far_the_compaction_has_come() {
    let mut store = empty();
    (0..12).for_each(|i| _ = put(&mut store, ["a", "b", "c"][i % 3], &i.to_string()));
    delete(&mut store, "b");
    store.compact(9).unwrap();
    let before = store.hash_kv(0).unwrap();
    while store.step_compaction(2).is_some() {
        assert_eq!(store.hash_kv(0).unwrap(), before, "in the middle of the walk");
    }
    assert_eq!(store.hash_kv(0).unwrap(), before, "after it");
    assert_eq!(store.hash_kv(8), Err(MvccError::Compacted), "below");
    assert_eq!(store.hash_kv(99), Err(MvccError::FutureRevision), "above");
}

#[test]
fn damaged_backends_are_named() {
    let restore = |change: &dyn Fn(&mut MemoryBackend)| {
        let mut store = empty();
        put(&mut store, "a", "1");
        let mut backend = store.backend().clone();
        change(&mut backend);
        Store::restore(backend, Rules::CURRENT).unwrap_err().to_string()
    };
    assert_eq!(
        restore(&|backend| backend.put(Bucket::Key, b"xy", Bytes::new())),
        "bucket key: 7879 is no revision",
        "a stray key"
    );
    assert_eq!(
        restore(&|backend| backend.put(Bucket::Meta, b"consistent_index", bytes("1"))),
        "bucket meta: consistent_index holds 31",
        "a short number"
    );
    let broken = Revision::new(3, 0).to_bytes();
    let message = restore(&|backend| backend.put(Bucket::Key, &broken, bytes("\u{1}")));
    assert!(
        message.starts_with("bucket key: failed to unmarshal mvccpb.KeyValue at 3_0: "),
        "{message}"
    );
}

#[test]
fn a_clone_of_ten_thousand_keys_shares_them() {
    let mut store = empty();
    (0..10_000).for_each(|i| _ = put(&mut store, &format!("key/{i:05}"), "value"));
    let before = store.clone();
    put(&mut store, "key/00000", "changed");
    assert_eq!(value_at(&before, "key/00000", 0).as_deref(), Some("value"), "the clone is apart");
    assert_eq!(before.revision() + 1, store.revision(), "by one write");
}

// The naive model: the whole map after every revision.

#[derive(Debug, Clone)]
enum Step {
    Put(u8, u8),
    Delete(u8),
    DeleteRange(u8, u8),
    Pair((u8, u8), u8),
    Compact(u8),
    Walk,
    Commit,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..6_u8, any::<u8>()).prop_map(|(key, value)| Step::Put(key, value)),
        3 => (0..6_u8).prop_map(Step::Delete),
        1 => (0..6_u8, 0..7_u8).prop_map(|(from, to)| Step::DeleteRange(from, to)),
        2 => ((0..6_u8, any::<u8>()), 0..6_u8).prop_map(|(put, delete)| Step::Pair(put, delete)),
        1 => (0..10_u8).prop_map(Step::Compact),
        2 => Just(Step::Walk),
        1 => Just(Step::Commit),
    ]
}

type Numbers = (u8, i64, i64, i64);

/// `history[r]` is the map at revision `r + 1`: key to value, create, mod, version.
#[derive(Clone)]
struct Model {
    history: Vec<BTreeMap<u8, Numbers>>,
    compact: i64,
}

impl Model {
    fn revision(&self) -> i64 {
        i64::try_from(self.history.len()).unwrap()
    }

    fn change(&mut self, changes: &[(u8, Option<u8>)]) {
        let revision = self.revision() + 1;
        let mut now = self.history.last().unwrap().clone();
        let mut dirty = false;
        for &(key, value) in changes {
            let before = now.remove(&key);
            dirty |= value.is_some() || before.is_some();
            if let Some(value) = value {
                let (_, created, _, version) = before.unwrap_or((0, revision, 0, 0));
                now.insert(key, (value, created, revision, version + 1));
            }
        }
        if dirty {
            self.history.push(now);
        }
    }
}

fn model_key(key: u8) -> Bytes {
    Bytes::copy_from_slice(&[b'a' + key])
}

fn run(store: &mut Store, model: &mut Model, step: &Step) {
    match *step {
        Step::Put(key, value) => {
            let mut txn = store.write();
            txn.put(model_key(key), Bytes::copy_from_slice(&[value]), 0);
            let _committed = txn.end();
            model.change(&[(key, Some(value))]);
        }
        Step::Delete(key) => {
            let mut txn = store.write();
            txn.delete_range(&KeyRange::One(model_key(key)));
            let _committed = txn.end();
            model.change(&[(key, None)]);
        }
        Step::DeleteRange(from, to) => {
            let mut txn = store.write();
            txn.delete_range(&KeyRange::Until(model_key(from), model_key(to)));
            let _committed = txn.end();
            let keys: Vec<_> = (from..to.max(from)).map(|key| (key, None)).collect();
            model.change(&keys);
        }
        Step::Pair((key, value), deleted) => {
            let mut txn = store.write();
            txn.put(model_key(key), Bytes::copy_from_slice(&[value]), 0);
            txn.delete_range(&KeyRange::One(model_key(deleted)));
            let _committed = txn.end();
            model.change(&[(key, Some(value)), (deleted, None)]);
        }
        Step::Compact(back) => {
            let revision = store.revision() - i64::from(back);
            let allowed = revision > model.compact;
            assert_eq!(store.compact(revision).is_ok(), allowed && revision >= 0, "compact");
            if allowed {
                model.compact = revision;
            }
        }
        Step::Walk => _ = store.step_compaction(2),
        Step::Commit => store.commit(),
    }
}

fn assert_agrees(store: &Store, model: &Model) {
    assert_eq!(store.revision(), model.revision(), "revision");
    let lowest = model.compact.max(1);
    for revision in lowest..=model.revision() {
        let found = store.range(&KeyRange::all(), at(revision)).unwrap();
        let found: Vec<(Bytes, Numbers)> = found
            .kvs
            .into_iter()
            .map(|kv| (kv.key, (kv.value[0], kv.create_revision, kv.mod_revision, kv.version)))
            .collect();
        let expected: Vec<(Bytes, Numbers)> = model.history[usize::try_from(revision).unwrap() - 1]
            .iter()
            .map(|(&key, &numbers)| (model_key(key), numbers))
            .collect();
        assert_eq!(found, expected, "all keys at revision {revision}");
    }
}

proptest! {
    #[test]
    fn every_revision_above_the_compact_one_reads_as_it_was(
        steps in prop::collection::vec(step(), 1..60)
    ) {
        let mut store = empty();
        let mut model = Model { history: vec![BTreeMap::new()], compact: -1 };
        for step in &steps {
            run(&mut store, &mut model, step);
        }
        assert_agrees(&store, &model);

        while store.step_compaction(1).is_some() {}
        assert_agrees(&store, &model);
        let rebuilt = Store::restore(store.backend().clone(), Rules::CURRENT).unwrap();
        assert_agrees(&rebuilt, &model);
        let hash = rebuilt.hash_kv(0).map(|found| found.hash);
        prop_assert_eq!(hash, store.hash_kv(0).map(|found| found.hash), "hash");
    }

    #[test]
    fn what_a_crash_leaves_is_a_revision_that_was_there(
        steps in prop::collection::vec(step(), 1..60)
    ) {
        let mut store = empty();
        let mut model = Model { history: vec![BTreeMap::new()], compact: -1 };
        let mut committed = model.clone();
        for step in &steps {
            run(&mut store, &mut model, step);
            if store.backend().pending() == 0 {
                committed = model.clone();
            }
        }
        let mut crashed = Store::restore(store.backend().crashed(), Rules::CURRENT).unwrap();
        while crashed.step_compaction(1).is_some() {}
        assert_agrees(&crashed, &committed);
    }
}
