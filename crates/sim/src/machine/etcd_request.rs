//! Commands as calls of etcd's API, as etcdctl makes them.

use ::etcd::request::{
    AlarmAction, AlarmChange, AlarmKind, Compact, Compare, CompareResult, CompareTarget,
    DeleteRange, LeaseGrant, LeaseTimeToLive, MemberAdd, Operation, Put, Range, Request, SortOrder,
    SortTarget, Txn, WatchCreate,
};
use bytes::Bytes;

use crate::scenario::{
    self, ClientCommand, Delete, Get, Keys, LeaseCommand, Maintenance, MemberCommand, Node, Order,
    Print, SortBy, TxnRequest, Until, Watch,
};

/// The call for a command; `id_of` knows the members. `None` for what is no single call: watches.
pub(super) fn of(command: &ClientCommand, id_of: impl Fn(Node) -> u64) -> Option<Request> {
    Some(match command {
        ClientCommand::Put(one) => Request::Put(put(one)),
        ClientCommand::Get(get) => Request::Range(range(get)),
        ClientCommand::Delete(one) => Request::DeleteRange(delete(one)),
        ClientCommand::Compact { revision, physical } => {
            Request::Compact(Compact { revision: *revision, physical: *physical })
        }
        ClientCommand::Txn(one) => Request::Txn(txn(one)),
        ClientCommand::Lease(command) => lease(command),
        ClientCommand::Member(command) => member(command, id_of),
        ClientCommand::MoveLeader(node) => Request::MoveLeader { target: id_of(*node) },
        ClientCommand::Maintenance(command) => maintenance(command),
        ClientCommand::Watch(_) | ClientCommand::Unwatch => return None,
    })
}

/// Where the other members reach the server of a machine.
pub(super) fn peer_url(node: Node) -> String {
    format!("http://{node}:2380")
}

/// The machine at a peer URL.
pub(super) fn node_at(url: &str) -> Option<Node> {
    let number = url.strip_prefix("http://n")?.strip_suffix(":2380")?.parse().ok()?;
    Some(Node(number))
}

fn put(put: &scenario::Put) -> Put {
    Put {
        key: text(&put.key),
        value: text(&put.value),
        lease: put.lease,
        prev_kv: put.prev_kv,
        ignore_value: put.ignore_value,
        ignore_lease: put.ignore_lease,
    }
}

fn range(get: &Get) -> Range {
    let (key, range_end) = bounds(&get.keys);
    Range {
        key,
        range_end,
        limit: get.limit,
        revision: get.revision,
        sort_order: match get.order {
            Order::Stored => SortOrder::None,
            Order::Ascend => SortOrder::Ascend,
            Order::Descend => SortOrder::Descend,
        },
        sort_target: match get.sort_by {
            SortBy::Key => SortTarget::Key,
            SortBy::Create => SortTarget::Create,
            SortBy::Modify => SortTarget::Mod,
            SortBy::Value => SortTarget::Value,
            SortBy::Version => SortTarget::Version,
        },
        serializable: get.serializable,
        keys_only: get.print == Print::Keys,
        count_only: get.print == Print::Count,
        ..Range::default()
    }
}

fn delete(delete: &Delete) -> DeleteRange {
    let (key, range_end) = bounds(&delete.keys);
    DeleteRange { key, range_end, prev_kv: delete.prev_kv }
}

fn txn(txn: &scenario::Txn) -> Txn {
    let operations = |requests: &[TxnRequest]| requests.iter().map(operation).collect();
    Txn {
        compares: txn.compares.iter().map(compare).collect(),
        success: operations(&txn.success),
        failure: operations(&txn.failure),
    }
}

fn operation(request: &TxnRequest) -> Operation {
    match request {
        TxnRequest::Put(one) => Operation::Put(put(one)),
        TxnRequest::Get(get) => Operation::Range(range(get)),
        TxnRequest::Delete(one) => Operation::DeleteRange(delete(one)),
    }
}

fn compare(compare: &scenario::Compare) -> Compare {
    let result = match compare.result {
        scenario::CompareResult::Equal => CompareResult::Equal,
        scenario::CompareResult::NotEqual => CompareResult::NotEqual,
        scenario::CompareResult::Greater => CompareResult::Greater,
        scenario::CompareResult::Less => CompareResult::Less,
    };
    let target = match &compare.target {
        scenario::CompareTarget::Version(version) => CompareTarget::Version(*version),
        scenario::CompareTarget::Create(revision) => CompareTarget::Create(*revision),
        scenario::CompareTarget::Mod(revision) => CompareTarget::Mod(*revision),
        scenario::CompareTarget::Value(value) => CompareTarget::Value(text(value)),
        scenario::CompareTarget::Lease(lease) => CompareTarget::Lease(*lease),
    };
    Compare::one(text(&compare.key), result, target)
}

fn lease(command: &LeaseCommand) -> Request {
    match *command {
        LeaseCommand::Grant { ttl_s, id } => Request::LeaseGrant(LeaseGrant { ttl: ttl_s, id }),
        LeaseCommand::Revoke { id } => Request::LeaseRevoke { id },
        LeaseCommand::KeepAlive { id, .. } => Request::LeaseKeepAlive { id },
        LeaseCommand::TimeToLive { id, keys } => {
            Request::LeaseTimeToLive(LeaseTimeToLive { id, keys })
        }
        LeaseCommand::List => Request::Leases,
    }
}

fn member(command: &MemberCommand, id_of: impl Fn(Node) -> u64) -> Request {
    match *command {
        MemberCommand::List => Request::MemberList,
        MemberCommand::Add { node, learner } => {
            Request::MemberAdd(MemberAdd { peer_urls: vec![peer_url(node)], is_learner: learner })
        }
        MemberCommand::Remove { node } => Request::MemberRemove { id: id_of(node) },
        MemberCommand::Promote { node } => Request::MemberPromote { id: id_of(node) },
    }
}

/// etcdctl's `endpoint health` reads a key that nobody writes.
const HEALTH_KEY: &[u8] = b"health";

fn maintenance(command: &Maintenance) -> Request {
    let alarm =
        |action| Request::Alarm(AlarmChange { action, member_id: 0, alarm: AlarmKind::None });
    match command {
        Maintenance::Status => Request::Status,
        Maintenance::Health => Request::get(Bytes::from_static(HEALTH_KEY)),
        Maintenance::HashKv { revision } => Request::HashKv { revision: *revision },
        Maintenance::AlarmList => alarm(AlarmAction::Get),
        Maintenance::AlarmDisarm => alarm(AlarmAction::Deactivate),
        Maintenance::Defrag => Request::Defragment,
        Maintenance::SnapshotSave => Request::Snapshot,
    }
}

/// The first request on the stream of a watch.
pub(super) fn watch(watch: &Watch) -> WatchCreate {
    let (key, range_end) = bounds(&watch.keys);
    WatchCreate {
        key,
        range_end,
        start_revision: watch.revision,
        progress_notify: watch.progress_notify,
        prev_kv: watch.prev_kv,
        ..WatchCreate::default()
    }
}

fn text(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// All keys from a key on, in the API's way of saying it.
const TO_THE_LAST: &[u8] = b"\0";

/// First key and range end. etcdctl reads an empty key with `--prefix` or `--from-key` as all.
fn bounds(keys: &Keys) -> (Bytes, Bytes) {
    let first = if keys.key.is_empty() { Bytes::from_static(TO_THE_LAST) } else { text(&keys.key) };
    match &keys.until {
        Until::One => (text(&keys.key), Bytes::new()),
        Until::End(end) => (text(&keys.key), text(end)),
        Until::Prefix => (first, prefix_end(keys.key.as_bytes())),
        Until::FromKey => (first, Bytes::from_static(TO_THE_LAST)),
    }
}

/// The next key that does not begin with the prefix.
fn prefix_end(prefix: &[u8]) -> Bytes {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Bytes::from(end);
        }
    }
    Bytes::from_static(TO_THE_LAST)
}
