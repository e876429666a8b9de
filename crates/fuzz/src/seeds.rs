//! Valid inputs to begin with, made by our own writers. All are small, so that the tests can cut them
//! at every byte, and turn every bit of some of them over.

use std::io::{Cursor, Write as _};

use bytes::Bytes;
use disk::Disk;
use etcd::bolt::{Db, DbOptions, Progress};
use etcd::proto::{etcdserverpb, mvccpb, rpc};
use etcd::snap;
use etcd::v2store::V2Store;
use etcd::wal::{Encoder, SnapshotMark};
use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message as _;
use zip::write::SimpleFileOptions;

use crate::join;

/// A valid file, and the fuzz target that reads its kind.
pub struct ValidFile {
    /// What it is.
    pub name: &'static str,
    /// Its kind, by the target that reads it.
    pub target: &'static str,
    /// Its bytes, at most 32 KiB.
    pub bytes: Vec<u8>,
}

/// Files as they lie in a data directory, or hold one.
pub fn files() -> Vec<ValidFile> {
    let [first, second] = log().try_into().expect("two segments");
    let [tar, gzip, zip, _] = archives().try_into().expect("three archives and a file");
    let small = small_database();
    let files = [
        ("first segment", "wal_record", first),
        ("second segment", "wal_record", second),
        ("snapshot of no members", "snap_file", snap_file(&V2Store::default())),
        ("snapshot with a large tree", "snap_file", snap_file(&large_tree())),
        ("snapshot of the database", "database_snapshot", with_hash(small.clone())),
        ("database of one batch", "bolt", small),
        ("database of three batches", "bolt", database(1024, false, 3)),
        ("database with a list of free pages", "bolt", database(1024, true, 3)),
        ("database of large pages", "bolt", database(2048, true, 2)),
        ("tar", "archive", tar),
        ("gzipped tar", "archive", gzip),
        ("zip", "archive", zip),
    ];
    files.map(|(name, target, bytes)| ValidFile { name, target, bytes }).into()
}

/// The seeds of a target.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "wal_record" => log(),
        "wal_directory" => vec![join(&log()), join(&log()[..1])],
        "snap_file" => vec![snap_file(&V2Store::default())],
        "bolt" => {
            vec![database(1024, false, 3), database(1024, true, 3), database(4096, false, 3)]
        }
        "database_snapshot" => {
            vec![database(1024, false, 3), with_hash(database(1024, false, 3))]
        }
        "request" => vec![put_request(), b"\x08\x01\x12\x03PUT\x1a\x02/1".to_vec()],
        "archive" => archives(),
        _ => Vec::new(),
    }
}

/// A directory as a tar, a gzipped tar and a zip, and a database file as it is.
fn archives() -> Vec<Vec<u8>> {
    let segment = "n1.etcd/member/wal/0000000000000000-0000000000000000.wal";
    let snap = "n1.etcd/member/snap/0000000000000002-0000000000000009.snap";
    let files = [(segment, log().remove(0)), (snap, snap_file(&V2Store::default()))];
    let mut tar = tar::Builder::new(Vec::new());
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        tar.append_data(&mut header, path, &bytes[..]).expect("memory takes it");
        zip.start_file(path, SimpleFileOptions::default()).expect("memory takes it");
        zip.write_all(&bytes).expect("memory takes it");
    }
    let tar = tar.into_inner().expect("memory takes it");
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&tar).expect("memory takes it");
    let gzip = gzip.finish().expect("memory takes it");
    let zip = zip.finish().expect("memory takes it").into_inner();
    vec![tar, gzip, zip, database(1024, false, 3)]
}

fn put_request() -> Vec<u8> {
    let put = rpc::PutRequest {
        key: Bytes::from_static(b"key"),
        value: Bytes::from_static(b"value"),
        ..rpc::PutRequest::default()
    };
    let header = etcdserverpb::RequestHeader { id: 7, ..etcdserverpb::RequestHeader::default() };
    etcdserverpb::InternalRaftRequest {
        header: Some(header),
        put: Some(put),
        ..etcdserverpb::InternalRaftRequest::default()
    }
    .encode_to_vec()
}

/// Two segments, the second with a record of a snapshot.
fn log() -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(0);
    let metadata = Bytes::from_static(b"\x08\x01\x10\x02");
    let (mut first, mut second) = (Vec::new(), Vec::new());
    let entry = |index, data: Vec<u8>| raft::Entry {
        term: 1,
        index,
        data: data.into(),
        ..raft::Entry::default()
    };
    let state = raft::HardState { term: 1, vote: 1, commit: 2 };
    encoder.crc_record(&mut first);
    encoder.metadata(&metadata, &mut first);
    encoder.snapshot(&SnapshotMark::default(), &mut first);
    encoder.entry(&entry(1, Vec::new()), &mut first);
    encoder.entry(&entry(2, put_request()), &mut first);
    encoder.entry(&entry(3, vec![7; 600]), &mut first);
    encoder.hard_state(&state, &mut first);
    encoder.crc_record(&mut second);
    encoder.metadata(&metadata, &mut second);
    encoder.hard_state(&state, &mut second);
    encoder.entry(&entry(4, put_request()), &mut second);
    encoder.snapshot(&SnapshotMark::new(2, 1), &mut second);
    vec![first, second]
}

fn snap_file(tree: &V2Store) -> Vec<u8> {
    let conf_state = raft::ConfState { voters: vec![1, 2, 3], ..raft::ConfState::default() };
    let data = tree.to_json().into();
    let metadata = raft::SnapshotMetadata { conf_state, index: 9, term: 2 };
    snap::encode(&raft::Snapshot { data, metadata })
}

/// A tree with what users of the second API wrote.
fn large_tree() -> V2Store {
    let key = |number| {
        format!(
            r#""k{number}":{{"Path":"/1/k{number}","CreatedIndex":{number},"ModifiedIndex":{number},
            "ExpireTime":"0001-01-01T00:00:00Z","Value":"value {number}","Children":null}}"#
        )
    };
    let keys: Vec<String> = (1..9).map(key).collect();
    let time = r#""ExpireTime":"0001-01-01T00:00:00Z","Value":"""#;
    let directory = format!(
        r#"{{"Path":"/1","CreatedIndex":0,"ModifiedIndex":0,{time},"Children":{{{}}}}}"#,
        keys.join(",")
    );
    let json = format!(
        r#"{{"Root":{{"Path":"/","CreatedIndex":0,"ModifiedIndex":0,{time},
        "Children":{{"1":{directory}}}}},"CurrentIndex":9,"CurrentVersion":2}}"#
    );
    V2Store::from_json(json.as_bytes()).expect("a tree as servers write it")
}

/// A backend with some keys, a deleted one, the buckets that a reader asks for, and one nested
/// bucket.
fn database(page_bytes: u32, has_freelist: bool, batches: u64) -> Vec<u8> {
    database_of(page_bytes, has_freelist, batches, 8)
}

/// The same with as few pages as there can be.
fn small_database() -> Vec<u8> {
    database_of(1024, false, 1, 3)
}

fn database_of(page_bytes: u32, has_freelist: bool, batches: u64, keys: u64) -> Vec<u8> {
    let mut disk = Disk::new(1 << 24);
    let id = disk.create("/db").expect("an empty disk takes a file");
    let options = DbOptions { page_bytes, has_freelist, grow_bytes: u64::from(page_bytes) };
    let (mut db, created) = Db::create(&mut disk, id, options).expect("a database is created");
    disk.complete(created);
    for batch in 0..batches {
        let mut tx = db.begin();
        let root = tx.root();
        let make = |tx: &mut etcd::bolt::Tx, name: &[u8]| {
            tx.create_bucket_if_missing(root, name).expect("a bucket is made")
        };
        let (key, meta) = (make(&mut tx, b"key"), make(&mut tx, b"meta"));
        // In a bucket that is not etcd's: a reader of keys refuses others.
        let outer = make(&mut tx, b"outer");
        let nested = tx.create_bucket_if_missing(outer, b"nested").expect("a bucket is made");
        tx.put(nested, b"inner", Bytes::from_static(b"value")).expect("a key is put");
        for number in 0..keys {
            let revision = 2 + batch * keys + number;
            let (name, value) = pair(revision);
            tx.put(key, &name, value).expect("a key is put");
        }
        let index = Bytes::copy_from_slice(&(keys * (batch + 1)).to_be_bytes());
        tx.put(meta, b"consistent_index", index).expect("a key is put");
        commit(&mut db, tx, &mut disk);
    }
    let len = db.file().size_bytes();
    disk.read_range(id, 0..len).expect("the file is there")
}

/// A revision as the `key` bucket keeps it; every fifth is a deletion.
fn pair(revision: u64) -> (Vec<u8>, Bytes) {
    let mut name = revision.to_be_bytes().to_vec();
    name.push(b'_');
    name.extend([0; 8]);
    let key = Bytes::from(format!("k{}", revision % 5));
    let mut kv = mvccpb::KeyValue { key, ..mvccpb::KeyValue::default() };
    if revision.is_multiple_of(5) {
        name.push(b't');
    } else {
        kv.create_revision = revision.cast_signed();
        kv.mod_revision = revision.cast_signed();
        kv.version = 1;
        kv.value = Bytes::from(vec![b'v'; 20]);
    }
    (name, kv.encode_to_vec().into())
}

fn commit(db: &mut Db, tx: etcd::bolt::Tx, disk: &mut Disk) {
    let mut commit = db.commit(tx, disk).expect("a transaction is written");
    loop {
        let ticket = commit.ticket();
        disk.complete(ticket);
        match commit.on_synced(ticket, db, disk).expect("a transaction is written") {
            Progress::Waiting(next) => commit = next,
            Progress::Done => return,
        }
    }
}

fn with_hash(mut bytes: Vec<u8>) -> Vec<u8> {
    use sha2::Digest as _;
    let hash = sha2::Sha256::digest(&bytes);
    bytes.extend(hash);
    bytes
}
