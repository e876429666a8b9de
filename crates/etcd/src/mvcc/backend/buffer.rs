//! The changes of the open batch, ordered, in front of what is committed.
//!
//! etcd keeps them twice, in nodes of the open bbolt transaction and in a buffer for readers; here
//! they are kept once, and become a transaction when the batch is closed. Source: etcd
//! release-3.4, `mvcc/backend/tx_buffer.go`.

use std::ops::ControlFlow;

use bytes::Bytes;
use ordered::SharedMap;

use super::Visit;
use crate::bolt::{Cursor, Item, Problem};

/// Changes of one bucket: a value, or `None` for a key that was removed. Cloning costs nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Buffer {
    changes: SharedMap<Bytes, Option<Bytes>>,
}

impl Buffer {
    pub(super) fn put(&mut self, key: &[u8], value: Bytes) {
        self.changes.insert(Bytes::copy_from_slice(key), Some(value));
    }

    pub(super) fn delete(&mut self, key: &[u8]) {
        self.changes.insert(Bytes::copy_from_slice(key), None);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// All changes in the order of their keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Bytes, &Option<Bytes>)> {
        self.changes.iter()
    }

    /// What the batch makes of a key: `None` if it does not touch it.
    pub(super) fn get(&self, key: &[u8]) -> Option<&Option<Bytes>> {
        self.changes.get(key)
    }

    /// Visits a range of what is committed with the changes laid over it.
    pub(super) fn scan(
        &self,
        mut committed: Option<&mut Cursor<'_>>,
        from: &[u8],
        to: Option<&[u8]>,
        visit: &mut Visit<'_>,
    ) -> Result<(), Problem> {
        let is_over = |key: &[u8]| to.is_some_and(|to| key >= to);
        let first = if self.is_empty() { None } else { Some(Bytes::copy_from_slice(from)) };
        let changes = first.map(|first| self.changes.range(first..));
        let mut changes = changes.into_iter().flatten().peekable();
        let mut item = match &mut committed {
            Some(cursor) => cursor.seek(from)?,
            None => None,
        };
        let mut next = || committed.as_mut().map(|cursor| cursor.next()).transpose();
        loop {
            let is_changed = match (&item, changes.peek()) {
                (None, None) => return Ok(()),
                (Some(_), None) => false,
                (None, Some(_)) => true,
                (Some(item), Some((key, _))) => **key <= item.key,
            };
            let visited = if is_changed {
                let (key, value) = changes.next().expect("it was peeked at");
                let replaces = item.as_ref().is_some_and(|item| item.key == *key);
                if is_over(key) {
                    return Ok(());
                }
                if replaces {
                    item = next()?.flatten();
                }
                value.as_ref().map_or(ControlFlow::Continue(()), |value| visit(key, value))
            } else {
                let Some(Item { key, value, .. }) = item else { return Ok(()) };
                if is_over(&key) {
                    return Ok(());
                }
                let visited = visit(&key, &value);
                item = if visited.is_continue() { next()?.flatten() } else { None };
                visited
            };
            if visited.is_break() {
                return Ok(());
            }
        }
    }
}
