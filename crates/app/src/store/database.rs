//! The transactions themselves.
//!
//! web-sys rather than `indexed_db_futures`: there `Transaction::commit` consumes the transaction,
//! and when the commit itself fails, as it does on a full disk, the reason stands nowhere but in
//! the transaction's `error`; a full store could not be told from any other abort.
//!
//! A slice's requests are all made in one go, and its first one reads the writer's record. Its
//! answer comes while the puts are on their way: the transaction is committed there and then when
//! epoch and last slice are as expected, and aborted otherwise. Only the `complete` event counts.
//! Values are copies: a view of wasm memory would clone all of it.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;

use js_sys::{Array, Function, Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{
    IdbDatabase, IdbFactory, IdbKeyRange, IdbObjectStore, IdbOpenDbRequest, IdbRequest,
    IdbTransaction,
};

use super::error::StoreError;
use super::keys::{bytes, js_key, sort_in, whole_number};
use super::layout::{Key, SCHEMA, Store};
use super::record::{Damage, seal};
use super::request::{Ended, answer, hear, listen, missing, refused, tell_once, teller};
use super::slice::{Slice, Write};
use super::stored::{Records, Writer};

/// The database of the page.
pub const DATABASE: &str = "quorarium";

/// Whether `complete` waits for the medium.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// Survives the death of tab and browser.
    #[default]
    Relaxed,
    /// Survives a power cut of the visitor's machine too.
    Strict,
}

impl Durability {
    fn name(self) -> &'static str {
        match self {
            Self::Relaxed => "relaxed",
            Self::Strict => "strict",
        }
    }
}

/// An open connection. It lets go by itself when another one wants to change the schema or to
/// delete the database; transactions fail from then on.
pub struct Database {
    connection: IdbDatabase,
    durability: Durability,
}

impl Database {
    /// Opens the database, and creates it when it is not there.
    pub async fn open(name: &str, durability: Durability) -> Result<Self, StoreError> {
        let request = factory()?.open_with_u32(name, u32::from(SCHEMA)).map_err(missing)?;
        let (tell, opened) = teller();
        let upgrade = Closure::<dyn FnMut()>::new({
            let request = request.clone();
            move || create_stores(&request)
        });
        let blocked = Closure::<dyn FnMut()>::new({
            let tell = tell.clone();
            move || tell_once(&tell, Err(StoreError::Blocked))
        });
        request.set_onupgradeneeded(Some(upgrade.as_ref().unchecked_ref()));
        request.set_onblocked(Some(blocked.as_ref().unchecked_ref()));
        let listeners = listen(&request, &tell);
        let outcome = hear(opened).await;
        drop((listeners, upgrade, blocked));
        request.set_onupgradeneeded(None);
        request.set_onblocked(None);
        let connection: IdbDatabase = match outcome {
            Ok(result) => result.unchecked_into(),
            Err(StoreError::Aborted { message }) => return Err(StoreError::Missing { message }),
            Err(other) => return Err(other),
        };
        let let_go = Closure::<dyn FnMut()>::new({
            let connection = connection.clone();
            move || connection.close()
        });
        connection.set_onversionchange(Some(let_go.into_js_value().unchecked_ref()));
        Ok(Self { connection, durability })
    }

    /// Becomes the writer: raises the epoch and reads everything, in one transaction.
    pub async fn claim(&self) -> Result<(Writer, Records), StoreError> {
        let transaction = self.transaction("readwrite", Durability::Strict)?;
        let ended = Ended::of(&transaction);
        let records = read_all(&transaction).await?;
        let last = match &records.writer {
            Some(record) => Writer::decode(record)?,
            None => Writer::default(),
        };
        let writer = Writer { epoch: last.epoch + 1, ..last };
        put(&store(&transaction, Store::Meta)?, Key::Writer, &seal(&writer.encode()))?;
        ended.wait().await?;
        Ok((writer, records))
    }

    /// Forgets everything, damaged or not, and becomes the writer of an empty store.
    pub async fn wipe(&self) -> Result<Writer, StoreError> {
        let transaction = self.transaction("readwrite", Durability::Strict)?;
        let ended = Ended::of(&transaction);
        let records = read_all(&transaction).await?;
        // A damaged writer's epoch is unknown: the clock is above any counter.
        let epoch = match records.writer.as_deref().map(Writer::decode) {
            Some(Ok(last)) => last.epoch,
            Some(Err(_)) => whole_number(js_sys::Date::now()).unwrap_or(0),
            None => 0,
        };
        let writer = Writer { epoch: epoch + 1, slice: 0 };
        for name in Store::ALL {
            store(&transaction, name)?.clear().map_err(refused)?;
        }
        put(&store(&transaction, Store::Meta)?, Key::Writer, &seal(&writer.encode()))?;
        ended.wait().await?;
        Ok(writer)
    }

    /// Everything, without becoming the writer.
    pub async fn read(&self) -> Result<Records, StoreError> {
        let transaction = self.transaction("readonly", self.durability)?;
        read_all(&transaction).await
    }

    /// Starts the transaction of a slice; all its requests are made before this returns. The
    /// future tells how it ended.
    pub fn begin(
        &self,
        epoch: u64,
        slice: &Slice,
    ) -> impl Future<Output = Result<(), StoreError>> + use<> {
        let begun = self.start(epoch, slice);
        async move {
            let (ended, check) = begun?;
            let outcome = ended.wait().await;
            match check.verdict.borrow_mut().take() {
                Some(refusal) => Err(refusal),
                None => outcome,
            }
        }
    }

    fn start(&self, epoch: u64, slice: &Slice) -> Result<(Ended, Check), StoreError> {
        let transaction = self.transaction("readwrite", self.durability)?;
        let ended = Ended::of(&transaction);
        let expected = Writer { epoch, slice: slice.number - 1 };
        let check = Check::of(&transaction, expected)?;
        let writer = Writer { slice: slice.number, ..expected };
        let made =
            slice.writes().iter().try_for_each(|write| make(&transaction, write)).and_then(|()| {
                put(&store(&transaction, Store::Meta)?, Key::Writer, &seal(&writer.encode()))
            });
        if let Err(error) = made {
            // Half a slice must not commit by itself.
            let _ = transaction.abort();
            return Err(error);
        }
        Ok((ended, check))
    }

    fn transaction(
        &self,
        mode: &str,
        durability: Durability,
    ) -> Result<IdbTransaction, StoreError> {
        let stores: Array = Store::ALL.iter().map(|store| JsValue::from(store.name())).collect();
        let options = Object::new();
        Reflect::set(&options, &"durability".into(), &durability.name().into()).map_err(refused)?;
        // web-sys has the third argument only among its unstable interfaces.
        Reflect::get(&self.connection, &"transaction".into())
            .and_then(JsCast::dyn_into::<Function>)
            .and_then(|method| method.call3(&self.connection, &stores, &mode.into(), &options))
            .map(JsCast::unchecked_into)
            .map_err(refused)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.connection.set_onversionchange(None);
        self.connection.close();
    }
}

/// Deletes a database and everything in it.
pub async fn delete(name: &str) -> Result<(), StoreError> {
    let request = factory()?.delete_database(name).map_err(missing)?;
    let (tell, deleted) = teller();
    let listeners = listen(&request, &tell);
    let outcome = hear(deleted).await;
    drop(listeners);
    outcome.map(|_| ())
}

fn factory() -> Result<IdbFactory, StoreError> {
    let factory = Reflect::get(&js_sys::global(), &"indexedDB".into()).map_err(missing)?;
    factory
        .dyn_into()
        .map_err(|_| StoreError::Missing { message: "this browser has no IndexedDB".to_string() })
}

fn create_stores(request: &IdbOpenDbRequest) {
    let Ok(connection) = request.result().map(JsCast::unchecked_into::<IdbDatabase>) else {
        return;
    };
    for store in Store::ALL {
        if !connection.object_store_names().contains(store.name()) {
            // When it fails, the upgrade aborts and the open request reports it.
            let _ = connection.create_object_store(store.name());
        }
    }
}

/// The first request of a slice's transaction: is the writer's record as expected?
struct Check {
    verdict: Rc<RefCell<Option<StoreError>>>,
    _answered: Closure<dyn FnMut()>,
}

impl Check {
    fn of(transaction: &IdbTransaction, expected: Writer) -> Result<Self, StoreError> {
        let meta = store(transaction, Store::Meta)?;
        let request = meta.get(&js_key(Key::Writer)).map_err(refused)?;
        let verdict = Rc::new(RefCell::new(None));
        let answered = Closure::<dyn FnMut()>::new({
            let (request, transaction) = (request.clone(), transaction.clone());
            let verdict = Rc::clone(&verdict);
            move || match judge(&request, expected) {
                Ok(()) => commit(&transaction),
                Err(refusal) => {
                    *verdict.borrow_mut() = Some(refusal);
                    let _ = transaction.abort();
                }
            }
        });
        request.set_onsuccess(Some(answered.as_ref().unchecked_ref()));
        Ok(Self { verdict, _answered: answered })
    }
}

fn judge(request: &IdbRequest, expected: Writer) -> Result<(), StoreError> {
    let record = request.result().map_err(refused)?;
    if record.is_undefined() {
        return Err(Damage::at(Key::Writer, "is missing").into());
    }
    let found = Writer::decode(&bytes(&record))?;
    if found.epoch != expected.epoch {
        Err(StoreError::Lost { ours: expected.epoch, theirs: found.epoch })
    } else if found.slice != expected.slice {
        Err(StoreError::OutOfOrder { expected: expected.slice, found: found.slice })
    } else {
        Ok(())
    }
}

#[expect(deprecated, reason = "web-sys marks it so because of its age; the standard does not")]
fn commit(transaction: &IdbTransaction) {
    // Without `commit` the transaction commits by itself a little later.
    let _ = transaction.commit();
}

async fn read_all(transaction: &IdbTransaction) -> Result<Records, StoreError> {
    let mut found = Vec::new();
    for name in Store::ALL {
        let store = store(transaction, name)?;
        let keys = answer(&store.get_all_keys().map_err(refused)?).await?;
        let values = answer(&store.get_all().map_err(refused)?).await?;
        found.push((Array::from(&keys), Array::from(&values)));
    }
    let mut records = Records::default();
    for (store, (keys, values)) in Store::ALL.iter().zip(found) {
        for (key, value) in keys.iter().zip(values.iter()) {
            sort_in(&mut records, *store, &Array::from(&key), bytes(&value));
        }
    }
    Ok(records)
}

fn make(transaction: &IdbTransaction, write: &Write) -> Result<(), StoreError> {
    match write {
        Write::Clear(name) => store(transaction, *name)?.clear().map(drop).map_err(refused),
        Write::ClearCheckpoint => {
            let from: Array = std::iter::once(JsValue::from("checkpoint")).collect();
            // An array sorts after every number.
            let to = Array::of2(&"checkpoint".into(), &Array::new());
            let range = IdbKeyRange::bound(&from, &to).map_err(refused)?;
            store(transaction, Store::Meta)?.delete(&range).map(drop).map_err(refused)
        }
        Write::Delete(key) => {
            store(transaction, key.store())?.delete(&js_key(*key)).map(drop).map_err(refused)
        }
        Write::Put(key, record) => put(&store(transaction, key.store())?, *key, record),
    }
}

fn put(store: &IdbObjectStore, key: Key, record: &[u8]) -> Result<(), StoreError> {
    store.put_with_key(&Uint8Array::from(record), &js_key(key)).map(drop).map_err(refused)
}

fn store(transaction: &IdbTransaction, store: Store) -> Result<IdbObjectStore, StoreError> {
    transaction.object_store(store.name()).map_err(refused)
}
