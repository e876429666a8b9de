//! What the truth files say beyond keys, hashes and pages: and that nothing in them is passed over.

#![allow(
    clippy::case_sensitive_file_extension_comparisons,
    clippy::unwrap_used,
    clippy::missing_assert_message,
    reason = "a test stops where it cannot go on; the comparison is the claim; etcd minds the case"
)]

mod corpus;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use etcd::bolt::Item;
use etcd::datadir::{DataDir, DataFile, ExportAs, Inspection, LogRecord, State};
use etcd::request::{Range, RequestError};
use prost::Message as _;
use serde_json::Value;
use sha2::Digest as _;

/// Names of fields that no test compares, and why.
const NOT_COMPARED: [(&str, &str); 17] = [
    ("label", "a description"),
    ("steps", "what etcdctl printed while the case was made"),
    ("repair_log", "log lines of the server; the files that it left are compared"),
    ("message", "the same words as `error`"),
    ("code", "gRPC's number for the same words"),
    ("Endpoint", "where etcdctl asked"),
    ("v1", "the first character of values whose lengths are compared"),
    ("bbolt_pages", "of a copy that the tool had changed before: see the corpus' README"),
    ("source", "the label of the case that was damaged"),
    ("damage", "a description; place and bytes are compared with it by eye in corpus_verify"),
    ("tar_bytes", "size of the archive"),
    ("exit_code", "of a server that was stopped, or the signal"),
    ("same_hashkv", "whether the two hashes beside it are equal"),
    ("hashkv_source", "of the case before the damage"),
    ("keys_source", "of the case before the damage"),
    ("files_new", "names of .broken copies and of segments prepared in advance"),
    ("dump_logs_tail", "the last 300 characters of a dump whose whole is compared elsewhere"),
];

/// Objects whose keys are data, not names.
const MAPS: [&str; 7] =
    ["range_at_rev", "hashkv_at", "files", "files_after", "offline", "per_member_hashkv", "cases"];

fn names(value: &Value, parent: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                if MAPS.contains(&parent) {
                    names(inner, "", found);
                } else {
                    found.insert(name.clone());
                    names(inner, name, found);
                }
            }
        }
        Value::Array(rows) => rows.iter().for_each(|row| names(row, "", found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Every name of a field in any truth file stands in the source of a test that compares it, or in
/// the list above with the reason why it is not compared.
#[test]
fn no_field_of_the_truth_is_passed_over() {
    let Some(folder) = corpus::folder() else { return };
    let mut found = BTreeSet::new();
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    for path in files.filter(|path| path.to_string_lossy().ends_with(".truth.json")) {
        let truth: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        names(&truth, "", &mut found);
    }
    names(&corpus::verdicts(&folder), "cases", &mut found);
    assert!(found.len() > 80, "{} names", found.len());
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let sources: String = std::fs::read_dir(tests)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    for (name, _) in NOT_COMPARED {
        assert!(found.remove(name), "{name} is in no truth file any more");
        // Once, in the list.
        let uses = sources.matches(&format!("\"{name}\"")).count();
        assert_eq!(uses, 1, "{name} is compared after all");
    }
    let passed_over: Vec<&String> =
        found.iter().filter(|name| !sources.contains(&format!("\"{name}\""))).collect();
    assert!(passed_over.is_empty(), "no comparison looks at {passed_over:?}");
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| value.as_str().map_or(0, |text| text.parse().unwrap()))
}

fn strings(value: &Value) -> Vec<String> {
    let rows = value.as_array().into_iter().flatten();
    rows.map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// Directories of which the truth is the last word: the server was stopped after it was asked.
fn stopped() -> impl Iterator<Item = (&'static str, &'static str)> {
    let is_whole =
        |case: &str| !matches!(case, "B2_kill9" | "B3_torn" | "C_delta" | "C_victim_beta_kill9");
    corpus::UNDAMAGED.into_iter().filter(move |(case, _)| is_whole(case))
}

fn state(folder: &Path, case: &str) -> State {
    corpus::open(folder, case).state().unwrap()
}

/// Who answers: the same cluster; the member and the term where it is this one's own answer.
fn check_header(case: &str, ours: &Inspection, header: &Value, is_own: bool) {
    if header.is_null() {
        return;
    }
    assert_eq!(ours.cluster_id, header["cluster_id"].as_u64(), "{case}");
    let term = ours.wal.as_ref().unwrap().hard_state.term;
    assert!(header["raft_term"].as_u64().unwrap() <= term, "{case}: no term from the future");
    if is_own {
        assert_eq!(ours.member_id, header["member_id"].as_u64(), "{case}");
    }
    if let Some(revision) = header["revision"].as_i64() {
        assert_eq!(ours.revision, Some(revision), "{case}");
    }
}

#[test]
fn members_and_their_urls_are_those_that_the_server_listed() {
    let Some(folder) = corpus::folder() else { return };
    for (case, name) in stopped() {
        let truth = corpus::truth(&folder, name);
        let ours = corpus::open(&folder, case).inspect();
        let mut listed: Vec<Value> = truth["member_list"]["members"].as_array().unwrap().clone();
        listed.sort_by_key(|member| member["ID"].as_u64());
        let mut members = ours.members.clone().unwrap();
        members.sort_by_key(|member| member.id);
        assert_eq!(members.len(), listed.len(), "{case}");
        for (member, theirs) in members.iter().zip(&listed) {
            assert_eq!(member.id, theirs["ID"], "{case}");
            assert_eq!(member.name, theirs["name"].as_str().unwrap_or_default(), "{case}");
            assert_eq!(member.peer_urls, strings(&theirs["peerURLs"]), "{case}");
            assert_eq!(member.client_urls, strings(&theirs["clientURLs"]), "{case}");
            assert_eq!(member.is_learner, theirs["isLearner"] == true, "{case}");
        }
        let answers = ["member_list", "get_all", "alarm_list"].map(|name| &truth[name]["header"]);
        let is_own = !case.starts_with("C_") && !case.starts_with("G2_");
        for header in answers {
            check_header(case, &ours, header, is_own);
        }
        check_header(case, &ours, &truth["lease_list"], is_own);
    }
}

#[test]
fn leases_have_the_keys_that_the_server_told() {
    let Some(folder) = corpus::folder() else { return };
    let mut compared = 0;
    for (case, name) in stopped() {
        let truth = corpus::truth(&folder, name);
        let ours = corpus::open(&folder, case).inspect();
        let leases = ours.leases.clone().unwrap();
        let listed = truth["lease_list"]["leases"].as_array().cloned().unwrap_or_default();
        let mut listed: Vec<i64> = listed.iter().map(|lease| number(&lease["id"])).collect();
        listed.sort_unstable();
        let ids: Vec<i64> = leases.iter().map(|lease| lease.id).collect();
        assert_eq!(ids, listed, "{case}");
        let state = state(&folder, case);
        let all = Range { range_end: Bytes::from_static(b"\0"), ..Range::default() };
        let kvs = state.range(&all).unwrap().kvs;
        for told in truth["lease_ttl"].as_array().unwrap() {
            let lease = leases.iter().find(|lease| lease.id == number(&told["id"])).unwrap();
            assert_eq!(lease.ttl, number(&told["granted-ttl"]), "{case}");
            assert!(number(&told["ttl"]) <= lease.ttl, "{case}: what is left of it");
            let mut theirs = strings(&told["keys"]);
            theirs.sort_unstable();
            let attached = kvs.iter().filter(|kv| kv.lease == lease.id);
            let mut ours: Vec<String> = attached.map(|kv| STANDARD.encode(&kv.key)).collect();
            ours.sort_unstable();
            assert_eq!(ours, theirs, "{case}");
            compared += ours.len();
        }
        let count = truth["get_all"]["count"].as_u64().unwrap_or(kvs.len() as u64);
        assert_eq!(kvs.len() as u64, count, "{case}");
    }
    assert!(compared > 20, "{compared} keys with leases");
}

#[test]
fn the_status_is_that_of_the_endpoint() {
    let Some(folder) = corpus::folder() else { return };
    for (case, name) in stopped() {
        let truth = corpus::truth(&folder, name);
        let ours = corpus::open(&folder, case).inspect();
        let status = &truth["endpoint_status"][0]["Status"];
        let (wal, backend) = (ours.wal.as_ref().unwrap(), ours.backend.as_ref().unwrap());
        let version = status["version"].as_str().unwrap();
        let minor = version.rsplit_once('.').unwrap().0;
        assert!(ours.versions.contains(&format!("{minor}.0")), "{case}: {:?}", ours.versions);
        assert_eq!(status["version"], truth["etcd_version"], "{case}");
        // Events of the stop come later than the answer.
        assert!(status["raftIndex"].as_u64().unwrap() <= wal.last_index, "{case}");
        assert!(status["raftAppliedIndex"].as_u64() <= status["raftIndex"].as_u64(), "{case}");
        assert!(status["raftTerm"].as_u64().unwrap() <= wal.hard_state.term, "{case}");
        let members = ours.members.as_ref().unwrap();
        assert!(members.iter().any(|member| member.id == status["leader"]), "{case}");
        let alarms = ours.alarms.iter().flatten();
        let raised =
            alarms.map(|raised| format!("memberID:{} alarm:{} ", raised.member_id, raised.alarm));
        assert_eq!(strings(&status["errors"]), raised.collect::<Vec<_>>(), "{case}");
        if case.starts_with("C_") {
            // Each member's pages lie in its own way; the truth has one's.
            continue;
        }
        assert_eq!(backend.size, status["dbSize"], "{case}");
        assert!(backend.size_in_use <= status["dbSize"].as_u64().unwrap(), "{case}");
        assert!(status["dbSizeInUse"].as_u64() <= status["dbSize"].as_u64(), "{case}");
    }
}

#[test]
fn what_is_refused_is_refused_in_the_servers_words() {
    let Some(folder) = corpus::folder() else { return };
    for (case, name) in stopped() {
        let truth = corpus::truth(&folder, name);
        let Some(words) = truth["range_below_compact"]["error"].as_str() else { continue };
        let state = state(&folder, case);
        let revision = state.store().compact_revision() - 1;
        let below = Range { revision, ..Range::default() };
        let refused = state.range(&below).unwrap_err();
        assert_eq!(refused.to_string(), words, "{case}");
    }
    // Puts into a database without room, in their order: the first refused one raised the alarm.
    let truth = corpus::truth(&folder, "A4_nospace");
    let results = strings(&truth["put_results"]);
    let refused = results.iter().filter(|result| *result != "ok");
    assert!(refused.clone().all(|words| *words == RequestError::NoSpace.to_string()));
    let raised = corpus::open(&folder, "A4_nospace").inspect().alarms.unwrap();
    let theirs = &truth["alarm_list"]["alarms"][0];
    assert_eq!(
        (raised[0].member_id, raised[0].alarm),
        (theirs["memberID"].as_u64().unwrap(), "NOSPACE")
    );
    assert_eq!(theirs["alarm"], 1, "NOSPACE by its number");
}

#[test]
fn a_restart_serves_what_the_server_served_again() {
    let Some(folder) = corpus::folder() else { return };
    for case in ["A7_compact_on_tombstone", "A8_compact_head_delete"] {
        let truth = corpus::truth(&folder, case);
        let expected = number(&truth["revision_after_restart"]);
        let directory = corpus::open(&folder, case);
        assert_eq!(directory.state().unwrap().store().revision(), expected, "{case}");
        let as_it_was = directory.verify(Some("3.4.23".parse().unwrap()));
        assert_eq!(as_it_was.served, Some(expected), "{case}");
    }
    // The one event behind the compact revision: `corpus_watch` compares what a watch is told.
    let truth = corpus::truth(&folder, "A7_compact_on_tombstone");
    assert_eq!(truth["watch_from_compact_rev"], truth["events"]);
}

#[test]
fn every_write_that_was_acknowledged_before_the_kill_is_there() {
    let Some(folder) = corpus::folder() else { return };
    for case in ["B2_kill9", "B3_torn"] {
        let truth = corpus::truth(&folder, case);
        let state = state(&folder, case);
        let acked = truth["acked"].as_array().unwrap();
        assert!(acked.len() > 10, "{case}");
        for write in acked {
            let (key, revision) = (write[0].as_str().unwrap(), number(&write[2]));
            let range = Range { key: Bytes::from(key.to_owned()), revision, ..Range::default() };
            let kv = state.range(&range).unwrap().kvs.remove(0);
            assert_eq!(kv.mod_revision, revision, "{case}: {key}");
            assert_eq!(kv.value.len() as u64, write[1].as_u64().unwrap(), "{case}: {key}");
        }
    }
}

#[test]
fn a_torn_tail_lies_where_the_maker_tore_it() {
    let Some(folder) = corpus::folder() else { return };
    let truth = corpus::truth(&folder, "B3_torn");
    let torn = &truth["torn"];
    let directory = corpus::open(&folder, "B3_torn");
    let end = directory.inspect().wal.unwrap().end.unwrap();
    assert_eq!(end.file.as_deref(), torn["file"].as_str());
    assert_eq!(end.offset, torn["offset"].as_u64());
    let segment = directory.segments().last().unwrap();
    let at = usize::try_from(end.offset.unwrap()).unwrap();
    let declared = u64::from_le_bytes(segment.bytes[at..at + 8].try_into().unwrap());
    let (record, padding) = (declared & ((1 << 56) - 1), declared >> 56 & 7);
    let declared_end = end.offset.unwrap() + 8 + record + padding;
    assert_eq!(torn["declared_end"], declared_end);
    let used = segment.bytes.len() as u64;
    assert!(
        torn["zero_tail_bytes"].as_u64().unwrap() <= declared_end - used.next_multiple_of(8) + 8
    );
    // The repair leaves what the server's repair left.
    let repaired = directory.repair(Some("3.4.23".parse().unwrap()), Vec::new()).unwrap();
    let theirs = truth["files_after"].as_object().unwrap();
    for (path, size) in theirs.iter().filter(|(path, _)| path.contains("/wal/")) {
        let ours = repaired.files.iter().find(|file| file.path == *path);
        let ours = ours.unwrap_or_else(|| panic!("{path} is missing"));
        let is_cut = !path.ends_with(".broken");
        // The server cuts, and then writes a state and more at the same place.
        let is_right =
            if is_cut { ours.len() <= size.as_u64().unwrap() } else { *size == ours.len() };
        assert!(is_right, "{path}: {} bytes, not {size}", ours.len());
    }
}

#[test]
fn members_of_a_cluster_hash_alike_and_one_of_them_led() {
    let Some(folder) = corpus::folder() else { return };
    let truth = corpus::truth(&folder, "C_cluster");
    let members = truth["member_list"]["members"].as_array().unwrap();
    let id = |name: &str| {
        members.iter().find(|member| member["name"] == name).unwrap()["ID"].as_u64().unwrap()
    };
    for (name, answer) in truth["per_member_hashkv"].as_object().unwrap() {
        let hash = &answer[0]["HashKV"];
        let case = format!("C_{name}");
        let ours = corpus::open(&folder, &case);
        let found =
            ours.state().unwrap().hash_kv(hash["header"]["revision"].as_i64().unwrap()).unwrap();
        assert_eq!(hash["hash"], found.hash, "{case}");
        assert_eq!(hash["compact_revision"], found.compact_revision, "{case}");
        assert_eq!(ours.inspect().member_id, Some(id(name)), "{case}");
    }
    let leader = id(truth["leader"].as_str().unwrap());
    assert_eq!(truth["endpoint_status"][0]["Status"]["leader"], leader);
    let victim = corpus::open(&folder, "C_victim_beta_kill9").inspect();
    assert_eq!(victim.member_id, Some(id(truth["victim"].as_str().unwrap())));
    // Promoted: no learner is left, though the backend's row still says so (issue 19557).
    let truth = corpus::truth(&folder, "G2_v351_learner");
    let promoted = truth["promote"].as_str().unwrap().split(' ').nth(1).unwrap();
    let promoted = u64::from_str_radix(promoted, 16).unwrap();
    let members = corpus::open(&folder, "G2_v351_alpha").inspect().members.unwrap();
    let member = members.iter().find(|member| member.id == promoted).unwrap();
    assert!(!member.is_learner);
}

/// Nodes of a v2 store by path: value, created and modified index.
type V2Nodes = BTreeMap<String, (Option<String>, u64, u64)>;

fn answered(node: &Value, nodes: &mut V2Nodes) {
    let number = |name: &str| node[name].as_u64().unwrap();
    if let Some(path) = node["key"].as_str() {
        let value = node["value"].as_str().map(str::to_owned);
        nodes.insert(path.to_owned(), (value, number("createdIndex"), number("modifiedIndex")));
        assert_eq!(node["value"].is_null(), node["dir"] == true, "{path}");
        assert_eq!(node["ttl"].is_null(), node["expiration"].is_null(), "{path}");
    }
    node["nodes"].as_array().into_iter().flatten().for_each(|inner| answered(inner, nodes));
}

fn saved(node: &Value, nodes: &mut V2Nodes) {
    let path = node["Path"].as_str().unwrap().strip_prefix("/1").unwrap_or_default();
    let index = |name: &str| node[name].as_u64().unwrap();
    let is_directory = node["Children"].is_object();
    let value = (!is_directory).then(|| node["Value"].as_str().unwrap().to_owned());
    nodes.insert(path.to_owned(), (value, index("CreatedIndex"), index("ModifiedIndex")));
    node["Children"].as_object().into_iter().flatten().for_each(|(_, inner)| saved(inner, nodes));
}

/// Keys of the v2 API are read from snapshots and written back; requests that came later are not
/// carried out (their loss is listed). So all that was not changed since the snapshot is the same.
#[test]
fn v2_keys_that_the_server_told_are_those_of_the_snapshot_unless_they_changed_later() {
    let Some(folder) = corpus::folder() else { return };
    let truth = corpus::truth(&folder, "A5_v2store");
    let told: Value = serde_json::from_str(truth["v2_final"][3].as_str().unwrap()).unwrap();
    assert_eq!(told["action"], "get");
    let mut theirs = V2Nodes::new();
    answered(&told["node"], &mut theirs);
    let directory = corpus::open(&folder, "A5_v2store");
    let newest = directory.files().iter().rfind(|file| file.path.ends_with(".snap")).unwrap();
    let snapshot = etcd::snap::decode(&newest.path, newest.kept().unwrap()).unwrap();
    let store = etcd::v2store::V2Store::from_json(&snapshot.data).unwrap();
    let tree: Value = serde_json::from_str(&store.to_json()).unwrap();
    let mut ours = V2Nodes::new();
    saved(&tree["Root"]["Children"]["1"], &mut ours);
    let last = tree["CurrentIndex"].as_u64().unwrap();
    let mut compared = 0;
    for (path, node) in theirs.iter().filter(|(_, node)| node.2 <= last) {
        assert_eq!(ours.get(path), Some(node), "{path}");
        compared += 1;
    }
    assert!(compared > 5, "{compared} of {} nodes were as old as the snapshot", theirs.len());
}

#[test]
fn an_export_keeps_the_keys_of_the_second_api_and_lists_what_it_leaves_out() {
    let Some(folder) = corpus::folder() else { return };
    let users = |files: &[DataFile]| {
        let newest = files.iter().rfind(|file| file.path.ends_with(".snap")).unwrap();
        let snapshot = etcd::snap::decode(&newest.path, newest.kept().unwrap()).unwrap();
        etcd::v2store::V2Store::from_json(&snapshot.data).unwrap().get("/1").unwrap().clone()
    };
    let directory = corpus::open(&folder, "A5_v2store");
    let exported = directory.export(ExportAs::Directory, 0, Vec::new()).unwrap();
    assert_eq!(users(&exported.files), users(directory.files()), "as they were in the snapshot");
    // Without its snapshots the log alone tells of them.
    let is_snapshot = |file: &DataFile| file.path.ends_with(".snap");
    let files = directory.files().iter().filter(|file| !is_snapshot(file)).cloned();
    let directory = DataDir::from_files(files).unwrap();
    let exported = directory.export(ExportAs::Directory, 0, Vec::new()).unwrap();
    let left_out = exported.given_up.iter().find(|what| what.contains("requests of the v2 API"));
    assert!(left_out.is_some(), "{:?}", exported.given_up);
    let exported = directory.export(ExportAs::Snapshot, 0, Vec::new()).unwrap();
    assert!(exported.given_up.iter().any(|what| what.contains("keys of the v2 API")), "no tree");
}

/// The `Item`s of a bucket of the backend.
fn rows(directory: &DataDir, bucket: &str) -> Vec<Item> {
    let backend = directory.backend().unwrap();
    let Some(bucket) = backend.file().root().bucket(bucket.as_bytes()).unwrap() else {
        return Vec::new();
    };
    let mut cursor = bucket.cursor();
    std::iter::from_fn(|| cursor.next().unwrap()).collect()
}

/// Bytes as Go's `%q` shows them, so far as it is plain.
fn quoted(bytes: &[u8]) -> String {
    let escape = |byte: &u8| match byte {
        b'"' => "\\\"".to_owned(),
        b'\\' => "\\\\".to_owned(),
        7 => "\\a".to_owned(),
        8 => "\\b".to_owned(),
        9 => "\\t".to_owned(),
        10 => "\\n".to_owned(),
        11 => "\\v".to_owned(),
        12 => "\\f".to_owned(),
        13 => "\\r".to_owned(),
        b' '..=b'~' => char::from(*byte).to_string(),
        byte => format!("\\x{byte:02x}"),
    };
    bytes.iter().map(escape).collect()
}

#[test]
fn every_bucket_is_that_of_the_dump() {
    let Some(folder) = corpus::folder() else { return };
    for (case, name) in corpus::UNDAMAGED {
        let truth = corpus::truth(&folder, name);
        let Some(dump) = truth["offline"].get(case) else { continue };
        let directory = corpus::open(&folder, case);
        let backend = directory.backend().unwrap();
        let mut names = Vec::new();
        let mut cursor = backend.file().root().cursor();
        while let Some(item) = cursor.next().unwrap() {
            names.push(String::from_utf8(item.key.to_vec()).unwrap());
        }
        let mut theirs = strings(&dump["dump_db_buckets"]);
        theirs.sort_unstable();
        assert_eq!(names, theirs, "{case}");
        let page_size = format!("Page Size: {}", backend.file().meta().page_bytes);
        assert_eq!(dump["bbolt_info"], page_size, "{case}");
        let plain = [
            ("meta", "dump_db_meta"),
            ("members", "dump_db_members"),
            ("members_removed", "dump_db_members_removed"),
            ("cluster", "dump_db_cluster"),
        ];
        for (bucket, dumped) in plain {
            let line = |item: &Item| {
                format!("key=\"{}\", value=\"{}\"", quoted(&item.key), quoted(&item.value))
            };
            // The dump begins with the last one.
            let ours: Vec<String> = rows(&directory, bucket).iter().rev().map(line).collect();
            assert_eq!(ours.join("\n"), dump[dumped].as_str().unwrap(), "{case}: {bucket}");
        }
        let alarms = dump["dump_db_alarm"].as_str().unwrap().lines().count();
        assert_eq!(rows(&directory, "alarm").len(), alarms, "{case}");
        let revision =
            rows(&directory, "auth").into_iter().find(|item| item.key[..] == *b"authRevision");
        let revision = revision.map(|item| u64::from_be_bytes(item.value[..].try_into().unwrap()));
        let line = revision.map(|revision| format!("key=\"authRevision\", value={revision}"));
        let theirs = dump["dump_db_auth"].as_str().unwrap();
        let theirs = theirs.lines().find(|line| line.contains("authRevision"));
        assert_eq!(line.as_deref(), theirs, "{case}");
        check_files(case, &directory, dump);
        check_head(case, &directory, dump);
    }
}

fn check_files(case: &str, directory: &DataDir, dump: &Value) {
    let theirs: BTreeMap<String, u64> = serde_json::from_value(dump["files"].clone()).unwrap();
    let ours: BTreeMap<String, u64> =
        directory.files().iter().map(|file| (file.path.clone(), file.len())).collect();
    assert_eq!(ours, theirs, "{case}");
    let db = directory.files().iter().find(|file| file.path == "member/snap/db").unwrap();
    let digest = sha2::Sha256::digest(db.range(0, db.len()).unwrap());
    let digest: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        dump["member_db_sha256"],
        digest.concat(),
        "{case}: the bytes that the truth is about"
    );
}

/// The newest rows, with everything that the dump shows of each.
fn check_head(case: &str, directory: &DataDir, dump: &Value) {
    // Keys and values stand there as they are, line breaks too.
    let lines = dump["dump_db_key_head"].as_str().unwrap().lines();
    let theirs = lines.filter(|line| line.starts_with("rev={main:"));
    for (item, line) in rows(directory, "key").iter().rev().zip(theirs) {
        let at = etcd::mvcc::Revision::from_bytes(&item.key).unwrap().revision;
        let kv = etcd::proto::mvccpb::KeyValue::decode(item.value.clone()).unwrap();
        let head = format!("rev={{main:{} sub:{}}},", at.main, at.sub);
        let tail = format!(
            "| created {} | mod {} | ver {}]",
            kv.create_revision, kv.mod_revision, kv.version
        );
        let is_whole = line.ends_with(']') && line.contains("| created ");
        // The dump is cut somewhere in its last line.
        let is_row = line.starts_with(&head) || head.starts_with(line);
        assert!(is_row && (!is_whole || line.ends_with(&tail)), "{case}: {line}");
    }
}

#[test]
fn users_and_roles_are_those_of_the_dump() {
    let Some(folder) = corpus::folder() else { return };
    for (case, name) in corpus::UNDAMAGED {
        let truth = corpus::truth(&folder, name);
        let Some(dump) = truth["offline"].get(case) else { continue };
        let ours = corpus::open(&folder, case).inspect().auth.unwrap();
        let users: Vec<String> = ours.users.iter().map(|user| user.name.clone()).collect();
        let named = |dumped: &str, before: &str| -> Vec<String> {
            let lines = dump[dumped].as_str().unwrap().lines();
            let name = |line: &str| {
                Some(
                    line.strip_prefix(before)?
                        .split_once("\", ")?
                        .0
                        .trim_start_matches('"')
                        .to_owned(),
                )
            };
            let mut names: Vec<String> = lines.filter_map(name).collect();
            names.sort_unstable();
            names
        };
        assert_eq!(users, named("dump_db_authUsers", "user="), "{case}");
        let roles: Vec<String> = ours.roles.iter().map(|role| role.name.clone()).collect();
        assert_eq!(roles, named("dump_db_authRoles", "role="), "{case}");
        for user in &ours.users {
            let roles = format!("user=\"{}\", roles=[\"{}\"]", user.name, user.roles.join("\" \""));
            assert!(
                dump["dump_db_authUsers"].as_str().unwrap().contains(&roles),
                "{case}: {roles}"
            );
        }
    }
}

/// The lines of `etcd-dump-logs`: term, index, kind.
fn dumped_entries(text: &str) -> Vec<(u64, u64, String)> {
    let is_cut = |line: &str| line.starts_with("Entry types");
    let lines = text.lines().skip_while(|line| !line.starts_with("term")).skip(1);
    let entry = |line: &str| {
        let mut parts = line.split('\t').map(str::trim);
        let (term, index, kind) = (parts.next()?, parts.next()?, parts.next()?);
        Some((term.parse().ok()?, index.parse().ok()?, kind.to_owned()))
    };
    lines.take_while(|line| !is_cut(line)).filter_map(entry).collect()
}

#[test]
fn entries_of_the_log_are_those_of_the_dump() {
    let Some(folder) = corpus::folder() else { return };
    let mut compared = 0;
    for (case, name) in corpus::UNDAMAGED {
        let truth = corpus::truth(&folder, name);
        let Some(text) = truth["offline"][case]["dump_logs"].as_str() else { continue };
        let mut ours: BTreeMap<u64, LogRecord> = BTreeMap::new();
        for record in corpus::open(&folder, case).log().filter(|record| record.kind == "entry") {
            let index = record.index.unwrap();
            ours.split_off(&index);
            ours.insert(index, record);
        }
        for (term, index, kind) in dumped_entries(text) {
            let record = &ours[&index];
            assert_eq!(record.term, Some(term), "{case}: {index}");
            let request = record.request.as_ref().map_or("", |request| request.entry_type);
            let is_conf = kind == "conf";
            assert_eq!(request.starts_with("conf"), is_conf, "{case}: {index} is {request}");
            compared += 1;
        }
        let metadata = text.lines().find(|line| line.starts_with("nodeID=")).unwrap();
        let wal = corpus::open(&folder, case).inspect().wal.unwrap();
        let commit = format!("commitIndex={} ", wal.hard_state.commit);
        assert!(metadata.contains(&commit), "{case}: {metadata}, ours {commit}");
    }
    assert!(compared > 1000, "{compared} entries");
}

#[test]
fn what_came_back_in_real_servers_is_told_beforehand() {
    let Some(folder) = corpus::folder() else { return };
    let truth = corpus::truth(&folder, "J_22442_resurrected");
    let directory = corpus::open(&folder, "J_22442_resurrected");
    for (name, release) in [("real_3.4.23", "3.4.23"), ("real_3.5.1", "3.5.1")] {
        let real = &truth[name];
        let found = directory.verify(Some(release.parse().unwrap()));
        assert_eq!(real["serves"], true);
        assert_eq!(found.served, Some(number(&real["revision"])), "{name}");
        let ghosts = strings(&real["keys"]).iter().filter(|key| key.starts_with("ghost/")).count();
        let lost = found.lost.iter().filter(|lost| lost.what == "resurrected").count();
        assert_eq!(lost, ghosts, "{name}");
    }
    let text = truth["dump_logs"].as_str().unwrap();
    assert!(text.contains("lastIndex=10"), "the tool reads them too");
    assert_eq!(directory.inspect().wal.unwrap().last_index, 5, "ours does not");
}

#[test]
fn sizes_and_checks_of_snapshots_and_damaged_files_are_the_tools() {
    let Some(folder) = corpus::folder() else { return };
    let truth = corpus::truth(&folder, "A1_single");
    let snapshot = std::fs::metadata(folder.join("D_A1_snapshot.db")).unwrap().len();
    assert_eq!(truth["snapshot_file_size"], snapshot);
    for (case, verdict) in corpus::verdicts(&folder).as_object().unwrap() {
        let source = verdict["source_case"].as_str().unwrap();
        assert!(corpus::UNDAMAGED.iter().any(|(name, _)| name.starts_with(source)), "{case}");
        if verdict["serves"] != true
            || verdict["keys_after"].is_null()
            || case == "E32_db_key_order"
        {
            continue;
        }
        let state = corpus::open(&folder, case).state();
        let Ok(state) = state else { continue };
        if Some(state.store().revision()) != verdict["revision_after"].as_i64() {
            continue;
        }
        let all = Range { range_end: Bytes::from_static(b"\0"), ..Range::default() };
        assert_eq!(state.range(&all).unwrap().count, number(&verdict["keys_after"]), "{case}");
    }
}
