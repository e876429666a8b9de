//! Mixed load: clients that each do one thing after the other, as users do.
//!
//! ```text
//! load mix clients=4 key=k/{0..9} keys=zipf value=16B think=5ms..50ms put=4 get=4 del=1 txn=1 for=30s
//! ```
//!
//! Every client sends its next operation when the one before has ended and it has thought for a
//! while (a closed loop; `load put` is the open one). The numbers after `put`, `get` and the others
//! are weights: what is not named is not done, and without any of them all are 1.

mod running;
mod seen;
mod session;
mod zipf;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{LoadEnd, Workload};
use crate::scenario::error::Problem;
use crate::scenario::word::{Word, Words, quoted};
use crate::scenario::{
    KeyPattern, Keys, MILLISECOND_NS, SECOND_NS, Span, Until, VALUE_BYTES_MAX, print_size,
    print_time, small,
};
use crate::world::World;
use running::RunningMix;

/// Most clients of one load.
pub const CLIENTS_MAX: u32 = 64;
/// Most tries after the first, clientv3's.
const RETRIES_MAX: u32 = 100;
/// Longest time that an operation may take.
const TIMEOUT_MAX_NS: u64 = 60 * SECOND_NS;
/// Most keys that an uneven distribution is drawn from.
pub const ZIPF_KEYS_MAX: u64 = 100_000;

/// What a mixed load does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mix {
    /// Clients, from 1 to [`CLIENTS_MAX`].
    pub clients: u32,
    /// Where keys are drawn from.
    pub key: KeyPattern,
    /// How evenly.
    pub distribution: Distribution,
    /// Length of each value; it begins with client and number and so is unique, if it is long
    /// enough.
    pub value_bytes: u32,
    /// Time from an answer to the next operation.
    pub think: Span,
    /// How long an operation may take, with all its tries.
    pub timeout_ns: u64,
    /// How often an operation that surely did nothing, or a read, is tried again.
    pub retries: u32,
    /// What is done, and how often.
    pub weights: Weights,
    /// Watches that follow all keys of the pattern.
    pub watches: u32,
    /// Further ones whose clients are slow to listen.
    pub slow_watches: u32,
    /// When it ends.
    pub until: LoadEnd,
}

/// How evenly keys are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Distribution {
    /// Each as often as the others.
    #[default]
    Even,
    /// The n-th key with a weight of 1/n: a few are hot.
    Zipf,
}

/// How often each kind of operation is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weights {
    /// Writes one key.
    pub put: u32,
    /// Reads one key, linearizably.
    pub get: u32,
    /// Reads one key from one server's own state.
    pub stale: u32,
    /// Reads one key as of a revision that the client saw, or one a little before.
    pub old: u32,
    /// Reads all keys of the pattern in one request.
    pub range: u32,
    /// Deletes one key.
    pub del: u32,
    /// Compares what the client saw last of a key, and writes if nobody else did.
    pub txn: u32,
    /// Grants a lease, attaches a key, keeps it alive for a while, revokes it or lets it expire.
    pub lease: u32,
    /// Compacts at a revision that the client saw.
    pub compact: u32,
}

impl Weights {
    /// Names as they are written, in order.
    pub const NAMES: [&'static str; 9] =
        ["put", "get", "stale", "old", "range", "del", "txn", "lease", "compact"];

    /// The weights in the order of [`Weights::NAMES`].
    pub fn all(&self) -> [u32; 9] {
        let Weights { put, get, stale, old, range, del, txn, lease, compact } = *self;
        [put, get, stale, old, range, del, txn, lease, compact]
    }

    fn of(weights: [u32; 9]) -> Weights {
        let [put, get, stale, old, range, del, txn, lease, compact] = weights;
        Weights { put, get, stale, old, range, del, txn, lease, compact }
    }
}

const RETRIES: u32 = 3;
const SETTINGS: [&str; 11] = [
    "clients", "key", "keys", "value", "think", "timeout", "retries", "watches", "slow", "for",
    "count",
];

impl Workload for Mix {
    type Running = RunningMix;

    fn parse(words: &mut Words) -> Result<Mix, Problem> {
        let mut mix = Mix::default();
        let mut weights = None;
        for (name, value, word) in words.settings("`clients=3`")? {
            match Weights::NAMES.iter().position(|known| *known == name) {
                Some(place) => {
                    let weight = small(value.number_in(0, 1_000, "a weight")?);
                    weights.get_or_insert(([0; 9], word)).0[place] = weight;
                }
                None => mix.set(&name, &value, &word)?,
            }
        }
        mix.weights = match weights {
            None => Weights::of([1; 9]),
            Some((weights, word)) if weights == [0; 9] => {
                return Err(word.problem("nothing to do:", "a weight above 0 for some operation"));
            }
            Some((weights, _)) => Weights::of(weights),
        };
        Ok(mix)
    }

    fn clients(&self) -> u32 {
        self.clients
    }

    fn start(self, world: &mut World, client: u32) -> RunningMix {
        RunningMix::start(self, world, client)
    }
}

impl Default for Mix {
    fn default() -> Mix {
        Mix {
            clients: 3,
            key: KeyPattern { prefix: "k/".into(), range: Some((0, 9)), suffix: String::new() },
            distribution: Distribution::Even,
            value_bytes: 16,
            think: Span::milliseconds(5, 50),
            timeout_ns: 5 * SECOND_NS,
            retries: RETRIES,
            weights: Weights::default(),
            watches: 0,
            slow_watches: 0,
            until: LoadEnd::Never,
        }
    }
}

impl Mix {
    fn set(&mut self, name: &str, value: &Word, word: &Word) -> Result<(), Problem> {
        match name {
            "clients" => {
                self.clients = small(value.number_in(1, u64::from(CLIENTS_MAX), "clients")?);
            }
            "key" => self.key = KeyPattern::parse(value)?,
            "keys" => self.distribution = distribution(value)?,
            "value" => self.value_bytes = small(value.size(VALUE_BYTES_MAX)?),
            "think" => {
                let (low_ns, high_ns) = value.time_span()?;
                self.think = Span { low_ns, high_ns };
            }
            "timeout" => {
                self.timeout_ns = value.time()?;
                if !(MILLISECOND_NS..=TIMEOUT_MAX_NS).contains(&self.timeout_ns) {
                    return Err(value.problem("out of range:", "a time from 1ms to 60s"));
                }
            }
            "retries" => {
                self.retries = small(value.number_in(0, u64::from(RETRIES_MAX), "retries")?);
            }
            "watches" => self.watches = small(value.number_in(0, 64, "watches")?),
            "slow" => self.slow_watches = small(value.number_in(0, 64, "watches")?),
            "for" | "count" => self.until.set(name, value, word)?,
            _ => return Err(word.unknown_setting(name, &[&SETTINGS[..], &Weights::NAMES].concat())),
        }
        Ok(())
    }

    /// All keys of the pattern in one range.
    pub fn all_keys(&self) -> Keys {
        let until = if self.key.range.is_some() { Until::Prefix } else { Until::One };
        Keys { key: self.key.prefix.clone(), until }
    }

    /// How many keys the pattern stands for.
    pub fn keys(&self) -> u64 {
        self.key.range.map_or(1, |(low, high)| (high - low).saturating_add(1))
    }
}

fn distribution(word: &Word) -> Result<Distribution, Problem> {
    match word.text.as_str() {
        "even" => Ok(Distribution::Even),
        "zipf" => Ok(Distribution::Zipf),
        _ => Err(word
            .problem("unknown distribution", "`even` or `zipf`")
            .suggest(&word.text, ["even", "zipf"])),
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = quoted(&format!("key={}", self.key));
        write!(f, "load mix clients={} {key}", self.clients)?;
        if self.distribution == Distribution::Zipf {
            f.write_str(" keys=zipf")?;
        }
        write!(f, " value={} think={}", print_size(u64::from(self.value_bytes)), self.think)?;
        if self.timeout_ns != 5 * SECOND_NS {
            write!(f, " timeout={}", print_time(self.timeout_ns))?;
        }
        if self.retries != RETRIES {
            write!(f, " retries={}", self.retries)?;
        }
        for (name, weight) in Weights::NAMES.iter().zip(self.weights.all()) {
            if weight > 0 {
                write!(f, " {name}={weight}")?;
            }
        }
        if self.watches > 0 {
            write!(f, " watches={}", self.watches)?;
        }
        if self.slow_watches > 0 {
            write!(f, " slow={}", self.slow_watches)?;
        }
        self.until.print(f)
    }
}
