//! `inspect` and `log` as scripts call them: exit codes, one line of error, JSON.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The folder of real directories, or `None` after saying that the test is skipped.
fn corpus() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("QUORARIUM_SHARED").map_or(default, PathBuf::from);
    let folder = shared.join("corpus");
    if folder.is_dir() {
        return Some(folder);
    }
    let is_required = std::env::var("QUORARIUM_REQUIRE_SHARED").is_ok_and(|value| value == "1");
    assert!(!is_required, "{} is missing and required", folder.display());
    // Not `eprintln!`: the test harness would keep it to itself.
    let mut terminal = std::io::stderr();
    writeln!(terminal, "SKIPPED: {} is missing", folder.display()).unwrap();
    None
}

fn quorarium(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quorarium")).args(arguments).output().unwrap()
}

fn with_input(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_quorarium"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A child that has seen enough closes its end.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "nothing but the document");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Exit code 2 and one line, which names the place.
fn refusal(output: &Output) -> String {
    let error = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(output.stdout.is_empty(), "no output beside an error");
    error
}

fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn a_data_directory_is_the_same_from_any_source() {
    let Some(corpus) = corpus() else { return };
    let archive = corpus.join("etcd/A3_smallseg.tar.gz");
    let path = archive.to_str().unwrap();
    let summary = json(&quorarium(&["inspect", path, "--json"]));
    assert_eq!(summary["kind"], "etcd", "{summary}");
    assert_eq!(summary["wal"]["last_index"], 299, "{summary}");
    assert_eq!(summary["wal"]["segments"], 4, "{summary}");

    let bytes = fs::read(&archive).unwrap();
    assert_eq!(json(&with_input(&["inspect", "-", "--json"], &bytes)), summary, "from stdin");

    let folder = scratch("sources");
    let unzipped = flate2::read::GzDecoder::new(&bytes[..]);
    tar::Archive::new(unzipped).unpack(&folder).unwrap();
    let unpacked = folder.join("A3_smallseg");
    for path in [&folder, &unpacked] {
        let summary_of_folder = json(&quorarium(&["inspect", path.to_str().unwrap(), "--json"]));
        assert_eq!(summary_of_folder, summary, "from {}", path.display());
    }

    let zip = folder.join("directory.zip");
    write_zip(&unpacked, &zip);
    assert_eq!(json(&quorarium(&["inspect", zip.to_str().unwrap(), "--json"])), summary, "zip");
    let bytes = fs::read(&zip).unwrap();
    assert_eq!(json(&with_input(&["inspect", "-", "--json"], &bytes)), summary, "zip, stdin");
}

fn write_zip(folder: &Path, zip: &Path) {
    let mut writer = zip::ZipWriter::new(fs::File::create(zip).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    for directory in ["member/wal", "member/snap"] {
        for entry in fs::read_dir(folder.join(directory)).unwrap() {
            let entry = entry.unwrap();
            let name = format!("some/where/{directory}/{}", entry.file_name().to_str().unwrap());
            writer.start_file(name, options).unwrap();
            writer.write_all(&fs::read(entry.path()).unwrap()).unwrap();
        }
    }
    writer.finish().unwrap();
}

#[test]
fn log_gives_one_json_line_a_record() {
    let Some(corpus) = corpus() else { return };
    let path = corpus.join("etcd/A1_single.tar.gz");
    let path = path.to_str().unwrap();
    let lines = |arguments: &[&str]| -> Vec<Value> {
        let output = quorarium(arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = lines(&["log", path, "--json"]);
    assert_eq!(all.len(), 393, "every record of the case");
    assert_eq!(all[1]["member_id"], 15_232_951_895_697_225_528_u64, "64-bit numbers are exact");
    assert!(all.iter().all(|record| record["crc_ok"] == true), "nothing is damaged");
    let some = lines(&["log", path, "--from", "11", "--to", "12", "--json"]);
    let indices: Vec<u64> = some.iter().map(|record| record["index"].as_u64().unwrap()).collect();
    assert_eq!(indices, [11, 12], "only these entries");
    let key = &some[0]["request"]["value"]["delete_range"]["key"];
    assert_eq!(key, "L2FwcC9oZGJo", "bytes are base64: /app/hdbh");
}

#[test]
fn damage_is_shown_and_named() {
    let Some(corpus) = corpus() else { return };
    let path = corpus.join("etcd/E01_wal_bitflip_mid.tar.gz");
    let summary = json(&quorarium(&["inspect", path.to_str().unwrap(), "--json"]));
    let end = &summary["wal"]["end"];
    assert_eq!(end["reason"], "walpb: crc mismatch", "{summary}");
    assert_eq!(end["offset"], 14568, "{summary}");
    let output = quorarium(&["log", path.to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    let damaged: Vec<&str> = text.lines().filter(|line| line.contains("DAMAGED")).collect();
    assert_eq!(damaged.len(), 1, "one record, and those behind it are shown");
}

#[test]
fn other_kinds_are_recognised_and_what_is_not_read_is_said() {
    let Some(corpus) = corpus() else { return };
    for (path, kind, reason) in [
        ("etcd/D_A1_snapshot.db", "etcd-snapshot", None),
        ("etcd/I_bbolt_ps16k.tar.gz", "bbolt", Some("not a file of etcd")),
        ("zookeeper/d01-basic-3.8/data.tar.gz", "zookeeper", Some("not read yet")),
        ("zookeeper/d03-gzip-splitdirs-3.8/data.tar.gz", "zookeeper", Some("not read yet")),
    ] {
        let path = corpus.join(path);
        let summary = json(&quorarium(&["inspect", path.to_str().unwrap(), "--json"]));
        assert_eq!(summary["kind"], kind, "{}", path.display());
        let missing = summary["not_read"][0]["reason"].as_str();
        let is_said = reason.is_none_or(|reason| missing.is_some_and(|it| it.ends_with(reason)));
        assert!(is_said && missing.is_some() == reason.is_some(), "{missing:?}");
        let error = refusal(&quorarium(&["log", path.to_str().unwrap()]));
        assert!(error.contains("etcd data directories so far"), "{error}");
    }
}

#[test]
fn get_and_hashkv_answer_as_etcdctl_does() {
    let Some(corpus) = corpus() else { return };
    let path = corpus.join("etcd/A1_single.tar.gz");
    let path = path.to_str().unwrap();
    let truth = fs::read(corpus.join("etcd/A1_single.truth.json")).unwrap();
    let truth: Value = serde_json::from_slice(&truth).unwrap();

    let all = json(&quorarium(&["get", path, "--json"]));
    assert_eq!(all["header"]["revision"], truth["revision"], "the revision");
    // etcdctl leaves empty values out.
    let mut theirs = truth["get_all"]["kvs"].clone();
    for kv in theirs.as_array_mut().unwrap() {
        kv.as_object_mut().unwrap().entry("value").or_insert_with(|| "".into());
    }
    assert!(all["kvs"] == theirs, "every key, field by field");
    assert_eq!(all["count"], truth["get_all"]["count"], "and how many");
    let pods = json(&quorarium(&["get", path, "/registry/pods/", "--prefix", "--json"]));
    let range = ["get", path, "/registry/pods/", "/registry/pods0", "--json"];
    assert_eq!(json(&quorarium(&range)), pods, "a prefix is a range");
    let past = json(&quorarium(&["get", path, "--rev", "107", "--json"]));
    let then = truth["range_at_rev"]["107"].as_array().unwrap();
    assert_eq!(past["count"], then.len(), "as it was");

    let hash = json(&quorarium(&["hashkv", path, "--json"]));
    let theirs = &truth["hashkv"][0]["HashKV"];
    assert_eq!(hash["hash"], theirs["hash"], "{hash}");
    assert_eq!(hash["revision"], 164, "{hash}");
    assert_eq!(hash["compact_revision"], theirs["compact_revision"], "{hash}");
    let hash = json(&quorarium(&["hashkv", path, "--rev", "120", "--json"]));
    assert_ne!(hash["hash"], theirs["hash"], "of a part of the history");

    let snapshot = corpus.join("etcd/D_A1_snapshot.db");
    let answer = quorarium(&["get", snapshot.to_str().unwrap(), "--json"]);
    assert!(json(&answer)["count"].as_i64() > Some(0), "a snapshot file holds keys too");
}

#[test]
fn verify_exits_with_1_when_anything_is_wrong() {
    let Some(corpus) = corpus() else { return };
    let verify = |name: &str, more: &[&str]| {
        let path = corpus.join("etcd").join(name);
        let mut arguments = vec!["verify", path.to_str().unwrap(), "--json"];
        arguments.extend(more);
        quorarium(&arguments)
    };
    let clean = json(&verify("A1_single.tar.gz", &[]));
    assert_eq!(clean["verdict"], "boots", "{clean}");
    assert_eq!(clean["served"], 164, "{clean}");
    let output = verify("E01_wal_bitflip_mid.tar.gz", &["--as", "3.4.23"]);
    assert_eq!(output.status.code(), Some(1), "damage is an exit code");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["verdict"], "refuses", "{found}");
    assert_eq!(found["damage"][0]["offset"], 14568, "{found}");
    let error = refusal(&verify("A1_single.tar.gz", &["--as", "2.3.8"]));
    assert!(error.contains("3.4.0 to 3.4.44"), "the known versions are listed: {error}");
}

#[test]
fn what_get_cannot_read_is_one_line_with_the_place() {
    let Some(corpus) = corpus() else { return };
    for (case, words) in [
        ("etcd/A6_purged.tar.gz", "required revision has been compacted"),
        ("etcd/E15_db_leaf_flag.tar.gz", "member/snap/db: page 2 at offset 8192: invalid type"),
        ("etcd/E01_wal_bitflip_mid.tar.gz", "0000000000000000-0000000000000000.wal: offset "),
        ("zookeeper/d01-basic-3.8/data.tar.gz", "a ZooKeeper data directory has no backend"),
    ] {
        let path = corpus.join(case);
        let error = refusal(&quorarium(&["get", path.to_str().unwrap(), "--rev", "5"]));
        assert!(error.contains(words), "{case}: {error}");
    }
}

#[test]
fn unreadable_input_is_one_line_that_names_it() {
    let error = refusal(&quorarium(&["inspect", "/no/such/path"]));
    assert!(error.contains("/no/such/path"), "{error}");
    let folder = scratch("unreadable");
    let error = refusal(&quorarium(&["inspect", folder.to_str().unwrap()]));
    assert!(error.contains("no data directory"), "{error}");
    for (name, bytes) in [
        ("damaged.tar.gz", &b"\x1f\x8b\x08 damaged, and not a little of it"[..]),
        ("damaged.zip", &b"PK\x03\x04 damaged"[..]),
        ("empty", &b""[..]),
    ] {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        let error = refusal(&quorarium(&["log", path.to_str().unwrap(), "--json"]));
        assert!(error.contains(name), "{error}");
    }
    let error = refusal(&with_input(&["inspect", "-"], b"no archive"));
    assert!(error.contains("standard input"), "{error}");
    refusal(&quorarium(&["inspect"]));
    refusal(&quorarium(&["log", "x", "--from", "many"]));
}

#[test]
fn an_archive_that_swells_is_refused() {
    let folder = scratch("swelling");
    let path = folder.join("swelling.tar.gz");
    let gzip = flate2::write::GzEncoder::new(
        fs::File::create(&path).unwrap(),
        flate2::Compression::fast(),
    );
    let mut tar = tar::Builder::new(gzip);
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.set_mode(0o600);
    for number in 0..20_001 {
        tar.append_data(&mut header, format!("member/wal/{number}"), &b""[..]).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap();
    let error = refusal(&quorarium(&["inspect", path.to_str().unwrap()]));
    assert!(error.contains("more than 20000 files"), "{error}");
}

#[test]
fn inspect_shows_the_fields_of_the_piece_that_holds_a_byte() {
    let Some(corpus) = corpus() else { return };
    let path = corpus.join("etcd/A1_single.tar.gz");
    let wal = "member/wal/0000000000000000-0000000000000000.wal";
    let call = |place: &str, more: &[&str]| {
        let arguments = ["inspect", path.to_str().unwrap(), "--fields", place];
        quorarium(&[&arguments[..], more].concat())
    };
    let piece = json(&call(&format!("{wal}:0x57"), &["--json"]));
    assert_eq!((&piece["offset"], &piece["kind"]), (&80.into(), &"entry".into()), "{piece}");
    let fields = piece["fields"].as_array().unwrap();
    let crc = fields.iter().find(|field| field["name"] == "crc").unwrap();
    assert_eq!(crc["ok"], true, "{crc}");
    let text = call("member/snap/db:72", &[]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("member/snap/db at 0 (4096 bytes): meta"), "{text}");
    assert!(text.contains("checksum = 13153402184293306086  ok"), "{text}");
    for (place, words) in [
        ("member/snap/none", "not there"),
        ("member/snap/db:99999999", "nothing was written"),
        ("member/snap/db:x", "no offset"),
    ] {
        let error = refusal(&call(place, &[]));
        assert!(error.contains(words), "{error}");
    }
}

/// A folder is read where it lies, an archive of it in memory: both say the same.
#[test]
fn a_folder_and_its_archive_say_the_same() {
    let Some(corpus) = corpus() else { return };
    let archive = corpus.join("etcd/B1_lowsnap.tar.gz");
    let folder = scratch("folder-and-archive");
    let file = fs::File::open(&archive).unwrap();
    tar::Archive::new(flate2::read::GzDecoder::new(file)).unpack(&folder).unwrap();
    let call =
        |command: &str, path: &Path| quorarium(&[command, path.to_str().unwrap(), "--json"]).stdout;
    for command in ["inspect", "get", "hashkv", "verify"] {
        let (ours, theirs) = (call(command, &folder), call(command, &archive));
        assert!(!ours.is_empty() && ours == theirs, "{command}");
    }
}

/// Every file below a folder, with its bytes.
fn contents(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            contents(&path, found);
        } else {
            let bytes = fs::read(&path).unwrap();
            found.push((path, bytes));
        }
    }
    found.sort();
}

#[test]
fn repair_and_export_write_to_a_new_place_and_never_to_the_source() {
    let Some(corpus) = corpus() else { return };
    let folder = scratch("never-to-the-source");
    let file = fs::File::open(corpus.join("etcd/B1_lowsnap.tar.gz"));
    tar::Archive::new(flate2::read::GzDecoder::new(file.unwrap())).unpack(&folder).unwrap();
    let source = fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let before = {
        let mut before = Vec::new();
        contents(&source, &mut before);
        before
    };
    let call = |command: &str, out: &Path| {
        quorarium(&[command, source.to_str().unwrap(), "--out", out.to_str().unwrap()])
    };
    for command in ["repair", "export"] {
        for inside in [source.join("new"), source.join("member/new"), source.clone()] {
            let error = refusal(&call(command, &inside));
            assert!(error.contains("it lies in what is read"), "{error}");
        }
        let out = folder.join(command);
        let output = call(command, &out);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let error = refusal(&call(command, &out));
        assert!(error.contains("not empty"), "a place that is taken: {error}");
    }
    let mut after = Vec::new();
    contents(&source, &mut after);
    assert!(after == before, "the source is as it was");
}

#[test]
fn users_and_roles_are_shown_as_not_enforced() {
    let Some(corpus) = corpus() else { return };
    let path = corpus.join("etcd/A1_single.tar.gz");
    let text = String::from_utf8(quorarium(&["inspect", path.to_str().unwrap()]).stdout).unwrap();
    let head = text.lines().find(|line| line.contains("authentication")).unwrap();
    assert!(head.contains("(shown, not enforced)"), "{head}");
    assert!(text.contains("  user ") && text.contains("  role "), "{text}");
}
