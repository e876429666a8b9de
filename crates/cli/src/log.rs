//! `quorarium log PATH`: every record of a log.

use std::path::PathBuf;
use std::process::ExitCode;

use etcd::datadir::{Kind, LogRecord};

use crate::archive;
use crate::failure::Failure;
use crate::output::Output;

/// Arguments of `log`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A data directory, an archive of one (.tar.gz, .tar, .zip), or - for an archive on standard
    /// input.
    path: PathBuf,
    /// Leave out entries and snapshots before this index.
    #[arg(long, value_name = "I")]
    from: Option<u64>,
    /// Leave out entries and snapshots after this index.
    #[arg(long, value_name = "J")]
    to: Option<u64>,
    /// Print one JSON line a record.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let directory = archive::open(&arguments.path)?;
    if directory.kind() != Kind::Etcd {
        return Err(Failure::Unsupported {
            source_name: arguments.path.display().to_string(),
            detail: format!(
                "log reads etcd data directories so far, not {}",
                name(directory.kind())
            ),
        });
    }
    let mut output = Output::new();
    for record in directory.log().filter(|record| is_wanted(record, arguments)) {
        if arguments.json {
            output.json(&record)?;
        } else {
            output.line(&describe(&record))?;
        }
    }
    output.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// With a range given, only records that have an index.
fn is_wanted(record: &LogRecord, arguments: &Arguments) -> bool {
    let (from, to) = (arguments.from, arguments.to);
    match record.index {
        Some(index) => from.is_none_or(|from| index >= from) && to.is_none_or(|to| index <= to),
        None => from.is_none() && to.is_none(),
    }
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Etcd => "an etcd data directory",
        Kind::EtcdSnapshot => "an etcd snapshot file",
        Kind::Bbolt => "a bbolt file",
        Kind::Zookeeper => "a ZooKeeper data directory",
    }
}

fn describe(record: &LogRecord) -> String {
    let LogRecord { file, offset, length, kind, .. } = record;
    let mut line = format!("{file}  {offset:>10}  {length:>7}  {kind:<8}");
    let numbers = [("index", record.index), ("term", record.term), ("commit", record.commit)];
    for (name, number) in numbers {
        line.extend(number.map(|number| format!("  {name} {number}")));
    }
    let ids = [("vote", record.vote), ("member", record.member_id), ("cluster", record.cluster_id)];
    for (name, id) in ids {
        line.extend(id.map(|id| format!("  {name} {id:x}")));
    }
    line.extend(record.crc.map(|crc| format!("  crc {crc:08x}")));
    line.extend(record.request.as_ref().map(|request| format!("  {}", request.text)));
    line.extend(record.damage.as_ref().map(|damage| format!("  DAMAGED: {}", damage.reason)));
    line.trim_end().to_string()
}
