//! What the page may ask of an open directory, against directories that simulated servers wrote.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test says which answer it wants")]

use etcd::datadir::{DataDir, ExportAs};
use sim::machine::DATA_DIR;
use sim::scenario::{Node, SECOND_NS, Scenario};
use sim::world::World;

use super::dropped::Dropped;
use super::opened::{OpenError, Opened};
use super::protocol::{Keys, PIECE_BYTES, Question, ROWS_MAX, Told, Verdict};

const SCENARIO: &str = "cluster etcd nodes=1 seed=7
1s put a 1
1.1s put b 1
1.2s put a 2
1.3s del b
1.4s put c 3
1.5s put config/greeting 'hello world'
1.6s put config/colour green
";

/// A file, before it is dropped.
struct Written {
    path: String,
    bytes: Vec<u8>,
}

fn open(name: &str, files: Vec<Written>) -> Result<Opened, OpenError> {
    let dropped = files.into_iter().map(|file| Dropped::new(file.path, file.bytes));
    Opened::open(name, dropped.collect())
}

/// The files of a server that ran the scenario.
fn written() -> Vec<Written> {
    let mut world = World::of_scenario(&Scenario::parse(SCENARIO).expect("well-formed"));
    world.run_until(3 * SECOND_NS);
    let directory =
        DataDir::from_disk(&world.machine(Node(1)).disk, DATA_DIR).expect("one is there");
    let file = |file: &etcd::datadir::DataFile| Written {
        path: format!("n1.etcd/{}", file.path),
        bytes: file.kept().expect("in memory").to_vec(),
    };
    directory.files().iter().map(file).collect()
}

fn opened() -> Opened {
    open("n1.etcd", written()).expect("a server wrote it")
}

/// The same keys as our exporter writes them, with a backend.
fn exported(form: ExportAs) -> Vec<Written> {
    let file = |file: Written| etcd::datadir::DataFile::new(file.path, file.bytes, 0);
    let directory = DataDir::from_files(written().into_iter().map(file)).expect("one is there");
    let files = directory.export(form, 0, Vec::new()).expect("it is whole").files.into_iter();
    let whole = |file: etcd::datadir::DataFile| {
        let bytes = file.range(0, file.len()).expect("in memory").to_vec();
        Written { path: file.path, bytes }
    };
    files.map(whole).collect()
}

fn keys(opened: &mut Opened, revision: i64) -> Result<Keys, String> {
    match opened.answer(&Question::Keys { revision, first: 0, rows: 100 }) {
        Told::Keys(keys) => Ok(keys),
        Told::Refused(why) => Err(why),
        _ => panic!("an answer to another question"),
    }
}

fn pairs(keys: &Keys) -> Vec<(&str, Option<&str>)> {
    keys.store.keys.iter().map(|key| (key.key.as_str(), key.value.as_deref())).collect()
}

fn verdict(opened: &mut Opened) -> Verdict {
    match opened.answer(&Question::Verify) {
        Told::Verified(verdict) => verdict,
        other => panic!("{other:?}"),
    }
}

#[test]
fn keys_are_shown_as_they_are_and_as_of_a_revision() {
    let mut opened = opened();
    let now = keys(&mut opened, 0).expect("all is there");
    assert_eq!(
        pairs(&now),
        [
            ("a", Some("2")),
            ("b", None),
            ("c", Some("3")),
            ("config/colour", Some("green")),
            ("config/greeting", Some("hello world"))
        ]
    );
    assert_eq!(now.store.keys[0].earlier.len(), 1, "its history is there");
    let before = keys(&mut opened, 3).expect("nothing was compacted");
    assert_eq!(pairs(&before), [("a", Some("1")), ("b", Some("1"))]);
    assert_eq!((before.store.revision, before.store.total, before.last_revision), (3, 2, 8));
    assert_eq!(before.store.keys[0].mod_revision, 2, "as of then");
    let refused = keys(&mut opened, 9).expect_err("it is not there");
    assert_eq!(refused, "revision 9 is not there: the last one is 8");
}

#[test]
fn records_come_in_windows_and_with_bytes_one_at_a_time() {
    let mut opened = opened();
    let Told::Records(all) = opened.answer(&Question::Records { first: 0, rows: u32::MAX }) else {
        panic!("records")
    };
    assert!(all.rows.len() <= ROWS_MAX as usize, "never everything");
    assert!(all.rows.iter().all(|row| row.bytes.is_empty() && row.crc_ok), "{:?}", all.rows);
    assert_eq!(all.rows[0].kind, "crc");
    let Told::Records(two) = opened.answer(&Question::Records { first: 2, rows: 2 }) else {
        panic!("records")
    };
    assert_eq!((two.first, &two.rows[..], two.total), (2, &all.rows[2..4], all.total));
    let Told::Found(Some(number)) = opened.answer(&Question::Index { index: 3 }) else {
        panic!("entry 3 is there")
    };
    let Told::Record { row, .. } = opened.answer(&Question::Record { number }) else {
        panic!("it is there")
    };
    assert_eq!((row.kind.as_str(), row.index), ("entry", Some(3)));
    assert_eq!(row.bytes.len() as u64, row.length);
    assert!(row.fields.iter().any(|field| field.name == "data.index"), "{:?}", row.fields);
    let beyond = opened.answer(&Question::Record { number: all.total });
    assert!(matches!(beyond, Told::Refused(_)), "{beyond:?}");
    let beyond = opened.answer(&Question::Records { first: u64::MAX, rows: 5 });
    assert!(matches!(beyond, Told::Records(records) if records.rows.is_empty()), "an empty window");
}

#[test]
fn damage_names_the_record_that_it_lies_in() {
    let mut files = written();
    flip(&mut files);
    let mut opened = open("n1.etcd", files).expect("damage is shown, not refused");
    let found = verdict(&mut opened);
    let damage = found.damage.iter().find(|row| row.number.is_some()).expect("it is in the log");
    let number = damage.number.expect("as asked");
    let Told::Record { row, .. } = opened.answer(&Question::Record { number }) else {
        panic!("it can be looked at")
    };
    assert!(!row.crc_ok, "{row:?}");
    assert!((row.offset..row.offset + row.length).contains(&damage.offset), "{damage:?}");
}

#[test]
fn a_whole_directory_has_nothing_wrong_and_its_inspection_is_in_words() {
    let mut opened = open("n1.etcd", exported(ExportAs::Directory)).expect("we wrote it");
    let found = verdict(&mut opened);
    assert_eq!(
        (found.does.as_str(), found.damage_total, found.lost_total),
        ("boots", 0, 0),
        "{found:?}"
    );
    let overview = opened.overview();
    assert_eq!(
        (overview.name.as_str(), overview.kind.as_str()),
        ("n1.etcd", "etcd data directory")
    );
    let titles: Vec<&str> = overview.topics.iter().map(|topic| topic.title.as_str()).collect();
    assert!(["Keys", "Log", "Files"].iter().all(|title| titles.contains(title)), "{titles:?}");
}

#[test]
fn a_snapshot_file_has_keys_and_no_log() {
    let bytes = exported(ExportAs::Snapshot).remove(0).bytes;
    let dropped = Written { path: "snapshot.db".into(), bytes };
    let mut opened = open("snapshot.db", vec![dropped]).expect("we wrote it");
    assert_eq!(opened.overview().records, None);
    let now = keys(&mut opened, 0).expect("all is there");
    assert_eq!(
        pairs(&now),
        [
            ("a", Some("2")),
            ("b", None),
            ("c", Some("3")),
            ("config/colour", Some("green")),
            ("config/greeting", Some("hello world"))
        ]
    );
    let Told::Bytes(piece) =
        opened.answer(&Question::Bytes { file: "snapshot.db".into(), offset: 0 })
    else {
        panic!("its first page")
    };
    assert_eq!(piece.bytes.len(), PIECE_BYTES as usize);
}

#[test]
fn every_piece_of_a_database_and_of_a_snapshot_is_shown_with_its_fields() {
    let mut opened = open("n1.etcd", exported(ExportAs::Directory)).expect("we wrote it");
    let files = opened.overview().files;
    assert_eq!(files[0], "member/snap/db", "the database first");
    assert_eq!(files.len(), 2, "and the snapshot: {files:?}");
    for file in files {
        let asked = Question::Pieces { file: file.clone(), first: 0, rows: ROWS_MAX };
        let Told::Pieces { records, .. } = opened.answer(&asked) else { panic!("{file}") };
        assert_eq!(records.rows.len() as u64, records.total, "{file}: all of them");
        let mut end = 0;
        for (number, row) in (0..).zip(&records.rows) {
            assert_eq!((row.offset, row.bytes.len()), (end, 0), "{file}: one behind the other");
            end += row.length;
            let whole = opened.answer(&Question::Piece { file: file.clone(), number });
            let Told::Piece { row: whole, .. } = whole else { panic!("{file} {number}") };
            assert_eq!(whole.bytes.len() as u64, row.length.min(PIECE_BYTES.into()), "{file}");
            assert!(!whole.fields.is_empty(), "{file} {number}");
            let within = |field: &sim::view::FieldView| u64::from(field.end) <= row.length;
            assert!(whole.fields.iter().all(within), "{file} {number}: {:?}", whole.fields);
        }
        let beyond = Question::Piece { file: file.clone(), number: records.total };
        assert!(matches!(opened.answer(&beyond), Told::Refused(_)), "{file} has no more");
    }
    let log = Question::Pieces { file: "member/wal/0.tmp".into(), first: 0, rows: 9 };
    assert!(matches!(opened.answer(&log), Told::Refused(_)), "it is no such file");
}

#[test]
fn what_is_no_data_directory_is_refused_in_words() {
    let refuse = |files: Vec<Written>| open("dropped", files).expect_err("no").to_string();
    let text = vec![Written { path: "a.txt".into(), bytes: b"hello".to_vec() }];
    assert!(refuse(text).contains("no data directory found"), "it says what was looked for");
    assert!(refuse(Vec::new()).contains("no data directory found"), "an empty folder");
    let gzip = vec![Written { path: "a.tar.gz".into(), bytes: vec![0x1f, 0x8b, 8, 0, 1, 2, 3] }];
    assert!(refuse(gzip).contains("dropped"), "an archive that is cut short");
    let mut two = written();
    two.extend(
        written().into_iter().map(|file| Written { path: format!("other/{}", file.path), ..file }),
    );
    assert!(refuse(two).contains("data directories found"), "two of them");
}

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/e2e/fixtures");

/// What the end-to-end tests drop on the page: whole, and with one bit flipped in the log.
/// `cargo test -p quorarium-app --lib fixtures -- --ignored` writes them anew.
#[test]
#[ignore = "writes files into the repository"]
fn the_fixtures_of_the_page_are_written() {
    let mut files = written();
    std::fs::create_dir_all(FIXTURES).expect("the repository can be written");
    std::fs::write(format!("{FIXTURES}/n1.tar.gz"), archive(&files)).expect("as above");
    flip(&mut files);
    std::fs::write(format!("{FIXTURES}/n1-flipped.tar.gz"), archive(&files)).expect("as above");
}

fn archive(files: &[Written]) -> Vec<u8> {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let mut tar = tar::Builder::new(gzip);
    for file in files {
        // A segment that is not preallocated to its end is a segment too.
        let mut bytes = file.bytes.clone();
        bytes.resize(bytes.len().next_multiple_of(4096), 0);
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        tar.append_data(&mut header, &file.path, &bytes[..]).expect("in memory");
    }
    tar.into_inner().expect("in memory").finish().expect("in memory")
}

fn is_segment(path: &str) -> bool {
    std::path::Path::new(path).extension().is_some_and(|extension| extension == "wal")
}

fn flip(files: &mut [Written]) {
    let wal = files.iter_mut().find(|file| is_segment(&file.path)).expect("a log");
    let entry = wal.bytes.windows(3).position(|bytes| bytes == b"\x01b\x12").expect("put b");
    wal.bytes[entry + 1] ^= 0x10;
}

#[test]
fn the_fixtures_of_the_page_say_what_the_end_to_end_tests_expect() {
    for (name, is_clean) in [("n1.tar.gz", true), ("n1-flipped.tar.gz", false)] {
        let bytes = std::fs::read(format!("{FIXTURES}/{name}")).expect("it is in the repository");
        let file = Written { path: name.into(), bytes };
        let mut opened = open(name, vec![file]).expect("we wrote it");
        let found = verdict(&mut opened);
        let in_log = found.damage.iter().any(|row| row.number.is_some());
        assert_eq!((in_log, found.does == "boots"), (!is_clean, is_clean), "{name}: {found:?}");
        assert_eq!(keys(&mut opened, 0).map(|keys| keys.last_revision).ok(), is_clean.then_some(8));
    }
}
