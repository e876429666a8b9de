//! Reading a range of keys at a revision.

use bytes::Bytes;

use super::{Backend, MvccError, Store};
use crate::proto::mvccpb::KeyValue;

/// Which keys a request means, by etcd's convention for `key` and `range_end`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyRange {
    /// `range_end` empty: this key alone.
    One(Bytes),
    /// `range_end` is `"\0"`: this key and all above.
    From(Bytes),
    /// From the first up to but without the second.
    Until(Bytes, Bytes),
}

impl KeyRange {
    /// Reads the pair of a request.
    pub fn new(key: &Bytes, range_end: &Bytes) -> Self {
        match &range_end[..] {
            b"" => Self::One(key.clone()),
            b"\0" => Self::From(key.clone()),
            _ => Self::Until(key.clone(), range_end.clone()),
        }
    }

    /// All keys.
    pub fn all() -> Self {
        Self::From(Bytes::new())
    }

    /// Whether a key is in it.
    pub fn contains(&self, key: &[u8]) -> bool {
        match self {
            Self::One(one) => key == one,
            Self::From(from) => key >= &from[..],
            Self::Until(from, to) => key >= &from[..] && key < &to[..],
        }
    }
}

/// How to read a range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RangeOptions {
    /// The revision to read at; 0 or less means the current one.
    pub revision: i64,
    /// At most so many keys; 0 means all. The count is of all.
    pub limit: usize,
    /// Only count.
    pub count_only: bool,
}

/// What a range holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RangeResult {
    /// In key order.
    pub kvs: Vec<KeyValue>,
    /// Keys in the range, beyond the limit too.
    pub count: usize,
    /// The current revision of the store.
    pub revision: i64,
}

impl<B: Backend> Store<B> {
    /// Reads a range at the current or an older revision.
    pub fn range(&self, range: &KeyRange, options: RangeOptions) -> Result<RangeResult, MvccError> {
        self.range_as_of(self.revision(), range, options)
    }

    fn read_one(&self, key: &Bytes, at: i64, limit: usize) -> (Vec<KeyValue>, usize) {
        let Some(found) = self.index().get(key, at) else { return (Vec::new(), 0) };
        let kvs = if limit > 0 { vec![self.stored(key, found.modified)] } else { Vec::new() };
        (kvs, 1)
    }

    fn read_range(&self, range: &KeyRange, at: i64, limit: usize) -> (Vec<KeyValue>, usize) {
        let (mut shown, mut count) = (Vec::new(), 0);
        for (_, found) in self.index().range(range, at) {
            if shown.len() < limit {
                shown.push(found.modified);
            }
            count += 1;
        }
        (self.stored_all(&shown), count)
    }

    /// Reads a range when `current` is the newest revision that the reader may see.
    pub(super) fn range_as_of(
        &self,
        current: i64,
        range: &KeyRange,
        options: RangeOptions,
    ) -> Result<RangeResult, MvccError> {
        let at = match options.revision {
            future if future > current => return Err(MvccError::FutureRevision),
            past if past > 0 => past,
            _ => current,
        };
        if at < self.compact_revision() {
            return Err(MvccError::Compacted);
        }
        let limit = match options.limit {
            _ if options.count_only => 0,
            0 => usize::MAX,
            limit => limit,
        };
        let (kvs, count) = match range {
            KeyRange::One(key) => self.read_one(key, at, limit),
            KeyRange::From(_) | KeyRange::Until(..) => self.read_range(range, at, limit),
        };
        Ok(RangeResult { kvs, count, revision: current })
    }
}
