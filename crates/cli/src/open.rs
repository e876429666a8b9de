//! `quorarium open LINK`: a link becomes canonical scenario text.

use std::process::ExitCode;

use sim::link::Link;

use crate::failure::Failure;
use crate::output::Output;

/// Arguments of `open`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The link, with or without the address before its `#`.
    #[arg(value_name = "LINK")]
    link: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let scenario = Link::decode(&arguments.link)?.scenario.to_string();
    let mut output = Output::new();
    output.line(scenario.trim_end())?;
    output.finish()?;
    Ok(ExitCode::SUCCESS)
}
