//! What clients are told, against the order in which entries were applied: `replay`,
//! `serializable`, `at-most-once`, M3 and M6.
//!
//! The committed log is replayed once ([`Replay`]). An answer names the revision that it
//! belongs to, so the state that it should show is known; and since it also must not be older than
//! anything that its client could know of when it asked, that order is a linearization.

use etcd::request::{KeyValue, Range, RangeReply, Reply, Request, RequestError};
use ordered::{SharedMap, SharedSet};

use super::facts::replay::{Placed, Replay, Replayed};
use super::facts::told::Told;
use super::facts::{Facts, News};
use super::promise::Promise;
use super::violation::Found;
use super::{Answered, Asked, Check, Ended, Step};
use crate::machine::{AnswerBody, Certainty, Machine};
use crate::scenario::Node;

/// What a client could know when it asked.
#[derive(Clone, Copy, Debug)]
struct Floor {
    revision: i64,
    compact_revision: i64,
}

impl Default for Floor {
    fn default() -> Floor {
        Floor { revision: 0, compact_revision: -1 }
    }
}

/// What is remembered of operations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clients {
    /// The most that any client knows.
    known: Floor,
    floors: SharedMap<u64, Floor>,
    /// Requests of which the client was told that they did not happen.
    denied: SharedSet<u64>,
    /// The operation of requests that ask again for the same.
    retries: SharedMap<u64, u64>,
    /// Operations that took effect, with the request that did.
    operations: SharedMap<u64, u64>,
}

impl Check for Clients {
    fn stepped(&mut self, _: &Facts, _: &Step<'_>, news: &News, found: &mut Found) {
        for replayed in &news.replayed {
            self.took_effect(replayed, found);
        }
        if news.is_lost {
            found.undecided(Promise::Replay, "an entry was compacted unseen".to_owned());
        }
    }

    fn asked(&mut self, _: &Facts, asked: &Asked<'_>) {
        self.floors.insert(asked.request, self.known);
        if let Some(first) = asked.retry_of {
            let operation = self.operation_of(first);
            self.retries.insert(asked.request, operation);
        }
    }

    fn answered(&mut self, facts: &Facts, answered: &Answered<'_>, found: &mut Found) {
        let Some(asked) = &answered.asked else { return };
        if facts.replay.model.lost().is_some() {
            return;
        }
        let Answered { node, request, answer, .. } = *answered;
        let floor = self.floors.get(&request).copied().unwrap_or_default();
        let look = Look { replay: &facts.replay, floor, node, request };
        match (asked, &answer.body) {
            (Request::Range(range), AnswerBody::Etcd(Reply::Range(reply))) => {
                look.read(range, reply, found);
            }
            (Request::Range(range), AnswerBody::Error(message)) => {
                look.refused(range, message, found);
            }
            (_, AnswerBody::Etcd(reply)) if answer.certainty == Certainty::Done => {
                look.wrote(reply, found);
            }
            _ => {}
        }
    }

    fn ended(&mut self, facts: &Facts, ended: &Ended<'_>, _: &mut Found) {
        let Ended { request, answer, .. } = *ended;
        self.floors.remove(&request);
        match answer.certainty {
            Certainty::Done => {
                let revision = answer.revision.unwrap_or(0);
                self.known.revision = self.known.revision.max(revision);
                if matches!(answer.body, AnswerBody::Etcd(Reply::Compact(_))) {
                    self.known.compact_revision = facts.replay.model.compact_revision();
                }
            }
            Certainty::NotDone => {
                self.denied.insert(request);
            }
            Certainty::Unknown => {}
        }
    }

    fn at_end(&mut self, facts: &Facts, _: &[Machine], found: &mut Found) {
        if let Some(why) = facts.replay.model.lost() {
            for promise in [Promise::Replay, Promise::Serializable] {
                found.undecided(promise, why.to_owned());
            }
        }
    }
}

impl Clients {
    /// The first request of the operation that a request is for.
    fn operation_of(&self, request: u64) -> u64 {
        self.retries.get(&request).copied().unwrap_or(request)
    }

    fn took_effect(&mut self, replayed: &Replayed, found: &mut Found) {
        let Replayed { placed: Placed { index, effect }, request, twin, .. } = *replayed;
        if let Some(before) = twin.filter(|_| effect.modified) {
            let detail = format!("entries {before} and {index} are one proposal");
            found.broken(Promise::AtMostOnce, &[], index, request.as_slice(), detail);
        }
        let Some(request) = request.filter(|_| effect.modified) else { return };
        let operation = self.operation_of(request);
        let first = self.operations.insert(operation, request);
        found.look(Promise::AtMostOnce, first.is_none(), &[], index, || {
            format!(
                "request {request} asks again for what request {} did; both took effect",
                first.unwrap_or(operation)
            )
        });
        if self.denied.contains(&request) {
            let detail = format!("request {request} failed, and took effect in entry {index}");
            found.broken(Promise::Replay, &[], index, &[request], detail);
        }
    }
}

/// One answer under the eye.
struct Look<'a> {
    replay: &'a Replay,
    floor: Floor,
    node: Node,
    request: u64,
}

impl Look<'_> {
    fn report(&self, promise: Promise, holds: bool, found: &mut Found, say: impl Fn() -> String) {
        if holds {
            found.looked(promise);
        } else {
            found.broken(promise, &[self.node], 0, &[self.request], say());
        }
    }

    fn read(&self, range: &Range, reply: &RangeReply, found: &mut Found) {
        let (revision, floor) = (reply.header.revision, self.floor);
        let promise = if range.serializable { Promise::Serializable } else { Promise::Replay };
        let is_fresh = range.serializable || revision >= floor.revision;
        self.report(promise, is_fresh, found, || {
            format!(
                "{} answers a linearizable read at revision {revision}; revision {} was known to a \
                 client before it was asked",
                self.node, floor.revision
            )
        });
        let is_past = range.revision > 0;
        let at = if is_past { range.revision } else { revision };
        if is_past && !range.serializable {
            let holds = at >= floor.compact_revision;
            self.report(Promise::M3, holds, found, || {
                format!("{} reads at {at}, below the compact revision", self.node)
            });
        }
        let promise = if is_past { Promise::M3 } else { promise };
        self.content(promise, range, reply, at, found);
    }

    fn content(
        &self,
        promise: Promise,
        range: &Range,
        reply: &RangeReply,
        at: i64,
        found: &mut Found,
    ) {
        let expected: Vec<&KeyValue> =
            self.replay.model.range(&range.key, &range.range_end, at).collect();
        let count = i64::try_from(expected.len()).unwrap_or(i64::MAX);
        let limit = usize::try_from(range.limit).ok().filter(|limit| *limit > 0);
        let shown = expected.len().min(limit.unwrap_or(usize::MAX));
        let sorted = range.sort_order == etcd::request::SortOrder::None
            && range.sort_target == etcd::request::SortTarget::Key;
        let compares = !range.count_only && sorted;
        let is_same = |(one, other): (&KeyValue, &&KeyValue)| {
            one.key == other.key && (range.keys_only || one.value == other.value)
        };
        let pairs = || reply.kvs.iter().zip(&expected);
        let is_right = reply.kvs.len() == shown && pairs().all(is_same);
        let holds = reply.count == count && (!compares || is_right);
        self.report(promise, holds, found, || {
            let shown = |kv: &KeyValue| {
                let (key, value) =
                    (String::from_utf8_lossy(&kv.key), String::from_utf8_lossy(&kv.value));
                format!("{key}={value}")
            };
            let answered: Vec<String> = reply.kvs.iter().take(4).map(shown).collect();
            let right: Vec<String> = expected.iter().take(4).map(|kv| shown(kv)).collect();
            format!(
                "{} answers [{}] as of revision {at}; the log says [{}]",
                self.node,
                answered.join(" "),
                right.join(" ")
            )
        });
        if holds && compares {
            let numbers = |kv: &KeyValue| (kv.create_revision, kv.mod_revision, kv.version);
            let are_right = pairs().all(|(one, other)| numbers(one) == numbers(other));
            self.report(Promise::M6, are_right, found, || {
                format!(
                    "{} gives wrong revisions or versions as of {at}: {:?}",
                    self.node, reply.kvs
                )
            });
        }
    }

    /// A read that says compacted below which nothing was compacted.
    fn refused(&self, range: &Range, message: &str, found: &mut Found) {
        if range.revision > 0 && message == RequestError::Compacted.to_string() {
            let compact = self.replay.model.compact_revision();
            self.report(Promise::M3, range.revision < compact, found, || {
                let at = range.revision;
                format!("{} calls {at} compacted; the compact revision is {compact}", self.node)
            });
        }
    }

    fn wrote(&self, reply: &Reply, found: &mut Found) {
        let is_write = matches!(reply, Reply::Put(_) | Reply::DeleteRange(_) | Reply::Txn(_));
        if !is_write {
            return;
        }
        let (revision, floor) = (reply.header().revision, self.floor);
        let Some(Placed { index, effect }) = self.replay.placed(self.request) else {
            let detail = format!("{} acknowledges a write that is not committed", self.node);
            found.broken(Promise::Replay, &[self.node], 0, &[self.request], detail);
            return;
        };
        let deleted = match reply {
            Reply::DeleteRange(reply) => reply.deleted,
            _ => 0,
        };
        let succeeded = match reply {
            Reply::Txn(reply) => Some(reply.succeeded),
            _ => None,
        };
        let is_later = revision > floor.revision || !effect.modified && revision >= floor.revision;
        let holds = effect.revision == revision
            && deleted == effect.deleted
            && is_later
            && succeeded == effect.succeeded;
        self.report(Promise::Replay, holds, found, || {
            format!(
                "{} answers revision {revision}, {deleted} deleted; entry {index} makes revision \
                 {}, {} deleted, and revision {} was known before",
                self.node, effect.revision, effect.deleted, floor.revision
            )
        });
        self.report(Promise::Replay, Told::of(reply).fits(effect.told), found, || {
            format!("{} tells other keys than those that entry {index} finds", self.node)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etcd::proto::etcdserverpb::InternalRaftRequest;
    use etcd::proto::rpc::request_op::Request as Operation;
    use etcd::proto::rpc::{DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest};
    use etcd::request::{
        DeleteRange, DeleteRangeReply, OperationReply, Put, PutReply, ResponseHeader, Txn, TxnReply,
    };
    use prost::Message as _;

    use crate::machine::Answer;

    /// What is found when this request, logged after a put of `v` at `k`, is answered with this.
    fn after(logged: InternalRaftRequest, asked: &Request, said: Reply) -> Vec<Promise> {
        let (mut facts, mut clients, mut found) =
            (Facts::new(&[]), Clients::default(), Found::new());
        let put = PutRequest { key: "k".into(), value: "v".into(), ..PutRequest::default() };
        let put = InternalRaftRequest { id: 7, put: Some(put), ..Default::default() };
        let logged = InternalRaftRequest { id: 8, ..logged };
        facts.replay.link(2, 8);
        for request in [put, logged] {
            facts.replay.next(1, Some(&request.encode_to_vec().into()));
        }
        let body = AnswerBody::Etcd(said);
        let answer = &Answer { certainty: Certainty::Done, revision: Some(3), body };
        let asked = Some(asked.clone());
        let answered = Answered { node: Node(1), request: 2, asked, is_read: false, answer };
        clients.answered(&facts, &answered, &mut found);
        found.violations().iter().map(|one| one.promise).collect()
    }

    /// `k` as it was, with another value, and not there.
    fn tellings() -> [(Option<KeyValue>, &'static [Promise]); 3] {
        let was = KeyValue {
            key: "k".into(),
            value: "v".into(),
            create_revision: 2,
            mod_revision: 2,
            version: 1,
            ..KeyValue::default()
        };
        let other = KeyValue { value: "w".into(), ..was.clone() };
        [(Some(was), &[]), (Some(other), &[Promise::Replay]), (None, &[Promise::Replay])]
    }

    const HEADER: ResponseHeader =
        ResponseHeader { cluster_id: 0, member_id: 0, revision: 3, raft_term: 0 };

    #[test]
    fn a_deletion_that_tells_of_other_keys_than_were_there_breaks_the_replay() {
        for (told, broken) in tellings() {
            let delete =
                DeleteRangeRequest { key: "k".into(), prev_kv: true, ..Default::default() };
            let logged = InternalRaftRequest { delete_range: Some(delete), ..Default::default() };
            let prev_kvs = Vec::from_iter(told);
            let reply = DeleteRangeReply { header: HEADER, deleted: 1, prev_kvs };
            let asked = Request::DeleteRange(DeleteRange::default());
            assert_eq!(after(logged, &asked, Reply::DeleteRange(reply)), broken);
        }
    }

    #[test]
    fn a_put_that_tells_of_another_value_than_was_there_breaks_the_replay() {
        for (prev_kv, broken) in tellings() {
            let put = PutRequest { key: "k".into(), prev_kv: true, ..Default::default() };
            let logged = InternalRaftRequest { put: Some(put), ..Default::default() };
            let reply = Reply::Put(PutReply { header: HEADER, prev_kv });
            assert_eq!(after(logged, &Request::Put(Put::default()), reply), broken);
        }
    }

    #[test]
    fn a_transaction_that_reads_what_is_not_there_breaks_the_replay() {
        for (read, broken) in tellings() {
            let range = RangeRequest { key: "k".into(), ..RangeRequest::default() };
            let put = PutRequest { key: "other".into(), ..PutRequest::default() };
            let operations = [Operation::RequestRange(range), Operation::RequestPut(put)];
            let success = operations.map(|one| RequestOp { request: Some(one) }).to_vec();
            let txn = TxnRequest { success, ..TxnRequest::default() };
            let logged = InternalRaftRequest { txn: Some(txn), ..Default::default() };
            let range = RangeReply { kvs: Vec::from_iter(read), ..RangeReply::default() };
            let responses =
                vec![OperationReply::Range(range), OperationReply::Put(PutReply::default())];
            let reply = Reply::Txn(TxnReply { header: HEADER, succeeded: true, responses });
            assert_eq!(after(logged, &Request::Txn(Txn::default()), reply), broken);
        }
    }

    #[test]
    fn a_read_that_is_refused_as_compacted_where_nothing_was_breaks_m3() {
        let range = Request::Range(Range { revision: 5, ..Range::default() });
        let body = AnswerBody::Error(RequestError::Compacted.to_string());
        let answer = &Answer { certainty: Certainty::NotDone, revision: None, body };
        let (node, request, asked) = (Node(1), 1, Some(range));
        let answered = Answered { node, request, asked, is_read: true, answer };
        let mut found = Found::new();
        Clients::default().answered(&Facts::new(&[]), &answered, &mut found);
        let broken: Vec<Promise> = found.violations().iter().map(|one| one.promise).collect();
        assert_eq!(broken, [Promise::M3]);
    }
}
