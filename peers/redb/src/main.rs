//! redb as a contender of `cargo xtask bench etcd`: a table of byte keys, its file in memory, each
//! batch one write transaction with its default durability.
//!
//! ```text
//! quorarium-peer-redb [--filter WORD] [--budget-ms N]
//! ```

#[path = "../../../crates/bench/src/shared/mod.rs"]
mod shared;

use redb::backends::InMemoryBackend;
use redb::{Database, TableDefinition};
use shared::batches::{self, Batches};
use shared::measure::{Effort, Measurement};

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("key");

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let at = words.iter().position(|word| word == name)?;
        words.get(at + 1).cloned()
    };
    let filter = value("--filter").unwrap_or_default();
    let budget_ms = value("--budget-ms").map_or(60.0, |ms| ms.parse().expect("milliseconds"));
    let effort = Effort { budget_ms, blocks: None };
    batches::run::<Redb>(&filter, effort, &mut |found: &Measurement| println!("{}", found.line()));
}

struct Redb(Database);

impl Batches for Redb {
    fn new() -> Self {
        let made = Database::builder().create_with_backend(InMemoryBackend::new());
        Self(made.expect("a database in memory"))
    }

    fn commit(&mut self, batch: &[(Vec<u8>, Vec<u8>)]) {
        let txn = self.0.begin_write().expect("a transaction");
        {
            let mut table = txn.open_table(TABLE).expect("a table");
            for (key, value) in batch {
                table.insert(&key[..], &value[..]).expect("memory");
            }
        }
        txn.commit().expect("memory");
    }
}
