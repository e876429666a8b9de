//! All of upstream's cases that are there, and our own.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// `QUORARIUM_SHARED`, or the folder beside the workspace.
fn shared() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    std::env::var_os("QUORARIUM_SHARED").map_or(beside, PathBuf::from)
}

#[test]
fn upstream_s_cases_pass_word_for_word() {
    let folder = shared().join("raft-conformance");
    let Some(report) = conformance::run_dir(&folder) else {
        let must = std::env::var("QUORARIUM_REQUIRE_SHARED").is_ok_and(|value| value == "1");
        assert!(!must, "{} is missing", folder.display());
        let mut terminal = std::io::stderr();
        writeln!(terminal, "SKIPPED: {} is missing", folder.display()).unwrap();
        return;
    };
    assert_eq!(report.failed, 0, "{report}");
    assert!(report.passed > 0, "{} holds cases", folder.display());
}

#[test]
fn our_own_cases_pass_word_for_word() {
    let report =
        conformance::run_interactions(&Path::new(env!("CARGO_MANIFEST_DIR")).join("cases"));
    assert_eq!(report.failed, 0, "{report}");
    assert!(report.passed > 0, "there are cases of our own");
}
