//! The disk against a model that keeps whole byte vectors, over random operations, syncs that
//! complete late and out of order, and crashes that keep an arbitrary subset.

#![allow(
    clippy::unwrap_used,
    clippy::missing_assert_message,
    reason = "a test stops where it cannot go on; the comparison is the claim"
)]

use std::collections::BTreeMap;

use disk::{Disk, DiskError, FileId, PAGE_BYTES, SECTOR_BYTES, Ticket, Unsynced};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Create(usize),
    Remove(usize),
    Rename(usize, usize),
    Write { name: usize, offset: u64, len: usize, byte: u8 },
    SetLen { name: usize, len: u64 },
    SyncFile(usize),
    SyncDir,
    Complete(usize),
    Crash(u64),
    Reimport,
}

const NAMES: usize = 4;

fn path(name: usize) -> String {
    format!("/d/f{name}")
}

fn step() -> impl Strategy<Value = Step> {
    let name = 0..NAMES;
    let far = 3 * PAGE_BYTES as u64;
    prop_oneof![
        3 => name.clone().prop_map(Step::Create),
        1 => name.clone().prop_map(Step::Remove),
        2 => (name.clone(), name.clone()).prop_map(|(from, to)| Step::Rename(from, to)),
        8 => (name.clone(), 0..far, 0..2 * PAGE_BYTES, 0..4u8)
            .prop_map(|(name, offset, len, byte)| Step::Write { name, offset, len, byte }),
        2 => (name.clone(), 0..far).prop_map(|(name, len)| Step::SetLen { name, len }),
        5 => name.prop_map(Step::SyncFile),
        3 => Just(Step::SyncDir),
        6 => (0..4usize).prop_map(Step::Complete),
        1 => any::<u64>().prop_map(Step::Crash),
        1 => Just(Step::Reimport),
    ]
}

/// A file as two byte vectors.
#[derive(Debug, Clone, Default, PartialEq)]
struct ModelFile {
    live: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Debug, Clone)]
enum Pending {
    File(FileId, Vec<u8>),
    Directory(usize),
}

/// Names of one directory. A change is (file, name it gets or loses).
#[derive(Debug, Clone, PartialEq)]
enum Change {
    Place(FileId, usize),
    Remove(FileId, usize),
}

#[derive(Default)]
struct Model {
    files: BTreeMap<FileId, ModelFile>,
    live: BTreeMap<usize, FileId>,
    durable: BTreeMap<usize, FileId>,
    journal: Vec<Change>,
    taken: usize,
    pending: Vec<(Ticket, Pending)>,
}

impl Model {
    fn make_durable(&mut self, change: &Change) {
        match change {
            Change::Place(file, name) => {
                self.durable.retain(|_, other| other != file);
                self.durable.insert(*name, *file);
            }
            Change::Remove(file, name) => {
                if self.durable.get(name) == Some(file) {
                    self.durable.remove(name);
                }
            }
        }
    }

    fn complete(&mut self, at: usize) -> Ticket {
        let (ticket, pending) = self.pending.remove(at);
        match pending {
            Pending::File(file, bytes) => {
                let is_older = |(other, what): &(Ticket, Pending)| {
                    *other < ticket && matches!(what, Pending::File(id, _) if *id == file)
                };
                self.pending.retain(|entry| !is_older(entry));
                self.files.get_mut(&file).unwrap().durable = bytes;
            }
            Pending::Directory(before) => {
                let count = before.saturating_sub(self.taken);
                for change in self.journal.drain(..count).collect::<Vec<_>>() {
                    self.make_durable(&change);
                }
                self.taken = self.taken.max(before);
            }
        }
        ticket
    }
}

/// The crash's answer to one question: a function of the seed and the question alone.
fn keeps(seed: u64, thing: &Unsynced) -> bool {
    let text = format!("{thing:?}");
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = text.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, mix);
    hash >> 40 & 1 == 1
}

fn crash(disk: &mut Disk, model: &mut Model, directory: FileId, seed: u64) {
    let report = disk.crash(&mut |thing| keeps(seed, &thing));
    for change in std::mem::take(&mut model.journal) {
        let (file, name, is_removal) = match change {
            Change::Place(file, name) => (file, name, false),
            Change::Remove(file, name) => (file, name, true),
        };
        let name = format!("f{name}");
        let thing = if is_removal {
            Unsynced::Removal { directory, name, file }
        } else {
            Unsynced::Name { directory, name, file }
        };
        if keeps(seed, &thing) {
            model.make_durable(&change);
        }
    }
    model.live = model.durable.clone();
    model.pending.clear();
    model.taken = 0;
    let named: Vec<FileId> = model.live.values().copied().collect();
    model.files.retain(|id, _| named.contains(id));
    for (id, file) in &mut model.files {
        crash_file(*id, file, seed);
    }
    assert!(report.survived.iter().all(|thing| keeps(seed, thing)), "survivors were kept");
    assert!(report.lost.iter().all(|thing| !keeps(seed, thing)), "the lost were not");
}

fn crash_file(id: FileId, file: &mut ModelFile, seed: u64) {
    let (durable, live) = (file.durable.len() as u64, file.live.len() as u64);
    let length = Unsynced::Length { file: id, durable, live };
    let len = if durable == live || keeps(seed, &length) { live } else { durable };
    let most = file.live.len().max(file.durable.len()).next_multiple_of(SECTOR_BYTES);
    file.live.resize(most, 0);
    file.durable.resize(most, 0);
    for sector in 0..most / SECTOR_BYTES {
        let range = sector * SECTOR_BYTES..(sector + 1) * SECTOR_BYTES;
        let thing = Unsynced::Sector { file: id, sector: sector as u64 };
        if file.live[range.clone()] != file.durable[range.clone()] && keeps(seed, &thing) {
            file.durable[range.clone()].copy_from_slice(&file.live[range]);
        }
    }
    file.durable.truncate(usize::try_from(len).unwrap());
    file.live = file.durable.clone();
}

fn apply(disk: &mut Disk, model: &mut Model, directory: FileId, step: &Step) {
    match *step {
        Step::Create(name) => match disk.create(&path(name)) {
            Ok(file) => {
                assert!(model.live.insert(name, file).is_none(), "the name was free");
                model.files.insert(file, ModelFile::default());
                model.journal.push(Change::Place(file, name));
            }
            Err(error) => assert_eq!(error, DiskError::Exists { path: path(name) }),
        },
        Step::Remove(name) => match model.live.remove(&name) {
            Some(file) => {
                disk.remove(&path(name)).unwrap();
                model.journal.push(Change::Remove(file, name));
            }
            None => assert!(disk.remove(&path(name)).is_err(), "nothing to remove"),
        },
        Step::Rename(from, to) => {
            let result = disk.rename(&path(from), &path(to));
            assert_eq!(result.is_ok(), model.live.contains_key(&from));
            if let (Some(file), true) = (model.live.get(&from).copied(), from != to) {
                model.live.remove(&from);
                model.live.insert(to, file);
                model.journal.push(Change::Place(file, to));
            }
        }
        Step::Write { name, offset, len, byte } => {
            let Some(file) = model.live.get(&name) else { return };
            disk.write(*file, offset, &vec![byte; len]).unwrap();
            let live = &mut model.files.get_mut(file).unwrap().live;
            let offset = usize::try_from(offset).unwrap();
            live.resize(live.len().max(offset + len), 0);
            live[offset..offset + len].fill(byte);
        }
        Step::SetLen { name, len } => {
            let Some(file) = model.live.get(&name) else { return };
            disk.set_len(*file, len).unwrap();
            let live = &mut model.files.get_mut(file).unwrap().live;
            live.resize(usize::try_from(len).unwrap(), 0);
        }
        Step::SyncFile(name) => {
            let Some(file) = model.live.get(&name) else { return };
            let ticket = disk.sync_file(*file).unwrap();
            model.pending.push((ticket, Pending::File(*file, model.files[file].live.clone())));
        }
        Step::SyncDir => {
            let ticket = disk.sync_dir("/d").unwrap();
            let before = model.taken + model.journal.len();
            model.pending.push((ticket, Pending::Directory(before)));
        }
        Step::Complete(at) if at < model.pending.len() => disk.complete(model.complete(at)),
        Step::Complete(_) => {}
        Step::Crash(seed) => crash(disk, model, directory, seed),
        Step::Reimport => {
            assert_eq!(reimport(disk).export_metadata(), disk.export_metadata());
        }
    }
}

fn reimport(disk: &Disk) -> Disk {
    let pages = (0..200).flat_map(|file| (0..8).map(move |page| (FileId(file), page)));
    let keys = pages.map(|(file, page)| disk::PageKey { file, page });
    let records = keys.filter_map(|key| Some((key, disk.export_page(key)?)));
    Disk::import(&disk.export_metadata(), records).unwrap()
}

fn check_live(disk: &Disk, model: &Model) {
    let listed: Vec<(String, FileId)> =
        disk.list("/d").unwrap().into_iter().map(|entry| (entry.name, entry.file)).collect();
    let expected: Vec<(String, FileId)> =
        model.live.iter().map(|(name, file)| (format!("f{name}"), *file)).collect();
    assert_eq!(listed, expected);
    for file in model.live.values() {
        let bytes = disk.read_range(*file, 0..u64::MAX).unwrap();
        assert_eq!(bytes, model.files[file].live);
        let end = usize::try_from(disk.data_end(*file)).unwrap();
        assert!(bytes[end..].iter().all(|byte| *byte == 0), "zeros follow the end of the data");
    }
}

fn run(steps: &[Step]) {
    let mut disk = Disk::new(1 << 30);
    disk.create_dir("/d").unwrap();
    let ticket = disk.sync_dir("/").unwrap();
    disk.complete(ticket);
    let directory = disk.list("/").unwrap()[0].file;
    let mut model = Model::default();
    for step in steps {
        apply(&mut disk, &mut model, directory, step);
        check_live(&disk, &model);
    }
    // An imported copy survives the same crash in the same way.
    let mut copy = reimport(&disk);
    crash(&mut disk, &mut model, directory, 7);
    copy.crash(&mut |thing| keeps(7, &thing));
    check_live(&disk, &model);
    check_live(&copy, &model);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn disk_agrees_with_a_model_of_whole_byte_vectors(
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        run(&steps);
    }

    #[test]
    fn a_store_that_follows_the_dirty_feed_holds_the_disk(
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let mut disk = Disk::new(1 << 30);
        disk.create_dir("/d").unwrap();
        let ticket = disk.sync_dir("/").unwrap();
        disk.complete(ticket);
        let directory = disk.list("/").unwrap()[0].file;
        let (mut model, mut store, mut metadata) = (Model::default(), BTreeMap::new(), Vec::new());
        for step in &steps {
            apply(&mut disk, &mut model, directory, step);
            let dirty = disk.take_dirty();
            for key in dirty.pages {
                match disk.export_page(key) {
                    Some(record) => store.insert(key, record),
                    None => store.remove(&key),
                };
            }
            if dirty.metadata {
                metadata = disk.export_metadata();
            }
        }
        let mut copy = Disk::import(&metadata, store).unwrap();
        check_live(&copy, &model);
        crash(&mut disk, &mut model, directory, 11);
        copy.crash(&mut |thing| keeps(11, &thing));
        check_live(&copy, &model);
    }

    #[test]
    fn import_of_hostile_bytes_returns(
        noise in proptest::collection::vec(any::<u8>(), 0..200),
        at in any::<prop::sample::Index>(),
        xor in 1..=255u8,
    ) {
        let mut disk = Disk::new(1 << 30);
        disk.create_dir("/d").unwrap();
        for name in 0..3 {
            let file = disk.create(&path(name)).unwrap();
            disk.write(file, 5000, b"bytes").unwrap();
        }
        disk.rename(&path(1), &path(2)).unwrap();
        let mut metadata = disk.export_metadata();
        let key = disk::PageKey { file: FileId(2), page: 1 };
        let mut record = disk.export_page(key).unwrap();
        let _ = Disk::import(&noise, []);
        let _ = Disk::import(&metadata, [(key, noise)]);
        let index = at.index(metadata.len());
        metadata[index] ^= xor;
        let index = at.index(record.len());
        record[index] ^= xor;
        if let Ok(mut damaged) = Disk::import(&metadata, [(key, record)]) {
            let _ = damaged.create_dir_all("/d/e");
            let _ = damaged.create("/d/new");
            damaged.crash(&mut |_| true);
            let _ = damaged.create("/d/newer");
        }
    }
}
