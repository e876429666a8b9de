//! `verify` beside real servers: of every damaged directory the verdict that etcd 3.4.23 came to,
//! and the place of the damage; of every undamaged one, nothing.

#![allow(
    clippy::unwrap_used,
    clippy::missing_assert_message,
    reason = "a test stops where it cannot go on; the comparison is the claim"
)]

mod corpus;

use etcd::datadir::{DataDir, DataFile, ExportAs, Release, Verdict, Verification};
use etcd::request::Range;
use serde_json::Value;

/// Where the damage of each case is: the end of the file's name, and a byte that it covers.
const PLACES: [(&str, &str, u64); 32] = [
    ("E01_wal_bitflip_mid", "0000000000000000-0000000000000000.wal", 14621),
    ("E02_wal_trunc_midrecord", "0000000000000000-0000000000000000.wal", 31560),
    ("E03_wal_zero_sector_tail", "0000000000000000-0000000000000000.wal", 5_590_528),
    ("E04_wal_wrong_crc_mid", "0000000000000000-0000000000000000.wal", 10931),
    ("E05_wal_wrong_crc_last", "0000000000000000-0000000000000000.wal", 31571),
    ("E06_wal_zero_frame_mid", "0000000000000000-0000000000000000.wal", 19792),
    ("E07_wal_huge_len", "0000000000000000-0000000000000000.wal", 14568),
    ("E08_snap_newest_bitflip", "0000000000000002-0000000000000132.snap", 3557),
    ("E09_snap_all_bitflip", "0000000000000002-0000000000000066.snap", 2371),
    ("E10_snap_newest_empty", "0000000000000002-0000000000000132.snap", 0),
    ("E11_db_meta0_bitflip", "db", 48),
    ("E12_db_meta1_bitflip", "db", 4144),
    ("E13_db_both_meta", "db", 4144),
    ("E14_db_newer_meta_zero", "db", 4096),
    ("E15_db_leaf_flag", "db", 8200),
    ("E16_db_silent_value_bitflip", "db", 30268),
    ("E17_db_root_zeroed", "db", 40960),
    ("E18_db_truncated_half", "db", 40960),
    ("E19_db_removed", "db", 0),
    ("E20_wal_missing_middle_segment", "0000000000000001-*.wal", 0),
    ("E21_wal_second_segment_crcrec", "0000000000000001-000000000000006c.wal", 0),
    ("E22_wal_metadata_conflict", "0000000000000001-000000000000006c.wal", 16),
    ("E23_stray_files", "README", 0),
    ("E24_wal_garbage_after_zero_gap", "0000000000000000-0000000000000000.wal", 31632),
    ("E25_wal_garbage_directly_after_tail", "0000000000000000-0000000000000000.wal", 31600),
    ("E26_wal_bare_header_tail", "0000000000000000-0000000000000000.wal", 31600),
    ("E27_wal_trunc_at_record_end", "0000000000000000-0000000000000000.wal", 31600),
    ("E28_wal_last3_records_lost", "0000000000000000-0000000000000000.wal", 31472),
    ("E29_wal_midfile_zero_hole", "0000000000000000-0000000000000000.wal", 2_315_776),
    ("E30_wal_bitflip_first_segment", "0000000000000000-0000000000000000.wal", 6642),
    ("E31_wal_first_segment_removed", "0000000000000000-0000000000000000.wal", 0),
    ("E32_db_key_order", "db", 20544),
];

fn release(text: &str) -> Release {
    text.parse().unwrap()
}

fn verdict_of(case: &Value) -> Verdict {
    let log = case["key_log"].as_array().unwrap();
    let is_repaired = log.iter().any(|line| line.as_str().unwrap().contains("repaired WAL"));
    match (case["serves"] == true, is_repaired) {
        (true, true) => Verdict::Repairs,
        (true, false) => Verdict::Boots,
        (false, _) => Verdict::Refuses,
    }
}

/// The words after `error=` and `panic:` of the server's last message.
fn words_of(case: &Value) -> String {
    let line = case["key_log"][0].as_str().unwrap();
    let words = line.rsplit_once("error=").map_or(line, |(_, words)| words);
    words.trim_start_matches("panic: ").to_string()
}

#[test]
fn every_damaged_directory_gets_the_real_verdict() {
    let Some(folder) = corpus::folder() else { return };
    let verdicts = corpus::json(&folder, "E_verdicts.json");
    for (case, truth) in verdicts.as_object().unwrap() {
        let found = corpus::open(&folder, case).verify(Some(release("3.4.23")));
        assert_eq!(found.verdict, verdict_of(truth), "{case}: {}", found.reason);
        assert_eq!(found.served, truth["revision_after"].as_i64(), "{case}");
        assert!(!found.is_clean(), "{case}: damage is found");
        if found.verdict == Verdict::Refuses {
            let words = words_of(truth);
            assert!(found.reason.contains(&words), "{case}: {} beside {words}", found.reason);
        }
    }
    assert!(verdicts.as_object().unwrap().len() >= PLACES.len(), "all cases are there");
}

#[test]
fn every_damaged_place_is_named() {
    let Some(folder) = corpus::folder() else { return };
    for (case, file, at) in PLACES {
        let found = corpus::open(&folder, case).verify(Some(release("3.4.23")));
        let covers = found.damage.iter().any(|damage| {
            damage.file.ends_with(file)
                && (damage.offset..=damage.offset + damage.length).contains(&at)
        });
        assert!(covers, "{case}: {file} at {at} is not in {:#?}", found.damage);
    }
}

#[test]
fn undamaged_directories_and_files_are_clean() {
    let Some(folder) = corpus::folder() else { return };
    let clean = |case: &str, found: &Verification| {
        assert!(found.is_clean(), "{case}: {:#?} {:#?}", found.damage, found.lost);
        assert_eq!(found.verdict, Verdict::Boots, "{case}");
    };
    for (case, truth) in corpus::UNDAMAGED {
        let directory = corpus::open(&folder, case);
        let found = directory.verify(None);
        clean(case, &found);
        let is_35 = case.starts_with('G');
        assert_eq!(found.release, if is_35 { "3.5.12" } else { "3.4.23" }, "{case}");
        clean(case, &directory.verify(Some(release(if is_35 { "3.5.1" } else { "3.4.34" }))));
        if !matches!(case, "C_delta" | "C_victim_beta_kill9") {
            let revision = corpus::truth(&folder, truth)["revision"].clone();
            assert_eq!(found.served, revision.as_i64(), "{case}");
        }
    }
    for case in ["I_bbolt_bigfreelist", "I_bbolt_ps16k"] {
        clean(case, &corpus::open(&folder, case).verify(None));
    }
    for name in ["D_A1_snapshot.db", "D_B1_snapshot.db", "G1_v351_snapshot.db"] {
        clean(name, &corpus::open_file(&folder, name).verify(None));
    }
}

#[test]
fn what_a_hole_in_the_last_segment_costs_is_listed() {
    let Some(folder) = corpus::folder() else { return };
    let found = corpus::open(&folder, "E29_wal_midfile_zero_hole").verify(Some(release("3.4.23")));
    let lost: Vec<u64> = found.lost.iter().filter_map(|lost| lost.index).collect();
    let entries: Vec<u64> = (194..=205).collect();
    assert!(entries.iter().all(|index| lost.contains(index)), "{lost:?}");
    let hole = found.damage.iter().find(|damage| damage.kind == "zero_hole").unwrap();
    assert!(hole.follows.as_ref().unwrap().records > 12, "{hole:?}");
}

#[test]
fn what_broken_key_order_hides_is_listed() {
    let Some(folder) = corpus::folder() else { return };
    let directory = corpus::open(&folder, "E32_db_key_order");
    let found = directory.verify(Some(release("3.4.23")));
    let revisions: Vec<i64> = found.lost.iter().filter_map(|lost| lost.revision).collect();
    assert_eq!(revisions.iter().max(), Some(&164), "the last revision is out of reach");
    // bbolt 1.3.7 and later look at the order when they open a file.
    assert_eq!(directory.verify(Some(release("3.4.34"))).verdict, Verdict::Refuses);
}

#[test]
fn entries_that_come_back_are_told() {
    let Some(folder) = corpus::folder() else { return };
    let found = corpus::open(&folder, "J_22442_resurrected").verify(Some(release("3.4.23")));
    assert_eq!(found.served, Some(10), "what the real server served");
    let ghosts = found.lost.iter().filter(|lost| lost.what == "resurrected");
    assert_eq!(ghosts.count(), 5, "{:#?}", found.lost);
}

#[test]
fn rules_of_releases_decide() {
    let Some(folder) = corpus::folder() else { return };
    let verdict = |case: &str, version: &str| {
        let found = corpus::open(&folder, case).verify(Some(release(version)));
        (found.verdict, found.reason)
    };
    // From 3.5.7 on a record that does not fit is torn.
    assert_eq!(verdict("E25_wal_garbage_directly_after_tail", "3.5.12").0, Verdict::Repairs);
    assert_eq!(verdict("E25_wal_garbage_directly_after_tail", "3.5.5").0, Verdict::Refuses);
    // Before 3.4.8 the segments in front of the snapshot were not read.
    assert_eq!(verdict("E30_wal_bitflip_first_segment", "3.4.7").0, Verdict::Boots);
    let (refuses, reason) = verdict("G1_v351_single", "3.4.23");
    assert_eq!(refuses, Verdict::Refuses, "{reason}");
    assert!(reason.starts_with("invalid downgrade"), "{reason}");
    assert_eq!(verdict("A3_smallseg", "3.5.12").0, Verdict::Boots, "an upgrade");
    let (refuses, reason) = verdict("E17_db_root_zeroed", "3.5.12");
    assert_eq!(refuses, Verdict::Refuses, "{reason}");
    assert!(reason.contains("Page expected to be: 10, but self identifies as 0"), "{reason}");
}

#[test]
fn a_snapshot_file_with_another_digest_is_refused() {
    let Some(folder) = corpus::folder() else { return };
    let mut files = corpus::one_file(&folder, "D_A1_snapshot.db");
    let mut bytes = files[0].kept().unwrap().to_vec();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    files[0] = etcd::datadir::DataFile::new("D_A1_snapshot.db", bytes, 0);
    let found = etcd::datadir::DataDir::from_files(files).unwrap().verify(None);
    assert_eq!(found.verdict, Verdict::Refuses, "{}", found.reason);
    assert_eq!(found.damage[0].kind, "digest", "{:?}", found.damage);
}

#[test]
fn keys_of_a_snapshot_file_with_another_digest_are_told_only_once_it_is_repaired() {
    let Some(folder) = corpus::folder() else { return };
    let original = corpus::one_file(&folder, "D_A1_snapshot.db").remove(0);
    let open = |bytes: Vec<u8>| DataDir::from_files([DataFile::new("s.db", bytes, 0)]).unwrap();
    let mut bytes = original.kept().unwrap().to_vec();
    let right = open(bytes.clone()).state().unwrap().hash_kv(0);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let damaged = open(bytes);
    let error = damaged.state().unwrap_err().to_string();
    assert!(error.contains("s.db") && error.contains("expected"), "{error}");
    assert!(damaged.list(&Range::default()).is_err(), "nor page by page");
    assert!(damaged.export(ExportAs::Snapshot, 0, Vec::new()).is_err(), "nor written anew");
    let repaired = damaged.repair(None, Vec::new()).unwrap();
    let repaired = DataDir::from_files(repaired.files).unwrap();
    assert!(repaired.verify(None).is_clean(), "the digest is right");
    assert_eq!(repaired.state().unwrap().hash_kv(0), right, "and all is there");
}

#[test]
fn every_damaged_directory_is_repaired_with_all_that_can_be_read() {
    let Some(folder) = corpus::folder() else { return };
    for (case, truth) in corpus::json(&folder, "E_verdicts.json").as_object().unwrap() {
        let directory = corpus::open(&folder, case);
        let repaired = directory.repair(Some(release("3.4.23")), Vec::new());
        let repaired = repaired.unwrap_or_else(|error| panic!("{case}: {error}"));
        // The torn tail alone is gone; all else is found again, more than a server would serve.
        let before = truth["revision_source"].as_i64();
        let expected = if case == "E03_wal_zero_sector_tail" { Some(193) } else { before };
        assert!(expected.is_none() || repaired.served == expected, "{case}: {repaired:?}");
        let mended = etcd::datadir::DataDir::from_files(repaired.files).unwrap();
        let found = mended.verify(Some(release("3.4.23")));
        assert_eq!(found.verdict, Verdict::Boots, "{case}: {}", found.reason);
        assert!(found.lost.is_empty(), "{case}: {:#?}", found.lost);
    }
}

#[test]
fn repairing_drops_entries_that_raft_took_back() {
    let Some(folder) = corpus::folder() else { return };
    let directory = corpus::open(&folder, "J_22442_resurrected");
    let repaired = directory.repair(Some(release("3.4.23")), Vec::new()).unwrap();
    assert_eq!(repaired.served, Some(5), "without the ghosts: {:?}", repaired.done);
}
