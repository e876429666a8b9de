//! `quorarium export PATH`: a directory or a snapshot file that a real server accepts.

use std::path::PathBuf;
use std::process::ExitCode;

use etcd::datadir::{ExportAs, Exported};
use serde::Serialize;

use crate::archive;
use crate::failure::Failure;
use crate::output::Output;
use crate::write_out::{self, Scratch};

/// Arguments of `export`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A data directory, an archive of one (.tar.gz, .tar, .zip), a snapshot file, or - for an
    /// archive on standard input.
    path: PathBuf,
    /// Where to write: a folder that is not there or empty; for a snapshot the new file.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What to write: a member's directory, or what `etcdctl snapshot save` writes.
    #[arg(long = "as", value_name = "FORM", default_value = "etcd")]
    form: Form,
    /// Leave out what came after this revision.
    #[arg(long, value_name = "N", default_value_t = 0)]
    rev: i64,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// A data directory.
    Etcd,
    /// A snapshot file.
    EtcdSnapshot,
}

#[derive(Debug, Serialize)]
struct Written<'a> {
    files: Vec<FileWritten<'a>>,
    revision: Option<i64>,
    given_up: &'a [String],
}

#[derive(Debug, Serialize)]
struct FileWritten<'a> {
    path: &'a str,
    size: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let form = match arguments.form {
        Form::Etcd => ExportAs::Directory,
        Form::EtcdSnapshot => ExportAs::Snapshot,
    };
    write_out::check_outside(&arguments.path, &arguments.out)?;
    let directory = archive::open(&arguments.path)?;
    let exported = directory
        .export(form, arguments.rev, Scratch::beside(&arguments.out)?)
        .map_err(|error| Failure::state(arguments.path.display().to_string(), &error))?;
    match (form, exported.files.as_slice()) {
        (ExportAs::Snapshot, [only]) => _ = write_out::file(&arguments.out, only)?,
        (_, files) => write_out::directory(&arguments.out, files)?,
    }
    let Exported { files, revision, given_up } = &exported;
    report(files, Some(*revision), given_up, arguments.json)?;
    Ok(ExitCode::SUCCESS)
}

/// Says what was written and what was not.
fn report(
    files: &[etcd::datadir::DataFile],
    revision: Option<i64>,
    given_up: &[String],
    is_json: bool,
) -> Result<(), Failure> {
    let mut output = Output::new();
    if is_json {
        let files =
            files.iter().map(|file| FileWritten { path: &file.path, size: file.len() }).collect();
        output.json(&Written { files, revision, given_up })?;
    } else {
        for file in files {
            output.line(&format!("{}  {} bytes", file.path, file.len()))?;
        }
        if let Some(revision) = revision {
            output.line(&format!("revision {revision}"))?;
        }
        for what in given_up {
            output.line(&format!("given up: {what}"))?;
        }
    }
    output.finish()
}
