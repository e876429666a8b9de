//! `lease keep-alive` without `--once`: a lease is renewed again and again, until it is gone.

use ordered::Map;

use etcd::request::Reply;
use serde::{Deserialize, Serialize};

use super::{Clients, Ended};
use crate::machine::AnswerBody;
use crate::scenario::{ClientCommand, LeaseCommand, MILLISECOND_NS, SECOND_NS};
use crate::view::Outcome;

/// After a renewal that failed; etcd's client waits as long.
const RETRY_NS: u64 = 500 * MILLISECOND_NS;

/// Leases that clients keep alive: by lease, who does it and when next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Keepers {
    kept: Map<i64, Keeper>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Keeper {
    client: u32,
    next_ns: u64,
}

impl Keepers {
    /// When each lease is renewed next.
    pub(crate) fn turns(&self) -> impl Iterator<Item = (i64, u64)> {
        self.kept.iter().map(|(lease, keeper)| (*lease, keeper.next_ns))
    }
}

impl Clients {
    /// Somebody keeps a lease alive from now on; gives the client's number.
    pub(crate) fn keep(&mut self, now_ns: u64, lease: i64) -> u32 {
        let client = self.take_numbers(1);
        let keeper = Keeper { client, next_ns: now_ns + RETRY_NS };
        self.keepers.kept.insert(lease, keeper);
        client
    }

    /// Who renews a lease, if anybody still does.
    pub(crate) fn keeper(&self, lease: i64) -> Option<u32> {
        self.keepers.kept.get(&lease).map(|keeper| keeper.client)
    }

    /// A renewal ended; gives the lease and when it is renewed again.
    pub(crate) fn keeper_ended(&mut self, now_ns: u64, ended: &Ended) -> Option<(i64, u64)> {
        let ClientCommand::Lease(LeaseCommand::KeepAlive { id, once: false }) =
            *ended.operation.command
        else {
            return None;
        };
        let pause_ns = match (&ended.answer.body, ended.outcome) {
            (AnswerBody::Etcd(Reply::LeaseKeepAlive(reply)), Outcome::Acknowledged) => {
                reply.ttl.unsigned_abs() * SECOND_NS / 3
            }
            _ => RETRY_NS,
        };
        if pause_ns == 0 {
            self.keepers.kept.remove(&id);
            return None;
        }
        let keeper = self.keepers.kept.get_mut(&id)?;
        keeper.next_ns = now_ns + pause_ns;
        Some((id, keeper.next_ns))
    }
}
