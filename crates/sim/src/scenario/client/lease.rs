//! Leases: `lease grant`, `revoke`, `keep-alive`, `timetolive`, `list`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::arguments::{Arguments, lease_id};
use super::{ClientCommand, client};
use crate::scenario::error::Problem;
use crate::scenario::verb::{Group, Verb};
use crate::scenario::word::Words;

/// What is asked of a lease. Ids are hexadecimal, as etcdctl writes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeaseCommand {
    /// `lease grant TTL`
    Grant {
        /// Time to live in seconds.
        ttl_s: i64,
        /// The id to give it; 0 lets the server choose.
        id: i64,
    },
    /// `lease revoke ID`
    Revoke {
        /// Which.
        id: i64,
    },
    /// `lease keep-alive ID`
    KeepAlive {
        /// Which.
        id: i64,
        /// One renewal; else again at every third of its time, until it is gone.
        once: bool,
    },
    /// `lease timetolive ID`
    TimeToLive {
        /// Which.
        id: i64,
        /// Tell the attached keys.
        keys: bool,
    },
    /// `lease list`
    List,
}

const NAMES: [&str; 5] = ["grant", "revoke", "keep-alive", "timetolive", "list"];
const ID: &str = "a lease's id in hexadecimal";

pub(super) const VERBS: &[Verb] = &[Verb {
    name: "lease",
    group: Group::Client,
    usage: "lease grant TTL [--id ID] · lease revoke ID · lease keep-alive ID [--once] · \
            lease timetolive ID [--keys] · lease list",
    help: "keys attached to a lease go when it does; a lease that nobody keeps alive expires",
    example: "lease grant 10 --id 1f",
    parse: |words, _| client(words, |words| lease(words).map(ClientCommand::Lease)),
}];

fn lease(words: &mut Words) -> Result<LeaseCommand, Problem> {
    let expected = NAMES.join(", ");
    let name = words.expect(&expected)?;
    let (flags, valued): (&[&str], &[&str]) = match name.text.as_str() {
        "grant" => (&[], &["--id"]),
        "keep-alive" => (&["--once"], &[]),
        "timetolive" => (&["--keys"], &[]),
        _ => (&[], &[]),
    };
    let arguments = Arguments::read(words, flags, valued)?;
    let id = || lease_id(arguments.required(0, ID)?);
    let command = match name.text.as_str() {
        "grant" => {
            let ttl = arguments.required(0, "seconds")?;
            let ttl_s = ttl.number_in(1, 9_000_000_000, "seconds")?.cast_signed();
            LeaseCommand::Grant { ttl_s, id: arguments.lease("--id")? }
        }
        "revoke" => LeaseCommand::Revoke { id: id()? },
        "keep-alive" => LeaseCommand::KeepAlive { id: id()?, once: arguments.has("--once") },
        "timetolive" => LeaseCommand::TimeToLive { id: id()?, keys: arguments.has("--keys") },
        "list" => LeaseCommand::List,
        _ => {
            return Err(name.problem("unknown command", &expected).suggest(&name.text, NAMES));
        }
    };
    arguments.at_most(usize::from(command != LeaseCommand::List))?;
    Ok(command)
}

impl fmt::Display for LeaseCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LeaseCommand::Grant { ttl_s, id: 0 } => write!(f, "lease grant {ttl_s}"),
            LeaseCommand::Grant { ttl_s, id } => write!(f, "lease grant {ttl_s} --id {id:x}"),
            LeaseCommand::Revoke { id } => write!(f, "lease revoke {id:x}"),
            LeaseCommand::KeepAlive { id, once: false } => write!(f, "lease keep-alive {id:x}"),
            LeaseCommand::KeepAlive { id, once: true } => {
                write!(f, "lease keep-alive {id:x} --once")
            }
            LeaseCommand::TimeToLive { id, keys: false } => write!(f, "lease timetolive {id:x}"),
            LeaseCommand::TimeToLive { id, keys: true } => {
                write!(f, "lease timetolive {id:x} --keys")
            }
            LeaseCommand::List => f.write_str("lease list"),
        }
    }
}
