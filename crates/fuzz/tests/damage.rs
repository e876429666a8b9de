//! Damage tried whole: ten valid files and more, cut at every byte, and three of them with every bit
//! turned over. What is read then is an error, or what was written: never something else where a
//! checksum covers it.
//!
//! | file | covered | what may be read of a damaged one |
//! |---|---|---|
//! | segment | the data of each record, and their order | the records up to the damage |
//! | `.snap` | all of it but the frame | the same snapshot |
//! | snapshot of the database | all of it, by its digest | nothing |
//! | database | its meta pages | the state of a transaction; of a page anything that is in order |
//! | archive | gzip and zip all of it, tar its headers | the files up to the damage |

use std::ops::Range;

use bytes::Bytes;
use etcd::bolt::{Bucket, File, Problem};
use etcd::datadir::{DataDir, DataFile, Kind};
use etcd::snap;
use etcd::wal::{Decoder, RecordKind, Segment, SegmentName};
use quorarium_fuzz::run;
use quorarium_fuzz::seeds::{ValidFile, files};

/// Files that are cut and turned over are at most so long.
const FILE_BYTES_MAX: usize = 32 << 10;
/// Deepest nesting of buckets that is walked here.
const DEPTH_MAX: usize = 6;

/// What was read, item by item, and whether that was all without an error.
#[derive(Debug, PartialEq, Eq)]
struct Reading {
    items: Vec<Bytes>,
    is_whole: bool,
}

fn read(target: &str, bytes: &[u8]) -> Reading {
    match target {
        "wal_record" => records(bytes),
        "snap_file" => snapshot(bytes),
        "database_snapshot" => database_snapshot(bytes),
        "bolt" => database(bytes),
        "archive" => archive(bytes),
        other => panic!("no files of {other}"),
    }
}

const NAME: &str = "0000000000000000-0000000000000000.wal";

/// The data of the records.
fn records(bytes: &[u8]) -> Reading {
    let name = SegmentName::parse(NAME).expect("a segment's name");
    let segments = [Segment::new(name, &Bytes::copy_from_slice(bytes), bytes.len() as u64)];
    let (mut decoder, mut items) = (Decoder::new(&segments), Vec::new());
    loop {
        match decoder.next_record() {
            Ok(Some(record)) if record.kind == RecordKind::Crc => {}
            Ok(Some(record)) => items.push(record.data.unwrap_or_default()),
            Ok(None) => return Reading { items, is_whole: true },
            Err(error) => {
                assert!(error.place().is_some(), "{error} has no place");
                return Reading { items, is_whole: false };
            }
        }
    }
}

fn snapshot(bytes: &[u8]) -> Reading {
    match snap::decode("x.snap", &Bytes::copy_from_slice(bytes)) {
        Ok(snapshot) => Reading { items: vec![snap::encode(&snapshot).into()], is_whole: true },
        Err(error) => {
            assert!(error.to_string().starts_with("x.snap: "), "{error} has no place");
            Reading { items: Vec::new(), is_whole: false }
        }
    }
}

/// The keys of the database, if a restore would take it.
fn database_snapshot(bytes: &[u8]) -> Reading {
    let failed = Reading { items: Vec::new(), is_whole: false };
    let file = DataFile::new("snapshot.db", Bytes::copy_from_slice(bytes), 0);
    let Ok(directory) = DataDir::from_files([file]) else { return failed };
    if directory.kind() != Kind::EtcdSnapshot || directory.state().is_err() {
        return failed;
    }
    let bytes = bytes.len().checked_sub(32).map_or(bytes, |end| &bytes[..end]);
    database(bytes)
}

/// All keys with their values, if nothing is wrong with the file.
fn database(bytes: &[u8]) -> Reading {
    let mut reading = Reading { items: Vec::new(), is_whole: false };
    let Ok(file) = File::open(Bytes::copy_from_slice(bytes), bytes.len() as u64) else {
        return reading;
    };
    let walked = walk(&file.root(), 0, &mut reading.items);
    reading.is_whole = walked.is_ok() && file.check().problems.is_empty();
    reading
}

fn walk(bucket: &Bucket<'_>, depth: usize, items: &mut Vec<Bytes>) -> Result<(), Problem> {
    let mut cursor = bucket.cursor();
    while let Some(item) = cursor.next()? {
        items.push(item.key);
        match cursor.bucket()? {
            Some(inner) if depth < DEPTH_MAX => walk(&inner, depth + 1, items)?,
            Some(_) => {}
            None => items.push(item.value),
        }
    }
    Ok(())
}

/// Names and bytes of the files; what is no archive any more has none.
fn archive(bytes: &[u8]) -> Reading {
    match archive::read("x", bytes) {
        Ok(files) if files.iter().all(|file| file.path != "x") => {
            let of = |file: DataFile| {
                let bytes = file.range(0, file.len()).expect("all of it");
                [Bytes::from(file.path.into_bytes()), bytes]
            };
            Reading { items: files.into_iter().flat_map(of).collect(), is_whole: true }
        }
        Ok(_) | Err(_) => Reading { items: Vec::new(), is_whole: false },
    }
}

/// Whether what was read of a damaged file may be: the same, an error, or what is there up to the
/// damage.
fn is_honest(target: &str, whole: &Reading, found: &Reading) -> bool {
    match target {
        // Zeros in the place of a frame's length end a log: what is behind is gone, as in etcd.
        "wal_record" | "archive" => whole.items.starts_with(&found.items),
        "database_snapshot" => !found.is_whole,
        _ => !found.is_whole || found.items == whole.items,
    }
}

/// Bits that no checksum covers: the types of a segment's records.
fn uncovered(file: &ValidFile) -> Vec<Range<u64>> {
    if file.target != "wal_record" {
        return Vec::new();
    }
    let path = format!("member/wal/{NAME}");
    let directory = DataDir::from_files([DataFile::new(path, file.bytes.clone(), 0)]);
    let directory = directory.expect("a log is a directory");
    let fields = directory.log().flat_map(|record| record.fields);
    fields.filter(|field| field.name == "type").map(|field| field.start..field.end).collect()
}

#[test]
fn every_truncation_of_ten_files_is_an_error_or_a_valid_state() {
    let files = files();
    let mut tried = 0;
    for ValidFile { name, target, bytes } in &files {
        assert!(bytes.len() <= FILE_BYTES_MAX, "{name} has {} bytes", bytes.len());
        let whole = read(target, bytes);
        assert!(whole.is_whole && !whole.items.is_empty(), "{name} is valid");
        for len in 0..bytes.len() {
            run(target, &bytes[..len]);
            let found = read(target, &bytes[..len]);
            assert!(is_honest(target, &whole, &found), "{name} cut at {len}: {found:?}");
            tried += 1;
        }
    }
    assert!(files.len() >= 10, "{} files", files.len());
    assert_eq!(tried, files.iter().map(|file| file.bytes.len()).sum::<usize>(), "all of them");
    println!("{tried} truncations of {} files", files.len());
}

/// A segment, a `.snap` file and a snapshot of the database: its pages are read without their digest
/// too, so that damage reaches them.
#[test]
fn every_bit_flip_of_three_files_is_an_error_or_a_valid_state() {
    const TURNED: [&str; 3] =
        ["first segment", "snapshot of no members", "snapshot of the database"];
    let files: Vec<ValidFile> =
        files().into_iter().filter(|file| TURNED.contains(&file.name)).collect();
    let mut tried = 0;
    for file in &files {
        let ValidFile { name, target, bytes } = file;
        let (whole, uncovered) = (read(target, bytes), uncovered(file));
        let mut turned = bytes.clone();
        for bit in 0..bytes.len() * 8 {
            let at = bit / 8;
            turned[at] ^= 1 << (bit % 8);
            run(target, &turned);
            if *target == "database_snapshot" {
                run("bolt", &turned[..bytes.len() - 32]);
            }
            let is_covered = !uncovered.iter().any(|range| range.contains(&(at as u64)));
            if is_covered {
                let found = read(target, &turned);
                assert!(is_honest(target, &whole, &found), "{name}, bit {bit}: {found:?}");
            }
            turned[at] = bytes[at];
            tried += 1;
        }
    }
    assert_eq!(files.len(), TURNED.len(), "three files");
    assert_eq!(tried, files.iter().map(|file| file.bytes.len() * 8).sum::<usize>(), "all of them");
    println!("{tried} bit flips of {} files", files.len());
}
