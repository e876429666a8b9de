//! The backend's file under a running server.

use bytes::Bytes;
use disk::DiskError;

use super::lab::Lab;
use crate::datadir::{DataDir, DataFile, ExportAs};
use crate::mvcc::Backend as _;
use crate::request::{
    Compact, DeleteRange, KeyValue, LeaseGrant, Put, Range, Reply, Request, RequestError,
};
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
fn of_several_members_logs_only_what_the_commit_index_covers_counts() {
    let mut lab = Lab::new(3);
    let leader = lab.elect();
    lab.put(leader, "a", "1").unwrap();
    lab.ticks(2);
    lab.cut_off.insert(leader);
    lab.ask(leader, Request::put("b", "2"));
    lab.settle();
    let directory = DataDir::from_disk(&lab.machines[leader].disk, "/var/lib/etcd").unwrap();
    let wal = directory.inspect().wal.unwrap();
    assert!(wal.last_index > wal.hard_state.commit, "nobody else has the entry");
    let state = directory.state().unwrap();
    let held = |key: &str| state.store().index().key(key.as_bytes()).is_some();
    assert!(held("a") && !held("b"), "it may still be overwritten");
}

fn listed(directory: &DataDir, revision: i64) -> Result<Vec<KeyValue>, String> {
    let all = Range { range_end: Bytes::from_static(b"\0"), revision, ..Range::default() };
    let mut listing = directory.list(&all).map_err(|error| error.to_string())?;
    let page = listing.next_page(i64::MAX).map_err(|error| error.to_string())?;
    Ok(page.expect("a first page").kvs)
}

/// The directory of a lone server that compacted at the end, and what it had told at each revision.
fn compacted(keys: &str) -> (DataDir, Vec<(i64, Vec<KeyValue>)>) {
    let mut lab = Lab::new(1);
    lab.elect();
    let mut told = Vec::new();
    for number in 0..40 {
        let key = format!("{keys}{}", number % 7);
        match number % 5 {
            4 => _ = lab.call(0, Request::delete(key)).unwrap(),
            _ => _ = lab.put(0, &key, &number.to_string()).unwrap(),
        }
        let from = Bytes::from_static(b"\0");
        let all = Range { key: from.clone(), range_end: from, ..Range::default() };
        let Ok(Reply::Range(now)) = lab.call(0, Request::Range(all)) else { panic!("a range") };
        told.push((now.header.revision, now.kvs));
    }
    let revision = lab.view(0).store().unwrap().revision();
    lab.call(0, Request::Compact(Compact { revision, physical: true })).unwrap();
    lab.ticks(5);
    (DataDir::from_disk(&lab.machines[0].disk, "/var/lib/etcd").unwrap(), told)
}

#[test]
fn revisions_that_the_backend_compacted_are_read_and_exported_by_the_whole_log() {
    let (directory, told) = compacted("key");
    let state = directory.state().unwrap();
    assert_eq!(state.store().compact_revision(), told.last().unwrap().0, "all was compacted");
    for (revision, kvs) in &told {
        assert_eq!(listed(&directory, *revision).as_ref(), Ok(kvs), "at {revision}");
    }
    let (revision, kvs) = &told[12];
    let exported = directory.export(ExportAs::Directory, *revision, Vec::new()).unwrap();
    let exported = DataDir::from_files(exported.files).unwrap();
    assert_eq!(exported.verify(None).damage, [], "it is whole");
    assert_eq!(listed(&exported, 0).as_ref(), Ok(kvs), "as it was then");
    assert_eq!(exported.state().unwrap().store().revision(), *revision, "and nothing later");
}

#[test]
fn a_log_that_does_not_begin_or_tells_of_other_keys_makes_no_revision_again() {
    let (own, told) = compacted("key");
    let (other, _) = compacted("other");
    let revision = told[12].0;
    let is_log = |file: &&DataFile| file.path.starts_with("member/wal");
    let backend = own.files().iter().filter(|file| !is_log(file));
    let mixed = DataDir::from_files(backend.chain(other.files().iter().filter(is_log)).cloned());
    let compacted = Err("etcdserver: mvcc: required revision has been compacted".to_owned());
    assert_eq!(listed(&mixed.unwrap(), revision), compacted, "the log of another server");
    let alone = own.files().iter().filter(|file| !is_log(file)).cloned();
    let alone = DataDir::from_files(alone).unwrap();
    assert_eq!(listed(&alone, revision), compacted, "no log");
}

#[test]
fn an_export_of_the_past_lists_the_leases_that_have_ended_since() {
    let mut lab = Lab::new(1);
    lab.elect();
    for id in [7, 8] {
        lab.call(0, Request::LeaseGrant(LeaseGrant { ttl: 600, id })).unwrap();
        let put = Put { key: format!("key{id}").into(), lease: id, ..Put::default() };
        lab.call(0, Request::Put(put)).unwrap();
    }
    let revision = lab.view(0).store().unwrap().revision();
    lab.call(0, Request::LeaseRevoke { id: 7 }).unwrap();
    lab.ticks(5);
    let directory = DataDir::from_disk(&lab.machines[0].disk, "/var/lib/etcd").unwrap();
    let exported = |revision| {
        let exported = directory.export(ExportAs::Directory, revision, Vec::new()).unwrap();
        exported.given_up.into_iter().filter(|what| what.contains("lease")).collect::<Vec<_>>()
    };
    assert_eq!(exported(revision), ["lease 7 has ended since; keys that had it: 1"]);
    assert_eq!(exported(0), [""; 0], "now nothing is missing");
}

#[test]
fn a_batch_is_closed_when_its_interval_is_over() {
    let interval_ns = 1_000_000_000;
    let mut lab = Lab::with(1, |config| config.batch_interval_ns = interval_ns);
    lab.elect();
    let pending = |lab: &Lab| lab.view(0).store().unwrap().backend().pending();
    let mut closed_ns = Vec::new();
    for number in 0..3 {
        lab.put(0, "a", &number.to_string()).unwrap();
        assert!(pending(&lab) > 0, "acknowledged, and not yet in the file");
        while pending(&lab) > 0 {
            lab.tick();
        }
        closed_ns.push(lab.now_ns);
    }
    assert_eq!(closed_ns[1] - closed_ns[0], interval_ns, "{closed_ns:?}");
    assert_eq!(closed_ns[2] - closed_ns[1], interval_ns, "{closed_ns:?}");
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
