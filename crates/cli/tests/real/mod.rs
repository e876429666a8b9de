//! The real etcd 3.4 of Debian, as tests start it: on loopback, on ports that were free, in folders
//! of their own, ended by its process id.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::missing_assert_message,
    reason = "each test program uses a part; a test stops where it cannot go on"
)]

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

/// Whether the programs are there, and what else a test needs. Says so if not; with
/// `QUORARIUM_REQUIRE_SHARED=1` that is a failure.
pub(crate) fn has_programs(others: &[(bool, &'static str)]) -> bool {
    let programs = [
        (says("etcd", "--version", "etcd Version: 3.4."), "etcd 3.4"),
        (says("etcdctl", "version", "etcdctl version: 3.4."), "etcdctl 3.4"),
    ];
    let all = others.iter().chain(&programs);
    let missing: Vec<&str> = all.filter(|(found, _)| !found).map(|(_, what)| *what).collect();
    if missing.is_empty() {
        return true;
    }
    let is_required = std::env::var("QUORARIUM_REQUIRE_SHARED").is_ok_and(|value| value == "1");
    assert!(!is_required, "missing and required: {}", missing.join(", "));
    // Not `eprintln!`: the test harness would keep it to itself.
    let mut terminal = std::io::stderr();
    writeln!(terminal, "SKIPPED: missing: {}", missing.join(", ")).unwrap();
    false
}

/// Whether a program is there and of the release.
fn says(program: &str, argument: &str, words: &str) -> bool {
    let output = Command::new(program).arg(argument).env("ETCDCTL_API", "3").output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(words))
}

pub(crate) fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("acceptance").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

pub(crate) fn quorarium(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quorarium")).args(arguments).output().unwrap()
}

pub(crate) fn ours(arguments: &[&str]) -> Value {
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
pub(crate) struct Server {
    child: Child,
    endpoint: String,
    log: PathBuf,
}

impl Server {
    pub(crate) fn start(directory: &Path) -> Server {
        Server::start_with(directory, "n1", &[])
    }

    /// Starts a member's server with more flags.
    pub(crate) fn start_with(directory: &Path, name: &str, flags: &[&str]) -> Server {
        let (client, peer) = (free_port(), free_port());
        let endpoint = format!("http://127.0.0.1:{client}");
        let peer = format!("http://127.0.0.1:{peer}");
        let log = directory.with_extension("log");
        let child = Command::new("etcd")
            .args(["--name", name, "--data-dir", directory.to_str().unwrap()])
            .args(["--listen-client-urls", &endpoint, "--advertise-client-urls", &endpoint])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("{name}={peer}"), "--logger", "zap"])
            .args(flags)
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

    pub(crate) fn try_ctl(&self, arguments: &[&str]) -> Output {
        Command::new("etcdctl")
            .env("ETCDCTL_API", "3")
            .args(["--endpoints", &self.endpoint, "--command-timeout", "5s", "-w", "json"])
            .args(arguments)
            .output()
            .unwrap()
    }

    pub(crate) fn ctl(&self, arguments: &[&str]) -> Value {
        let output = self.try_ctl(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "etcdctl {arguments:?}: {error}");
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    /// Asks the server to end, and waits.
    pub(crate) fn stop(mut self) {
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
pub(crate) fn compare(case: &str, server: &Server, path: &str) {
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

/// Changes of every kind.
pub(crate) fn write_more(server: &Server) {
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

/// What `etcdctl snapshot status` says of a file.
pub(crate) fn snapshot_status(path: &str) -> Value {
    let status = Command::new("etcdctl")
        .env("ETCDCTL_API", "3")
        .args(["snapshot", "status", path, "-w", "json"])
        .output()
        .unwrap();
    assert!(status.status.success(), "{path}: {}", String::from_utf8_lossy(&status.stderr));
    serde_json::from_slice(&status.stdout).unwrap()
}

/// Lets `etcdctl` make a directory of a snapshot file.
pub(crate) fn restore(path: &str, data: &Path) {
    let restored = Command::new("etcdctl")
        .env("ETCDCTL_API", "3")
        .args(["snapshot", "restore", path, "--name", "n1"])
        .args(["--initial-cluster", "n1=http://127.0.0.1:2380"])
        .args(["--initial-advertise-peer-urls", "http://127.0.0.1:2380"])
        .args(["--data-dir", data.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(restored.status.success(), "{path}: {}", String::from_utf8_lossy(&restored.stderr));
}
