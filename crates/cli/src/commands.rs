//! What can be asked for.

use clap::{Parser, Subcommand};

use crate::{inspect, log};

/// A deterministic laboratory for etcd and ZooKeeper.
#[derive(Debug, Parser)]
#[command(name = "quorarium", version, about, disable_help_subcommand = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// One of the commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say what a data directory, an archive of one, or a snapshot file is and holds.
    Inspect(inspect::Arguments),
    /// List the records of a log.
    Log(log::Arguments),
}
