//! A database that is read piece by piece says what the same bytes in memory say.

#![allow(
    clippy::case_sensitive_file_extension_comparisons,
    clippy::unwrap_used,
    clippy::missing_assert_message,
    reason = "a test stops where it cannot go on; the comparison is the claim; etcd minds the case"
)]

mod corpus;

use bytes::Bytes;
use etcd::bolt::{PageSource, Paged};
use etcd::datadir::{DataDir, DataFile, ExportAs};
use etcd::request::{Range, RangeReply};
use serde_json::json;

/// Bytes that may be refused, or be others, after some reads.
struct Source {
    bytes: Bytes,
    reads: usize,
    refuses_from: usize,
    changes_from: usize,
}

impl PageSource for Source {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), String> {
        self.reads += 1;
        if self.reads > self.refuses_from {
            return Err("the disk is gone".into());
        }
        let start = usize::try_from(offset).unwrap();
        into.copy_from_slice(&self.bytes[start..start + into.len()]);
        if self.reads > self.changes_from {
            // As if another process had written.
            let step = 61 + self.reads;
            into.iter_mut().step_by(step).for_each(|byte| *byte = byte.wrapping_add(1));
        }
        Ok(())
    }
}

const NEVER: usize = usize::MAX;

fn paged(files: &[DataFile], refuses_from: usize, changes_from: usize) -> DataDir {
    let files = files.iter().map(|file| {
        let is_database = !file.path.ends_with(".wal") && !file.path.ends_with(".snap");
        if !is_database {
            return file.clone();
        }
        let bytes = file.range(0, file.len()).unwrap();
        let source = Source { bytes, reads: 0, refuses_from, changes_from };
        DataFile::paged(file.path.clone(), Paged::new(source))
    });
    DataDir::from_files(files).unwrap()
}

fn all() -> Range {
    Range { range_end: Bytes::from_static(b"\0"), ..Range::default() }
}

fn listed(directory: &DataDir, range: &Range, page: i64) -> Result<RangeReply, String> {
    let mut listing = directory.list(range).map_err(|error| error.to_string())?;
    let mut whole: Option<RangeReply> = None;
    while let Some(reply) = listing.next_page(page).map_err(|error| error.to_string())? {
        match &mut whole {
            None => whole = Some(reply),
            Some(whole) => whole.kvs.extend(reply.kvs),
        }
    }
    let whole = whole.expect("a first page");
    Ok(RangeReply { more: false, ..whole })
}

fn cases(folder: &std::path::Path) -> Vec<String> {
    let damaged = corpus::verdicts(folder);
    let damaged = damaged.as_object().unwrap().keys().cloned();
    corpus::UNDAMAGED.iter().map(|(case, _)| (*case).to_owned()).chain(damaged).collect()
}

#[test]
fn a_paged_database_says_what_the_same_bytes_in_memory_say() {
    let Some(folder) = corpus::folder() else { return };
    for case in cases(&folder) {
        let files = corpus::files(&folder, &case);
        let (kept, paged) =
            (DataDir::from_files(files.clone()).unwrap(), paged(&files, NEVER, NEVER));
        assert_eq!(json!(kept.inspect()), json!(paged.inspect()), "{case}");
        assert_eq!(json!(kept.verify(None)), json!(paged.verify(None)), "{case}");
        match (kept.state(), paged.state()) {
            (Ok(kept), Ok(paged)) => {
                assert_eq!(kept.hash_kv(0), paged.hash_kv(0), "{case}");
                assert_eq!(kept.range(&all()), paged.range(&all()), "{case}");
            }
            (kept, paged) => assert_eq!(kept.err(), paged.err(), "{case}"),
        }
    }
}

/// Every file of an answer, byte by byte.
fn bytes(files: &[DataFile]) -> Vec<(String, Bytes)> {
    let whole = |file: &DataFile| (file.path.clone(), file.range(0, file.len()).unwrap());
    files.iter().map(whole).collect()
}

#[test]
fn a_paged_database_is_exported_and_repaired_as_the_same_bytes_in_memory_are() {
    let Some(folder) = corpus::folder() else { return };
    for case in cases(&folder) {
        let files = corpus::files(&folder, &case);
        let (kept, paged) =
            (DataDir::from_files(files.clone()).unwrap(), paged(&files, NEVER, NEVER));
        let repaired = |directory: &DataDir| {
            let repaired = directory.repair(None, Vec::new());
            let repaired = repaired.map_err(|error| error.to_string());
            repaired.map(|it| (bytes(&it.files), it.served, it.done, it.given_up))
        };
        assert_eq!(repaired(&kept), repaired(&paged), "{case}");
        for form in [ExportAs::Directory, ExportAs::Snapshot] {
            let exported = |directory: &DataDir| {
                let exported = directory.export(form, 0, Vec::new());
                let exported = exported.map_err(|error| error.to_string());
                exported.map(|it| (bytes(&it.files), it.revision, it.given_up))
            };
            assert_eq!(exported(&kept), exported(&paged), "{case}");
        }
    }
}

#[test]
fn a_listing_says_what_the_whole_state_says_page_by_page_and_key_by_key() {
    let Some(folder) = corpus::folder() else { return };
    for (case, _) in corpus::UNDAMAGED {
        let files = corpus::files(&folder, case);
        let directory = paged(&files, NEVER, NEVER);
        let state = directory.state().unwrap();
        let compact = state.store().compact_revision();
        for revision in [0, compact, compact.max(state.store().revision() - 3)] {
            let range = Range { revision, ..all() };
            let whole = state.range(&range).map_err(|error| error.to_string());
            for page in [1, 7, 1000] {
                assert_eq!(listed(&directory, &range, page), whole, "{case} at {revision}");
            }
        }
        let whole = state.range(&all()).unwrap();
        for kv in whole.kvs.iter().step_by(9) {
            let one = Range { key: kv.key.clone(), ..Range::default() };
            let expected = state.range(&one).map_err(|error| error.to_string());
            assert_eq!(listed(&directory, &one, 10), expected, "{case}");
        }
        let none = Range { key: Bytes::from_static(b"no such key"), ..Range::default() };
        assert_eq!(listed(&directory, &none, 10).unwrap().count, 0, "{case}");
    }
}

#[test]
fn a_disk_that_fails_on_the_way_is_an_error_that_names_file_and_reason() {
    let Some(folder) = corpus::folder() else { return };
    let files = corpus::files(&folder, "A1_single");
    for reads in 0..12 {
        let directory = paged(&files, reads, NEVER);
        let inspection = directory.inspect();
        let is_told =
            |detail: &str| detail.contains("the disk is gone") || detail.contains("cannot be read");
        let told = inspection.damage.iter().any(|damage| is_told(&damage.detail));
        let directory = paged(&files, reads, NEVER);
        match listed(&directory, &all(), 10) {
            Ok(_) => assert!(reads >= 1, "the pages fit a few reads"),
            Err(error) => {
                assert!(is_told(&error) && error.contains("member/snap/db"), "{error}");
                assert!(told || reads > 0, "{inspection:?}");
            }
        }
    }
}

/// Nothing can be promised of a file that changes under the reader, but that it ends with an answer.
#[test]
fn a_file_that_changes_while_it_is_read_ends_in_an_answer() {
    let Some(folder) = corpus::folder() else { return };
    for (case, _) in [("A1_single", ""), ("B1_lowsnap", ""), ("C_alpha", "")] {
        let files = corpus::files(&folder, case);
        for reads in 0..24 {
            let directory = paged(&files, NEVER, reads);
            let _ = directory.inspect();
            let directory = paged(&files, NEVER, reads);
            let _ = listed(&directory, &all(), 10);
            let directory = paged(&files, NEVER, reads);
            let _ = directory.verify(None);
            if let Ok(state) = directory.state() {
                let _ = state.hash_kv(0);
                let _ = (state.range(&all()), state.problem());
            }
        }
    }
}
