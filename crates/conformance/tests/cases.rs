//! All of upstream's cases that are there, and our own.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::path::Path;

mod shared;

#[test]
fn upstream_s_cases_pass_word_for_word() {
    let folder = shared::folder().join("raft-conformance");
    let Some(report) = conformance::run_dir(&folder) else { return shared::skipped(&folder) };
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
