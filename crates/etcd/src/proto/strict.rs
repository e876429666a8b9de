//! Whether etcd's decoder (gogo/protobuf) takes the bytes of a message, and its words when not.
//!
//! The words matter: a message that ends too early is Go's `unexpected EOF`, which etcd's log
//! takes for a torn end and repairs; all others stop the server.
//! Source: the code that gogo/protobuf 1.3 generates (`Unmarshal`, `skip`).

/// How a field is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// A number.
    Varint,
    /// Bytes, or a message whose fields are not looked at.
    Bytes,
}

/// A message: its name in Go, and its fields with their numbers and names in Go.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) fields: &'static [(u32, Wire, &'static str)],
}

/// Why a message is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Go's `io.ErrUnexpectedEOF`.
    UnexpectedEof,
    /// Any other error, in gogo's words.
    Other(String),
}

impl Refused {
    /// The words of the error.
    pub(crate) fn words(&self) -> &str {
        match self {
            Refused::UnexpectedEof => "unexpected EOF",
            Refused::Other(words) => words,
        }
    }
}

use Wire::{Bytes, Varint};

/// `walpb.Record`.
pub(crate) const RECORD: Shape = Shape {
    name: "Record",
    fields: &[(1, Varint, "Type"), (2, Varint, "Crc"), (3, Bytes, "Data")],
};
/// `raftpb.Entry`.
pub(crate) const ENTRY: Shape = Shape {
    name: "Entry",
    fields: &[(1, Varint, "Type"), (2, Varint, "Term"), (3, Varint, "Index"), (4, Bytes, "Data")],
};
/// `raftpb.HardState`.
pub(crate) const HARD_STATE: Shape = Shape {
    name: "HardState",
    fields: &[(1, Varint, "Term"), (2, Varint, "Vote"), (3, Varint, "Commit")],
};
/// `etcdserverpb.Metadata`.
pub(crate) const METADATA: Shape =
    Shape { name: "Metadata", fields: &[(1, Varint, "NodeID"), (2, Varint, "ClusterID")] };
/// `walpb.Snapshot`; its members are read as bytes, as they are since 3.5.
pub(crate) const SNAPSHOT_MARK: Shape =
    Shape { name: "Snapshot", fields: &[(1, Varint, "Index"), (2, Varint, "Term")] };
/// `mvccpb.KeyValue`.
pub(crate) const KEY_VALUE: Shape = Shape {
    name: "KeyValue",
    fields: &[
        (1, Bytes, "Key"),
        (2, Varint, "CreateRevision"),
        (3, Varint, "ModRevision"),
        (4, Varint, "Version"),
        (5, Bytes, "Value"),
        (6, Varint, "Lease"),
    ],
};
/// `leasepb.Lease`.
pub(crate) const LEASE: Shape = Shape {
    name: "Lease",
    fields: &[(1, Varint, "ID"), (2, Varint, "TTL"), (3, Varint, "RemainingTTL")],
};
/// `etcdserverpb.AlarmMember`.
pub(crate) const ALARM_MEMBER: Shape =
    Shape { name: "AlarmMember", fields: &[(1, Varint, "MemberID"), (2, Varint, "Alarm")] };
/// Decodes as the generated code does, without keeping anything.
pub(crate) fn check(shape: &Shape, message: &[u8]) -> Result<(), Refused> {
    let mut at = 0;
    while at < message.len() {
        let start = at;
        let key = varint(message, &mut at)?;
        let (number, wire) = (key >> 3, key & 7);
        // Go keeps the number in 32 bits with a sign.
        let number = i32::from_le_bytes(low_bytes(number));
        if wire == 4 {
            return Err(other(shape, "wiretype end group for non-group"));
        }
        if number <= 0 {
            return Err(other(shape, &format!("illegal tag {number} (wire type {wire})")));
        }
        let known = shape.fields.iter().find(|field| i64::from(field.0) == i64::from(number));
        if let Some((_, expected, name)) = known {
            field(*expected, name, wire, message, &mut at)?;
        } else {
            at = start;
            skip(message, &mut at)?;
        }
    }
    Ok(())
}

fn field(
    expected: Wire,
    name: &str,
    wire: u64,
    message: &[u8],
    at: &mut usize,
) -> Result<(), Refused> {
    let is_right = match expected {
        Varint => wire == 0,
        Bytes => wire == 2,
    };
    if !is_right {
        return Err(Refused::Other(format!("proto: wrong wireType = {wire} for field {name}")));
    }
    match expected {
        Varint => varint(message, at).map(|_| ()),
        Bytes => bytes(message, at).map(|_| ()),
    }
}

fn bytes<'a>(message: &'a [u8], at: &mut usize) -> Result<&'a [u8], Refused> {
    let length = varint(message, at)?;
    // Go's length is a signed number.
    if i64::try_from(length).is_err() {
        return Err(Refused::Other("proto: negative length found during unmarshaling".into()));
    }
    let end = usize::try_from(length).ok().and_then(|length| at.checked_add(length));
    let end = end.filter(|end| *end <= message.len()).ok_or(Refused::UnexpectedEof)?;
    let content = &message[*at..end];
    *at = end;
    Ok(content)
}

/// Passes over a field that the message does not know, groups included.
fn skip(message: &[u8], at: &mut usize) -> Result<(), Refused> {
    let mut depth = 0_usize;
    loop {
        match varint(message, at)? & 7 {
            0 => varint(message, at).map(|_| ())?,
            1 => advance(message, at, 8)?,
            2 => bytes(message, at).map(|_| ())?,
            3 => depth += 1,
            4 if depth == 0 => {
                return Err(Refused::Other("proto: unexpected end of group".into()));
            }
            4 => depth -= 1,
            5 => advance(message, at, 4)?,
            wire => return Err(Refused::Other(format!("proto: illegal wireType {wire}"))),
        }
        if depth == 0 {
            return Ok(());
        }
    }
}

fn advance(message: &[u8], at: &mut usize, bytes: usize) -> Result<(), Refused> {
    *at += bytes;
    if *at > message.len() { Err(Refused::UnexpectedEof) } else { Ok(()) }
}

fn varint(message: &[u8], at: &mut usize) -> Result<u64, Refused> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *message.get(*at).ok_or(Refused::UnexpectedEof)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Refused::Other("proto: integer overflow".into()))
}

fn other(shape: &Shape, words: &str) -> Refused {
    Refused::Other(format!("proto: {}: {words}", shape.name))
}

fn low_bytes(number: u64) -> [u8; 4] {
    let bytes = number.to_le_bytes();
    [bytes[0], bytes[1], bytes[2], bytes[3]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_gogos_words() {
        let words = |bytes: &[u8]| match check(&RECORD, bytes) {
            Ok(()) => "taken".to_string(),
            Err(refused) => refused.words().to_string(),
        };
        assert_eq!(words(&[8, 4, 16, 0]), "taken", "a crc record");
        assert_eq!(words(&[8, 4, 16, 0, 0x7d, 1, 2, 3, 4]), "taken", "an unknown field is skipped");
        assert_eq!(words(&[8]), "unexpected EOF", "cut in a field");
        assert_eq!(words(&[0x1a, 9, 1]), "unexpected EOF", "data that is too long");
        assert_eq!(words(&[0x0a, 0]), "proto: wrong wireType = 2 for field Type", "another type");
        assert_eq!(words(&[0, 0]), "proto: Record: illegal tag 0 (wire type 0)", "no field");
        assert_eq!(words(&[0x0c]), "proto: Record: wiretype end group for non-group", "a group");
        assert_eq!(words(&[0xff; 11]), "proto: integer overflow", "too long a number");
        assert_eq!(words(&[0x7f, 0]), "proto: illegal wireType 7", "no wire type");
    }
}
