//! Measures (one contender, one line for a case) or reports (all contenders, in turn).
//!
//! ```text
//! quorarium-bench measure AREA [--floor] [--filter WORD] [--budget-ms N] [--blocks N]
//! quorarium-bench report AREA [--json] [--filter WORD] [--budget-ms N] [--repetitions N]
//!                 [--peer NAME PROGRAM OPTIONS]... [--wasm FOLDER]
//! quorarium-bench fingerprints FROM TO
//! ```

use std::process::ExitCode;

use bench::report::{self, Contender, Order};
use bench::shared::measure::Effort;
use bench::{Area, Selection};

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("bench: {reason}");
            ExitCode::from(2)
        }
    }
}

fn run(mut words: impl Iterator<Item = String>) -> Result<(), String> {
    let command = words.next().unwrap_or_default();
    #[cfg(feature = "sim")]
    if command == "fingerprints" {
        let mut seed = || number(&words.next().unwrap_or_default());
        print!("{}", bench::sim::fingerprints(seed()?..seed()?));
        return Ok(());
    }
    let area = bench::area(&words.next().unwrap_or_default())?;
    let mut request = Request::read(area, words)?;
    match command.as_str() {
        "measure" => {
            let Request { filter, floor, effort, .. } = request;
            let selection = Selection { filter, floor, effort };
            (area.run)(&selection, &mut |measurement| println!("{}", measurement.line()));
            Ok(())
        }
        "report" => {
            request.contenders.insert(0, Contender::ourselves(area)?);
            request.contenders.push(Contender::floor(area)?);
            let Request { contenders, filter, effort, repetitions, json, .. } = request;
            let order = Order { contenders, filter, budget_ms: effort.budget_ms, repetitions };
            let report = report::gather(area, &order)?;
            print!("{}", if json { report.json() } else { report.table() });
            Ok(())
        }
        unknown => Err(format!("there is no command `{unknown}`: measure or report")),
    }
}

/// What the words of the command line ask for.
struct Request {
    filter: String,
    floor: bool,
    effort: Effort,
    repetitions: usize,
    json: bool,
    contenders: Vec<Contender>,
}

impl Request {
    fn read(area: &Area, mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let effort = Effort { budget_ms: 60.0, blocks: None };
        let (filter, contenders) = (String::new(), Vec::new());
        let mut request =
            Self { filter, floor: false, effort, repetitions: 7, json: false, contenders };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("`{word}` wants a value"));
            match word.as_str() {
                "--filter" => request.filter = value()?,
                "--floor" => request.floor = true,
                "--json" => request.json = true,
                "--budget-ms" => request.effort.budget_ms = number(&value()?)?,
                "--blocks" => request.effort.blocks = Some(number(&value()?)?),
                "--repetitions" => request.repetitions = number(&value()?)?,
                "--peer" => {
                    let (name, program, options) = (value()?, value()?, value()?);
                    request.contenders.push(Contender::peer(&name, &program, &options));
                }
                "--wasm" => {
                    let folder = value()?;
                    let both = [Contender::wasm, Contender::floor_in_wasm];
                    request.contenders.extend(both.map(|contender| contender(area, &folder)));
                }
                unknown => return Err(format!("there is no option `{unknown}`")),
            }
        }
        Ok(request)
    }
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("`{word}` is not a number that fits here"))
}
