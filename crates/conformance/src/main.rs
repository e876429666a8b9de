//! `conformance DIR` runs the cases in a folder; the exit code is 1 when any failed.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(folder) = std::env::args().nth(1) else {
        eprintln!("usage: conformance DIR");
        return ExitCode::from(2);
    };
    let Some(report) = conformance::run_dir(Path::new(&folder)) else {
        println!("SKIPPED: {folder} is missing");
        return ExitCode::SUCCESS;
    };
    println!("{report}");
    ExitCode::from(u8::from(report.failed > 0))
}
