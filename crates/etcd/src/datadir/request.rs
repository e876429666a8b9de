//! What an entry of the log asks for, as text and field by field.

use bytes::Bytes;
use prost::Message;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use crate::proto::raftpb::{self, ConfChangeType, EntryType};
use crate::proto::{Field, FieldValue, LoggedRequest};

/// What an entry asks for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Request {
    /// `normal`, `conf_change` or `conf_change_v2`.
    #[serde(rename = "type")]
    pub entry_type: &'static str,
    /// The line that `etcd-dump-logs` prints.
    pub text: String,
    /// The request field by field; byte strings are base64.
    #[serde(skip_serializing_if = "RequestValue::is_empty")]
    pub value: RequestValue,
}

/// A request's fields as a JSON object.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RequestValue(pub Vec<Field>);

impl RequestValue {
    /// Whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What an entry's data asks for.
pub(super) fn request_of(kind: EntryType, data: &Bytes) -> Result<Request, String> {
    let proto = |error: prost::DecodeError| format!("proto: {error}");
    match kind {
        EntryType::EntryNormal => {
            let request = LoggedRequest::decode(data).map_err(proto)?;
            let value = match &request {
                LoggedRequest::Empty => Vec::new(),
                LoggedRequest::V3(request) => request.fields(),
                LoggedRequest::V2(request) => request.fields(),
            };
            let (text, value) = (request.to_string(), RequestValue(value));
            Ok(Request { entry_type: "normal", text, value })
        }
        EntryType::EntryConfChange => {
            let change = raftpb::ConfChange::decode(data.clone()).map_err(proto)?;
            Ok(conf_change(&change))
        }
        EntryType::EntryConfChangeV2 => {
            let change = raftpb::ConfChangeV2::decode(data.clone()).map_err(proto)?;
            let single = |single: &raftpb::ConfChangeSingle| {
                format!("{} id={:x}", method(single.r#type), single.node_id)
            };
            let text: Vec<String> = change.changes.iter().map(single).collect();
            let (text, value) = (text.join(" "), RequestValue::default());
            Ok(Request { entry_type: "conf_change_v2", text, value })
        }
    }
}

fn conf_change(change: &raftpb::ConfChange) -> Request {
    let method = method(change.r#type);
    let text = format!("method={method} id={:x}", change.node_id);
    let field = |name, value| Field { name, proto_name: name, value };
    let mut fields = vec![
        field("id", FieldValue::Number(change.id.into())),
        field("type", FieldValue::Name(method)),
        field("node_id", FieldValue::Number(change.node_id.into())),
    ];
    let context = change.context.clone().filter(|context| !context.is_empty());
    fields.extend(context.map(|context| field("context", FieldValue::Bytes(context))));
    Request { entry_type: "conf_change", text, value: RequestValue(fields) }
}

fn method(kind: i32) -> &'static str {
    match ConfChangeType::try_from(kind) {
        Ok(ConfChangeType::ConfChangeAddNode) => "ConfChangeAddNode",
        Ok(ConfChangeType::ConfChangeRemoveNode) => "ConfChangeRemoveNode",
        Ok(ConfChangeType::ConfChangeUpdateNode) => "ConfChangeUpdateNode",
        Ok(ConfChangeType::ConfChangeAddLearnerNode) => "ConfChangeAddLearnerNode",
        Err(_) => "unknown",
    }
}

impl Serialize for RequestValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object(&self.0).serialize(serializer)
    }
}

struct Object<'a>(&'a [Field]);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for field in self.0 {
            map.serialize_entry(field.name, &Value(&field.value))?;
        }
        map.end()
    }
}

struct Value<'a>(&'a FieldValue);

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            FieldValue::Number(number) => match i64::try_from(*number) {
                Ok(number) => serializer.serialize_i64(number),
                Err(_) => serializer.serialize_u64(u64::try_from(*number).unwrap_or(u64::MAX)),
            },
            FieldValue::Flag(flag) => serializer.serialize_bool(*flag),
            FieldValue::Name(name) => serializer.serialize_str(name),
            FieldValue::Bytes(bytes) => serializer.serialize_str(&base64(bytes)),
            FieldValue::Message(fields) => Object(fields).serialize(serializer),
            FieldValue::List(messages) => {
                let mut list = serializer.serialize_seq(Some(messages.len()))?;
                for fields in messages {
                    list.serialize_element(&Object(fields))?;
                }
                list.end()
            }
            FieldValue::Texts(texts) => {
                serializer.collect_seq(texts.iter().map(|text| base64(text)))
            }
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
