//! Reference data that is not part of the project.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// `QUORARIUM_SHARED`, or the folder beside the workspace.
pub(crate) fn folder() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    std::env::var_os("QUORARIUM_SHARED").map_or(beside, PathBuf::from)
}

/// Says that something is missing; fails where it must not be.
pub(crate) fn skipped(missing: &Path) {
    let must = std::env::var("QUORARIUM_REQUIRE_SHARED").is_ok_and(|value| value == "1");
    assert!(!must, "{} is missing", missing.display());
    let mut terminal = std::io::stderr();
    writeln!(terminal, "SKIPPED: {} is missing", missing.display()).unwrap();
}
