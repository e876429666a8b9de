//! Requests and replies as operations on numbered keys and values, for the search of an order.
//!
//! A compare of revisions becomes one of values, since each revision of a key has one value that
//! some reply told of; one that nobody told of says nothing. A key on a lease may be deleted when
//! that one ends: an operation of unknown outcome that sees exactly the value put with the lease.

use ordered::{Map, Set};

use bytes::Bytes;
use etcd::request::{
    Compare, CompareResult, CompareTarget, KeyValue, Operation, OperationReply, Put, Reply,
    Request, Txn, TxnReply,
};

use super::answers;
use super::linearizability::{Branch, Key, Sees, Value};

/// Numbers for keys and values.
#[derive(Default)]
pub(super) struct Names {
    keys: Map<Bytes, Key>,
    values: Map<Bytes, Value>,
    /// The value of a key's revision.
    revisions: Map<(Key, i64), Value>,
}

impl Names {
    pub(super) fn key(&mut self, key: &Bytes) -> Key {
        let next = Key::try_from(self.keys.len()).expect("fewer keys than operations");
        *self.keys.get_or_insert_with(key.clone(), || next)
    }

    pub(super) fn value(&mut self, value: &Bytes) -> Value {
        let next = Value::try_from(self.values.len() + 1).expect("fewer values than operations");
        *self.values.get_or_insert_with(value.clone(), || next)
    }

    /// Gives numbers to all that an operation names or shows.
    pub(super) fn learn(&mut self, request: Option<&Request>, reply: Option<&Reply>) {
        match request {
            Some(Request::Put(put)) => {
                self.put_at(put, reply.map(|reply| reply.header().revision));
            }
            Some(Request::Range(range)) if range.range_end.is_empty() => _ = self.key(&range.key),
            Some(Request::DeleteRange(delete)) if delete.range_end.is_empty() => {
                self.key(&delete.key);
            }
            Some(Request::Txn(txn)) => self.learn_txn(txn, reply),
            _ => {}
        }
        match reply {
            Some(Reply::Range(reply)) => self.learn_kvs(&reply.kvs),
            Some(Reply::Txn(reply)) => self.learn_responses(reply),
            _ => {}
        }
    }

    fn put_at(&mut self, put: &Put, revision: Option<i64>) {
        let (key, value) = (self.key(&put.key), self.value(&put.value));
        if let Some(revision) = revision {
            self.revisions.insert((key, revision), value);
        }
    }

    fn learn_kvs(&mut self, kvs: &[KeyValue]) {
        for kv in kvs {
            let (key, value) = (self.key(&kv.key), self.value(&kv.value));
            self.revisions.insert((key, kv.mod_revision), value);
        }
    }

    fn learn_responses(&mut self, reply: &TxnReply) {
        for response in &reply.responses {
            match response {
                OperationReply::Range(reply) => self.learn_kvs(&reply.kvs),
                OperationReply::Txn(reply) => self.learn_responses(reply),
                _ => {}
            }
        }
    }

    fn learn_txn(&mut self, txn: &Txn, reply: Option<&Reply>) {
        for compare in &txn.compares {
            self.key(&compare.key);
        }
        let done = match reply {
            Some(Reply::Txn(reply)) => Some((reply.succeeded, reply.header.revision)),
            _ => None,
        };
        for (list, on_success) in [(&txn.success, true), (&txn.failure, false)] {
            let revision = done.filter(|(succeeded, _)| *succeeded == on_success);
            for operation in list {
                match operation {
                    Operation::Put(put) => self.put_at(put, revision.map(|(_, revision)| revision)),
                    Operation::Range(range) => _ = self.key(&range.key),
                    Operation::DeleteRange(delete) => _ = self.key(&delete.key),
                    Operation::Txn(inner) => self.learn_txn(inner, None),
                }
            }
        }
    }

    /// The ways in which an operation can have gone; `None` for what the search leaves out.
    pub(super) fn branches(
        &mut self,
        request: &Request,
        reply: Option<&Reply>,
    ) -> Option<Vec<Branch>> {
        let sees = answers::told(self, request, reply);
        match (request, reply) {
            (Request::Put(put), _) => {
                let writes = vec![(self.key(&put.key), self.value(&put.value))];
                Some(vec![Branch { sees, writes }])
            }
            (Request::DeleteRange(delete), _) => {
                let keys = self.in_range(&delete.key, &delete.range_end);
                let writes = keys.into_iter().map(|key| (key, 0)).collect();
                Some(vec![Branch { sees, writes }])
            }
            (Request::Range(_), Some(Reply::Range(_))) => {
                Some(vec![Branch { sees, writes: Vec::new() }])
            }
            (Request::Txn(txn), reply) => {
                let succeeded = match reply {
                    Some(Reply::Txn(reply)) => Some(reply.succeeded),
                    _ => None,
                };
                let mut branches = Vec::new();
                if succeeded != Some(false) {
                    branches.push(self.success(txn));
                }
                if succeeded != Some(true) {
                    branches.extend(self.failures(txn));
                }
                for branch in &mut branches {
                    branch.sees.extend(&sees);
                }
                Some(branches)
            }
            _ => None,
        }
    }

    /// Deletions that may follow when the leases of an operation's puts end.
    pub(super) fn expiries(&mut self, request: &Request) -> Vec<Branch> {
        let mut puts = Vec::new();
        match request {
            Request::Put(put) => puts.push(put),
            Request::Txn(txn) => collect_puts(txn, &mut puts),
            _ => {}
        }
        let leased = puts.into_iter().filter(|put| put.lease != 0 || put.ignore_lease);
        leased
            .map(|put| {
                let (key, value) = (self.key(&put.key), self.value(&put.value));
                Branch { sees: vec![(key, Sees::Is(value))], writes: vec![(key, 0)] }
            })
            .collect()
    }

    pub(super) fn in_range(&self, key: &Bytes, end: &Bytes) -> Vec<Key> {
        let is_in = |found: &Bytes| match &end[..] {
            b"" => found == key,
            b"\0" => found >= key,
            end => found >= key && found[..] < *end,
        };
        self.keys.iter().filter(|(found, _)| is_in(found)).map(|(_, number)| *number).collect()
    }

    fn success(&mut self, txn: &Txn) -> Branch {
        let known = txn.compares.iter().filter_map(|compare| self.compared(compare));
        let sees: Vec<(Key, Sees)> = known.collect();
        Branch { sees, writes: self.writes(&txn.success) }
    }

    /// One of the compares did not hold; if nothing is known of one of them, nothing is seen.
    fn failures(&mut self, txn: &Txn) -> Vec<Branch> {
        let writes = self.writes(&txn.failure);
        let known: Set<Option<(u32, Value, bool)>> = txn
            .compares
            .iter()
            .map(|compare| {
                self.compared(compare).map(|(key, sees)| match sees {
                    Sees::Is(value) => (key, value, true),
                    Sees::Not(value) => (key, value, false),
                })
            })
            .collect();
        let branch = |sees| Branch { sees, writes: writes.clone() };
        if known.contains(&None) {
            return vec![branch(Vec::new())];
        }
        let opposite = |(key, value, is): (u32, Value, bool)| {
            (key, if is { Sees::Not(value) } else { Sees::Is(value) })
        };
        known.into_iter().flatten().map(|one| branch(vec![opposite(one)])).collect()
    }

    /// What a compare that holds says of its key, as far as values can say it.
    fn compared(&self, compare: &Compare) -> Option<(Key, Sees)> {
        let key = *self.keys.get(&compare.key).filter(|_| compare.range_end.is_empty())?;
        let value = match &compare.target {
            CompareTarget::Mod(0) | CompareTarget::Create(0) | CompareTarget::Version(0) => 0,
            CompareTarget::Mod(revision) => *self.revisions.get(&(key, *revision))?,
            CompareTarget::Value(value) if compare.result == CompareResult::Equal => {
                *self.values.get(value)?
            }
            _ => return None,
        };
        match compare.result {
            CompareResult::Equal => Some((key, Sees::Is(value))),
            CompareResult::NotEqual => Some((key, Sees::Not(value))),
            CompareResult::Greater if value == 0 => Some((key, Sees::Not(0))),
            CompareResult::Greater | CompareResult::Less => None,
        }
    }

    fn writes(&mut self, operations: &[Operation]) -> Vec<(Key, Value)> {
        let mut writes = Vec::new();
        for operation in operations {
            match operation {
                Operation::Put(put) => {
                    writes.push((self.key(&put.key), self.value(&put.value)));
                }
                Operation::DeleteRange(delete) => {
                    let keys = self.in_range(&delete.key, &delete.range_end);
                    writes.extend(keys.into_iter().map(|key| (key, 0)));
                }
                Operation::Range(_) | Operation::Txn(_) => {}
            }
        }
        writes
    }
}

fn collect_puts<'a>(txn: &'a Txn, puts: &mut Vec<&'a Put>) {
    for operation in txn.success.iter().chain(&txn.failure) {
        match operation {
            Operation::Put(put) => puts.push(put),
            Operation::Txn(inner) => collect_puts(inner, puts),
            _ => {}
        }
    }
}
