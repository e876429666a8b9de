//! Sets and maps of node ids: a handful of entries, sorted, in one piece of memory.

use std::fmt;

use smallvec::SmallVec;

use crate::types::NodeId;

/// A sorted set of node ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdSet(SmallVec<[NodeId; 7]>);

impl IdSet {
    /// The ids, ascending.
    pub fn iter(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.0.iter().copied()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the id is in the set.
    pub fn contains(&self, id: NodeId) -> bool {
        self.0.binary_search(&id).is_ok()
    }

    /// Puts the id in; says whether it was not there.
    pub fn insert(&mut self, id: NodeId) -> bool {
        let Err(slot) = self.0.binary_search(&id) else { return false };
        self.0.insert(slot, id);
        true
    }

    /// Takes the id out; says whether it was there.
    pub fn remove(&mut self, id: NodeId) -> bool {
        let Ok(slot) = self.0.binary_search(&id) else { return false };
        self.0.remove(slot);
        true
    }

    /// The ids, ascending.
    pub fn to_vec(&self) -> Vec<NodeId> {
        self.0.to_vec()
    }
}

impl FromIterator<NodeId> for IdSet {
    fn from_iter<T: IntoIterator<Item = NodeId>>(ids: T) -> Self {
        let mut set = Self::default();
        for id in ids {
            set.insert(id);
        }
        set
    }
}

impl fmt::Display for IdSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (position, id) in self.iter().enumerate() {
            write!(f, "{}{id}", if position == 0 { "" } else { " " })?;
        }
        f.write_str(")")
    }
}

/// A map from node ids, sorted; each id has a dense slot as long as none comes or goes. A group is
/// a handful of nodes: looking at each in turn is quicker than halving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdMap<V>(Vec<(NodeId, V)>);

impl<V> Default for IdMap<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V> IdMap<V> {
    /// How many ids there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no ids.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn id_at(&self, slot: usize) -> NodeId {
        self.0[slot].0
    }

    pub(crate) fn at(&self, slot: usize) -> &V {
        &self.0[slot].1
    }

    pub(crate) fn at_mut(&mut self, slot: usize) -> &mut V {
        &mut self.0[slot].1
    }

    /// Where the id is.
    #[inline]
    pub(crate) fn slot_of(&self, id: NodeId) -> Option<usize> {
        self.0.iter().position(|(other, _)| *other == id)
    }

    /// The value of an id.
    pub fn get(&self, id: NodeId) -> Option<&V> {
        self.0.iter().find(|(other, _)| *other == id).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, id: NodeId) -> Option<&mut V> {
        self.0.iter_mut().find(|(other, _)| *other == id).map(|(_, value)| value)
    }

    /// Whether the id is there.
    pub fn contains(&self, id: NodeId) -> bool {
        self.slot_of(id).is_some()
    }

    pub(crate) fn insert(&mut self, id: NodeId, value: V) {
        match self.0.binary_search_by_key(&id, |(other, _)| *other) {
            Ok(slot) => self.0[slot].1 = value,
            Err(slot) => self.0.insert(slot, (id, value)),
        }
    }

    pub(crate) fn remove(&mut self, id: NodeId) {
        if let Some(slot) = self.slot_of(id) {
            self.0.remove(slot);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Values, by ascending id.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    /// Ids and values, by ascending id.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &V)> {
        self.0.iter().map(|(id, value)| (*id, value))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (NodeId, &mut V)> {
        self.0.iter_mut().map(|(id, value)| (*id, value))
    }
}

/// One line for each id.
impl<V: fmt::Display> fmt::Display for IdMap<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|(id, value)| writeln!(f, "{id}: {value}"))
    }
}
