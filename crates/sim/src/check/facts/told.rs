//! What the answer to a write tells of keys: what was there before, and what a transaction read.

use etcd::proto::rpc::RangeRequest;
use etcd::request::{KeyValue, OperationReply, Reply};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A digest over all key-values that an answer tells, in their order; nothing once something was
/// asked for that is not compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::check) struct Told(Option<u64>);

impl Told {
    /// Nothing is told.
    pub(super) fn nothing() -> Told {
        Told(Some(0))
    }

    /// The answer's own.
    pub(in crate::check) fn of(reply: &Reply) -> Told {
        let mut told = Told::nothing();
        match reply {
            Reply::Put(reply) => told.see_all(&reply.prev_kv),
            Reply::DeleteRange(reply) => told.see_all(&reply.prev_kvs),
            Reply::Txn(reply) => told.see_responses(&reply.responses),
            _ => {}
        }
        told
    }

    pub(super) fn see(&mut self, kv: &KeyValue) {
        let KeyValue { key, create_revision, mod_revision, version, value, lease } = kv;
        let numbers = [*create_revision, *mod_revision, *version, *lease];
        let seen = |digest| {
            let digest = numbers
                .iter()
                .fold(digest, |digest, number| xxh3_64_with_seed(&number.to_le_bytes(), digest));
            xxh3_64_with_seed(value, xxh3_64_with_seed(key, digest))
        };
        self.0 = self.0.map(seen);
    }

    pub(super) fn see_all<'a>(&mut self, kvs: impl IntoIterator<Item = &'a KeyValue>) {
        kvs.into_iter().for_each(|kv| self.see(kv));
    }

    /// The answer tells something that is not compared.
    pub(super) fn give_up(&mut self) {
        self.0 = None;
    }

    /// Whether an answer tells what it should.
    pub(in crate::check) fn fits(self, expected: Told) -> bool {
        expected.0.is_none() || self == expected
    }

    fn see_responses(&mut self, responses: &[OperationReply]) {
        for response in responses {
            match response {
                OperationReply::Range(reply) => self.see_all(&reply.kvs),
                OperationReply::Put(reply) => self.see_all(&reply.prev_kv),
                OperationReply::DeleteRange(reply) => self.see_all(&reply.prev_kvs),
                OperationReply::Txn(reply) => self.see_responses(&reply.responses),
            }
        }
    }
}

/// Whether a range gives all its keys as they are now, in their order.
pub(super) fn is_plain(range: &RangeRequest) -> bool {
    let plain = RangeRequest {
        key: range.key.clone(),
        range_end: range.range_end.clone(),
        serializable: range.serializable,
        ..RangeRequest::default()
    };
    *range == plain
}
