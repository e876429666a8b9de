//! What can be asked for.

use clap::{Parser, Subcommand};

use crate::{bugs, export, get, hashkv, hunt, inspect, link, log, open, repair, run, verify};

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
    /// Run a scenario and judge what it expects.
    Run(run::Arguments),
    /// Run a scenario with many seeds, in search of a broken promise.
    Hunt(hunt::Arguments),
    /// List the known bugs that can be switched on.
    Bugs(bugs::Arguments),
    /// Print the link that opens a scenario in the page.
    Link(link::Arguments),
    /// Print the scenario that a link carries.
    Open(open::Arguments),
    /// Say what a data directory, an archive of one, or a snapshot file is and holds.
    Inspect(inspect::Arguments),
    /// List the keys that a data directory holds, at any revision that is left.
    Get(get::Arguments),
    /// Hash the history of the keys, as `etcdctl endpoint hashkv` does.
    Hashkv(hashkv::Arguments),
    /// List the records of a log.
    Log(log::Arguments),
    /// Write the state anew, as a directory or a snapshot file that a real server accepts.
    Export(export::Arguments),
    /// Write a directory that a real server accepts, with all that can still be read.
    Repair(repair::Arguments),
    /// Say what a real server makes of a directory, what is damaged, and what would be lost.
    Verify(verify::Arguments),
}
