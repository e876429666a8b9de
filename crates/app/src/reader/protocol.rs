//! What page and reader say to each other.
//!
//! The page opens with an array `["open", name, [[path, file], …]]` of `File`s, whose bytes the reader
//! reads when it needs them, and goes on with [`Question`]s, by postcard in a `Uint8Array`. The reader answers
//! every message in order with one [`Told`], by postcard in a transferred `ArrayBuffer`; the answer
//! to an opening is an array of that buffer and the inspection as a plain object (64-bit integers
//! as `BigInt`), which is what `quorarium inspect --json` prints.

use serde::{Deserialize, Serialize};
use sim::view::{SegmentView, StoreView, WalRow};

/// Rows that one answer holds at most.
pub const ROWS_MAX: u32 = 1_000;
/// Bytes that one answer shows at most.
pub const PIECE_BYTES: u32 = 4_096;

/// What the page asks of an open directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    /// A window of the log's records, in the order of the files.
    Records {
        /// Number of the first one, from 0.
        first: u64,
        /// How many; at most [`ROWS_MAX`].
        rows: u32,
    },
    /// One record with its bytes.
    Record {
        /// Its number.
        number: u64,
    },
    /// The number of the first entry or snapshot mark with that raft index or a higher one.
    Index {
        /// The raft index.
        index: u64,
    },
    /// Bytes of any file, up to [`PIECE_BYTES`].
    Bytes {
        /// Path in the directory.
        file: String,
        /// Where they begin.
        offset: u64,
    },
    /// A window of keys.
    Keys {
        /// As of this revision; 0 for the last one.
        revision: i64,
        /// The first one, from 0, in key order.
        first: u32,
        /// How many; at most [`ROWS_MAX`].
        rows: u32,
    },
    /// What a server makes of it and what is wrong.
    Verify,
    /// A window of the pieces of a file that is no log: pages of a database, the message of a
    /// `.snap` file.
    Pieces {
        /// Path in the directory.
        file: String,
        /// Number of the first one, from 0.
        first: u64,
        /// How many; at most [`ROWS_MAX`].
        rows: u32,
    },
    /// One piece with its first [`PIECE_BYTES`] and their fields.
    Piece {
        /// Path in the directory.
        file: String,
        /// Its number.
        number: u64,
    },
}

/// What the reader says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Told {
    /// It is open.
    Opened(Overview),
    /// The files cannot be opened, or the question has no answer: why, in words.
    Refused(String),
    /// A window of records.
    Records(Records),
    /// A record with its bytes.
    Record {
        /// Its number.
        number: u64,
        /// The record.
        row: WalRow,
    },
    /// A record's number, if there is one.
    Found(Option<u64>),
    /// Bytes of a file.
    Bytes(Piece),
    /// A window of keys.
    Keys(Keys),
    /// What `verify` found.
    Verified(Verdict),
    /// A window of a file's pieces, as records without a checksum.
    Pieces {
        /// Path in the directory.
        file: String,
        /// The rows.
        records: Records,
    },
    /// A piece with its bytes.
    Piece {
        /// Its number.
        number: u64,
        /// The piece.
        row: WalRow,
    },
}

/// What a directory holds, in words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// Name of the file or folder.
    pub name: String,
    /// `etcd data directory` and the like.
    pub kind: String,
    /// Whether `quorarium repair` takes it.
    pub is_repairable: bool,
    /// Records of the log; `None` where there is no log.
    pub records: Option<u64>,
    /// Files other than the log whose bytes can be looked at field by field.
    pub files: Vec<String>,
    /// What is known, by topic.
    pub topics: Vec<Topic>,
}

/// Facts about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// What they are about.
    pub title: String,
    /// Names and values.
    pub facts: Vec<(String, String)>,
}

/// A window of records. Rows carry neither bytes nor fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Records {
    /// Number of the first row.
    pub first: u64,
    /// The rows.
    pub rows: Vec<WalRow>,
    /// How many records there are.
    pub total: u64,
    /// The segments that the rows lie in.
    pub segments: Vec<SegmentView>,
}

/// Bytes of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Path in the directory.
    pub file: String,
    /// Where they begin.
    pub offset: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Length of the file.
    pub file_bytes: u64,
}

/// A window of keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// Number of the first one.
    pub first: u32,
    /// As of this revision; 0 for the last one.
    pub revision: i64,
    /// The keys.
    pub store: StoreView,
    /// The last revision that can be asked for.
    pub last_revision: i64,
}

/// What `verify` found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// `boots`, `repairs` or `refuses`.
    pub does: String,
    /// The message of the real server.
    pub reason: String,
    /// The release that was asked.
    pub release: String,
    /// The revision that is served after the boot.
    pub served: Option<i64>,
    /// What is damaged, by file and offset; the first 1,000.
    pub damage: Vec<DamageRow>,
    /// How much is damaged.
    pub damage_total: u64,
    /// What a boot would drop without a word; the first 1,000.
    pub lost: Vec<LostRow>,
    /// How much would be lost.
    pub lost_total: u64,
    /// What could not be checked, and why.
    pub not_checked: Vec<String>,
}

/// Damage at one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamageRow {
    /// Path in the directory.
    pub file: String,
    /// Where it begins.
    pub offset: u64,
    /// Its bytes.
    pub length: u64,
    /// A word for the kind of damage.
    pub kind: String,
    /// Which record, page or element.
    pub what: String,
    /// What was expected and what was found.
    pub detail: String,
    /// What can still be read behind it.
    pub follows: Option<String>,
    /// The record of the log that it lies in.
    pub number: Option<u64>,
}

/// Something that a boot would drop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostRow {
    /// `entries 5 to 9`.
    pub what: String,
    /// Path of the file that holds it or tells of it.
    pub file: String,
    /// Where it is.
    pub offset: Option<u64>,
    /// What it asked for or held, and how that is known.
    pub detail: String,
    /// The record of the log that holds it.
    pub number: Option<u64>,
}
