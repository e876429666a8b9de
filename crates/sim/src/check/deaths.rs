//! No server dies without a reason: `fatal`.

use etcd::server::REMOVED;

use super::Check;
use super::facts::Facts;
use super::promise::Promise;
use super::violation::Found;
use crate::machine::KILLED;
use crate::scenario::Node;

/// See the module's head; nothing is remembered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deaths;

impl Check for Deaths {
    /// Of what a process ended by itself, only a fault may be the reason, or its removal.
    fn died(&mut self, facts: &Facts, node: Node, reason: &str, found: &mut Found) {
        let shadow = facts.shadows.of(node);
        let is_excused =
            shadow.excuse.is_some() || shadow.sync_failed || [KILLED, REMOVED].contains(&reason);
        found.look(Promise::Fatal, is_excused, &[node], 0, || format!("{node}: {reason}"));
    }
}
