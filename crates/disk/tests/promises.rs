//! What a process may rely on, and what it may not.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

use disk::{Disk, DiskError, PAGE_BYTES, Unsynced};

fn with_file(path: &str, data: &[u8]) -> Disk {
    let mut disk = Disk::new(1 << 30);
    let file = disk.create(path).unwrap();
    disk.write(file, 0, data).unwrap();
    disk
}

fn contents(disk: &Disk, path: &str) -> Vec<u8> {
    disk.read_range(disk.open(path).unwrap(), 0..u64::MAX).unwrap()
}

fn sync_all(disk: &mut Disk, path: &str) {
    let file = disk.open(path).unwrap();
    let tickets = [disk.sync_file(file).unwrap(), disk.sync_dir("/").unwrap()];
    for ticket in tickets {
        disk.complete(ticket);
    }
}

#[test]
fn a_file_whose_directory_was_not_synced_may_vanish_with_all_its_synced_bytes() {
    let mut disk = with_file("/a", b"bytes");
    let ticket = disk.sync_file(disk.open("/a").unwrap()).unwrap();
    disk.complete(ticket);
    disk.crash(&mut |_| false);
    assert!(!disk.exists("/a"), "no sync of the directory");
    assert_eq!(disk.used_bytes(), 0, "its inode is freed");
}

#[test]
fn a_sync_covers_what_was_live_when_it_was_issued() {
    let mut disk = with_file("/a", b"first");
    sync_all(&mut disk, "/a");
    let file = disk.open("/a").unwrap();
    disk.write(file, 0, b"covered!").unwrap();
    let ticket = disk.sync_file(file).unwrap();
    disk.write(file, 0, b"not covered").unwrap();
    disk.complete(ticket);
    assert_eq!(contents(&disk, "/a"), b"not covered");
    disk.crash(&mut |_| false);
    assert_eq!(contents(&disk, "/a"), b"covered!");
}

#[test]
fn a_range_is_durable_once_a_sync_that_covers_it_is_done() {
    let mut disk = with_file("/a", &[7; PAGE_BYTES + 100]);
    let file = disk.open("/a").unwrap();
    let (first, second) = (0..100_u64, 4_096..4_196_u64);
    assert!(!disk.is_durable(file, first.clone()), "nothing was synced");
    sync_all(&mut disk, "/a");
    disk.write(file, 4_100, b"later").unwrap();
    assert!(disk.is_durable(file, first), "another page changed");
    assert!(!disk.is_durable(file, second.clone()), "it lies in the middle");
    assert!(disk.is_durable(file, 4_096..4_100), "just before it");
    assert!(disk.is_durable(file, 4_105..4_196), "just after it");
    assert!(disk.is_durable(file, 4_100..4_100), "no bytes at all");
    disk.write(file, 4_196, b"beyond").unwrap();
    sync_all(&mut disk, "/a");
    assert!(disk.is_durable(file, 0..4_202));
    assert!(!disk.is_durable(file, 0..4_203), "beyond the end there is nothing to keep");
}

#[test]
fn an_older_sync_that_completes_later_takes_nothing_back() {
    let mut disk = with_file("/a", b"one");
    sync_all(&mut disk, "/a");
    let file = disk.open("/a").unwrap();
    disk.write(file, 0, b"two").unwrap();
    let older = disk.sync_file(file).unwrap();
    disk.write(file, 0, b"three").unwrap();
    let newer = disk.sync_file(file).unwrap();
    disk.complete(newer);
    disk.complete(older);
    disk.crash(&mut |_| false);
    assert_eq!(contents(&disk, "/a"), b"three");
}

#[test]
fn a_rename_survives_whole_or_not_at_all() {
    for survives in [false, true] {
        let mut disk = with_file("/a.tmp", b"new");
        let old = disk.create("/a").unwrap();
        disk.write(old, 0, b"old").unwrap();
        sync_all(&mut disk, "/a");
        sync_all(&mut disk, "/a.tmp");
        disk.rename("/a.tmp", "/a").unwrap();
        disk.crash(&mut |_| survives);
        assert_eq!(disk.exists("/a.tmp"), !survives);
        assert_eq!(contents(&disk, "/a"), if survives { b"new" } else { b"old" });
    }
}

#[test]
fn a_torn_write_keeps_some_sectors() {
    let mut disk = with_file("/a", &[1; PAGE_BYTES]);
    sync_all(&mut disk, "/a");
    let file = disk.open("/a").unwrap();
    disk.write(file, 0, &[2; PAGE_BYTES]).unwrap();
    let report =
        disk.crash(&mut |thing| matches!(thing, Unsynced::Sector { sector, .. } if sector < 3));
    assert_eq!((report.survived.len(), report.lost.len()), (3, 5));
    let bytes = contents(&disk, "/a");
    assert!(bytes[..1536].iter().all(|byte| *byte == 2), "three new sectors");
    assert!(bytes[1536..].iter().all(|byte| *byte == 1), "five old sectors");
}

#[test]
fn an_armed_crash_stops_the_nth_operation_and_all_later_ones() {
    let mut disk = with_file("/a", b"before");
    let file = disk.open("/a").unwrap();
    disk.arm_crash(2);
    disk.write(file, 0, b"first!").unwrap();
    assert!(!disk.tripped(), "one operation was left");
    assert_eq!(disk.write(file, 0, b"second"), Err(DiskError::PowerLost));
    assert_eq!(disk.sync_file(file), Err(DiskError::PowerLost));
    assert_eq!(disk.create("/b"), Err(DiskError::PowerLost));
    assert!(disk.tripped(), "the power is gone");
    assert_eq!(contents(&disk, "/a"), b"first!");
    disk.crash(&mut |_| true);
    assert!(!disk.tripped(), "a new life");
    disk.create("/b").unwrap();
}

#[test]
fn a_preallocated_file_costs_nothing_until_it_is_written() {
    let mut disk = Disk::new(1 << 20);
    let file = disk.create("/wal").unwrap();
    disk.set_len(file, 64_000_000).unwrap();
    assert_eq!((disk.len(file), disk.used_bytes(), disk.data_end(file)), (64_000_000, 0, 0));
    disk.write(file, 100, b"record").unwrap();
    assert_eq!((disk.used_bytes(), disk.data_end(file)), (4096, 4096));
    disk.write(file, 0, &[0; PAGE_BYTES]).unwrap();
    assert_eq!(disk.used_bytes(), 0, "a page of zeros is a hole again");
}

#[test]
fn a_full_disk_refuses_and_changes_nothing() {
    let mut disk = Disk::new(2 * PAGE_BYTES as u64);
    let file = disk.create("/a").unwrap();
    disk.write(file, 0, &[1; PAGE_BYTES]).unwrap();
    assert_eq!(disk.write(file, 4000, &[1; 2 * PAGE_BYTES]), Err(DiskError::NoSpace));
    assert_eq!(disk.len(file), PAGE_BYTES as u64);
    disk.write(file, 0, &[2; 2 * PAGE_BYTES]).unwrap();
}

#[test]
fn a_removed_file_is_freed_when_the_removal_is_durable() {
    let mut disk = with_file("/a", b"bytes");
    sync_all(&mut disk, "/a");
    disk.remove("/a").unwrap();
    assert_eq!(disk.used_bytes(), 4096, "the durable image still has it");
    disk.take_dirty();
    let ticket = disk.sync_dir("/").unwrap();
    disk.complete(ticket);
    assert_eq!(disk.used_bytes(), 0);
    let dirty = disk.take_dirty();
    assert_eq!(dirty.pages.len(), 1, "the store hears of it");
    assert_eq!(disk.export_page(dirty.pages[0]), None);
}

#[test]
fn a_clone_goes_its_own_way() {
    let mut disk = with_file("/a", b"shared");
    let mut copy = disk.clone();
    copy.write(copy.open("/a").unwrap(), 0, b"copied").unwrap();
    disk.create("/b").unwrap();
    assert_eq!((contents(&disk, "/a"), copy.exists("/b")), (b"shared".to_vec(), false));
    assert_eq!(contents(&copy, "/a"), b"copied");
}

#[test]
fn bit_rot_reaches_both_images() {
    let mut disk = with_file("/a", b"abc");
    sync_all(&mut disk, "/a");
    disk.corrupt("/a", 1, 0x20).unwrap();
    assert_eq!(contents(&disk, "/a"), b"aBc");
    disk.crash(&mut |_| false);
    assert_eq!(contents(&disk, "/a"), b"aBc");
}

#[test]
fn misuse_is_told_by_path() {
    let mut disk = with_file("/a", b"");
    disk.create_dir_all("/d/e").unwrap();
    let at = |path: &str| path.to_string();
    assert_eq!(disk.open("/x"), Err(DiskError::NotFound { path: at("/x") }));
    assert_eq!(disk.open("/d"), Err(DiskError::IsADirectory { path: at("/d") }));
    assert_eq!(disk.open("/a/b"), Err(DiskError::NotADirectory { path: at("/a/b") }));
    assert_eq!(disk.create("/a"), Err(DiskError::Exists { path: at("/a") }));
    assert_eq!(disk.create("a"), Err(DiskError::InvalidPath { path: at("a") }));
    assert_eq!(disk.create("/d/../b"), Err(DiskError::InvalidPath { path: at("/d/../b") }));
    assert_eq!(disk.remove("/d"), Err(DiskError::NotEmpty { path: at("/d") }));
    assert_eq!(disk.rename("/d", "/d/e/f"), Err(DiskError::InvalidPath { path: at("/d/e/f") }));
    assert_eq!(disk.rename("/a", "/d"), Err(DiskError::IsADirectory { path: at("/d") }));
    assert_eq!(disk.rename("/d", "/a"), Err(DiskError::NotADirectory { path: at("/a") }));
    disk.create_dir_all("/d/e").unwrap();
    disk.create_dir("/empty").unwrap();
    disk.rename("/d", "/empty").unwrap();
    assert!(disk.exists("/empty/e"), "the directory moved with what it holds");
}
