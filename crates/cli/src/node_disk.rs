//! `quorarium run … --export-node n1 --out DIR`: a simulated server's files, for a real one.
//!
//! The files are those that a process on the machine would read at the end of the run, synced or
//! not.

use std::path::PathBuf;

use etcd::datadir::{DataDir, ExportAs};
use sim::World;
use sim::machine::DATA_DIR;
use sim::scenario::{Node, Scenario};

use crate::failure::Failure;
use crate::write_out;

/// Which server's disk is written out, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct NodeDisk {
    /// Writes the data directory of this server at the end of the run; needs --out
    #[arg(long, value_name = "NODE", requires = "out")]
    export_node: Option<String>,
    /// What of it: its files as they are, or its state in new files (see `quorarium export`)
    #[arg(long, value_name = "FORM", default_value = "raw", requires = "export_node")]
    export_as: Form,
    /// Where to: a folder that is not there or empty; for a snapshot the new file
    #[arg(long, value_name = "DIR", requires = "export_node")]
    out: Option<PathBuf>,
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// The files, byte by byte.
    Raw,
    /// A data directory, as a cluster of one.
    Etcd,
    /// A snapshot file.
    EtcdSnapshot,
}

impl NodeDisk {
    /// The server that is asked for, if it is one of the scenario's.
    pub(crate) fn node(&self, scenario: &Scenario) -> Result<Option<Node>, Failure> {
        let Some(name) = &self.export_node else { return Ok(None) };
        let nodes = scenario.cluster.nodes;
        let number = name.strip_prefix('n').and_then(|number| number.parse().ok());
        match number.filter(|number| (1..=nodes).contains(number)) {
            Some(number) => Ok(Some(Node(number))),
            None => Err(Failure::Usage(format!(
                "--export-node {name}: no such server; there are n1 to n{nodes}"
            ))),
        }
    }

    /// Writes the files of a server.
    pub(crate) fn write(&self, world: &World, node: Node) -> Result<(), Failure> {
        let Some(out) = &self.out else { return Ok(()) };
        let disk = &world.machine(node).disk;
        let source_name = || format!("disk of {node}");
        let directory = DataDir::from_disk(disk, DATA_DIR)
            .map_err(|error| Failure::NoDataDir { source_name: source_name(), error })?;
        let form = match self.export_as {
            Form::Raw => return write_out::directory(out, directory.files()),
            Form::Etcd => ExportAs::Directory,
            Form::EtcdSnapshot => ExportAs::Snapshot,
        };
        let exported = directory
            .export(form, 0, Vec::new())
            .map_err(|error| Failure::state(source_name(), &error))?;
        match (form, exported.files.as_slice()) {
            (ExportAs::Snapshot, [only]) => _ = write_out::file(out, only)?,
            (_, files) => write_out::directory(out, files)?,
        }
        Ok(())
    }
}
