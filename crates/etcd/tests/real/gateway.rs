//! Requests and answers in the JSON of etcd's gateway: bytes in base64, 64-bit numbers as text, and
//! nothing that is zero.

#![allow(clippy::wildcard_enum_match_arm, reason = "what is not compared is listed nowhere else")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use etcd::request::{
    Compare, CompareResult, CompareTarget, DeleteRange, DeleteRangeReply, Event, EventKind,
    KeyValue, Operation, OperationReply, Put, PutReply, Range, RangeReply, Reply, Request,
    RequestError, ResponseHeader, SortOrder, SortTarget, Txn, TxnReply, WatchResponse,
};
use serde_json::{Map, Value, json};

fn object(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let is_something = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty() && text != "0",
        Value::Array(items) => !items.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::Object(_) => true,
    };
    let fields = fields.into_iter().filter(|(_, value)| is_something(value));
    Value::Object(fields.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
}

fn bytes(bytes: &[u8]) -> Value {
    STANDARD.encode(bytes).into()
}

fn number(number: i64) -> Value {
    number.to_string().into()
}

/// Path and body of a request.
pub(crate) fn request(request: &Request) -> (&'static str, Value) {
    match request {
        Request::Put(one) => ("/v3/kv/put", put(one)),
        Request::Range(one) => ("/v3/kv/range", range(one)),
        Request::DeleteRange(one) => ("/v3/kv/deleterange", delete(one)),
        Request::Txn(one) => ("/v3/kv/txn", txn(one)),
        Request::Compact(one) => (
            "/v3/kv/compaction",
            object([("revision", number(one.revision)), ("physical", one.physical.into())]),
        ),
        Request::LeaseGrant(one) => {
            ("/v3/lease/grant", object([("TTL", number(one.ttl)), ("ID", number(one.id))]))
        }
        Request::LeaseRevoke { id } => ("/v3/lease/revoke", object([("ID", number(*id))])),
        Request::LeaseTimeToLive(one) => {
            ("/v3/lease/timetolive", object([("ID", number(one.id)), ("keys", one.keys.into())]))
        }
        Request::Leases => ("/v3/lease/leases", json!({})),
        other => panic!("{other:?} is not compared"),
    }
}

fn put(put: &Put) -> Value {
    object([
        ("key", bytes(&put.key)),
        ("value", bytes(&put.value)),
        ("lease", number(put.lease)),
        ("prev_kv", put.prev_kv.into()),
        ("ignore_value", put.ignore_value.into()),
        ("ignore_lease", put.ignore_lease.into()),
    ])
}

fn range(range: &Range) -> Value {
    let order = match range.sort_order {
        SortOrder::None => "",
        SortOrder::Ascend => "ASCEND",
        SortOrder::Descend => "DESCEND",
    };
    let target = match range.sort_target {
        SortTarget::Key => "",
        SortTarget::Version => "VERSION",
        SortTarget::Create => "CREATE",
        SortTarget::Mod => "MOD",
        SortTarget::Value => "VALUE",
    };
    object([
        ("key", bytes(&range.key)),
        ("range_end", bytes(&range.range_end)),
        ("limit", number(range.limit)),
        ("revision", number(range.revision)),
        ("sort_order", order.into()),
        ("sort_target", target.into()),
        ("serializable", range.serializable.into()),
        ("keys_only", range.keys_only.into()),
        ("count_only", range.count_only.into()),
        ("min_mod_revision", number(range.min_mod_revision)),
        ("max_mod_revision", number(range.max_mod_revision)),
        ("min_create_revision", number(range.min_create_revision)),
        ("max_create_revision", number(range.max_create_revision)),
    ])
}

fn delete(delete: &DeleteRange) -> Value {
    object([
        ("key", bytes(&delete.key)),
        ("range_end", bytes(&delete.range_end)),
        ("prev_kv", delete.prev_kv.into()),
    ])
}

fn txn(txn: &Txn) -> Value {
    let operations = |all: &[Operation]| all.iter().map(operation).collect::<Vec<_>>().into();
    object([
        ("compare", txn.compares.iter().map(compare).collect::<Vec<_>>().into()),
        ("success", operations(&txn.success)),
        ("failure", operations(&txn.failure)),
    ])
}

fn operation(operation: &Operation) -> Value {
    match operation {
        Operation::Range(one) => json!({ "request_range": range(one) }),
        Operation::Put(one) => json!({ "request_put": put(one) }),
        Operation::DeleteRange(one) => json!({ "request_delete_range": delete(one) }),
        Operation::Txn(one) => json!({ "request_txn": txn(one) }),
    }
}

fn compare(compare: &Compare) -> Value {
    let result = match compare.result {
        CompareResult::Equal => "EQUAL",
        CompareResult::Greater => "GREATER",
        CompareResult::Less => "LESS",
        CompareResult::NotEqual => "NOT_EQUAL",
    };
    // The member of a union is named even when it is zero.
    let (target, name, value) = match &compare.target {
        CompareTarget::Version(version) => ("VERSION", "version", number(*version)),
        CompareTarget::Create(revision) => ("CREATE", "create_revision", number(*revision)),
        CompareTarget::Mod(revision) => ("MOD", "mod_revision", number(*revision)),
        CompareTarget::Value(value) => ("VALUE", "value", bytes(value)),
        CompareTarget::Lease(lease) => ("LEASE", "lease", number(*lease)),
    };
    let mut json = object([
        ("key", bytes(&compare.key)),
        ("range_end", bytes(&compare.range_end)),
        ("result", result.into()),
        ("target", target.into()),
    ]);
    json[name] = value;
    json
}

/// Our answer as the gateway would put it, with nothing in the header but the revision.
pub(crate) fn answer(answer: &Result<Reply, RequestError>) -> Value {
    let reply = match answer {
        Ok(reply) => reply,
        Err(error) => return json!({ "error": error.to_string() }),
    };
    let head = ("header", header(reply.header()));
    match reply {
        Reply::Put(reply) => put_reply(head, reply),
        Reply::Range(reply) => range_reply(head, reply),
        Reply::DeleteRange(reply) => delete_reply(head, reply),
        Reply::Txn(reply) => txn_reply(head, reply),
        Reply::Compact(_) | Reply::LeaseRevoke(_) => object([head]),
        Reply::LeaseGrant(reply) => {
            object([head, ("ID", number(reply.id)), ("TTL", number(reply.ttl))])
        }
        Reply::LeaseTimeToLive(reply) => object([
            head,
            ("ID", number(reply.id)),
            ("TTL", number(reply.ttl)),
            ("grantedTTL", number(reply.granted_ttl)),
            ("keys", reply.keys.iter().map(|key| bytes(key)).collect::<Vec<_>>().into()),
        ]),
        Reply::Leases(reply) => {
            let mut ids = reply.leases.clone();
            ids.sort_unstable();
            let ids = ids.into_iter().map(|id| object([("ID", number(id))]));
            object([head, ("leases", ids.collect::<Vec<_>>().into())])
        }
        other => panic!("{other:?} is not compared"),
    }
}

type Head = (&'static str, Value);

fn header(header: &ResponseHeader) -> Value {
    object([("revision", number(header.revision))])
}

fn put_reply(head: Head, reply: &PutReply) -> Value {
    object([head, ("prev_kv", reply.prev_kv.as_ref().map_or(Value::Null, key_value))])
}

fn range_reply(head: Head, reply: &RangeReply) -> Value {
    object([
        head,
        ("kvs", reply.kvs.iter().map(key_value).collect::<Vec<_>>().into()),
        ("more", reply.more.into()),
        ("count", number(reply.count)),
    ])
}

fn delete_reply(head: Head, reply: &DeleteRangeReply) -> Value {
    object([
        head,
        ("deleted", number(reply.deleted)),
        ("prev_kvs", reply.prev_kvs.iter().map(key_value).collect::<Vec<_>>().into()),
    ])
}

fn txn_reply(head: Head, reply: &TxnReply) -> Value {
    let responses = reply.responses.iter().map(|response| match response {
        OperationReply::Range(reply) => {
            json!({ "response_range": range_reply(("header", header(&reply.header)), reply) })
        }
        OperationReply::Put(reply) => {
            json!({ "response_put": put_reply(("header", header(&reply.header)), reply) })
        }
        OperationReply::DeleteRange(reply) => {
            json!({ "response_delete_range": delete_reply(("header", header(&reply.header)), reply) })
        }
        OperationReply::Txn(reply) => {
            json!({ "response_txn": txn_reply(("header", header(&reply.header)), reply) })
        }
    });
    let responses = ("responses", responses.collect::<Vec<_>>().into());
    object([head, ("succeeded", reply.succeeded.into()), responses])
}

fn key_value(kv: &KeyValue) -> Value {
    object([
        ("key", bytes(&kv.key)),
        ("create_revision", number(kv.create_revision)),
        ("mod_revision", number(kv.mod_revision)),
        ("version", number(kv.version)),
        ("value", bytes(&kv.value)),
        ("lease", number(kv.lease)),
    ])
}

/// The events of a response on a watch stream.
pub(crate) fn events(response: &WatchResponse) -> Vec<Value> {
    let event = |event: &Event| {
        let kind = if event.kind == EventKind::Delete { "DELETE" } else { "" };
        object([
            ("type", kind.into()),
            ("kv", key_value(&event.kv)),
            ("prev_kv", event.prev_kv.as_ref().map_or(Value::Null, key_value)),
        ])
    };
    response.events.iter().map(event).collect()
}

/// Their answer without what tells of another cluster, and errors by their text alone.
pub(crate) fn theirs(mut answer: Value) -> Value {
    if let Some(error) = answer.get("error") {
        return json!({ "error": error });
    }
    if let Some(header) = answer["header"].as_object_mut() {
        header.retain(|name, _| name == "revision");
    }
    if let Some(leases) = answer.get_mut("leases").and_then(Value::as_array_mut) {
        leases.sort_by_key(|lease| lease["ID"].as_str().and_then(|id| id.parse::<i64>().ok()));
    }
    // A Go map has no order.
    if let Some(keys) = answer.get_mut("keys").and_then(Value::as_array_mut) {
        let name = |key: &Value| STANDARD.decode(key.as_str().unwrap_or_default());
        keys.sort_by_key(|key| name(key).unwrap_or_default());
    }
    answer
}
