//! The links to the other members, as far as this server can tell: to judge the cluster's health,
//! and to word a timeout as etcd does.
//!
//! Real links carry heartbeats of their own (rafthttp's), so they notice a break, and its end, even
//! between members that have nothing to say to each other. Here a link is taken to stand since
//! sending failed for the last time, and whether its other end is alive is told by what was heard
//! lately.

use ordered::Map;

/// How long a silent connection counts as alive: rafthttp's read timeout.
const SILENCE_NS: u64 = 5_000_000_000;

#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_field_names, reason = "the unit stands last in a name")]
struct Heard {
    /// For the first time since the link stands.
    first_ns: u64,
    /// For the first time since the last silence.
    since_ns: u64,
    last_ns: u64,
}

/// Links to the other members.
#[derive(Debug, Clone, Default)]
pub(super) struct Connections {
    heard: Map<u64, Heard>,
    /// When sending failed for the last time.
    failed_ns: Map<u64, u64>,
    start_ns: u64,
}

impl Connections {
    /// The links of a server that starts.
    pub(super) fn at_start(start_ns: u64) -> Self {
        Self { start_ns, ..Self::default() }
    }

    /// A message of a member arrived.
    pub(super) fn heard(&mut self, id: u64, now_ns: u64) {
        let new = Heard { first_ns: now_ns, since_ns: now_ns, last_ns: now_ns };
        let heard = self.heard.get_or_insert_with(id, || new);
        if now_ns - heard.last_ns > SILENCE_NS {
            heard.since_ns = now_ns;
        }
        heard.last_ns = now_ns;
    }

    /// Sending to a member failed.
    pub(super) fn lost(&mut self, id: u64, now_ns: u64) {
        self.heard.remove(&id);
        self.failed_ns.insert(id, now_ns);
    }

    /// Whether the link stands, and since before `since_ns`.
    pub(super) fn stands_since(&self, id: u64, since_ns: u64) -> bool {
        let heard_ns = self.heard.get(&id).map(|heard| heard.first_ns);
        let from_ns = heard_ns.or(self.failed_ns.get(&id).copied()).unwrap_or(self.start_ns);
        from_ns < since_ns
    }

    /// Whether the member was heard of lately, and without a silence since before `since_ns`.
    pub(super) fn lasted_since(&self, id: u64, since_ns: u64, now_ns: u64) -> bool {
        self.heard
            .get(&id)
            .is_some_and(|heard| heard.since_ns < since_ns && now_ns - heard.last_ns <= SILENCE_NS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_ends_with_silence_or_an_error() {
        let mut connections = Connections::default();
        connections.heard(1, 10);
        connections.heard(1, 20);
        assert!(connections.lasted_since(1, 15, 30), "since 10");
        assert!(!connections.lasted_since(1, 10, 30), "not since before 10");
        assert!(!connections.lasted_since(1, 15, 21 + SILENCE_NS), "silent for too long");
        connections.heard(1, 21 + SILENCE_NS);
        assert!(!connections.lasted_since(1, 15, 22 + SILENCE_NS), "a new one");
        assert!(connections.stands_since(1, 11), "whatever is heard");
        connections.lost(1, 23 + SILENCE_NS);
        assert!(!connections.stands_since(1, 23 + SILENCE_NS), "broken");
        assert!(connections.stands_since(1, 24 + SILENCE_NS), "and in time made anew");
        assert!(!connections.lasted_since(1, u64::MAX, 22 + SILENCE_NS), "lost");
        assert!(!connections.lasted_since(2, u64::MAX, 0), "never heard of");
        assert!(connections.stands_since(2, 1), "and nothing to say against the link");
    }
}
