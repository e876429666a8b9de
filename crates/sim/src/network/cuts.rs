//! Which links are cut, in layers: every kind of partition has its own, so that one can end while
//! another goes on.

use ordered::Map;

use serde::{Deserialize, Serialize};

use crate::scenario::Node;

/// What cut a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CutKind {
    /// Groups that do not hear each other.
    Partition,
    /// Two halves that meet in one server.
    Bridge,
    /// A ring in which every server hears a majority, each a different one.
    Ring,
    /// Single links, one way or both.
    OneWay,
    /// Servers that nobody hears and that hear nobody.
    Isolate,
}

impl CutKind {
    pub(crate) const ALL: [CutKind; 5] =
        [CutKind::Partition, CutKind::Bridge, CutKind::Ring, CutKind::OneWay, CutKind::Isolate];

    /// The name of the fault.
    pub fn name(self) -> &'static str {
        match self {
            CutKind::Partition => "partition",
            CutKind::Bridge => "bridge",
            CutKind::Ring => "ring",
            CutKind::OneWay => "cut",
            CutKind::Isolate => "isolate",
        }
    }
}

/// For each sender the receivers that do not hear it, one bit a node: `NODES_MAX` is below 128.
type Deaf = Vec<u128>;

/// Links that are cut. Invariants: every layer has a row a node, and no layer is without a cut.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cuts {
    nodes: u32,
    layers: Map<CutKind, Deaf>,
}

impl Cuts {
    pub(crate) fn new(nodes: u32) -> Cuts {
        Cuts { nodes, layers: Map::new() }
    }

    pub(crate) fn nodes(&self) -> usize {
        self.nodes as usize
    }

    /// Whether it could have grown here: what comes from a store is not taken on trust.
    pub(crate) fn is_sound(&self) -> bool {
        self.layers.values().all(|deaf| deaf.len() == self.nodes())
    }

    /// What cuts the link from one server to another, if anything.
    pub(crate) fn of(&self, from: Node, to: Node) -> Option<CutKind> {
        let cuts = |deaf: &Deaf| deaf[from.index()] >> to.index() & 1 == 1;
        self.layers.iter().find(|(_, deaf)| cuts(deaf)).map(|(kind, _)| *kind)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// Cuts all links for which this holds, in a layer.
    pub(crate) fn cut(&mut self, kind: CutKind, is_cut: impl Fn(Node, Node) -> bool) {
        self.change(kind, |from, to, before| before || is_cut(from, to));
    }

    /// Mends all links for which this holds, in a layer.
    pub(crate) fn mend(&mut self, kind: CutKind, is_mended: impl Fn(Node, Node) -> bool) {
        self.change(kind, |from, to, before| before && !is_mended(from, to));
    }

    fn change(&mut self, kind: CutKind, rule: impl Fn(Node, Node, bool) -> bool) {
        let nodes = self.nodes();
        let deaf = self.layers.get_or_insert_with(kind, || vec![0; nodes]);
        for (from, row) in deaf.iter_mut().enumerate() {
            for to in (0..nodes).filter(|to| *to != from) {
                let before = *row >> to & 1 == 1;
                let after = rule(Node::at(from), Node::at(to), before);
                *row = *row & !(1 << to) | u128::from(after) << to;
            }
        }
        if deaf.iter().all(|row| *row == 0) {
            self.layers.remove(&kind);
        }
    }

    pub(crate) fn end(&mut self, kind: CutKind) {
        self.layers.remove(&kind);
    }

    pub(crate) fn clear(&mut self) {
        self.layers.clear();
    }

    /// Servers that hear each other, directly or through others, by their first member.
    pub(crate) fn groups(&self) -> Vec<Vec<Node>> {
        let mut group_of: Vec<usize> = (0..self.nodes()).collect();
        let hear = |one, other| self.of(one, other).is_none() && self.of(other, one).is_none();
        for one in 0..if self.is_empty() { 0 } else { self.nodes() } {
            for other in one + 1..self.nodes() {
                let (mine, theirs) = (group_of[one], group_of[other]);
                if mine != theirs && hear(Node::at(one), Node::at(other)) {
                    let (low, high) = (mine.min(theirs), mine.max(theirs));
                    group_of.iter_mut().filter(|group| **group == high).for_each(|g| *g = low);
                }
            }
        }
        if self.is_empty() {
            group_of.fill(0);
        }
        let mut groups: Map<usize, Vec<Node>> = Map::new();
        for (index, group) in group_of.into_iter().enumerate() {
            groups.get_or_default(group).push(Node::at(index));
        }
        groups.into_values().collect()
    }

    /// Single links that are cut in the layer of single links.
    pub(crate) fn one_way(&self) -> impl Iterator<Item = (Node, Node)> {
        let rows = self.layers.get(&CutKind::OneWay).into_iter().flatten().enumerate();
        rows.flat_map(|(from, row)| {
            let to = (0..128).filter(move |to| row >> to & 1 == 1);
            to.map(move |to| (Node::at(from), Node::at(to)))
        })
    }
}
