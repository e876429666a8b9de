//! The real etcd 3.4 of Debian as the judge of simulated servers: it boots the files that they
//! wrote, as they are and written anew, restores their snapshots, answers the same, and what it
//! then writes is read back.

#![allow(
    clippy::unwrap_used,
    clippy::missing_assert_message,
    reason = "a test stops where it cannot go on; the comparison is the claim"
)]

mod real;

use std::path::{Path, PathBuf};

use etcd::request::Reply;
use real::{Server, compare, ours, restore, scratch, snapshot_status, write_more};
use serde_json::Value;
use sim::World;
use sim::console::{Answer, Entered, answer, enter};
use sim::machine::AnswerBody;
use sim::scenario::Scenario;
use sim::world::Fate;

fn scenario(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simulated").join(name)
}

/// Runs a scenario and writes the disk of a server.
fn run(name: &str, node: &str, form: &str, out: &Path) {
    let scenario = scenario(name);
    let (scenario, out) = (scenario.to_str().unwrap(), out.to_str().unwrap());
    let arguments = ["run", scenario, "--json", "--export-node", node, "--export-as", form];
    let report = ours(&[&arguments[..], &["--out", out]].concat());
    assert_eq!(report["violations"], Value::Array(Vec::new()), "the run itself is sound");
}

/// Who the server is, where it stands and what it holds is what we read from `path`.
fn is_the_same(server: &Server, path: &str) {
    compare(path, server, path);
    let status = server.ctl(&["endpoint", "status"])[0]["Status"].clone();
    let summary = ours(&["inspect", path, "--json"]);
    assert_eq!(status["leader"], status["header"]["member_id"], "it leads");
    for name in ["cluster_id", "member_id"] {
        assert_eq!(status["header"][name], summary[name], "{name}");
    }
    assert_eq!(status["header"]["revision"], summary["revision"], "revision");
    let leases = server.ctl(&["lease", "list"]);
    assert_eq!(leases["leases"][0]["id"], summary["leases"][0]["id"], "the lease is there");
}

/// The real server writes, stops, and we read what it wrote.
fn goes_on(server: Server, path: &str) {
    write_more(&server);
    let before = server.ctl(&["endpoint", "hashkv"])[0]["HashKV"].clone();
    server.stop();
    let after = ours(&["hashkv", path, "--json"]);
    assert_eq!(after["hash"], before["hash"], "what the server wrote is read back");
    let found = ours(&["verify", path, "--as", "3.4.23", "--json"]);
    assert_eq!(found["verdict"], "boots", "{found}");
}

/// A copy of files below another folder, as they were before a server wrote to them.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Boots the files of a simulated server in the real one.
fn boots(name: &str, node: &str, form: &str, flags: &[&str]) {
    if !real::has_programs(&[]) {
        return;
    }
    let folder = scratch(&format!("simulated-{node}-{form}-{name}"));
    let (untouched, data) = (folder.join("untouched"), folder.join("data"));
    run(name, node, form, &untouched);
    copy(&untouched, &data);
    let server = Server::start_with(&data, node, flags);
    is_the_same(&server, untouched.to_str().unwrap());
    goes_on(server, data.to_str().unwrap());
}

#[test]
fn files_of_a_server_on_its_own_boot_as_they_are() {
    boots("single.scn", "n1", "raw", &[]);
}

#[test]
fn files_of_a_member_boot_as_they_are_in_a_cluster_of_one() {
    boots("cluster.scn", "n1", "raw", &["--force-new-cluster"]);
}

#[test]
fn files_of_a_member_that_joined_by_snapshot_boot_as_they_are_in_a_cluster_of_one() {
    boots("cluster.scn", "n4", "raw", &["--force-new-cluster"]);
}

#[test]
fn a_directory_written_anew_boots() {
    boots("single.scn", "n1", "etcd", &[]);
    boots("cluster.scn", "n2", "etcd", &[]);
}

/// A snapshot file is what `etcdctl` says we say it is, and can be restored and served.
fn is_restored(file: &Path) {
    let path = file.to_str().unwrap();
    let (status, summary) = (snapshot_status(path), ours(&["inspect", path, "--json"]));
    assert_eq!(status["hash"], summary["snapshot_hash"], "hash");
    assert_eq!(status["revision"], summary["revision"], "revision");
    assert_eq!(status["totalKey"], summary["backend"]["total_keys"], "keys");
    assert_eq!(status["totalSize"], summary["backend"]["size"], "size");
    let data = file.with_extension("data");
    restore(path, &data);
    let server = Server::start(&data);
    compare(path, &server, path);
    goes_on(server, data.to_str().unwrap());
}

#[test]
fn snapshots_written_anew_are_restored() {
    if !real::has_programs(&[]) {
        return;
    }
    for (name, node) in [("single.scn", "n1"), ("cluster.scn", "n4")] {
        let file = scratch(&format!("simulated-{node}-snapshot")).join("snapshot.db");
        run(name, node, "etcd-snapshot", &file);
        is_restored(&file);
    }
}

/// Types a line and waits for the answer, in words and as the server gave it.
fn ask(world: &mut World, line: &str) -> (Answer, Reply) {
    let Ok(Entered::Asked(performed)) = enter(world, line) else { panic!("{line}: no request") };
    loop {
        world.step().expect("the world goes on");
        let Fate::Ended(ended) = world.fate(performed) else { continue };
        let said = answer(world, performed).unwrap();
        let AnswerBody::Etcd(reply) = &ended.answer.body else { panic!("{line}: {said:?}") };
        return (said, reply.clone());
    }
}

#[test]
fn what_snapshot_save_reads_off_a_running_server_is_restored() {
    if !real::has_programs(&[]) {
        return;
    }
    let text = std::fs::read_to_string(scenario("cluster.scn")).unwrap();
    let scenario = Scenario::parse(&text).unwrap();
    let mut world = World::of_scenario(&scenario);
    world.run_scenario(&scenario, scenario.ends_ns(), &mut |_| {});
    ask(&mut world, "on n1 put written 'just before'");
    let (said, reply) = ask(&mut world, "on n1 snapshot save");
    let Reply::Snapshot(reply) = reply else { panic!("not a snapshot: {reply:?}") };
    let file = scratch("simulated-saved").join("snapshot.db");
    std::fs::write(&file, &reply.blob).unwrap();
    let status = snapshot_status(file.to_str().unwrap());
    assert_eq!(status["revision"], reply.header.revision, "the put is in it");
    let hash = u32::try_from(status["hash"].as_u64().unwrap()).unwrap();
    let words = format!("\n{hash:x}, {}, {}, ", status["revision"], status["totalKey"]);
    assert!(said.output.contains(&words), "{said:?} has {words}");
    is_restored(&file);
}
