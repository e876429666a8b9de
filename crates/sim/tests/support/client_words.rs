//! Arbitrary client commands and mixed loads.

use proptest::prelude::*;
use sim::scenario::{
    ClientCommand, Compare, CompareResult, CompareTarget, Delete, Distribution, Get, KeyPattern,
    Keys, LeaseCommand, LoadEnd, Maintenance, MemberCommand, Mix, Node, Order, Print, Put, SortBy,
    Span, Txn, TxnRequest, Until, Watch, Weights,
};

fn key() -> impl Strategy<Value = String> {
    "[a-z/ '\"#\\\\-]{1,8}"
}

fn word() -> impl Strategy<Value = String> {
    "\\PC{0,12}"
}

fn keys() -> impl Strategy<Value = Keys> {
    let until = prop_oneof![
        Just(Until::One),
        Just(Until::Prefix),
        Just(Until::FromKey),
        word().prop_map(Until::End),
    ];
    (key(), until).prop_map(|(key, until)| Keys { key, until })
}

fn put() -> impl Strategy<Value = Put> {
    (key(), word(), 0..99_i64, any::<[bool; 3]>()).prop_map(
        |(key, value, lease, [prev_kv, ignore_value, ignore_lease])| Put {
            key,
            value: if ignore_value { String::new() } else { value },
            lease,
            prev_kv,
            ignore_value,
            ignore_lease,
        },
    )
}

fn get() -> impl Strategy<Value = Get> {
    let order = prop::sample::select(vec![Order::Stored, Order::Ascend, Order::Descend]);
    let by = prop::sample::select(vec![
        SortBy::Key,
        SortBy::Create,
        SortBy::Modify,
        SortBy::Value,
        SortBy::Version,
    ]);
    let print = prop::sample::select(vec![Print::Both, Print::Keys, Print::Values, Print::Count]);
    (keys(), 0..9_i64, any::<bool>(), 0..9_i64, order, by, print).prop_map(
        |(keys, revision, serializable, limit, order, sort_by, print)| Get {
            keys,
            revision,
            serializable,
            limit,
            order,
            sort_by,
            print,
        },
    )
}

fn delete() -> impl Strategy<Value = Delete> {
    (keys(), any::<bool>()).prop_map(|(keys, prev_kv)| Delete { keys, prev_kv })
}

fn compare() -> impl Strategy<Value = Compare> {
    let target = prop_oneof![
        any::<i64>().prop_map(CompareTarget::Version),
        any::<i64>().prop_map(CompareTarget::Create),
        any::<i64>().prop_map(CompareTarget::Mod),
        word().prop_map(CompareTarget::Value),
        (0..i64::MAX).prop_map(CompareTarget::Lease),
    ];
    let result = prop::sample::select(vec![
        CompareResult::Equal,
        CompareResult::NotEqual,
        CompareResult::Greater,
        CompareResult::Less,
    ]);
    (target, key(), result).prop_map(|(target, key, result)| Compare { target, key, result })
}

fn request() -> impl Strategy<Value = TxnRequest> {
    prop_oneof![
        put().prop_map(TxnRequest::Put),
        get().prop_map(TxnRequest::Get),
        delete().prop_map(TxnRequest::Delete),
    ]
}

fn txn() -> impl Strategy<Value = Txn> {
    let requests = || prop::collection::vec(request(), 0..3);
    (prop::collection::vec(compare(), 0..3), requests(), requests())
        .prop_map(|(compares, success, failure)| Txn { compares, success, failure })
}

fn lease() -> impl Strategy<Value = LeaseCommand> {
    let id = || 1..i64::MAX;
    prop_oneof![
        (1..999_i64, 0..99_i64).prop_map(|(ttl_s, id)| LeaseCommand::Grant { ttl_s, id }),
        id().prop_map(|id| LeaseCommand::Revoke { id }),
        (id(), any::<bool>()).prop_map(|(id, once)| LeaseCommand::KeepAlive { id, once }),
        (id(), any::<bool>()).prop_map(|(id, keys)| LeaseCommand::TimeToLive { id, keys }),
        Just(LeaseCommand::List),
    ]
}

fn watch() -> impl Strategy<Value = Watch> {
    (keys(), 0..9_i64, any::<[bool; 2]>()).prop_map(
        |(keys, revision, [prev_kv, progress_notify])| Watch {
            keys,
            revision,
            prev_kv,
            progress_notify,
        },
    )
}

fn member() -> impl Strategy<Value = MemberCommand> {
    let node = || (1..=5_u32).prop_map(Node);
    prop_oneof![
        Just(MemberCommand::List),
        (node(), any::<bool>()).prop_map(|(node, learner)| MemberCommand::Add { node, learner }),
        node().prop_map(|node| MemberCommand::Remove { node }),
        node().prop_map(|node| MemberCommand::Promote { node }),
    ]
}

fn maintenance() -> impl Strategy<Value = Maintenance> {
    prop_oneof![
        Just(Maintenance::Status),
        Just(Maintenance::Health),
        (0..9_i64).prop_map(|revision| Maintenance::HashKv { revision }),
        Just(Maintenance::AlarmList),
        Just(Maintenance::AlarmDisarm),
        Just(Maintenance::Defrag),
        Just(Maintenance::SnapshotSave),
    ]
}

/// Any client command.
pub(crate) fn command() -> impl Strategy<Value = ClientCommand> {
    prop_oneof![
        put().prop_map(ClientCommand::Put),
        get().prop_map(ClientCommand::Get),
        delete().prop_map(ClientCommand::Delete),
        (0..i64::MAX, any::<bool>())
            .prop_map(|(revision, physical)| ClientCommand::Compact { revision, physical }),
        txn().prop_map(ClientCommand::Txn),
        lease().prop_map(ClientCommand::Lease),
        watch().prop_map(ClientCommand::Watch),
        Just(ClientCommand::Unwatch),
        member().prop_map(ClientCommand::Member),
        (1..=5_u32).prop_map(|node| ClientCommand::MoveLeader(Node(node))),
        maintenance().prop_map(ClientCommand::Maintenance),
    ]
}

/// Any mixed load.
pub(crate) fn mix(key: KeyPattern, until: LoadEnd) -> impl Strategy<Value = Mix> {
    let numbers = (1..=64_u32, 0..1_000_000_u32, 0..=100_u32, 0..=64_u32, 0..=64_u32);
    let times = (0..10_u64.pow(9), 0..10_u64.pow(9), 1_000_000..60_000_000_000_u64);
    let weights = any::<[u8; 9]>().prop_filter("some", |all| all.iter().any(|one| *one > 0));
    (numbers, times, weights, any::<bool>()).prop_map(
        move |(numbers, (low_ns, more_ns, timeout_ns), weights, zipf)| {
            let (clients, value_bytes, retries, watches, slow_watches) = numbers;
            let [put, get, stale, old, range, del, txn, lease, compact] = weights.map(u32::from);
            Mix {
                clients,
                key: key.clone(),
                distribution: if zipf { Distribution::Zipf } else { Distribution::Even },
                value_bytes,
                think: Span { low_ns, high_ns: low_ns + more_ns },
                timeout_ns,
                retries,
                weights: Weights { put, get, stale, old, range, del, txn, lease, compact },
                watches,
                slow_watches,
                until,
            }
        },
    )
}
