//! A slice: what one transaction writes, and the stream of a redo slice.
//!
//! A redo slice goes into `slices` as one stream of entries, cut into records. Each entry:
//!
//! ```text
//! u8      kind: 1 head, 2 disk metadata, 3 page, 4 page that became a hole
//! u32 LE  node
//! u32 LE  file
//! u32 LE  page
//! u32 LE  length of the body
//! u64 LE  xxh3 of the body
//! u32 LE  low half of xxh3 of the 25 bytes above
//! …       body
//! ```
//!
//! So a flipped byte in a page's body spoils that page alone. A checkpoint instead writes pages in
//! place, the rest into `meta`, and empties `slices`: the store stays as large as the disks are.

use ordered::{Map, Set};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::layout::{Address, Key, Store};
use super::record::{PAYLOAD_BYTES_MAX, seal};

/// How a slice is laid down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Appended to `slices`.
    Redo,
    /// Folded into `pages` and `meta`; the redo slices before it go.
    Checkpoint,
    /// A checkpoint of a new session: whatever another session left goes.
    Fresh,
}

/// Everything of a world but its disks and its actions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The moment.
    pub event: u64,
    /// Virtual time, nanoseconds.
    pub now_ns: u64,
    /// Chain over the events so far.
    pub fingerprint: u64,
    /// Number of servers.
    pub nodes: u32,
    /// Bytes of the recorded actions.
    pub actions_bytes: u64,
    /// The simulator's own head.
    pub world: Vec<u8>,
}

/// Which pages a server's disk has in `pages`: (file, page).
pub type PageList = Set<(u32, u32)>;

/// The `["checkpoint", …]` records, joined.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Number of the slice that it is.
    pub number: u64,
    /// As of then.
    pub head: Head,
    /// One a server.
    pub disks: Vec<CheckpointDisk>,
}

/// A server's disk in a [`Checkpoint`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointDisk {
    /// All but the pages.
    pub metadata: Vec<u8>,
    /// Which records must be found in `pages`.
    pub pages: PageList,
}

/// What one transaction writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// One more than the slice before.
    pub number: u64,
    /// How it is laid down.
    pub kind: Kind,
    /// As of now.
    pub head: Head,
    /// Metadata of disks: those that changed, or all for a checkpoint.
    pub metadata: Map<u32, Vec<u8>>,
    /// Pages that changed; `None` where both images have a hole now.
    pub pages: Vec<(Address, Option<Vec<u8>>)>,
    /// For a checkpoint: what `pages` will hold.
    pub lists: Vec<PageList>,
    /// Pieces of the actions that changed.
    pub actions: Vec<(u32, Vec<u8>)>,
}

/// One request of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Empties a store.
    Clear(Store),
    /// Deletes the checkpoint's parts.
    ClearCheckpoint,
    /// Deletes one record.
    Delete(Key),
    /// Puts one record.
    Put(Key, Vec<u8>),
}

impl Slice {
    /// The requests of its transaction, in order. The writer's own record is not among them.
    pub fn writes(&self) -> Vec<Write> {
        let mut writes = Vec::new();
        match self.kind {
            Kind::Redo => self.redo(&mut writes),
            Kind::Checkpoint => self.checkpoint(&mut writes),
            Kind::Fresh => {
                writes.extend([Store::Pages, Store::Actions].map(Write::Clear));
                self.checkpoint(&mut writes);
            }
        }
        for (piece, text) in &self.actions {
            writes.push(Write::Put(Key::Actions(*piece), seal(text)));
        }
        writes
    }

    fn redo(&self, writes: &mut Vec<Write>) {
        let mut stream = Vec::new();
        entry(&mut stream, Entry::Head, &encode(&self.head));
        for (node, metadata) in &self.metadata {
            entry(&mut stream, Entry::Metadata(*node), metadata);
        }
        for (address, page) in &self.pages {
            match page {
                Some(page) => entry(&mut stream, Entry::Page(*address), page),
                None => entry(&mut stream, Entry::Hole(*address), &[]),
            }
        }
        writes.extend(parts(&stream, |part| Key::Slice(self.number, part)));
    }

    fn checkpoint(&self, writes: &mut Vec<Write>) {
        writes.extend([Write::Clear(Store::Slices), Write::ClearCheckpoint]);
        for (address, page) in &self.pages {
            let key = Key::Page(*address);
            writes.push(match page {
                Some(page) => Write::Put(key, seal(page)),
                None => Write::Delete(key),
            });
        }
        let disks = self
            .metadata
            .values()
            .zip(&self.lists)
            .map(|(metadata, pages)| CheckpointDisk {
                metadata: metadata.clone(),
                pages: pages.clone(),
            })
            .collect();
        let checkpoint = Checkpoint { number: self.number, head: self.head.clone(), disks };
        writes.extend(parts(&encode(&checkpoint), Key::Checkpoint));
    }
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(value).expect("plain data encodes")
}

fn parts(stream: &[u8], key: impl Fn(u32) -> Key) -> impl Iterator<Item = Write> {
    (0..)
        .zip(stream.chunks(PAYLOAD_BYTES_MAX))
        .map(move |(part, bytes)| Write::Put(key(part), seal(bytes)))
}

/// What an entry of a redo slice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// The body is a [`Head`].
    Head,
    /// The body is a disk's metadata.
    Metadata(u32),
    /// The body is a page.
    Page(Address),
    /// There is no body: the page is a hole now.
    Hole(Address),
}

const ENTRY_BYTES: usize = 29;
const SUMMED_BYTES: usize = 25;

fn entry(stream: &mut Vec<u8>, entry: Entry, body: &[u8]) {
    let (kind, address) = match entry {
        Entry::Head => (1, Address { node: 0, file: 0, page: 0 }),
        Entry::Metadata(node) => (2, Address { node, file: 0, page: 0 }),
        Entry::Page(address) => (3, address),
        Entry::Hole(address) => (4, address),
    };
    let length = u32::try_from(body.len()).expect("an entry is far below 4 GiB");
    let start = stream.len();
    stream.push(kind);
    for number in [address.node, address.file, address.page, length] {
        stream.extend(number.to_le_bytes());
    }
    stream.extend(xxh3_64(body).to_le_bytes());
    let sum = low_half(xxh3_64(&stream[start..]));
    stream.extend(sum.to_le_bytes());
    stream.extend(body);
}

fn low_half(sum: u64) -> u32 {
    u32::try_from(sum & u64::from(u32::MAX)).expect("masked")
}

/// An entry as read, with whether its body is what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadEntry<'a> {
    /// What it is about; checked.
    pub entry: Entry,
    /// Where the body begins in the stream.
    pub offset: usize,
    /// As found.
    pub body: &'a [u8],
    /// Whether the body's checksum agrees.
    pub intact: bool,
}

/// The first entry at `offset` and where the next begins; `None` when the bytes there are no entry.
pub fn read_entry(stream: &[u8], offset: usize) -> Option<(ReadEntry<'_>, usize)> {
    let (header, rest) = stream.get(offset..)?.split_first_chunk::<ENTRY_BYTES>()?;
    let (summed, sum) = header.split_at(SUMMED_BYTES);
    if low_half(xxh3_64(summed)).to_le_bytes() != sum {
        return None;
    }
    let number = |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| header[at + byte]));
    let address = Address { node: number(1), file: number(5), page: number(9) };
    let entry = match header[0] {
        1 => Entry::Head,
        2 => Entry::Metadata(address.node),
        3 => Entry::Page(address),
        4 => Entry::Hole(address),
        _ => return None,
    };
    let body = rest.get(..usize::try_from(number(13)).ok()?)?;
    let intact = xxh3_64(body).to_le_bytes() == summed[17..];
    let offset = offset + ENTRY_BYTES;
    Some((ReadEntry { entry, offset, body, intact }, offset + body.len()))
}
