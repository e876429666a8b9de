//! Puts at an even rate, whatever comes back (an open loop), each value the number of its operation.
//!
//! ```text
//! load put key=user/{0..99} value=16B rate=200/s [for=10s | count=500]
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{LoadCommand, LoadEnd, Quota, Running, Stored, Workload};
use crate::client::PATIENCE_NS;
use crate::rng::Stream;
use crate::scenario::error::Problem;
use crate::scenario::word::{Word, Words, quoted};
use crate::scenario::{
    ClientCommand, KeyPattern, Put, SECOND_NS, VALUE_BYTES_MAX, print_size, small,
};
use crate::world::World;

/// Largest rate, in operations a second.
pub const RATE_MAX: u64 = 100_000;
/// A load holds back while it has this many operations under way, or operations with this many
/// bytes: each lies in the servers' queues and logs too.
const PENDING_MAX: usize = 1_000;
const PENDING_BYTES_MAX: usize = 16 << 20;

/// See the module's head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Where keys are drawn from.
    pub key: KeyPattern,
    /// Length of each value; its text is the number of the operation.
    pub value_bytes: u32,
    /// Operations a second, from 1 to [`RATE_MAX`].
    pub rate: u32,
    /// When it ends.
    pub until: LoadEnd,
}

const SETTINGS: [&str; 5] = ["key", "value", "rate", "for", "count"];

impl Workload for Load {
    type Running = RunningLoad;

    fn parse(words: &mut Words) -> Result<Load, Problem> {
        let mut load = Load {
            key: KeyPattern { prefix: "key/".into(), range: Some((0, 99)), suffix: String::new() },
            value_bytes: 16,
            rate: 100,
            until: LoadEnd::Never,
        };
        for (name, value, word) in words.settings("`rate=200/s`")? {
            match name.as_str() {
                "key" => load.key = KeyPattern::parse(&value)?,
                "value" => load.value_bytes = small(value.size(VALUE_BYTES_MAX)?),
                "rate" => load.rate = parse_rate(&value)?,
                "for" | "count" => load.until.set(&name, &value, &word)?,
                _ => return Err(word.unknown_setting(&name, &SETTINGS)),
            }
        }
        Ok(load)
    }

    fn start(self, world: &mut World, client: u32) -> RunningLoad {
        let quota = Quota::new(world.now_ns(), self.until);
        let next_ns = world.now_ns() + 1;
        world.turn_at(client, next_ns);
        RunningLoad { client, load: self, quota, next_ns }
    }
}

fn parse_rate(word: &Word) -> Result<u32, Problem> {
    let number = Word {
        text: word.text.strip_suffix("/s").unwrap_or(&word.text).to_owned(),
        column: word.column,
    };
    number.number_in(1, RATE_MAX, "operations a second").map(small)
}

impl Load {
    /// Time from one operation to the next.
    fn interval_ns(&self) -> u64 {
        SECOND_NS / u64::from(self.rate)
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = quoted(&format!("key={}", self.key));
        let value = print_size(u64::from(self.value_bytes));
        write!(f, "load put {key} value={value} rate={}/s", self.rate)?;
        self.until.print(f)
    }
}

/// A load that runs: all of it goes into the head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunningLoad {
    client: u32,
    #[serde(with = "crate::scenario::as_line")]
    load: Load,
    quota: Quota,
    next_ns: u64,
}

impl Running for RunningLoad {
    fn payload(&self) -> LoadCommand {
        LoadCommand::Start(self.load.clone())
    }

    fn quota(&self) -> &Quota {
        &self.quota
    }

    fn clients(&self) -> (u32, u32) {
        (self.client, 1)
    }

    fn turn(&mut self, world: &mut World, client: u32) {
        self.next_ns = world.now_ns() + self.load.interval_ns().max(1);
        world.turn_at(client, self.next_ns);
        let (under_way, bytes) =
            (world.clients().under_way(client), self.load.value_bytes as usize);
        if under_way >= PENDING_MAX || under_way * bytes >= PENDING_BYTES_MAX {
            return;
        }
        let value = value_text(self.quota.begin(), bytes);
        let key = fill(&self.load.key, world.clients_mut().stream());
        if let Some(node) = world.next_server() {
            let put = ClientCommand::Put(Put { key, value, ..Put::default() });
            world.ask(client, 0, node, put, PATIENCE_NS);
        }
    }

    fn wake(&mut self, _now_ns: u64) -> Vec<(u32, u64)> {
        vec![(self.client, self.next_ns)]
    }
}

impl Stored for RunningLoad {
    type Head = RunningLoad;

    fn head(&self) -> RunningLoad {
        self.clone()
    }

    fn resume(_seed: u64, head: RunningLoad) -> RunningLoad {
        head
    }
}

/// The operation's number, filled with zeros on the left or cut there.
fn value_text(number: u64, bytes: usize) -> String {
    let digits = number.to_string();
    match bytes.checked_sub(digits.len()) {
        Some(missing) => "0".repeat(missing) + &digits,
        None => digits[digits.len() - bytes..].to_owned(),
    }
}

fn fill(pattern: &KeyPattern, stream: &mut Stream) -> String {
    let Some((low, high)) = pattern.range else { return pattern.prefix.clone() };
    let width = (high - low).saturating_add(1);
    let number = low + stream.below(width);
    format!("{}{number}{}", pattern.prefix, pattern.suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_its_length_whatever_its_number() {
        assert_eq!(value_text(42, 5), "00042");
        assert_eq!(value_text(12_345, 3), "345");
        assert_eq!(value_text(1, 0), "");
        assert_eq!(value_text(7, 1 << 20).len(), 1 << 20);
    }
}
