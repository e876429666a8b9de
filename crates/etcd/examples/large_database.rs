//! Writes a data directory without a log whose database has as many revisions as are asked for:
//! what the memory and the speed of the command are measured with (docs/performance.md).
//!
//! ```text
//! cargo run --release -p quorarium-etcd --example large_database -- DIR REVISIONS KEYS VALUE_BYTES
//! ```
//!
//! Revision r sets key r modulo KEYS. DIR must not be there.

use std::error::Error;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use etcd::bolt::{Build, PageSource, PageStore};
use etcd::mvcc::{Bucket, Revision};
use etcd::proto::mvccpb::KeyValue;
use prost::Message as _;

struct HostFile {
    file: File,
    len: u64,
}

impl PageSource for HostFile {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), String> {
        let read = self.file.seek(SeekFrom::Start(offset)).and_then(|_| self.file.read_exact(into));
        read.map_err(|error| error.to_string())
    }
}

impl PageStore for HostFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), String> {
        let written = self.file.seek(SeekFrom::Start(offset));
        written.and_then(|_| self.file.write_all(bytes)).map_err(|error| error.to_string())?;
        self.len = self.len.max(offset + bytes.len() as u64);
        Ok(())
    }
}

/// The row of a revision of a key that is set again and again.
fn row(main: i64, keys: i64, value: &[u8]) -> Vec<u8> {
    let (number, version) = ((main - 2) % keys, (main - 2) / keys + 1);
    let kv = KeyValue {
        key: format!("key/{number:012}").into_bytes().into(),
        create_revision: number + 2,
        mod_revision: main,
        version,
        value: value.to_vec().into(),
        lease: 0,
    };
    kv.encode_to_vec()
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, revisions, keys, value_bytes] = &arguments[..] else {
        return Err("DIR REVISIONS KEYS VALUE_BYTES".into());
    };
    let (revisions, keys): (i64, i64) = (revisions.parse()?, keys.parse()?);
    let value = vec![b'v'; value_bytes.parse()?];
    let folder = Path::new(directory).join("member").join("snap");
    fs::create_dir_all(&folder)?;
    let options = File::options().read(true).write(true).create_new(true).clone();
    let mut store = HostFile { file: options.open(folder.join("db"))?, len: 0 };
    let mut build = Build::begin(&mut store);
    for bucket in Bucket::ALL {
        build.bucket(bucket.name().as_bytes())?;
        if bucket == Bucket::Key {
            for main in 2..revisions + 2 {
                build.put(&Revision::new(main, 0).to_bytes(), &row(main, keys, &value))?;
            }
        } else if bucket == Bucket::Meta {
            build.put(b"consistent_index", &revisions.to_be_bytes())?;
        }
    }
    println!("{} bytes", build.finish()?);
    Ok(())
}
