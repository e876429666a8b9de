//! `quorarium verify PATH`: what a real server makes of a directory, and what is wrong with it.

use std::path::PathBuf;
use std::process::ExitCode;

use etcd::datadir::{DamageAt, Follows, Kind, Lost, Release, Verdict, Verification};

use crate::archive;
use crate::failure::Failure;
use crate::output::Output;

/// Arguments of `verify`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A data directory, an archive of one (.tar.gz, .tar, .zip), a snapshot file, or - for an
    /// archive on standard input.
    path: PathBuf,
    /// The release whose server is asked; by default the one that wrote the files, as far as they
    /// tell.
    #[arg(long = "as", value_name = "VERSION")]
    release: Option<String>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Exits with 1 when anything is damaged or would be lost.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let release: Option<Release> = arguments
        .release
        .as_deref()
        .map(str::parse)
        .transpose()
        .map_err(|error: etcd::datadir::UnknownRelease| Failure::Usage(error.to_string()))?;
    let directory = archive::open(&arguments.path)?;
    if directory.kind() == Kind::Zookeeper {
        return Err(Failure::Unsupported {
            source_name: arguments.path.display().to_string(),
            detail: "verify reads etcd data directories so far".into(),
        });
    }
    let found = directory.verify(release);
    let mut output = Output::new();
    if arguments.json {
        output.json(&found)?;
    } else {
        text(&found, &mut output)?;
    }
    output.finish()?;
    Ok(if found.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn text(found: &Verification, output: &mut Output) -> Result<(), Failure> {
    let does = match found.verdict {
        Verdict::Boots => "boots",
        Verdict::Repairs => "repairs the log and boots",
        Verdict::Refuses => "refuses to start",
    };
    output.line(&format!("etcd {} {does}: {}", found.release, found.reason))?;
    if let Some(served) = found.served {
        output.line(&format!("then serves revision {served}"))?;
    }
    for damage in &found.damage {
        output.line(&describe(damage))?;
    }
    for lost in &found.lost {
        output.line(&format!("LOST {}", missing(lost)))?;
    }
    for reason in &found.not_checked {
        output.line(&format!("not checked: {reason}"))?;
    }
    if found.is_clean() {
        output.line("nothing is damaged, nothing would be lost")?;
    }
    Ok(())
}

fn describe(damage: &DamageAt) -> String {
    let DamageAt { file, offset, length, kind, record, detail, follows } = damage;
    let place = format!("DAMAGED {file} at {offset} ({length} bytes) {kind}: {record}");
    format!("{place}\n    {detail}{}", follows.as_ref().map_or_else(String::new, behind))
}

fn behind(follows: &Follows) -> String {
    let Follows { records, offset, first_index, last_index } = follows;
    let entries = match (first_index, last_index) {
        (Some(first), Some(last)) => format!(", entries {first} to {last} among them"),
        _ => String::new(),
    };
    format!("\n    {records} good records follow, from offset {offset} on{entries}")
}

fn missing(gone: &Lost) -> String {
    let Lost { what, file, offset, index, last_index, revision, detail, .. } = gone;
    let number = match (index, last_index, revision) {
        (Some(first), Some(last), _) => format!(" {first} to {last}"),
        (Some(index), None, _) => format!(" {index}"),
        (None, _, Some(revision)) => format!(" {revision}"),
        _ => String::new(),
    };
    let place = offset.map_or_else(String::new, |offset| format!(" at {offset}"));
    format!("{what}{number} ({file}{place}): {detail}")
}
