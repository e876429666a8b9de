//! `quorarium bugs`: the known bugs that can be switched on.

use std::process::ExitCode;

use serde::Serialize;
use sim::bugs::{TOGGLES, Toggle};

use crate::failure::Failure;
use crate::output::Output;

/// Arguments of `bugs`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Prints one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    id: &'static str,
    number: u16,
    title: &'static str,
    promise: &'static str,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let rows = TOGGLES.iter().map(|info| Row {
        id: info.id,
        number: info.number,
        title: info.title,
        promise: info.promise.id(),
    });
    let mut output = Output::new();
    if arguments.json {
        output.json(&rows.collect::<Vec<_>>())?;
    } else {
        for Row { id, number, title, promise } in rows {
            output.line(&format!("{number:>2}  {id:<30}  {promise:<12}  {title}"))?;
        }
    }
    output.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// The toggles that `--bug` names.
pub(crate) fn parse(ids: &[String]) -> Result<Vec<Toggle>, Failure> {
    let find = |id: &String| {
        let usage = || {
            let known: Vec<&str> = TOGGLES.iter().map(|info| info.id).collect();
            Failure::Usage(format!("--bug {id}: there is {}", known.join(", ")))
        };
        Toggle::find(id).ok_or_else(usage)
    };
    ids.iter().map(find).collect()
}
