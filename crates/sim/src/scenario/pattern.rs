//! What the lines of loads have in common: keys that are drawn from a pattern, values of a size.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::error::Problem;
use super::word::Word;

/// Largest value that a load writes: etcd refuses requests above 1.5 MiB.
pub const VALUE_BYTES_MAX: u64 = 1 << 20;

/// A key with at most one `{low..high}` that is filled with a number drawn from the range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPattern {
    /// Text before the number.
    pub prefix: String,
    /// The range, both ends included; `None` for a key that stays the same.
    pub range: Option<(u64, u64)>,
    /// Text after the number.
    pub suffix: String,
}

impl KeyPattern {
    pub(crate) fn parse(word: &Word) -> Result<KeyPattern, Problem> {
        let expected = "a key such as `user/{0..99}`";
        let text = word.text.as_str();
        if text.is_empty() || text.len() > 1_024 {
            return Err(word.problem("not a key of 1 to 1024 bytes:", expected));
        }
        let Some((prefix, rest)) = text.split_once('{') else {
            return Ok(KeyPattern { prefix: text.to_owned(), range: None, suffix: String::new() });
        };
        let range = rest.split_once('}').and_then(|(range, suffix)| {
            let (low, high) = range.split_once("..")?;
            let bounds = (low.parse().ok()?, high.parse().ok()?);
            (bounds.0 <= bounds.1).then_some((bounds, suffix))
        });
        let (bounds, suffix) = range.ok_or_else(|| word.problem("not a range in", expected))?;
        Ok(KeyPattern { prefix: prefix.to_owned(), range: Some(bounds), suffix: suffix.to_owned() })
    }
}

impl fmt::Display for KeyPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.prefix)?;
        if let Some((low, high)) = self.range {
            write!(f, "{{{low}..{high}}}")?;
        }
        f.write_str(&self.suffix)
    }
}
