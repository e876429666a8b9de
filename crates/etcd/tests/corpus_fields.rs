//! Every field of real files, with its bytes.

#![allow(
    clippy::case_sensitive_file_extension_comparisons,
    clippy::unwrap_used,
    clippy::missing_assert_message,
    reason = "a test stops where it cannot go on; the comparison is the claim; etcd minds the case"
)]

mod corpus;

use etcd::datadir::{DataDir, FieldRange, Piece};

/// The fields of a piece that do not lie in another one cover it, one behind the other; the others
/// lie in the one that they are named after.
fn check_piece(case: &str, piece: &Piece) {
    let place = || format!("{case}: {} at {} ({})", piece.file, piece.offset, piece.kind);
    let end = piece.offset + piece.length;
    let mut at = piece.offset;
    for field in &piece.fields {
        assert!(piece.offset <= field.start && field.end <= end, "{}: {field:?}", place());
        if !field.name.contains('.') {
            assert_eq!(field.start, at, "{}: {field:?}", place());
            at = field.end;
            continue;
        }
        let (around, _) = field.name.rsplit_once('.').unwrap();
        let holds = |other: &FieldRange| {
            other.name == around && other.start <= field.start && field.end <= other.end
        };
        // An inline bucket has its pages' parts inside a value.
        let around = around.rsplit_once(".element").map_or(around, |(value, _)| value);
        let is_nested = |other: &FieldRange| {
            other.name == around && other.start <= field.start && field.end <= other.end
        };
        let is_inside = piece.fields.iter().any(|other| holds(other) || is_nested(other));
        assert!(is_inside, "{}: {field:?} lies in no {around}", place());
    }
    assert_eq!(at, end, "{}: covered to the end", place());
}

fn files_with_fields(directory: &DataDir) -> Vec<String> {
    let has_fields =
        |path: &&str| path.ends_with(".wal") || path.ends_with("/db") || path.ends_with(".snap");
    let paths = directory.files().iter().map(|file| file.path.as_str());
    paths.filter(has_fields).map(String::from).collect()
}

#[test]
fn fields_cover_every_record_page_and_snapshot_of_undamaged_files() {
    let Some(folder) = corpus::folder() else { return };
    let mut checksums = 0;
    for (case, _) in corpus::UNDAMAGED {
        let directory = corpus::open(&folder, case);
        for path in files_with_fields(&directory) {
            let mut at = 0;
            for piece in directory.pieces(&path).unwrap() {
                assert_eq!(piece.offset, at, "{case}: {path}");
                at += piece.length;
                check_piece(case, &piece);
                let is_torn = piece.kind == "damaged" && case == "B3_torn";
                assert!(piece.damage.is_none() || is_torn, "{case}: {piece:?}");
                let oks = piece.fields.iter().filter_map(|field| field.ok);
                assert!(oks.clone().all(|ok| ok), "{case}: {piece:?}");
                checksums += oks.count();
            }
            let file = directory.files().iter().find(|file| file.path == path).unwrap();
            // Behind the last record a segment holds zeros.
            let is_whole = at == file.len() || path.ends_with(".wal");
            assert!(is_whole, "{case}: {path} ends at {at} of {}", file.len());
        }
    }
    assert!(checksums > 5_000, "{checksums} checksums were seen");
}

fn one(directory: &DataDir, path: &str, offset: u64) -> Piece {
    let mut pieces = directory.pieces(path).unwrap();
    pieces.find(|piece| piece.offset == offset).unwrap()
}

fn field<'a>(piece: &'a Piece, name: &str) -> &'a FieldRange {
    let found = piece.fields.iter().find(|field| field.name == name);
    found.unwrap_or_else(|| panic!("{name} in {piece:#?}"))
}

fn value(piece: &Piece, name: &str) -> u64 {
    field(piece, name).value.unwrap()
}

/// Read off the bytes by hand.
#[test]
fn fields_of_one_directory_are_those_of_the_worked_example() {
    let Some(folder) = corpus::folder() else { return };
    let directory = corpus::open(&folder, "A1_single");
    let wal = "member/wal/0000000000000000-0000000000000000.wal";
    let entry = one(&directory, wal, 0x50);
    assert_eq!((entry.length, entry.kind), (0x80, "entry"));
    assert_eq!(value(&entry, "header"), 0x73);
    assert_eq!(field(&entry, "crc").ok, Some(true));
    assert_eq!((value(&entry, "data.term"), value(&entry, "data.index")), (1, 1));
    assert_eq!(value(&entry, "data.data.node_id"), 15_232_951_895_697_225_528);
    let padding = field(&entry, "padding");
    assert_eq!(padding.end - padding.start, 5);

    let db = "member/snap/db";
    let meta = one(&directory, db, 0);
    assert_eq!((value(&meta, "transaction"), value(&meta, "root")), (20, 10));
    assert_eq!(value(&meta, "freelist"), u64::MAX);
    let checksum = field(&meta, "checksum");
    assert_eq!((checksum.value, checksum.ok), (Some(0xb68a_4598_cea6_4ee6), Some(true)));
    assert_eq!((checksum.start, checksum.end), (72, 80));

    let leaf = one(&directory, db, 5 * 4096);
    assert_eq!((leaf.kind, leaf.bucket.as_deref()), ("leaf", Some("key")));
    assert_eq!((value(&leaf, "key 0.main"), value(&leaf, "key 0.sub")), (11, 0));
    assert_eq!(value(&leaf, "value 0.create_revision"), 11);
    assert_eq!(value(&leaf, "value 0.version"), 1);

    let root = one(&directory, db, 10 * 4096);
    assert_eq!(root.bucket.as_deref(), Some(""), "the bucket of all buckets");
    let index = root.fields.iter().find(|field| field.value == Some(0xc2)).unwrap();
    assert!(index.name.ends_with(".number"), "the consistent index: {index:?}");
    let compacted = root.fields.iter().filter(|field| field.name.ends_with(".main"));
    assert!(compacted.clone().all(|field| field.value == Some(107)), "{compacted:?}");
    assert_eq!(compacted.count(), 2, "scheduled and finished");

    let directory = corpus::open(&folder, "B1_lowsnap");
    let snap = one(&directory, "member/snap/0000000000000002-0000000000000066.snap", 0);
    let crc = field(&snap, "crc");
    assert_eq!((crc.value, crc.ok), (Some(0x60d1_943a), Some(true)));
    assert_eq!(value(&snap, "data.metadata.index"), 0x66);
    assert_eq!(value(&snap, "data.metadata.term"), 2);
    assert_eq!(value(&snap, "data.metadata.conf_state.voters"), 0xd16_db4c_b96b_4372);
}

#[test]
fn damaged_files_have_fields_within_their_bytes_and_wrong_checksums_are_told() {
    let Some(folder) = corpus::folder() else { return };
    let verdicts = corpus::verdicts(&folder);
    for case in verdicts.as_object().unwrap().keys() {
        let directory = corpus::open(&folder, case);
        for path in files_with_fields(&directory) {
            let Ok(pieces) = directory.pieces(&path) else { continue };
            for piece in pieces {
                let end = piece.offset + piece.length;
                let inside = |field: &FieldRange| {
                    piece.offset <= field.start && field.start <= field.end && field.end <= end
                };
                assert!(piece.fields.iter().all(inside), "{case}: {piece:?}");
            }
        }
    }
    let wrong = |case: &str, path: &str| {
        let directory = corpus::open(&folder, case);
        let pieces: Vec<Piece> = directory.pieces(path).unwrap().collect();
        let is_wrong = |field: &FieldRange| field.ok == Some(false);
        pieces.iter().filter(|piece| piece.fields.iter().any(is_wrong)).count()
    };
    let wal = "member/wal/0000000000000000-0000000000000000.wal";
    assert_eq!(wrong("E04_wal_wrong_crc_mid", wal), 2, "it, and the one behind that follows it");
    assert_eq!(wrong("E11_db_meta0_bitflip", "member/snap/db"), 1);
}
