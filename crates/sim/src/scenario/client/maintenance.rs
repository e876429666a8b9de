//! Looking after a server: `endpoint`, `alarm`, `defrag`, `snapshot`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::arguments::{Arguments, number};
use super::{ClientCommand, client};
use crate::scenario::error::Problem;
use crate::scenario::verb::{Group, Verb};
use crate::scenario::word::Words;

/// What is asked about one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Maintenance {
    /// `endpoint status`
    Status,
    /// `endpoint health`
    Health,
    /// `endpoint hashkv`
    HashKv {
        /// Up to this revision; 0 for now.
        revision: i64,
    },
    /// `alarm list`
    AlarmList,
    /// `alarm disarm`
    AlarmDisarm,
    /// `defrag`
    Defrag,
    /// `snapshot save`
    SnapshotSave,
}

pub(super) const VERBS: &[Verb] = &[
    Verb {
        name: "endpoint",
        group: Group::Client,
        usage: "endpoint status · endpoint health · endpoint hashkv [--rev N]",
        help: "what one server says of itself",
        example: "on n2 endpoint status",
        parse: |words, _| client(words, |words| endpoint(words).map(ClientCommand::Maintenance)),
    },
    Verb {
        name: "alarm",
        group: Group::Client,
        usage: "alarm list · alarm disarm",
        help: "alarms that members raised: no space, corrupt data",
        example: "alarm list",
        parse: |words, _| client(words, |words| alarm(words).map(ClientCommand::Maintenance)),
    },
    Verb {
        name: "defrag",
        group: Group::Client,
        usage: "defrag",
        help: "one server writes its database anew, without free pages; it waits meanwhile",
        example: "on n2 defrag",
        parse: |words, _| client(words, |_| Ok(ClientCommand::Maintenance(Maintenance::Defrag))),
    },
    Verb {
        name: "snapshot",
        group: Group::Client,
        usage: "snapshot save",
        help: "reads a whole database off one server and tells its hash, revision and size",
        example: "on n2 snapshot save",
        parse: |words, _| client(words, |words| snapshot(words).map(ClientCommand::Maintenance)),
    },
];

fn endpoint(words: &mut Words) -> Result<Maintenance, Problem> {
    if words.take_if("hashkv") {
        let arguments = Arguments::read(words, &[], &["--rev"])?;
        arguments.at_most(0)?;
        return Ok(Maintenance::HashKv { revision: arguments.number("--rev")? });
    }
    let known = [
        ("status", Maintenance::Status),
        ("health", Maintenance::Health),
        ("hashkv", Maintenance::HashKv { revision: 0 }),
    ];
    sub_command(words, &known)
}

fn alarm(words: &mut Words) -> Result<Maintenance, Problem> {
    sub_command(words, &[("list", Maintenance::AlarmList), ("disarm", Maintenance::AlarmDisarm)])
}

fn snapshot(words: &mut Words) -> Result<Maintenance, Problem> {
    sub_command(words, &[("save", Maintenance::SnapshotSave)])
}

fn sub_command<const N: usize>(
    words: &mut Words,
    known: &[(&str, Maintenance); N],
) -> Result<Maintenance, Problem> {
    let names = known.iter().map(|(name, _)| *name);
    let expected = names.clone().collect::<Vec<_>>().join(", ");
    let word = words.expect(&expected)?;
    match known.iter().find(|(name, _)| *name == word.text) {
        Some((_, command)) => Ok(command.clone()),
        None => Err(word.problem("unknown command", &expected).suggest(&word.text, names)),
    }
}

impl fmt::Display for Maintenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Maintenance::Status => f.write_str("endpoint status"),
            Maintenance::Health => f.write_str("endpoint health"),
            Maintenance::HashKv { revision } => {
                f.write_str("endpoint hashkv")?;
                number(f, "--rev", *revision)
            }
            Maintenance::AlarmList => f.write_str("alarm list"),
            Maintenance::AlarmDisarm => f.write_str("alarm disarm"),
            Maintenance::Defrag => f.write_str("defrag"),
            Maintenance::SnapshotSave => f.write_str("snapshot save"),
        }
    }
}
