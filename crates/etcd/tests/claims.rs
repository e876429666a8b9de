//! `docs/etcd-claims.md` names tests for each of its claims, and all of them are there.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Where tests are that the record may name.
const ROOMS: [&str; 7] = ["app", "archive", "bench", "cli", "etcd", "fuzz", "sim"];

fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The texts of all files of a kind below a folder.
fn texts_below(folder: &Path, extension: &str, texts: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts_below(&path, extension, texts);
        } else if path.extension().is_some_and(|found| found == extension) {
            texts.push(fs::read_to_string(&path).unwrap());
        }
    }
}

/// The names of all tests in Rust, and the claims of those in the browser.
fn tests() -> BTreeSet<String> {
    let (mut rust, mut browser) = (Vec::new(), Vec::new());
    for room in ROOMS {
        texts_below(&workspace().join("crates").join(room), "rs", &mut rust);
    }
    texts_below(&workspace().join("tests/e2e"), "mjs", &mut browser);
    let name = |rest: &str| rest.split_once("fn ")?.1.split('(').next().map(str::to_owned);
    let claim = |rest: &str| rest.split('"').next().map(str::to_owned);
    let rust = rust.iter().flat_map(|text| text.split("#[test]").skip(1).filter_map(name));
    let claims = |text: &String| -> Vec<String> {
        text.split("claim: \"").skip(1).filter_map(claim).collect()
    };
    rust.chain(browser.iter().flat_map(claims)).collect()
}

#[test]
fn every_claim_names_tests_and_they_are_there() {
    let record = fs::read_to_string(workspace().join("docs/etcd-claims.md")).unwrap();
    let tests = tests();
    let is_row = |line: &&str| line.starts_with("| ") && *line != "| claim | proved by |";
    let rows: Vec<&str> = record.lines().filter(is_row).collect();
    for row in &rows {
        let (_, proof) = row.trim_end_matches('|').rsplit_once('|').unwrap();
        let named: Vec<&str> = proof.split('`').skip(1).step_by(2).collect();
        let missing: Vec<&&str> = named.iter().filter(|name| !tests.contains(**name)).collect();
        assert_eq!(missing, [&""; 0], "no such test: {row}");
        assert!(!named.is_empty(), "no test: {row}");
    }
    assert!(rows.len() > 80, "the record has {} claims", rows.len());
}
