//! What stands where in files other than the log: pages of a database with the rows on them, and the
//! message of a `.snap` file. A piece is shown as a record of the log is.

use etcd::datadir::{DataDir, DataFile, FieldRange, Kind, Piece, PieceIndex};
use sim::view::{FieldView, WalRow};

use super::protocol::{PIECE_BYTES, ROWS_MAX, Records};
use super::records::piece_of;

/// Files that have pieces, databases first; those with a damaged beginning too.
pub(super) fn files(directory: &DataDir) -> Vec<String> {
    let is_shown = |file: &&DataFile| {
        let name = file.path.rsplit('/').next().unwrap_or(&file.path);
        let is_snap = name.rsplit_once('.').is_some_and(|(_, end)| end == "snap");
        directory.kind() != Kind::Etcd || is_snap || archive::is_database(&file.path)
    };
    let files = directory.files().iter().filter(|_| directory.kind() != Kind::Zookeeper);
    let mut paths: Vec<String> = files.filter(is_shown).map(|file| file.path.clone()).collect();
    ordered::sort_by_key(&mut paths, |path| !archive::is_database(path));
    paths
}

/// A window of pieces, without their bytes and fields.
pub(super) fn window(index: &PieceIndex, first: u64, rows: u32) -> Records {
    let first = first.min(index.len());
    let end = first.saturating_add(rows.min(ROWS_MAX).into()).min(index.len());
    let rows = (first..end).filter_map(|number| index.get(number)).map(|piece| row(&piece));
    Records { first, rows: rows.collect(), total: index.len(), segments: Vec::new() }
}

/// A piece with its first bytes and their fields.
pub(super) fn whole(piece: &Piece, file: &DataFile) -> WalRow {
    let mut bytes = piece_of(file, piece.offset);
    bytes.truncate(usize::try_from(piece.length).unwrap_or(usize::MAX));
    let is_shown = |field: &&FieldRange| field.start < piece.offset + u64::from(PIECE_BYTES);
    let fields = piece.fields.iter().filter(is_shown).map(|one| field(one, piece.offset, &bytes));
    WalRow { fields: fields.collect(), bytes, ..row(piece) }
}

fn row(piece: &Piece) -> WalRow {
    let bucket = match piece.bucket.as_deref() {
        Some("") => "all buckets".to_owned(),
        Some(bucket) => format!("bucket {bucket}"),
        None => String::new(),
    };
    let value = |name| piece.fields.iter().find(|field| field.name == name)?.value;
    let elements = match (piece.kind, value("count")) {
        ("leaf", Some(count)) => format!(", {count} keys"),
        ("branch", Some(count)) => format!(", {count} pages"),
        ("meta", _) => format!("transaction {}", value("transaction").unwrap_or(0)),
        ("snap", _) => format!("entries up to {}", value("data.metadata.index").unwrap_or(0)),
        _ => String::new(),
    };
    let wrong = piece.damage.as_ref().map(|damage| format!("✗ {damage}"));
    WalRow {
        segment: 0,
        offset: piece.offset,
        length: piece.length,
        kind: piece.kind.to_owned(),
        index: None,
        term: None,
        crc: 0,
        crc_ok: wrong.is_none() && piece.fields.iter().all(|field| field.ok != Some(false)),
        synced: true,
        summary: wrong.unwrap_or_else(|| format!("{bucket}{elements}")),
        bytes: Vec::new(),
        fields: Vec::new(),
    }
}

/// A field as it is shown: places count from the beginning of its piece.
pub(super) fn field(field: &FieldRange, from: u64, bytes: &[u8]) -> FieldView {
    let within = |at: u64| u32::try_from(at.saturating_sub(from)).unwrap_or(u32::MAX);
    let (start, end) = (within(field.start), within(field.end));
    let value = match (field.value, field.ok) {
        (Some(value), Some(false)) => format!("{value} ✗ wrong"),
        (Some(value), _) => value.to_string(),
        (None, _) => text(&field.name, bytes, start, end),
    };
    FieldView { name: field.name.clone(), start, end, value }
}

/// Bytes that are text; other bytes stand beside.
fn text(name: &str, bytes: &[u8], start: u32, end: u32) -> String {
    const SHOWN: usize = 60;
    let at = |at: u32| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
    let shown = &bytes[at(start)..at(end)];
    // What lies in a message has a tag and a length in front.
    let is_text = |shown: &&[u8]| {
        let is_shown = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
        !shown.is_empty() && shown.iter().all(is_shown)
    };
    let without = |front: usize| shown.get(front..).filter(is_text);
    let found = without(0).or_else(|| without(2)).or_else(|| without(3));
    let Some(shown) = found.filter(|_| name != "unused") else { return String::new() };
    let more = if shown.len() > SHOWN { "…" } else { "" };
    format!("{}{more}", String::from_utf8_lossy(&shown[..shown.len().min(SHOWN)]))
}
