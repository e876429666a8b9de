//! Protobuf's compact text form, in the dialect of the Go library that etcd's tools print with:
//! `put:<key:"a" value:"b" > `. Fields at their zero value are left out, members of a choice are
//! not.

use std::fmt::{Display, Write as _};

use bytes::Bytes;

/// A message that can be written as text.
pub(crate) trait Text {
    /// Writes the fields in the order of the `.proto` file.
    fn fields(&self, out: &mut TextWriter);
}

/// The message as Go's `String()` gives it.
pub(crate) fn to_text(message: &impl Text) -> String {
    let mut out = TextWriter::default();
    message.fields(&mut out);
    out.text
}

/// Collects fields.
#[derive(Default)]
pub(crate) struct TextWriter {
    text: String,
}

impl TextWriter {
    /// A number or `true`, unless it is the default.
    pub(crate) fn scalar<T: Display + Default + PartialEq>(&mut self, name: &str, value: &T) {
        if *value != T::default() {
            self.always(name, value);
        }
    }

    /// A scalar inside a choice.
    pub(crate) fn always(&mut self, name: &str, value: &impl Display) {
        write!(self.text, "{name}:{value} ").expect("writing to a string");
    }

    /// Bytes, unless there are none.
    pub(crate) fn bytes(&mut self, name: &str, value: &Bytes) {
        if !value.is_empty() {
            self.always_bytes(name, value);
        }
    }

    /// Bytes inside a choice or a list.
    pub(crate) fn always_bytes(&mut self, name: &str, value: &[u8]) {
        write!(self.text, "{name}:\"{}\" ", Escaped(value)).expect("writing to a string");
    }

    /// The name of an enumeration's value, its number when it has no name, nothing when it is 0.
    pub(crate) fn choice(&mut self, name: &str, value: i32, names: &[&str]) {
        let known = usize::try_from(value).ok().and_then(|at| names.get(at));
        match known {
            _ if value == 0 => {}
            Some(known) => self.always(name, known),
            None => self.always(name, &value),
        }
    }

    /// A message that is there.
    pub(crate) fn message(&mut self, name: &str, message: &impl Text) {
        write!(self.text, "{name}:<").expect("writing to a string");
        message.fields(self);
        self.text.push_str("> ");
    }

    /// A message that may be there, or a list of messages.
    pub(crate) fn messages<'a, T: Text + 'a>(
        &mut self,
        name: &str,
        messages: impl IntoIterator<Item = &'a T>,
    ) {
        for message in messages {
            self.message(name, message);
        }
    }
}

/// Bytes inside quotes: printable ASCII as it is, all else as an octal escape.
struct Escaped<'a>(&'a [u8]);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
