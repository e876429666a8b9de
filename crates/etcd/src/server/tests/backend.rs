//! The backend's file under a running server.

use disk::DiskError;

use super::lab::Lab;
use crate::datadir::{DataDir, DataFile};
use crate::request::{Compact, DeleteRange, Reply, Request, RequestError};
use crate::server::{Input, ServerConfig};

const DB: &str = "/var/lib/etcd/member/snap/db";

fn work(lab: &mut Lab, node: usize) {
    for number in 0..120 {
        let (key, value) = (format!("key{}", number % 17), "v".repeat(number * 7));
        lab.put(node, &key, &value).unwrap();
        if number % 9 == 0 {
            let key = key.into();
            lab.call(node, Request::DeleteRange(DeleteRange { key, ..DeleteRange::default() }))
                .unwrap();
        }
    }
    lab.call(node, Request::Compact(Compact { revision: 60, physical: true })).unwrap();
    lab.put(node, "last", "v").unwrap();
    lab.ticks(5);
}

#[test]
fn a_directory_tells_what_its_running_server_tells() {
    let mut lab = Lab::new(3);
    let leader = lab.elect();
    work(&mut lab, leader);
    for node in 0..3 {
        let directory = DataDir::from_disk(&lab.machines[node].disk, "/var/lib/etcd").unwrap();
        let check = directory.backend().unwrap().file().check();
        assert_eq!(check.problems, [], "every page is in use or free, exactly once");
        assert_eq!(check.statistics.buckets, 10, "as many as a real one makes");
        let store = lab.view(node).store().unwrap();
        let state = directory.state().unwrap();
        assert_eq!(state.hash_kv(0), store.hash_kv(0), "of machine {node}");
        let index = state.backend_index();
        assert!(index > 100 && index <= lab.view(node).log().applied, "the backend is at {index}");
        let inspection = directory.inspect();
        assert_eq!(inspection.damage, [], "nothing is damaged");
    }
}

#[test]
fn rows_of_members_are_in_the_file() {
    let mut lab = Lab::new(3);
    lab.elect();
    lab.ticks(5);
    let directory = DataDir::from_disk(&lab.machines[0].disk, "/var/lib/etcd").unwrap();
    let backend = directory.backend().unwrap();
    for config in &lab.configs {
        let ServerConfig { id, name, .. } = config;
        let row = backend.value("members", &format!("{id:x}")).unwrap().expect("there is a row");
        let row = String::from_utf8_lossy(&row).into_owned();
        let expected = format!(
            r#"{{"id":{id},"peerURLs":["http://{name}:2380"],"name":"{name}","clientURLs":["http://{name}:2379"]}}"#
        );
        assert_eq!(row, expected);
    }
    let version = backend.value("cluster", "clusterVersion").unwrap();
    assert_eq!(version.as_deref(), Some(&b"3.4.0"[..]));
}

#[test]
fn a_restart_begins_with_what_the_file_has() {
    let mut lab = Lab::new(1);
    lab.elect();
    work(&mut lab, 0);
    let hashes = lab.hashes();
    lab.power_cut(0, false);
    lab.boot(0);
    lab.settle();
    let revision = lab.view(0).store().unwrap().revision();
    assert!(revision > 100, "restored to {revision} before anything is applied");
    lab.elect();
    assert_eq!(lab.hashes(), hashes, "and the log has the rest");
}

#[test]
fn defragmentation_gives_free_pages_back_and_survives_a_cut_at_any_disk_operation() {
    let mut lab = Lab::new(1);
    lab.elect();
    work(&mut lab, 0);
    let hashes = lab.hashes();
    let mut operations = 0;
    for operation in 1..200 {
        lab.machines[0].disk.arm_crash(operation);
        let asked = lab.ask(0, Request::Defragment);
        lab.settle();
        if lab.machines[0].died_of.is_none() {
            assert!(matches!(lab.answer(asked), Some(Ok(Reply::Defragment(_)))), "it is done");
            operations = operation;
            break;
        }
        lab.power_cut(0, operation % 2 == 0);
        lab.boot(0);
        lab.elect();
        lab.ticks(3);
        assert_eq!(lab.hashes(), hashes, "cut at operation {operation}");
    }
    assert!(operations > 10, "there were {operations} operations to cut at");
    let Ok(Reply::Status(status)) = lab.call(0, Request::Status) else { panic!("a status") };
    let free = status.db_size_bytes - status.db_size_in_use_bytes;
    assert!(free <= 4 * 4096, "{free} bytes are free: only those that the first pages took");
    lab.power_cut(0, false);
    lab.boot(0);
    lab.elect();
    assert_eq!(lab.hashes(), hashes, "the new file has everything");
}

#[test]
fn a_batch_that_cannot_be_synced_kills_the_server() {
    let mut lab = Lab::new(1);
    lab.elect();
    lab.put(0, "a", "1").unwrap();
    lab.ticks(2);
    lab.put(0, "a", "2").unwrap();
    lab.machines[0].is_slow = true;
    lab.tick();
    let ticket = lab.machines[0].syncs.pop_front().expect("the batch is being closed");
    let error = DiskError::Io { detail: "fdatasync".to_owned() };
    lab.input(0, Input::SyncFailed(ticket, error));
    let reason = lab.machines[0].died_of.clone().expect("it died").reason;
    assert_eq!(reason, "failed to commit tx: fdatasync: input/output error");
}

#[test]
fn nothing_is_applied_while_a_batch_is_being_closed() {
    let mut lab = Lab::with(1, |config| config.batch_limit = 1);
    lab.elect();
    lab.machines[0].is_slow = true;
    let first = lab.ask(0, Request::put("a", "1"));
    let second = lab.ask(0, Request::put("b", "2"));
    lab.sync(0);
    assert!(lab.answer(first).is_some() || lab.answer(second).is_none(), "in order");
    lab.machines[0].is_slow = false;
    lab.settle();
    assert!(lab.answer(first).is_some() && lab.answer(second).is_some(), "both in the end");
    let disk = &lab.machines[0].disk;
    assert!(disk.len(disk.open(DB).unwrap()) > 16 << 20, "the file has grown as a real one");
}

/// Asks for a defragmentation whose first sync fails.
fn fail_to_defragment(version: &str) -> (Lab, RequestError) {
    let mut lab = Lab::with(1, |config| config.version = version.parse().unwrap());
    lab.elect();
    work(&mut lab, 0);
    lab.machines[0].is_slow = true;
    let asked = lab.ask(0, Request::Defragment);
    let ticket = lab.machines[0].syncs.pop_front().expect("the copy is being written");
    lab.input(0, Input::SyncFailed(ticket, DiskError::NoSpace));
    lab.machines[0].is_slow = false;
    lab.settle();
    let answer = lab.answer(asked).expect("an answer").clone();
    (lab, answer.unwrap_err())
}

#[test]
fn a_defragmentation_that_fails_is_an_answer_and_leaves_the_file_as_it_was() {
    let (mut lab, error) = fail_to_defragment("3.4.35");
    let words = error.to_string();
    assert!(words.ends_with("no space left on device") && words.contains("db.tmp."), "{words}");
    let snap = lab.machines[0].disk.list("/var/lib/etcd/member/snap").unwrap();
    assert!(!snap.iter().any(|entry| entry.name.contains("tmp")), "the copy is gone");
    lab.put(0, "then", "1").unwrap();
    assert!(matches!(lab.call(0, Request::Defragment), Ok(Reply::Defragment(_))), "and again");
    let hashes = lab.hashes();
    lab.power_cut(0, false);
    lab.boot(0);
    lab.elect();
    assert_eq!(lab.hashes(), hashes, "all of it is durable");
}

#[test]
fn releases_before_3_4_35_die_after_a_defragmentation_that_failed() {
    let (mut lab, _) = fail_to_defragment("3.4.34");
    assert!(lab.machines[0].died_of.is_none(), "not at once");
    lab.ask(0, Request::put("then", "1"));
    let reason = lab.machines[0].died_of.clone().expect("it died").reason;
    assert!(reason.ends_with("nil pointer dereference"), "{reason}");
}

#[test]
fn a_snapshot_is_the_last_closed_batch_and_its_digest() {
    let mut lab = Lab::new(1);
    lab.elect();
    work(&mut lab, 0);
    lab.put(0, "just", "before").unwrap();
    let Ok(Reply::Snapshot(reply)) = lab.call(0, Request::Snapshot) else { panic!("a snapshot") };
    let file = DataFile::new("snapshot.db", reply.blob, 0);
    let found = DataDir::from_files([file.clone()]).unwrap();
    assert_eq!(found.verify(None).damage, [], "the digest is that of the file");
    let store = lab.view(0).store().unwrap();
    assert_eq!(found.state().unwrap().hash_kv(0), store.hash_kv(0), "with the last put");
    assert_eq!(reply.header.revision, store.revision(), "and says so");
}
