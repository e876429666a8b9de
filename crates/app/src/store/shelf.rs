//! IndexedDB as far as tests on the host need it.

use ordered::Map;

use super::layout::{Key, RECORD_BYTES_MAX};
use super::record::seal;
use super::{Records, Slice, Stored, Write, Writer};

/// Completed transactions.
#[derive(Default, Clone)]
pub(crate) struct Shelf {
    pub(crate) records: Map<Key, Vec<u8>>,
}

impl Shelf {
    /// A slice's transaction completes.
    pub(crate) fn commit(&mut self, slice: &Slice) {
        for write in slice.writes() {
            match write {
                Write::Clear(store) => self.records.retain(|key, _| key.store() != store),
                Write::ClearCheckpoint => {
                    self.records.retain(|key, _| !matches!(key, Key::Checkpoint(_)));
                }
                Write::Delete(key) => drop(self.records.remove(&key)),
                Write::Put(key, record) => {
                    assert!(record.len() <= RECORD_BYTES_MAX, "{key} has {} bytes", record.len());
                    self.records.insert(key, record);
                }
            }
        }
        let writer = Writer { epoch: 1, slice: slice.number };
        self.records.insert(Key::Writer, seal(&writer.encode()));
    }

    /// What a reader would find.
    pub(crate) fn records(&self) -> Records {
        let mut records = Records::default();
        for (key, record) in &self.records {
            let record = record.clone();
            match *key {
                Key::Writer => records.writer = Some(record),
                Key::Checkpoint(part) => records.checkpoint.push((part, record)),
                Key::Slice(number, part) => records.slices.push(((number, part), record)),
                Key::Page(address) => records.pages.push((address, record)),
                Key::Actions(piece) => records.actions.push((piece, record)),
            }
        }
        records
    }

    /// The session, undamaged.
    pub(crate) fn read(&self) -> Stored {
        Stored::from_records(&self.records()).expect("undamaged").expect("a session")
    }
}
