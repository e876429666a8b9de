//! Which bytes of a file are what: every field with its byte range.
//!
//! A file is cut into pieces: records of a log, pages of a database, the one message of a `.snap`
//! file. Fields without a dot in their name lie one behind the other and cover the piece; what is
//! inside one has its name in front: `data` and `data.term`, `value 3` and `value 3.version`.
//! What cannot be decoded is left out; bytes that nothing describes are `unused`.

mod message;
mod page;
mod record;

use bytes::Bytes;
use serde::Serialize;

pub use record::record_ranges;

use super::kind::{SNAP_DIRECTORY, WAL_DIRECTORY};
use super::{BackendError, BackendFile, DataDir, DataFile, Kind};
use message::{Messages, SNAP_FILE};

/// A named run of bytes in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldRange {
    /// `header`, `type`, `crc`, `data`, `padding`, and inside data `data.term` and the like.
    pub name: String,
    /// Offset of the first byte in the file.
    pub start: u64,
    /// Offset behind the last byte.
    pub end: u64,
    /// Numbers as they decode; nothing for bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<u64>,
    /// Of a checksum: whether it is that of the bytes it stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ok: Option<bool>,
}

impl FieldRange {
    fn new(name: impl Into<String>, bytes: std::ops::Range<u64>, value: Option<u64>) -> FieldRange {
        FieldRange { name: name.into(), start: bytes.start, end: bytes.end, value, ok: None }
    }
}

/// A part of a file that stands by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Piece {
    /// Path in the data directory.
    pub file: String,
    /// Where it begins.
    pub offset: u64,
    /// Its bytes.
    pub length: u64,
    /// Of a record its kind as in the log; of a page `meta`, `freelist`, `branch`, `leaf`, `free`;
    /// `snap`; `damaged`.
    pub kind: &'static str,
    /// The bucket that a page belongs to; empty for the bucket of all buckets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
    /// In the order of their bytes.
    pub fields: Vec<FieldRange>,
}

/// Why a file has no fields.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldsError {
    /// There is no such file.
    #[error("{0}: not there")]
    Missing(String),
    /// The file has no form that is known here.
    #[error("{0}: neither a segment of a log, a .snap file nor a database")]
    Unknown(String),
    /// The database does not open.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

/// The pieces of a file, in order.
pub type Pieces<'a> = Box<dyn Iterator<Item = Piece> + 'a>;

/// The pieces of the file at a path of the directory.
pub(super) fn pieces<'a>(directory: &'a DataDir, path: &str) -> Result<Pieces<'a>, FieldsError> {
    if let Some(segment) =
        path.strip_prefix(WAL_DIRECTORY).filter(|name| directory.segment(name).is_some())
    {
        let segment = segment.to_owned();
        return Ok(Box::new(log(directory, segment)));
    }
    let index = PieceIndex::of(directory, path)?;
    Ok(Box::new((0..index.len()).filter_map(move |number| index.get(number))))
}

/// The pieces of a database or a `.snap` file by their number, each taken apart when it is asked for.
#[derive(Debug, Clone)]
pub struct PieceIndex(Found);

#[derive(Debug, Clone)]
enum Found {
    Snap(DataFile),
    Pages(page::Pages),
}

impl PieceIndex {
    /// Those of the file at a path of the directory.
    pub(super) fn of(directory: &DataDir, path: &str) -> Result<PieceIndex, FieldsError> {
        let file = directory.files().iter().find(|file| file.path == path);
        let file = file.ok_or_else(|| FieldsError::Missing(path.into()))?;
        if super::snap::name(file).is_some() {
            return Ok(PieceIndex(Found::Snap(file.clone())));
        }
        let name = path.strip_prefix(SNAP_DIRECTORY).unwrap_or(path);
        let is_named = name == "db" || name.ends_with(".snap.db");
        let is_database = directory.kind() != Kind::Etcd || is_named;
        if directory.kind() == Kind::Zookeeper || !is_database {
            return Err(FieldsError::Unknown(path.into()));
        }
        let backend = BackendFile::received(directory, path)?;
        let backend = backend.ok_or_else(|| FieldsError::Missing(path.into()))?;
        Ok(PieceIndex(Found::Pages(page::Pages::of(file, backend.file()))))
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        match &self.0 {
            Found::Snap(_) => 1,
            Found::Pages(pages) => pages.len(),
        }
    }

    /// Whether the file has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One of them.
    pub fn get(&self, number: u64) -> Option<Piece> {
        match &self.0 {
            Found::Snap(file) => (number == 0).then(|| snap(file)),
            Found::Pages(pages) => pages.get(number),
        }
    }
}

fn log(directory: &DataDir, segment: String) -> impl Iterator<Item = Piece> + '_ {
    // Checksums run through all segments.
    let path = format!("{WAL_DIRECTORY}{segment}");
    directory.log().filter(move |record| record.file == segment).map(move |record| Piece {
        file: path.clone(),
        offset: record.offset,
        length: record.length,
        kind: record.kind,
        bucket: None,
        damage: record.damage.map(|damage| damage.reason),
        fields: record.fields,
    })
}

fn snap(file: &DataFile) -> Piece {
    let bytes = file.range(0, file.len()).unwrap_or_default();
    let mut fields = Vec::new();
    Messages::new(&mut fields).message("", &SNAP_FILE, &bytes, 0);
    let data = bytes_of(&fields, "data", &bytes);
    if let Some(crc) = fields.iter_mut().find(|field| field.name == "crc") {
        crc.ok = Some(crc.value == Some(crc32c::crc32c(&data).into()));
    }
    fill_gaps(&mut fields, 0, file.len());
    Piece {
        file: file.path.clone(),
        offset: 0,
        length: file.len(),
        kind: "snap",
        bucket: None,
        damage: super::snap::read(file).err().map(|error| error.reason()),
        fields,
    }
}

/// The content of a field that is bytes: what stands behind its tag and its length.
fn bytes_of(fields: &[FieldRange], name: &str, bytes: &Bytes) -> Bytes {
    let field = fields.iter().find(|field| field.name == name);
    let content = field.and_then(|field| {
        let start = usize::try_from(field.start).ok()?;
        message::wire_field(bytes, start).map(|field| bytes.slice(field.content))
    });
    content.unwrap_or_default()
}

/// Names what lies between the fields without a dot, and puts all in order.
fn fill_gaps(fields: &mut Vec<FieldRange>, start: u64, end: u64) {
    put_in_order(fields);
    let mut at = start;
    let mut gaps = Vec::new();
    for field in fields.iter().filter(|field| !field.name.contains('.')) {
        if field.start > at {
            gaps.push(FieldRange::new("unused", at..field.start, None));
        }
        at = at.max(field.end);
    }
    if at < end {
        gaps.push(FieldRange::new("unused", at..end, None));
    }
    fields.extend(gaps);
    put_in_order(fields);
}

/// By where they begin, those around others first.
fn put_in_order(fields: &mut [FieldRange]) {
    ordered::sort_by(fields, |a, b| (a.start, b.end).cmp(&(b.start, a.end)));
}
