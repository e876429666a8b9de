//! The first line: which cluster.
//!
//! ```text
//! cluster etcd nodes=3 [members=3] seed=42 [tick=100ms] [election=10] [pre-vote=true] [latency=1ms..3ms]
//!     [sync=1ms..4ms] [segment=64MB] [version=3.4.34] [snapshot-count=100000] [catch-up=5000]
//!     [compaction-batch=1000] [initial-corrupt-check=false] [corrupt-check-time=5s]
//!     [watch-progress=600s] [lease-checkpoint=300s]
//! ```
//!
//! `members=1..5` lets the seed choose, and `pre-vote=mixed` every start of a server: the line
//! stands for a family of clusters then, as a hunt wants it.

use std::fmt;

use etcd::server::Version;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Scenario;
use super::error::Problem;
use super::quantity::{MILLISECOND_NS, SECOND_NS, print_size, print_time};
use super::word::{Word, Words};
use crate::rng::{Consumer, Stream};

/// Largest cluster.
pub const NODES_MAX: u32 = 101;

/// Most entries between two snapshots, or kept below one.
const ENTRIES_MAX: u64 = 1_000_000_000;
/// Most revisions in a batch of a compaction.
const COMPACTION_BATCH_MAX: u32 = 1_000_000;

/// Shortest time between two checks of the members: each hashes all of the history.
const CORRUPT_CHECK_NS_MIN: u64 = 100 * MILLISECOND_NS;

/// Shortest interval of what a server does again and again.
const INTERVAL_NS_MIN: u64 = 100 * MILLISECOND_NS;

/// Which server implementation runs on the machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// etcd 3.
    #[default]
    Etcd,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Engine::Etcd => f.write_str("etcd"),
        }
    }
}

/// A time drawn evenly from both bounds and everything between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Smallest.
    pub low_ns: u64,
    /// Largest.
    pub high_ns: u64,
}

impl Span {
    /// Between two times in milliseconds.
    pub const fn milliseconds(low: u64, high: u64) -> Span {
        Span { low_ns: low * MILLISECOND_NS, high_ns: high * MILLISECOND_NS }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let low = print_time(self.low_ns);
        if self.low_ns == self.high_ns {
            return f.write_str(&low);
        }
        write!(f, "{low}..{}", print_time(self.high_ns))
    }
}

/// How many: one number, or one that the seed chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Smallest.
    pub low: u32,
    /// Largest.
    pub high: u32,
}

impl Count {
    /// Always so many.
    pub const fn of(number: u32) -> Count {
        Count { low: number, high: number }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.low == self.high {
            return self.low.fmt(f);
        }
        write!(f, "{}..{}", self.low, self.high)
    }
}

/// Whether servers ask if they would win before they campaign (etcd's `--pre-vote`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreVote {
    /// All do.
    Always,
    /// None does.
    Never,
    /// Each start of a server draws it, as while the flag is rolled out or taken back.
    Mixed,
    /// The seed draws one of these three.
    Any,
}

impl PreVote {
    const WORDS: [(PreVote, &'static str); 4] = [
        (PreVote::Always, "true"),
        (PreVote::Never, "false"),
        (PreVote::Mixed, "mixed"),
        (PreVote::Any, "any"),
    ];
}

impl fmt::Display for PreVote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Self::WORDS.iter().find(|(one, _)| one == self);
        f.write_str(word.map_or("", |(_, word)| word))
    }
}

/// Everything that a fresh world is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterSpec {
    /// Which servers.
    pub engine: Engine,
    /// How many, from 1 to [`NODES_MAX`].
    pub nodes: u32,
    /// How many of them the cluster begins with, see [`ClusterSpec::founders`]; the others wait
    /// until they are added and started.
    pub members: Count,
    /// Where all randomness comes from.
    pub seed: u64,
    /// One tick of a server's clock (etcd's `--heartbeat-interval`).
    pub tick_ns: u64,
    /// Ticks without a leader before a server campaigns (the lower bound; it draws up to twice).
    pub election_ticks: u32,
    /// Whether a server asks if it would win before it campaigns.
    pub pre_vote: PreVote,
    /// How long a message travels between two servers, or a server and a client.
    pub latency: Span,
    /// How long an fsync takes.
    pub sync: Span,
    /// Size at which a log segment is cut.
    pub segment_bytes: u64,
    /// The release whose rules the servers follow.
    pub version: Version,
    /// Applied entries between two snapshots (etcd's `--snapshot-count`).
    pub snapshot_count: u64,
    /// Entries below a snapshot that stay in memory for slow followers.
    pub catch_up_entries: u64,
    /// Revisions that a compaction looks at between two commits (etcd's
    /// `--experimental-compaction-batch-limit`).
    pub compaction_batch: u32,
    /// Whether a server that starts again compares its history with the others' first (etcd's
    /// `--experimental-initial-corrupt-check`).
    pub initial_corrupt_check: bool,
    /// How often a leader does (etcd's `--experimental-corrupt-check-time`).
    pub corrupt_check_ns: Option<u64>,
    /// How often a watch that asks for it is told of progress when there is nothing else to tell
    /// (etcd's `--experimental-watch-progress-notify-interval`).
    pub watch_progress_ns: u64,
    /// How often a leader logs the time that long leases have left, so that the next one does not
    /// begin anew (etcd's `--experimental-enable-lease-checkpoint`, and its interval).
    pub lease_checkpoint_ns: Option<u64>,
}

impl Default for ClusterSpec {
    fn default() -> Self {
        ClusterSpec {
            engine: Engine::Etcd,
            nodes: 3,
            members: Count::of(3),
            seed: 1,
            tick_ns: 100 * MILLISECOND_NS,
            election_ticks: 10,
            pre_vote: PreVote::Always,
            latency: Span::milliseconds(1, 3),
            sync: Span::milliseconds(1, 4),
            segment_bytes: 64_000_000,
            version: Version::default(),
            snapshot_count: 100_000,
            catch_up_entries: 5_000,
            compaction_batch: 1_000,
            initial_corrupt_check: false,
            corrupt_check_ns: None,
            watch_progress_ns: etcd::watch::PROGRESS_NS,
            lease_checkpoint_ns: None,
        }
    }
}

const KEYS: [&str; 17] = [
    "nodes",
    "members",
    "seed",
    "tick",
    "election",
    "pre-vote",
    "latency",
    "sync",
    "segment",
    "version",
    "snapshot-count",
    "catch-up",
    "compaction-batch",
    "initial-corrupt-check",
    "corrupt-check-time",
    "watch-progress",
    "lease-checkpoint",
];

pub(super) const USAGE: &str = "cluster etcd nodes=N [members=N|N..N] seed=N [tick=T] \
                                [election=TICKS] [pre-vote=true|false|mixed|any] [latency=T..T] [sync=T..T] [segment=SIZE] \
                                [version=3.4.N] [snapshot-count=N] [catch-up=N] \
                                [compaction-batch=N] [initial-corrupt-check=true|false] \
                                [corrupt-check-time=T] [watch-progress=T] [lease-checkpoint=T]";

impl ClusterSpec {
    /// Reads what follows the word `cluster`.
    pub(super) fn parse(words: &mut Words) -> Result<ClusterSpec, Problem> {
        let engine = words.expect("`etcd`")?;
        if engine.text != "etcd" {
            return Err(engine.problem("unknown engine", "`etcd`").suggest(&engine.text, ["etcd"]));
        }
        let mut spec = ClusterSpec::default();
        let settings = words.settings("`nodes=3`")?;
        for (name, value, word) in &settings {
            spec.set(name, value, word)?;
        }
        if !settings.iter().any(|(name, ..)| name == "members") {
            spec.members = Count::of(spec.nodes);
        }
        if spec.members.high > spec.nodes {
            let what = format!("{} members on {} machines", spec.members.high, spec.nodes);
            return Err(Problem::new(engine.column, what, "at most as many members as nodes"));
        }
        Ok(spec)
    }

    /// How many servers the cluster begins with, by its seed.
    pub fn founders(&self) -> u32 {
        let Count { low, high } = self.members;
        if low == high {
            return low;
        }
        let drawn = Stream::new(self.seed, Consumer::Founders).below(u64::from(high - low) + 1);
        low + small(drawn)
    }

    /// Whether each start of a server is to ask before it campaigns; `None` for a draw of its own.
    pub(crate) fn pre_votes(&self) -> Option<bool> {
        match self.pre_vote {
            PreVote::Always => Some(true),
            PreVote::Never => Some(false),
            PreVote::Mixed => None,
            PreVote::Any => match Stream::new(self.seed, Consumer::PreVote).below(3) {
                0 => Some(true),
                1 => Some(false),
                _ => None,
            },
        }
    }

    fn set(&mut self, key: &str, value: &Word, word: &Word) -> Result<(), Problem> {
        match key {
            "nodes" => self.nodes = small(value.number_in(1, u64::from(NODES_MAX), "a number")?),
            "members" => self.members = count(value)?,
            "seed" => self.seed = value.number("a seed: a whole number")?,
            "tick" => self.tick_ns = value.time()?.clamp(MILLISECOND_NS, 10 * SECOND_NS),
            "election" => self.election_ticks = small(value.number_in(2, 1_000, "ticks")?),
            "pre-vote" => self.pre_vote = pre_vote(value)?,
            "version" => self.version = version(value)?,
            "latency" => self.latency = span(value)?,
            "sync" => self.sync = span(value)?,
            "snapshot-count" => {
                self.snapshot_count = value.number_in(0, ENTRIES_MAX, "a number of entries")?;
            }
            "catch-up" => {
                self.catch_up_entries = value.number_in(0, ENTRIES_MAX, "a number of entries")?;
            }
            "compaction-batch" => {
                let most = u64::from(COMPACTION_BATCH_MAX);
                self.compaction_batch = small(value.number_in(1, most, "a number of revisions")?);
            }
            "initial-corrupt-check" => self.initial_corrupt_check = yes_or_no(value)?,
            "corrupt-check-time" => {
                self.corrupt_check_ns = Some(value.time()?.max(CORRUPT_CHECK_NS_MIN));
            }
            "watch-progress" => self.watch_progress_ns = value.time()?.max(INTERVAL_NS_MIN),
            "lease-checkpoint" => {
                self.lease_checkpoint_ns = Some(value.time()?.max(INTERVAL_NS_MIN));
            }
            "segment" => self.segment_bytes = value.size(1 << 30)?.max(4_096),
            _ => return Err(word.unknown_setting(key, &KEYS)),
        }
        Ok(())
    }
}

fn yes_or_no(word: &Word) -> Result<bool, Problem> {
    match word.text.as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(word.problem("neither yes nor no:", "`true` or `false`")),
    }
}

fn pre_vote(word: &Word) -> Result<PreVote, Problem> {
    let found = PreVote::WORDS.iter().find(|(_, one)| *one == word.text);
    let expected = "`true`, `false`, `mixed` or `any`";
    found
        .map(|(pre_vote, _)| *pre_vote)
        .ok_or_else(|| word.problem("neither yes nor no:", expected))
}

/// `3`, or `1..5` with both ends included.
fn count(word: &Word) -> Result<Count, Problem> {
    let number = |part: Word| part.number_in(1, u64::from(NODES_MAX), "a number").map(small);
    let Some((low, high)) = word.text.split_once("..") else {
        return number(word.part(&word.text, 0)).map(Count::of);
    };
    let skip = small(low.chars().count() as u64 + 2);
    let count = Count { low: number(word.part(low, 0))?, high: number(word.part(high, skip))? };
    if count.low > count.high {
        return Err(word.problem("an empty range:", "a range such as `1..5`"));
    }
    Ok(count)
}

fn version(word: &Word) -> Result<Version, Problem> {
    let known = |error: etcd::server::UnknownVersion| {
        Problem::new(word.column, error.to_string(), "one of these, such as `3.4.34`")
    };
    word.text.parse().map_err(known)
}

fn span(word: &Word) -> Result<Span, Problem> {
    let (low_ns, high_ns) = word.time_span()?;
    Ok(Span { low_ns, high_ns })
}

/// A number that was just checked against a bound below 2³².
pub(crate) fn small(number: u64) -> u32 {
    u32::try_from(number).expect("checked against a bound below 2^32")
}

/// As its line: what comes from a store is checked like what a person has written.
impl Serialize for ClusterSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ClusterSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ClusterSpec, D::Error> {
        let line = String::deserialize(deserializer)?;
        Scenario::parse(&line).map(|scenario| scenario.cluster).map_err(D::Error::custom)
    }
}

impl fmt::Display for ClusterSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usual = ClusterSpec::default();
        write!(f, "cluster {} nodes={}", self.engine, self.nodes)?;
        if self.members != Count::of(self.nodes) {
            write!(f, " members={}", self.members)?;
        }
        write!(f, " seed={}", self.seed)?;
        if self.tick_ns != usual.tick_ns {
            write!(f, " tick={}", print_time(self.tick_ns))?;
        }
        if self.election_ticks != usual.election_ticks {
            write!(f, " election={}", self.election_ticks)?;
        }
        if self.pre_vote != usual.pre_vote {
            write!(f, " pre-vote={}", self.pre_vote)?;
        }
        if self.latency != usual.latency {
            write!(f, " latency={}", self.latency)?;
        }
        if self.sync != usual.sync {
            write!(f, " sync={}", self.sync)?;
        }
        if self.segment_bytes != usual.segment_bytes {
            write!(f, " segment={}", print_size(self.segment_bytes))?;
        }
        if self.version != usual.version {
            write!(f, " version={}", self.version)?;
        }
        if self.snapshot_count != usual.snapshot_count {
            write!(f, " snapshot-count={}", self.snapshot_count)?;
        }
        if self.catch_up_entries != usual.catch_up_entries {
            write!(f, " catch-up={}", self.catch_up_entries)?;
        }
        if self.compaction_batch != usual.compaction_batch {
            write!(f, " compaction-batch={}", self.compaction_batch)?;
        }
        if self.initial_corrupt_check {
            f.write_str(" initial-corrupt-check=true")?;
        }
        if let Some(time_ns) = self.corrupt_check_ns {
            write!(f, " corrupt-check-time={}", print_time(time_ns))?;
        }
        if self.watch_progress_ns != usual.watch_progress_ns {
            write!(f, " watch-progress={}", print_time(self.watch_progress_ns))?;
        }
        if let Some(time_ns) = self.lease_checkpoint_ns {
            write!(f, " lease-checkpoint={}", print_time(time_ns))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_pre_vote_is_each_of_the_three_for_some_seed_and_the_same_for_the_same() {
        let of = |seed| ClusterSpec { seed, pre_vote: PreVote::Any, ..ClusterSpec::default() };
        let all: Vec<Option<bool>> = (1..40).map(|seed| of(seed).pre_votes()).collect();
        for kind in [Some(true), Some(false), None] {
            assert!(all.contains(&kind), "{kind:?} in {all:?}");
        }
        assert!((1..40).map(|seed| of(seed).pre_votes()).eq(all), "again");
    }
}
