//! When each member was last heard of: only to word a timeout as etcd does.

use std::collections::BTreeMap;

/// How long a silent connection counts as alive: rafthttp's read timeout.
const SILENCE_NS: u64 = 5_000_000_000;

#[derive(Debug, Clone, Copy)]
struct Connection {
    since_ns: u64,
    heard_ns: u64,
}

/// Connections to the other members, as far as this server can tell.
#[derive(Debug, Clone, Default)]
pub(super) struct Connections {
    alive: BTreeMap<u64, Connection>,
}

impl Connections {
    /// A message of a member arrived.
    pub(super) fn heard(&mut self, id: u64, now_ns: u64) {
        let connection =
            self.alive.entry(id).or_insert(Connection { since_ns: now_ns, heard_ns: now_ns });
        if now_ns - connection.heard_ns > SILENCE_NS {
            connection.since_ns = now_ns;
        }
        connection.heard_ns = now_ns;
    }

    /// Sending to a member failed.
    pub(super) fn lost(&mut self, id: u64) {
        self.alive.remove(&id);
    }

    /// Whether there is a connection.
    pub(super) fn is_alive(&self, id: u64, now_ns: u64) -> bool {
        self.alive.get(&id).is_some_and(|connection| now_ns - connection.heard_ns <= SILENCE_NS)
    }

    /// Whether the connection has been there since before `since_ns`.
    pub(super) fn lasted_since(&self, id: u64, since_ns: u64, now_ns: u64) -> bool {
        self.alive.get(&id).is_some_and(|connection| {
            connection.since_ns < since_ns && now_ns - connection.heard_ns <= SILENCE_NS
        })
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
        connections.lost(1);
        assert!(!connections.lasted_since(1, u64::MAX, 22 + SILENCE_NS), "lost");
        assert!(!connections.lasted_since(2, u64::MAX, 0), "never heard of");
    }
}
