//! Messages as trees of named fields, and these as text: protobuf's compact form, in the dialect
//! of the Go library that etcd's tools print with: `put:<key:"a" value:"b" > `.
//!
//! Fields at their zero value are left out, members of a choice are not.

use std::fmt::{self, Display, Write as _};

use bytes::Bytes;

/// One field of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The name in snake case.
    pub name: &'static str,
    /// The name in etcd's `.proto` file.
    pub proto_name: &'static str,
    /// What it holds.
    pub value: FieldValue,
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldValue {
    /// Any integer.
    Number(i128),
    /// A boolean.
    Flag(bool),
    /// A value of an enumeration, by name.
    Name(&'static str),
    /// Bytes or text.
    Bytes(Bytes),
    /// An embedded message.
    Message(Vec<Field>),
    /// A repeated message.
    List(Vec<Vec<Field>>),
    /// Repeated text.
    Texts(Vec<Bytes>),
}

/// A message that can be shown field by field.
pub(crate) trait Show {
    /// Lists the fields in the order of the `.proto` file.
    fn show(&self, out: &mut Fields);
}

/// The fields of a message.
pub(crate) fn fields_of(message: &impl Show) -> Vec<Field> {
    let mut out = Fields::default();
    message.show(&mut out);
    out.fields
}

/// The names of a field: ours, and that of the `.proto` file where it differs.
pub(crate) struct Names(&'static str, &'static str);

impl From<&'static str> for Names {
    fn from(name: &'static str) -> Names {
        Names(name, name)
    }
}

impl From<(&'static str, &'static str)> for Names {
    fn from((name, proto_name): (&'static str, &'static str)) -> Names {
        Names(name, proto_name)
    }
}

/// Collects fields.
#[derive(Default)]
pub(crate) struct Fields {
    fields: Vec<Field>,
}

impl Fields {
    fn push(&mut self, names: impl Into<Names>, value: FieldValue) {
        let Names(name, proto_name) = names.into();
        self.fields.push(Field { name, proto_name, value });
    }

    /// A number, unless it is zero.
    pub(crate) fn number(&mut self, names: impl Into<Names>, value: impl Into<i128>) {
        match value.into() {
            0 => {}
            value => self.push(names, FieldValue::Number(value)),
        }
    }

    /// A number inside a choice.
    pub(crate) fn always_number(&mut self, names: impl Into<Names>, value: impl Into<i128>) {
        self.push(names, FieldValue::Number(value.into()));
    }

    /// `true`, or nothing.
    pub(crate) fn flag(&mut self, names: impl Into<Names>, value: bool) {
        if value {
            self.always_flag(names, value);
        }
    }

    /// A boolean that is always there.
    pub(crate) fn always_flag(&mut self, names: impl Into<Names>, value: bool) {
        self.push(names, FieldValue::Flag(value));
    }

    /// Bytes, unless there are none.
    pub(crate) fn bytes(&mut self, names: impl Into<Names>, value: &Bytes) {
        if !value.is_empty() {
            self.always_bytes(names, value);
        }
    }

    /// Bytes inside a choice.
    pub(crate) fn always_bytes(&mut self, names: impl Into<Names>, value: &Bytes) {
        self.push(names, FieldValue::Bytes(value.clone()));
    }

    /// Repeated text.
    pub(crate) fn texts(&mut self, names: impl Into<Names>, values: &[Bytes]) {
        self.push(names, FieldValue::Texts(values.to_vec()));
    }

    /// A value of an enumeration, unless it is its first; a number when it has no name.
    pub(crate) fn choice(&mut self, names: impl Into<Names>, value: i32, known: &[&'static str]) {
        match usize::try_from(value).ok().and_then(|at| known.get(at)) {
            _ if value == 0 => {}
            Some(known) => self.push(names, FieldValue::Name(known)),
            None => self.always_number(names, value),
        }
    }

    /// A message that is there.
    pub(crate) fn message(&mut self, names: impl Into<Names>, message: &impl Show) {
        self.push(names, FieldValue::Message(fields_of(message)));
    }

    /// A message that may be there.
    pub(crate) fn option(&mut self, names: impl Into<Names>, message: Option<&impl Show>) {
        if let Some(message) = message {
            self.message(names, message);
        }
    }

    /// A repeated message.
    pub(crate) fn list(&mut self, names: impl Into<Names>, messages: &[impl Show]) {
        if !messages.is_empty() {
            self.push(names, FieldValue::List(messages.iter().map(fields_of).collect()));
        }
    }
}

/// Fields as text.
pub(crate) struct Compact<'a>(pub(crate) &'a [Field]);

impl Display for Compact<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Field { proto_name, value, .. } in self.0 {
            match value {
                FieldValue::Number(number) => write!(f, "{proto_name}:{number} ")?,
                FieldValue::Flag(flag) => write!(f, "{proto_name}:{flag} ")?,
                FieldValue::Name(name) => write!(f, "{proto_name}:{name} ")?,
                FieldValue::Bytes(bytes) => write!(f, "{proto_name}:\"{}\" ", Escaped(bytes))?,
                FieldValue::Message(fields) => write!(f, "{proto_name}:<{}> ", Compact(fields))?,
                FieldValue::List(messages) => {
                    for fields in messages {
                        write!(f, "{proto_name}:<{}> ", Compact(fields))?;
                    }
                }
                FieldValue::Texts(texts) => {
                    for text in texts {
                        write!(f, "{proto_name}:\"{}\" ", Escaped(text))?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Bytes inside quotes: printable ASCII as it is, all else as an octal escape.
struct Escaped<'a>(&'a [u8]);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            match byte {
                b'\n' => f.write_str("\\n")?,
                b'\r' => f.write_str("\\r")?,
                b'\t' => f.write_str("\\t")?,
                b'"' => f.write_str("\\\"")?,
                b'\\' => f.write_str("\\\\")?,
                b' '..=b'~' => f.write_char(char::from(*byte))?,
                other => write!(f, "\\{other:03o}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Escaped;

    #[test]
    fn bytes_are_escaped_as_go_does() {
        assert_eq!(Escaped(b"7K`\xf8\xb8TT").to_string(), r"7K`\370\270TT");
        assert_eq!(Escaped(b"\"\\\n\x7f\0").to_string(), r#"\"\\\n\177\000"#);
    }
}
