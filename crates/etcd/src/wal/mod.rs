//! The write-ahead log, in etcd's exact bytes.
//!
//! A log is a directory of segments `<sequence>-<first index>.wal`, both sixteen hex digits. A
//! segment is a row of frames, each 8-aligned, then zeros to its preallocated length:
//!
//! ```text
//! off 0   i64 LE   bits 0..55   bytes of the record
//!                  bits 56..58  pad bytes, 1 to 7 (0 when there are none)
//!                  bit  63      set when there are pad bytes
//! off 8   record   walpb.Record: 08 type · 10 crc · 1a length data
//!         pad      zeros, so that record and pad are a multiple of 8
//! ```
//!
//! A length of zero ends the segment. Record types: metadata 1, entry 2, hard state 3, crc 4,
//! snapshot mark 5. `crc` is the CRC-32C of the data of all records so far: it covers neither
//! type, length nor padding. A segment begins with a crc record that carries the chain over from
//! the segment before, the metadata again and the hard state; the very first one with crc 0, the
//! metadata and a snapshot mark at index 0.
//!
//! Reading is pure: [`Segment`]s in, records or a typed error with file and offset out
//! ([`Decoder`]), and from these what a server boots from ([`replay`]). Writing is [`Wal`], a
//! state machine over a disk on which every sync is a ticket.

mod append;
mod decoder;
mod directory;
mod encoder;
mod error;
mod event;
mod frame;
mod held;
mod name;
mod repair;
mod replay;
mod segment;

pub use append::{SaveId, Wal, WalOptions};
pub use decoder::{Decoder, Position, Record, RecordKind};
pub(crate) use directory::valid_snapshots_on;
pub use encoder::Encoder;
pub use error::WalError;
pub(crate) use error::ids;
pub use event::WalEvent;
pub use frame::{
    FRAME_HEADER_BYTES, Frame, FrameError, RECORD_BYTES_MAX, RecordLimit, frame_at, frame_within,
};
pub(crate) use held::Held;
pub use name::SegmentName;
pub(crate) use repair::is_mendable;
pub use repair::{Repair, repair};
pub use replay::{
    ReadMode, Replay, SnapshotMark, replay, replay_as_released, select, valid_snapshots,
};
pub use segment::Segment;
