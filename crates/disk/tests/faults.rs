//! What a failing device does to a process, and what a power cut then leaves.

#![allow(
    clippy::unwrap_used,
    clippy::missing_assert_message,
    reason = "a test stops where it cannot go on; the comparison is the claim"
)]

use disk::{Disk, DiskError, Faults, FileId, Operation, PAGE_BYTES, SECTOR_BYTES, Watch};

fn sync(disk: &mut Disk, file: FileId) -> Result<(), DiskError> {
    let ticket = disk.sync_file(file).unwrap();
    disk.end_sync(ticket)
}

/// A file `/f` of two pages of ones, durable with its name.
fn settled() -> (Disk, FileId) {
    let mut disk = Disk::new(1 << 20);
    let file = disk.create("/f").unwrap();
    disk.write(file, 0, &[1; 2 * PAGE_BYTES]).unwrap();
    sync(&mut disk, file).unwrap();
    let ticket = disk.sync_dir("/").unwrap();
    disk.end_sync(ticket).unwrap();
    (disk, file)
}

fn byte(disk: &Disk, file: FileId, offset: u64) -> u8 {
    disk.read_range(file, offset..offset + 1).unwrap()[0]
}

fn with(disk: &mut Disk, set: impl FnOnce(&mut Faults)) {
    let mut faults = disk.faults().clone();
    set(&mut faults);
    disk.set_faults(faults);
}

#[test]
fn a_failed_sync_leaves_its_pages_clean_and_a_later_one_does_not_write_them() {
    let (mut disk, file) = settled();
    disk.write(file, 10, &[2]).unwrap();
    with(&mut disk, |faults| faults.failing_syncs = 1);
    let error = sync(&mut disk, file).unwrap_err();
    assert_eq!(error.to_string(), "input/output error");
    assert_eq!(sync(&mut disk, file), Ok(()), "the error is told once");
    assert_eq!(byte(&disk, file, 10), 2, "the cache still has it");
    assert!(!disk.is_durable(file, 10..11));
    let report = disk.crash(&mut |_| true);
    assert_eq!(report.lost.len(), 1, "what is clean for the cache never survives");
    assert_eq!(byte(&disk, file, 10), 1);
}

#[test]
fn a_page_that_is_written_again_after_a_failed_sync_is_synced_whole() {
    let (mut disk, file) = settled();
    disk.write(file, 10, &[2]).unwrap();
    with(&mut disk, |faults| faults.failing_syncs = 1);
    sync(&mut disk, file).unwrap_err();
    disk.write(file, 20, &[3]).unwrap();
    sync(&mut disk, file).unwrap();
    disk.crash(&mut |_| false);
    assert_eq!((byte(&disk, file, 10), byte(&disk, file, 20)), (2, 3));
}

#[test]
fn a_lying_sync_is_acknowledged_and_loses_what_it_covered() {
    let (mut disk, file) = settled();
    disk.write(file, 0, &[2; 600]).unwrap();
    with(&mut disk, |faults| faults.lying_syncs = 1);
    assert_eq!(sync(&mut disk, file), Ok(()));
    assert_eq!(disk.faults().met.lying_syncs, 1);
    disk.crash(&mut |_| true);
    assert_eq!(byte(&disk, file, 0), 1);
}

#[test]
fn a_misdirected_sector_stands_where_it_does_not_belong() {
    let (mut disk, file) = settled();
    let sector = SECTOR_BYTES as u64;
    disk.write(file, sector, &[7; SECTOR_BYTES]).unwrap();
    with(&mut disk, |faults| faults.misdirect_by = Some(9));
    assert_eq!(sync(&mut disk, file), Ok(()));
    assert_eq!(byte(&disk, file, sector), 7, "the cache has it right");
    assert_eq!(byte(&disk, file, 10 * sector), 1);
    disk.crash(&mut |_| true);
    assert_eq!(byte(&disk, file, sector), 1, "the old bytes");
    assert_eq!(byte(&disk, file, 10 * sector), 7, "the victim");
    assert_eq!(byte(&disk, file, 11 * sector), 1, "one sector, no more");
}

#[test]
fn an_unreadable_sector_is_an_error_until_it_is_written_whole() {
    let (mut disk, file) = settled();
    let sector = SECTOR_BYTES as u64;
    assert_eq!(disk.spoil("/f", 3), Ok(true));
    assert_eq!(disk.spoil("/f", 16), Ok(false), "beyond the end");
    let error = disk.read_range(file, 0..4 * sector).unwrap_err();
    assert_eq!(error.to_string(), "read /f: input/output error");
    assert!(disk.read_range(file, 0..3 * sector).is_ok(), "its neighbours can be read");
    let mut byte = [0];
    assert!(disk.read(file, 4 * sector - 1, &mut byte).is_err());
    disk.write(file, 3 * sector + 1, &[5; SECTOR_BYTES]).unwrap();
    assert!(disk.read_range(file, 3 * sector..3 * sector + 1).is_err(), "not written whole");
    disk.write(file, 3 * sector, &[5; SECTOR_BYTES]).unwrap();
    assert!(disk.read_range(file, 0..4 * sector).is_ok());
}

#[test]
fn a_full_disk_refuses_what_is_not_reserved() {
    let (mut disk, file) = settled();
    with(&mut disk, |faults| faults.is_full = true);
    disk.write(file, 0, &[2; PAGE_BYTES]).unwrap();
    assert_eq!(disk.write(file, 2 * PAGE_BYTES as u64, &[2]), Err(DiskError::NoSpace));
    assert_eq!(disk.set_len(file, 1 << 19), Err(DiskError::NoSpace));
    assert_eq!(disk.create("/g"), Err(DiskError::NoSpace));
    assert_eq!(disk.faults().met.full, 3);
    disk.mend();
    disk.write(file, 2 * PAGE_BYTES as u64, &[2]).unwrap();
}

#[test]
fn single_pages_reach_the_platter_early_or_never() {
    let (mut disk, file) = settled();
    disk.write(file, 0, &[2; 2 * PAGE_BYTES]).unwrap();
    assert_eq!(disk.flush_page("/f", 1), Ok(true), "the later page first");
    assert_eq!(disk.forget_page("/f", 0), Ok(true));
    assert_eq!(disk.forget_page("/f", 1), Ok(false), "it is durable");
    sync(&mut disk, file).unwrap();
    disk.crash(&mut |_| true);
    assert_eq!((byte(&disk, file, 0), byte(&disk, file, PAGE_BYTES as u64)), (1, 2));
}

#[test]
fn a_wiped_disk_is_empty_and_its_store_forgets_the_pages() {
    let (mut disk, file) = settled();
    disk.take_dirty();
    disk.spoil("/f", 0).unwrap();
    disk.wipe();
    assert!(disk.list("/").unwrap().is_empty());
    assert_eq!(disk.faults().unreadable.len(), 0);
    let dirty = disk.take_dirty();
    assert_eq!(dirty.pages.len(), 2);
    assert!(dirty.pages.iter().all(|key| disk.export_page(*key).is_none()));
    assert_ne!(disk.create("/f").unwrap(), file, "numbers are never used twice");
}

#[test]
fn a_watch_cuts_the_power_right_after_its_operation() {
    let (mut disk, file) = settled();
    disk.create("/w.tmp").unwrap();
    let watch = Watch { operation: Operation::Rename, path_contains: "w", nth: 1 };
    disk.watch(vec![watch]);
    disk.write(file, 0, &[9]).unwrap();
    disk.rename("/w.tmp", "/w").unwrap();
    assert!(disk.tripped() && disk.watches().is_empty());
    assert_eq!(disk.sync_dir("/"), Err(DiskError::PowerLost));
    assert!(disk.exists("/w"), "the renaming itself was done");
    disk.crash(&mut |_| false);
    assert!(!disk.exists("/w") && !disk.tripped());
}
