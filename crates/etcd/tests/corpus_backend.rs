//! Backends of real servers: revisions, hashes, leases, alarms and members are what etcd and its
//! tools say.

#![allow(
    clippy::unwrap_used,
    clippy::missing_assert_message,
    reason = "a test stops where it cannot go on; the comparison is the claim"
)]

mod corpus;

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use etcd::datadir::{DataDir, DataFile, Inspection, Kind};
use prost::Message as _;
use serde_json::Value;
use sha2::Digest as _;

/// Directories that were stopped cleanly: their backend has all that the server had.
const STOPPED: [(&str, &str); 14] = [
    ("A1_single", "A1_single"),
    ("A2_multiseg64m", "A2_multiseg64m"),
    ("A3_smallseg", "A3_smallseg"),
    ("A4_nospace", "A4_nospace"),
    ("A5_v2store", "A5_v2store"),
    ("A6_purged", "A6_purged"),
    ("A7_compact_on_tombstone", "A7_compact_on_tombstone"),
    ("A8_compact_head_delete", "A8_compact_head_delete"),
    ("B1_lowsnap", "B1_lowsnap"),
    ("C_alpha", "C_cluster"),
    ("C_gamma", "C_cluster"),
    ("G1_v351_single", "G1_v351_single"),
    ("G2_v351_alpha", "G2_v351_learner"),
    ("G2_v351_gamma", "G2_v351_learner"),
];

/// Directories of servers that were killed or removed.
const KILLED: [(&str, &str); 4] = [
    ("B2_kill9", "B2_kill9"),
    ("C_beta", "C_cluster"),
    ("C_delta", "C_cluster"),
    ("C_victim_beta_kill9", "C_cluster"),
];

fn single_file(folder: &Path, name: &str) -> DataDir {
    let bytes = std::fs::read(folder.join(name)).unwrap();
    let len = bytes.len() as u64;
    DataDir::from_files([DataFile::new(name, bytes, len)]).unwrap()
}

/// The backend of a directory as a snapshot file would have it.
fn as_bare_file(folder: &Path, case: &str) -> DataDir {
    let files = corpus::files(folder, case);
    let mut file = files.into_iter().find(|file| file.path.ends_with("snap/db")).unwrap();
    file.path = "db".into();
    DataDir::from_files([file]).unwrap()
}

#[test]
fn a_backend_tells_the_revision_and_hash_of_its_server() {
    let Some(folder) = corpus::folder() else { return };
    for (case, name) in STOPPED {
        let truth = corpus::truth(&folder, name);
        let ours = corpus::open(&folder, case).inspect();
        assert!(ours.damage.is_empty() && ours.not_read.is_empty(), "{case}: {ours:?}");
        assert_eq!(ours.revision, truth["revision"].as_i64(), "{case}");
        let hash = &truth["hashkv"][0]["HashKV"];
        assert_eq!(ours.compact_revision, hash["compact_revision"].as_i64(), "{case}");
        assert_eq!(ours.hash_kv.map(u64::from), hash["hash"].as_u64(), "{case}");
    }
}

#[test]
fn hashes_of_the_past_are_those_of_the_server() {
    let Some(folder) = corpus::folder() else { return };
    let mut compared = 0;
    for (case, name) in STOPPED {
        let truth = corpus::truth(&folder, name);
        let backend = corpus::open(&folder, case).backend().unwrap();
        let store = backend.store(etcd::mvcc::Rules::CURRENT).unwrap();
        let Some(hashes) = truth["hashkv_at"].as_object() else { continue };
        for (revision, theirs) in hashes {
            match (store.hash_kv(revision.parse().unwrap()), theirs.get(0)) {
                (Ok(ours), Some(theirs)) => {
                    assert_eq!(u64::from(ours.hash), theirs["HashKV"]["hash"], "{case} {revision}");
                    compared += 1;
                }
                (Err(ours), None) => {
                    assert!(theirs.as_str().unwrap().contains(&ours.to_string()), "{case}");
                }
                (ours, _) => panic!("{case} at {revision}: {ours:?}, etcd says {theirs}"),
            }
        }
    }
    assert!(compared > 20, "{compared} hashes compared");
}

#[test]
fn snapshot_status_is_that_of_etcdctl() {
    let Some(folder) = corpus::folder() else { return };
    for (case, name) in STOPPED.into_iter().chain(KILLED) {
        let truth = corpus::truth(&folder, name);
        let text = truth["offline"][case]["snapshot_status_of_db"].as_str().unwrap();
        let theirs: Value = serde_json::from_str(text).unwrap();
        let directory = as_bare_file(&folder, case);
        let backend = directory.backend().unwrap();
        assert_eq!(backend.snapshot_hash().unwrap(), theirs["hash"], "{case}");
        let ours = directory.inspect();
        // The tool takes the revision from the last key; after A8's compaction there is none.
        let revision = ours.revision.filter(|_| case != "A8_compact_head_delete").unwrap_or(0);
        assert_eq!(revision, theirs["revision"], "{case}");
        let file = ours.backend.unwrap();
        assert_eq!(file.total_keys, theirs["totalKey"].as_u64(), "{case}");
        assert_eq!(Some(file.size), theirs["totalSize"].as_u64(), "{case}");
    }
}

#[test]
fn snapshot_files_are_read_and_their_digest_checked() {
    let Some(folder) = corpus::folder() else { return };
    let names = [
        ("D_A1_snapshot.db", "A1_single"),
        ("D_B1_snapshot.db", "B1_lowsnap"),
        ("G1_v351_snapshot.db", "G1_v351_single"),
    ];
    for (file, name) in names {
        let truth = corpus::truth(&folder, name);
        let directory = single_file(&folder, file);
        assert_eq!(directory.kind(), Kind::EtcdSnapshot, "{file}");
        let ours = directory.inspect();
        assert!(ours.damage.is_empty() && ours.not_read.is_empty(), "{file}: {ours:?}");
        if let Some(status) = truth["snapshot_status"].as_str() {
            let theirs: Value = serde_json::from_str(status).unwrap();
            assert_eq!(ours.snapshot_hash.map(u64::from), theirs["hash"].as_u64(), "{file}");
            assert_eq!(ours.revision, theirs["revision"].as_i64(), "{file}");
        }
        let members = ours.members.unwrap();
        assert_eq!(members[0].id, truth["member_list"]["members"][0]["ID"], "{file}");

        let mut bytes = std::fs::read(folder.join(file)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        let len = bytes.len() as u64;
        let flipped = DataFile::new(file, bytes, len);
        let damage = DataDir::from_files([flipped]).unwrap().inspect().damage;
        assert_eq!(damage[0].offset, Some(len - 32), "{file}: {damage:?}");
        assert!(damage[0].detail.starts_with("expected sha256"), "{file}: {damage:?}");
    }
}

/// The id in a line such as `lease ID=0000000000001234, TTL=3600s`.
fn lease_id(line: &str) -> Option<i64> {
    let (id, _) = line.strip_prefix("lease ID=")?.split_once(',')?;
    i64::from_str_radix(id, 16).ok()
}

#[test]
fn leases_and_alarms_are_those_of_the_dump() {
    let Some(folder) = corpus::folder() else { return };
    for (case, name) in STOPPED.into_iter().chain(KILLED) {
        let truth = corpus::truth(&folder, name);
        let dump = &truth["offline"][case];
        let ours = corpus::open(&folder, case).inspect();
        let lines = dump["dump_db_lease"].as_str().unwrap().lines();
        let mut theirs: Vec<i64> = lines.filter_map(lease_id).collect();
        theirs.sort_unstable();
        let leases: Vec<i64> = ours.leases.unwrap().iter().map(|lease| lease.id).collect();
        assert_eq!(leases, theirs, "{case}");
    }
    let alarms = corpus::open(&folder, "A4_nospace").inspect().alarms.unwrap();
    let theirs = corpus::truth(&folder, "A4_nospace");
    assert_eq!(alarms[0].member_id, theirs["alarm_list"]["alarms"][0]["memberID"]);
    assert_eq!(alarms[0].alarm, "NOSPACE");
}

#[test]
fn leases_alarms_and_members_are_those_that_the_server_answered() {
    let Some(folder) = corpus::folder() else { return };
    for (case, name) in STOPPED {
        let truth = corpus::truth(&folder, name);
        let ours = corpus::open(&folder, case).inspect();
        for (lease, theirs) in ours.leases.unwrap().iter().zip(sorted(&truth["lease_ttl"], "id")) {
            assert_eq!(lease.id, theirs["id"].as_i64().unwrap(), "{case}");
            assert_eq!(lease.ttl, theirs["granted-ttl"].as_i64().unwrap(), "{case}");
        }
        let alarms = ours.alarms.unwrap();
        let theirs = sorted(&truth["alarm_list"]["alarms"], "memberID");
        let own: Vec<Option<u64>> = alarms.iter().map(|alarm| Some(alarm.member_id)).collect();
        let answered: Vec<Option<u64>> =
            theirs.iter().map(|alarm| alarm["memberID"].as_u64()).collect();
        assert_eq!(own, answered, "{case}");
        let mut members = ours.members.unwrap();
        members.sort_by_key(|member| member.id);
        let theirs = sorted(&truth["member_list"]["members"], "ID");
        assert_eq!(members.len(), theirs.len(), "{case}");
        for (member, theirs) in members.iter().zip(theirs) {
            assert_eq!(member.id, theirs["ID"], "{case}");
            assert_eq!(member.name, theirs["name"].as_str().unwrap_or_default(), "{case}");
        }
    }
}

/// The rows of an answer by a number in them.
fn sorted(rows: &Value, by: &str) -> Vec<Value> {
    let mut rows = rows.as_array().cloned().unwrap_or_default();
    rows.sort_by_key(|row| row[by].as_u64());
    rows
}

#[test]
fn keys_of_the_backend_are_those_that_the_server_served() {
    let Some(folder) = corpus::folder() else { return };
    for (case, name) in STOPPED {
        let truth = corpus::truth(&folder, name);
        let backend = corpus::open(&folder, case).backend().unwrap();
        let store = backend.store(etcd::mvcc::Rules::CURRENT).unwrap();
        let all = etcd::mvcc::KeyRange::all();
        for (revision, theirs) in truth["range_at_rev"].as_object().into_iter().flatten() {
            let revision = revision.parse().unwrap();
            let options = etcd::mvcc::RangeOptions { revision, ..Default::default() };
            let ours = store.range(&all, options).unwrap().kvs;
            let theirs = theirs.as_array().unwrap();
            assert_eq!(ours.len(), theirs.len(), "{case} at {revision}");
            for (ours, theirs) in ours.iter().zip(theirs) {
                assert_eq!(STANDARD.encode(&ours.key), theirs["k"], "{case} at {revision}");
                assert_eq!(ours.mod_revision.to_string(), theirs["mr"], "{case} at {revision}");
            }
        }
    }
}

/// A line of `etcd-dump-db iterate-bucket key --decode`; `None` if Go would escape something.
fn dump_line(key: &[u8], value: &bytes::Bytes) -> Option<String> {
    let at = etcd::mvcc::Revision::from_bytes(key).unwrap().revision;
    let kv = etcd::proto::mvccpb::KeyValue::decode(value.clone()).unwrap();
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    let text = |bytes: &bytes::Bytes| {
        bytes.iter().all(is_plain).then(|| String::from_utf8(bytes.to_vec()).unwrap())
    };
    let (created, modified, version) = (kv.create_revision, kv.mod_revision, kv.version);
    Some(format!(
        "rev={{main:{} sub:{}}}, value=[key \"{}\" | val \"{}\" | created {created} | \
         mod {modified} | ver {version}]",
        at.main,
        at.sub,
        text(&kv.key)?,
        text(&kv.value)?,
    ))
}

#[test]
fn every_revision_is_that_of_the_dump() {
    let Some(folder) = corpus::folder() else { return };
    let mut compared = 0;
    for (case, name) in STOPPED.into_iter().chain(KILLED) {
        let truth = corpus::truth(&folder, name);
        let backend = corpus::open(&folder, case).backend().unwrap();
        let Some(keys) = backend.file().root().bucket(b"key").unwrap() else { continue };
        // The dump begins with the newest one.
        let (mut cursor, mut lines) = (keys.cursor(), Some(Vec::new()));
        while let Some(item) = cursor.prev().unwrap() {
            let line = dump_line(&item.key, &item.value);
            lines = lines.zip(line).map(|(mut lines, line)| {
                lines.push(line);
                lines
            });
        }
        let Some(lines) = lines else { continue };
        let digest = sha2::Sha256::digest(lines.join("\n"));
        let ours: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let theirs = &truth["offline"][case]["dump_db_key_sha256"];
        assert_eq!(*theirs, ours.concat(), "{case}");
        compared += 1;
    }
    assert!(compared > 3, "{compared} dumps compared");
}

fn damaged(folder: &Path, case: &str) -> Inspection {
    let ours = corpus::open(folder, case).inspect();
    assert!(!ours.damage.is_empty(), "{case}");
    assert!(ours.damage.iter().all(|damage| damage.file == "member/snap/db"), "{case}");
    ours
}

#[test]
fn damage_is_told_and_what_it_hides_is_not_read() {
    let Some(folder) = corpus::folder() else { return };
    for case in ["E11_db_meta0_bitflip", "E12_db_meta1_bitflip", "E14_db_newer_meta_zero"] {
        let ours = damaged(&folder, case);
        assert!(ours.damage[0].detail.ends_with("the other meta page is used"), "{case}");
        assert!(ours.revision.is_some(), "{case}: read all the same");
    }
    let both = damaged(&folder, "E13_db_both_meta");
    assert!(both.damage[0].detail.contains("failed to open database"), "{both:?}");
    for (case, offset) in [
        ("E15_db_leaf_flag", Some(8192)),
        ("E17_db_root_zeroed", Some(40960)),
        ("E32_db_key_order", Some(20480 + 16 + 32)),
    ] {
        let ours = damaged(&folder, case);
        assert_eq!(ours.damage[0].offset, offset, "{case}: {:?}", ours.damage);
        assert_eq!(ours.revision, None, "{case}");
        assert!(ours.not_read.iter().any(|missing| missing.fields.contains(&"revision")));
    }
    assert_eq!(damaged(&folder, "E18_db_truncated_half").revision, None);
    let removed = corpus::open(&folder, "E19_db_removed").inspect();
    assert!(removed.damage.is_empty() && removed.revision.is_none());
    assert_eq!(removed.not_read[0].reason, "member/snap/db: not there");
}
