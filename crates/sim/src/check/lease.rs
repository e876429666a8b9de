//! Leases: L1 to L5.
//!
//! Who may end a lease is told by who proposed the entry and by what its clock showed then; what an
//! ended lease takes with it, by the stores of the servers that applied the entry. A clock is that
//! of the process: skewed or set forward, it counts as it is.

use etcd::mvcc::{Backend, KeyRange, RangeOptions, Store};
use etcd::request::{LeaseKeepAliveReply, LeaseTimeToLiveReply, Reply};
use etcd::server::{ServerEvent as EtcdEvent, View};
use ordered::{Map, SharedMap};

use super::facts::model::Checkpoints;
use super::facts::replay::{Placed, Replayed};
use super::facts::shadow::{Shadow, view};
use super::facts::{Facts, News};
use super::promise::Promise;
use super::violation::Found;
use super::{Answered, Asked, Check, Ended, Step};
use crate::machine::AnswerBody;
use crate::scenario::{ClientCommand, LeaseCommand, Node, SECOND_NS};

/// One server's clock, and since when each lease runs by it.
#[derive(Clone, Debug, Default)]
struct Clock {
    now_ns: u64,
    boots: u32,
    /// When it began to lead.
    leads_since_ns: u64,
    /// Grants and renewals since.
    started_ns: SharedMap<i64, u64>,
    /// What checkpoints had said then.
    checkpoints: SharedMap<i64, Checkpoints>,
}

/// Something that a server proposed of its own.
#[derive(Clone, Debug)]
struct Own {
    node: Node,
    leads: bool,
    term: u64,
    clock: Clock,
}

/// What an entry that ended a lease did.
#[derive(Clone, Copy, Debug)]
struct End {
    lease: i64,
    revision: i64,
}

/// What is remembered of leases.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leases {
    clocks: Map<Node, Clock>,
    /// By proposal.
    own: SharedMap<u64, Own>,
    /// By the entry that made it.
    granted: SharedMap<u64, i64>,
    /// By the entry that ended it.
    ended: SharedMap<u64, End>,
    /// The last entry that ended a lease.
    ended_at: SharedMap<i64, u64>,
    /// Seconds that leases were granted, also of those that ended.
    ttls: SharedMap<i64, i64>,
    /// The newest committed entry when a request was asked.
    asked: SharedMap<u64, u64>,
    /// How many checkpoints there were of a lease when a client last asked to keep it alive.
    kept: SharedMap<i64, u64>,
    /// What a leader that begins adds to the time of each lease.
    extension_ns: u64,
}

impl Check for Leases {
    fn stepped(&mut self, facts: &Facts, step: &Step<'_>, news: &News, found: &mut Found) {
        let shadow = facts.shadows.of(step.node);
        let checkpoints = facts.replay.model.checkpoints();
        self.follow(shadow, step, checkpoints);
        for replayed in &news.replayed {
            self.replayed(replayed, checkpoints, found);
        }
        self.applied(step, found);
    }

    fn asked(&mut self, facts: &Facts, asked: &Asked<'_>) {
        self.asked.insert(asked.request, facts.replay.last_index());
        if let ClientCommand::Lease(LeaseCommand::KeepAlive { id, .. }) = **asked.command {
            let known = facts.replay.model.checkpoints().get(&id);
            self.kept.insert(id, known.map_or(0, |known| known.count));
        }
    }

    /// L4, L5.
    fn answered(&mut self, facts: &Facts, answered: &Answered<'_>, found: &mut Found) {
        let AnswerBody::Etcd(reply) = &answered.answer.body else { return };
        match reply {
            Reply::LeaseKeepAlive(reply) if reply.ttl > 0 => {
                self.kept_alive(answered.node, answered.request, reply, found);
            }
            Reply::LeaseTimeToLive(reply) if reply.ttl >= 0 => {
                self.has_left(answered, reply, facts, found);
            }
            _ => {}
        }
    }

    fn ended(&mut self, _: &Facts, ended: &Ended<'_>, _: &mut Found) {
        self.asked.remove(&ended.request);
    }
}

impl Leases {
    /// Takes up a server's clock, and what it proposes of its own.
    fn follow(
        &mut self,
        shadow: &Shadow,
        step: &Step<'_>,
        checkpoints: &SharedMap<i64, Checkpoints>,
    ) {
        if let Some(view) = view(step.machine) {
            self.extension_ns = view.config().election_timeout_ns();
        }
        let clock = self.clocks.get_or_default(shadow.node);
        if clock.boots != shadow.boots {
            *clock = Clock { boots: shadow.boots, ..Clock::default() };
        }
        clock.now_ns = step.machine.shown_ns();
        for event in step.told() {
            match event {
                EtcdEvent::BecameRole { role: raft::Role::Leader, .. } => {
                    clock.leads_since_ns = clock.now_ns;
                    clock.started_ns = SharedMap::new();
                    clock.checkpoints = checkpoints.clone();
                }
                EtcdEvent::Proposed { proposal_id, request: None, .. } => {
                    let (node, leads) = (shadow.node, shadow.now.leads());
                    let own = Own { node, leads, term: shadow.now.term, clock: clock.clone() };
                    self.own.insert(*proposal_id, own);
                }
                _ => {}
            }
        }
    }

    /// A committed entry: L1 and L2.
    fn replayed(
        &mut self,
        replayed: &Replayed,
        checkpoints: &SharedMap<i64, Checkpoints>,
        found: &mut Found,
    ) {
        let (Placed { index, effect }, term) = (replayed.placed, replayed.term);
        if let Some((lease, ttl)) = effect.granted {
            self.granted.insert(index, lease);
            self.ttls.insert(lease, ttl);
        }
        let own = self.own.remove(&effect.proposal);
        let Some(lease) = effect.revoked else { return };
        self.ended_at.insert(lease, index);
        if effect.modified {
            self.ended.insert(index, End { lease, revision: effect.revision });
        }
        let Some(Own { node, leads, term: of_term, clock }) = own else { return };
        found.look(Promise::L2, leads && of_term == term, &[node], index, || {
            let part = if leads { "leads" } else { "does not lead" };
            format!(
                "{node} {part} in term {of_term} when it finds lease {lease:x} expired; entry \
                 {index} of term {term} ends it"
            )
        });
        let ttl = self.ttls.get(&lease).copied().unwrap_or(0);
        let started_ns = clock.started_ns.get(&lease).copied();
        let noted = checkpoints.get(&lease).filter(|_| started_ns.is_none());
        let due_s = noted.map_or(ttl, |noted| ttl.min(noted.least_s));
        let since_ns = started_ns.unwrap_or(0).max(clock.leads_since_ns);
        let lived_ns = clock.now_ns.saturating_sub(since_ns);
        let holds = lived_ns / SECOND_NS >= due_s.unsigned_abs();
        found.look(Promise::L1, holds, &[node], index, || {
            format!(
                "{node} ends lease {lease:x} of {ttl} s, of which {due_s} were left, in entry \
                 {index}, {} ms after it last gave it its time, by its clock",
                lived_ns / 1_000_000
            )
        });
    }

    /// What a server applied: L3, and since when leases run there.
    fn applied(&mut self, step: &Step<'_>, found: &mut Found) {
        for event in step.told() {
            let EtcdEvent::Applied { index, revision } = event else { continue };
            if let (Some(lease), Some(clock)) =
                (self.granted.get(index), self.clocks.get_mut(&step.node))
            {
                clock.started_ns.insert(*lease, clock.now_ns);
            }
            let ended = self.ended.get(index).copied();
            if let Some(ended) = ended.filter(|ended| ended.revision == *revision)
                && let Some(store) = view(step.machine).and_then(View::store)
            {
                keys_are_gone(step.node, store, *index, ended, found);
            }
        }
    }

    fn kept_alive(
        &mut self,
        node: Node,
        request: u64,
        reply: &LeaseKeepAliveReply,
        found: &mut Found,
    ) {
        let lease = reply.id;
        if let Some(clock) = self.clocks.get_mut(&node) {
            clock.started_ns.insert(lease, clock.now_ns);
        }
        let asked = self.asked.get(&request).copied().unwrap_or(0);
        let ended = self.ended_at.get(&lease).copied();
        let is_there = self.ttls.contains_key(&lease) && ended.is_none_or(|ended| ended > asked);
        if is_there {
            return found.looked(Promise::L4);
        }
        let why = ended.map_or("was never granted".to_owned(), |ended| {
            format!("was ended by entry {ended}, which was committed before that was asked")
        });
        let detail = format!("{node} keeps lease {lease:x} alive; it {why}");
        found.broken(Promise::L4, &[node], ended.unwrap_or(0), &[request], detail);
    }

    fn has_left(
        &self,
        answered: &Answered<'_>,
        reply: &LeaseTimeToLiveReply,
        facts: &Facts,
        found: &mut Found,
    ) {
        let (node, lease) = (answered.node, reply.id);
        let extension = i64::try_from(self.extension_ns.div_ceil(SECOND_NS)).unwrap_or(i64::MAX);
        let had = self.checkpointed(node, lease, facts).unwrap_or(reply.granted_ttl);
        let holds = reply.ttl <= had.saturating_add(extension);
        if holds {
            return found.looked(Promise::L5);
        }
        let detail = format!(
            "{node} says that lease {lease:x} of {} s, of which {had} were left, has {} s left",
            reply.granted_ttl, reply.ttl
        );
        found.broken(Promise::L5, &[node], 0, &[answered.request], detail);
    }

    /// What a checkpoint had left of a lease when its leader began, if the lease can have got no
    /// more since.
    fn checkpointed(&self, node: Node, lease: i64, facts: &Facts) -> Option<i64> {
        let clock = self.clocks.get(&node)?;
        let had = clock.checkpoints.get(&lease).filter(|had| had.last_s > 0)?;
        let is_last = facts.replay.model.checkpoints().get(&lease) == Some(had);
        let kept_before = self.kept.get(&lease).is_none_or(|count| *count < had.count);
        let is_renewed = clock.started_ns.contains_key(&lease);
        let counts = facts.shadows.of(node).now.leads() && is_last && kept_before && !is_renewed;
        counts.then_some(had.last_s)
    }
}

/// L3.
fn keys_are_gone<B: Backend>(
    node: Node,
    store: &Store<B>,
    index: u64,
    ended: End,
    found: &mut Found,
) {
    let End { lease, revision } = ended;
    let options = RangeOptions { revision, ..RangeOptions::default() };
    let Ok(result) = store.range(&KeyRange::all(), options) else { return };
    let left = result.kvs.iter().find(|kv| kv.lease == lease);
    found.look(Promise::L3, left.is_none(), &[node], index, || {
        let key = left.map_or_else(Default::default, |kv| String::from_utf8_lossy(&kv.key));
        format!("{node} ended lease {lease:x} at revision {revision}; {key} still hangs on it")
    });
}

#[cfg(test)]
mod tests {
    use etcd::mvcc::MemoryBackend;
    use etcd::proto::etcdserverpb::InternalRaftRequest;
    use etcd::proto::rpc::{
        LeaseCheckpoint, LeaseCheckpointRequest, LeaseGrantRequest, LeaseRevokeRequest,
    };
    use etcd::request::ResponseHeader;
    use prost::Message as _;

    use super::*;
    use crate::check::facts::replay::Replay;
    use crate::check::facts::shadow::Stand;
    use crate::machine::{Answer, Certainty};
    use crate::scenario::ClusterSpec;
    use crate::view::Role;
    use crate::world::World;

    const LEADER: Node = Node(1);

    /// Lease 7 of 5 s is granted by entry 1 at 10 s, and ended by entry 2, which the leader of term
    /// 3 proposed at that time; the entry is of that term.
    fn ended(at_s: u64, of_term: u64) -> (Leases, Vec<Promise>) {
        let (mut leases, mut replay, mut found) = (Leases::default(), Replay::new(), Found::new());
        let mut next = |leases: &mut Leases, term, request: InternalRaftRequest| {
            let replayed = replay.next(term, Some(&request.encode_to_vec().into()));
            let checkpoints = replay.model.checkpoints();
            leases.replayed(&replayed.expect("it is a request"), checkpoints, &mut found);
        };
        let lease_grant = Some(LeaseGrantRequest { id: 7, ttl: 5 });
        let grant = InternalRaftRequest { id: 1, lease_grant, ..Default::default() };
        next(&mut leases, 3, grant);
        let mut clock = Clock { now_ns: at_s * SECOND_NS, ..Clock::default() };
        clock.started_ns.insert(7, 10 * SECOND_NS);
        leases.own.insert(2, Own { node: LEADER, leads: true, term: 3, clock });
        let lease_revoke = Some(LeaseRevokeRequest { id: 7 });
        let revoke = InternalRaftRequest { id: 2, lease_revoke, ..Default::default() };
        next(&mut leases, of_term, revoke);
        let broken = found.violations().iter().map(|one| one.promise).collect();
        (leases, broken)
    }

    #[test]
    fn a_lease_ends_after_its_time_by_the_leader_of_the_term_or_a_promise_is_broken() {
        assert_eq!(ended(15, 3).1, [], "after five seconds");
        assert_eq!(ended(14, 3).1, [Promise::L1], "after four");
        assert_eq!(ended(15, 4).1, [Promise::L2], "another leads in the term of the entry");
    }

    #[test]
    fn a_lease_that_ended_before_the_question_is_not_kept_alive_and_none_has_more_than_its_time() {
        let (mut leases, _) = ended(15, 3);
        leases.asked.insert(50, 1);
        leases.asked.insert(51, 2);
        let kept = |id| {
            let header = ResponseHeader::default();
            Reply::LeaseKeepAlive(LeaseKeepAliveReply { header, id, ttl: 5 })
        };
        let facts = Facts::new(&[]);
        let mut said = |request, reply: &Reply| {
            let mut found = Found::new();
            let body = AnswerBody::Etcd(reply.clone());
            let answer = &Answer { certainty: Certainty::Done, revision: None, body };
            let answered = Answered { node: LEADER, request, asked: None, is_read: true, answer };
            leases.answered(&facts, &answered, &mut found);
            found.violations().iter().map(|one| one.promise).collect::<Vec<_>>()
        };
        assert_eq!(said(50, &kept(7)), [], "it ended meanwhile");
        assert_eq!(said(51, &kept(7)), [Promise::L4], "it had ended");
        assert_eq!(said(51, &kept(8)), [Promise::L4], "there never was one");
        let left = |ttl| {
            let reply = LeaseTimeToLiveReply { id: 7, ttl, granted_ttl: 5, ..Default::default() };
            Reply::LeaseTimeToLive(reply)
        };
        assert_eq!(said(50, &left(5)), [], "all of it");
        assert_eq!(said(50, &left(6)), [Promise::L5], "more than it was granted");
    }

    /// A leader of lease 7, of 60 s, of which a checkpoint left 20 before it began to lead.
    fn checkpointed() -> (Leases, Facts) {
        let mut facts = Facts::new(World::new(ClusterSpec::default()).machines());
        facts.shadows.of_mut(LEADER).now = Stand { role: Role::Leader, ..Stand::default() };
        let lease_grant = Some(LeaseGrantRequest { id: 7, ttl: 60 });
        let one = LeaseCheckpoint { id: 7, remaining_ttl: 20 };
        let lease_checkpoint = Some(LeaseCheckpointRequest { checkpoints: vec![one] });
        let mut leases = Leases::default();
        for request in [
            InternalRaftRequest { id: 1, lease_grant, ..Default::default() },
            InternalRaftRequest { id: 2, lease_checkpoint, ..Default::default() },
        ] {
            facts.replay.next(3, Some(&request.encode_to_vec().into()));
        }
        leases.ttls.insert(7, 60);
        let checkpoints = facts.replay.model.checkpoints().clone();
        leases.clocks.insert(LEADER, Clock { checkpoints, ..Clock::default() });
        (leases, facts)
    }

    #[test]
    fn after_a_checkpoint_a_new_leader_gives_a_lease_what_was_left_and_no_more() {
        let said = |leases: &mut Leases, facts: &Facts, ttl| {
            let reply = LeaseTimeToLiveReply { id: 7, ttl, granted_ttl: 60, ..Default::default() };
            let body = AnswerBody::Etcd(Reply::LeaseTimeToLive(reply));
            let answer = &Answer { certainty: Certainty::Done, revision: None, body };
            let (request, asked) = (1, None);
            let answered = Answered { node: LEADER, request, asked, is_read: true, answer };
            let mut found = Found::new();
            leases.answered(facts, &answered, &mut found);
            found.violations().iter().map(|one| one.promise).collect::<Vec<_>>()
        };
        let (mut leases, facts) = checkpointed();
        assert_eq!(said(&mut leases, &facts, 20), [], "what was left");
        assert_eq!(said(&mut leases, &facts, 60), [Promise::L5], "all of it again");
        leases.clocks.get_or_default(LEADER).started_ns.insert(7, 1);
        assert_eq!(said(&mut leases, &facts, 60), [], "it was kept alive since");
    }

    #[test]
    fn after_a_checkpoint_a_lease_may_end_when_what_was_left_is_over() {
        let ended = |after_s: u64| {
            let (mut leases, mut facts) = checkpointed();
            let clock = leases.clocks.get_or_default(LEADER);
            clock.now_ns = after_s * SECOND_NS;
            let own = Own { node: LEADER, leads: true, term: 3, clock: clock.clone() };
            leases.own.insert(4, own);
            let lease_revoke = Some(LeaseRevokeRequest { id: 7 });
            let revoke = InternalRaftRequest { id: 4, lease_revoke, ..Default::default() };
            let replayed = facts.replay.next(3, Some(&revoke.encode_to_vec().into()));
            let mut found = Found::new();
            let checkpoints = facts.replay.model.checkpoints();
            leases.replayed(&replayed.expect("it is a request"), checkpoints, &mut found);
            found.violations().iter().map(|one| one.promise).collect::<Vec<_>>()
        };
        assert_eq!(ended(20), [], "after the twenty seconds that were left");
        assert_eq!(ended(19), [Promise::L1], "before");
    }

    #[test]
    fn an_ended_lease_that_leaves_a_key_behind_breaks_l3() {
        let rules = etcd::server::Version::default().rules();
        let mut store = Store::restore(MemoryBackend::default(), rules).expect("it is empty");
        let key = |name: &'static str| bytes::Bytes::from_static(name.as_bytes());
        let mut txn = store.write();
        txn.put(key("kept"), key("value"), 8);
        txn.put(key("left"), key("value"), 7);
        let revision = txn.end().revision;
        let broken = |lease| {
            let mut found = Found::new();
            keys_are_gone(LEADER, &store, 9, End { lease, revision }, &mut found);
            found.violations().iter().map(|one| one.promise).collect::<Vec<_>>()
        };
        assert_eq!(broken(7), [Promise::L3], "a key hangs on it");
        assert_eq!(broken(6), [], "none does");
    }
}
