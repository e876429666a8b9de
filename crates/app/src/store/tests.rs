//! The pure half of the store against a model: whatever completes, fails or is cut off, what is
//! read back is the world as its last completed slice saw it.

use std::collections::BTreeMap;

use super::backlog::{PIECE_BYTES, SLICES_PER_CHECKPOINT};
use super::layout::{Address, Key, Store};
use super::record::seal;
use super::shelf::Shelf;
use super::slice::{Head, Slice};
use super::{Backlog, Changes, Records, Source, Stored, Writer};

/// Disks of a few pages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Model {
    clock: u64,
    metadata: Vec<Vec<u8>>,
    pages: BTreeMap<Address, Vec<u8>>,
    actions: String,
}

impl Source for Model {
    fn head(&self) -> Head {
        let nodes = u32::try_from(self.metadata.len()).expect("few");
        Head { event: self.clock, nodes, world: vec![7; 100], ..Head::default() }
    }

    fn metadata(&self, node: u32) -> Vec<u8> {
        self.metadata[node as usize].clone()
    }

    fn page(&self, address: Address) -> Option<Vec<u8>> {
        self.pages.get(&address).cloned()
    }
}

fn as_model(stored: &Stored) -> Model {
    let pages = (0..).zip(&stored.disks).flat_map(|(node, disk)| {
        disk.pages.iter().map(move |((file, page), found)| {
            assert_eq!(found.damage, None, "undamaged");
            (Address { node, file: *file, page: *page }, found.bytes.clone())
        })
    });
    Model {
        clock: stored.head.event,
        metadata: stored.disks.iter().map(|disk| disk.metadata.clone()).collect(),
        pages: pages.collect(),
        actions: stored.actions.clone().expect("undamaged"),
    }
}

/// A small generator with a fixed seed: the same story at every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn small(&mut self, sides: u32) -> u32 {
        u32::try_from(self.roll(u64::from(sides))).expect("a small number")
    }
}

fn model(nodes: u32) -> Model {
    Model { metadata: (0..nodes).map(|_| vec![1]).collect(), ..Model::default() }
}

fn live_a_little(world: &mut Model, backlog: &mut Backlog, dice: &mut Dice) {
    world.clock += 1;
    let mut changes = Changes::default();
    for _ in 0..dice.roll(4) {
        let address =
            Address { node: dice.small(3), file: 1 + dice.small(2), page: dice.small(40) };
        if dice.roll(10) == 0 {
            world.pages.remove(&address);
        } else {
            let byte = u8::try_from(dice.roll(256)).expect("a byte");
            world.pages.insert(address, vec![byte; 4100]);
        }
        changes.pages.insert(address);
    }
    if dice.roll(5) == 0 {
        let node = dice.small(3);
        world.metadata[node as usize].push(1);
        changes.metadata.insert(node);
    }
    if dice.roll(3) == 0 {
        let line = format!("{}ms crash n1", world.clock);
        backlog.recorded(&line);
        world.actions.push_str(&line);
        world.actions.push('\n');
    }
    backlog.changed(changes);
    backlog.moved();
}

#[test]
fn what_is_read_back_is_the_world_of_the_last_completed_slice() {
    let mut dice = Dice(0x5eed);
    let (mut world, mut backlog) = (model(3), Backlog::fresh(0, 3));
    let (mut shelf, mut durable) = (Shelf::default(), None);
    let mut in_flight: Vec<(Slice, Model)> = Vec::new();
    for _ in 0..3000 {
        live_a_little(&mut world, &mut backlog, &mut dice);
        match dice.roll(8) {
            0..4 if backlog.has_room() && backlog.is_due() => {
                in_flight.push((backlog.begin(&world), world.clone()));
            }
            4..7 if !in_flight.is_empty() => {
                let (slice, then) = in_flight.remove(0);
                shelf.commit(&slice);
                backlog.completed(slice.number);
                durable = Some(then);
            }
            7 if dice.roll(5) == 0 => {
                in_flight.clear();
                backlog.failed();
            }
            _ => {}
        }
        if let (Some(durable), 0) = (&durable, dice.roll(10)) {
            assert_eq!(&as_model(&shelf.read()), durable, "the last completed slice");
        }
        if let (true, 0) = (durable.is_some(), dice.roll(200)) {
            let stored = shelf.read();
            world = as_model(&stored);
            let actions = stored.actions.expect("undamaged").into_bytes();
            backlog = Backlog::resumed(stored.slice, stored.loose, stored.lists, actions);
            in_flight.clear();
        }
    }
}

fn write(world: &Model, backlog: &mut Backlog, shelf: &mut Shelf) {
    let slice = backlog.begin(world);
    shelf.commit(&slice);
    backlog.completed(slice.number);
}

fn page(node: u32, page: u32) -> Address {
    Address { node, file: 2, page }
}

fn touch(world: &mut Model, backlog: &mut Backlog, address: Address, byte: u8) {
    world.pages.insert(address, vec![byte; 4100]);
    backlog.changed(Changes { pages: [address].into(), ..Changes::default() });
}

fn a_session() -> (Model, Backlog, Shelf) {
    let (mut world, mut backlog, mut shelf) = (model(3), Backlog::fresh(0, 3), Shelf::default());
    touch(&mut world, &mut backlog, page(0, 0), 1);
    touch(&mut world, &mut backlog, page(1, 0), 2);
    write(&world, &mut backlog, &mut shelf);
    touch(&mut world, &mut backlog, page(0, 1), 3);
    touch(&mut world, &mut backlog, page(1, 1), 4);
    backlog.recorded("0s crash n1");
    write(&world, &mut backlog, &mut shelf);
    (world, backlog, shelf)
}

#[test]
fn a_page_rewritten_for_ever_does_not_make_the_store_grow() {
    let (mut world, mut backlog, mut shelf) = a_session();
    let mut bytes_max = 0;
    for round in 0..1000_u32 {
        touch(&mut world, &mut backlog, page(0, round % 4), 9);
        write(&world, &mut backlog, &mut shelf);
        bytes_max = bytes_max.max(shelf.records.values().map(Vec::len).sum::<usize>());
    }
    let redo = (SLICES_PER_CHECKPOINT as usize + 1) * 5000;
    assert!(bytes_max < redo + 10 * 4200, "{bytes_max} bytes for six pages");
}

#[test]
fn a_damaged_page_of_the_checkpoint_is_handed_on_with_a_note() {
    let (.., mut shelf) = a_session();
    shelf.records.get_mut(&Key::Page(page(1, 0))).expect("there")[50] ^= 1;
    let stored = shelf.read();
    let damaged: Vec<_> = stored.damaged_pages().collect();
    assert_eq!(damaged.len(), 1, "{damaged:?}");
    assert_eq!(damaged[0].0, page(1, 0));
    assert_eq!(damaged[0].1.to_string(), "pages [1, 2, 0]: checksum mismatch");
    assert_eq!(stored.disks[1].pages[&(2, 0)].bytes.len(), 4100);
    assert_eq!(stored.disks[0].pages[&(2, 0)].damage, None);
}

#[test]
fn a_lost_page_is_noted() {
    let (.., mut shelf) = a_session();
    shelf.records.remove(&Key::Page(page(0, 0))).expect("there");
    let stored = shelf.read();
    let (address, damage) = stored.damaged_pages().next().expect("noted");
    assert_eq!((address, damage.what.as_str()), (page(0, 0), "is missing"));
}

#[test]
fn a_flipped_byte_in_a_redo_slice_spoils_one_page_or_is_an_error_that_names_the_slice() {
    let (.., shelf) = a_session();
    let key = *shelf.records.keys().find(|key| matches!(key, Key::Slice(..))).expect("one");
    let records = shelf.records();
    let length = records.slices[0].1.len();
    let (mut errors, mut notes) = (0, 0);
    for at in 9..length {
        let mut damaged = records.clone();
        damaged.slices[0].1[at] ^= 0x10;
        match Stored::from_records(&damaged) {
            Err(damage) => {
                assert_eq!(damage.key, key.to_string());
                errors += 1;
            }
            Ok(stored) => {
                let count = stored.expect("a session").damaged_pages().count();
                assert_eq!(count, 1, "byte {at}");
                notes += 1;
            }
        }
    }
    assert_eq!(notes, 2 * 4100, "every byte of a page is that page's affair");
    assert!(errors > 100, "head and framing are everybody's");
}

#[test]
fn a_missing_slice_is_an_error_that_names_it() {
    let (mut world, mut backlog, mut shelf) = a_session();
    touch(&mut world, &mut backlog, page(2, 0), 5);
    write(&world, &mut backlog, &mut shelf);
    shelf.records.remove(&Key::Slice(2, 0)).expect("there");
    let damage = Stored::from_records(&shelf.records()).expect_err("a gap");
    assert_eq!(damage.to_string(), "slices [2, 0]: is missing");
}

#[test]
fn without_actions_everything_else_is_there() {
    let (world, _, mut shelf) = a_session();
    shelf.records.retain(|key, _| key.store() != Store::Actions);
    let stored = shelf.read();
    let why = stored.actions.clone().expect_err("deleted");
    assert_eq!(why, "actions [0]: 0 of 12 bytes of the recorded actions are there");
    let found = as_model(&Stored { actions: Ok(String::new()), ..stored });
    assert_eq!(found.pages, world.pages);
}

#[test]
fn damage_of_what_everybody_needs_is_an_error_that_names_it() {
    for key in [Key::Writer, Key::Checkpoint(0)] {
        let (.., mut shelf) = a_session();
        shelf.records.get_mut(&key).expect("there")[12] ^= 1;
        let damage = Stored::from_records(&shelf.records()).expect_err("damaged");
        assert_eq!(damage.to_string(), format!("{key}: checksum mismatch"));
        shelf.records.remove(&key);
        assert!(Stored::from_records(&shelf.records()).is_err(), "{key} is missing");
    }
}

#[test]
fn long_actions_are_cut_into_pieces_and_joined() {
    let (world, mut backlog, mut shelf) = a_session();
    let long = format!("1s put key {}", "x".repeat(3 * PIECE_BYTES));
    backlog.recorded(&long);
    write(&world, &mut backlog, &mut shelf);
    backlog.recorded("2s restart n1");
    write(&world, &mut backlog, &mut shelf);
    let expected = format!("0s crash n1\n{long}\n2s restart n1\n");
    assert_eq!(shelf.read().actions, Ok(expected));
}

#[test]
fn a_fresh_session_leaves_nothing_of_the_one_before() {
    let (.., mut shelf) = a_session();
    let (mut world, mut backlog) = (model(1), Backlog::fresh(2, 1));
    touch(&mut world, &mut backlog, page(0, 7), 8);
    write(&world, &mut backlog, &mut shelf);
    assert_eq!(as_model(&shelf.read()), world);
    assert_eq!(shelf.records().pages.len(), 1);
}

#[test]
fn an_empty_database_holds_no_session() {
    assert_eq!(Stored::from_records(&Records::default()), Ok(None));
    let writer = Some(seal(&Writer { epoch: 1, slice: 0 }.encode()));
    assert_eq!(Stored::from_records(&Records { writer, ..Records::default() }), Ok(None));
}
