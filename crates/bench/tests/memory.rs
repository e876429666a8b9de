//! What a database that need not fit memory may take of it. One test, since the counter is of the
//! whole program.

#![cfg(feature = "etcd")]

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use bench::shared::allocation::live_bytes;
use etcd::bolt::{Build, PageSource, PageStore, Paged};
use etcd::datadir::{DataDir, DataFile, ExportAs, Verdict};
use etcd::mvcc::{Bucket, Revision};

const REVISIONS: i64 = 24_000;
const VALUE_BYTES: usize = 4_000;
/// The cache of pages is 8 MiB; the rest is the index of the keys and what is being read.
const BOUND_BYTES: u64 = 24 << 20;

/// The most bytes that were live while a file was read or written.
static PEAK: AtomicU64 = AtomicU64::new(0);
/// Bytes that were read.
static READ: AtomicU64 = AtomicU64::new(0);
/// How often a verdict reads a file that is sound: the walk over all pages, the server's own, the
/// revisions as it meets them, its restore, and the history.
const VERDICT_READS: u64 = 5;

struct Watched {
    file: File,
    len: u64,
}

impl Watched {
    fn new(name: &str) -> Watched {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(true);
        Watched { file: options.open(path).expect("a new file"), len: 0 }
    }

    fn at(&mut self, offset: u64) -> Result<&mut File, String> {
        PEAK.fetch_max(live_bytes(), Ordering::Relaxed);
        self.file.seek(SeekFrom::Start(offset)).map_err(|error| error.to_string())?;
        Ok(&mut self.file)
    }
}

impl PageSource for Watched {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), String> {
        READ.fetch_add(into.len() as u64, Ordering::Relaxed);
        self.at(offset)?.read_exact(into).map_err(|error| error.to_string())
    }
}

impl PageStore for Watched {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), String> {
        self.at(offset)?.write_all(bytes).map_err(|error| error.to_string())?;
        self.len = self.len.max(offset + bytes.len() as u64);
        Ok(())
    }
}

/// A `mvccpb.KeyValue` that is set for the first time, field by field.
fn row(main: i64) -> Vec<u8> {
    fn varint(mut value: u64, into: &mut Vec<u8>) {
        while value >= 0x80 {
            into.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        into.push(value.to_le_bytes()[0]);
    }
    let (key, value) = (format!("key/{main:08}"), [b'v'; VALUE_BYTES]);
    let mut row = Vec::new();
    row.push(0x0a);
    varint(key.len() as u64, &mut row);
    row.extend_from_slice(key.as_bytes());
    for (tag, number) in [(0x10, main), (0x18, main), (0x20, 1)] {
        row.push(tag);
        varint(number.cast_unsigned(), &mut row);
    }
    row.push(0x2a);
    varint(value.len() as u64, &mut row);
    row.extend_from_slice(&value);
    row
}

fn database() -> Watched {
    let mut store = Watched::new("large.db");
    let mut build = Build::begin(&mut store);
    for bucket in Bucket::ALL {
        build.bucket(bucket.name().as_bytes()).expect("names ascend");
        if bucket == Bucket::Key {
            for main in 2..REVISIONS + 2 {
                let at = Revision::new(main, 0).to_bytes();
                build.put(&at, &row(main)).expect("revisions ascend");
            }
        } else if bucket == Bucket::Meta {
            build.put(b"consistent_index", &9_u64.to_be_bytes()).expect("the only one");
        }
    }
    build.finish().expect("the disk has room");
    store
}

/// What an act takes beyond what there was before.
fn taken<T>(act: impl FnOnce() -> T) -> (T, u64) {
    let before = live_bytes();
    PEAK.store(before, Ordering::Relaxed);
    let result = act();
    (result, PEAK.load(Ordering::Relaxed).saturating_sub(before))
}

#[test]
fn verify_repair_and_export_take_memory_for_keys_and_not_for_values() {
    let (store, built) = taken(database);
    assert!(store.len > 3 * BOUND_BYTES, "{} bytes are too few", store.len);
    assert!(built < 1 << 20, "building takes a page a level, not {built} bytes");
    let len = store.len;
    let file = DataFile::paged("member/snap/db", Paged::new(store));
    let directory = DataDir::from_files([file]).expect("a backend is a directory");

    READ.store(0, Ordering::Relaxed);
    let (found, bytes) = taken(|| directory.verify(None));
    assert_eq!((found.verdict, found.served), (Verdict::Boots, Some(REVISIONS + 1)), "sound");
    assert!(bytes < BOUND_BYTES, "verify takes {bytes}");
    let read = READ.load(Ordering::Relaxed);
    assert!(read < VERDICT_READS * len + len / 2, "verify reads {read} of {len} bytes");

    let (repaired, bytes) = taken(|| directory.repair(None, Watched::new("repaired.db")));
    assert_eq!(repaired.expect("it is sound").served, Some(REVISIONS + 1), "as before");
    assert!(bytes < BOUND_BYTES, "repair takes {bytes}");

    for form in [ExportAs::Directory, ExportAs::Snapshot] {
        let (exported, bytes) = taken(|| directory.export(form, 0, Watched::new("exported.db")));
        assert_eq!(exported.expect("it is sound").revision, REVISIONS + 1, "all of it");
        assert!(bytes < BOUND_BYTES, "export takes {bytes}");
    }
}
