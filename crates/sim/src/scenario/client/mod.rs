//! What a client asks a server, written as for etcdctl; one file a family of commands.
//!
//! Without an address the first server that is up answers; `on n2 put …` names one, `on leader …`
//! whoever leads when the command runs.

mod arguments;
mod kv;
mod lease;
mod maintenance;
mod member;
mod txn;
mod watch;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use kv::{Delete, Get, Keys, Order, Print, Put, SortBy, Until};
pub use lease::LeaseCommand;
pub use maintenance::Maintenance;
pub use member::MemberCommand;
pub use txn::{Compare, CompareResult, CompareTarget, TXN_OPS_MAX, Txn, TxnRequest};
pub use watch::Watch;

use super::Action;
use super::error::Problem;
use super::node::{Context, Node, Target};
use super::verb::{Group, Verb};
use super::word::Words;

/// A client command and the server that it goes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientAction {
    /// The server; `None` for the first one that is up.
    pub on: Option<Target>,
    /// What is asked.
    pub command: ClientCommand,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientCommand {
    /// `put KEY VALUE`
    Put(Put),
    /// `get KEY [RANGE_END]`
    Get(Get),
    /// `del KEY [RANGE_END]`
    Delete(Delete),
    /// `compact REVISION`
    Compact {
        /// Everything that was overwritten before it goes.
        revision: i64,
        /// Answer only when the space is free.
        physical: bool,
    },
    /// `txn if … then … else …`
    Txn(Txn),
    /// `lease …`
    Lease(LeaseCommand),
    /// `watch KEY [RANGE_END]`
    Watch(Watch),
    /// `unwatch`
    Unwatch,
    /// `member …`
    Member(MemberCommand),
    /// `move-leader SERVER`
    MoveLeader(Node),
    /// `endpoint …`, `alarm …`, `defrag`, `snapshot save`
    Maintenance(Maintenance),
}

const ON: &[Verb] = &[Verb {
    name: "on",
    group: Group::Client,
    usage: "on SERVER|leader COMMAND",
    help: "sends a client command to one server",
    example: "on n2 get greeting --consistency=s",
    parse: parse_on,
}];

/// The families of commands, in the order in which `help` lists them.
pub(super) const FAMILIES: [&[Verb]; 7] =
    [kv::VERBS, txn::VERBS, lease::VERBS, watch::VERBS, member::VERBS, maintenance::VERBS, ON];

fn client(
    words: &mut Words,
    read: fn(&mut Words) -> Result<ClientCommand, Problem>,
) -> Result<Action, Problem> {
    Ok(Action::Client(ClientAction { on: None, command: read(words)? }))
}

fn client_of(
    words: &mut Words,
    context: Context,
    read: fn(&mut Words, Context) -> Result<ClientCommand, Problem>,
) -> Result<Action, Problem> {
    Ok(Action::Client(ClientAction { on: None, command: read(words, context)? }))
}

fn parse_on(words: &mut Words, context: Context) -> Result<Action, Problem> {
    let target = words.one_target(context)?;
    let expected = "a client command such as `put` or `get`";
    let verb = words.expect(expected)?;
    let known = || FAMILIES.into_iter().flatten().filter(|known| known.name != "on");
    let found = known().find(|known| known.name == verb.text).ok_or_else(|| {
        verb.problem("not a client command:", expected)
            .suggest(&verb.text, known().map(|known| known.name))
    })?;
    match (found.parse)(words, context)? {
        Action::Client(action) => Ok(Action::Client(ClientAction { on: Some(target), ..action })),
        other @ (Action::Load(_) | Action::Fault(_) | Action::Expect(_) | Action::Bug(_)) => {
            Ok(other)
        }
    }
}

impl ClientCommand {
    /// Its first word.
    pub fn verb(&self) -> &'static str {
        match self {
            ClientCommand::Put(_) => "put",
            ClientCommand::Get(_) => "get",
            ClientCommand::Delete(_) => "del",
            ClientCommand::Compact { .. } => "compact",
            ClientCommand::Txn(_) => "txn",
            ClientCommand::Lease(_) => "lease",
            ClientCommand::Watch(_) => "watch",
            ClientCommand::Unwatch => "unwatch",
            ClientCommand::Member(_) => "member",
            ClientCommand::MoveLeader(_) => "move-leader",
            ClientCommand::Maintenance(command) => match command {
                Maintenance::Status | Maintenance::Health | Maintenance::HashKv { .. } => {
                    "endpoint"
                }
                Maintenance::AlarmList | Maintenance::AlarmDisarm => "alarm",
                Maintenance::Defrag => "defrag",
                Maintenance::SnapshotSave => "snapshot",
            },
        }
    }

    /// Whether it has no answer of its own: what it asks for comes bit by bit.
    pub fn is_stream(&self) -> bool {
        matches!(self, ClientCommand::Watch(_) | ClientCommand::Unwatch)
    }

    /// Whether only the leader can answer it.
    pub fn is_for_leader(&self) -> bool {
        matches!(
            self,
            ClientCommand::MoveLeader(_)
                | ClientCommand::Lease(
                    LeaseCommand::KeepAlive { .. } | LeaseCommand::TimeToLive { .. }
                )
        )
    }

    /// Whether it changes nothing that another client could see.
    pub fn is_read(&self) -> bool {
        match self {
            ClientCommand::Get(_)
            | ClientCommand::Watch(_)
            | ClientCommand::Unwatch
            | ClientCommand::Lease(LeaseCommand::TimeToLive { .. } | LeaseCommand::List)
            | ClientCommand::Member(MemberCommand::List)
            | ClientCommand::Maintenance(
                Maintenance::Status
                | Maintenance::Health
                | Maintenance::HashKv { .. }
                | Maintenance::AlarmList
                | Maintenance::Defrag
                | Maintenance::SnapshotSave,
            ) => true,
            ClientCommand::Txn(txn) => !txn.writes(),
            ClientCommand::Put(_)
            | ClientCommand::Delete(_)
            | ClientCommand::Compact { .. }
            | ClientCommand::Lease(
                LeaseCommand::Grant { .. }
                | LeaseCommand::Revoke { .. }
                | LeaseCommand::KeepAlive { .. },
            )
            | ClientCommand::Member(
                MemberCommand::Add { .. }
                | MemberCommand::Remove { .. }
                | MemberCommand::Promote { .. },
            )
            | ClientCommand::MoveLeader(_)
            | ClientCommand::Maintenance(Maintenance::AlarmDisarm) => false,
        }
    }
}

impl fmt::Display for ClientAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(target) = self.on {
            write!(f, "on {target} ")?;
        }
        self.command.fmt(f)
    }
}

impl fmt::Display for ClientCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientCommand::Put(put) => put.fmt(f),
            ClientCommand::Get(get) => get.fmt(f),
            ClientCommand::Delete(delete) => delete.fmt(f),
            ClientCommand::Compact { revision, physical } => {
                write!(f, "compact {revision}")?;
                arguments::flag(f, "--physical", *physical)
            }
            ClientCommand::Txn(txn) => txn.fmt(f),
            ClientCommand::Lease(lease) => lease.fmt(f),
            ClientCommand::Watch(watch) => watch.fmt(f),
            ClientCommand::Unwatch => f.write_str("unwatch"),
            ClientCommand::Member(member) => member.fmt(f),
            ClientCommand::MoveLeader(node) => write!(f, "move-leader {node}"),
            ClientCommand::Maintenance(command) => command.fmt(f),
        }
    }
}
