//! `KV.Txn`: compares choose one of two lists of operations, which then are one revision.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    DeleteRange, DeleteRangeReply, Put, PutReply, Range, RangeReply, RequestError, ResponseHeader,
};

/// Operations that one list may have, `--max-txn-ops`. Nested transactions share what is left.
pub const TXN_OPS_MAX: usize = 128;

/// If all compares hold, `success`, else `failure`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Txn {
    /// What must hold.
    pub compares: Vec<Compare>,
    /// What is done then.
    pub success: Vec<Operation>,
    /// What is done otherwise.
    pub failure: Vec<Operation>,
}

/// One operation of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// A range.
    Range(Range),
    /// A put.
    Put(Put),
    /// A deletion.
    DeleteRange(DeleteRange),
    /// A transaction inside; its compares look at the state before the outermost one.
    Txn(Txn),
}

/// A condition on every key of a range.
///
/// For a range without keys it is made with a key that was never written: version, revisions and
/// lease 0; a compare of values fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compare {
    /// The first key; not empty.
    pub key: Bytes,
    /// As in [`Range`].
    pub range_end: Bytes,
    /// How the key's side relates to the target's.
    pub result: CompareResult,
    /// What is compared, and with what.
    pub target: CompareTarget,
}

impl Compare {
    /// `key`'s side `result` `target`, for one key.
    pub fn one(key: impl Into<Bytes>, result: CompareResult, target: CompareTarget) -> Self {
        Self { key: key.into(), range_end: Bytes::new(), result, target }
    }
}

/// How two sides relate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CompareResult {
    /// `=`.
    #[default]
    Equal,
    /// `>`.
    Greater,
    /// `<`.
    Less,
    /// `!=`.
    NotEqual,
}

/// What of a key is compared with this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CompareTarget {
    /// The version; 0 for a key that is not there.
    Version(i64),
    /// The revision that created it.
    Create(i64),
    /// The revision of its last change.
    Mod(i64),
    /// The value.
    Value(Bytes),
    /// The lease.
    Lease(i64),
}

/// What a transaction did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxnReply {
    /// Who answers. Inside another reply all zero, as etcd leaves it.
    pub header: ResponseHeader,
    /// Whether the compares held.
    pub succeeded: bool,
    /// One for each operation of the list that was chosen. Their headers have the revision alone.
    pub responses: Vec<OperationReply>,
}

/// What an operation did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OperationReply {
    /// To a range.
    Range(RangeReply),
    /// To a put.
    Put(PutReply),
    /// To a deletion.
    DeleteRange(DeleteRangeReply),
    /// To a transaction.
    Txn(TxnReply),
}

impl Txn {
    /// Whether no operation writes: then no entry is proposed. A nested transaction counts as a
    /// write, as in etcd 3.4.
    pub fn is_read_only(&self) -> bool {
        self.operations().all(|operation| matches!(operation, Operation::Range(_)))
    }

    /// Whether every range may be answered from a server's own state. True without operations.
    pub fn is_serializable(&self) -> bool {
        self.operations().all(|operation| match operation {
            Operation::Range(range) => range.serializable,
            Operation::Put(_) | Operation::DeleteRange(_) | Operation::Txn(_) => true,
        })
    }

    fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.success.iter().chain(&self.failure)
    }

    /// The checks that etcd's gRPC layer makes (`v3rpc/key.go`): keys are given, lists are short
    /// enough, no key is put twice, nor put and deleted, on one way through.
    pub(super) fn check(&self) -> Result<(), RequestError> {
        self.check_operations(TXN_OPS_MAX)?;
        let _success = Touched::of(&self.success)?;
        let _failure = Touched::of(&self.failure)?;
        Ok(())
    }

    fn check_operations(&self, most: usize) -> Result<(), RequestError> {
        let longest = self.compares.len().max(self.success.len()).max(self.failure.len());
        let left = most.checked_sub(longest).ok_or(RequestError::TooManyOperations)?;
        if self.compares.iter().any(|compare| compare.key.is_empty()) {
            return Err(RequestError::EmptyKey);
        }
        self.operations().try_for_each(|operation| match operation {
            Operation::Range(range) => range.check(),
            Operation::Put(put) => put.check(),
            Operation::DeleteRange(delete) => delete.check(),
            Operation::Txn(txn) => txn.check_operations(left),
        })
    }
}

/// What a list of operations may put and delete, whichever way nested transactions go.
#[derive(Default)]
struct Touched {
    puts: ordered::Set<Bytes>,
    /// Keys and range ends.
    deletes: Vec<(Bytes, Bytes)>,
}

impl Touched {
    fn of(operations: &[Operation]) -> Result<Self, RequestError> {
        let mut touched = Self::default();
        for operation in operations {
            if let Operation::DeleteRange(DeleteRange { key, range_end, .. }) = operation {
                touched.deletes.push((key.clone(), range_end.clone()));
            }
        }
        for operation in operations {
            if let Operation::Txn(txn) = operation {
                touched.add_txn(txn)?;
            }
        }
        for operation in operations {
            if let Operation::Put(put) = operation {
                touched.put(&put.key)?;
            }
        }
        Ok(touched)
    }

    /// The two lists exclude each other, so both may put the same key.
    fn add_txn(&mut self, txn: &Txn) -> Result<(), RequestError> {
        let (success, failure) = (Self::of(&txn.success)?, Self::of(&txn.failure)?);
        let only_in_failure = failure.puts.difference(&success.puts);
        for key in success.puts.iter().chain(only_in_failure) {
            self.put(key)?;
        }
        self.deletes.extend(success.deletes);
        self.deletes.extend(failure.deletes);
        Ok(())
    }

    fn put(&mut self, key: &Bytes) -> Result<(), RequestError> {
        let is_deleted = self.deletes.iter().any(|(from, end)| covers(from, end, key));
        if is_deleted || !self.puts.insert(key.clone()) {
            return Err(RequestError::DuplicateKey);
        }
        Ok(())
    }
}

/// Whether a deletion reaches a key. One of all keys from `from` on (`"\0"`) reaches none here:
/// etcd's check takes its end for a key like any other.
fn covers(from: &Bytes, end: &Bytes, key: &Bytes) -> bool {
    if end.is_empty() { key == from } else { key >= from && key < end }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &str) -> Operation {
        Operation::Put(Put { key: key.to_owned().into(), ..Put::default() })
    }

    fn delete(key: &str, range_end: &str) -> Operation {
        let (key, range_end) = (key.to_owned().into(), range_end.to_owned().into());
        Operation::DeleteRange(DeleteRange { key, range_end, prev_kv: false })
    }

    fn nested(success: Vec<Operation>, failure: Vec<Operation>) -> Operation {
        Operation::Txn(Txn { compares: Vec::new(), success, failure })
    }

    fn check(success: Vec<Operation>) -> Result<(), RequestError> {
        Txn { success, ..Txn::default() }.check()
    }

    #[test]
    fn a_key_is_written_once_on_each_way_through() {
        assert_eq!(check(vec![put("a"), put("b")]), Ok(()), "different keys");
        assert_eq!(check(vec![put("a"), put("a")]), Err(RequestError::DuplicateKey), "twice");
        let overlap = check(vec![put("b"), delete("a", "c")]);
        assert_eq!(overlap, Err(RequestError::DuplicateKey), "put and deleted");
        assert_eq!(check(vec![put("c"), delete("a", "c")]), Ok(()), "the end is not deleted");
        let from_key = check(vec![put("b"), delete("a", "\0")]);
        assert_eq!(from_key, Ok(()), "etcd does not see this overlap");
        let both_ways = vec![nested(vec![put("a")], vec![put("a")])];
        assert_eq!(check(both_ways.clone()), Ok(()), "only one of both is taken");
        let with_outer = [both_ways, vec![put("a")]].concat();
        assert_eq!(check(with_outer), Err(RequestError::DuplicateKey), "inside and outside");
        let inner_delete = check(vec![nested(vec![delete("a", "")], vec![]), put("a")]);
        assert_eq!(inner_delete, Err(RequestError::DuplicateKey), "deleted inside, put outside");
    }

    #[test]
    fn lists_have_a_limit_that_nested_transactions_share() {
        let many = |count: usize| (0..count).map(|n| put(&n.to_string())).collect::<Vec<_>>();
        assert_eq!(check(many(128)), Ok(()), "as many as allowed");
        assert_eq!(check(many(129)), Err(RequestError::TooManyOperations), "one more");
        assert_eq!(check(vec![nested(many(127), vec![])]), Ok(()), "one outside, the rest inside");
        let deep = check(vec![nested(many(128), vec![])]);
        assert_eq!(deep, Err(RequestError::TooManyOperations), "shared");
    }

    #[test]
    fn only_ranges_make_a_transaction_a_read() {
        let range = |serializable| Operation::Range(Range { serializable, ..Range::default() });
        let txn = |success| Txn { success, ..Txn::default() };
        assert!(txn(vec![range(false)]).is_read_only(), "a range");
        assert!(!txn(vec![range(false)]).is_serializable(), "which wants a quorum");
        assert!(txn(vec![range(true)]).is_serializable(), "which does not");
        assert!(!txn(vec![range(true), put("a")]).is_read_only(), "a put");
        assert!(!txn(vec![nested(vec![], vec![])]).is_read_only(), "a nested one, as in 3.4");
    }
}
