//! Watches: `watch KEY`, until `unwatch`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::arguments::{Arguments, flag, number};
use super::kv::{Keys, keys};
use super::{ClientCommand, client};
use crate::scenario::error::Problem;
use crate::scenario::verb::{Group, Verb};
use crate::scenario::word::Words;

/// Every change of some keys, as it happens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// Of which keys.
    pub keys: Keys,
    /// From this revision on; 0 from now on.
    pub revision: i64,
    /// With what was there before.
    pub prev_kv: bool,
    /// Tell now and then how far it is when there is nothing to tell.
    pub progress_notify: bool,
}

pub(super) const VERBS: &[Verb] = &[
    Verb {
        name: "watch",
        group: Group::Client,
        usage: "watch KEY [RANGE_END] [--prefix|--from-key] [--rev N] [--prev-kv] \
                [--progress-notify]",
        help: "tells every change of some keys; goes on at another server when its own is gone",
        example: "watch user/ --prefix --rev 2",
        parse: |words, _| client(words, |words| watch(words).map(ClientCommand::Watch)),
    },
    Verb {
        name: "unwatch",
        group: Group::Client,
        usage: "unwatch",
        help: "ends the watches of the console",
        example: "unwatch",
        parse: |words, _| client(words, |_| Ok(ClientCommand::Unwatch)),
    },
];

fn watch(words: &mut Words) -> Result<Watch, Problem> {
    let flags = ["--prefix", "--from-key", "--prev-kv", "--progress-notify"];
    let arguments = Arguments::read(words, &flags, &["--rev"])?;
    Ok(Watch {
        revision: arguments.number("--rev")?,
        prev_kv: arguments.has("--prev-kv"),
        progress_notify: arguments.has("--progress-notify"),
        keys: keys(arguments)?,
    })
}

impl fmt::Display for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("watch")?;
        self.keys.print_flags(f)?;
        number(f, "--rev", self.revision)?;
        flag(f, "--prev-kv", self.prev_kv)?;
        flag(f, "--progress-notify", self.progress_notify)?;
        self.keys.print_words(f)
    }
}
