//! Every claim of upstream's unit tests that applies is proved by a test of its name, and
//! `docs/raft-claims.md` names those that do not apply and tests that there are.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

mod shared;

fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The names of all tests below a folder.
fn tests_below(folder: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names.append(&mut tests_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let after_mark = text.split("#[test]").skip(1);
            let name = |rest: &str| rest.split_once("fn ")?.1.split('(').next().map(str::to_owned);
            names.extend(after_mark.filter_map(name));
        }
    }
    names
}

/// `TestMsgAppResp` as `msg_app_resp`; a row of capitals is one word.
fn in_snake_case(claim: &str) -> String {
    let letters: Vec<char> = claim.trim_start_matches("Test").chars().collect();
    let mut name = String::new();
    for (at, letter) in letters.iter().enumerate() {
        let follows_lower = at > 0 && !letters[at - 1].is_ascii_uppercase();
        let before_lower = letters.get(at + 1).is_some_and(char::is_ascii_lowercase);
        if at > 0 && letter.is_ascii_uppercase() && (follows_lower || before_lower) {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

/// Words of a text that only have these characters.
fn words(text: &str, of: fn(char) -> bool) -> impl Iterator<Item = &str> {
    text.split(move |letter| !of(letter)).filter(|word| !word.is_empty())
}

fn is_of_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

#[test]
fn every_claim_that_applies_has_a_test_of_its_name() {
    let file = shared::folder().join("raft-conformance/unit-claims.md");
    let Ok(text) = fs::read_to_string(&file) else { return shared::skipped(&file) };
    let tests = tests_below(&workspace().join("crates/raft"));
    let record = fs::read_to_string(workspace().join("docs/raft-claims.md")).unwrap();
    let claims: BTreeSet<&str> = words(&text, is_of_name)
        .filter(|word| word.starts_with("Test") && word.len() > "Test".len())
        .collect();
    let unproved: Vec<&str> = claims
        .iter()
        .copied()
        .filter(|claim| !tests.contains(&in_snake_case(claim)))
        .filter(|claim| !record.contains(&format!("| {claim} |")))
        .collect();
    assert_eq!(unproved, [""; 0], "neither proved nor said not to apply");
    assert!(claims.len() > 200, "the list was read: {}", claims.len());
}

#[test]
fn every_test_that_the_record_names_is_there() {
    let record = fs::read_to_string(workspace().join("docs/raft-claims.md")).unwrap();
    let mut tests = tests_below(&workspace().join("crates/raft"));
    tests.append(&mut tests_below(&workspace().join("crates/bench/tests")));
    let quoted = record.split('`').skip(1).step_by(2);
    let is_test = |name: &&str| name.contains('_') && name.chars().all(is_of_name);
    let named: Vec<&str> = quoted.filter(is_test).filter(|name| !name.ends_with("_test")).collect();
    let missing: Vec<&&str> = named.iter().filter(|name| !tests.contains(**name)).collect();
    assert_eq!(missing, [&""; 0], "no such test");
    assert!(named.len() > 30, "the record names tests: {}", named.len());
}
