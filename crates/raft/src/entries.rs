//! Entries in a row as they travel: from a proposal into the log, from there into messages to
//! every member and into what the application applies.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::types::Entry;

/// Entries in a row, cheap to clone: one entry takes no memory of its own, several are shared.
///
/// Reads like a slice. Made from a `Vec` or collected; [`to_vec`](slice::to_vec) goes back.
#[derive(Clone, Default)]
pub struct Entries(Held);

/// Two cases, so that one look tells which: most often there is one entry or none.
#[derive(Clone)]
enum Held {
    One(Entry),
    Row(Row),
}

/// Invariant: `start..end` lies within `all`, and is empty if there is nothing.
#[derive(Clone, Default)]
struct Row {
    all: Option<Arc<Vec<Entry>>>,
    start: u32,
    end: u32,
}

impl Row {
    #[inline]
    fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Another part of the same entries.
    fn with_range(&self, range: Range<usize>) -> Self {
        Self { all: self.all.clone(), start: bound(range.start), end: bound(range.end) }
    }
}

impl Default for Held {
    fn default() -> Self {
        Self::Row(Row::default())
    }
}

impl Entries {
    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.0 {
            Held::One(_) => 1,
            Held::Row(row) => row.range().len(),
        }
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entry itself, if there is one alone and it is not shared.
    #[inline]
    pub(crate) fn into_only(self) -> Result<Entry, Self> {
        match self.0 {
            Held::One(entry) => Ok(entry),
            held @ Held::Row(_) => Err(Self(held)),
        }
    }

    /// Drops them all. Quicker than to put none in their place, which moves a whole value.
    #[inline]
    pub(crate) fn clear(&mut self) {
        if !self.is_empty() {
            *self = Self::default();
        }
    }

    /// Some of the entries, shared with these.
    #[must_use]
    pub fn part(&self, range: Range<usize>) -> Self {
        match (&self[range.clone()], &self.0) {
            ([], _) => Self::default(),
            // Not shared, so that one entry on its way to a member ties up no others.
            ([only], _) => Self::from(only.clone()),
            (_, Held::Row(row)) => {
                let start = row.range().start;
                Self(Held::Row(row.with_range(start + range.start..start + range.end)))
            }
            (_, Held::One(_)) => unreachable!("several entries are in a row"),
        }
    }

    /// All but the first `count` entries; none where there are not so many.
    pub(crate) fn after(&self, count: usize) -> Self {
        self.part(count.min(self.len())..self.len())
    }

    /// The entries themselves, if they are all of a row and nobody shares it.
    pub(crate) fn into_vec(self) -> Result<Vec<Entry>, Self> {
        match self.0 {
            Held::Row(Row { all: Some(all), start: 0, end }) if all.len() == end as usize => {
                let shared = |all| Self(Held::Row(Row { all: Some(all), start: 0, end }));
                Arc::try_unwrap(all).map_err(shared)
            }
            held @ (Held::One(_) | Held::Row(_)) => Err(Self(held)),
        }
    }

    /// Puts the entry behind others, if there is one alone and it is not shared.
    #[inline]
    pub(crate) fn move_only_into(self, row: &mut Vec<Entry>) -> Result<(), Self> {
        if let Held::One(entry) = self.0 {
            row.push(entry);
            return Ok(());
        }
        Err(self)
    }

    /// Puts them behind others; without copying if nobody shares them.
    pub(crate) fn move_into(self, row: &mut Vec<Entry>) {
        match self.0 {
            Held::One(entry) => row.push(entry),
            Held::Row(Row { all: None, .. }) => {}
            Held::Row(Row { all: Some(all), start, end }) => match Arc::try_unwrap(all) {
                Ok(mut all) => row.extend(all.drain(start as usize..end as usize)),
                Err(all) => row.extend_from_slice(&all[start as usize..end as usize]),
            },
        }
    }

    /// The entries, to be changed; copied first if they are shared with anyone.
    #[inline]
    pub fn make_mut(&mut self) -> &mut [Entry] {
        match &mut self.0 {
            Held::One(entry) => std::slice::from_mut(entry),
            Held::Row(Row { all: None, .. }) => &mut [],
            Held::Row(Row { all: Some(all), start, end }) => {
                &mut Arc::make_mut(all)[*start as usize..*end as usize]
            }
        }
    }
}

/// A position in shared entries.
fn bound(at: usize) -> u32 {
    u32::try_from(at).expect("a row of entries in memory is shorter than 2^32")
}

impl Deref for Entries {
    type Target = [Entry];

    #[inline]
    fn deref(&self) -> &[Entry] {
        match &self.0 {
            Held::One(entry) => std::slice::from_ref(entry),
            Held::Row(Row { all: None, .. }) => &[],
            Held::Row(Row { all: Some(all), start, end }) => &all[*start as usize..*end as usize],
        }
    }
}

impl From<Entry> for Entries {
    fn from(entry: Entry) -> Self {
        Self(Held::One(entry))
    }
}

impl From<&Entries> for Entries {
    fn from(entries: &Entries) -> Self {
        entries.clone()
    }
}

impl From<&[Entry]> for Entries {
    fn from(entries: &[Entry]) -> Self {
        entries.iter().cloned().collect()
    }
}

impl<const N: usize> From<[Entry; N]> for Entries {
    fn from(entries: [Entry; N]) -> Self {
        entries.into_iter().collect()
    }
}

impl From<Vec<Entry>> for Entries {
    fn from(mut entries: Vec<Entry>) -> Self {
        match entries.len() {
            0 => Self::default(),
            1 => entries.pop().map(Self::from).unwrap_or_default(),
            len => Self(Held::Row(Row { all: Some(Arc::new(entries)), start: 0, end: bound(len) })),
        }
    }
}

impl FromIterator<Entry> for Entries {
    fn from_iter<T: IntoIterator<Item = Entry>>(entries: T) -> Self {
        let mut entries = entries.into_iter();
        let Some(first) = entries.next() else { return Self::default() };
        let Some(second) = entries.next() else { return Self::from(first) };
        let mut all = Vec::with_capacity(2 + entries.size_hint().0);
        all.extend([first, second]);
        all.extend(entries);
        Self::from(all)
    }
}

impl IntoIterator for Entries {
    type Item = Entry;
    type IntoIter = IntoIter;

    fn into_iter(self) -> IntoIter {
        IntoIter { positions: 0..self.len(), entries: self }
    }
}

/// Gives the entries one by one.
#[derive(Clone, Debug)]
pub struct IntoIter {
    entries: Entries,
    positions: Range<usize>,
}

impl Iterator for IntoIter {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        self.positions.next().map(|position| self.entries[position].clone())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.positions.size_hint()
    }
}

impl<'a> IntoIterator for &'a Entries {
    type Item = &'a Entry;
    type IntoIter = std::slice::Iter<'a, Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl PartialEq for Entries {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

impl Eq for Entries {}

impl<const N: usize> PartialEq<[Entry; N]> for Entries {
    fn eq(&self, other: &[Entry; N]) -> bool {
        self[..] == other[..]
    }
}

impl PartialEq<Vec<Entry>> for Entries {
    fn eq(&self, other: &Vec<Entry>) -> bool {
        self[..] == other[..]
    }
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// As a sequence, so that it reads back whatever it was before.
impl Serialize for Entries {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self)
    }
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(count: u64) -> Vec<Entry> {
        (1..=count).map(|index| Entry { index, ..Entry::normal("x") }).collect()
    }

    #[test]
    fn entries_are_what_they_were_made_of() {
        for count in 0..4 {
            let vec = row(count);
            assert_eq!(Entries::from(vec.clone()), vec, "from a vector of {count}");
            assert_eq!(vec.iter().cloned().collect::<Entries>(), vec, "collected from {count}");
        }
    }

    #[test]
    fn a_part_is_what_the_slice_has_there() {
        for count in 0..4 {
            let vec = row(count);
            let entries = Entries::from(vec.clone());
            for start in 0..=vec.len() {
                for end in start..=vec.len() {
                    let part = entries.part(start..end);
                    assert_eq!(part[..], vec[start..end], "{start}..{end} of {count}");
                    let rest = part.part(part.len().min(1)..part.len());
                    assert_eq!(rest[..], vec[end.min(start + 1)..end], "a part of a part");
                }
            }
        }
    }

    #[test]
    fn entries_that_nobody_shares_are_moved() {
        for count in 0..4 {
            let mut behind = row(2);
            Entries::from(row(count)).move_into(&mut behind);
            assert_eq!(behind[2..], row(count), "{count} entries");
        }
        let entries = Entries::from(row(4));
        let first = entries.as_ptr();
        let vec = entries.into_vec().expect("nobody shares them");
        assert_eq!((vec.as_ptr(), &vec), (first, &row(4)), "not copied");
        let entries = Entries::from(vec);
        let clone = entries.clone();
        let entries = entries.into_vec().expect_err("they are shared");
        let mut behind = Vec::new();
        entries.move_into(&mut behind);
        assert_eq!((&behind, &clone[..]), (&row(4), &row(4)[..]), "copied");
        for range in [0..3, 1..4] {
            let entries = Entries::from(row(4));
            let part = entries.part(range.clone());
            drop(entries);
            let part = part.into_vec().expect_err("the vector has more than the part");
            let mut behind = Vec::new();
            part.move_into(&mut behind);
            assert_eq!(behind, row(4)[range], "of a part, the part alone");
        }
    }

    #[test]
    fn changing_entries_leaves_their_clones_alone() {
        for count in 1..4 {
            let mut entries = Entries::from(row(count));
            let clone = entries.clone();
            entries.make_mut()[0].term = 7;
            assert_eq!((entries[0].term, clone[0].term), (7, 0), "{count} entries");
        }
    }
}
