//! What somebody drops on the page, or names on the command line.

use etcd::datadir::{DataDir, FieldRange, Piece};

/// An archive or a file: what is taken from it stays within the limits, and each of its files has
/// its fields inside.
pub(crate) fn archive(bytes: &[u8]) {
    let Ok(files) = archive::read("x", bytes) else { return };
    let total: u64 = files.iter().map(etcd::datadir::DataFile::len).sum();
    assert!(total <= archive::TOTAL_BYTES_MAX && files.len() <= archive::FILES_MAX, "bounded");
    for file in &files {
        let is_outside =
            file.path.starts_with('/') || file.path.split('/').any(|part| part == "..");
        assert!(!is_outside, "{} leads out", file.path);
    }
    let Ok(directory) = DataDir::from_files(files) else { return };
    let _ = directory.inspect();
    for file in directory.files() {
        pieces(&directory, &file.path);
    }
}

/// The pieces of a file follow each other, with their fields inside.
pub(crate) fn pieces(directory: &DataDir, path: &str) {
    let Ok(found) = directory.pieces(path) else { return };
    let mut at = 0;
    for Piece { offset, length, fields, .. } in found {
        assert!(offset >= at, "{path}: pieces do not overlap");
        at = offset + length;
        let inside = |field: &FieldRange| {
            offset <= field.start && field.start <= field.end && field.end <= at
        };
        assert!(fields.iter().all(inside), "{path} at {offset}: a field lies outside");
    }
}
