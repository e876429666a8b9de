//! A picture taken apart: one shared piece for each panel, and a piece that did not change is the
//! same piece as before. So a panel knows by comparing two pointers that it has nothing to draw.

use std::rc::Rc;

use sim::check::Violation;
use sim::scenario::Node;
use sim::view::{
    ClientsView, ClusterView, Condition, DiskView, ExpectationView, LogLine, NodeView, PromiseView,
    RaftView, Role, ServerView, StoreView, Trail, View, WalView,
};

use crate::protocol::{Frame, Playback};

/// One picture of the world, as it comes from the worker.
pub(crate) type Picture = Frame<View>;

/// The newest picture, taken apart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scene {
    /// How time runs.
    pub(crate) playback: Playback,
    /// Virtual time.
    pub(crate) now_ns: u64,
    /// Events that have happened.
    pub(crate) event: u64,
    /// Length of a server's tick.
    pub(crate) tick_ns: u64,
    /// The servers, in the order of their numbers.
    pub(crate) nodes: Rc<Vec<NodeView>>,
    /// Who leads.
    pub(crate) leader: Option<Node>,
    /// The groups that hear each other.
    pub(crate) groups: Rc<Vec<Vec<Node>>>,
    /// Loss and delay.
    pub(crate) rules: Rc<Vec<String>>,
    /// Clients and loads.
    pub(crate) clients: Rc<ClientsView>,
    /// The recent past.
    pub(crate) log: Rc<Vec<LogLine>>,
    /// Every `expect`.
    pub(crate) expectations: Rc<Vec<ExpectationView>>,
    /// How promises stand.
    pub(crate) promises: Rc<Vec<PromiseView>>,
    /// What broke them.
    pub(crate) violations: Rc<Vec<Violation>>,
    /// The server in depth.
    pub(crate) server: Option<Depth>,
    /// The last console request's way.
    pub(crate) trail: Option<Rc<Trail>>,
}

/// A server in depth, taken apart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Depth {
    /// Which.
    pub(crate) node: Node,
    /// The raft log.
    pub(crate) raft: Rc<RaftView>,
    /// The write-ahead log.
    pub(crate) wal: Rc<WalView>,
    /// The keys.
    pub(crate) store: Rc<StoreView>,
    /// The files.
    pub(crate) disk: Rc<DiskView>,
}

impl Scene {
    /// Takes a picture apart; what is as it was in `before` is shared with it.
    pub(crate) fn after(before: Option<&Scene>, picture: Picture) -> Scene {
        let View { cluster, server, trail } = picture.view;
        let trail_before = before.and_then(|scene| scene.trail.as_ref());
        let depth_before = before.and_then(|scene| scene.server.as_ref());
        Scene {
            server: server.map(|server| Depth::after(depth_before, server)),
            trail: trail.map(|trail| keep(trail_before, trail)),
            ..Scene::of_cluster(before, picture.playback, cluster)
        }
    }

    fn of_cluster(before: Option<&Scene>, playback: Playback, cluster: ClusterView) -> Scene {
        Scene {
            playback,
            now_ns: cluster.now_ns,
            event: cluster.event,
            tick_ns: cluster.tick_ns,
            leader: cluster.leader,
            nodes: keep(before.map(|scene| &scene.nodes), cluster.nodes),
            groups: keep(before.map(|scene| &scene.groups), cluster.groups),
            rules: keep(before.map(|scene| &scene.rules), cluster.network_rules),
            clients: keep(before.map(|scene| &scene.clients), cluster.clients),
            log: keep(before.map(|scene| &scene.log), cluster.log),
            expectations: keep(before.map(|scene| &scene.expectations), cluster.expectations),
            promises: keep(before.map(|scene| &scene.promises), cluster.promises),
            violations: keep(before.map(|scene| &scene.violations), cluster.violations),
            server: None,
            trail: None,
        }
    }

    /// A server by its number.
    pub(crate) fn node(&self, node: Node) -> Option<&NodeView> {
        self.nodes.iter().find(|view| view.node == node)
    }

    /// The newest revision that any server has.
    pub(crate) fn revision(&self) -> i64 {
        self.nodes.iter().map(|node| node.revision).max().unwrap_or(0)
    }
}

impl Depth {
    fn after(before: Option<&Depth>, server: ServerView) -> Depth {
        Depth {
            node: server.node,
            raft: keep(before.map(|depth| &depth.raft), server.raft),
            wal: keep(before.map(|depth| &depth.wal), server.wal),
            store: keep(before.map(|depth| &depth.store), server.store),
            disk: keep(before.map(|depth| &depth.disk), server.disk),
        }
    }
}

fn keep<T: PartialEq>(before: Option<&Rc<T>>, now: T) -> Rc<T> {
    match before {
        Some(before) if **before == now => Rc::clone(before),
        _ => Rc::new(now),
    }
}

/// A server's part in the cluster as the page shows it: raft's role, or that it does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// ◆
    Leader,
    /// △, asking whether it would win.
    PreCandidate,
    /// △
    Candidate,
    /// ○
    Follower,
    /// ○ with a broken rim: it reads its disk.
    Booting,
    /// ✖, no power.
    Down,
    /// ✖, it stopped by itself.
    Failed,
}

impl Part {
    /// The part of a server.
    pub(crate) fn of(node: &NodeView) -> Part {
        match (&node.condition, node.role) {
            (Condition::Down, _) => Part::Down,
            (Condition::Failed { .. }, _) => Part::Failed,
            (Condition::Booting, _) => Part::Booting,
            (Condition::Up, Role::Leader) => Part::Leader,
            (Condition::Up, Role::Candidate) => Part::Candidate,
            (Condition::Up, Role::PreCandidate) => Part::PreCandidate,
            (Condition::Up, Role::Follower) => Part::Follower,
        }
    }

    /// Whether the process runs or is about to.
    pub(crate) fn is_up(self) -> bool {
        !matches!(self, Part::Down | Part::Failed)
    }

    /// Class name in the stylesheets.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Part::Leader => "leader",
            Part::Candidate | Part::PreCandidate => "candidate",
            Part::Follower => "follower",
            Part::Booting => "booting",
            Part::Down | Part::Failed => "down",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(now_ns: u64, commit: u64) -> Picture {
        let mut view = View::default();
        view.cluster.now_ns = now_ns;
        view.cluster.clients.acknowledged = commit;
        Frame { number: 1, playback: Playback::default(), view }
    }

    #[test]
    fn a_piece_that_did_not_change_is_the_same_piece() {
        let one = Scene::after(None, picture(1, 7));
        let two = Scene::after(Some(&one), picture(2, 7));
        assert!(Rc::ptr_eq(&one.clients, &two.clients));
        assert!(Rc::ptr_eq(&one.log, &two.log));
        assert_eq!(two.now_ns, 2);
        let three = Scene::after(Some(&two), picture(3, 8));
        assert!(!Rc::ptr_eq(&two.clients, &three.clients));
    }
}
