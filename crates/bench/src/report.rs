//! The report: every contender's program runs in turn, several times, so that what disturbs the
//! machine disturbs all of them alike; what they print is gathered.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::shared::measure::Measurement;
use crate::{Area, Target, table};

/// Makes Node compile wasm once and well, not quickly first.
const NO_BASELINE: &str = "--no-liftoff";

/// What a contender is to the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What is measured.
    Ours,
    /// The same, in wasm.
    OursInWasm,
    /// Another implementation.
    Peer,
    /// The least that any implementation has to do.
    Floor,
}

/// A program that measures all cases.
#[derive(Clone, Debug)]
pub struct Contender {
    /// As the report names it.
    pub name: String,
    /// What it is to the comparison.
    pub part: Part,
    program: String,
    before: Vec<String>,
    options: Vec<String>,
}

impl Contender {
    /// This program.
    pub fn ourselves(area: &Area) -> Result<Self, String> {
        Self::own("ours", Part::Ours, area, &[])
    }

    /// This program's floor.
    pub fn floor(area: &Area) -> Result<Self, String> {
        Self::own("floor", Part::Floor, area, &["--floor"])
    }

    fn own(name: &str, part: Part, area: &Area, options: &[&str]) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| format!("who am I: {error}"))?;
        Ok(Self {
            name: name.to_owned(),
            part,
            program: program.to_string_lossy().into_owned(),
            before: vec!["measure".to_owned(), area.name.to_owned()],
            options: options.iter().map(|option| (*option).to_owned()).collect(),
        })
    }

    /// Another program that speaks as this one does: `PROGRAM [OPTIONS] --filter F --budget-ms N`.
    pub fn peer(name: &str, program: &str, options: &str) -> Self {
        Self {
            name: name.to_owned(),
            part: Part::Peer,
            program: program.to_owned(),
            before: Vec::new(),
            options: options.split_whitespace().map(str::to_owned).collect(),
        }
    }

    /// This program's cases in wasm under Node; the folder holds what `wasm-bindgen` made.
    pub fn wasm(area: &Area, folder: &str) -> Self {
        Self::in_wasm("ours in wasm", Part::OursInWasm, area, folder, &[])
    }

    /// This program's floor in wasm under Node.
    pub fn floor_in_wasm(area: &Area, folder: &str) -> Self {
        Self::in_wasm("floor in wasm", Part::Floor, area, folder, &["--floor"])
    }

    fn in_wasm(name: &str, part: Part, area: &Area, folder: &str, options: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("node.mjs");
        let script = script.to_string_lossy().into_owned();
        Self {
            name: name.to_owned(),
            part,
            program: "node".to_owned(),
            // Compiled well from the beginning: else it is by chance how much of a case runs before
            // the engine is done with that, beside the program.
            before: [NO_BASELINE, &script, folder, area.name].map(str::to_owned).to_vec(),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
        }
    }

    /// Runs the program once.
    fn measure(&self, order: &Order) -> Result<Vec<Measurement>, String> {
        let output = Command::new(&self.program)
            .args(&self.before)
            .args(&self.options)
            .args(["--filter", &order.filter, "--budget-ms", &order.budget_ms.to_string()])
            .output()
            .map_err(|error| format!("cannot start {}: {error}", self.program))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{} failed ({}): {said}", self.name, output.status));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let read =
            |line| Measurement::parse(line).ok_or_else(|| format!("{} printed: {line}", self.name));
        text.lines().map(read).collect()
    }
}

/// What is to be measured, by whom.
#[derive(Clone, Debug)]
pub struct Order {
    /// Everyone who is measured; ourselves first.
    pub contenders: Vec<Contender>,
    /// Only cases whose names contain this.
    pub filter: String,
    /// Milliseconds of measured time for a case in one run of a program.
    pub budget_ms: f64,
    /// How often every program is run.
    pub repetitions: usize,
}

/// One case, with every contender's result.
#[derive(Clone, Debug)]
pub struct Row {
    /// The case's name.
    pub case: String,
    /// What it shall reach.
    pub target: Option<Target>,
    /// Results in the order of the contenders; none where one lacks the case.
    pub results: Vec<Option<Measurement>>,
}

/// Everything that was found.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was measured.
    pub area: &'static str,
    /// On what.
    pub machine: String,
    /// By whom.
    pub contenders: Vec<(String, Part)>,
    /// How often.
    pub repetitions: usize,
    /// One row for each case.
    pub rows: Vec<Row>,
}

/// Runs every contender in turn, as often as the order says.
pub fn gather(area: &'static Area, order: &Order) -> Result<Report, String> {
    let mut found: Vec<Vec<Measurement>> = vec![Vec::new(); order.contenders.len()];
    for round in 1..=order.repetitions.max(1) {
        for (contender, found) in order.contenders.iter().zip(&mut found) {
            eprintln!("round {round} of {}: {}", order.repetitions, contender.name);
            found.extend(contender.measure(order)?);
        }
    }
    let mut cases: Vec<String> = Vec::new();
    for measurement in &found[0] {
        if !cases.contains(&measurement.case) {
            cases.push(measurement.case.clone());
        }
    }
    if cases.is_empty() {
        return Err(format!("no case of {} has `{}` in its name", area.name, order.filter));
    }
    let row = |case: String| Row {
        results: found.iter().map(|found| over_rounds(&case, found)).collect(),
        target: area.targets.iter().find(|target| target.case == case).copied(),
        case,
    };
    Ok(Report {
        area: area.name,
        machine: machine(),
        contenders: order.contenders.iter().map(|one| (one.name.clone(), one.part)).collect(),
        repetitions: order.repetitions,
        rows: cases.into_iter().map(row).collect(),
    })
}

/// The median of the rounds' medians and the least of their minima.
fn over_rounds(case: &str, found: &[Measurement]) -> Option<Measurement> {
    let rounds: Vec<&Measurement> = found.iter().filter(|one| one.case == case).collect();
    let mut medians: Vec<f64> = rounds.iter().map(|one| one.median_ns).collect();
    medians.sort_by(f64::total_cmp);
    Some(Measurement {
        median_ns: *medians.get(medians.len() / 2)?,
        min_ns: rounds.iter().map(|one| one.min_ns).fold(f64::INFINITY, f64::min),
        ..(*rounds.first()?).clone()
    })
}

impl Row {
    /// Our own result.
    pub fn ours(&self) -> Option<&Measurement> {
        self.results.first()?.as_ref()
    }

    /// How many times our time another contender took.
    pub fn ratio(&self, contender: usize) -> Option<f64> {
        Some(self.results.get(contender)?.as_ref()?.median_ns / self.ours()?.median_ns)
    }

    /// What of the target is missed, in words; empty if nothing is.
    pub fn missed(&self, contenders: &[(String, Part)]) -> Vec<String> {
        let (Some(target), Some(ours)) = (self.target, self.ours()) else { return Vec::new() };
        let mut missed = Vec::new();
        if let Some(ns) = target.ns.filter(|ns| ours.median_ns > *ns) {
            missed.push(format!("above {ns} ns"));
        }
        if let Some(most) = target.bytes_per_entry
            && ours.bytes_per_entry.is_some_and(|bytes| bytes > most)
        {
            missed.push(format!("above {most} bytes"));
        }
        for (slot, (name, part)) in contenders.iter().enumerate() {
            let found = self.results.get(slot).and_then(Option::as_ref);
            if let (Part::OursInWasm, Some(ns), Some(found)) = (part, target.wasm_ns, found)
                && found.median_ns > ns
            {
                missed.push(format!("in wasm above {ns} ns"));
            }
            if let (Part::Peer, Some(times), Some(ratio)) =
                (part, target.times_peer, self.ratio(slot))
                && ratio < times
            {
                missed.push(format!("below {times} times {name}"));
            }
        }
        missed
    }
}

impl Report {
    /// For people.
    pub fn table(&self) -> String {
        table::render(self)
    }

    /// For programs: one document.
    pub fn json(&self) -> String {
        let cases: Vec<Value> = self.rows.iter().map(|row| self.case_json(row)).collect();
        let document = json!({
            "area": self.area,
            "machine": self.machine,
            "repetitions": self.repetitions,
            "cases": cases,
        });
        format!("{document:#}\n")
    }

    fn case_json(&self, row: &Row) -> Value {
        let result = |(slot, (name, _)): (usize, &(String, Part))| {
            let found = row.results[slot].as_ref()?;
            Some(json!({
                "contender": name,
                "median_ns": found.median_ns,
                "min_ns": found.min_ns,
                "allocations": found.allocations,
                "bytes_per_entry": found.bytes_per_entry,
                "times_ours": row.ratio(slot),
            }))
        };
        let results: Vec<Value> = self.contenders.iter().enumerate().filter_map(result).collect();
        let target = row.target.map(|target| {
            json!({
                "ns": target.ns,
                "times_peer": target.times_peer,
                "bytes_per_entry": target.bytes_per_entry,
                "missed": row.missed(&self.contenders),
            })
        });
        json!({ "case": row.case, "target": target, "results": results })
    }
}

/// The processor, how many of it, and the system.
fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let system = (std::env::consts::OS, std::env::consts::ARCH);
    format!("{}, {cores} cores, {} {}", model.unwrap_or("unknown processor"), system.0, system.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(case: &str, median_ns: f64, min_ns: f64) -> Measurement {
        Measurement {
            case: case.to_owned(),
            median_ns,
            min_ns,
            allocations: 1.0,
            operations: 512,
            bytes_per_entry: None,
        }
    }

    #[test]
    fn a_printed_line_reads_back() {
        let plain = found("propose/16B", 12.5, 10.0);
        assert_eq!(Measurement::parse(&plain.line()).as_ref(), Some(&plain));
        let with_bytes = Measurement { bytes_per_entry: Some(32.25), ..plain };
        assert_eq!(Measurement::parse(&with_bytes.line()).as_ref(), Some(&with_bytes));
        assert_eq!(Measurement::parse("thread panicked"), None, "anything else is refused");
    }

    #[test]
    fn rounds_give_the_median_of_medians_and_the_least_minimum() {
        let rounds = [found("a", 30.0, 9.0), found("a", 10.0, 8.0), found("a", 20.0, 7.0)];
        assert_eq!(over_rounds("a", &rounds), Some(found("a", 20.0, 7.0)));
        assert_eq!(over_rounds("b", &rounds), None, "nobody ran that");
    }

    #[test]
    fn a_missed_target_says_which_part_of_it() {
        let target = Target { ns: Some(15.0), times_peer: Some(3.0), ..Target::of("a") };
        let contenders = [("ours".to_owned(), Part::Ours), ("other".to_owned(), Part::Peer)];
        let row = |ours, other| Row {
            case: "a".to_owned(),
            target: Some(target),
            results: vec![Some(found("a", ours, ours)), Some(found("a", other, other))],
        };
        assert_eq!(row(15.0, 45.0).missed(&contenders), Vec::<String>::new());
        assert_eq!(row(16.0, 45.0).missed(&contenders), ["above 15 ns", "below 3 times other"]);
    }
}
