//! A broken promise as the command line tells it.

use serde::Serialize;
use sim::check::{RecordPlace, Violation};
use sim::link::Link;
use sim::scenario::{Scenario, print_time};

/// A row of `violations`.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    check: &'static str,
    name: &'static str,
    event: u64,
    virtual_ns: u64,
    nodes: Vec<String>,
    requests: Vec<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<i64>,
    records: Vec<Record>,
    detail: String,
    /// Opens the page just before it; missing when the scenario is too long for a link.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
}

/// Where a server wrote the entry.
#[derive(Debug, Serialize)]
struct Record {
    node: String,
    file: String,
    offset: u64,
    length: u64,
}

impl Record {
    fn of(place: &RecordPlace) -> Record {
        let RecordPlace { node, file, offset, length } = place;
        Record { node: node.to_string(), file: file.clone(), offset: *offset, length: *length }
    }
}

impl Row {
    /// Of a violation in the run of a scenario, whose seed is that of the run.
    pub(crate) fn of(violation: &Violation, scenario: &Scenario) -> Row {
        let moment = violation.event.saturating_sub(1);
        let link = Link::new(scenario.clone(), moment, None, String::new()).encode();
        Row {
            check: violation.promise.id(),
            name: violation.promise.info().name,
            event: violation.event,
            virtual_ns: violation.virtual_ns,
            nodes: violation.nodes.iter().map(ToString::to_string).collect(),
            requests: violation.requests.clone(),
            index: Some(violation.index).filter(|index| *index > 0),
            revision: Some(violation.revision).filter(|revision| *revision > 0),
            records: violation.records.iter().map(Record::of).collect(),
            detail: violation.detail.clone(),
            link: link.ok(),
        }
    }

    /// For people.
    pub(crate) fn line(&self) -> String {
        let Row { check, name, event, virtual_ns, detail, .. } = self;
        let time = print_time(*virtual_ns);
        format!("  ✗ {check} {name}: {detail} (event {event}, {time})")
    }
}
