//! What is read, and what is refused.

use super::*;

fn tar_of(path: &str, kind: tar::EntryType, data: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    // The builder itself refuses such paths: written into the header by hand.
    let name = &mut header.as_old_mut().name;
    name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_entry_type(kind);
    header.set_size(data.len() as u64);
    header.set_mode(0o600);
    if kind.is_symlink() {
        header.set_link_name("elsewhere").unwrap();
    }
    header.set_cksum();
    builder.append(&header, data).unwrap();
    builder.into_inner().unwrap()
}

fn refusal(bytes: &[u8]) -> String {
    read("x.tar", bytes).unwrap_err().to_string()
}

#[test]
fn files_are_read_without_the_zeros_at_their_end() {
    let mut data = vec![7; 1000];
    data.resize(3_000_000, 0);
    let bytes = tar_of("a/member/snap/db", tar::EntryType::Regular, &data);
    let files = read("x.tar", &bytes).unwrap();
    assert_eq!(files.len(), 1, "one file");
    assert_eq!(files[0].path, "a/member/snap/db", "its path");
    assert_eq!(files[0].len(), 3_000_000, "its length");
    assert!(files[0].kept().unwrap().len() <= CHUNK_BYTES, "the hole costs nothing");
}

#[test]
fn a_file_that_is_no_archive_is_itself() {
    let files = read("snapshot.db", b"plain").unwrap();
    assert_eq!(
        (files[0].path.as_str(), &files[0].kept().unwrap()[..]),
        ("snapshot.db", &b"plain"[..]),
        "it"
    );
}

#[test]
fn paths_that_lead_out_are_refused() {
    for path in ["/etc/passwd", "../up", "a/../../b", "C:/x", "a\\..\\b"] {
        let error = refusal(&tar_of(path, tar::EntryType::Regular, b"x"));
        assert!(error.contains(path) && error.contains("leads out"), "{path}: {error}");
    }
}

#[test]
fn links_are_refused() {
    for kind in [tar::EntryType::Symlink, tar::EntryType::Link] {
        let error = refusal(&tar_of("member/wal", kind, b""));
        assert!(error.contains("member/wal") && error.contains("link"), "{error}");
    }
}

#[test]
fn every_truncation_of_an_archive_is_an_answer() {
    use std::io::Write as _;
    let tar = tar_of("member/snap/db", tar::EntryType::Regular, &[9; 700]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar).unwrap();
    for bytes in [tar, gzip.finish().unwrap()] {
        for cut in 0..bytes.len() {
            let _ = read("x", &bytes[..cut]);
        }
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << (at % 8);
            let _ = read("x", &bytes);
        }
    }
}
