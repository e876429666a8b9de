//! Our bbolt file as a store of batches, and the least there is: a map.

use std::collections::BTreeMap;

use bytes::Bytes;
use disk::{Disk, FileId};
use etcd::bolt::{Db, DbOptions, Progress};

use crate::shared::batches::Batches;

/// A database on the simulator's disk.
pub(super) struct Database {
    disk: Disk,
    db: Db,
}

impl Batches for Database {
    fn new() -> Self {
        let mut disk = Disk::new(1 << 34);
        let file: FileId = disk.create("/db").expect("an empty disk");
        let (db, ticket) =
            Db::create(&mut disk, file, DbOptions::default()).expect("an empty file");
        disk.complete(ticket);
        Self { disk, db }
    }

    fn commit(&mut self, batch: &[(Vec<u8>, Vec<u8>)]) {
        let mut tx = self.db.begin();
        let bucket = tx.create_bucket_if_missing(tx.root(), b"key").expect("a bucket");
        tx.set_fill_percent(bucket, 90);
        for (key, value) in batch {
            tx.put(bucket, key, Bytes::copy_from_slice(value)).expect("a key and a value");
        }
        let mut commit = self.db.commit(tx, &mut self.disk).expect("a sound disk");
        loop {
            let ticket = commit.ticket();
            self.disk.complete(ticket);
            let progress = commit.on_synced(ticket, &mut self.db, &mut self.disk);
            match progress.expect("a sound disk") {
                Progress::Waiting(next) => commit = next,
                Progress::Done => return,
            }
        }
    }
}

/// Keeps keys and values in order, and nothing else.
#[derive(Default)]
pub(super) struct Map(BTreeMap<Vec<u8>, Vec<u8>>);

impl Batches for Map {
    fn new() -> Self {
        Self::default()
    }

    fn commit(&mut self, batch: &[(Vec<u8>, Vec<u8>)]) {
        self.0.extend(batch.iter().cloned());
    }
}
