//! A sorted row of pairs, and of keys.

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Index, RangeBounds};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::places;

/// An ordered map in one sorted `Vec`.
///
/// Invariant: keys rise strictly.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Map<K, V> {
    rows: Vec<(K, V)>,
}

/// Pairs, in the order of their keys.
pub type Iter<'a, K, V> =
    std::iter::Map<std::slice::Iter<'a, (K, V)>, fn(&'a (K, V)) -> (&'a K, &'a V)>;

fn pair<K, V>(row: &(K, V)) -> (&K, &V) {
    (&row.0, &row.1)
}

impl<K, V> Map<K, V> {
    /// Nothing.
    pub const fn new() -> Self {
        Self { rows: Vec::new() }
    }

    /// How many pairs.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Forgets all pairs.
    pub fn clear(&mut self) {
        self.rows.clear();
    }

    /// All pairs.
    pub fn iter(&self) -> Iter<'_, K, V> {
        self.rows.iter().map(pair)
    }

    /// All pairs, to change their values.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (&K, &mut V)> {
        self.rows.iter_mut().map(|row| (&row.0, &mut row.1))
    }

    /// All keys.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + ExactSizeIterator + Clone {
        self.rows.iter().map(|row| &row.0)
    }

    /// All values.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + ExactSizeIterator + Clone {
        self.rows.iter().map(|row| &row.1)
    }

    /// All values, to change them.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut V> {
        self.rows.iter_mut().map(|row| &mut row.1)
    }

    /// All keys, taken out.
    pub fn into_keys(self) -> impl DoubleEndedIterator<Item = K> {
        self.rows.into_iter().map(|row| row.0)
    }

    /// All values, taken out.
    pub fn into_values(self) -> impl DoubleEndedIterator<Item = V> {
        self.rows.into_iter().map(|row| row.1)
    }

    /// The pair of the smallest key.
    pub fn first_key_value(&self) -> Option<(&K, &V)> {
        self.rows.first().map(pair)
    }

    /// The pair of the largest key.
    pub fn last_key_value(&self) -> Option<(&K, &V)> {
        self.rows.last().map(pair)
    }

    /// Takes the pair of the smallest key.
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        if self.rows.is_empty() { None } else { Some(self.rows.remove(0)) }
    }

    /// Takes the pair of the largest key.
    pub fn pop_last(&mut self) -> Option<(K, V)> {
        self.rows.pop()
    }

    /// Takes the pairs of which `takes` says so, as far as the iterator is driven.
    pub fn extract_if(
        &mut self,
        mut takes: impl FnMut(&K, &mut V) -> bool,
    ) -> impl Iterator<Item = (K, V)> {
        self.rows.extract_if(.., move |row| takes(&row.0, &mut row.1))
    }

    /// Keeps the pairs of which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.rows.retain_mut(|row| keep(&row.0, &mut row.1));
    }
}

impl<K: Ord, V> Map<K, V> {
    /// The place of a key, or the one where it would stand. Ever higher keys are the common case.
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        match self.rows.last() {
            Some(last) if last.0.borrow() >= key => {
                self.rows.binary_search_by(|row| row.0.borrow().cmp(key))
            }
            _ => Err(self.rows.len()),
        }
    }

    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.find(key).ok().map(|place| &self.rows[place].1)
    }

    /// The value of a key, to change it.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.find(key).ok().map(|place| &mut self.rows[place].1)
    }

    /// Whether a key is there.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).is_ok()
    }

    /// Puts a value; gives the one that it replaces. A key that is there stays the one it was.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            Ok(place) => Some(std::mem::replace(&mut self.rows[place].1, value)),
            Err(place) => {
                self.rows.insert(place, (key, value));
                None
            }
        }
    }

    /// Takes the value of a key.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.find(key).ok().map(|place| self.rows.remove(place).1)
    }

    /// The value of a key; a key that is not there gets what `value` makes first.
    pub fn get_or_insert_with(&mut self, key: K, value: impl FnOnce() -> V) -> &mut V {
        let place = self.find(&key).unwrap_or_else(|place| {
            self.rows.insert(place, (key, value()));
            place
        });
        &mut self.rows[place].1
    }

    /// The value of a key; a key that is not there gets the default one first.
    pub fn get_or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        self.get_or_insert_with(key, V::default)
    }

    /// The pairs within the bounds. Bounds that cross hold nothing.
    pub fn range<Q: Ord + ?Sized>(&self, bounds: impl RangeBounds<Q>) -> Iter<'_, K, V>
    where
        K: Borrow<Q>,
    {
        let (from, to) = self.places(&bounds);
        self.rows[from..to].iter().map(pair)
    }

    /// The pairs within the bounds, to change their values.
    pub fn range_mut<Q: Ord + ?Sized>(
        &mut self,
        bounds: impl RangeBounds<Q>,
    ) -> impl DoubleEndedIterator<Item = (&K, &mut V)>
    where
        K: Borrow<Q>,
    {
        let (from, to) = self.places(&bounds);
        self.rows[from..to].iter_mut().map(|row| (&row.0, &mut row.1))
    }

    /// Keeps the keys below `key`; gives the others.
    #[must_use]
    pub fn split_off<Q: Ord + ?Sized>(&mut self, key: &Q) -> Self
    where
        K: Borrow<Q>,
    {
        let place = self.rows.partition_point(|row| row.0.borrow() < key);
        Self { rows: self.rows.split_off(place) }
    }

    fn places<Q: Ord + ?Sized>(&self, bounds: &impl RangeBounds<Q>) -> (usize, usize)
    where
        K: Borrow<Q>,
    {
        let below = |key: &Q| self.rows.partition_point(|row| row.0.borrow() < key);
        let up_to = |key: &Q| self.rows.partition_point(|row| row.0.borrow() <= key);
        places(bounds, self.rows.len(), below, up_to)
    }
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Ord + Borrow<Q>, V, Q: Ord + ?Sized> Index<&Q> for Map<K, V> {
    type Output = V;

    fn index(&self, key: &Q) -> &V {
        self.get(key).expect("the key is there")
    }
}

impl<K: Ord, V> Extend<(K, V)> for Map<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, pairs: I) {
        for (key, value) in pairs {
            self.insert(key, value);
        }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Map<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut map = Self::new();
        map.extend(pairs);
        map
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for Map<K, V> {
    fn from(pairs: [(K, V); N]) -> Self {
        pairs.into_iter().collect()
    }
}

impl<K, V> IntoIterator for Map<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.rows.into_iter()
    }
}

impl<'a, K, V> IntoIterator for &'a Map<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<K: Serialize, V: Serialize> Serialize for Map<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

impl<'de, K: Ord + Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Map<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Pairs(PhantomData))
    }
}

struct Pairs<K, V>(PhantomData<(K, V)>);

impl<'de, K: Ord + Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for Pairs<K, V> {
    type Value = Map<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Self::Value, A::Error> {
        let mut map = Map::new();
        while let Some((key, value)) = pairs.next_entry()? {
            map.insert(key, value);
        }
        Ok(map)
    }
}

/// An ordered set in one sorted `Vec`.
///
/// Invariant: members rise strictly.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Set<K> {
    members: Vec<K>,
}

impl<K> Set<K> {
    /// Nothing.
    pub const fn new() -> Self {
        Self { members: Vec::new() }
    }

    /// How many members.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Forgets all members.
    pub fn clear(&mut self) {
        self.members.clear();
    }

    /// All members.
    pub fn iter(&self) -> std::slice::Iter<'_, K> {
        self.members.iter()
    }

    /// The smallest member.
    pub fn first(&self) -> Option<&K> {
        self.members.first()
    }

    /// The largest member.
    pub fn last(&self) -> Option<&K> {
        self.members.last()
    }

    /// Takes the smallest member.
    pub fn pop_first(&mut self) -> Option<K> {
        if self.members.is_empty() { None } else { Some(self.members.remove(0)) }
    }

    /// Keeps the members of which `keep` says so.
    pub fn retain(&mut self, keep: impl FnMut(&K) -> bool) {
        self.members.retain(keep);
    }
}

impl<K: Ord> Set<K> {
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        match self.members.last() {
            Some(last) if last.borrow() >= key => {
                self.members.binary_search_by(|member| member.borrow().cmp(key))
            }
            _ => Err(self.members.len()),
        }
    }

    /// Whether a member is there.
    pub fn contains<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).is_ok()
    }

    /// Puts a member; whether it was not there.
    pub fn insert(&mut self, key: K) -> bool {
        let place = self.find(&key);
        if let Err(place) = place {
            self.members.insert(place, key);
        }
        place.is_err()
    }

    /// Takes a member out; whether it was there.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        let place = self.find(key);
        if let Ok(place) = place {
            self.members.remove(place);
        }
        place.is_ok()
    }

    /// The members within the bounds. Bounds that cross hold nothing.
    pub fn range<Q: Ord + ?Sized>(&self, bounds: impl RangeBounds<Q>) -> std::slice::Iter<'_, K>
    where
        K: Borrow<Q>,
    {
        let below = |key: &Q| self.members.partition_point(|member| member.borrow() < key);
        let up_to = |key: &Q| self.members.partition_point(|member| member.borrow() <= key);
        let (from, to) = places(&bounds, self.members.len(), below, up_to);
        self.members[from..to].iter()
    }

    /// What is here and not there.
    pub fn difference<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a K> {
        self.members.iter().filter(|member| !other.contains(*member))
    }

    /// What is in both.
    pub fn intersection<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a K> {
        self.members.iter().filter(|member| other.contains(*member))
    }

    /// Whether all that is here is there.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.members.iter().all(|member| other.contains(member))
    }
}

impl<K> Default for Set<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: fmt::Debug> fmt::Debug for Set<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(&self.members).finish()
    }
}

impl<K: Ord> Extend<K> for Set<K> {
    fn extend<I: IntoIterator<Item = K>>(&mut self, keys: I) {
        for key in keys {
            self.insert(key);
        }
    }
}

impl<'a, K: Ord + Copy + 'a> Extend<&'a K> for Set<K> {
    fn extend<I: IntoIterator<Item = &'a K>>(&mut self, keys: I) {
        self.extend(keys.into_iter().copied());
    }
}

impl<K: Ord> FromIterator<K> for Set<K> {
    fn from_iter<I: IntoIterator<Item = K>>(keys: I) -> Self {
        let mut set = Self::new();
        set.extend(keys);
        set
    }
}

impl<K: Ord, const N: usize> From<[K; N]> for Set<K> {
    fn from(keys: [K; N]) -> Self {
        keys.into_iter().collect()
    }
}

impl<K> IntoIterator for Set<K> {
    type Item = K;
    type IntoIter = std::vec::IntoIter<K>;

    fn into_iter(self) -> Self::IntoIter {
        self.members.into_iter()
    }
}

impl<'a, K> IntoIterator for &'a Set<K> {
    type Item = &'a K;
    type IntoIter = std::slice::Iter<'a, K>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<K: Serialize> Serialize for Set<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self)
    }
}

impl<'de, K: Ord + Deserialize<'de>> Deserialize<'de> for Set<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Members(PhantomData))
    }
}

struct Members<K>(PhantomData<K>);

impl<'de, K: Ord + Deserialize<'de>> Visitor<'de> for Members<K> {
    type Value = Set<K>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a set")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut keys: A) -> Result<Self::Value, A::Error> {
        let mut set = Set::new();
        while let Some(key) = keys.next_element()? {
            set.insert(key);
        }
        Ok(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[derive(Debug, Clone)]
    enum Act {
        Put(u8, u16),
        Take(u8),
        PopFirst,
        Split(u8),
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let act = prop_oneof![
            6 => (any::<u8>(), any::<u16>()).prop_map(|(key, value)| Act::Put(key, value)),
            3 => any::<u8>().prop_map(Act::Take),
            1 => Just(Act::PopFirst),
            1 => any::<u8>().prop_map(Act::Split),
        ];
        proptest::collection::vec(act, 0..200)
    }

    proptest! {
        #[test]
        fn a_map_does_what_a_b_tree_does(acts in acts(), from: u8, to: u8) {
            let (mut ours, mut theirs) = (Map::new(), BTreeMap::new());
            for act in acts {
                match act {
                    Act::Put(key, value) => {
                        prop_assert_eq!(ours.insert(key, value), theirs.insert(key, value));
                    }
                    Act::Take(key) => prop_assert_eq!(ours.remove(&key), theirs.remove(&key)),
                    Act::PopFirst => prop_assert_eq!(ours.pop_first(), theirs.pop_first()),
                    Act::Split(key) => {
                        prop_assert!(ours.split_off(&key).into_iter().eq(theirs.split_off(&key)));
                    }
                }
                prop_assert!(ours.iter().eq(theirs.iter()));
            }
            prop_assert_eq!(ours.get(&from), theirs.get(&from));
            let (from, to) = (from.min(to), from.max(to));
            prop_assert!(ours.range(from..to).eq(theirs.range(from..to)));
            prop_assert!(ours.range(from..=to).eq(theirs.range(from..=to)));
            prop_assert!(ours.range(..to).eq(theirs.range(..to)));
            let bytes = postcard::to_allocvec(&ours).unwrap();
            prop_assert_eq!(&bytes, &postcard::to_allocvec(&theirs).unwrap());
            prop_assert_eq!(postcard::from_bytes::<Map<u8, u16>>(&bytes).unwrap(), ours);
        }

        #[test]
        fn a_set_does_what_a_b_tree_does(puts: Vec<u8>, takes: Vec<u8>, other: Vec<u8>) {
            let mut ours: Set<u8> = puts.iter().copied().collect();
            let mut theirs: BTreeSet<u8> = puts.into_iter().collect();
            for key in takes {
                prop_assert_eq!(ours.remove(&key), theirs.remove(&key));
            }
            prop_assert!(ours.iter().eq(&theirs));
            let (one, two): (Set<u8>, BTreeSet<u8>) =
                (other.iter().copied().collect(), other.into_iter().collect());
            prop_assert!(ours.difference(&one).eq(theirs.difference(&two)));
            prop_assert!(ours.intersection(&one).eq(theirs.intersection(&two)));
            prop_assert_eq!(ours.is_subset(&one), theirs.is_subset(&two));
            let bytes = postcard::to_allocvec(&ours).unwrap();
            prop_assert_eq!(&bytes, &postcard::to_allocvec(&theirs).unwrap());
            prop_assert_eq!(postcard::from_bytes::<Set<u8>>(&bytes).unwrap(), ours);
        }
    }
}
