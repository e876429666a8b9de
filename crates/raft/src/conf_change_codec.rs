//! The bytes of configuration changes, which are the data of their log entries.
//!
//! They are the one form of bytes that the core knows: a leader must read a change before it takes
//! it, and writes the one that leaves a joint configuration.
//!
//! ```text
//! ConfChange       08 id   10 type   18 node_id   [22 len context]
//! ConfChangeV2     08 transition   (12 len ConfChangeSingle)*   [1a len context]
//! ConfChangeSingle 08 type   10 node_id
//! ```
//!
//! Protocol buffers (proto2), as etcd writes them: scalar fields are always there, zero or not; an
//! empty context is left out. Reading takes fields in any order, skips unknown ones, and allocates
//! no more than the input holds. Empty data is a [`ConfChangeV2`] that leaves a joint
//! configuration.

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

use crate::conf_change::{
    AnyConfChange, ConfChange, ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2,
};
use crate::types::{Entry, EntryType};

/// Why bytes are no configuration change.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The input ends inside a field.
    #[error("truncated at byte {offset}")]
    Truncated {
        /// Where the field that does not fit begins.
        offset: usize,
    },
    /// A varint of more than 64 bits.
    #[error("varint too long at byte {offset}")]
    VarintTooLong {
        /// Where the varint begins.
        offset: usize,
    },
    /// A field has a wire type that it must not have.
    #[error("wrong wire type {wire_type} for field {field} at byte {offset}")]
    WireType {
        /// Where the field begins.
        offset: usize,
        /// The field's number.
        field: u64,
        /// The wire type found.
        wire_type: u64,
    },
    /// An enum has a number that it does not know.
    #[error("unknown {what} {value}")]
    UnknownValue {
        /// Which enum.
        what: &'static str,
        /// The number found.
        value: u64,
    },
    /// The entry holds no configuration change.
    #[error("not a configuration change")]
    NotAConfChange,
}

impl ConfChange {
    /// The bytes of an [`EntryType::ConfChange`] entry.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(34 + self.context.len());
        put_varint_field(&mut out, 1, self.id);
        put_varint_field(&mut out, 2, type_number(self.change_type));
        put_varint_field(&mut out, 3, self.node_id);
        put_context(&mut out, 4, &self.context);
        out.freeze()
    }

    /// Reads the data of an [`EntryType::ConfChange`] entry.
    pub fn decode(data: &Bytes) -> Result<Self, DecodeError> {
        let mut change = Self::default();
        let mut reader = Reader::new(data.clone());
        while let Some(field) = reader.next_field()? {
            match field.number {
                1 => change.id = reader.varint_of(&field)?,
                2 => change.change_type = type_of(reader.varint_of(&field)?)?,
                3 => change.node_id = reader.varint_of(&field)?,
                4 => change.context = reader.bytes_of(&field)?,
                _ => reader.skip(&field)?,
            }
        }
        Ok(change)
    }
}

impl ConfChangeSingle {
    fn encode(self) -> Bytes {
        let mut out = BytesMut::with_capacity(13);
        put_varint_field(&mut out, 1, type_number(self.change_type));
        put_varint_field(&mut out, 2, self.node_id);
        out.freeze()
    }

    fn decode(data: Bytes) -> Result<Self, DecodeError> {
        let mut change = Self::default();
        let mut reader = Reader::new(data);
        while let Some(field) = reader.next_field()? {
            match field.number {
                1 => change.change_type = type_of(reader.varint_of(&field)?)?,
                2 => change.node_id = reader.varint_of(&field)?,
                _ => reader.skip(&field)?,
            }
        }
        Ok(change)
    }
}

impl ConfChangeV2 {
    /// The bytes of an [`EntryType::ConfChangeV2`] entry.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(8 + self.changes.len() * 15 + self.context.len());
        put_varint_field(&mut out, 1, transition_number(self.transition));
        for change in &self.changes {
            put_bytes_field(&mut out, 2, &change.encode());
        }
        put_context(&mut out, 3, &self.context);
        out.freeze()
    }

    /// Reads the data of an [`EntryType::ConfChangeV2`] entry.
    pub fn decode(data: &Bytes) -> Result<Self, DecodeError> {
        let mut change = Self::default();
        let mut reader = Reader::new(data.clone());
        while let Some(field) = reader.next_field()? {
            match field.number {
                1 => change.transition = transition_of(reader.varint_of(&field)?)?,
                2 => change.changes.push(ConfChangeSingle::decode(reader.bytes_of(&field)?)?),
                3 => change.context = reader.bytes_of(&field)?,
                _ => reader.skip(&field)?,
            }
        }
        Ok(change)
    }
}

impl AnyConfChange {
    /// Reads the change that an entry holds.
    pub fn of_entry(entry: &Entry) -> Result<Self, DecodeError> {
        match entry.entry_type {
            EntryType::Normal => Err(DecodeError::NotAConfChange),
            EntryType::ConfChange => Ok(Self::V1(ConfChange::decode(&entry.data)?)),
            EntryType::ConfChangeV2 => Ok(Self::V2(ConfChangeV2::decode(&entry.data)?)),
        }
    }
}

fn type_number(change_type: ConfChangeType) -> u64 {
    match change_type {
        ConfChangeType::AddNode => 0,
        ConfChangeType::RemoveNode => 1,
        ConfChangeType::UpdateNode => 2,
        ConfChangeType::AddLearnerNode => 3,
    }
}

fn type_of(value: u64) -> Result<ConfChangeType, DecodeError> {
    match value {
        0 => Ok(ConfChangeType::AddNode),
        1 => Ok(ConfChangeType::RemoveNode),
        2 => Ok(ConfChangeType::UpdateNode),
        3 => Ok(ConfChangeType::AddLearnerNode),
        _ => Err(DecodeError::UnknownValue { what: "change type", value }),
    }
}

fn transition_number(transition: ConfChangeTransition) -> u64 {
    match transition {
        ConfChangeTransition::Auto => 0,
        ConfChangeTransition::JointImplicit => 1,
        ConfChangeTransition::JointExplicit => 2,
    }
}

fn transition_of(value: u64) -> Result<ConfChangeTransition, DecodeError> {
    match value {
        0 => Ok(ConfChangeTransition::Auto),
        1 => Ok(ConfChangeTransition::JointImplicit),
        2 => Ok(ConfChangeTransition::JointExplicit),
        _ => Err(DecodeError::UnknownValue { what: "transition", value }),
    }
}

fn put_varint(out: &mut BytesMut, mut value: u64) {
    while value >= 0x80 {
        out.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8((value & 0x7f) as u8);
}

fn put_varint_field(out: &mut BytesMut, number: u64, value: u64) {
    put_varint(out, number << 3);
    put_varint(out, value);
}

fn put_bytes_field(out: &mut BytesMut, number: u64, data: &[u8]) {
    put_varint(out, number << 3 | 2);
    put_varint(out, data.len() as u64);
    out.put_slice(data);
}

fn put_context(out: &mut BytesMut, number: u64, context: &[u8]) {
    if !context.is_empty() {
        put_bytes_field(out, number, context);
    }
}

struct Field {
    offset: usize,
    number: u64,
    wire_type: u64,
}

/// Walks the fields of one message.
struct Reader {
    data: Bytes,
    at: usize,
}

impl Reader {
    fn new(data: Bytes) -> Self {
        Self { data, at: 0 }
    }

    fn next_field(&mut self) -> Result<Option<Field>, DecodeError> {
        if self.at == self.data.len() {
            return Ok(None);
        }
        let offset = self.at;
        let key = self.varint()?;
        Ok(Some(Field { offset, number: key >> 3, wire_type: key & 7 }))
    }

    fn varint(&mut self) -> Result<u64, DecodeError> {
        let offset = self.at;
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.data.get(self.at).ok_or(DecodeError::Truncated { offset })?;
            self.at += 1;
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::VarintTooLong { offset })
    }

    fn varint_of(&mut self, field: &Field) -> Result<u64, DecodeError> {
        field.expect(0)?;
        self.varint()
    }

    fn bytes_of(&mut self, field: &Field) -> Result<Bytes, DecodeError> {
        field.expect(2)?;
        let len = self.varint()?;
        self.take(field, len)
    }

    fn take(&mut self, field: &Field, len: u64) -> Result<Bytes, DecodeError> {
        let left = self.data.len() - self.at;
        let len = usize::try_from(len).ok().filter(|len| *len <= left);
        let len = len.ok_or(DecodeError::Truncated { offset: field.offset })?;
        let taken = self.data.slice(self.at..self.at + len);
        self.at += len;
        Ok(taken)
    }

    fn skip(&mut self, field: &Field) -> Result<(), DecodeError> {
        match field.wire_type {
            0 => self.varint().map(drop),
            1 => self.take(field, 8).map(drop),
            2 => self.bytes_of(field).map(drop),
            5 => self.take(field, 4).map(drop),
            _ => Err(field.wrong()),
        }
    }
}

impl Field {
    fn expect(&self, wire_type: u64) -> Result<(), DecodeError> {
        if self.wire_type == wire_type { Ok(()) } else { Err(self.wrong()) }
    }

    fn wrong(&self) -> DecodeError {
        DecodeError::WireType { offset: self.offset, field: self.number, wire_type: self.wire_type }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_scalars_are_written_and_an_empty_context_is_not() {
        assert_eq!(&ConfChange::default().encode()[..], [8, 0, 16, 0, 24, 0], "id, type, node");
        assert_eq!(&ConfChangeV2::default().encode()[..], [8, 0], "the transition alone");
    }

    #[test]
    fn a_single_change_has_the_bytes_of_etcd() {
        let change = ConfChange {
            id: 300,
            change_type: ConfChangeType::AddLearnerNode,
            node_id: 5,
            context: Bytes::from_static(b"x"),
        };
        let bytes = change.encode();
        assert_eq!(&bytes[..], [8, 0xac, 2, 16, 3, 24, 5, 0x22, 1, b'x'], "proto2 fields in order");
        assert_eq!(ConfChange::decode(&bytes), Ok(change), "reads back");
    }

    #[test]
    fn several_changes_read_back() {
        let single = |change_type, node_id| ConfChangeSingle { change_type, node_id };
        let change = ConfChangeV2 {
            transition: ConfChangeTransition::JointExplicit,
            changes: vec![
                single(ConfChangeType::AddNode, u64::MAX),
                single(ConfChangeType::RemoveNode, 2),
            ],
            context: Bytes::from_static(b"why"),
        };
        assert_eq!(ConfChangeV2::decode(&change.encode()), Ok(change), "reads back");
    }

    #[test]
    fn empty_data_leaves_the_joint_configuration() {
        let change = ConfChangeV2::decode(&Bytes::new()).unwrap();
        assert!(change.leave_joint(), "no changes, automatic");
    }

    #[test]
    fn damaged_bytes_are_errors_that_name_the_place() {
        let decode = |bytes: &'static [u8]| ConfChange::decode(&Bytes::from_static(bytes));
        assert_eq!(decode(&[8]), Err(DecodeError::Truncated { offset: 1 }), "no value");
        assert_eq!(decode(&[0x22, 9, 1]), Err(DecodeError::Truncated { offset: 0 }), "short");
        assert_eq!(
            decode(&[8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2]),
            Err(DecodeError::VarintTooLong { offset: 1 }),
            "65 bits"
        );
        let wire_type = DecodeError::WireType { offset: 0, field: 1, wire_type: 2 };
        assert_eq!(decode(&[10, 0]), Err(wire_type), "id is no string");
        let unknown = DecodeError::UnknownValue { what: "change type", value: 9 };
        assert_eq!(decode(&[16, 9]), Err(unknown), "no such change");
        assert_eq!(decode(&[40, 1, 8, 7]).map(|change| change.id), Ok(7), "unknown is skipped");
    }
}
