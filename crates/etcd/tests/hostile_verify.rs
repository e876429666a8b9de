//! `verify` on bytes that nobody wrote: a verdict, whatever is cut off or flipped, and every change
//! that a checksum covers is seen.

#![allow(
    clippy::unwrap_used,
    clippy::missing_assert_message,
    reason = "a test stops where it cannot go on; the comparison is the claim"
)]

mod corpus;

use etcd::datadir::{DataDir, DataFile, Release, Verification};

/// A small directory with a log, a `.snap` file and a backend.
const CASE: &str = "J_22442_resurrected";
/// Bytes between two that are changed, so that all of it ends in seconds without optimisation.
/// `QUORARIUM_HOSTILE_STRIDE=1` tries every one.
const STRIDE: usize = 29;

fn stride() -> usize {
    let given = std::env::var("QUORARIUM_HOSTILE_STRIDE").ok();
    given.map_or(STRIDE, |stride| stride.parse().unwrap())
}

fn verify(files: Vec<DataFile>) -> Verification {
    let release: Release = "3.4.23".parse().unwrap();
    match DataDir::from_files(files) {
        Ok(directory) => directory.verify(Some(release)),
        // Without a log and a backend there is nothing to boot.
        Err(error) => panic!("{error}"),
    }
}

fn changed(files: &[DataFile], which: usize, change: impl FnOnce(&mut Vec<u8>)) -> Vec<DataFile> {
    let mut files = files.to_vec();
    let mut bytes = files[which].range(0, files[which].len()).unwrap().to_vec();
    change(&mut bytes);
    files[which] = DataFile::new(files[which].path.clone(), bytes, 0);
    files
}

/// Where the last frame of a log ends: they are whole multiples of 8.
fn data_end(file: &DataFile) -> usize {
    let last = file.kept().unwrap().iter().rposition(|byte| *byte != 0).unwrap();
    (last + 1).next_multiple_of(8)
}

/// Repairing is an answer too: files from which a server boots, or a reason.
fn repair(files: Vec<DataFile>) {
    if let Ok(repaired) = DataDir::from_files(files).unwrap().repair(None, Vec::new()) {
        assert!(repaired.served.is_some() || !repaired.files.is_empty(), "files");
    }
}

/// A file of the case and whether each of its bytes in use is covered by a checksum.
fn files(folder: &std::path::Path) -> Vec<DataFile> {
    corpus::files(folder, CASE)
}

#[test]
fn every_truncation_gives_a_verdict() {
    let Some(folder) = corpus::folder() else { return };
    let files = files(&folder);
    for which in 0..files.len() {
        let len = usize::try_from(files[which].len()).unwrap();
        for cut in (0..len).step_by(stride()) {
            let short = changed(&files, which, |bytes| bytes.truncate(cut));
            if cut % 5 == 0 {
                repair(short.clone());
            }
            let found = verify(short);
            let path = &files[which].path;
            // A log that only has less room behind its end has lost nothing.
            let is_room = path.contains("/wal/") && cut > data_end(&files[which]);
            assert!(is_room || !found.damage.is_empty(), "{path} cut at {cut}: {found:#?}");
        }
    }
}

#[test]
fn every_bit_flip_gives_a_verdict_and_no_record_changes_unseen() {
    let Some(folder) = corpus::folder() else { return };
    let files = files(&folder);
    let before = verify(files.clone());
    for which in 0..files.len() {
        let path = files[which].path.clone();
        let len = usize::try_from(files[which].len()).unwrap();
        for byte in (0..len).step_by(stride()) {
            let bit = (byte / stride()) % 8;
            let flipped = changed(&files, which, |bytes| bytes[byte] ^= 1 << bit);
            if byte % 5 == 0 {
                repair(flipped.clone());
            }
            let found = verify(flipped);
            let is_covered = path.contains("0005.snap") || path.contains("/wal/");
            // Padding and the type of a record are outside of the checksum: the first changes
            // nothing, the second is looked at.
            let is_same = found.served == before.served && found.reason == before.reason;
            assert!(
                !is_covered || is_same || !found.damage.is_empty(),
                "{path}: bit {bit} of byte {byte}: {found:#?}"
            );
        }
    }
}

#[test]
fn every_missing_file_gives_a_verdict() {
    let Some(folder) = corpus::folder() else { return };
    for case in ["A3_smallseg", "B1_lowsnap", "C_alpha", "G1_v351_single", CASE] {
        let files = corpus::files(&folder, case);
        for which in 0..files.len() {
            let mut rest = files.clone();
            let gone = rest.remove(which);
            let Ok(directory) = DataDir::from_files(rest) else { continue };
            let found = directory.verify(None);
            let is_last = gone.path.contains("/wal/") && which + 1 == files.len();
            let is_newest = gone.path.ends_with("db") || gone.path.contains("/wal/");
            assert!(!is_newest || is_last || !found.is_clean(), "{case} without {}", gone.path);
        }
    }
}

#[test]
fn a_missing_last_segment_is_told_by_the_backend() {
    let Some(folder) = corpus::folder() else { return };
    let mut files = corpus::files(&folder, "A3_smallseg");
    files.retain(|file| !file.path.ends_with("0000000000000003-0000000000000108.wal"));
    let found = DataDir::from_files(files).unwrap().verify("3.4.23".parse().ok());
    let ahead = found.lost.iter().find(|lost| lost.last_index == Some(298)).unwrap();
    assert_eq!(ahead.index, Some(0x108), "{:#?}", found.lost);
    assert!(ahead.detail.contains("consistent index"), "{}", ahead.detail);
}
