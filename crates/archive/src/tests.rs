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

/// A file of these bytes, and how many of them are in memory.
fn kept(path: &str, data: &[u8]) -> (DataFile, usize) {
    let mut collector = Collector::new("x.tar");
    collector.add(path, data).unwrap();
    (collector.files[0].clone(), collector.kept_bytes)
}

#[test]
fn runs_of_zeros_are_holes_wherever_they_are() {
    let mut data = vec![7; 100_000];
    data.resize(9_000_000, 0);
    data.extend(vec![8; 300_000]);
    data.resize(12_000_000, 0);
    data.push(9);
    let (file, bytes) = kept("member/snap/db", &data);
    assert!(bytes <= 5 * CHUNK_BYTES, "{bytes} bytes are in memory");
    assert_eq!(file.len(), data.len() as u64, "all of it is there");
    for (offset, len) in [(0, 100_001), (99_999, 2_000_000), (8_999_990, 400_000), (11_999_999, 2)]
    {
        let (from, to) = (offset as u64, offset + len);
        assert!(file.range(from, len as u64).unwrap() == data[offset..to], "{offset} to {to}");
    }
    let (file, _) = kept("member/wal/0000000000000000-0000000000000000.wal", &data);
    assert!(file.kept().unwrap()[..] == data[..], "a segment is in one piece");
}

#[test]
fn what_swells_beyond_the_limits_is_refused() {
    let refusal = |limits: Limits, data: &[u8]| {
        let mut collector = Collector::within("x", limits);
        let added = collector.add("a/member/snap/db", data);
        let added = added.and_then(|()| collector.add("a/member/snap/b", data));
        added.and_then(|()| collector.count()).and_then(|()| collector.count()).err()
    };
    let limits = Limits { total_bytes: 1_000_000, kept_bytes: 100_000, files: 2 };
    assert_eq!(refusal(limits, &vec![0; 500_000]), None, "holes are not kept");
    let words = |error: Option<ArchiveError>| error.unwrap().to_string();
    let error = words(refusal(limits, &vec![0; 500_001]));
    assert_eq!(error, "x: more than 1000000 bytes of files, which is not read", "holes count");
    let error = words(refusal(limits, &vec![1; 50_001]));
    assert_eq!(error, "x: more than 100000 bytes of data, which is not read", "in memory");
    let error = words(refusal(Limits { files: 1, ..limits }, &[]));
    assert_eq!(error, "x: more than 1 files, which is not read", "entries");
}

/// What an archive says of itself is not believed: sizes are those of what comes out.
#[test]
fn the_size_in_a_zips_table_of_contents_is_not_believed() {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("member/snap/db", zip::write::SimpleFileOptions::default()).unwrap();
    std::io::Write::write_all(&mut zip, &vec![0; 3_000_000]).unwrap();
    let bytes = zip.finish().unwrap().into_inner();
    assert!(bytes.len() < 10_000, "it compresses a thousandfold");
    let mut collector =
        Collector::within("x.zip", Limits { total_bytes: 2_000_000, ..Limits::default() });
    let error = collector.file(Cursor::new(&bytes), "x.zip").unwrap_err();
    assert!(matches!(error, ArchiveError::TooLarge { .. }), "{error}");
}

/// Names are read whole: one that swells as files may do is refused.
#[test]
fn a_name_in_a_tar_takes_no_more_memory_than_names_do() {
    let long = |bytes: usize| {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::GNULongName);
        header.set_path("././@LongLink").unwrap();
        header.set_size(bytes as u64);
        header.set_cksum();
        builder.append(&header, &vec![b'n'; bytes][..]).unwrap();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(3);
        header.set_cksum();
        builder.append(&header, &b"abc"[..]).unwrap();
        builder.into_inner().unwrap()
    };
    let files = read("x.tar", &long(300)).unwrap();
    assert_eq!((files[0].path.len(), files[0].len()), (300, 3), "a long name");
    let error = refusal(&long(3_000_000));
    assert_eq!(error, "x.tar: headers of more than 1 MiB");
}

#[test]
fn a_zip_that_leads_out_or_links_is_refused() {
    let options = zip::write::SimpleFileOptions::default();
    for path in ["/etc/passwd", "../up", "a/../../b"] {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        zip.start_file(path, options).unwrap();
        let error = refusal(&zip.finish().unwrap().into_inner());
        assert!(error.contains(path) && error.contains("leads out"), "{path}: {error}");
    }
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.add_symlink("member/wal", "/elsewhere", options).unwrap();
    let error = refusal(&zip.finish().unwrap().into_inner());
    assert!(error.contains("member/wal") && error.contains("link"), "{error}");
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
