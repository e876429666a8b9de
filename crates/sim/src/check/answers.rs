//! What an answer tells of keys: what was there before its operation, for the search of an order.
//!
//! Reads tell it, also those within a transaction, and the previous values of puts and deletions.
//! A transaction sees its own writes: of a key that it wrote before, nothing more is told.

use bytes::Bytes;
use etcd::request::{
    DeleteRange, DeleteRangeReply, KeyValue, Operation, OperationReply, Range, Reply, Request, Txn,
};
use ordered::Map;

use super::linearizability::{Key, Sees};
use super::names::Names;

/// What the answer tells; nothing without one.
pub(super) fn told(
    names: &mut Names,
    request: &Request,
    reply: Option<&Reply>,
) -> Vec<(Key, Sees)> {
    let mut answer = Answer { names, sees: Map::new(), written: Vec::new() };
    match (request, reply) {
        (Request::Put(put), Some(Reply::Put(reply))) if put.prev_kv => {
            answer.range(&put.key, &Bytes::new(), reply.prev_kv.as_slice());
        }
        (Request::DeleteRange(delete), Some(Reply::DeleteRange(reply))) => {
            answer.deletion(delete, reply);
        }
        (Request::Range(range), Some(Reply::Range(reply))) => answer.read(range, &reply.kvs),
        (Request::Txn(txn), Some(Reply::Txn(reply))) => {
            answer.txn(txn, reply.succeeded, &reply.responses);
        }
        _ => {}
    }
    answer.sees.into_iter().collect()
}

/// Whether a read tells all its keys with their values, as they are now.
pub(super) fn is_whole(range: &Range) -> bool {
    let whole = Range {
        key: range.key.clone(),
        range_end: range.range_end.clone(),
        sort_order: range.sort_order,
        sort_target: range.sort_target,
        ..Range::default()
    };
    *range == whole
}

struct Answer<'a> {
    names: &'a mut Names,
    sees: Map<Key, Sees>,
    /// Keys that the operation itself has written.
    written: Vec<Key>,
}

impl Answer<'_> {
    /// These are all the keys of a range that were there.
    fn range(&mut self, key: &Bytes, range_end: &Bytes, kvs: &[KeyValue]) {
        for kv in kvs {
            let (key, value) = (self.names.key(&kv.key), self.names.value(&kv.value));
            self.see(key, Sees::Is(value));
        }
        for key in self.names.in_range(key, range_end) {
            self.see(key, Sees::Is(0));
        }
    }

    /// The first that is said of a key counts.
    fn see(&mut self, key: Key, sees: Sees) {
        if !self.written.contains(&key) {
            self.sees.get_or_insert_with(key, || sees);
        }
    }

    fn read(&mut self, range: &Range, kvs: &[KeyValue]) {
        if is_whole(range) {
            self.range(&range.key, &range.range_end, kvs);
        }
    }

    /// What was there, as far as the answer tells; of a single key, at least whether it was.
    fn deletion(&mut self, delete: &DeleteRange, reply: &DeleteRangeReply) {
        let DeleteRange { key, range_end, prev_kv } = delete;
        if *prev_kv || reply.deleted == 0 {
            self.range(key, range_end, &reply.prev_kvs);
        } else if let [key] = self.names.in_range(key, range_end)[..] {
            self.see(key, Sees::Not(0));
        }
        self.written.extend(self.names.in_range(key, range_end));
    }

    fn txn(&mut self, txn: &Txn, succeeded: bool, replies: &[OperationReply]) {
        let operations = if succeeded { &txn.success } else { &txn.failure };
        for (operation, reply) in operations.iter().zip(replies) {
            match (operation, reply) {
                (Operation::Range(range), OperationReply::Range(reply)) => {
                    self.read(range, &reply.kvs);
                }
                (Operation::Put(put), OperationReply::Put(reply)) => {
                    if put.prev_kv {
                        self.range(&put.key, &Bytes::new(), reply.prev_kv.as_slice());
                    }
                    let key = self.names.key(&put.key);
                    self.written.push(key);
                }
                (Operation::DeleteRange(delete), OperationReply::DeleteRange(reply)) => {
                    self.deletion(delete, reply);
                }
                // What a transaction within does is not followed, nor what comes after it.
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use etcd::request::{DeleteRangeReply, Put, PutReply, RangeReply, ResponseHeader, TxnReply};

    use super::*;

    fn kv(key: &'static str, value: &'static str) -> KeyValue {
        KeyValue { key: key.into(), value: value.into(), ..KeyValue::default() }
    }

    /// What is told, by the names of keys and values; an absent key has no value.
    fn tells(request: &Request, reply: &Reply) -> Vec<(&'static str, Option<&'static str>)> {
        let (keys, values) = (["a", "b"], ["1", "2"]);
        let mut names = Names::default();
        let keys = keys.map(|key| (names.key(&key.into()), key));
        let values = values.map(|value| (names.value(&value.into()), value));
        let all = told(&mut names, request, Some(reply));
        let words = |(key, sees): &(Key, Sees)| {
            let Sees::Is(value) = sees else { panic!("it tells no more than {sees:?} of {key}") };
            let key = keys.iter().find(|(number, _)| number == key).expect("a known key").1;
            (key, values.iter().find(|(number, _)| number == value).map(|(_, value)| *value))
        };
        all.iter().map(words).collect()
    }

    #[test]
    fn previous_values_tell_what_was_there_and_what_was_not() {
        let put = Put { key: "a".into(), value: "2".into(), prev_kv: true, ..Put::default() };
        let put = Request::Put(put);
        let answer = |prev_kv| Reply::Put(PutReply { header: ResponseHeader::default(), prev_kv });
        assert_eq!(tells(&put, &answer(Some(kv("a", "1")))), [("a", Some("1"))]);
        assert_eq!(tells(&put, &answer(None)), [("a", None)]);
        let delete = DeleteRange { key: "a".into(), range_end: "c".into(), prev_kv: true };
        let header = ResponseHeader::default();
        let reply = DeleteRangeReply { header, deleted: 1, prev_kvs: vec![kv("b", "1")] };
        let told = tells(&Request::DeleteRange(delete), &Reply::DeleteRange(reply));
        assert_eq!(told, [("a", None), ("b", Some("1"))]);
    }

    #[test]
    fn a_transaction_tells_what_it_read_before_it_wrote_there() {
        let read =
            |key: &'static str| Operation::Range(Range { key: key.into(), ..Range::default() });
        let put = Put { key: "a".into(), value: "2".into(), ..Put::default() };
        let success = vec![read("b"), Operation::Put(put), read("a")];
        let txn = Request::Txn(Txn { success, ..Txn::default() });
        let range = |kv| OperationReply::Range(RangeReply { kvs: vec![kv], ..Default::default() });
        let header = ResponseHeader::default();
        let put = OperationReply::Put(PutReply { header, prev_kv: None });
        let responses = vec![range(kv("b", "1")), put, range(kv("a", "2"))];
        let reply = Reply::Txn(TxnReply { header, succeeded: true, responses });
        assert_eq!(tells(&txn, &reply), [("b", Some("1"))], "of a it tells its own write");
    }
}
