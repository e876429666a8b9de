//! `run`, `link` and `open` as scripts call them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn quorarium(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_quorarium")).args(arguments).output();
    output.expect("the command runs")
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("it prints text")
}

fn error(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("it prints text")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it ended by itself")
}

/// A file of this test's own.
fn file(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).expect("the file can be written");
    path
}

fn scenario(name: &str, lines: &str) -> String {
    let text = format!("cluster etcd nodes=3 seed=42\n{lines}\n");
    file(name, &text).display().to_string()
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&out(&quorarium(arguments))).expect("one JSON document")
}

#[test]
fn a_run_whose_expectations_hold_ends_with_0_and_its_report() {
    let path = scenario("holds.scn", "2s put a 1\nexpect leader within 3s\n3s expect value a 1");
    let output = quorarium(&["run", &path, "--json"]);
    assert_eq!((code(&output), error(&output).as_str()), (0, ""));
    let report: Value = serde_json::from_str(&out(&output)).expect("one JSON document");
    let fingerprint = report["fingerprint"].as_str().expect("it is text");
    assert!(fingerprint.len() == 16 && fingerprint.bytes().all(|b| b.is_ascii_hexdigit()));
    assert!(report["events"].as_u64().expect("a number") > 100);
    assert_eq!(report["virtual_ns"], 8_000_000_000_u64);
    assert_eq!(report["ops"], serde_json::json!({"acknowledged": 1, "failed": 0, "unknown": 0}));
    assert_eq!(report["violations"], serde_json::json!([]));
    let unknown = report["unknown_checks"].as_array().expect("a list");
    assert!(unknown.contains(&"C1".into()), "no member came or went: {unknown:?}");
    assert!(!unknown.contains(&"R7".into()), "but entries were committed: {unknown:?}");
    let expects = report["expects"].as_array().expect("a list");
    assert_eq!(expects.len(), 2);
    assert_eq!((&expects[0]["line"], &expects[0]["text"]), (&4.into(), &"expect value a 1".into()));
    assert_eq!((&expects[1]["line"], &expects[1]["ok"]), (&3.into(), &true.into()));
}

#[test]
fn a_violation_says_which_entry_and_where_its_server_wrote_it() {
    let path = scenario("broken.scn", "0s bug acknowledge-before-fsync\n2s put a 1\n3s end");
    let output = quorarium(&["run", &path, "--json"]);
    assert_eq!(code(&output), 1);
    let report: Value = serde_json::from_str(&out(&output)).expect("one JSON document");
    let all = report["violations"].as_array().expect("a list");
    let broken = all.iter().find(|one| one["check"] == "R7").expect("it commits too early");
    assert!(broken["index"].as_u64() > Some(0) && broken["link"].is_string(), "{broken}");
    let record = &broken["records"][0];
    assert_eq!(record["node"], broken["nodes"][0], "{broken}");
    let file = record["file"].as_str().expect("a path");
    assert!(file.contains("/member/wal/") && record["length"].as_u64() > Some(0), "{broken}");
}

#[test]
fn a_run_whose_expectation_fails_ends_with_1_and_says_what_was_found() {
    let path = scenario("fails.scn", "2s put a 1\n3s expect value a 2");
    let output = quorarium(&["run", &path]);
    assert_eq!(code(&output), 1);
    assert!(out(&output).contains("✗ line 3: expect value a 2: it is \"1\""), "{}", out(&output));
}

#[test]
fn the_same_seed_gives_the_same_report_and_another_seed_another() {
    let path = scenario("seed.scn", "1s load put key=k/{0..9} value=9B rate=50/s\n2s end");
    let own = json(&["run", &path, "--json"]);
    assert_eq!(own, json(&["run", &path, "--json", "--seed", "42"]));
    assert_ne!(own["fingerprint"], json(&["run", &path, "--json", "--seed", "43"])["fingerprint"]);
    assert_eq!(own["virtual_ns"], 2_000_000_000_u64);
}

#[test]
fn until_ends_a_run_earlier_or_later() {
    let path = scenario("until.scn", "2s put a 1\nexpect value a 1");
    assert_eq!(json(&["run", &path, "--json", "--until", "9s"])["virtual_ns"], 9_000_000_000_u64);
    let early = json(&["run", &path, "--json", "--until", "1.5s"]);
    assert_eq!(early["expects"][0]["ok"], false);
    assert_eq!(code(&quorarium(&["run", &path, "--until", "soon"])), 2);
}

#[test]
fn a_trace_has_a_line_a_record() {
    let path = scenario("trace.scn", "1s end");
    let trace = file("trace.jsonl", "").display().to_string();
    assert_eq!(code(&quorarium(&["run", &path, "--trace", &trace])), 0);
    let text = std::fs::read_to_string(&trace).expect("it was written");
    let events: Vec<u64> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["event"].as_u64())
        .map(|event| event.expect("each has its event"))
        .collect();
    assert!(events.is_sorted() && events[0] == 1 && events.len() > 20);
}

#[test]
fn a_scenario_that_is_wrong_ends_with_2_and_one_line_that_names_the_place() {
    let path = scenario("wrong.scn", "2s crsh n1");
    for command in ["run", "link"] {
        let output = quorarium(&[command, &path]);
        let message = error(&output);
        assert_eq!((code(&output), message.lines().count()), (2, 1), "{message}");
        assert!(
            message.contains("wrong.scn: line 2, column 4: unknown command `crsh`"),
            "{message}"
        );
        assert!(out(&output).is_empty());
    }
    assert_eq!(code(&quorarium(&["run", "/nowhere/at.all"])), 2);
}

#[test]
fn a_link_opens_as_canonical_text() {
    let path = scenario("link.scn", "2s put a 1\n\n3s   expect   value a '1'");
    let link = out(&quorarium(&["link", &path]));
    assert!(link.starts_with("#s1="), "{link}");
    let opened = quorarium(&["open", link.trim()]);
    let text = "cluster etcd nodes=3 seed=42\n2s      put a 1\n3s      expect value a 1\n";
    assert_eq!((code(&opened), out(&opened).as_str()), (0, text));
}

#[test]
fn a_damaged_link_ends_with_2_and_says_what_is_wrong() {
    let output = quorarium(&["open", "#s1=AAAAAAAA"]);
    assert_eq!(code(&output), 2);
    assert_eq!(error(&output).lines().count(), 1);
    assert!(error(&output).contains("checksum"), "{}", error(&output));
}
