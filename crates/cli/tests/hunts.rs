//! `hunt` as scripts call it.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

/// Two virtual seconds of a cluster that writes and loses power, or with a bug that this shows.
fn hunt(name: &str, more: &[&str]) -> (i32, Vec<Value>) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let lines = "cluster etcd nodes=3 seed=1\n0s load put key=k/{0..9} value=16B rate=100/s\n\
                 1s chaos for=1s\n3s end\n";
    std::fs::write(&path, lines).expect("the file can be written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_quorarium"));
    let output = command.args(["hunt", "--json"]).arg(path).args(more).output();
    let output = output.expect("the command runs");
    let text = String::from_utf8(output.stdout).expect("it prints text");
    let lines = text.lines().map(|line| serde_json::from_str(line).expect("a JSON document"));
    (output.status.code().expect("it ended by itself"), lines.collect())
}

#[test]
fn every_seed_can_be_told_of_and_two_hunts_say_the_same() {
    let seeds = ["--seeds", "5..8", "--every-seed"];
    let (code, mut one) = hunt("every-seed.scn", &seeds);
    let (_, mut other) = hunt("every-seed-again.scn", &seeds);
    let (summary, _) = (one.pop().expect("a summary"), other.pop());
    assert_eq!((code, &summary["summary"]["seeds"]), (0, &json!(3)), "{summary}");
    assert_eq!(one, other, "a run is a function of its seed");
    let seeds: Vec<&Value> = one.iter().map(|line| &line["seed"]).collect();
    assert_eq!(seeds, [5, 6, 7], "by seed");
    for line in &one {
        let acknowledged = line["acknowledged"].as_u64().expect("a number");
        assert!(acknowledged > 0, "{line}");
        assert!(line["undecided"].is_array() && line["unfired"].is_array(), "{line}");
    }
}

#[test]
fn ranges_tell_how_many_seeds_a_bug_takes_to_be_found() {
    let bug = ["--bug", "acknowledge-before-fsync", "--check", "R7"];
    let (code, lines) =
        hunt("ranges.scn", &[&bug[..], &["--seeds", "1..9", "--ranges", "2"]].concat());
    let ranges = &lines.last().expect("a last line")["ranges"];
    assert_eq!((code, &ranges["ranges"], &ranges["found"]), (1, &json!(2), &json!(2)), "{lines:?}");
    let summaries = lines.iter().filter(|line| line.get("summary").is_some());
    let seeds: u64 = summaries.filter_map(|line| line["summary"]["seeds"].as_u64()).sum();
    assert_eq!(ranges["seeds"], seeds, "all that were run");
    assert!(ranges["median"].as_u64() <= ranges["percentile_95"].as_u64(), "{ranges}");
}
