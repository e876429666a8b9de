//! Timing in blocks: a block is a number of operations that is long for the clock and short for
//! the machine's other work, so that the median of blocks is that of undisturbed ones.

use super::allocation;
use super::clock::now_ns;

/// What one run of one case found.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// Which case.
    pub case: String,
    /// Nanoseconds for an operation, in the median block.
    pub median_ns: f64,
    /// Nanoseconds for an operation, in the fastest block.
    pub min_ns: f64,
    /// Allocations for an operation, over all blocks.
    pub allocations: f64,
    /// Operations that were measured.
    pub operations: u64,
    /// Bytes that an entry holds beyond its payload, where that was asked.
    pub bytes_per_entry: Option<f64>,
}

impl Measurement {
    /// As one line, for the program that gathers.
    pub fn line(&self) -> String {
        let bytes = self.bytes_per_entry.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string());
        let Self { case, median_ns, min_ns, allocations, operations, .. } = self;
        format!("{case}\t{median_ns}\t{min_ns}\t{allocations}\t{operations}\t{bytes}")
    }

    /// Reads a line.
    pub fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split('\t');
        let case = fields.next()?.to_owned();
        let mut number = || fields.next().and_then(|field| field.parse().ok());
        let (median_ns, min_ns, allocations) = (number()?, number()?, number()?);
        let operations = fields.next()?.parse().ok()?;
        let bytes_per_entry = fields.next().and_then(|field| field.parse().ok());
        Some(Self { case, median_ns, min_ns, allocations, operations, bytes_per_entry })
    }
}

/// How long a case is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Milliseconds of measured time for a case; at least three blocks are measured anyway.
    pub budget_ms: f64,
    /// Measures this many blocks instead, after one block of warming up: for counting instructions.
    pub blocks: Option<usize>,
}

/// How long a case runs before it counts: wasm is compiled while it runs.
const WARMING_NS: f64 = 30e6;

/// Measures blocks of so many operations; `prepare` is not measured.
pub fn blocks<S>(
    case: &str,
    operations: u64,
    effort: Effort,
    state: &mut S,
    mut prepare: impl FnMut(&mut S),
    mut run: impl FnMut(&mut S),
) -> Measurement {
    let begin = now_ns();
    loop {
        prepare(state);
        run(state);
        if effort.blocks.is_some() || now_ns() - begin > WARMING_NS {
            break;
        }
    }
    let (mut times, mut allocations) = (Vec::with_capacity(1 << 14), 0);
    let mut spent = 0.0;
    let enough = |done: usize, spent: f64| match effort.blocks {
        Some(blocks) => done >= blocks,
        None => done >= 3 && spent >= effort.budget_ms * 1e6 || done == 1 << 14,
    };
    while !enough(times.len(), spent) {
        prepare(state);
        let allocated = allocation::allocations();
        let start = now_ns();
        measured(state, &mut run);
        let time = now_ns() - start;
        allocations += allocation::allocations() - allocated;
        spent += time;
        times.push(time);
    }
    times.sort_by(f64::total_cmp);
    let total = operations * times.len() as u64;
    Measurement {
        case: case.to_owned(),
        median_ns: times[times.len() / 2] / operations as f64,
        min_ns: times[0] / operations as f64,
        allocations: allocations as f64 / total as f64,
        operations: total,
        bytes_per_entry: None,
    }
}

/// What counts; a function of its own so that a profiler finds it by name.
#[inline(never)]
fn measured<S>(state: &mut S, run: &mut impl FnMut(&mut S)) {
    run(state);
}
