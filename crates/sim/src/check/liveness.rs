//! Progress: a quorum that runs, hears each other and is left alone has, after a while, a leader
//! that commits in its own term, and what was in its log a while ago is committed.
//!
//! The clock of this check begins anew with every disturbance; servers and links outside of the
//! quorum may stay broken, since that is what quorums are for.

use super::facts::Facts;
use super::facts::shadow::{Shadow, Shadows};
use super::promise::Promise;
use super::violation::Found;
use super::{Check, LeftAlone};
use crate::scenario::Node;

/// Election timeouts after which a quorum must have made progress. An election that fails is held
/// again after at most two of them.
pub(crate) const PATIENCE_ELECTIONS: u64 = 12;

/// Of them, those that a change of leaders may take: up to two until somebody campaigns, and once
/// more when the votes were split.
const SETTLING_ELECTIONS: u64 = 4;

/// See the module's head.
#[derive(Clone, Debug, Default)]
pub(crate) struct Liveness {
    quorum: Vec<Node>,
    /// When the quorum began to be left alone, and how long logs were then.
    since_ns: u64,
    last_index: u64,
    /// Who leads in which term, and since when.
    leading: Option<(Node, u64)>,
    leading_since_ns: u64,
}

impl Check for Liveness {
    fn left_alone(&mut self, facts: &Facts, alone: &LeftAlone, found: &mut Found) {
        let (shadows, patience_ns) = (&facts.shadows, alone.patience_ns);
        if alone.quorum != self.quorum {
            self.quorum.clone_from(&alone.quorum);
            self.begin(shadows, found.now_ns);
            return;
        }
        if self.quorum.is_empty() {
            return;
        }
        let leader = self.quorum.iter().map(|node| shadows.of(*node)).find(|one| one.now.leads());
        self.follow(leader, found.now_ns);
        if found.now_ns < self.due_ns(patience_ns) {
            return;
        }
        let stuck = match leader {
            None => Some("nobody leads".to_owned()),
            Some(leader) => self.stuck(leader),
        };
        let since = crate::scenario::print_time(self.since_ns);
        found.look(Promise::Liveness, stuck.is_none(), &self.quorum, 0, || {
            format!("left alone since {since}: {}", stuck.unwrap_or_default())
        });
        self.begin(shadows, found.now_ns);
    }

    fn disturbed(&mut self) {
        self.quorum.clear();
    }
}

impl Liveness {
    fn follow(&mut self, leader: Option<&Shadow>, now_ns: u64) {
        let leading = leader.map(|leader| (leader.node, leader.now.term));
        if leading != self.leading {
            (self.leading, self.leading_since_ns) = (leading, now_ns);
        }
    }

    /// When progress is demanded. Where leadership was handed over or given up just now there is time
    /// for elections, but not again and again.
    fn due_ns(&self, patience_ns: u64) -> u64 {
        let due_ns = self.since_ns + patience_ns;
        let settled_ns =
            self.leading_since_ns + patience_ns / PATIENCE_ELECTIONS * SETTLING_ELECTIONS;
        due_ns.max(settled_ns.min(due_ns + patience_ns))
    }

    fn stuck(&self, leader: &Shadow) -> Option<String> {
        let (now, node) = (leader.now, leader.node);
        if leader.log.term(now.commit) != now.term {
            return Some(format!("{node} leads in term {} and has committed nothing", now.term));
        }
        let behind = now.commit < self.last_index;
        behind.then(|| format!("{node} has not committed entry {}", self.last_index))
    }

    fn begin(&mut self, shadows: &Shadows, now_ns: u64) {
        self.since_ns = now_ns;
        let leads = |shadow: &&Shadow| self.quorum.contains(&shadow.node) && shadow.now.leads();
        let leader = shadows.iter().find(leads);
        self.last_index = leader.map_or(0, |leader| leader.now.last_index);
    }
}
