//! The fields of protobuf messages, by the names of etcd's `.proto` files.

use std::ops::Range;

use prost::encoding::{WireType, decode_key, decode_varint};

use super::FieldRange;
use crate::proto::LoggedRequest;

/// Messages inside messages are followed so deep: nothing real comes near.
const DEPTH_MAX: usize = 16;

/// The fields of a message.
pub(super) struct Message {
    fields: &'static [(u32, &'static str, Holds)],
}

/// What a field holds.
#[derive(Clone, Copy)]
enum Holds {
    /// A number or bytes.
    Plain,
    /// A message.
    Inner(&'static Message),
    /// The data of an entry, by the entry's type.
    EntryData,
}

use Holds::{EntryData, Inner, Plain};

macro_rules! messages {
    ($($(#[$meta:meta])* $name:ident { $($number:literal $field:literal $holds:expr),* $(,)? })+) => {
        $($(#[$meta])* pub(super) static $name: Message =
            Message { fields: &[$(($number, $field, $holds)),*] };)+
    };
}

messages! {
    RECORD { 1 "type" Plain, 2 "crc" Plain, 3 "data" Plain }
    METADATA { 1 "node_id" Plain, 2 "cluster_id" Plain }
    ENTRY { 1 "type" Plain, 2 "term" Plain, 3 "index" Plain, 4 "data" EntryData }
    HARD_STATE { 1 "term" Plain, 2 "vote" Plain, 3 "commit" Plain }
    SNAPSHOT_MARK { 1 "index" Plain, 2 "term" Plain, 3 "conf_state" Inner(&CONF_STATE) }
    CONF_STATE {
        1 "voters" Plain, 2 "learners" Plain, 3 "voters_outgoing" Plain, 4 "learners_next" Plain,
        5 "auto_leave" Plain,
    }
    CONF_CHANGE { 1 "id" Plain, 2 "type" Plain, 3 "node_id" Plain, 4 "context" Plain }
    CONF_CHANGE_V2 { 1 "transition" Plain, 2 "changes" Inner(&CONF_CHANGE_SINGLE), 3 "context" Plain }
    CONF_CHANGE_SINGLE { 1 "type" Plain, 2 "node_id" Plain }
    SNAP_FILE { 1 "crc" Plain, 2 "data" Inner(&RAFT_SNAPSHOT) }
    RAFT_SNAPSHOT { 1 "data" Plain, 2 "metadata" Inner(&SNAPSHOT_METADATA) }
    SNAPSHOT_METADATA { 1 "conf_state" Inner(&CONF_STATE), 2 "index" Plain, 3 "term" Plain }
    KEY_VALUE {
        1 "key" Plain, 2 "create_revision" Plain, 3 "mod_revision" Plain, 4 "version" Plain,
        5 "value" Plain, 6 "lease" Plain,
    }
    LEASE { 1 "ID" Plain, 2 "TTL" Plain, 3 "remaining_TTL" Plain }
    ALARM_MEMBER { 1 "memberID" Plain, 2 "alarm" Plain }
    REQUEST {
        1 "ID" Plain, 2 "v2" Inner(&V2_REQUEST), 3 "range" Inner(&RANGE), 4 "put" Inner(&PUT),
        5 "delete_range" Inner(&DELETE_RANGE), 6 "txn" Inner(&TXN),
        7 "compaction" Inner(&COMPACTION), 8 "lease_grant" Inner(&LEASE_GRANT),
        9 "lease_revoke" Inner(&LEASE_REVOKE), 10 "alarm" Inner(&ALARM),
        11 "lease_checkpoint" Inner(&LEASE_CHECKPOINTS), 100 "header" Inner(&REQUEST_HEADER),
        1000 "auth_enable" Plain, 1011 "auth_disable" Plain, 1012 "authenticate" Plain,
        1013 "auth_status" Plain, 1100 "auth_user_add" Plain, 1101 "auth_user_delete" Plain,
        1102 "auth_user_get" Plain, 1103 "auth_user_change_password" Plain,
        1104 "auth_user_grant_role" Plain, 1105 "auth_user_revoke_role" Plain,
        1106 "auth_user_list" Plain, 1107 "auth_role_list" Plain, 1200 "auth_role_add" Plain,
        1201 "auth_role_delete" Plain, 1202 "auth_role_get" Plain,
        1203 "auth_role_grant_permission" Plain, 1204 "auth_role_revoke_permission" Plain,
        1300 "cluster_version_set" Inner(&VERSION), 1301 "cluster_member_attr_set" Plain,
        1302 "downgrade_info_set" Plain, 9900 "downgrade_version_test" Plain,
    }
    REQUEST_HEADER { 1 "ID" Plain, 2 "username" Plain, 3 "auth_revision" Plain }
    VERSION { 1 "ver" Plain }
    PUT {
        1 "key" Plain, 2 "value" Plain, 3 "lease" Plain, 4 "prev_kv" Plain,
        5 "ignore_value" Plain, 6 "ignore_lease" Plain,
    }
    RANGE {
        1 "key" Plain, 2 "range_end" Plain, 3 "limit" Plain, 4 "revision" Plain,
        5 "sort_order" Plain, 6 "sort_target" Plain, 7 "serializable" Plain, 8 "keys_only" Plain,
        9 "count_only" Plain, 10 "min_mod_revision" Plain, 11 "max_mod_revision" Plain,
        12 "min_create_revision" Plain, 13 "max_create_revision" Plain,
    }
    DELETE_RANGE { 1 "key" Plain, 2 "range_end" Plain, 3 "prev_kv" Plain }
    TXN { 1 "compare" Inner(&COMPARE), 2 "success" Inner(&REQUEST_OP), 3 "failure" Inner(&REQUEST_OP) }
    COMPARE {
        1 "result" Plain, 2 "target" Plain, 3 "key" Plain, 4 "version" Plain,
        5 "create_revision" Plain, 6 "mod_revision" Plain, 7 "value" Plain, 8 "lease" Plain,
        64 "range_end" Plain,
    }
    REQUEST_OP {
        1 "request_range" Inner(&RANGE), 2 "request_put" Inner(&PUT),
        3 "request_delete_range" Inner(&DELETE_RANGE), 4 "request_txn" Inner(&TXN),
    }
    COMPACTION { 1 "revision" Plain, 2 "physical" Plain }
    LEASE_GRANT { 1 "TTL" Plain, 2 "ID" Plain }
    LEASE_REVOKE { 1 "ID" Plain }
    LEASE_CHECKPOINTS { 1 "checkpoints" Inner(&LEASE_CHECKPOINT) }
    LEASE_CHECKPOINT { 1 "ID" Plain, 2 "remaining_TTL" Plain }
    ALARM { 1 "action" Plain, 2 "memberID" Plain, 3 "alarm" Plain }
    V2_REQUEST {
        1 "ID" Plain, 2 "Method" Plain, 3 "Path" Plain, 4 "Val" Plain, 5 "Dir" Plain,
        6 "PrevValue" Plain, 7 "PrevIndex" Plain, 8 "PrevExist" Plain, 9 "Expiration" Plain,
        10 "Wait" Plain, 11 "Since" Plain, 12 "Recursive" Plain, 13 "Sorted" Plain,
        14 "Quorum" Plain, 15 "Time" Plain, 16 "Stream" Plain, 17 "Refresh" Plain,
    }
}

/// Names the fields of messages.
pub(super) struct Messages<'a> {
    out: &'a mut Vec<FieldRange>,
}

impl Messages<'_> {
    pub(super) fn new(out: &mut Vec<FieldRange>) -> Messages<'_> {
        Messages { out }
    }

    /// The fields of a message that begins at `start` of the file; `prefix` goes in front of names.
    pub(super) fn message(&mut self, prefix: &str, shape: &Message, bytes: &[u8], start: u64) {
        self.walk(prefix, shape, bytes, start, DEPTH_MAX, &|_| None);
    }

    /// The same when something else than the shape tells what a field holds.
    pub(super) fn message_with(
        &mut self,
        prefix: &str,
        shape: &Message,
        bytes: &[u8],
        start: u64,
        inner: &dyn Fn(u32) -> Option<&'static Message>,
    ) {
        self.walk(prefix, shape, bytes, start, DEPTH_MAX, inner);
    }

    fn walk(
        &mut self,
        prefix: &str,
        shape: &Message,
        bytes: &[u8],
        start: u64,
        depth: usize,
        inner: &dyn Fn(u32) -> Option<&'static Message>,
    ) {
        let mut entry_type = 0;
        for field in wire_fields(bytes) {
            let known = shape.fields.iter().find(|known| known.0 == field.number);
            let own =
                known.map_or_else(|| format!("field {}", field.number), |known| known.1.into());
            let name = format!("{prefix}{own}");
            let at = start + field.bytes.start as u64..start + field.bytes.end as u64;
            self.out.push(FieldRange::new(name.clone(), at, field.value));
            if field.number == 1 {
                entry_type = field.value.unwrap_or(0);
            }
            let content = &bytes[field.content.clone()];
            let held = known.map_or(Plain, |known| known.2);
            let held = match (inner(field.number), held) {
                (Some(told), _) => Some(told),
                (None, Inner(message)) => Some(message),
                (None, EntryData) => Some(entry_data(entry_type, content)),
                (None, Plain) => None,
            };
            let is_message = field.value.is_none() && depth > 0;
            if let Some(held) = held.filter(|_| is_message) {
                let content_start = start + field.content.start as u64;
                self.walk(&format!("{name}."), held, content, content_start, depth - 1, &|_| None);
            }
        }
    }
}

/// What the data of an entry is: a request of either API, or a change of the configuration.
fn entry_data(entry_type: u64, data: &[u8]) -> &'static Message {
    match entry_type {
        1 => &CONF_CHANGE,
        2 => &CONF_CHANGE_V2,
        _ => match LoggedRequest::decode(&bytes::Bytes::copy_from_slice(data)) {
            Ok(LoggedRequest::V2(_)) => &V2_REQUEST,
            Ok(LoggedRequest::V3(_) | LoggedRequest::Empty) | Err(_) => &REQUEST,
        },
    }
}

/// One field on the wire.
pub(super) struct WireField {
    number: u32,
    /// Key and value.
    bytes: Range<usize>,
    /// The value alone, without the length of bytes.
    pub(super) content: Range<usize>,
    value: Option<u64>,
}

/// The fields of a message up to the first that cannot be decoded.
fn wire_fields(message: &[u8]) -> impl Iterator<Item = WireField> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let field = wire_field(message, at)?;
        at = field.bytes.end;
        Some(field)
    })
}

pub(super) fn wire_field(message: &[u8], start: usize) -> Option<WireField> {
    let mut rest = message.get(start..).filter(|rest| !rest.is_empty())?;
    let (number, wire_type) = decode_key(&mut rest).ok()?;
    let (value, size) = match wire_type {
        WireType::Varint => (Some(decode_varint(&mut rest).ok()?), 0),
        WireType::LengthDelimited => (None, usize::try_from(decode_varint(&mut rest).ok()?).ok()?),
        WireType::SixtyFourBit => (None, 8),
        WireType::ThirtyTwoBit => (None, 4),
        WireType::StartGroup | WireType::EndGroup => return None,
    };
    let content = message.len() - rest.len();
    let end = content.checked_add(size).filter(|end| *end <= message.len())?;
    Some(WireField { number, bytes: start..end, content: content..end, value })
}
