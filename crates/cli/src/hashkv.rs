//! `quorarium hashkv PATH`: the hash by which members compare their histories.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::archive;
use crate::failure::Failure;
use crate::output::Output;

/// Arguments of `hashkv`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A data directory, an archive of one (.tar.gz, .tar, .zip), a snapshot file, or - for an
    /// archive on standard input.
    path: PathBuf,
    /// Hash the history up to this revision.
    #[arg(long, value_name = "N", default_value_t = 0)]
    rev: i64,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let source_name = || arguments.path.display().to_string();
    let state = archive::open(&arguments.path)?.state();
    let state = state.map_err(|error| Failure::state(source_name(), &error))?;
    let hash = state.hash_kv(arguments.rev);
    let hash = hash.map_err(|error| Failure::state(source_name(), &error))?;
    if let Some(problem) = state.problem() {
        return Err(Failure::state(source_name(), &problem));
    }
    let mut output = Output::new();
    if arguments.json {
        output.json(&hash)?;
    } else {
        let (compact, revision) = (hash.compact_revision, hash.revision);
        output.line(&format!("{}  revision {revision}, compacted at {compact}", hash.hash))?;
        let (backend, applied) = (state.backend_index(), state.applied_index());
        if applied > backend {
            output.line(&format!(
                "the backend ends at index {backend}; the log's entries up to {applied} are \
                 counted in, as in a running server"
            ))?;
        }
    }
    output.finish()?;
    Ok(ExitCode::SUCCESS)
}
