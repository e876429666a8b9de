//! Directories of real servers, with what those servers say about them.
//!
//! The folder is that of `QUORARIUM_SHARED`, by default `shared` beside the workspace. Without it
//! a test says so and passes, unless `QUORARIUM_REQUIRE_SHARED=1`.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::fs::File;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};

use etcd::datadir::{DataDir, DataFile};
use serde_json::Value;

/// Undamaged directories and the truth file of each.
pub(crate) const UNDAMAGED: [(&str, &str); 19] = [
    ("A1_single", "A1_single"),
    ("A2_multiseg64m", "A2_multiseg64m"),
    ("A3_smallseg", "A3_smallseg"),
    ("A4_nospace", "A4_nospace"),
    ("A5_v2store", "A5_v2store"),
    ("A6_purged", "A6_purged"),
    ("A7_compact_on_tombstone", "A7_compact_on_tombstone"),
    ("A8_compact_head_delete", "A8_compact_head_delete"),
    ("B1_lowsnap", "B1_lowsnap"),
    ("B2_kill9", "B2_kill9"),
    ("C_alpha", "C_cluster"),
    ("C_beta", "C_cluster"),
    ("C_gamma", "C_cluster"),
    ("C_delta", "C_cluster"),
    ("C_victim_beta_kill9", "C_cluster"),
    ("G1_v351_single", "G1_v351_single"),
    ("G2_v351_alpha", "G2_v351_learner"),
    ("G2_v351_beta", "G2_v351_learner"),
    ("G2_v351_gamma", "G2_v351_learner"),
];

/// Where the etcd cases are, or `None` after saying that the test is skipped.
pub(crate) fn folder() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("QUORARIUM_SHARED").map_or(default, PathBuf::from);
    let folder = shared.join("corpus/etcd");
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

/// The files of one archive, zeros at their ends left out.
pub(crate) fn files(folder: &Path, case: &str) -> Vec<DataFile> {
    let path = folder.join(format!("{case}.tar.gz"));
    let file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let entries = archive.entries().unwrap().map(Result::unwrap);
    let files = entries.filter(|entry| entry.header().entry_type().is_file());
    files
        .map(|mut entry| {
            let path = entry.path().unwrap().to_str().unwrap().to_string();
            let (bytes, len) = read_trimmed(&mut entry);
            DataFile::new(path, bytes, len)
        })
        .collect()
}

/// The data directory in one archive.
pub(crate) fn open(folder: &Path, case: &str) -> DataDir {
    DataDir::from_files(files(folder, case)).unwrap_or_else(|error| panic!("{case}: {error}"))
}

/// One JSON file.
pub(crate) fn json(folder: &Path, name: &str) -> Value {
    serde_json::from_reader(File::open(folder.join(name)).unwrap()).unwrap()
}

/// What the real servers say about a case.
pub(crate) fn truth(folder: &Path, name: &str) -> Value {
    json(folder, &format!("{name}.truth.json"))
}

/// What a real server did with each damaged case.
pub(crate) fn verdicts(folder: &Path) -> Value {
    json(folder, "E_verdicts.json")
}

/// What `etcd-dump-logs` printed for a case.
pub(crate) fn dump_logs(folder: &Path, case: &str, truth: &str) -> String {
    let truth = self::truth(folder, truth);
    truth["offline"][case]["dump_logs"].as_str().unwrap().to_string()
}

fn read_trimmed(source: &mut impl Read) -> (Vec<u8>, u64) {
    let zeros = vec![0; 1 << 20];
    let (mut chunk, mut bytes, mut len) = (zeros.clone(), Vec::new(), 0);
    loop {
        let read = source.read(&mut chunk).unwrap();
        if read == 0 {
            return (bytes, len as u64);
        }
        // Comparing is fast even without optimisation: most of a log is a hole of 64 MB.
        if chunk[..read] != zeros[..read] {
            bytes.resize(len, 0);
            bytes.extend(&chunk[..read]);
        }
        len += read;
    }
}

/// A file that is no archive, as a source of one file.
pub(crate) fn one_file(folder: &Path, name: &str) -> Vec<DataFile> {
    let mut file = File::open(folder.join(name)).unwrap();
    let (bytes, len) = read_trimmed(&mut file);
    vec![DataFile::new(name, bytes, len)]
}

/// A file that is no archive.
pub(crate) fn open_file(folder: &Path, name: &str) -> DataDir {
    DataDir::from_files(one_file(folder, name)).unwrap()
}
