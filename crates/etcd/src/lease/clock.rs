//! The primary lessor's clock: when each lease expires, and when its time is noted.

use ordered::{SharedMap, SharedSet};

use super::NANOS_PER_SECOND;

/// An expired lease that was not revoked is named again after this time.
const RETRY_NS: u64 = 3 * NANOS_PER_SECOND;
/// Leases that may be revoked in a second.
pub(crate) const REVOKE_RATE: usize = 1000;
/// Leases of one second after a promotion before the others are put off.
const EXPIRIES_PER_SECOND: u64 = 3 * (REVOKE_RATE as u64) / 4;

/// Expiries of all leases.
///
/// * Every lease is in `expires`, and once in `due`: at its expiry, or when it is named again.
#[derive(Debug, Clone, Default)]
pub(super) struct Clock {
    expires: SharedMap<i64, Times>,
    due: SharedSet<(u64, i64)>,
    checkpoints: SharedSet<(u64, i64)>,
}

/// Nanoseconds of the server's clock.
#[derive(Debug, Clone, Copy)]
struct Times {
    expires: u64,
    due: u64,
    checkpoint: Option<u64>,
}

impl Clock {
    /// Starts with leases and the seconds that each has left.
    pub(super) fn new(
        leases: impl Iterator<Item = (i64, i64)>,
        now_ns: u64,
        extension_ns: u64,
        checkpoint_ns: Option<u64>,
    ) -> Self {
        let mut clock = Self::default();
        let from_ns = now_ns + extension_ns;
        for (id, ttl) in leases {
            clock.set(id, from_ns.saturating_add(seconds(ttl)));
            clock.schedule_checkpoint(id, ttl, now_ns, checkpoint_ns);
        }
        clock.spread(now_ns, extension_ns);
        clock
    }

    /// Puts leases off that would expire in the same second, if there are more of them than can be
    /// revoked in time.
    fn spread(&mut self, now_ns: u64, extension_ns: u64) {
        if self.expires.len() < REVOKE_RATE {
            return;
        }
        let ordered: Vec<(u64, i64)> = self.due.iter().copied().collect();
        let mut base_ns = ordered[0].0 - now_ns;
        let (mut next_ns, mut expiries) = (base_ns + NANOS_PER_SECOND, 0);
        for (expires_ns, id) in ordered {
            let left_ns = expires_ns - now_ns;
            if left_ns > next_ns {
                (base_ns, next_ns, expiries) = (left_ns, left_ns + NANOS_PER_SECOND, 1);
                continue;
            }
            expiries += 1;
            if expiries <= EXPIRIES_PER_SECOND {
                continue;
            }
            let by_rate_ns = NANOS_PER_SECOND * expiries / EXPIRIES_PER_SECOND;
            let delay_ns = by_rate_ns.saturating_sub(left_ns - base_ns);
            next_ns = base_ns + delay_ns;
            // The lease's own seconds are what it has without the extension that it has already.
            let own_ns = left_ns - extension_ns;
            self.set(id, now_ns + own_ns + delay_ns + extension_ns);
        }
    }

    /// Gives a lease `ttl` seconds from now.
    pub(super) fn start(&mut self, id: i64, ttl: i64, now_ns: u64, checkpoint_ns: Option<u64>) {
        self.set(id, now_ns.saturating_add(seconds(ttl)));
        self.schedule_checkpoint(id, ttl, now_ns, checkpoint_ns);
    }

    fn set(&mut self, id: i64, expires_ns: u64) {
        let checkpoint = self.expires.get(&id).and_then(|times| times.checkpoint);
        let times = Times { expires: expires_ns, due: expires_ns, checkpoint };
        if let Some(before) = self.expires.insert(id, times) {
            self.due.remove(&(before.due, id));
        }
        self.due.insert((expires_ns, id));
    }

    /// Forgets a lease.
    pub(super) fn stop(&mut self, id: i64) {
        if let Some(times) = self.expires.remove(&id) {
            self.due.remove(&(times.due, id));
            if let Some(at_ns) = times.checkpoint {
                self.checkpoints.remove(&(at_ns, id));
            }
        }
    }

    /// Plans the next checkpoint of a lease that has `remaining` seconds, if it lives that long.
    pub(super) fn schedule_checkpoint(
        &mut self,
        id: i64,
        remaining: i64,
        now_ns: u64,
        interval_ns: Option<u64>,
    ) {
        let Some(interval_ns) = interval_ns.filter(|&interval| seconds(remaining) > interval)
        else {
            return;
        };
        if let Some(times) = self.expires.get_mut(&id) {
            if let Some(before) = times.checkpoint.replace(now_ns + interval_ns) {
                self.checkpoints.remove(&(before, id));
            }
            self.checkpoints.insert((now_ns + interval_ns, id));
        }
    }

    pub(super) fn expires_ns(&self, id: i64) -> Option<u64> {
        self.expires.get(&id).map(|times| times.expires)
    }

    pub(super) fn take_expired(&mut self, now_ns: u64, limit: usize) -> Vec<i64> {
        let mut expired = Vec::new();
        while let Some(&(due_ns, id)) = self.due.first()
            && due_ns <= now_ns
            && expired.len() < limit
        {
            self.due.remove(&(due_ns, id));
            self.due.insert((now_ns + RETRY_NS, id));
            if let Some(times) = self.expires.get_mut(&id) {
                times.due = now_ns + RETRY_NS;
            }
            expired.push(id);
        }
        expired
    }

    /// Leases whose checkpoint is due, with the time that they have left. Expired ones have none.
    pub(super) fn take_due_checkpoints(&mut self, now_ns: u64, limit: usize) -> Vec<(i64, u64)> {
        let mut due = Vec::new();
        while let Some(&(at_ns, id)) = self.checkpoints.first()
            && at_ns <= now_ns
            && due.len() < limit
        {
            self.checkpoints.remove(&(at_ns, id));
            let Some(times) = self.expires.get_mut(&id) else { continue };
            times.checkpoint = None;
            if times.expires > now_ns {
                due.push((id, times.expires - now_ns));
            }
        }
        due
    }

    pub(super) fn ids_by_expiry(&self) -> Vec<i64> {
        let mut by_expiry: Vec<(u64, i64)> =
            self.expires.iter().map(|(id, times)| (times.expires, *id)).collect();
        ordered::sort_by_key(&mut by_expiry, |row| *row);
        by_expiry.into_iter().map(|(_, id)| id).collect()
    }
}

/// Negative times do not come from a grant, which raises them to the minimum.
fn seconds(ttl: i64) -> u64 {
    u64::try_from(ttl).unwrap_or(0).saturating_mul(NANOS_PER_SECOND)
}
