//! Backends of real servers, read page by page: what `bbolt` says of them is what we find.

#![allow(
    clippy::unwrap_used,
    clippy::missing_assert_message,
    reason = "a test stops where it cannot go on; the comparison is the claim"
)]

mod corpus;

use std::path::Path;

use bytes::Bytes;
use etcd::bolt::{Bucket, Fault, File, Problem, Value};

fn backend(folder: &Path, case: &str) -> File {
    let files = corpus::files(folder, case);
    let is_backend = |path: &str| {
        path.ends_with("member/snap/db") || (!path.contains('/') && path.ends_with("db"))
    };
    let file = files.iter().find(|file| is_backend(&file.path)).unwrap();
    File::open(file.kept().unwrap().clone(), file.len())
        .unwrap_or_else(|error| panic!("{case}: {error}"))
}

/// The number behind a line of `bbolt stats`.
fn stat(text: &str, label: &str) -> u64 {
    let line = text.lines().find(|line| line.trim().starts_with(label)).unwrap();
    let number = line.trim().strip_prefix(label).unwrap().trim_start_matches(':').trim();
    number.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn whole_files_have_no_problem_and_the_statistics_of_bbolt() {
    let Some(folder) = corpus::folder() else { return };
    for (case, truth) in corpus::UNDAMAGED {
        let truth = corpus::truth(&folder, truth);
        let truth = &truth["offline"][case];
        assert!(truth["bbolt_check"].as_str().unwrap().starts_with("OK"), "{case}");
        let file = backend(&folder, case);
        let check = file.check();
        assert_eq!(check.problems, [], "{case}");

        let text = truth["bbolt_stats"].as_str().unwrap();
        let ours = check.statistics;
        assert_eq!(ours.keys, stat(text, "Number of keys/value pairs"), "{case}");
        assert_eq!(ours.depth, stat(text, "Number of levels in B+tree"), "{case}");
        assert_eq!(ours.buckets, stat(text, "Total number of buckets"), "{case}");
        assert_eq!(ours.inline_buckets, stat(text, "Total number on inlined buckets"), "{case}");
        assert_eq!(ours.branch_pages, stat(text, "Number of logical branch pages"), "{case}");
        // The root's leaf is ours alone.
        assert_eq!(ours.leaf_pages, stat(text, "Number of logical leaf pages") + 1, "{case}");
        let overflow = stat(text, "Number of physical leaf overflow pages");
        assert_eq!(ours.leaf_overflow_pages, overflow, "{case}");
        let in_use = stat(text, "Bytes actually used for branch data");
        assert_eq!(ours.branch_bytes_in_use, in_use, "{case}");

        let pages = ours.branch_pages + ours.branch_overflow_pages + ours.leaf_pages;
        let pages = pages + overflow + ours.free_pages + ours.freelist_pages + 2;
        assert_eq!(pages, file.meta().high_water, "{case}: every page once");
    }
}

#[test]
fn a_cursor_gives_the_same_keys_both_ways_and_finds_each() {
    let Some(folder) = corpus::folder() else { return };
    for (case, _) in corpus::UNDAMAGED {
        let file = backend(&folder, case);
        let keys = file.root().bucket(b"key").unwrap().unwrap();
        let (mut cursor, mut forward) = (keys.cursor(), Vec::new());
        while let Some(item) = cursor.next().unwrap() {
            forward.push(item.key);
        }
        let (mut cursor, mut backward) = (keys.cursor(), Vec::new());
        while let Some(item) = cursor.prev().unwrap() {
            backward.push(item.key);
        }
        backward.reverse();
        assert_eq!(forward, backward, "{case}");
        for pair in forward.windows(2) {
            assert_eq!(keys.cursor().seek(&pair[0]).unwrap().unwrap().key, pair[0], "{case}");
            let above = [&pair[0][..], b"\0"].concat();
            assert_eq!(keys.cursor().seek(&above).unwrap().unwrap().key, pair[1], "{case}");
        }
        let above_all = keys.cursor().seek(&[0xff]).unwrap();
        assert_eq!(above_all, None, "{case}");
    }
}

/// The buckets and long values as the tool that made the file listed them.
fn describe(bucket: &Bucket<'_>, path: &str, lines: &mut Vec<String>) {
    let mut cursor = bucket.cursor();
    while let Some(item) = cursor.next().unwrap() {
        let name = String::from_utf8_lossy(&item.key).into_owned();
        let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
        if let Some(inner) = cursor.bucket().unwrap() {
            let (root, sequence) = (inner.root_page().unwrap_or(0), inner.sequence());
            lines.push(format!("bucket {path:?} root={root} seq={sequence}"));
            describe(&inner, &path, lines);
        } else {
            lines.push(format!("  {name:?} len={}", item.value.len()));
        }
    }
}

#[test]
fn page_sizes_nested_buckets_and_both_freelists_are_read() {
    let Some(folder) = corpus::folder() else { return };
    for (case, page_bytes) in [("I_bbolt_bigfreelist", 4096), ("I_bbolt_ps16k", 16384)] {
        let file = backend(&folder, case);
        assert_eq!(file.meta().page_bytes, page_bytes, "{case}");
        let check = file.check();
        assert_eq!(check.problems, [], "{case}");
        let free = file.freelist().unwrap().unwrap();
        assert_eq!(free.len() as u64, check.statistics.free_pages, "{case}");

        let truth = std::fs::read_to_string(folder.join(format!("{case}.truth.txt"))).unwrap();
        let number = |name: &str| -> usize {
            let (_, rest) = truth.split_once(name).unwrap();
            rest.split(' ').next().unwrap().parse().unwrap()
        };
        assert_eq!(free.len(), number("FreePageN:") + number("PendingPageN:"), "{case}");
        let mut lines = Vec::new();
        describe(&file.root(), "", &mut lines);
        for line in truth.lines().filter(|line| line.starts_with("bucket")) {
            assert!(lines.iter().any(|ours| ours == line), "{case}: {line} of {lines:?}");
        }
        for line in truth.lines().filter(|line| line.starts_with("  ")) {
            assert!(lines.iter().any(|ours| ours == line), "{case}: {line}");
        }
    }
}

fn first_problem(folder: &Path, case: &str) -> Problem {
    backend(folder, case).check().problems.into_iter().next().unwrap_or_else(|| panic!("{case}"))
}

#[test]
fn damage_is_told_with_page_and_offset() {
    let Some(folder) = corpus::folder() else { return };
    let both = corpus::files(&folder, "E13_db_both_meta");
    let both = both.into_iter().find(|file| file.path.ends_with("snap/db")).unwrap();
    let error = File::open(both.kept().unwrap().clone(), both.len()).unwrap_err();
    assert_eq!(error.to_string(), "meta page 0: checksum error; meta page 1: checksum error");

    for (case, page) in
        [("E11_db_meta0_bitflip", 0), ("E12_db_meta1_bitflip", 1), ("E14_db_newer_meta_zero", 1)]
    {
        let file = backend(&folder, case);
        let faults: Vec<u64> = file.meta_faults().map(|(page, _)| page).collect();
        assert_eq!(faults, [page], "{case}");
        assert_eq!(file.check().problems, [], "{case}: the other transaction is whole");
    }

    let leaf = first_problem(&folder, "E15_db_leaf_flag");
    assert_eq!(
        leaf,
        Problem { page: 2, offset: 2 * 4096, fault: Fault::InvalidType { flags: 0x40 } }
    );
    let root = first_problem(&folder, "E17_db_root_zeroed");
    assert_eq!(
        root,
        Problem { page: 10, offset: 10 * 4096, fault: Fault::InvalidType { flags: 0 } }
    );
    let cut = first_problem(&folder, "E18_db_truncated_half");
    assert_eq!(cut.fault, Fault::PastEnd { len: 40960 });
    let order = first_problem(&folder, "E32_db_key_order");
    assert_eq!((order.page, &order.fault), (5, &Fault::KeyBounds { index: 2 }));
    assert_eq!(backend(&folder, "E16_db_silent_value_bitflip").check().problems, [], "no checksum");
}

#[test]
fn snapshot_files_are_whole() {
    let Some(folder) = corpus::folder() else { return };
    for name in ["D_A1_snapshot.db", "D_B1_snapshot.db", "G1_v351_snapshot.db"] {
        let bytes = Bytes::from(std::fs::read(folder.join(name)).unwrap());
        let file = File::open(bytes.slice(..bytes.len() - 32), bytes.len() as u64 - 32).unwrap();
        assert_eq!(file.check().problems, [], "{name}");
        let index = file.root().bucket(b"meta").unwrap().unwrap().get(b"consistent_index").unwrap();
        assert!(matches!(index, Some(Value::Bytes(bytes)) if bytes.len() == 8), "{name}");
    }
}
