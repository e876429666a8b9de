//! The backend on the disk against the one in memory.

use std::ops::ControlFlow;

use ::disk::Disk;
use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::mvcc::{KeyRange, RangeOptions, Rules, Store};

const PATH: &str = "/member/snap/db";

/// A backend at the end of its opening, with all buckets.
fn open(disk: &mut Disk, options: BackendOptions) -> DiskBackend {
    let mut opened = Opening::begin(disk, PATH, options).unwrap();
    for ticket in disk.take_issued() {
        disk.complete(ticket);
        if let Opened::Waiting(opening) = opened {
            opened = opening.on_synced(ticket);
        }
    }
    let Opened::Ready(mut backend) = opened else { panic!("all syncs are done") };
    commit(&mut backend, disk);
    *backend
}

fn settle(backend: &mut DiskBackend, disk: &mut Disk) {
    while let Some(ticket) = backend.waits_for() {
        disk.complete(ticket);
        backend.on_synced(ticket, disk).unwrap();
    }
}

fn commit(backend: &mut DiskBackend, disk: &mut Disk) {
    backend.begin_commit(disk).unwrap();
    settle(backend, disk);
}

fn new_disk() -> Disk {
    let mut disk = Disk::new(1 << 30);
    disk.create_dir_all("/member/snap").unwrap();
    for directory in ["/", "/member"] {
        let ticket = disk.sync_dir(directory).unwrap();
        disk.complete(ticket);
    }
    disk.take_issued();
    disk
}

fn all(
    backend: &impl Backend,
    bucket: Bucket,
    from: &[u8],
    to: Option<&[u8]>,
) -> Vec<(Bytes, Bytes)> {
    let mut found = Vec::new();
    backend.scan(bucket, from, to, &mut |key, value| {
        found.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
        ControlFlow::Continue(())
    });
    found
}

#[derive(Debug, Clone)]
enum Act {
    Put(usize, u8, usize),
    Delete(usize, u8),
    Commit,
    Defragment,
    Crash,
}

fn act() -> impl Strategy<Value = Act> {
    let bucket = 0..Bucket::ALL.len();
    prop_oneof![
        12 => (bucket.clone(), any::<u8>(), 0..600usize).prop_map(|(b, k, l)| Act::Put(b, k, l)),
        6 => (bucket, any::<u8>()).prop_map(|(bucket, key)| Act::Delete(bucket, key)),
        2 => Just(Act::Commit),
        1 => Just(Act::Defragment),
        1 => Just(Act::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn it_holds_what_the_one_in_memory_holds(
        acts in proptest::collection::vec(act(), 0..150), from: u8, to: u8,
    ) {
        let mut disk = new_disk();
        let options = BackendOptions::default();
        let mut backend = open(&mut disk, options);
        let mut model = MemoryBackend::default();
        for act in acts {
            match act {
                Act::Put(bucket, key, len) => {
                    let value = Bytes::from(vec![key; len]);
                    backend.put(Bucket::ALL[bucket], &[key], value.clone());
                    model.put(Bucket::ALL[bucket], &[key], value);
                }
                Act::Delete(bucket, key) => {
                    backend.delete(Bucket::ALL[bucket], &[key]);
                    model.delete(Bucket::ALL[bucket], &[key]);
                }
                Act::Commit | Act::Defragment => {
                    prop_assert_eq!(backend.pending(), model.pending());
                    commit(&mut backend, &mut disk);
                    model.commit();
                    if matches!(act, Act::Defragment) {
                        backend.begin_defragmentation(&mut disk).unwrap();
                        settle(&mut backend, &mut disk);
                    }
                }
                Act::Crash => {
                    let _report = disk.crash(&mut |_| false);
                    backend = open(&mut disk, options);
                    model = model.crashed();
                }
            }
            for bucket in Bucket::ALL {
                let (from, to) = ([from], [to]);
                prop_assert_eq!(
                    all(&backend, bucket, &from, Some(&to)),
                    all(&model, bucket, &from, Some(&to))
                );
                prop_assert_eq!(all(&backend, bucket, &[], None), all(&model, bucket, &[], None));
                prop_assert_eq!(backend.get(bucket, &from), model.get(bucket, &from));
            }
        }
    }
}

#[test]
fn a_store_comes_back_from_its_file() {
    let mut disk = new_disk();
    let mut store =
        Store::restore(open(&mut disk, BackendOptions::default()), Rules::CURRENT).unwrap();
    for number in 0..500u64 {
        store.set_consistent_index(number + 1);
        let mut txn = store.write();
        txn.put(Bytes::from(format!("key{}", number % 50)), Bytes::from(vec![b'v'; 100]), 0);
        if number % 7 == 0 {
            txn.delete_range(&KeyRange::One(Bytes::from(format!("key{}", number % 50))));
        }
        let _committed = txn.end();
        if number % 90 == 0 {
            commit(store.backend_mut(), &mut disk);
        }
    }
    let hash = store.hash_kv(0).unwrap();
    assert!(store.backend().pending() > 0, "a part of it is in the batch");
    commit(store.backend_mut(), &mut disk);
    assert_eq!(store.hash_kv(0).unwrap(), hash, "closing the batch changes nothing");

    let _report = disk.crash(&mut |_| false);
    let again = Store::restore(open(&mut disk, BackendOptions::default()), Rules::CURRENT).unwrap();
    assert_eq!(again.hash_kv(0).unwrap(), hash, "the history");
    assert_eq!(again.consistent_index(), 500, "and how far it goes");
    let options = RangeOptions::default();
    assert_eq!(again.range(&KeyRange::all(), options), store.range(&KeyRange::all(), options));
}

#[test]
fn a_full_batch_asks_to_be_closed() {
    let mut disk = new_disk();
    let options = BackendOptions { batch_limit: 3, ..BackendOptions::default() };
    let mut backend = open(&mut disk, options);
    backend.put(Bucket::Key, b"a", Bytes::new());
    backend.delete(Bucket::Key, b"b");
    assert!(!backend.wants_commit(), "two changes");
    backend.put(Bucket::Key, b"c", Bytes::new());
    assert!(backend.wants_commit(), "three");
    assert_eq!(backend.begin_commit(&mut disk), Ok(true));
    assert_eq!(backend.busy(), Some(Busy::Commit));
    settle(&mut backend, &mut disk);
    assert_eq!((backend.busy(), backend.wants_commit(), backend.pending()), (None, false, 0));
    assert_eq!(backend.begin_commit(&mut disk), Ok(false), "nothing to close");
}

#[test]
fn a_fresh_file_has_the_size_of_a_real_one() {
    let mut disk = new_disk();
    let backend = open(&mut disk, BackendOptions::default());
    let names: Vec<&str> = Bucket::ALL.iter().map(|bucket| bucket.name()).collect();
    assert!(names.is_sorted(), "{names:?}");
    assert_eq!(
        backend.size_bytes(),
        5 * 4096,
        "two metas, the old freelist and root, the new root"
    );
    assert_eq!(disk.len(backend.db().id()), 6 * 4096 + (16 << 20), "and room to grow");
}

#[test]
fn a_power_cut_in_the_first_boot_leaves_a_file_that_can_be_opened() {
    for operation in 1.. {
        for survives in [false, true] {
            let mut disk = new_disk();
            disk.arm_crash(operation);
            if let Ok(Opened::Waiting(mut opening)) =
                Opening::begin(&mut disk, PATH, BackendOptions::default())
            {
                for ticket in disk.take_issued() {
                    disk.complete(ticket);
                    match opening.on_synced(ticket) {
                        Opened::Waiting(next) => opening = next,
                        Opened::Ready(mut backend) => {
                            let _lost = backend.begin_commit(&mut disk);
                            break;
                        }
                    }
                }
            }
            let is_over = !disk.tripped();
            let _report = disk.crash(&mut |_| survives);
            let backend = open(&mut disk, BackendOptions::default());
            assert!(backend.busy().is_none(), "it is open");
            if is_over {
                return;
            }
        }
    }
}
