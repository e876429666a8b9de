//! The real etcd 3.4 of Debian as the judge: it boots what `export` writes and answers the same,
//! and what it then writes is read back.
//!
//! Without the programs the test says so and passes, unless
//! `QUORARIUM_REQUIRE_SHARED=1`.

#![allow(
    clippy::unwrap_used,
    clippy::missing_assert_message,
    reason = "a test stops where it cannot go on; the comparison is the claim"
)]

mod real;

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use real::{Server, compare, ours, restore, scratch, snapshot_status, write_more};

/// Directories that a 3.4 server accepts.
const CASES: [&str; 16] = [
    "A1_single",
    "A2_multiseg64m",
    "A3_smallseg",
    "A4_nospace",
    "A5_v2store",
    "A6_purged",
    "A7_compact_on_tombstone",
    "A8_compact_head_delete",
    "B1_lowsnap",
    "B2_kill9",
    "B3_torn",
    "C_alpha",
    "C_beta",
    "C_gamma",
    "C_delta",
    "C_victim_beta_kill9",
];
/// Damaged directories, one of each kind.
const DAMAGED: [&str; 12] = [
    "E01_wal_bitflip_mid",
    "E03_wal_zero_sector_tail",
    "E06_wal_zero_frame_mid",
    "E09_snap_all_bitflip",
    "E13_db_both_meta",
    "E17_db_root_zeroed",
    "E19_db_removed",
    "E20_wal_missing_middle_segment",
    "E22_wal_metadata_conflict",
    "E25_wal_garbage_directly_after_tail",
    "E29_wal_midfile_zero_hole",
    "E32_db_key_order",
];
/// Cases tested at a time.
const WORKERS: usize = 4;

/// The folder of real directories if it is there, and the programs.
fn corpus() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("QUORARIUM_SHARED").map_or(default, PathBuf::from);
    let folder = shared.join("corpus/etcd");
    real::has_programs(&[(folder.is_dir(), "the folder of real directories")]).then_some(folder)
}

/// A directory that we wrote: booted, compared, written to by the real server, read back.
fn directory_case(corpus: &Path, case: &str) {
    let source = corpus.join(format!("{case}.tar.gz"));
    let source = source.to_str().unwrap();
    let folder = scratch(&format!("{case}-directory"));
    let out = folder.join("data");
    let path = out.to_str().unwrap();
    ours(&["export", source, "--out", path, "--json"]);
    let server = Server::start(&out);
    compare(case, &server, source);
    let status = server.ctl(&["endpoint", "status"])[0]["Status"].clone();
    let summary = ours(&["inspect", source, "--json"]);
    assert_eq!(status["leader"], status["header"]["member_id"], "{case}: it leads itself");
    // Who was removed from its cluster begins a new one.
    for name in ["cluster_id", "member_id"].into_iter().filter(|_| case != "C_delta") {
        assert_eq!(status["header"][name], summary[name], "{case}: {name}");
    }
    if case != "A4_nospace" {
        write_more(&server);
    }
    let before = server.ctl(&["endpoint", "hashkv"])[0]["HashKV"].clone();
    server.stop();
    let after = ours(&["hashkv", path, "--json"]);
    assert_eq!(after["hash"], before["hash"], "{case}: what the server wrote is read back");
    let found = ours(&["verify", path, "--as", "3.4.23", "--json"]);
    assert_eq!(found["verdict"], "boots", "{case}: {found}");
}

/// A snapshot file that we wrote, restored by `etcdctl`.
fn snapshot_case(corpus: &Path, case: &str) {
    let source = corpus.join(format!("{case}.tar.gz"));
    let source = source.to_str().unwrap();
    let folder = scratch(&format!("{case}-snapshot"));
    let file = folder.join("snapshot.db");
    let path = file.to_str().unwrap();
    ours(&["export", source, "--as", "etcd-snapshot", "--out", path, "--json"]);
    let status = snapshot_status(path);
    let summary = ours(&["inspect", path, "--json"]);
    assert_eq!(status["hash"], summary["snapshot_hash"], "{case}");
    let data = folder.join("data");
    restore(path, &data);
    let server = Server::start(&data);
    compare(case, &server, source);
    server.stop();
    // And the directory that etcdctl made is read as well.
    let found = ours(&["verify", data.to_str().unwrap(), "--json"]);
    assert_eq!(found["verdict"], "boots", "{case}: {found}");
}

/// A damaged directory that we mended.
fn repair_case(corpus: &Path, case: &str) {
    let source = corpus.join(format!("{case}.tar.gz"));
    let folder = scratch(&format!("{case}-repaired"));
    // One for the server, which writes to it at once, and one to look at meanwhile.
    let (booted, kept) = (folder.join("data"), folder.join("kept"));
    let repair = |out: &Path| {
        let (source, out) = (source.to_str().unwrap(), out.to_str().unwrap());
        ours(&["repair", source, "--as", "3.4.23", "--out", out, "--json"])
    };
    let repaired = repair(&booted);
    assert_eq!(repaired, repair(&kept), "{case}");
    let server = Server::start(&booted);
    let theirs = server.ctl(&["get", "", "--from-key"]);
    assert_eq!(theirs["header"]["revision"], repaired["served"], "{case}: {repaired}");
    compare(case, &server, kept.to_str().unwrap());
    server.stop();
}

/// Runs a test for all cases, a few at a time.
fn each(cases: &[&'static str], test: impl Fn(&Path, &str) + Sync) {
    let Some(corpus) = corpus() else { return };
    let open = Mutex::new(cases.to_vec());
    let next = || open.lock().unwrap().pop();
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(case) = next() {
                    test(&corpus, case);
                }
            });
        }
    });
}

#[test]
fn exported_directories_are_booted_and_what_is_written_then_is_read_back() {
    each(&CASES, directory_case);
}

#[test]
fn exported_snapshots_are_restored() {
    each(&CASES, snapshot_case);
}

#[test]
fn repaired_directories_are_booted() {
    each(&DAMAGED, repair_case);
}

/// 130 is in the backend; 50 was compacted, and is made again by the log.
#[test]
fn a_revision_of_the_past_is_restored() {
    let Some(corpus) = corpus() else { return };
    let source = corpus.join("A1_single.tar.gz");
    let source = source.to_str().unwrap();
    for revision in ["130", "50"] {
        let out = scratch(&format!("past-{revision}")).join("data");
        ours(&["export", source, "--rev", revision, "--out", out.to_str().unwrap(), "--json"]);
        let then = ours(&["get", source, "--rev", revision, "--json"]);
        let server = Server::start(&out);
        let now = server.ctl(&["get", "", "--from-key"]);
        assert_eq!(now["header"]["revision"].to_string(), revision, "{now}");
        assert_eq!(now["count"], then["count"], "as many keys as then");
        let theirs = &server.ctl(&["endpoint", "hashkv"])[0]["HashKV"]["hash"];
        if revision == "130" {
            let hash = ours(&["hashkv", source, "--rev", revision, "--json"]);
            assert_eq!(theirs, &hash["hash"], "the history as it was then");
        }
        server.stop();
    }
}
