//! The redo log on a real IndexedDB, in a dedicated worker.
#![cfg(target_arch = "wasm32")]
#![allow(clippy::missing_assert_message, reason = "a test's name is its claim")]

use std::cell::Cell;
use std::rc::Rc;

use app::store::database::{Database, Durability, delete};
use app::store::layout::RECORD_BYTES_MAX;
use app::store::lock::{Ask, acquire};
use app::store::{
    Address, Backlog, Changes, Head, Key, Records, Slice, Source, StoreError, Stored, Write,
};
use wasm_bindgen::JsValue;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

/// A world whose pages all hold the same byte.
struct Uniform(u8);

impl Source for Uniform {
    fn head(&self) -> Head {
        Head { event: u64::from(self.0), nodes: 3, world: vec![self.0; 70_000], ..Head::default() }
    }

    fn metadata(&self, _: u32) -> Vec<u8> {
        vec![self.0; 40]
    }

    fn page(&self, _: Address) -> Option<Vec<u8>> {
        Some(vec![self.0; 8195])
    }
}

fn page(number: u32) -> Address {
    Address { node: number % 3, file: 4, page: number }
}

fn touched(pages: impl Iterator<Item = u32>) -> Changes {
    Changes { pages: pages.map(page).collect(), ..Changes::default() }
}

async fn emptied(name: &str) -> Database {
    delete(name).await.expect("nobody else has it open");
    open(name).await
}

async fn open(name: &str) -> Database {
    Database::open(name, Durability::Relaxed).await.expect("IndexedDB is here")
}

async fn session(database: &Database) -> Stored {
    let records = database.read().await.expect("readable");
    Stored::from_records(&records).expect("undamaged").expect("a session")
}

fn next(backlog: &mut Backlog, byte: u8, pages: impl Iterator<Item = u32>) -> Slice {
    backlog.changed(touched(pages));
    backlog.begin(&Uniform(byte))
}

async fn written(database: &Database, epoch: u64, backlog: &mut Backlog, slice: &Slice) {
    database.begin(epoch, slice).await.expect("a slice in order completes");
    backlog.completed(slice.number);
}

#[wasm_bindgen_test]
async fn slices_are_written_and_read_back() {
    let database = emptied("written").await;
    let (writer, records) = database.claim().await.expect("claimed");
    assert_eq!(Stored::from_records(&records), Ok(None), "a new database is empty");
    let mut backlog = Backlog::fresh(writer.slice, 3);
    backlog.recorded("0s crash n1");
    let slice = next(&mut backlog, 1, 0..9);
    written(&database, writer.epoch, &mut backlog, &slice).await;
    let slice = next(&mut backlog, 2, 3..5);
    written(&database, writer.epoch, &mut backlog, &slice).await;
    drop(database);

    let stored = session(&open("written").await).await;
    assert_eq!((stored.slice, stored.head.event), (2, 2));
    assert_eq!(stored.head.world, vec![2; 70_000]);
    assert_eq!(stored.actions.as_deref(), Ok("0s crash n1\n"));
    assert_eq!(stored.damaged_pages().count(), 0);
    for number in 0..9 {
        let Address { node, file, page } = page(number);
        let found = &stored.disks[node as usize].pages[&(file, page)];
        let expected = if (3..5).contains(&number) { 2 } else { 1 };
        assert_eq!(found.bytes, vec![expected; 8195], "page {number}");
    }
}

#[wasm_bindgen_test]
async fn two_slices_in_flight_complete_in_order() {
    let database = emptied("in-flight").await;
    let (writer, _) = database.claim().await.expect("claimed");
    let mut backlog = Backlog::fresh(writer.slice, 3);
    let first = next(&mut backlog, 1, 0..3);
    let second = next(&mut backlog, 2, 0..3);
    let (first, second) =
        (database.begin(writer.epoch, &first), database.begin(writer.epoch, &second));
    // The later one is awaited first: it cannot have completed before the earlier one.
    assert_eq!(second.await, Ok(()));
    assert_eq!(first.await, Ok(()));
    assert_eq!(session(&database).await.head.event, 2);
}

#[wasm_bindgen_test]
async fn an_aborted_slice_leaves_the_one_before_and_takes_those_behind_it_along() {
    let database = emptied("aborted").await;
    let (writer, _) = database.claim().await.expect("claimed");
    let mut backlog = Backlog::fresh(writer.slice, 3);
    let slice = next(&mut backlog, 1, 0..9);
    written(&database, writer.epoch, &mut backlog, &slice).await;
    let before = session(&database).await;

    let mut lost = next(&mut backlog, 2, 0..9);
    lost.number += 5;
    let behind = next(&mut backlog, 3, 0..9);
    let (lost, behind) =
        (database.begin(writer.epoch, &lost), database.begin(writer.epoch, &behind));
    assert_eq!(lost.await, Err(StoreError::OutOfOrder { expected: 6, found: 1 }));
    assert_eq!(behind.await, Err(StoreError::OutOfOrder { expected: 2, found: 1 }));
    assert_eq!(session(&database).await, before, "nothing of either was written");

    backlog.failed();
    let slice = next(&mut backlog, 4, 0..0);
    written(&database, writer.epoch, &mut backlog, &slice).await;
    let stored = session(&database).await;
    assert_eq!(stored.head.event, 4);
    assert_eq!(stored.disks[0].pages[&(4, 0)].bytes, vec![4; 8195], "what was lost came again");
}

#[wasm_bindgen_test]
async fn of_two_writers_the_one_that_opened_last_wins() {
    let old = emptied("two-writers").await;
    let (older, _) = old.claim().await.expect("claimed");
    let mut older_backlog = Backlog::fresh(older.slice, 3);
    let slice = next(&mut older_backlog, 1, 0..3);
    written(&old, older.epoch, &mut older_backlog, &slice).await;

    let new = open("two-writers").await;
    let (newer, records) = new.claim().await.expect("claimed");
    assert_eq!(newer.epoch, older.epoch + 1);
    let stored = Stored::from_records(&records).expect("undamaged").expect("a session");
    let mut newer_backlog = Backlog::resumed(stored.slice, stored.loose, stored.lists, Vec::new());

    for round in 0..10 {
        let theirs = next(&mut older_backlog, 100 + round, 0..3);
        let ours = next(&mut newer_backlog, round, 0..3);
        // Both are on their way at once, the old writer's first.
        let (lost, won) = (old.begin(older.epoch, &theirs), new.begin(newer.epoch, &ours));
        assert_eq!(lost.await, Err(StoreError::Lost { ours: older.epoch, theirs: newer.epoch }));
        assert_eq!(won.await, Ok(()));
        older_backlog.failed();
        newer_backlog.completed(ours.number);
        assert_eq!(session(&new).await.head.event, u64::from(round));
    }
}

#[wasm_bindgen_test]
async fn writers_that_claimed_an_empty_store_never_both_win() {
    let (left, right) = (emptied("race").await, open("race").await);
    let (one, other) = (left.claim(), right.claim());
    let (one, other) = (one.await.expect("claimed").0, other.await.expect("claimed").0);
    let (mut first, mut second) = (Backlog::fresh(0, 3), Backlog::fresh(0, 3));
    let (first, second) = (next(&mut first, 1, 0..3), next(&mut second, 2, 0..3));
    let (first, second) = (left.begin(one.epoch, &first), right.begin(other.epoch, &second));
    assert!(first.await.is_err(), "the one that claimed first lost");
    assert_eq!(second.await, Ok(()));
}

#[wasm_bindgen_test]
async fn records_stay_small_and_the_store_stays_as_large_as_its_pages() {
    let database = emptied("bounded").await;
    let (writer, _) = database.claim().await.expect("claimed");
    let mut backlog = Backlog::fresh(writer.slice, 3);
    for round in 0..150_u8 {
        let slice = next(&mut backlog, round, 0..3);
        for write in slice.writes() {
            let Write::Put(key, record) = write else { continue };
            assert!(record.len() <= RECORD_BYTES_MAX, "{key}: {} bytes", record.len());
        }
        written(&database, writer.epoch, &mut backlog, &slice).await;
    }
    let Records { checkpoint, slices, pages, .. } = database.read().await.expect("readable");
    assert_eq!(pages.len(), 3);
    assert!(slices.len() < 65 * 2, "{} redo records", slices.len());
    assert_eq!(checkpoint.len(), 2, "a head of 70 000 bytes is in two parts");
}

/// Until the browser had time for other things.
async fn a_moment() {
    let script = "return new Promise((done) => setTimeout(done, 1))";
    let promise = js_sys::Function::new_no_args(script).call0(&JsValue::UNDEFINED).expect("runs");
    wasm_bindgen_futures::JsFuture::from(js_sys::Promise::from(promise)).await.expect("waited");
}

/// Replaces one record behind the store's back.
async fn overwrite(name: &str, store: &str, key: &JsValue, value: &JsValue) {
    use js_sys::{Function, Promise, Reflect};
    let script = "return new Promise((done, failed) => {
        const open = indexedDB.open(name);
        open.onsuccess = () => {
            const tx = open.result.transaction(store, 'readwrite');
            if (value === null) tx.objectStore(store).delete(key);
            else tx.objectStore(store).put(value, key);
            tx.oncomplete = () => { open.result.close(); done(); };
            tx.onabort = failed;
        };
        open.onerror = failed;
    })";
    let function = Function::new_with_args("name, store, key, value", script);
    let arguments = js_sys::Array::of4(&name.into(), &store.into(), key, value);
    let promise = Reflect::apply(&function, &JsValue::UNDEFINED, &arguments).expect("runs");
    wasm_bindgen_futures::JsFuture::from(Promise::from(promise)).await.expect("overwritten");
}

async fn a_session(name: &str) -> Database {
    let database = emptied(name).await;
    let (writer, _) = database.claim().await.expect("claimed");
    let mut backlog = Backlog::fresh(writer.slice, 3);
    let slice = next(&mut backlog, 1, 0..6);
    written(&database, writer.epoch, &mut backlog, &slice).await;
    database
}

#[wasm_bindgen_test]
async fn a_damaged_page_is_named_and_the_others_are_well() {
    let database = a_session("damaged-page").await;
    let key = js_sys::Array::of3(&1.into(), &4.into(), &4.into());
    let junk = js_sys::Uint8Array::from(&[1_u8; 5000][..]);
    overwrite("damaged-page", "pages", &key, &junk).await;
    let stored = session(&database).await;
    let damaged: Vec<_> = stored.damaged_pages().collect();
    assert_eq!(damaged.len(), 1, "{damaged:?}");
    assert_eq!(damaged[0].1.key, Key::Page(page(4)).to_string());
    assert_eq!(stored.disks[1].pages[&(4, 1)].bytes, vec![1; 8195]);
}

#[wasm_bindgen_test]
async fn a_damaged_head_is_an_error_that_names_it() {
    let database = a_session("damaged-head").await;
    let key = js_sys::Array::of2(&"checkpoint".into(), &0.into());
    overwrite("damaged-head", "meta", &key, &"not even bytes".into()).await;
    let records = database.read().await.expect("readable");
    let damage = Stored::from_records(&records).expect_err("damaged");
    assert_eq!(damage.key, "meta [\"checkpoint\", 0]");
    let writer = database.wipe().await.expect("a damaged store can be emptied");
    assert_eq!((writer.epoch, writer.slice), (2, 0));
}

#[wasm_bindgen_test]
async fn a_writer_whose_record_vanished_does_not_write() {
    let database = a_session("no-writer").await;
    overwrite("no-writer", "meta", &js_sys::Array::of1(&"writer".into()), &JsValue::NULL).await;
    let slice = next(&mut Backlog::fresh(1, 3), 9, 0..3);
    let refused = database.begin(1, &slice).await;
    assert!(matches!(refused, Err(StoreError::Damaged(_))), "{refused:?}");
}

#[wasm_bindgen_test]
async fn without_indexeddb_the_store_says_so() {
    let hide = js_sys::Function::new_no_args(
        "Object.defineProperty(self, 'indexedDB', { value: undefined, configurable: true })",
    );
    hide.call0(&JsValue::UNDEFINED).expect("hidden");
    let opened = Database::open("hidden", Durability::Relaxed).await.map(drop);
    js_sys::Function::new_no_args("delete self.indexedDB")
        .call0(&JsValue::UNDEFINED)
        .expect("back");
    let message = "this browser has no IndexedDB".to_string();
    assert_eq!(opened, Err(StoreError::Missing { message }));
}

#[wasm_bindgen_test]
async fn a_deleted_database_is_let_go_and_refuses_further_slices() {
    let database = a_session("let-go").await;
    delete("let-go").await.expect("the open connection does not block it");
    let slice = next(&mut Backlog::fresh(1, 3), 9, 0..3);
    let refused = database.begin(1, &slice).await;
    assert!(matches!(refused, Err(StoreError::Aborted { .. })), "{refused:?}");
}

#[wasm_bindgen_test]
async fn a_lock_has_one_holder_until_it_is_dropped_or_stolen() {
    let stolen = Rc::new(Cell::new(false));
    let note = Rc::clone(&stolen);
    let first = acquire("lock", Ask::IfAvailable, move || note.set(true)).await;
    assert!(first.is_some());
    assert!(acquire("lock", Ask::IfAvailable, || {}).await.is_none(), "it is held");
    let thief = acquire("lock", Ask::Steal, || {}).await;
    assert!(thief.is_some());
    while !stolen.get() {
        a_moment().await;
    }
    drop(first);
    assert!(acquire("lock", Ask::IfAvailable, || {}).await.is_none(), "the thief holds it");
    drop(thief);
    while acquire("lock", Ask::IfAvailable, || {}).await.is_none() {
        a_moment().await;
    }
}
