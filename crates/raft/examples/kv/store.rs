//! The state machine: keys and values, changed by committed commands alone.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Keys and values. Every server that applied the same commands has the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Store(BTreeMap<String, String>);

impl Store {
    /// The command that an entry carries; what is no command changes nothing, on every server.
    pub(crate) fn apply(&mut self, command: &[u8]) {
        let text = std::str::from_utf8(command).unwrap_or_default();
        if let Some((key, value)) = text.split_once('=') {
            self.0.insert(key.to_owned(), value.to_owned());
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The bytes of a snapshot: a line for each key.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut text = String::new();
        for (key, value) in &self.0 {
            writeln!(text, "{key}={value}").expect("a string takes everything");
        }
        text.into_bytes()
    }

    /// Reads a snapshot; says which line is none.
    pub(crate) fn decode(data: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(data).map_err(|error| error.to_string())?;
        let mut keys = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let (key, value) =
                line.split_once('=').ok_or_else(|| format!("line {} is no pair", number + 1))?;
            keys.insert(key.to_owned(), value.to_owned());
        }
        Ok(Self(keys))
    }
}
