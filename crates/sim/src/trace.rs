//! What happened, as data, and the fingerprint over it.
//!
//! Every event of a run is one or more [`Record`]s. The fingerprint is a chain: each record's
//! postcard form, with event number and time, is hashed by xxh3 with the hash so far as seed. It
//! covers every record of the run from its beginning; the records themselves are kept only as
//! far back as [`RECORDS_KEPT`], and not at all where nobody looks at them.

use std::collections::VecDeque;
use std::sync::Arc;

use disk::Ticket;
use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::machine::{Message, ServerEvent, WatchAnswer};
use crate::network::LossReason;
use crate::scenario::{Action, ClientCommand, Node};
use crate::view::Outcome;

const CHUNK_RECORDS: usize = 512;
const CHUNKS_KEPT: usize = 64;
/// Records that are worth a line to people are kept for longer than others: this many.
const NOTABLE_KEPT: usize = 64;
/// At least this many of the latest records are kept.
pub const RECORDS_KEPT: usize = CHUNK_RECORDS * (CHUNKS_KEPT - 1);

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The event that it belongs to.
    pub event: u64,
    /// Its virtual time.
    pub at_ns: u64,
    /// What happened.
    pub what: TraceEvent,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TraceEvent {
    /// An action ran.
    Acted(Box<Action>),
    /// A server was started for the n-th time.
    Booted(Node, u32),
    /// A server's clock ticked.
    Ticked(Node),
    /// A server told something.
    Told(Node, ServerEvent),
    /// A server issued a sync that ends at this time.
    SyncIssued(Node, Ticket, u64),
    /// A sync is complete.
    Synced(Node, Ticket),
    /// A message left, with the time at which it arrives.
    Sent {
        /// Its flight.
        flight: u64,
        /// Sender.
        from: Node,
        /// Receiver.
        to: Node,
        /// What it says.
        message: Message,
        /// When it arrives.
        arrives_ns: u64,
    },
    /// A message arrived.
    Delivered {
        /// Its flight.
        flight: u64,
        /// Sender.
        from: Node,
        /// Receiver.
        to: Node,
    },
    /// A message was lost, on sending (no flight) or on arrival.
    Lost {
        /// Its flight; 0 when it never left.
        flight: u64,
        /// Sender.
        from: Node,
        /// Receiver.
        to: Node,
        /// Why.
        reason: LossReason,
    },
    /// A transport noticed that a peer does not answer.
    Unreachable(Node, Node),
    /// A client sent a request.
    Requested {
        /// Request id.
        request: u64,
        /// The operation's first request, if this one tries it again.
        retry_of: Option<u64>,
        /// Client.
        client: u32,
        /// The server it goes to.
        node: Node,
        /// What is asked.
        command: Arc<ClientCommand>,
    },
    /// A request arrived at a server that runs.
    Received(Node, u64),
    /// A server replied.
    Replied(Node, u64),
    /// A client knows how its request ended, as far as it ever will.
    Ended {
        /// Request id.
        request: u64,
        /// How.
        outcome: Outcome,
        /// The revision in the reply.
        revision: Option<i64>,
    },
    /// The power of a machine went: so many un-synced things survived, so many are lost.
    PowerCut {
        /// The machine.
        node: Node,
        /// Un-synced things that survived.
        survived: u64,
        /// Un-synced things that are gone.
        lost: u64,
    },
    /// A bit on a disk was turned over, if the file was there.
    Flipped {
        /// Whose disk.
        node: Node,
        /// Whether there was such a byte.
        ok: bool,
    },
    /// A process died by itself.
    Died(Node, String),
    /// An expectation was judged.
    Judged {
        /// Its number.
        expectation: u64,
        /// Whether it was true.
        ok: bool,
    },
    /// A watcher asks a server to watch, on a new stream.
    WatchOpened {
        /// The watcher.
        watcher: u64,
        /// The stream.
        stream: u64,
        /// The server.
        node: Node,
        /// The first revision that it wants; 0 for whatever comes next.
        from_revision: i64,
    },
    /// A client heard something on a watch stream.
    WatchHeard {
        /// The stream.
        stream: u64,
        /// What.
        answer: Arc<WatchAnswer>,
    },
    /// A watch stream broke off.
    WatchBroken {
        /// The watcher.
        watcher: u64,
    },
    /// A sector or page of a disk was touched by hand or by plan, if it was there.
    DiskTouched {
        /// Whose disk.
        node: Node,
        /// Whether there was such a place.
        ok: bool,
    },
}

/// Collects a record's postcard form; of the flavours that keep a buffer, the quick one.
struct Bytes(Vec<u8>);

impl Flavor for Bytes {
    type Output = Vec<u8>;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        match bytes {
            [byte] => self.0.push(*byte),
            _ => self.0.extend_from_slice(bytes),
        }
        Ok(())
    }

    fn finalize(self) -> postcard::Result<Vec<u8>> {
        Ok(self.0)
    }
}

/// The recent records, and the fingerprint over all.
#[derive(Clone, Debug)]
pub struct Trace {
    fingerprint: u64,
    chunks: VecDeque<Arc<Vec<Record>>>,
    notable: VecDeque<Arc<Record>>,
    buffer: Vec<u8>,
    /// Records are only counted into the fingerprint.
    forgets: bool,
}

impl Trace {
    pub(crate) fn new(fingerprint: u64) -> Trace {
        Trace {
            fingerprint,
            chunks: VecDeque::new(),
            notable: VecDeque::new(),
            buffer: Vec::new(),
            forgets: false,
        }
    }

    /// Keeps no record from now on; the fingerprint is the same.
    pub(crate) fn forget(&mut self) {
        self.forgets = true;
        self.chunks.clear();
        self.notable.clear();
    }

    pub(crate) fn push(&mut self, record: Record) {
        self.fingerprint = self.chained(&record);
        if self.forgets {
            return;
        }
        if crate::view::is_notable(&record.what) {
            if self.notable.len() == NOTABLE_KEPT {
                self.notable.pop_front();
            }
            self.notable.push_back(Arc::new(record.clone()));
        }
        if self.chunks.back().is_none_or(|chunk| chunk.len() == CHUNK_RECORDS) {
            if self.chunks.len() == CHUNKS_KEPT {
                self.chunks.pop_front();
            }
            self.chunks.push_back(Arc::new(Vec::with_capacity(CHUNK_RECORDS)));
        }
        let chunk = self.chunks.back_mut().expect("there is a chunk with room");
        Arc::make_mut(chunk).push(record);
    }

    fn chained(&mut self, record: &Record) -> u64 {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        self.buffer =
            postcard::serialize_with_flavor(record, Bytes(buffer)).expect("a record is plain data");
        xxh3_64_with_seed(&self.buffer, self.fingerprint)
    }

    /// The chain over every record so far.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// The records that are kept, newest first.
    pub fn latest(&self) -> impl Iterator<Item = &Record> {
        self.chunks.iter().rev().flat_map(|chunk| chunk.iter().rev())
    }

    /// The latest records that are worth a line to people, oldest first.
    pub fn notable(&self) -> impl ExactSizeIterator<Item = &Record> {
        self.notable.iter().map(Arc::as_ref)
    }

    /// The records of one event, in order, as far as they are kept.
    pub fn of_event(&self, event: u64) -> Vec<&Record> {
        let mut records: Vec<&Record> = self
            .latest()
            .skip_while(|record| record.event > event)
            .take_while(|record| record.event == event)
            .collect();
        records.reverse();
        records
    }
}
