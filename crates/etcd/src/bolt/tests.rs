//! The writing side against a model: after every commit the file is whole and holds what the model
//! holds; a power cut at any operation leaves the state before or after.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use disk::{Disk, DiskError};
use proptest::prelude::*;

use super::*;

/// A bucket of the model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Model {
    sequence: u64,
    keys: BTreeMap<Vec<u8>, Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    Value(Vec<u8>),
    Bucket(Model),
}

/// One thing to do in a transaction; paths and keys are small numbers, so that they meet.
#[derive(Debug, Clone)]
enum Act {
    Put { path: Vec<u8>, key: u16, len: usize },
    PutMany { path: Vec<u8>, key: u16, count: u16, len: usize },
    Delete { path: Vec<u8>, key: u16 },
    DeleteMany { path: Vec<u8>, key: u16, count: u16 },
    Create { path: Vec<u8>, name: u8 },
    Remove { path: Vec<u8>, name: u8 },
    Sequence { path: Vec<u8>, sequence: u64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Commit,
    Rollback,
    Reopen,
    Compact,
}

fn path() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(0..3u8, 0..3)
}

fn act() -> impl Strategy<Value = Act> {
    let len = prop_oneof![4 => 0..60usize, 2 => 200..900usize, 1 => 3000..9000usize];
    let small = 0..40usize;
    prop_oneof![
        4 => (path(), 0..400u16, len).prop_map(|(path, key, len)| Act::Put { path, key, len }),
        2 => (path(), 0..2000u16, 1..600u16, small)
            .prop_map(|(path, key, count, len)| Act::PutMany { path, key, count, len }),
        3 => (path(), 0..400u16).prop_map(|(path, key)| Act::Delete { path, key }),
        2 => (path(), 0..2000u16, 1..900u16)
            .prop_map(|(path, key, count)| Act::DeleteMany { path, key, count }),
        3 => (path(), 0..3u8).prop_map(|(path, name)| Act::Create { path, name }),
        1 => (path(), 0..3u8).prop_map(|(path, name)| Act::Remove { path, name }),
        1 => (path(), 0..9u64).prop_map(|(path, sequence)| Act::Sequence { path, sequence }),
    ]
}

fn transactions(count: usize) -> impl Strategy<Value = Vec<(Vec<Act>, End)>> {
    let end = prop_oneof![
        6 => Just(End::Commit), 1 => Just(End::Rollback), 1 => Just(End::Reopen),
        1 => Just(End::Compact)
    ];
    proptest::collection::vec((proptest::collection::vec(act(), 0..12), end), 1..count)
}

fn name(number: u8) -> Vec<u8> {
    format!("bucket{number}").into_bytes()
}

fn key(number: u16) -> Vec<u8> {
    format!("key{number:05}").into_bytes()
}

fn value(number: u16, len: usize) -> Vec<u8> {
    let seed = usize::from(number) + len;
    (0..len).map(|at| u8::try_from((seed + at) % 251).unwrap()).collect()
}

impl Model {
    fn at<'a>(&'a mut self, path: &[u8]) -> Option<&'a mut Model> {
        let Some((first, rest)) = path.split_first() else { return Some(self) };
        match self.keys.get_mut(&name(*first)) {
            Some(Entry::Bucket(bucket)) => bucket.at(rest),
            Some(Entry::Value(_)) | None => None,
        }
    }
}

fn find(tx: &mut Tx, path: &[u8]) -> Option<BucketId> {
    path.iter().try_fold(tx.root(), |bucket, number| tx.bucket(bucket, &name(*number)))
}

fn perform_all(tx: &mut Tx, model: &mut Model, acts: &[Act]) {
    for act in acts {
        perform(tx, model, act);
    }
}

/// Does the same to the transaction and to the model.
fn perform(tx: &mut Tx, model: &mut Model, act: &Act) {
    let (Act::Put { path, .. }
    | Act::PutMany { path, .. }
    | Act::Delete { path, .. }
    | Act::DeleteMany { path, .. }
    | Act::Create { path, .. }
    | Act::Remove { path, .. }
    | Act::Sequence { path, .. }) = act;
    let (bucket, place) = (find(tx, path), model.at(path));
    assert_eq!(bucket.is_some(), place.is_some(), "the same buckets at {path:?}");
    let Some((bucket, place)) = bucket.zip(place) else { return };
    let is_root = path.is_empty();
    match *act {
        Act::Put { .. } | Act::PutMany { .. } if is_root => {}
        Act::Put { key: number, len, .. } => put(tx, place, bucket, number, len),
        Act::PutMany { key: number, count, len, .. } => {
            (number..number + count).for_each(|number| put(tx, place, bucket, number, len));
        }
        Act::Delete { key: number, .. } => delete(tx, place, bucket, number),
        Act::DeleteMany { key: number, count, .. } => {
            (number..number + count).for_each(|number| delete(tx, place, bucket, number));
        }
        Act::Create { name: number, .. } => {
            let made = tx.create_bucket(bucket, &name(number));
            let is_new = !place.keys.contains_key(&name(number));
            assert_eq!(made.err(), (!is_new).then_some(TxError::BucketExists));
            place.keys.entry(name(number)).or_insert_with(|| Entry::Bucket(Model::default()));
        }
        Act::Remove { name: number, .. } => {
            let removed = tx.delete_bucket(bucket, &name(number));
            let expected = place.keys.remove(&name(number)).map(|_| ());
            assert_eq!(removed, expected.ok_or(TxError::BucketNotFound));
        }
        Act::Sequence { sequence, .. } => {
            tx.set_sequence(bucket, sequence);
            place.sequence = sequence;
        }
    }
}

fn put(tx: &mut Tx, place: &mut Model, bucket: BucketId, number: u16, len: usize) {
    let value = value(number, len);
    tx.put(bucket, &key(number), value.clone().into()).unwrap();
    place.keys.insert(key(number), Entry::Value(value));
}

fn delete(tx: &mut Tx, place: &mut Model, bucket: BucketId, number: u16) {
    tx.delete(bucket, &key(number)).unwrap();
    place.keys.remove(&key(number));
}

/// A bucket of a file as a model, read by the reading side.
fn read(bucket: &Bucket<'_>) -> Model {
    let mut model = Model { sequence: bucket.sequence(), keys: BTreeMap::new() };
    let mut cursor = bucket.cursor();
    let mut item = cursor.first().unwrap();
    while let Some(found) = item {
        let entry = match cursor.bucket().unwrap() {
            Some(inner) => Entry::Bucket(read(&inner)),
            None => Entry::Value(found.value.to_vec()),
        };
        model.keys.insert(found.key.to_vec(), entry);
        item = cursor.next().unwrap();
    }
    model
}

/// What a transaction sees, by its own search.
fn seen(tx: &mut Tx, bucket: BucketId) -> Model {
    let mut model = Model { sequence: tx.sequence(bucket), keys: BTreeMap::new() };
    let mut found = tx.seek(bucket, Bound::Unbounded);
    while let Some(Element { key, value, is_bucket }) = found {
        let entry = if is_bucket {
            let inner = tx.bucket(bucket, &key).unwrap();
            Entry::Bucket(seen(tx, inner))
        } else {
            Entry::Value(value.to_vec())
        };
        model.keys.insert(key.to_vec(), entry);
        found = tx.seek(bucket, Bound::Excluded(&key));
    }
    model
}

fn assert_whole(db: &Db, disk: &Disk, model: &Model) {
    assert_eq!(&read(&db.file().root()), model, "what is read");
    let reopened = Db::open(disk, db.id(), db.options).expect("what was written is whole");
    assert_eq!(reopened.free.listed(), db.free.listed(), "the free pages are known");
    assert_eq!(&read(&reopened.file().root()), model, "what is read after opening");
}

/// Completes syncs until a commit is done.
fn settle(mut commit: Commit, db: &mut Db, disk: &mut Disk) -> Result<(), DbError> {
    loop {
        let ticket = commit.ticket();
        disk.complete(ticket);
        match commit.on_synced(ticket, db, disk)? {
            Progress::Waiting(next) => commit = next,
            Progress::Done => return Ok(()),
        }
    }
}

fn compacted(db: &Db, disk: &mut Disk) -> Result<Db, DbError> {
    let mut compact = Compact::begin(db, disk, "/db", "/db.tmp.1")?;
    loop {
        let ticket = compact.ticket();
        disk.complete(ticket);
        match compact.on_synced(ticket, disk)? {
            CompactProgress::Waiting(next) => compact = *next,
            CompactProgress::Done(db) => return Ok(db),
        }
    }
}

fn new_db(disk: &mut Disk, options: DbOptions) -> Db {
    let id = disk.create("/db").unwrap();
    let (db, ticket) = Db::create(disk, id, options).unwrap();
    disk.complete(ticket);
    let named = disk.sync_dir("/").unwrap();
    disk.complete(named);
    db
}

fn options(shift: u32, has_freelist: bool) -> DbOptions {
    DbOptions { page_bytes: 1024 << shift, has_freelist, grow_bytes: 0 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn every_transaction_leaves_a_whole_file_that_holds_what_it_should(
        work in transactions(12), shift in 0..3u32, has_freelist: bool, fill in 10..=100u32,
    ) {
        let mut disk = Disk::new(1 << 30);
        let mut db = new_db(&mut disk, options(shift, has_freelist));
        let mut model = Model::default();
        for (acts, end) in &work {
            let mut tx = db.begin();
            let mut after = model.clone();
            for act in acts {
                perform(&mut tx, &mut after, act);
                if let Some(bucket) = find(&mut tx, &[0]) {
                    tx.set_fill_percent(bucket, fill);
                }
            }
            let root = tx.root();
            prop_assert_eq!(&seen(&mut tx, root), &after, "its own view");
            if *end == End::Rollback {
                drop(tx);
                assert_whole(&db, &disk, &model);
                continue;
            }
            let commit = db.commit(tx, &mut disk).unwrap();
            settle(commit, &mut db, &mut disk).unwrap();
            model = after;
            match end {
                End::Reopen => db = Db::open(&disk, db.id(), db.options).unwrap(),
                End::Compact => {
                    let before = db.size_bytes();
                    db = compacted(&db, &mut disk).unwrap();
                    prop_assert!(db.in_use_bytes() <= before + 8 * u64::from(1024u32 << shift));
                }
                End::Commit | End::Rollback => {}
            }
            assert_whole(&db, &disk, &model);
        }
    }

    #[test]
    fn a_stream_is_the_file_of_its_state(work in transactions(4), shift in 0..7u32) {
        let mut disk = Disk::new(1 << 30);
        let mut db = new_db(&mut disk, options(shift, true));
        let mut model = Model::default();
        for (acts, _) in &work {
            let mut tx = db.begin();
            perform_all(&mut tx, &mut model, acts);
            let commit = db.commit(tx, &mut disk).unwrap();
            settle(commit, &mut db, &mut disk).unwrap();
        }
        let stream = db.stream();
        let commit = {
            let mut tx = db.begin();
            tx.create_bucket_if_missing(tx.root(), b"later").unwrap();
            db.commit(tx, &mut disk).unwrap()
        };
        settle(commit, &mut db, &mut disk).unwrap();
        let size = stream.size_bytes();
        let bytes: Vec<u8> = stream.flat_map(|piece| piece.to_vec()).collect();
        prop_assert_eq!(bytes.len() as u64, size);
        let file = File::open(Bytes::from(bytes), size).unwrap();
        prop_assert_eq!(read(&file.root()), model);
        prop_assert!(file.check().problems.is_empty());
        prop_assert!(file.meta_faults().next().is_none());
    }
}

/// Runs `work` with a power cut at each of its disk operations in turn, and with the survival of
/// what was not synced drawn from `seed`; `check` gets the disk after the cut.
fn at_every_operation(
    disk: &Disk,
    seeds: u64,
    work: impl Fn(&mut Disk) -> Result<(), DbError>,
    check: impl Fn(&Disk, bool),
) {
    for operation in 1.. {
        let mut is_over = false;
        for seed in 0..seeds {
            let mut disk = disk.clone();
            disk.arm_crash(operation);
            let ended = work(&mut disk);
            is_over = !disk.tripped();
            assert!(is_over || ended == Err(DbError::Disk(DiskError::PowerLost)), "{ended:?}");
            let mut draw = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(operation);
            let _report = disk.crash(&mut |_| {
                draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                match seed {
                    0 => false,
                    1 => true,
                    _ => draw >> 63 == 1,
                }
            });
            check(&disk, is_over);
        }
        if is_over {
            assert!(operation >= 4, "there were operations to cut at");
            return;
        }
    }
}

/// Commits without ever completing what the power cut would make meaningless.
pub(super) fn commit_all(db: &mut Db, disk: &mut Disk, tx: Tx) -> Result<(), DbError> {
    let commit = db.commit(tx, disk)?;
    settle(commit, db, disk)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_power_cut_at_any_operation_leaves_the_old_or_the_new_state(
        before in transactions(4), acts in proptest::collection::vec(act(), 1..12),
        shift in 0..3u32, has_freelist: bool,
    ) {
        let mut disk = Disk::new(1 << 30);
        let mut db = new_db(&mut disk, options(shift, has_freelist));
        let mut old = Model::default();
        for (acts, _) in &before {
            let mut tx = db.begin();
            perform_all(&mut tx, &mut old, acts);
            commit_all(&mut db, &mut disk, tx).unwrap();
        }
        let mut new = old.clone();
        let mut tx = db.begin();
        perform_all(&mut tx, &mut new, &acts);
        let work = |disk: &mut Disk| commit_all(&mut db.clone(), disk, tx.clone());
        at_every_operation(&disk, 8, work, |disk, is_over| {
            let id = disk.open("/db").unwrap();
            let found = Db::open(disk, id, db.options).expect("it can be opened");
            let found = read(&found.file().root());
            assert!(found == new || (found == old && !is_over), "neither old nor new");
        });
    }

    #[test]
    fn a_power_cut_while_compacting_leaves_the_original_or_the_copy(
        before in transactions(5), shift in 0..3u32,
    ) {
        let mut disk = Disk::new(1 << 30);
        let mut db = new_db(&mut disk, options(shift, false));
        let mut model = Model::default();
        for (acts, _) in &before {
            let mut tx = db.begin();
            perform_all(&mut tx, &mut model, acts);
            commit_all(&mut db, &mut disk, tx).unwrap();
        }
        let work = |disk: &mut Disk| compacted(&db, disk).map(|_| ());
        at_every_operation(&disk, 6, work, |disk, _| {
            let id = disk.open("/db").unwrap();
            let found = Db::open(disk, id, db.options).expect("it can be opened");
            assert_eq!(read(&found.file().root()), model, "one or the other");
            let mut disk = disk.clone();
            remove_leftovers(&mut disk, "/").unwrap();
            assert_eq!(disk.list("/").unwrap().len(), 1, "only the database is left");
        });
    }
}

#[test]
fn a_compaction_goes_on_through_several_transactions() {
    let mut disk = Disk::new(1 << 30);
    let mut db = new_db(&mut disk, DbOptions::default());
    let mut tx = db.begin();
    let bucket = tx.create_bucket(tx.root(), b"key").unwrap();
    for number in 0..25_000u32 {
        tx.put(bucket, &number.to_be_bytes(), Bytes::from_static(b"value")).unwrap();
    }
    commit_all(&mut db, &mut disk, tx).unwrap();
    let mut tx = db.begin();
    let bucket = tx.bucket(tx.root(), b"key").unwrap();
    for number in (0..25_000u32).filter(|number| number % 10 != 0) {
        tx.delete(bucket, &number.to_be_bytes()).unwrap();
    }
    for number in 25_000..45_000u32 {
        tx.put(bucket, &number.to_be_bytes(), Bytes::from_static(b"value")).unwrap();
    }
    commit_all(&mut db, &mut disk, tx).unwrap();
    let before = read(&db.file().root());
    let copy = compacted(&db, &mut disk).unwrap();
    assert_whole(&copy, &disk, &before);
    assert!(copy.file().meta().transaction >= 4, "22,500 items are three transactions");
    assert!(copy.size_bytes() < db.size_bytes() * 8 / 10, "it is smaller");
}

/// The pages of the file that have other bytes than before.
fn changed_pages(before: &[u8], after: &[u8], page_bytes: usize) -> Vec<usize> {
    let page = |bytes: &[u8], id: usize| {
        let from = (id * page_bytes).min(bytes.len());
        let mut page = bytes[from..bytes.len().min(from + page_bytes)].to_vec();
        page.resize(page_bytes, 0);
        page
    };
    let pages = before.len().max(after.len()).div_ceil(page_bytes);
    (0..pages).filter(|id| page(before, *id) != page(after, *id)).collect()
}

#[test]
fn a_commit_writes_its_pages_syncs_then_one_meta_page_and_syncs_again() {
    let mut disk = Disk::new(1 << 30);
    let mut db = new_db(&mut disk, options(0, false));
    let bytes = |disk: &Disk, db: &Db| disk.read_range(db.id, 0..disk.len(db.id)).unwrap();
    for round in 0..6u16 {
        let in_use: Vec<u64> = db.file().owners().into_keys().collect();
        let transaction = db.file().meta().transaction + 1;
        let mut tx = db.begin();
        let bucket = tx.create_bucket_if_missing(tx.root(), b"key").unwrap();
        (0..200).for_each(|at| {
            tx.put(bucket, &key(at * 3 + round), value(at, 30).into()).unwrap();
        });
        let before = bytes(&disk, &db);
        let mut commit = db.commit(tx, &mut disk).unwrap();
        let mut writes = Vec::new();
        let mut last = before;
        loop {
            let now = bytes(&disk, &db);
            let pages = changed_pages(&last, &now, 1024);
            writes.extend((!pages.is_empty()).then_some(pages));
            last = now;
            let ticket = commit.ticket();
            disk.complete(ticket);
            match commit.on_synced(ticket, &mut db, &mut disk).unwrap() {
                Progress::Waiting(next) => commit = next,
                Progress::Done => break,
            }
        }
        let [data, meta] = &writes[..] else { panic!("{writes:?}") };
        assert!(data.len() > 3 && data[0] > 1, "pages, and no meta page among them: {data:?}");
        let is_in_use = |page: &&usize| in_use.contains(&(**page as u64));
        assert_eq!(data.iter().find(is_in_use), None, "the older state keeps its pages");
        assert_eq!(*meta, [usize::from(transaction % 2 == 1)], "the one by parity");
    }
}

#[test]
fn pages_are_filled_as_asked_and_merged_when_they_are_small() {
    for (fill, keys_a_page) in [(50, 16), (90, 29), (100, 32)] {
        let mut disk = Disk::new(1 << 30);
        let mut db = new_db(&mut disk, options(2, false));
        let mut tx = db.begin();
        let bucket = tx.create_bucket(tx.root(), b"key").unwrap();
        tx.set_fill_percent(bucket, fill);
        // 16 bytes of element, 8 of key, 100 of value.
        (0..2000).for_each(|at| tx.put(bucket, &key(at), value(at, 100).into()).unwrap());
        commit_all(&mut db, &mut disk, tx).unwrap();
        let statistics = db.file().check().statistics;
        // One page is the root's; what fits the last one is not split.
        let pages = (2000_u64 - 32).div_ceil(keys_a_page) + 1;
        assert_eq!(statistics.leaf_pages - 1, pages, "filled by {fill}");

        let mut tx = db.begin();
        let bucket = tx.bucket(tx.root(), b"key").unwrap();
        (0..2000).filter(|at| at % 16 > 0).for_each(|at| tx.delete(bucket, &key(at)).unwrap());
        commit_all(&mut db, &mut disk, tx).unwrap();
        let statistics = db.file().check().statistics;
        let bytes_a_page = statistics.leaf_bytes_in_use / statistics.leaf_pages;
        assert!(bytes_a_page > 4096 / 4, "{bytes_a_page} of a page after deletions");
        assert_eq!(statistics.keys, 125, "the others are there");
    }
}

#[test]
fn more_free_pages_than_a_header_can_count_are_listed_and_found_again() {
    let mut disk = Disk::new(1 << 30);
    let mut db = new_db(&mut disk, options(0, true));
    let mut tx = db.begin();
    let bucket = tx.create_bucket(tx.root(), b"key").unwrap();
    let large = Bytes::from(vec![7; 1 << 20]);
    (0..70).for_each(|at| tx.put(bucket, &key(at), large.clone()).unwrap());
    commit_all(&mut db, &mut disk, tx).unwrap();
    let mut tx = db.begin();
    let bucket = tx.bucket(tx.root(), b"key").unwrap();
    (1..70).for_each(|at| tx.delete(bucket, &key(at)).unwrap());
    commit_all(&mut db, &mut disk, tx).unwrap();
    let free = db.file().freelist().unwrap().expect("the file has a list");
    assert!(free.len() > 0xFFFF, "{} pages", free.len());
    assert_eq!(db.file().check().problems, [], "each of them once");
    let reopened = Db::open(&disk, db.id(), db.options).unwrap();
    assert_eq!(reopened.free.listed(), db.free.listed(), "found again");
    let mut tx = reopened.begin();
    let bucket = tx.bucket(tx.root(), b"key").unwrap();
    tx.put(bucket, &key(1), large).unwrap();
    let before = reopened.size_bytes();
    db = reopened;
    commit_all(&mut db, &mut disk, tx).unwrap();
    assert_eq!(db.size_bytes(), before, "and used again");
}

#[test]
fn what_rots_under_an_open_database_is_seen_when_it_is_opened_again() {
    let mut disk = Disk::new(1 << 30);
    let mut db = new_db(&mut disk, DbOptions::default());
    let mut tx = db.begin();
    let bucket = tx.create_bucket(tx.root(), b"key").unwrap();
    for number in 0..2000u32 {
        tx.put(bucket, &number.to_be_bytes(), Bytes::from_static(b"value")).unwrap();
    }
    commit_all(&mut db, &mut disk, tx).unwrap();
    let root = db.file().root().bucket(b"key").unwrap().unwrap().root_page().unwrap();
    disk.corrupt("/db", root * 4096 + 8, 0xff).unwrap();
    let mut tx = db.begin();
    let other = tx.create_bucket(tx.root(), b"other").unwrap();
    tx.put(other, b"a", Bytes::from_static(b"b")).unwrap();
    commit_all(&mut db, &mut disk, tx).unwrap();
    assert_eq!(read(&db.file().root()).keys.len(), 2, "the process has what it mapped");
    let error = Db::open(&disk, db.id(), db.options).unwrap_err();
    assert!(matches!(error, DbError::Damaged { .. }), "{error}");
}

#[test]
fn a_flag_that_stands_for_nothing_is_told_and_does_no_harm_and_one_of_another_kind_does() {
    let mut disk = Disk::new(1 << 30);
    let mut db = new_db(&mut disk, DbOptions::default());
    let mut tx = db.begin();
    let bucket = tx.create_bucket(tx.root(), b"key").unwrap();
    for number in 0..200u32 {
        tx.put(bucket, &number.to_be_bytes(), Bytes::from_static(b"value")).unwrap();
    }
    commit_all(&mut db, &mut disk, tx).unwrap();
    let written = read(&db.file().root());
    let root = db.file().root().bucket(b"key").unwrap().unwrap().root_page().unwrap();
    let flags = root * 4096 + 8;
    let reopen = |disk: &Disk| Db::open(disk, db.id(), db.options);

    disk.corrupt("/db", flags, 8).unwrap();
    let opened = reopen(&disk).unwrap();
    let faults: Vec<Fault> =
        opened.file().check().problems.into_iter().map(|problem| problem.fault).collect();
    assert!(matches!(faults[..], [Fault::InvalidType { .. }]), "it is told: {faults:?}");
    assert_eq!(read(&opened.file().root()), written, "and everything is read");

    disk.corrupt("/db", flags, 8 | 4).unwrap();
    assert!(
        matches!(reopen(&disk), Err(DbError::Damaged { .. })),
        "a leaf and a meta page at once"
    );
}

#[test]
fn keys_and_values_have_their_limits() {
    let mut disk = Disk::new(1 << 30);
    let db = new_db(&mut disk, DbOptions::default());
    let mut tx = db.begin();
    let bucket = tx.create_bucket(tx.root(), b"key").unwrap();
    let empty = Bytes::new();
    assert_eq!(tx.put(bucket, b"", empty.clone()), Err(TxError::KeyRequired));
    assert_eq!(
        tx.put(bucket, &vec![1; KEY_BYTES_MAX + 1], empty.clone()),
        Err(TxError::KeyTooLarge)
    );
    assert_eq!(tx.put(bucket, &vec![1; KEY_BYTES_MAX], empty.clone()), Ok(()));
    assert_eq!(tx.put(tx.root(), b"key", empty), Err(TxError::IncompatibleValue));
    assert_eq!(tx.delete(tx.root(), b"key"), Err(TxError::IncompatibleValue));
    assert_eq!(tx.create_bucket(bucket, &vec![1; KEY_BYTES_MAX]), Err(TxError::IncompatibleValue));
    assert_eq!(tx.delete_bucket(bucket, b"none"), Err(TxError::BucketNotFound));
}
