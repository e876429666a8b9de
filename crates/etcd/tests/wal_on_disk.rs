//! Writing a log over a disk that loses power: what was reported saved comes back, and what comes
//! back is what was written up to some save.

#![allow(
    clippy::unwrap_used,
    clippy::missing_assert_message,
    reason = "a test stops where it cannot go on; the comparison is the claim"
)]

use bytes::Bytes;
use disk::{Disk, Ticket, Unsynced};
use etcd::bugs::Bugs;
use etcd::datadir::DataDir;
use etcd::wal::{Replay, SaveId, SnapshotMark, Wal, WalError, WalEvent, WalOptions, repair};
use proptest::prelude::*;

const DIRECTORY: &str = "/data/member/wal";
const OPTIONS: WalOptions =
    WalOptions { segment_bytes: 3000, skips_overwrites: false, bugs: Bugs::NONE };

fn new_disk() -> Disk {
    let mut disk = Disk::new(1 << 30);
    disk.create_dir_all("/data/member").unwrap();
    complete_all(&mut disk);
    disk
}

fn complete_all(disk: &mut Disk) {
    for path in ["/", "/data", "/data/member"] {
        let ticket = disk.sync_dir(path).unwrap();
        disk.complete(ticket);
    }
    disk.take_issued();
}

fn settle(disk: &mut Disk, wal: &mut Wal) {
    loop {
        let issued = disk.take_issued();
        if issued.is_empty() {
            break;
        }
        for ticket in issued {
            disk.complete(ticket);
            assert!(wal.on_synced(disk, ticket).unwrap(), "the ticket is the log's");
        }
    }
    assert!(wal.is_idle());
}

fn entry(term: u64, index: u64, size: usize) -> raft::Entry {
    let data = Bytes::from(vec![u8::try_from(index % 251).unwrap() + 1; size]);
    raft::Entry { term, index, data, ..raft::Entry::default() }
}

fn state(term: u64, vote: u64, commit: u64) -> raft::HardState {
    raft::HardState { term, vote, commit }
}

fn names(disk: &Disk) -> Vec<String> {
    disk.list(DIRECTORY).unwrap().into_iter().map(|entry| entry.name).collect()
}

fn created() -> (Disk, Wal) {
    let mut disk = new_disk();
    let mut wal = Wal::create(&mut disk, DIRECTORY, b"who", OPTIONS).unwrap();
    settle(&mut disk, &mut wal);
    (disk, wal)
}

fn open(disk: &mut Disk) -> Result<(Wal, Replay), WalError> {
    Wal::open(disk, DIRECTORY, &SnapshotMark::default(), OPTIONS)
}

#[test]
fn a_new_log_is_etcds_own() {
    let mut disk = new_disk();
    // NodeID d366510a9fa57738, ClusterID 7988d65842f0aa67, and the first frames that a real
    // 3.4.23 wrote for them.
    let metadata =
        b"\x08\xb8\xee\x95\xfd\xa9\xa1\x94\xb3\xd3\x01\x10\xe7\xd4\xc2\x97\x84\xcb\xb5\xc4\x79";
    let mut wal = Wal::create(&mut disk, DIRECTORY, metadata, WalOptions::default()).unwrap();
    assert!(!wal.is_idle() && !disk.exists(DIRECTORY), "it has its name when it is durable");
    settle(&mut disk, &mut wal);
    let file = disk.open("/data/member/wal/0000000000000000-0000000000000000.wal").unwrap();
    assert_eq!(disk.len(file), 64_000_000);
    let mut golden = vec![4, 0, 0, 0, 0, 0, 0, 0x84, 8, 4, 0x10, 0, 0, 0, 0, 0];
    golden
        .extend([0x1f, 0, 0, 0, 0, 0, 0, 0x81, 8, 1, 0x10, 0xf3, 0xdd, 0xcf, 0xd5, 7, 0x1a, 0x15]);
    golden.extend(metadata);
    golden.push(0);
    golden.extend([0x0e, 0, 0, 0, 0, 0, 0, 0x82, 8, 5, 0x10, 0xfd, 0xb6, 0xd6, 0xab, 0x0f]);
    golden.extend([0x1a, 4, 8, 0, 0x10, 0, 0, 0]);
    assert_eq!(disk.read_range(file, 0..0x50).unwrap(), golden);
    assert_eq!(wal.tail().1, 0x50);
}

#[test]
fn a_save_counts_when_its_sync_is_done() {
    let (mut disk, mut wal) = created();
    let save = wal.save(&mut disk, &[entry(1, 1, 10)], Some(&state(1, 1, 0))).unwrap();
    assert_eq!(wal.saved(), SaveId(0));
    let tickets = disk.take_issued();
    assert_eq!(tickets.len(), 1);
    disk.complete(tickets[0]);
    assert!(wal.on_synced(&mut disk, tickets[0]).unwrap());
    assert_eq!(wal.saved(), save);
    assert!(!wal.on_synced(&mut disk, Ticket(9999)).unwrap(), "not the log's ticket");
}

#[test]
fn a_change_of_the_commit_index_alone_is_not_synced() {
    let (mut disk, mut wal) = created();
    wal.save(&mut disk, &[entry(1, 1, 10)], Some(&state(1, 1, 0))).unwrap();
    settle(&mut disk, &mut wal);
    let save = wal.save(&mut disk, &[], Some(&state(1, 1, 1))).unwrap();
    assert_eq!((disk.take_issued(), wal.saved()), (vec![], save));
    wal.save(&mut disk, &[], Some(&state(2, 1, 1))).unwrap();
    assert_eq!(disk.take_issued().len(), 1, "a new term is synced");
}

#[test]
fn a_later_sync_covers_an_earlier_save() {
    let (mut disk, mut wal) = created();
    wal.save(&mut disk, &[entry(1, 1, 10)], Some(&state(1, 1, 0))).unwrap();
    let second = wal.save(&mut disk, &[entry(1, 2, 10)], None).unwrap();
    let tickets = disk.take_issued();
    disk.complete(tickets[1]);
    assert!(wal.on_synced(&mut disk, tickets[1]).unwrap());
    assert_eq!(wal.saved(), second);
    disk.complete(tickets[0]);
    assert!(wal.on_synced(&mut disk, tickets[0]).unwrap(), "still the log's ticket");
    assert!(wal.is_idle());
}

#[test]
fn a_full_segment_is_closed_and_the_next_goes_on() {
    let (mut disk, mut wal) = created();
    wal.save(&mut disk, &[entry(1, 1, 2000)], Some(&state(1, 1, 0))).unwrap();
    settle(&mut disk, &mut wal);
    wal.take_events();
    let filling = wal.save(&mut disk, &[entry(1, 2, 2000)], None).unwrap();
    let queued = wal.save(&mut disk, &[entry(1, 3, 100)], Some(&state(1, 1, 2))).unwrap();
    assert_eq!(wal.saved().0 + 1, filling.0, "not before the next segment is in place");
    settle(&mut disk, &mut wal);
    assert_eq!(wal.saved(), queued);
    assert_eq!(
        names(&disk),
        ["0000000000000000-0000000000000000.wal", "0000000000000001-0000000000000003.wal", "1.tmp"]
    );
    let cut = wal.take_events().into_iter().filter(|e| matches!(e, WalEvent::Cut { .. })).count();
    assert_eq!(cut, 1);
    let first = disk.open("/data/member/wal/0000000000000000-0000000000000000.wal").unwrap();
    assert!(disk.len(first) > 4000 && disk.len(first) % 8 == 0, "cut to its length");
    let (_, replay) = open(&mut disk).unwrap();
    assert_eq!(replay.entries.len(), 3);
    assert_eq!(replay.hard_state, state(1, 1, 2));
    assert_eq!(replay.metadata.as_deref(), Some(&b"who"[..]));
}

#[test]
fn the_next_segment_is_prepared_under_two_names_in_turn() {
    let (mut disk, mut wal) = created();
    assert_eq!(names(&disk), ["0.tmp", "0000000000000000-0000000000000000.wal"]);
    let prepared = disk.open(&format!("{DIRECTORY}/0.tmp")).unwrap();
    assert_eq!(disk.len(prepared), OPTIONS.segment_bytes, "at full length");
    wal.save(&mut disk, &[entry(1, 1, 4000)], None).unwrap();
    settle(&mut disk, &mut wal);
    let second = "0000000000000001-0000000000000002.wal";
    assert_eq!(names(&disk), ["0000000000000000-0000000000000000.wal", second, "1.tmp"]);
    assert_eq!(disk.open(&format!("{DIRECTORY}/{second}")).unwrap(), prepared, "the same file");

    let left = disk.open(&format!("{DIRECTORY}/1.tmp")).unwrap();
    disk.write(left, 0, b"header of a segment that never got its name").unwrap();
    let zero = disk.create(&format!("{DIRECTORY}/0.tmp")).unwrap();
    disk.write(zero, 7, b"older").unwrap();
    let (mut wal, _) = open(&mut disk).unwrap();
    assert_eq!(disk.data_end(zero), 0, "what a crash left is emptied");
    for index in 2..4 {
        wal.save(&mut disk, &[entry(1, index, 4000)], None).unwrap();
        settle(&mut disk, &mut wal);
    }
    let (_, replay) = open(&mut disk).unwrap();
    assert_eq!(replay.entries.len(), 3, "and nothing of it is in the log");
}

#[test]
fn segments_that_no_boot_reads_are_given_up() {
    let (mut disk, mut wal) = created();
    for index in 1..=5 {
        wal.save(&mut disk, &[entry(1, index, 4000)], None).unwrap();
        settle(&mut disk, &mut wal);
    }
    // Segments begin at 0, 2, 3, 4, 5 and 6.
    let released = |index| {
        let mut wal = wal.clone();
        wal.release_to(index);
        wal.first_held().first_index
    };
    assert_eq!([0, 2, 3, 4, 5].map(released), [0, 0, 2, 3, 4], "entry `index` itself is kept");
    assert_eq!([6, 100].map(released), [5, 6], "but never the segment that is written to");
    wal.save_snapshot(&mut disk, &SnapshotMark::new(4, 1)).unwrap();
    settle(&mut disk, &mut wal);
    wal.release_to(4);
    let (first, from) = (wal.first_held(), SnapshotMark::new(4, 1));
    let (again, replay) = Wal::open(&mut disk, DIRECTORY, &from, OPTIONS).unwrap();
    assert_eq!(replay.entries.len(), 1, "what a boot from the snapshot reads");
    assert!(again.first_held() >= first, "lies in what was held");
}

#[test]
fn a_segment_name_lost_in_a_power_cut_costs_nothing_that_was_saved() {
    let (mut disk, mut wal) = created();
    wal.save(&mut disk, &[entry(1, 1, 4000)], Some(&state(1, 1, 0))).unwrap();
    // All syncs but that of the directory.
    while !names(&disk).iter().any(|name| name.starts_with("0000000000000001")) {
        for ticket in disk.take_issued() {
            disk.complete(ticket);
            wal.on_synced(&mut disk, ticket).unwrap();
        }
    }
    assert_eq!(wal.saved(), SaveId(0));
    disk.crash(&mut |_| false);
    let (_, replay) = open(&mut disk).unwrap();
    assert_eq!(replay.entries.len(), 1, "not reported, but durable");
    assert_eq!(names(&disk), ["0.tmp", "0000000000000000-0000000000000000.wal"]);
}

#[test]
fn a_torn_record_is_repaired_once_and_the_copy_kept() {
    let (mut disk, mut wal) = created();
    wal.save(&mut disk, &[entry(1, 1, 10)], Some(&state(1, 1, 0))).unwrap();
    settle(&mut disk, &mut wal);
    let (_, good) = wal.tail();
    wal.save(&mut disk, &[entry(1, 2, 2000)], None).unwrap();
    disk.crash(&mut |thing| matches!(thing, Unsynced::Sector { sector, .. } if sector < 2));
    let error = open(&mut disk).unwrap_err();
    assert!(error.is_torn(), "{error}");
    let repair = repair(&mut disk, DIRECTORY, Bugs::NONE).unwrap();
    assert_eq!(repair.good_bytes, good);
    assert_eq!(disk.take_issued(), [repair.ticket.unwrap()]);
    disk.complete(repair.ticket.unwrap());
    let (mut wal, replay) = open(&mut disk).unwrap();
    assert_eq!((replay.entries.len(), wal.tail().1), (1, good));
    assert!(names(&disk).iter().any(|name| name.ends_with(".wal.broken")));
    wal.save(&mut disk, &[entry(1, 2, 5)], None).unwrap();
    settle(&mut disk, &mut wal);
    assert_eq!(open(&mut disk).unwrap().1.entries.len(), 2);
}

#[test]
fn a_flipped_bit_stops_the_server_and_repair_leaves_it_alone() {
    let (mut disk, mut wal) = created();
    wal.save(&mut disk, &[entry(1, 1, 100)], Some(&state(1, 1, 0))).unwrap();
    settle(&mut disk, &mut wal);
    let file = "/data/member/wal/0000000000000000-0000000000000000.wal";
    disk.corrupt(file, 150, 4).unwrap();
    let before = disk.export_metadata();
    let error = open(&mut disk).unwrap_err();
    assert_eq!(error.reason(), "walpb: crc mismatch");
    let (file, _) = error.place().unwrap();
    assert_eq!(file, "0000000000000000-0000000000000000.wal");
    assert_eq!(repair(&mut disk, DIRECTORY, Bugs::NONE), Err(error));
    assert_eq!(disk.export_metadata(), before);
}

#[test]
fn a_simulated_directory_is_inspected_like_a_real_one() {
    let (mut disk, mut wal) = created();
    wal.save(&mut disk, &[entry(1, 1, 0), entry(1, 2, 2900)], Some(&state(1, 1, 2))).unwrap();
    settle(&mut disk, &mut wal);
    let directory = DataDir::from_disk(&disk, "/data").unwrap();
    let summary = directory.inspect();
    let log = summary.wal.unwrap();
    assert_eq!((log.segments, log.entries, log.last_index, log.hard_state.commit), (2, 2, 2, 2));
    let roles: Vec<&str> = summary.files.iter().map(|file| file.role).collect();
    assert_eq!(roles, ["wal", "wal", "wal-next"]);
    let kinds: Vec<&str> = directory.log().map(|record| record.kind).collect();
    let first = ["crc", "metadata", "snapshot", "entry", "entry", "state"];
    assert_eq!(kinds, [&first[..], &["crc", "metadata", "state"]].concat());
}

#[derive(Debug, Clone)]
enum Step {
    Save { back: u64, count: u64, size: usize, new_term: bool, commit: bool },
    Complete(usize),
    Arm(u32),
    Crash(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let save = (0..3u64, 0..4u64, 0..1500usize, any::<bool>(), any::<bool>()).prop_map(
        |(back, count, size, new_term, commit)| Step::Save { back, count, size, new_term, commit },
    );
    prop_oneof![
        6 => save,
        8 => (0..4usize).prop_map(Step::Complete),
        1 => (1..20u32).prop_map(Step::Arm),
        2 => any::<u64>().prop_map(Step::Crash),
    ]
}

/// What the log holds after a save.
#[derive(Debug, Clone, Default, PartialEq)]
struct Moment {
    log: Vec<raft::Entry>,
    state: raft::HardState,
    /// How many entries the save left of the moment before.
    kept: usize,
    /// Only the commit index changed, which is not synced.
    is_commit: bool,
}

struct Machine {
    disk: Disk,
    wal: Option<Wal>,
    /// Moments by save, from the state that the last boot found.
    moments: Vec<Moment>,
    outstanding: Vec<Ticket>,
    /// Whether the machine was ever told that its log exists.
    is_created: bool,
}

fn keeps(seed: u64, thing: &Unsynced) -> bool {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = format!("{thing:?}").bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, mix);
    // Seeds at the ends keep nothing or all.
    match seed % 5 {
        0 => false,
        1 => true,
        _ => hash >> 40 & 1 == 1,
    }
}

impl Machine {
    fn new() -> Machine {
        let moments = vec![Moment::default()];
        let disk = new_disk();
        Machine { disk, wal: None, moments, outstanding: Vec::new(), is_created: false }
    }

    fn is_alive(&self) -> bool {
        self.wal.is_some() && !self.disk.tripped()
    }

    fn save(&mut self, step: &Step) {
        let Step::Save { back, count, size, new_term, commit } = *step else { return };
        let Moment { mut log, state: mut hard_state, .. } = self.moments.last().unwrap().clone();
        hard_state.term += u64::from(new_term || hard_state.term == 0);
        hard_state.vote = 1;
        let keep = log.len() - usize::try_from(back).unwrap().min(log.len());
        let first = keep as u64 + 1;
        let added: Vec<raft::Entry> =
            (first..first + count).map(|index| entry(hard_state.term, index, size)).collect();
        if count > 0 {
            log.truncate(keep);
            log.extend(added.iter().cloned());
        }
        hard_state.commit = if commit { log.len() as u64 } else { hard_state.commit };
        // When the power goes in the middle, the save may be there or not.
        let wal = self.wal.as_mut().unwrap();
        if let Ok(save) = wal.save(&mut self.disk, &added, Some(&hard_state)) {
            assert_eq!(save.0, self.moments.len() as u64);
        }
        let kept = log.len() - added.len();
        let before = self.moments.last().unwrap().state;
        let is_same = (before.term, before.vote) == (hard_state.term, hard_state.vote);
        let is_commit = added.is_empty() && is_same;
        self.moments.push(Moment { log, state: hard_state, kept, is_commit });
    }

    fn complete(&mut self, at: usize) {
        self.outstanding.extend(self.disk.take_issued());
        if at < self.outstanding.len() {
            let ticket = self.outstanding.remove(at);
            self.disk.complete(ticket);
            let wal = self.wal.as_mut().unwrap();
            if wal.on_synced(&mut self.disk, ticket).is_ok() {
                let is_there = |event: &WalEvent| matches!(event, WalEvent::Created { .. });
                self.is_created |= wal.take_events().iter().any(is_there);
            }
        }
    }

    fn crash(&mut self, seed: u64) {
        let saved = self.wal.as_ref().map_or(0, |wal| usize::try_from(wal.saved().0).unwrap());
        let saved = (0..=saved).rev().find(|at| !self.moments[*at].is_commit).unwrap();
        self.wal = None;
        self.outstanding.clear();
        self.disk.crash(&mut |thing| keeps(seed, &thing));
        if self.disk.exists(DIRECTORY) {
            self.check(saved);
        } else {
            assert!(!self.is_created, "a log that was there is gone");
            assert_eq!(saved, 0);
            self.moments = vec![Moment::default()];
        }
    }

    /// Boots from a copy and compares.
    fn check(&mut self, saved: usize) {
        let mut copy = self.disk.clone();
        let replay = match open(&mut copy) {
            Ok((_, replay)) => replay,
            Err(error) => {
                assert!(error.is_torn(), "{error}");
                let repair = repair(&mut copy, DIRECTORY, Bugs::NONE).unwrap();
                copy.complete(repair.ticket.unwrap());
                open(&mut copy).unwrap().1
            }
        };
        let (log, state) = (replay.entries, replay.hard_state);
        let is_whole = |at: usize| (&self.moments[at].log, self.moments[at].state) == (&log, state);
        // An un-synced save may keep some of its records; its hard state comes last.
        let is_part = |at: usize| {
            let moment = &self.moments[at];
            log.len() > moment.kept
                && moment.log.starts_with(&log)
                && self.moments[at - 1].state == state
        };
        let count = self.moments.len();
        assert!(
            (saved..count).any(is_whole) || (saved + 1..count).any(is_part),
            "{log:?} {state:?} is no moment from save {saved} on: {:?}",
            self.moments
        );
        self.moments = vec![Moment { kept: log.len(), log, state, is_commit: false }];
    }

    fn boot(&mut self) {
        let disk = &mut self.disk;
        let wal = if disk.exists(DIRECTORY) {
            match open(disk) {
                Err(error) if error.is_torn() => {
                    let repaired = repair(disk, DIRECTORY, Bugs::NONE);
                    if let Ok(repair) = &repaired {
                        disk.take_issued();
                        disk.complete(repair.ticket.unwrap());
                    }
                    repaired.and_then(|_| open(disk)).map(|(wal, _)| wal)
                }
                other => other.map(|(wal, _)| wal),
            }
        } else {
            Wal::create(disk, DIRECTORY, b"who", OPTIONS)
        };
        self.wal = match wal {
            Ok(wal) => Some(wal),
            Err(WalError::Disk(_)) => None,
            Err(error) => panic!("{error}"),
        };
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_was_saved_survives_any_power_cut(
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let mut machine = Machine::new();
        for step in steps {
            if machine.wal.is_none() && !machine.disk.tripped() {
                machine.boot();
            }
            match step {
                Step::Save { .. } if machine.is_alive() => machine.save(&step),
                Step::Complete(at) if machine.is_alive() => machine.complete(at),
                Step::Arm(operations) if machine.is_alive() => machine.disk.arm_crash(operations),
                Step::Crash(seed) => machine.crash(seed),
                Step::Save { .. } | Step::Complete(_) | Step::Arm(_) => {}
            }
        }
        machine.crash(2);
    }
}
