//! The lessor: leases, the keys that hang on them, and on the leader the clock that ends them.
//!
//! # Contract
//!
//! Leases are made, ended and checkpointed by entries of the log, on every member alike. Time is
//! the leader's alone: only the *primary* lessor has expiries. A member becomes primary when it has
//! applied the first entry of its own term, and gives each lease its whole remaining time, and an
//! election timeout on top; it stops being primary with its leadership. What it finds expired it
//! only names; the server proposes to revoke it, as the leader of that term, so a former leader
//! ends nothing.
//!
//! ```text
//! granted ─(promote: now + remaining + election timeout)→ ticking ─(renew: now + ttl)→ ticking
//!    ↑                                                       │ expires
//!    └───────────(demote: no expiry)────────────────────────┤
//!                                                   named every 3 s until revoked
//! ```
//!
//! The `lease` bucket has each lease under its id, eight bytes big endian; which keys hang on it,
//! the keys tell themselves. All times are nanoseconds of the server's clock.
//! Source: etcd release-3.4, `lease/{lessor,lease_queue}.go`.

mod clock;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use ordered::{SharedMap, SharedSet};

use crate::mvcc::{Backend, Bucket, Committed, Store, WriteTxn};
use crate::proto::leasepb;
use crate::proto::rpc::LeaseCheckpoint;
use crate::request::RequestError;
use clock::Clock;
use prost::Message as _;

/// The longest lease, seconds.
pub const TTL_MAX: i64 = 9_000_000_000;

/// How a server treats leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseRules {
    /// The shortest lease, seconds: one and a half election timeouts, rounded up.
    pub ttl_min: i64,
    /// How often the leader notes the remaining time of long leases in the log
    /// (`--experimental-enable-lease-checkpoint`); `None` for never, the default.
    pub checkpoint_ns: Option<u64>,
    /// Whether a checkpoint reaches the backend
    /// (`--experimental-enable-lease-checkpoint-persist`).
    pub persists_checkpoints: bool,
}

impl Default for LeaseRules {
    /// Those of election timeouts of a second.
    fn default() -> Self {
        Self { ttl_min: 2, checkpoint_ns: None, persists_checkpoints: false }
    }
}

/// A lease.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lease {
    /// Time to live, seconds.
    pub ttl: i64,
    /// What a checkpoint left of it, seconds; 0 for all.
    pub remaining_ttl: i64,
    /// Its keys.
    pub keys: SharedSet<Bytes>,
}

/// All leases of one server.
///
/// * A key hangs on at most one lease, and is among that lease's keys.
/// * Without a clock no lease expires.
#[derive(Debug, Clone, Default)]
pub struct Lessor {
    rules: LeaseRules,
    leases: SharedMap<i64, Lease>,
    keys: SharedMap<Bytes, i64>,
    /// Only of the primary.
    clock: Option<Clock>,
}

impl Lessor {
    /// The leases of a backend, with the keys that `attached` names.
    pub fn restore<B: Backend>(
        store: &Store<B>,
        attached: impl IntoIterator<Item = (Bytes, i64)>,
    ) -> Self {
        let mut lessor = Self::default();
        store.backend().scan(Bucket::Lease, &[], None, &mut |_, value| {
            // etcd stops at such a row; it cannot come from a server.
            if let Ok(lease) = leasepb::Lease::decode(value) {
                let leasepb::Lease { id, ttl, remaining_ttl } = lease;
                let lease = Lease { ttl, remaining_ttl, keys: SharedSet::new() };
                lessor.leases.insert(id, lease);
            }
            std::ops::ControlFlow::Continue(())
        });
        for (key, id) in attached {
            lessor.attach(key, id);
        }
        lessor
    }

    /// Goes on with other leases, without a clock: a store that is replaced is not a leader's.
    pub(crate) fn replace(&mut self, other: Self) {
        *self = Self { rules: self.rules, ..other };
    }

    /// Sets the rules.
    pub fn set_rules(&mut self, rules: LeaseRules) {
        self.rules = rules;
    }

    /// All leases by id.
    pub fn leases(&self) -> impl Iterator<Item = (i64, &Lease)> {
        self.leases.iter().map(|(id, lease)| (*id, lease))
    }

    /// One lease.
    pub fn lease(&self, id: i64) -> Option<&Lease> {
        self.leases.get(&id)
    }

    /// Whether there is such a lease.
    pub fn exists(&self, id: i64) -> bool {
        self.leases.contains_key(&id)
    }

    /// Makes a lease; gives the seconds that it lives.
    pub fn grant<B: Backend>(
        &mut self,
        store: &mut Store<B>,
        id: i64,
        ttl: i64,
        now_ns: u64,
    ) -> Result<i64, RequestError> {
        if id == 0 {
            return Err(RequestError::LeaseNotFound);
        }
        if ttl > TTL_MAX {
            return Err(RequestError::LeaseTtlTooLarge);
        }
        if self.exists(id) {
            return Err(RequestError::LeaseExists);
        }
        let lease = Lease { ttl: ttl.max(self.rules.ttl_min), ..Lease::default() };
        let ttl = lease.ttl;
        persist(store, id, &lease);
        if let Some(clock) = &mut self.clock {
            clock.start(id, ttl, now_ns, self.rules.checkpoint_ns);
        }
        self.leases.insert(id, lease);
        Ok(ttl)
    }

    /// Ends a lease: deletes its keys in order, as one revision, and the lease with them. Gives
    /// what changed.
    pub fn revoke<B: Backend>(
        &mut self,
        store: &mut Store<B>,
        id: i64,
    ) -> Result<Committed, RequestError> {
        let lease = self.leases.remove(&id).ok_or(RequestError::LeaseNotFound)?;
        if let Some(clock) = &mut self.clock {
            clock.stop(id);
        }
        let mut txn: WriteTxn<'_, B> = store.write();
        for key in lease.keys.iter() {
            self.keys.remove(key);
            txn.delete_range(&crate::mvcc::KeyRange::One(key.clone()));
        }
        txn.unset(Bucket::Lease, &id.to_be_bytes());
        Ok(txn.end())
    }

    /// Notes what the leader says is left of leases. Those that are gone are passed over.
    pub fn checkpoint<B: Backend>(
        &mut self,
        store: &mut Store<B>,
        checkpoints: &[LeaseCheckpoint],
        now_ns: u64,
    ) {
        for checkpoint in checkpoints {
            let Some(lease) = self.leases.get_mut(&checkpoint.id) else { continue };
            lease.remaining_ttl = checkpoint.remaining_ttl;
            if self.rules.persists_checkpoints {
                persist(store, checkpoint.id, lease);
            }
            if let Some(clock) = &mut self.clock {
                let remaining = remaining(lease);
                clock.schedule_checkpoint(
                    checkpoint.id,
                    remaining,
                    now_ns,
                    self.rules.checkpoint_ns,
                );
            }
        }
    }

    /// Follows the changes of a transaction: keys that were put hang on the lease that the put
    /// names, and on no other; deleted ones on none.
    pub fn follow(&mut self, changes: &Committed) {
        for kv in &changes.changes {
            let is_deleted = kv.create_revision == 0;
            if is_deleted || kv.lease == 0 {
                self.detach(&kv.key);
            } else {
                self.attach(kv.key.clone(), kv.lease);
            }
        }
    }

    /// Hangs a key on a lease. If there is no such lease, the key hangs on none.
    fn attach(&mut self, key: Bytes, id: i64) {
        if self.keys.get(&key) == Some(&id) {
            return;
        }
        self.detach(&key);
        if let Some(lease) = self.leases.get_mut(&id) {
            lease.keys.insert(key.clone());
            self.keys.insert(key, id);
        }
    }

    fn detach(&mut self, key: &Bytes) {
        if let Some(id) = self.keys.remove(key)
            && let Some(lease) = self.leases.get_mut(&id)
        {
            lease.keys.remove(key);
        }
    }

    /// Starts the clock of a new leader: each lease has its remaining time and `extension_ns`.
    pub fn promote(&mut self, now_ns: u64, extension_ns: u64) {
        let ttls = self.leases.iter().map(|(id, lease)| (*id, remaining(lease)));
        self.clock = Some(Clock::new(ttls, now_ns, extension_ns, self.rules.checkpoint_ns));
    }

    /// Stops the clock: the server leads no more.
    pub fn demote(&mut self) {
        self.clock = None;
    }

    /// Whether the clock runs.
    pub fn is_primary(&self) -> bool {
        self.clock.is_some()
    }

    /// When a lease expires; `None` if this server is not the one to know, or there is no lease.
    pub fn expires_ns(&self, id: i64) -> Option<u64> {
        self.clock.as_ref()?.expires_ns(id)
    }

    /// Gives a lease its whole time again, and the seconds that it has now. The caller saw to it
    /// that the lease has not expired yet.
    ///
    /// If a checkpoint is to be taken back through the log, the second value says so.
    pub fn renew(&mut self, id: i64, now_ns: u64) -> Option<(i64, bool)> {
        let (clock, lease) = (self.clock.as_mut()?, self.leases.get_mut(&id)?);
        let has_checkpoint = lease.remaining_ttl > 0 && self.rules.checkpoint_ns.is_some();
        if has_checkpoint {
            lease.remaining_ttl = 0;
        }
        clock.start(id, remaining(lease), now_ns, self.rules.checkpoint_ns);
        Some((lease.ttl, has_checkpoint))
    }

    /// Up to `limit` leases that have expired. One that is not revoked is named again after 3 s.
    pub fn take_expired(&mut self, now_ns: u64, limit: usize) -> Vec<i64> {
        self.clock.as_mut().map_or_else(Vec::new, |clock| clock.take_expired(now_ns, limit))
    }

    /// Up to `limit` checkpoints that are due.
    pub fn take_checkpoints(&mut self, now_ns: u64, limit: usize) -> Vec<LeaseCheckpoint> {
        let Some(clock) = &mut self.clock else { return Vec::new() };
        let due = clock.take_due_checkpoints(now_ns, limit).into_iter();
        due.filter_map(|(id, left_ns)| {
            let remaining_ttl = i64::try_from(left_ns.div_ceil(NANOS_PER_SECOND)).ok()?;
            let ttl = self.leases.get(&id)?.ttl;
            (remaining_ttl < ttl).then_some(LeaseCheckpoint { id, remaining_ttl })
        })
        .collect()
    }

    /// Ids as `Lease.LeaseLeases` lists them: by expiry, without a clock by id.
    pub fn ids(&self) -> Vec<i64> {
        match &self.clock {
            Some(clock) => clock.ids_by_expiry(),
            None => self.leases.keys().copied().collect(),
        }
    }
}

pub(crate) const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Seconds that a lease has when its clock is started.
fn remaining(lease: &Lease) -> i64 {
    if lease.remaining_ttl > 0 { lease.remaining_ttl } else { lease.ttl }
}

fn persist<B: Backend>(store: &mut Store<B>, id: i64, lease: &Lease) {
    let Lease { ttl, remaining_ttl, .. } = *lease;
    let row = leasepb::Lease { id, ttl, remaining_ttl };
    store.set(Bucket::Lease, &id.to_be_bytes(), Bytes::from(row.encode_to_vec()));
}
