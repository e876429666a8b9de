//! `quorarium link FILE.scn`: a scenario becomes a link.

use std::path::PathBuf;
use std::process::ExitCode;

use sim::link::Link;

use crate::failure::Failure;
use crate::output::Output;
use crate::run::read_scenario;

/// Arguments of `link`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The scenario.
    #[arg(value_name = "FILE.scn")]
    file: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let scenario = read_scenario(&arguments.file)?;
    let link = Link::new(scenario, 0, None, String::new()).encode()?;
    let mut output = Output::new();
    output.line(&link)?;
    output.finish()?;
    Ok(ExitCode::SUCCESS)
}
