//! Load: clients that work on their own.
//!
//! ```text
//! load put key=user/{0..99} value=16B rate=200/s [for=10s | count=500]
//! load mix clients=4 key=k/{0..9} think=5ms..50ms put=4 get=4 [for=10s | count=500]
//! load operator think=1s..5s [for=10s | count=500]
//! load stop
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Action;
use super::error::Problem;
use super::mix::{self, Mix};
use super::node::Context;
use super::operator::{self, Operator};
use super::quantity::{SECOND_NS, print_size, print_time};
use super::verb::{Group, Verb};
use super::word::{Word, Words, quoted};

/// Largest value that a load writes: etcd refuses requests above 1.5 MiB.
pub const VALUE_BYTES_MAX: u64 = 1 << 20;
/// Largest rate, in operations a second.
pub const RATE_MAX: u64 = 100_000;

/// Starts or stops load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LoadCommand {
    /// Starts one more load beside those that run.
    Start(Load),
    /// Stops them all; requests under way are still answered.
    Stop,
    /// Starts one more mixed load beside those that run.
    Mix(Mix),
    /// Lets one more operator change the cluster.
    Operator(Operator),
}

/// Puts at an even rate.
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

/// How long a load goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LoadEnd {
    /// Until it is stopped.
    Never,
    /// This long.
    For(u64),
    /// This many operations.
    Count(u64),
}

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
    pub(super) fn parse(word: &Word) -> Result<KeyPattern, Problem> {
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

const KEYS: [&str; 5] = ["key", "value", "rate", "for", "count"];

pub(super) const VERBS: &[Verb] = &[Verb {
    name: "load",
    group: Group::Load,
    usage: "load put key=PATTERN value=SIZE rate=N/s [for=T | count=N] · \
            load mix [clients=N] [key=PATTERN] [keys=even|zipf] [value=SIZE] [think=T..T] \
            [timeout=T] [retries=N] [put=W] [get=W] [stale=W] [range=W] [del=W] [txn=W] [lease=W] \
            [compact=W] [watches=N] [slow=N] [for=T | count=N] · \
            load operator [think=T..T] [for=T | count=N] · load stop",
    help: "works on its own: puts at an even rate, clients that each do a mix of operations, or an \
           operator who changes members",
    example: "load put key=user/{0..99} value=16B rate=200/s",
    parse,
}];

const EXPECTED: &str = "`put`, `mix`, `operator` or `stop`";

fn parse(words: &mut Words, _: Context) -> Result<Action, Problem> {
    let word = words.expect(EXPECTED)?;
    match word.text.as_str() {
        "stop" => Ok(Action::Load(LoadCommand::Stop)),
        "put" => Ok(Action::Load(LoadCommand::Start(parse_put(words)?))),
        "mix" => Ok(Action::Load(LoadCommand::Mix(mix::parse(words)?))),
        "operator" => Ok(Action::Load(LoadCommand::Operator(operator::parse(words)?))),
        _ => Err(word
            .problem("unknown load", EXPECTED)
            .suggest(&word.text, ["put", "mix", "operator", "stop"])),
    }
}

fn parse_put(words: &mut Words) -> Result<Load, Problem> {
    let mut load = Load {
        key: KeyPattern { prefix: "key/".into(), range: Some((0, 99)), suffix: String::new() },
        value_bytes: 16,
        rate: 100,
        until: LoadEnd::Never,
    };
    while let Some(word) = words.take() {
        let (key, value) = word.key_value("`rate=200/s`")?;
        match key {
            "key" => load.key = KeyPattern::parse(&value)?,
            "value" => load.value_bytes = super::cluster::small(value.size(VALUE_BYTES_MAX)?),
            "rate" => load.rate = parse_rate(&value)?,
            "for" | "count" => load.until.set(key, &value, &word)?,
            _ => {
                let expected = format!("one of {}", KEYS.join(", "));
                return Err(word.problem("unknown setting", &expected).suggest(key, KEYS));
            }
        }
    }
    Ok(load)
}

fn parse_rate(word: &Word) -> Result<u32, Problem> {
    let number = Word {
        text: word.text.strip_suffix("/s").unwrap_or(&word.text).to_owned(),
        column: word.column,
    };
    number.number_in(1, RATE_MAX, "operations a second").map(super::cluster::small)
}

impl LoadEnd {
    /// Takes `for=` or `count=`, one of them.
    pub(super) fn set(&mut self, name: &str, value: &Word, word: &Word) -> Result<(), Problem> {
        if *self != LoadEnd::Never {
            return Err(word.problem("a second end:", "either `for=` or `count=`"));
        }
        *self = match name {
            "for" => LoadEnd::For(value.time()?),
            _ => LoadEnd::Count(value.number_in(1, 100_000_000, "a number")?),
        };
        Ok(())
    }

    pub(super) fn print(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadEnd::Never => Ok(()),
            LoadEnd::For(time_ns) => write!(f, " for={}", print_time(time_ns)),
            LoadEnd::Count(count) => write!(f, " count={count}"),
        }
    }
}

impl Load {
    /// Time from one operation to the next.
    pub fn interval_ns(&self) -> u64 {
        SECOND_NS / u64::from(self.rate)
    }
}

impl fmt::Display for LoadCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let load = match self {
            LoadCommand::Stop => return f.write_str("load stop"),
            LoadCommand::Mix(mix) => return mix.fmt(f),
            LoadCommand::Operator(operator) => return operator.fmt(f),
            LoadCommand::Start(load) => load,
        };
        let key = quoted(&format!("key={}", load.key));
        let value = print_size(u64::from(load.value_bytes));
        write!(f, "load put {key} value={value} rate={}/s", load.rate)?;
        load.until.print(f)
    }
}
