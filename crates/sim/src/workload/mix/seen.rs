//! What a client learns of keys from an answer: the revision of their last change, 0 when they
//! are not there.

use etcd::request::{KeyValue, OperationReply, RangeReply, Reply};

use crate::scenario::{ClientCommand, Keys, TxnRequest, Until};

/// Keys and revisions that an answer tells of.
pub(super) fn of(command: &ClientCommand, reply: &Reply) -> Vec<(String, i64)> {
    let revision = reply.header().revision;
    match (command, reply) {
        (ClientCommand::Put(put), Reply::Put(_)) => vec![(put.key.clone(), revision)],
        (ClientCommand::Get(get), Reply::Range(reply)) if get.revision == 0 => {
            range(&get.keys, reply)
        }
        (ClientCommand::Delete(delete), Reply::DeleteRange(_)) => gone(&delete.keys),
        (ClientCommand::Txn(txn), Reply::Txn(reply)) => {
            let requests = if reply.succeeded { &txn.success } else { &txn.failure };
            let pairs = requests.iter().zip(&reply.responses);
            pairs.flat_map(|(request, reply)| part(request, reply, revision)).collect()
        }
        _ => Vec::new(),
    }
}

fn part(request: &TxnRequest, reply: &OperationReply, revision: i64) -> Vec<(String, i64)> {
    match (request, reply) {
        (TxnRequest::Put(put), OperationReply::Put(_)) => vec![(put.key.clone(), revision)],
        (TxnRequest::Get(get), OperationReply::Range(reply)) => range(&get.keys, reply),
        (TxnRequest::Delete(delete), OperationReply::DeleteRange(_)) => gone(&delete.keys),
        _ => Vec::new(),
    }
}

fn range(keys: &Keys, reply: &RangeReply) -> Vec<(String, i64)> {
    if reply.kvs.is_empty() {
        return gone(keys);
    }
    let seen =
        |pair: &KeyValue| (String::from_utf8_lossy(&pair.key).into_owned(), pair.mod_revision);
    reply.kvs.iter().map(seen).collect()
}

fn gone(keys: &Keys) -> Vec<(String, i64)> {
    if keys.until == Until::One { vec![(keys.key.clone(), 0)] } else { Vec::new() }
}
