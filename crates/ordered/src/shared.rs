//! Sorted blocks behind `Arc`s: a clone is one handle, and a change copies the block that it meets
//! and the row of handles, each only when somebody else holds it too.

use std::borrow::Borrow;
use std::fmt;
use std::iter::FusedIterator;
use std::ops::RangeBounds;
use std::sync::Arc;

use crate::places;

/// Most pairs of a block.
const BLOCK: usize = 64;

type Block<K, V> = Arc<Vec<(K, V)>>;

/// An ordered map for many pairs, cheap to clone.
///
/// Invariants: no block is empty or holds more than `BLOCK` pairs; keys rise strictly, within a
/// block and from block to block; `len` counts them.
#[derive(Clone)]
pub struct SharedMap<K, V> {
    blocks: Arc<Vec<Block<K, V>>>,
    len: usize,
}

impl<K, V> SharedMap<K, V> {
    /// Nothing.
    pub fn new() -> Self {
        Self { blocks: Arc::new(Vec::new()), len: 0 }
    }

    /// How many pairs.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All pairs.
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter { blocks: &self.blocks, front: (0, 0), back: (self.blocks.len(), 0) }
    }

    /// All keys.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// All values.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// The pair of the smallest key.
    pub fn first_key_value(&self) -> Option<(&K, &V)> {
        self.iter().next()
    }

    /// The pair of the largest key.
    pub fn last_key_value(&self) -> Option<(&K, &V)> {
        self.iter().next_back()
    }
}

impl<K: Ord, V> SharedMap<K, V> {
    /// The block in which a key is or would be; 0 when there is no block.
    fn block_of<Q: Ord + ?Sized>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
    {
        self.blocks.partition_point(|block| block[0].0.borrow() <= key).saturating_sub(1)
    }

    /// Block and row of a key, or where it would stand.
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<(usize, usize), (usize, usize)>
    where
        K: Borrow<Q>,
    {
        let block = self.block_of(key);
        let Some(rows) = self.blocks.get(block) else { return Err((block, 0)) };
        match rows.binary_search_by(|row| row.0.borrow().cmp(key)) {
            Ok(row) => Ok((block, row)),
            Err(row) => Err((block, row)),
        }
    }

    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.find(key).ok().map(|(block, row)| &self.blocks[block][row].1)
    }

    /// The pair of the largest key that is at most `key`.
    pub fn get_prev<Q: Ord + ?Sized>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
    {
        let (block, row) = self.find_prev(key)?;
        let (key, value) = &self.blocks[block][row];
        Some((key, value))
    }

    fn find_prev<Q: Ord + ?Sized>(&self, key: &Q) -> Option<(usize, usize)>
    where
        K: Borrow<Q>,
    {
        match self.find(key) {
            Ok(place) => Some(place),
            Err((block, row)) => Some((block, row.checked_sub(1)?)),
        }
    }

    /// Whether a key is there.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).is_ok()
    }

    /// The pairs within the bounds. Bounds that cross hold nothing.
    pub fn range<Q: Ord + ?Sized>(&self, bounds: impl RangeBounds<Q>) -> Iter<'_, K, V>
    where
        K: Borrow<Q>,
    {
        // Places are numbered through, so that two of them compare and cross as numbers do.
        let number = |(block, row): (usize, usize)| block * (BLOCK + 1) + row;
        let below = |key: &Q| number(self.find(key).unwrap_or_else(|place| place));
        let up_to = |key: &Q| match self.find(key) {
            Ok((block, row)) => number((block, row + 1)),
            Err(place) => number(place),
        };
        let end = number((self.blocks.len(), 0));
        let (from, to) = places(&bounds, end, below, up_to);
        let place = |number: usize| (number / (BLOCK + 1), number % (BLOCK + 1));
        Iter { blocks: &self.blocks, front: self.tidy(place(from)), back: self.tidy(place(to)) }
    }

    /// The place behind a block's last row is the next block's first one.
    fn tidy(&self, (block, row): (usize, usize)) -> (usize, usize) {
        let is_behind = self.blocks.get(block).is_some_and(|rows| rows.len() == row);
        if is_behind { (block + 1, 0) } else { (block, row) }
    }
}

impl<K: Ord + Clone, V: Clone> SharedMap<K, V> {
    fn rows_mut(&mut self, block: usize) -> &mut Vec<(K, V)> {
        Arc::make_mut(&mut Arc::make_mut(&mut self.blocks)[block])
    }

    /// The value of a key, to change it.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let (block, row) = self.find(key).ok()?;
        Some(&mut self.rows_mut(block)[row].1)
    }

    /// The value of the largest key that is at most `key`, with that key, to change it.
    pub fn get_prev_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<(&K, &mut V)>
    where
        K: Borrow<Q>,
    {
        let (block, row) = self.find_prev(key)?;
        let (key, value) = &mut self.rows_mut(block)[row];
        Some((key, value))
    }

    /// Puts a value; gives the one that it replaces. A key that is there stays the one it was.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            Ok((block, row)) => Some(std::mem::replace(&mut self.rows_mut(block)[row].1, value)),
            Err(place) => {
                self.insert_at(place, (key, value));
                None
            }
        }
    }

    /// The value of a key; a key that is not there gets the default one first.
    pub fn get_or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        let (block, row) =
            self.find(&key).unwrap_or_else(|place| self.insert_at(place, (key, V::default())));
        &mut self.rows_mut(block)[row].1
    }

    /// Puts a pair where it belongs; gives the place that it has then.
    fn insert_at(&mut self, (block, row): (usize, usize), pair: (K, V)) -> (usize, usize) {
        self.len += 1;
        let blocks = Arc::make_mut(&mut self.blocks);
        let last = blocks.len().saturating_sub(1);
        match blocks.get_mut(block) {
            Some(rows) if rows.len() < BLOCK => {
                Arc::make_mut(rows).insert(row, pair);
                (block, row)
            }
            // Ever higher keys are the common case: they leave full blocks behind.
            Some(rows) if block < last || row < rows.len() => {
                let rows = Arc::make_mut(rows);
                let upper = rows.split_off(BLOCK / 2);
                blocks.insert(block + 1, Arc::new(upper));
                let (block, row) =
                    if row <= BLOCK / 2 { (block, row) } else { (block + 1, row - BLOCK / 2) };
                Arc::make_mut(&mut blocks[block]).insert(row, pair);
                (block, row)
            }
            Some(_) | None => {
                blocks.push(Arc::new(vec![pair]));
                (blocks.len() - 1, 0)
            }
        }
    }

    /// Takes the value of a key.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (block, row) = self.find(key).ok()?;
        self.len -= 1;
        let rows = self.rows_mut(block);
        let (_, value) = rows.remove(row);
        if rows.len() < BLOCK / 4 {
            self.join(block);
        }
        Some(value)
    }

    /// Puts what is left of a block to its successor's, when that leaves room to grow.
    fn join(&mut self, block: usize) {
        let blocks = Arc::make_mut(&mut self.blocks);
        let left = blocks[block].len();
        match blocks.get_mut(block + 1) {
            Some(next) if left + next.len() <= BLOCK / 2 => {
                let mut next = std::mem::take(Arc::make_mut(next));
                Arc::make_mut(&mut blocks[block]).append(&mut next);
                blocks.remove(block + 1);
            }
            Some(_) | None if left == 0 => {
                blocks.remove(block);
            }
            Some(_) | None => {}
        }
    }
}

/// Pairs, in the order of their keys.
pub struct Iter<'a, K, V> {
    blocks: &'a [Block<K, V>],
    /// Block and row of the first pair.
    front: (usize, usize),
    /// Block and row behind the last one.
    back: (usize, usize),
}

impl<K, V> Clone for Iter<'_, K, V> {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        let (block, row) = self.front;
        let rows = &self.blocks[block];
        self.front = if row + 1 == rows.len() { (block + 1, 0) } else { (block, row + 1) };
        let (key, value) = &rows[row];
        Some((key, value))
    }
}

impl<K, V> DoubleEndedIterator for Iter<'_, K, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        let (block, row) = self.back;
        self.back = match row.checked_sub(1) {
            Some(row) => (block, row),
            None => (block - 1, self.blocks[block - 1].len() - 1),
        };
        let (key, value) = &self.blocks[self.back.0][self.back.1];
        Some((key, value))
    }
}

impl<K, V> FusedIterator for Iter<'_, K, V> {}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for SharedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<K: Eq, V: Eq> Eq for SharedMap<K, V> {}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for SharedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Ord + Clone, V: Clone> Extend<(K, V)> for SharedMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, pairs: I) {
        for (key, value) in pairs {
            self.insert(key, value);
        }
    }
}

impl<K: Ord + Clone, V: Clone> FromIterator<(K, V)> for SharedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut map = Self::new();
        map.extend(pairs);
        map
    }
}

impl<'a, K, V> IntoIterator for &'a SharedMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// An ordered set for many members, cheap to clone: a [`SharedMap`] of nothing.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SharedSet<K> {
    members: SharedMap<K, ()>,
}

impl<K> SharedSet<K> {
    /// Nothing.
    pub fn new() -> Self {
        Self { members: SharedMap::new() }
    }

    /// How many members.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// All members.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &K> + Clone {
        self.members.iter().map(|(member, ())| member)
    }

    /// The smallest member.
    pub fn first(&self) -> Option<&K> {
        self.iter().next()
    }
}

impl<K: Ord + Clone> SharedSet<K> {
    /// Whether a member is there.
    pub fn contains<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.members.contains_key(key)
    }

    /// Puts a member; whether it was not there.
    pub fn insert(&mut self, key: K) -> bool {
        self.members.insert(key, ()).is_none()
    }

    /// Takes a member out; whether it was there.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.members.remove(key).is_some()
    }

    /// The members within the bounds. Bounds that cross hold nothing.
    pub fn range<Q: Ord + ?Sized>(
        &self,
        bounds: impl RangeBounds<Q>,
    ) -> impl DoubleEndedIterator<Item = &K> + Clone
    where
        K: Borrow<Q>,
    {
        self.members.range(bounds).map(|(member, ())| member)
    }
}

impl<K: fmt::Debug> fmt::Debug for SharedSet<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl<K: Ord + Clone> FromIterator<K> for SharedSet<K> {
    fn from_iter<I: IntoIterator<Item = K>>(keys: I) -> Self {
        Self { members: keys.into_iter().map(|key| (key, ())).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn check<K: Ord + fmt::Debug + Clone, V>(map: &SharedMap<K, V>) {
        assert!(map.blocks.iter().all(|block| (1..=BLOCK).contains(&block.len())), "block sizes");
        assert_eq!(map.blocks.iter().map(|block| block.len()).sum::<usize>(), map.len);
        assert!(map.keys().is_sorted(), "keys rise");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn it_does_what_a_b_tree_does_and_clones_stay_as_they_were(
            puts in proptest::collection::vec((0..2_000_u16, any::<u8>()), 0..2_000),
            takes in proptest::collection::vec(0..2_000_u16, 0..2_000),
            bounds in proptest::collection::vec((0..2_100_u16, 0..2_100_u16), 20),
        ) {
            let (mut ours, mut theirs) = (SharedMap::new(), BTreeMap::new());
            for (key, value) in puts {
                prop_assert_eq!(ours.insert(key, value), theirs.insert(key, value));
            }
            check(&ours);
            let (before, was) = (ours.clone(), theirs.clone());
            for key in takes {
                prop_assert_eq!(ours.remove(&key), theirs.remove(&key));
                let value = ours.get_or_default(key / 2);
                *value = value.wrapping_add(1);
                let value: &mut u8 = theirs.entry(key / 2).or_default();
                *value = value.wrapping_add(1);
                let prev = theirs.range_mut(..=key).next_back().map(|(k, v)| (*k, *v));
                prop_assert_eq!(ours.get_prev_mut(&key).map(|(k, v)| (*k, *v)), prev);
            }
            check(&ours);
            prop_assert!(ours.iter().eq(theirs.iter()));
            prop_assert!(ours.iter().rev().eq(theirs.iter().rev()));
            prop_assert!(before.iter().eq(was.iter()), "a clone saw what came after it");
            for (one, other) in bounds {
                let (from, to) = (one.min(other), one.max(other));
                prop_assert!(ours.range(from..to).eq(theirs.range(from..to)));
                prop_assert!(ours.range(from..=to).rev().eq(theirs.range(from..=to).rev()));
                prop_assert!(ours.range(..=from).next_back().map(|(k, _)| *k)
                    == theirs.range(..=from).next_back().map(|(k, _)| *k));
            }
        }
    }

    #[test]
    fn rising_keys_fill_their_blocks() {
        let map: SharedMap<u32, u32> = (0..640).map(|key| (key, key)).collect();
        assert_eq!(map.blocks.len(), 640 / BLOCK);
    }
}
