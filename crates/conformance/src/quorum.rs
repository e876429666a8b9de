//! `committed` and `vote` over one majority or two joint ones.
//!
//! ```text
//! committed cfg=(1,2,3) cfgj=(3,4) idx=(100,_,7,8)
//! vote cfg=(1,2,3) votes=(y,n,_)
//! ```
//!
//! `_` is a voter that was not heard of; a voter of both configurations is listed once.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use raft::{IdSet, JointConfig, NodeId, VoteResult};

use crate::Subject;
use crate::case::{Command, number};

type Acked = BTreeMap<NodeId, u64>;

/// Commands need nothing from those before them.
pub(crate) struct Quorum;

impl Subject for Quorum {
    fn run(&mut self, command: &Command) -> String {
        run(command).unwrap_or_else(|error| format!("error: {error}"))
    }
}

fn run(command: &Command) -> Result<String, String> {
    let incoming = ids(command, "cfg")?;
    let outgoing = ids(command, "cfgj")?;
    let is_joint = command.values("cfgj").next().is_some();
    let mut voters: Vec<NodeId> = Vec::new();
    for id in incoming.iter().chain(&outgoing) {
        if !voters.contains(id) {
            voters.push(*id);
        }
    }
    let config = JointConfig {
        incoming: incoming.into_iter().collect(),
        outgoing: outgoing.into_iter().collect(),
    };
    match &command.name[..] {
        "committed" => {
            let acked = known(&voters, command.values("idx"), number)?;
            Ok(committed(&config, &acked, is_joint))
        }
        "vote" => {
            let answers = known(&voters, command.values("votes"), |vote| Ok(vote == "y"))?;
            Ok(vote(&config, &answers))
        }
        name => Err(format!("unknown command {name}")),
    }
}

fn ids(command: &Command, key: &str) -> Result<Vec<NodeId>, String> {
    command.values(key).filter(|value| *value != "zero").map(number).collect()
}

/// What is known of each voter, without those of whom nothing is.
fn known<'a, T>(
    voters: &[NodeId],
    values: impl Iterator<Item = &'a str>,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<BTreeMap<NodeId, T>, String> {
    let values: Vec<_> = values.collect();
    if values.len() != voters.len() {
        return Err(format!("mismatched input (explicit or _) for voters {voters:?}: {values:?}"));
    }
    let heard_of = voters.iter().zip(values).filter(|(_, value)| *value != "_");
    heard_of.map(|(id, value)| Ok((*id, parse(value)?))).collect()
}

fn committed(config: &JointConfig, acked: &Acked, is_joint: bool) -> String {
    let index = index_of(config, acked);
    let mut text = describe(&config.ids(), acked);
    let mut compare = |other: u64, how: &str| {
        if other != index {
            let _ = writeln!(text, "{} <-- {how}", Index(other));
        }
    };
    if is_joint {
        compare(index_of(&joint(&config.outgoing, &config.incoming), acked), "via symmetry");
    } else {
        let voters = &config.incoming;
        compare(by_counting(voters, acked), "via alternative computation");
        compare(index_of(&joint(voters, &IdSet::default()), acked), "via zero-joint quorum");
        compare(index_of(&joint(voters, voters), acked), "via self-joint quorum");
        for (id, acknowledged) in acked {
            if index > *acknowledged && *acknowledged > 0 {
                for lower in [acknowledged - 1, 0] {
                    let mut overlay = acked.clone();
                    overlay.insert(*id, lower);
                    compare(index_of(config, &overlay), &format!("overlaying {id}->{lower}"));
                }
            }
        }
    }
    let _ = writeln!(text, "{}", Index(index));
    text
}

fn index_of(config: &JointConfig, acked: &Acked) -> u64 {
    config.committed_index(|id| acked.get(&id).copied())
}

fn joint(incoming: &IdSet, outgoing: &IdSet) -> JointConfig {
    JointConfig { incoming: incoming.clone(), outgoing: outgoing.clone() }
}

/// The slow way: the largest acknowledged index that a majority has reached.
fn by_counting(voters: &IdSet, acked: &Acked) -> u64 {
    if voters.is_empty() {
        return u64::MAX;
    }
    let reached = |index: u64| {
        let have = voters.iter().filter(|id| acked.get(id).is_some_and(|other| *other >= index));
        have.count() > voters.len() / 2
    };
    let of_voters = voters.iter().filter_map(|id| acked.get(&id).copied());
    of_voters.filter(|index| reached(*index)).max().unwrap_or(0)
}

/// A picture of who acknowledged how much: the longer the bar, the more are behind.
fn describe(voters: &IdSet, acked: &Acked) -> String {
    if voters.is_empty() {
        return "<empty majority quorum>".to_owned();
    }
    let index_of = |id| acked.get(&id).copied().unwrap_or(0);
    let width = voters.len();
    let mut text = format!("{}    idx\n", " ".repeat(width));
    for id in voters.iter() {
        let index = index_of(id);
        let bar = voters.iter().filter(|other| index_of(*other) < index).count();
        let bar = if acked.contains_key(&id) {
            format!("{}>{}", "x".repeat(bar), " ".repeat(width - bar))
        } else {
            format!("?{}", " ".repeat(width))
        };
        let _ = writeln!(text, "{bar} {index:5}    (id={id})");
    }
    text
}

fn vote(config: &JointConfig, answers: &BTreeMap<NodeId, bool>) -> String {
    let result_of = |config: &JointConfig| config.vote_result(|id| answers.get(&id).copied());
    let name = |result| match result {
        VoteResult::Pending => "VotePending",
        VoteResult::Lost => "VoteLost",
        VoteResult::Won => "VoteWon",
    };
    let (result, mirrored) =
        (result_of(config), result_of(&joint(&config.outgoing, &config.incoming)));
    let mut text = String::new();
    if mirrored != result {
        let _ = writeln!(text, "{} <-- via symmetry", name(mirrored));
    }
    text + name(result)
}

/// An index, of which there is no end where nobody votes.
struct Index(u64);

impl std::fmt::Display for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 == u64::MAX { f.write_str("∞") } else { self.0.fmt(f) }
    }
}
