//! `.snap` files of real servers: which one a boot picks, what is in it, and that the tree which we
//! build from the log is the one that they wrote.

#![allow(
    clippy::unwrap_used,
    clippy::missing_assert_message,
    reason = "a test stops where it cannot go on; the comparison is the claim"
)]

mod corpus;

use std::path::Path;

use bytes::Bytes;
use disk::Disk;
use etcd::apply::Applier;
use etcd::datadir::DataDir;
use etcd::membership::Cluster;
use etcd::mvcc::{MemoryBackend, Rules, Store};
use etcd::snap::{self, SnapName};
use etcd::v2store::V2Store;
use etcd::wal::{ReadMode, Replay, SnapshotMark, replay, replay_as_released, valid_snapshots};

/// Undamaged directories with `.snap` files.
const CASES: [&str; 11] = [
    "A3_smallseg",
    "A5_v2store",
    "A6_purged",
    "B1_lowsnap",
    "C_alpha",
    "C_beta",
    "C_gamma",
    "C_delta",
    "C_victim_beta_kill9",
    "G1_v351_single",
    "J_22442_resurrected",
];

const SNAP_DIRECTORY: &str = "/member/snap";

/// The snapshot directory of a case on a disk.
fn on_disk(directory: &DataDir) -> Disk {
    let mut disk = Disk::new(1 << 30);
    disk.create_dir_all(SNAP_DIRECTORY).unwrap();
    for file in directory.files() {
        let Some(name) = file.path.strip_prefix("member/snap/") else { continue };
        let id = disk.create(&format!("{SNAP_DIRECTORY}/{name}")).unwrap();
        disk.write(id, 0, file.kept().unwrap()).unwrap();
        disk.set_len(id, file.len()).unwrap();
    }
    disk
}

fn names(disk: &Disk) -> Vec<String> {
    disk.list(SNAP_DIRECTORY).unwrap().into_iter().map(|entry| entry.name).collect()
}

/// All `.snap` files of a case, by name.
fn snapshots(folder: &Path, case: &str) -> Vec<(SnapName, Bytes)> {
    let directory = corpus::open(folder, case);
    let snap = |file: &etcd::datadir::DataFile| {
        let name = SnapName::parse(file.path.strip_prefix("member/snap/")?)?;
        let bytes = file.range(0, file.len()).unwrap().to_vec();
        Some((name, bytes.into()))
    };
    directory.files().iter().filter_map(snap).collect()
}

#[test]
fn a_boot_picks_the_snapshot_that_the_real_server_picked() {
    let Some(folder) = corpus::folder() else { return };
    for case in CASES {
        let directory = corpus::open(&folder, case);
        let marks = valid_snapshots(directory.segments()).unwrap();
        let mut disk = on_disk(&directory);
        let loaded = snap::load_newest(&mut disk, SNAP_DIRECTORY, &marks).unwrap();
        let (name, snapshot) = loaded.snapshot.unwrap_or_else(|| panic!("{case}: none"));
        assert_eq!(loaded.broken, [], "{case}: all are whole");
        let newest = directory.inspect().wal.unwrap().snapshot.unwrap();
        let metadata = &snapshot.metadata;
        assert_eq!((metadata.term, metadata.index), (newest.term, newest.index), "{case}");
        let named = SnapName { term: metadata.term, index: metadata.index };
        assert_eq!(name, named.to_string(), "{case}: the name tells what is in it");
    }
}

#[test]
fn a_boot_puts_aside_the_files_that_the_real_server_put_aside() {
    let Some(folder) = corpus::folder() else { return };
    let verdicts = corpus::json(&folder, "E_verdicts.json");
    let expected = [
        ("E08_snap_newest_bitflip", Some(0xff)),
        ("E09_snap_all_bitflip", None),
        ("E10_snap_newest_empty", Some(0xff)),
        ("E14_db_newer_meta_zero", Some(0x132)),
        ("E31_wal_first_segment_removed", Some(0xf2)),
    ];
    for (case, index) in expected {
        let directory = corpus::open(&folder, case);
        let mut disk = on_disk(&directory);
        let before = names(&disk);
        let marks = valid_snapshots(directory.segments()).unwrap();
        let loaded = snap::load_newest(&mut disk, SNAP_DIRECTORY, &marks).unwrap();
        let taken = loaded.snapshot.map(|(_, snapshot)| snapshot.metadata.index);
        assert_eq!(taken, index, "{case}");
        let after = names(&disk);
        let gone = before.iter().filter(|name| !after.contains(name));
        let gone: Vec<String> = gone.map(|name| format!("member/snap/{name}")).collect();
        let theirs = verdicts[case]["files_gone"].as_array().unwrap();
        let theirs: Vec<&str> = theirs.iter().map(|name| name.as_str().unwrap()).collect();
        let theirs: Vec<&str> =
            theirs.into_iter().filter(|name| name.strip_suffix(".snap").is_some()).collect();
        // A server that goes on takes a snapshot of its own and may purge.
        assert_eq!(gone, theirs, "{case}");
        for error in loaded.broken {
            let key_log = verdicts[case]["key_log"].to_string();
            assert!(key_log.contains(&error.reason()), "{case}: {error}: {key_log}");
        }
    }
}

#[test]
fn what_we_write_of_a_real_snapshot_reads_the_same() {
    let Some(folder) = corpus::folder() else { return };
    let mut compared = 0;
    for case in CASES {
        for (name, bytes) in snapshots(&folder, case) {
            let theirs = snap::decode(&name.to_string(), &bytes).unwrap();
            let again = snap::encode(&theirs);
            assert_eq!(again, bytes, "{case}: {name}: byte by byte");
            let store = V2Store::from_json(&theirs.data).unwrap();
            let cluster = Cluster::try_from(store.clone()).unwrap();
            let ours = V2Store::from_json(store.to_json().as_bytes()).unwrap();
            assert_eq!(ours, store, "{case}: {name}: /0 and /1 to the last node");
            assert_eq!(Cluster::try_from(ours).unwrap(), cluster, "{case}: {name}");
            assert!(cluster.members().next().is_some(), "{case}: {name}: there are members");
            compared += 1;
        }
    }
    assert!(compared > 20, "{compared} files compared");
}

/// The tree after the log up to an index, from its very beginning.
fn applied(directory: &DataDir, index: u64) -> Cluster {
    let from = SnapshotMark::default();
    let replay = replay(directory.segments(), &from, ReadMode::Read).unwrap();
    let store = Store::restore(MemoryBackend::default(), Rules::CURRENT).unwrap();
    let mut applier = Applier::new(store);
    for entry in replay.entries.iter().take_while(|entry| entry.index <= index) {
        applier.apply(entry).unwrap();
    }
    assert_eq!(applier.applied().index, index, "the log reaches back and up to there");
    applier.cluster().clone()
}

#[test]
fn the_tree_that_we_build_from_the_log_is_the_one_that_the_real_server_wrote() {
    let Some(folder) = corpus::folder() else { return };
    let mut compared = 0;
    for case in ["A3_smallseg", "B1_lowsnap", "C_alpha", "C_beta", "C_gamma", "A5_v2store"] {
        let directory = corpus::open(&folder, case);
        for (name, bytes) in snapshots(&folder, case) {
            let snapshot = snap::decode(&name.to_string(), &bytes).unwrap();
            let theirs = V2Store::from_json(&snapshot.data).unwrap();
            let ours = applied(&directory, name.index);
            assert_eq!(ours.v2().get("/0/version"), theirs.get("/0/version"), "{case}: {name}");
            let members = Cluster::try_from(theirs.clone()).unwrap();
            assert!(ours.members().eq(members.members()), "{case}: {name}");
            if case == "A5_v2store" {
                assert!(ours.v2().not_applied() > 0, "{case}: what users wrote is counted");
                continue;
            }
            assert_eq!(ours.v2(), &theirs, "{case}: {name}: paths, indices, values");
            compared += 1;
        }
    }
    assert!(compared > 8, "{compared} trees compared");
}

#[test]
fn as_released_the_log_brings_back_what_raft_took_back() {
    let Some(folder) = corpus::folder() else { return };
    let directory = corpus::open(&folder, "J_22442_resurrected");
    let from = valid_snapshots(directory.segments()).unwrap().pop().unwrap();
    let last = |replay: Replay| replay.entries.last().map(|entry| entry.index);
    let right = replay(directory.segments(), &from, ReadMode::Write).unwrap();
    assert_eq!(last(right), None, "entry 5 of term 2 overwrote the others, and is in the snapshot");
    let released = replay_as_released(directory.segments(), &from, ReadMode::Write).unwrap();
    assert_eq!(last(released), Some(10), "as etcd-dump-logs and both servers have it");
}
