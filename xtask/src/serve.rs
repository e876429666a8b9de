//! `cargo xtask serve`: the page on a local address, rebuilt when a file changes.

use crate::{Failure, process, tools};
use std::process::ExitCode;

/// Serves the optimised page: an unoptimised world would show the visitor a slideshow.
/// Arguments go to `trunk serve`.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, Failure> {
    tools::ensure(tools::FOR_THE_PAGE)?;
    let mut trunk = vec!["serve", "--release"];
    trunk.extend(arguments.iter().map(String::as_str));
    process::exit_code_of("trunk", &trunk)
}
