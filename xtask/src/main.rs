//! The workspace's commands, run as `cargo xtask COMMAND`.
//!
//! Each command first makes sure that the tools it needs are there ([`tools`]), then runs them.
//! Nothing here knows what the crates do: it only starts programs, passes their output on and
//! counts what they report.

mod bench;
mod compare;
mod dist;
mod fmt;
mod instructions;
mod process;
mod serve;
mod tally;
mod test;
mod tools;
mod weight;

use std::process::ExitCode;

/// What went wrong, in a sentence for the person at the terminal.
type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  setup                install what is missing for everything below, and stop
  serve [TRUNK ARGS]   serve the page on http://127.0.0.1:8080
  test [PART]          run every test, or only: native, wasm, page
  fmt [--check]        format every Rust file, or say which are not
  dist                 build the static site into dist/, and hold its weight against its bounds
  conformance DIR      run upstream's raft cases that DIR holds
  bench AREA           measure raft, etcd or sim beside its peers, or the page: [--json] [--wasm]
                       [--filter WORD] [--repetitions N]
  bench --check-instructions
                       hold the main cases' instructions against the committed numbers;
                       --record-instructions writes those anew
  compare A..B         run these seeds of chaos.scn twice natively and once in wasm: are they the same?
";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<ExitCode, Failure> {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    std::env::set_current_dir(tools::workspace_root())?;
    match command.as_str() {
        "setup" => tools::ensure(tools::EVERYTHING).map(|()| ExitCode::SUCCESS),
        "serve" => serve::run(&rest),
        "test" => test::run(&rest),
        "fmt" => fmt::run(&rest),
        "dist" => dist::run(),
        "conformance" => conformance(&rest),
        "bench" => bench::run(&rest),
        "compare" => compare::run(&rest).map(|()| ExitCode::SUCCESS),
        "" | "help" | "-h" | "--help" => {
            print!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        unknown => Err(format!("there is no command `{unknown}`\n\n{USAGE}").into()),
    }
}

/// Hands the folder to the runner of `crates/conformance`, whose verdict is its exit code.
fn conformance(arguments: &[String]) -> Result<ExitCode, Failure> {
    let [folder] = arguments else {
        return Err("conformance takes the folder that holds the cases".into());
    };
    let runner =
        ["run", "--quiet", "--release", "--package", "quorarium-conformance", "--", folder];
    process::exit_code_of("cargo", &runner)
}
