//! The report for people: Markdown, so that it can be pasted where people read it.

use std::fmt::Write;

use crate::report::{Part, Report, Row};

/// The whole report.
pub(crate) fn render(report: &Report) -> String {
    let mut text = format!("{}\n\n", report.machine);
    let _ = writeln!(
        text,
        "Times are medians over {} runs, in ns an operation (or ms); in",
        report.repetitions
    );
    let _ = writeln!(text, "brackets the fastest. `×` is a contender's time divided by ours.\n");
    let mut head = "| case | ns | allocations | bytes an entry |".to_owned();
    for (name, _) in others(report) {
        let _ = write!(head, " {name} |");
    }
    if names_etcd(report) {
        head.push_str(" etcd's own |");
    }
    let columns = head.matches('|').count() - 1;
    let _ = writeln!(text, "{head} target |\n|---|{}", "---:|".repeat(columns));
    for row in &report.rows {
        let _ = writeln!(text, "{}", line(report, row));
    }
    text
}

/// Whether there are figures of etcd's own to stand beside ours.
fn names_etcd(report: &Report) -> bool {
    report.rows.iter().filter_map(|row| row.target).any(|target| target.etcd_ns.is_some())
}

fn others(report: &Report) -> impl Iterator<Item = &(String, Part)> {
    report.contenders.iter().skip(1)
}

fn line(report: &Report, row: &Row) -> String {
    let Some(ours) = row.ours() else { return String::new() };
    let bytes = ours.bytes_per_entry.map_or_else(String::new, |bytes| format!("{bytes:.1}"));
    let mut line = format!(
        "| {} | {} ({}) | {:.2} | {bytes} |",
        row.case,
        time(ours.median_ns),
        time(ours.min_ns),
        ours.allocations
    );
    for slot in 1..report.contenders.len() {
        match (&row.results[slot], row.ratio(slot)) {
            (Some(other), Some(ratio)) => {
                let _ = write!(line, " {} ×{ratio:.2} |", time(other.median_ns));
            }
            _ => line.push_str(" |"),
        }
    }
    if names_etcd(report) {
        let etcd = row.target.and_then(|target| target.etcd_ns);
        let ratio = |ns: f64| format!("{} ×{:.2}", time(ns), ns / ours.median_ns);
        let _ = write!(line, " {} |", etcd.map_or_else(String::new, ratio));
    }
    let _ = write!(line, " {} |", verdict(report, row));
    line
}

fn verdict(report: &Report, row: &Row) -> String {
    if row.target.is_none() {
        return String::new();
    }
    let missed = row.missed(&report.contenders);
    if row.target.is_some_and(|target| target.asks_nothing()) {
        return String::new();
    }
    if missed.is_empty() { "met".to_owned() } else { format!("missed: {}", missed.join(", ")) }
}

fn time(ns: f64) -> String {
    match ns {
        _ if ns < 100.0 => format!("{ns:.1}"),
        _ if ns < 1e6 => format!("{ns:.0}"),
        _ => format!("{:.1} ms", ns / 1e6),
    }
}
