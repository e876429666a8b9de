//! `cargo xtask bench --check-instructions`: how many instructions the main cases take, against
//! the numbers in `crates/bench/instructions.txt`.
//!
//! Time says little on a machine that does other things; the number of instructions of one build is
//! the same on each run. Valgrind's callgrind counts them, within the one function that runs what is
//! measured. (gungraun does the same by way of a second program of exactly its own version, which
//! would have to be installed beside valgrind; we want one number a case, and callgrind prints it.)
//!
//! The numbers belong to the pinned compiler on `x86_64` Linux; the C library's share of them (copying
//! and allocating) may differ a little between systems, which the tolerance takes up.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::{Command, ExitCode};

use crate::{Failure, bench, process};

const NUMBERS: &str = "crates/bench/instructions.txt";
/// Percent by which a case may grow until someone must say by recording it that it may.
const TOLERANCE: f64 = 5.0;
const AREA: &str = "raft";
/// Each with the blocks that are enough for an even count.
const CASES: &[(&str, &str)] = &[
    ("propose/256B/3-nodes", "16"),
    ("propose/256B/5-nodes", "16"),
    ("batch64/one-message/3-nodes", "16"),
    ("batch64/64-messages/3-nodes", "16"),
    ("batch64/64-messages-coalesced/3-nodes", "16"),
    ("heartbeat/3-nodes", "16"),
    ("heartbeat/9-nodes", "16"),
    ("election/pre-vote/3-nodes", "16"),
    ("catch-up/64KiB-messages", "1"),
];

/// Counts, and compares or records.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, Failure> {
    let record = match arguments {
        [only] if only == "--check-instructions" => false,
        [only] if only == "--record-instructions" => true,
        _ => return Err("it is --check-instructions or --record-instructions, and alone".into()),
    };
    if process::output_of("valgrind", &["--version"]).is_none() || !cfg!(target_arch = "x86_64") {
        return skipped("valgrind on x86_64 is not here: no instructions were counted");
    }
    bench::build(AREA)?;
    let mut counts = BTreeMap::new();
    for (case, blocks) in CASES {
        counts.insert((*case).to_owned(), count(case, blocks)?);
    }
    if record {
        std::fs::write(NUMBERS, lines(&counts))?;
        println!("{NUMBERS} was written; commit it with the change that it belongs to");
        return Ok(ExitCode::SUCCESS);
    }
    let committed = read(&std::fs::read_to_string(NUMBERS)?)?;
    let complaints: Vec<String> =
        CASES.iter().filter_map(|(case, _)| judge(case, counts[*case], &committed)).collect();
    if complaints.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    Err(format!(
        "{}\nIf that is wanted: cargo xtask bench --record-instructions",
        complaints.join("\n")
    )
    .into())
}

/// Where data must not be missing, neither must this.
fn skipped(why: &str) -> Result<ExitCode, Failure> {
    if std::env::var("QUORARIUM_REQUIRE_SHARED").is_ok_and(|value| value == "1") {
        return Err(why.into());
    }
    eprintln!("SKIPPED: {why}");
    Ok(ExitCode::SUCCESS)
}

/// Instructions for an operation of the case.
fn count(case: &str, blocks: &str) -> Result<f64, Failure> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=bench::shared::measure::measured*")
        .args([bench::PROGRAM, "measure", AREA, "--filter", case, "--blocks", blocks])
        .output()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split("Collected : ").nth(1)?.parse().ok());
    let operations = printed.lines().find_map(|line| line.split('\t').nth(4)?.parse().ok());
    match (collected, operations) {
        (Some(collected), Some(operations)) if output.status.success() => {
            let (collected, operations): (f64, f64) = (collected, operations);
            Ok((collected / operations).round())
        }
        _ => Err(format!("counting {case} failed ({}): {said}", output.status).into()),
    }
}

fn judge(case: &str, now: f64, committed: &BTreeMap<String, f64>) -> Option<String> {
    let Some(before) = committed.get(case) else {
        return Some(format!("{case}: {now}, and {NUMBERS} has no number for it"));
    };
    let percent = (now / before - 1.0) * 100.0;
    println!("{case}: {now} instructions, {before} committed ({percent:+.1} %)");
    if percent < -TOLERANCE {
        println!("  faster: record it, so that it stays so");
    }
    (percent > TOLERANCE).then(|| format!("{case}: {percent:+.1} % instructions"))
}

fn lines(counts: &BTreeMap<String, f64>) -> String {
    let mut text = "# Instructions for one operation, see xtask/src/instructions.rs.\n".to_owned();
    for (case, count) in counts {
        let _ = writeln!(text, "{case} {count}");
    }
    text
}

fn read(text: &str) -> Result<BTreeMap<String, f64>, Failure> {
    let number = |line: &str| {
        let (case, count) = line.split_once(' ')?;
        Some((case.to_owned(), count.parse().ok()?))
    };
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let wrong = |line| format!("{NUMBERS}: `{line}` is not a case and its number");
    lines.map(|line| number(line).ok_or_else(|| wrong(line).into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let counts = BTreeMap::from([("a/b".to_owned(), 120.0), ("c".to_owned(), 7.0)]);
        assert_eq!(read(&lines(&counts)).unwrap(), counts);
        assert!(read("a/b much").is_err(), "a number is a number");
    }

    #[test]
    fn growth_beyond_the_tolerance_is_an_error() {
        let committed = BTreeMap::from([("a".to_owned(), 100.0)]);
        assert_eq!(judge("a", 104.0, &committed), None, "within it");
        assert_eq!(judge("a", 90.0, &committed), None, "fewer are welcome");
        assert!(judge("a", 106.0, &committed).is_some(), "beyond it");
        assert!(judge("b", 90.0, &committed).is_some(), "a case without a number");
    }
}
