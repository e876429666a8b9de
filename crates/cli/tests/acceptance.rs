//! The real etcd 3.4 of Debian as the judge: it boots what `export` writes and answers the same,
//! and what it then writes is read back.
//!
//! Servers run on loopback, on ports that were free, in folders of their own, and are ended by
//! their process ids. Without the programs the test says so and passes, unless
//! `QUORARIUM_REQUIRE_SHARED=1`.

#![allow(
    clippy::unwrap_used,
    clippy::missing_assert_message,
    reason = "a test stops where it cannot go on; the comparison is the claim"
)]

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;

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
    let missing = [
        (folder.is_dir(), "the folder of real directories"),
        (says("etcd", "--version", "etcd Version: 3.4."), "etcd 3.4"),
        (says("etcdctl", "version", "etcdctl version: 3.4."), "etcdctl 3.4"),
    ];
    let missing = missing.into_iter();
    let missing: Vec<&str> = missing.filter(|(found, _)| !found).map(|(_, what)| what).collect();
    if missing.is_empty() {
        return Some(folder);
    }
    let is_required = std::env::var("QUORARIUM_REQUIRE_SHARED").is_ok_and(|value| value == "1");
    assert!(!is_required, "missing and required: {}", missing.join(", "));
    // Not `eprintln!`: the test harness would keep it to itself.
    let mut terminal = std::io::stderr();
    writeln!(terminal, "SKIPPED: missing: {}", missing.join(", ")).unwrap();
    None
}

/// Whether a program is there and of the release.
fn says(program: &str, argument: &str, words: &str) -> bool {
    let output = Command::new(program).arg(argument).env("ETCDCTL_API", "3").output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(words))
}

fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("acceptance").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn quorarium(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quorarium")).args(arguments).output().unwrap()
}

fn ours(arguments: &[&str]) -> Value {
    let output = quorarium(arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{arguments:?}: {error}{}",
        String::from_utf8_lossy(&output.stdout)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// A running server.
struct Server {
    child: Child,
    endpoint: String,
    log: PathBuf,
}

impl Server {
    fn start(directory: &Path) -> Server {
        let (client, peer) = (free_port(), free_port());
        let endpoint = format!("http://127.0.0.1:{client}");
        let peer = format!("http://127.0.0.1:{peer}");
        let log = directory.with_extension("log");
        let child = Command::new("etcd")
            .args(["--name", "n1", "--data-dir", directory.to_str().unwrap()])
            .args(["--listen-client-urls", &endpoint, "--advertise-client-urls", &endpoint])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("n1={peer}"), "--logger", "zap"])
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut server = Server { child, endpoint, log };
        server.wait();
        server
    }

    fn wait(&mut self) {
        for _ in 0..100 {
            if self.try_ctl(&["get", "no such key"]).status.success() {
                return;
            }
            let ended = self.child.try_wait().unwrap();
            let log = || fs::read_to_string(&self.log).unwrap_or_default();
            assert!(ended.is_none(), "the server ended: {}", log());
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("no answer in 10 s: {}", fs::read_to_string(&self.log).unwrap_or_default());
    }

    fn try_ctl(&self, arguments: &[&str]) -> Output {
        Command::new("etcdctl")
            .env("ETCDCTL_API", "3")
            .args(["--endpoints", &self.endpoint, "--command-timeout", "5s", "-w", "json"])
            .args(arguments)
            .output()
            .unwrap()
    }

    fn ctl(&self, arguments: &[&str]) -> Value {
        let output = self.try_ctl(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "etcdctl {arguments:?}: {error}");
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    /// Asks the server to end, and waits.
    fn stop(mut self) {
        let pid = self.child.id().to_string();
        Command::new("kill").arg(&pid).status().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Keys, hash and ids of a server are those that we read from `path`.
fn compare(case: &str, server: &Server, path: &str) {
    let keys = ours(&["get", path, "--json"]);
    let mut theirs = server.ctl(&["get", "", "--from-key"]);
    let kvs = theirs["kvs"].as_array().cloned().unwrap_or_default();
    let with_value = |mut kv: Value| {
        // etcdctl leaves empty values out.
        kv.as_object_mut().unwrap().entry("value").or_insert_with(|| "".into());
        kv
    };
    theirs["kvs"] = kvs.into_iter().map(with_value).collect();
    assert!(keys["kvs"] == theirs["kvs"], "{case}: the keys differ");
    assert_eq!(keys["header"]["revision"], theirs["header"]["revision"], "{case}");
    let hash = ours(&["hashkv", path, "--json"]);
    let theirs = server.ctl(&["endpoint", "hashkv"])[0]["HashKV"].clone();
    assert_eq!(hash["hash"], theirs["hash"], "{case}");
    let compact = |hash: &Value| hash["compact_revision"].as_i64().unwrap_or(0).max(0);
    assert_eq!(compact(&hash), compact(&theirs), "{case}");
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

fn write_more(server: &Server) {
    server.ctl(&["put", "acceptance/a", "1"]);
    server.ctl(&["put", "acceptance/a", "2"]);
    server.ctl(&["put", "acceptance/b", "3"]);
    server.ctl(&["del", "acceptance/b"]);
    let lease = server.try_ctl(&["lease", "grant", "600", "-w", "fields"]);
    assert!(lease.status.success(), "{}", String::from_utf8_lossy(&lease.stderr));
    let revision = server.ctl(&["put", "acceptance/c", "4"])["header"]["revision"].clone();
    server.try_ctl(&["compact", &revision.to_string(), "--physical"]);
    server.try_ctl(&["defrag"]);
    server.ctl(&["put", "acceptance/d", "5"]);
}

/// A snapshot file that we wrote, restored by `etcdctl`.
fn snapshot_case(corpus: &Path, case: &str) {
    let source = corpus.join(format!("{case}.tar.gz"));
    let source = source.to_str().unwrap();
    let folder = scratch(&format!("{case}-snapshot"));
    let file = folder.join("snapshot.db");
    let path = file.to_str().unwrap();
    ours(&["export", source, "--as", "etcd-snapshot", "--out", path, "--json"]);
    let status = Command::new("etcdctl")
        .env("ETCDCTL_API", "3")
        .args(["snapshot", "status", path, "-w", "json"])
        .output()
        .unwrap();
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    let summary = ours(&["inspect", path, "--json"]);
    assert_eq!(status["hash"], summary["snapshot_hash"], "{case}");
    let data = folder.join("data");
    let restored = Command::new("etcdctl")
        .env("ETCDCTL_API", "3")
        .args(["snapshot", "restore", path, "--name", "n1"])
        .args(["--initial-cluster", "n1=http://127.0.0.1:2380"])
        .args(["--initial-advertise-peer-urls", "http://127.0.0.1:2380"])
        .args(["--data-dir", data.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(restored.status.success(), "{case}: {}", String::from_utf8_lossy(&restored.stderr));
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
    let out = scratch(&format!("{case}-repaired")).join("data");
    let path = out.to_str().unwrap();
    let repaired =
        ours(&["repair", source.to_str().unwrap(), "--as", "3.4.23", "--out", path, "--json"]);
    let server = Server::start(&out);
    let theirs = server.ctl(&["get", "", "--from-key"]);
    assert_eq!(theirs["header"]["revision"], repaired["served"], "{case}: {repaired}");
    compare(case, &server, path);
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

#[test]
fn a_revision_of_the_past_is_restored() {
    let Some(corpus) = corpus() else { return };
    let source = corpus.join("A1_single.tar.gz");
    let source = source.to_str().unwrap();
    let out = scratch("past").join("data");
    ours(&["export", source, "--rev", "130", "--out", out.to_str().unwrap(), "--json"]);
    let then = ours(&["get", source, "--rev", "130", "--json"]);
    let server = Server::start(&out);
    let now = server.ctl(&["get", "", "--from-key"]);
    assert_eq!(now["header"]["revision"], 130, "{now}");
    assert_eq!(now["count"], then["count"], "as many keys as then");
    let hash = ours(&["hashkv", source, "--rev", "130", "--json"]);
    assert_eq!(server.ctl(&["endpoint", "hashkv"])[0]["HashKV"]["hash"], hash["hash"]);
    server.stop();
}
