//! `quorarium repair PATH`: a directory that a real server accepts, made of a damaged one.

use std::path::PathBuf;
use std::process::ExitCode;

use etcd::datadir::{Kind, Release, Repaired, UnknownRelease};
use serde::Serialize;

use crate::archive;
use crate::failure::Failure;
use crate::output::Output;
use crate::write_out::{self, Scratch};

/// Arguments of `repair`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A data directory, an archive of one (.tar.gz, .tar, .zip), a snapshot file, or - for an
    /// archive on standard input. It is only read.
    path: PathBuf,
    /// Where to write: a folder that is not there or empty; for a snapshot the new file.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The release whose server shall accept it; by default the one that wrote the files.
    #[arg(long = "as", value_name = "VERSION")]
    release: Option<String>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    files: Vec<FileWritten<'a>>,
    served: Option<i64>,
    done: &'a [String],
    given_up: &'a [String],
}

#[derive(Debug, Serialize)]
struct FileWritten<'a> {
    path: &'a str,
    size: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let release: Option<Release> = arguments
        .release
        .as_deref()
        .map(str::parse)
        .transpose()
        .map_err(|error: UnknownRelease| Failure::Usage(error.to_string()))?;
    write_out::check_outside(&arguments.path, &arguments.out)?;
    let directory = archive::open(&arguments.path)?;
    let repaired = directory
        .repair(release, Scratch::beside(&arguments.out)?)
        .map_err(|error| Failure::state(arguments.path.display().to_string(), &error))?;
    match (directory.kind(), repaired.files.as_slice()) {
        (Kind::EtcdSnapshot, [only]) => _ = write_out::file(&arguments.out, only)?,
        (_, files) => write_out::directory(&arguments.out, files)?,
    }
    report(&repaired, arguments.json)?;
    Ok(ExitCode::SUCCESS)
}

fn report(repaired: &Repaired, is_json: bool) -> Result<(), Failure> {
    let Repaired { files, served, done, given_up } = repaired;
    let mut output = Output::new();
    if is_json {
        let files =
            files.iter().map(|file| FileWritten { path: &file.path, size: file.len() }).collect();
        output.json(&Report { files, served: *served, done, given_up })?;
        return output.finish();
    }
    for what in done {
        output.line(what)?;
    }
    for what in given_up {
        output.line(&format!("given up: {what}"))?;
    }
    if let Some(served) = served {
        output.line(&format!("a server will serve revision {served}"))?;
    }
    output.finish()
}
