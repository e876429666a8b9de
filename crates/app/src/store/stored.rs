//! What the records of a session mean: checked, joined, and brought up to the last slice.
//!
//! Nothing that is read is believed. Damage of what the whole session needs (writer, head, a disk's
//! metadata, the framing of a slice) is a [`Damage`] that names store and key. Damage of a page is
//! the affair of the server whose page it is: its bytes are handed on with a note, so that the
//! server's own boot meets them. Damage of the actions only means that there is no link.

use ordered::Map;

use super::backlog::Changes;
use super::layout::{Address, Key};
use super::record::{Damage, inspect, open};
use super::slice::{Checkpoint, Entry, Head, PageList, ReadEntry, read_entry};

/// Every record of the database, in key order.
#[derive(Debug, Clone, Default)]
pub struct Records {
    /// The writer's record, when there is one.
    pub writer: Option<Vec<u8>>,
    /// Parts of the checkpoint.
    pub checkpoint: Vec<(u32, Vec<u8>)>,
    /// Parts of redo slices.
    pub slices: Vec<((u64, u32), Vec<u8>)>,
    /// Pages.
    pub pages: Vec<(Address, Vec<u8>)>,
    /// Pieces of the actions.
    pub actions: Vec<(u32, Vec<u8>)>,
}

/// Who writes, and how far it came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Writer {
    /// Goes up by one with each opening.
    pub epoch: u64,
    /// The last slice.
    pub slice: u64,
}

impl Writer {
    /// Its payload.
    pub fn encode(self) -> Vec<u8> {
        [self.epoch.to_le_bytes(), self.slice.to_le_bytes()].concat()
    }

    /// Reads a record.
    pub fn decode(record: &[u8]) -> Result<Self, Damage> {
        let payload = open(Key::Writer, record)?;
        let (Some((epoch, rest)), true) = (payload.split_first_chunk(), payload.len() == 16) else {
            return Err(Damage::at(Key::Writer, format!("{} bytes are no writer", payload.len())));
        };
        let slice = rest.try_into().expect("16 bytes less 8");
        Ok(Self { epoch: u64::from_le_bytes(*epoch), slice: u64::from_le_bytes(slice) })
    }
}

/// A session as its last slice left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The last slice.
    pub slice: u64,
    /// Its head.
    pub head: Head,
    /// One a server.
    pub disks: Vec<StoredDisk>,
    /// The recorded actions, one line each, or why they are not there.
    pub actions: Result<String, String>,
    /// What the redo slices held, for [`super::Backlog::resumed`].
    pub loose: Changes,
    /// What `pages` holds, for [`super::Backlog::resumed`].
    pub lists: Vec<PageList>,
}

/// A server's disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredDisk {
    /// All but the pages.
    pub metadata: Vec<u8>,
    /// By (file, page).
    pub pages: Map<(u32, u32), StoredPage>,
}

/// A page as found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredPage {
    /// The record's payload, whatever its state.
    pub bytes: Vec<u8>,
    /// What is wrong with it, naming store and key.
    pub damage: Option<Damage>,
}

impl Stored {
    /// The session that the records hold, or `None` when there is none.
    pub fn from_records(records: &Records) -> Result<Option<Self>, Damage> {
        let Some(writer) = &records.writer else { return no_session(records).map(|()| None) };
        let writer = Writer::decode(writer)?;
        if records.checkpoint.is_empty() && records.slices.is_empty() && writer.slice == 0 {
            return Ok(None);
        }
        let checkpoint = join_checkpoint(&records.checkpoint)?;
        let mut stored = Self::at_checkpoint(checkpoint, &records.pages);
        stored.redo(&records.slices, writer.slice)?;
        stored.actions = join_actions(&records.actions, stored.head.actions_bytes);
        Ok(Some(stored))
    }

    fn at_checkpoint(checkpoint: Checkpoint, records: &[(Address, Vec<u8>)]) -> Self {
        let found: Map<Address, &Vec<u8>> =
            records.iter().map(|(address, record)| (*address, record)).collect();
        let disk = |(node, disk): (u32, &super::slice::CheckpointDisk)| StoredDisk {
            metadata: disk.metadata.clone(),
            pages: disk
                .pages
                .iter()
                .map(|(file, page)| {
                    let address = Address { node, file: *file, page: *page };
                    ((*file, *page), page_of(address, found.get(&address).map(|r| &r[..])))
                })
                .collect(),
        };
        Self {
            slice: checkpoint.number,
            disks: (0..).zip(&checkpoint.disks).map(disk).collect(),
            lists: checkpoint.disks.into_iter().map(|disk| disk.pages).collect(),
            head: checkpoint.head,
            actions: Ok(String::new()),
            loose: Changes::default(),
        }
    }

    fn redo(&mut self, records: &[((u64, u32), Vec<u8>)], last: u64) -> Result<(), Damage> {
        let mut slices: Map<u64, Vec<&(_, Vec<u8>)>> = Map::new();
        for record in records {
            slices.get_or_default(record.0.0).push(record);
        }
        if let Some(stray) = slices.keys().find(|n| **n <= self.slice || **n > last) {
            return Err(Damage::at(Key::Slice(*stray, 0), "is not one of the last slices"));
        }
        while self.slice < last {
            let number = self.slice + 1;
            let missing = || Damage::at(Key::Slice(number, 0), "is missing");
            let parts = slices.get(&number).ok_or_else(missing)?;
            self.redo_one(number, parts)?;
            self.slice = number;
        }
        Ok(())
    }

    fn redo_one(&mut self, number: u64, parts: &[&((u64, u32), Vec<u8>)]) -> Result<(), Damage> {
        let mut stream = Vec::new();
        let mut ends = Vec::new();
        for (part, ((_, found), record)) in (0..).zip(parts) {
            if *found != part {
                return Err(Damage::at(Key::Slice(number, part), "is missing"));
            }
            stream.extend(inspect(record).0);
            ends.push(stream.len());
        }
        let key_at = |offset: usize| {
            let part = ends.iter().take_while(|end| **end <= offset).count();
            Key::Slice(number, u32::try_from(part).expect("few parts"))
        };
        let (mut offset, mut head) = (0, None);
        while offset < stream.len() {
            let Some((read, next)) = read_entry(&stream, offset) else {
                return Err(Damage::at(key_at(offset), format!("no entry at byte {offset}")));
            };
            let key = key_at(read.offset);
            match read.entry {
                Entry::Head => head = Some(decode(key, intact(key, "head", &read)?)?),
                Entry::Metadata(node) => {
                    let metadata = intact(key, "disk metadata", &read)?.to_vec();
                    self.disk(key, node)?.metadata = metadata;
                    self.loose.metadata.insert(node);
                }
                Entry::Page(address) => self.set_page(key, address, &read)?,
                Entry::Hole(address) => {
                    let at = (address.file, address.page);
                    self.disk(key, address.node)?.pages.remove(&at);
                    self.loose.pages.insert(address);
                }
            }
            offset = next;
        }
        let cut = || Damage::at(Key::Slice(number, 0), "has no head");
        self.head = head.ok_or_else(cut)?;
        Ok(())
    }

    fn disk(&mut self, key: Key, node: u32) -> Result<&mut StoredDisk, Damage> {
        usize::try_from(node)
            .ok()
            .and_then(|node| self.disks.get_mut(node))
            .ok_or_else(|| Damage::at(key, format!("names server {node}, which is not there")))
    }

    fn set_page(&mut self, key: Key, address: Address, read: &ReadEntry<'_>) -> Result<(), Damage> {
        let damage = (!read.intact).then(|| Damage::at(key, about_page(address)));
        let page = StoredPage { bytes: read.body.to_vec(), damage };
        self.disk(key, address.node)?.pages.insert((address.file, address.page), page);
        self.loose.pages.insert(address);
        Ok(())
    }

    /// Every damaged page, with its address.
    pub fn damaged_pages(&self) -> impl Iterator<Item = (Address, &Damage)> {
        (0..).zip(&self.disks).flat_map(|(node, disk)| {
            disk.pages.iter().filter_map(move |((file, page), found)| {
                let address = Address { node, file: *file, page: *page };
                found.damage.as_ref().map(|damage| (address, damage))
            })
        })
    }
}

fn about_page(Address { node, file, page }: Address) -> String {
    format!("checksum mismatch in page {page} of file {file} of server {node}")
}

fn no_session(records: &Records) -> Result<(), Damage> {
    if records.checkpoint.is_empty() && records.slices.is_empty() {
        Ok(())
    } else {
        Err(Damage::at(Key::Writer, "is missing"))
    }
}

fn page_of(address: Address, record: Option<&[u8]>) -> StoredPage {
    let key = Key::Page(address);
    let Some(record) = record else {
        return StoredPage { bytes: Vec::new(), damage: Some(Damage::at(key, "is missing")) };
    };
    let (payload, what) = inspect(record);
    StoredPage { bytes: payload.to_vec(), damage: what.map(|what| Damage::at(key, what)) }
}

fn join_checkpoint(parts: &[(u32, Vec<u8>)]) -> Result<Checkpoint, Damage> {
    let mut stream = Vec::new();
    for (expected, (part, record)) in (0..).zip(parts) {
        if *part != expected {
            return Err(Damage::at(Key::Checkpoint(expected), "is missing"));
        }
        stream.extend(open(Key::Checkpoint(*part), record)?);
    }
    if stream.is_empty() {
        return Err(Damage::at(Key::Checkpoint(0), "is missing"));
    }
    decode(Key::Checkpoint(0), &stream)
}

fn join_actions(pieces: &[(u32, Vec<u8>)], bytes: u64) -> Result<String, String> {
    let mut text = Vec::new();
    for (expected, (piece, record)) in (0..).zip(pieces) {
        if *piece != expected {
            return Err(Damage::at(Key::Actions(expected), "is missing").to_string());
        }
        text.extend(open(Key::Actions(*piece), record).map_err(|damage| damage.to_string())?);
    }
    if text.len() as u64 != bytes {
        let next = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
        let what = format!("{} of {bytes} bytes of the recorded actions are there", text.len());
        return Err(Damage::at(Key::Actions(next), what).to_string());
    }
    String::from_utf8(text)
        .map_err(|error| Damage::at(Key::Actions(0), error.to_string()).to_string())
}

fn intact<'a>(key: Key, what: &str, read: &ReadEntry<'a>) -> Result<&'a [u8], Damage> {
    if read.intact {
        Ok(read.body)
    } else {
        Err(Damage::at(key, format!("checksum mismatch in the {what}")))
    }
}

fn decode<T: for<'a> serde::Deserialize<'a>>(key: Key, bytes: &[u8]) -> Result<T, Damage> {
    postcard::from_bytes(bytes).map_err(|error| Damage::at(key, error.to_string()))
}
