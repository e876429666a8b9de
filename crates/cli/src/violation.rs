//! A broken promise as the command line tells it.

use serde::Serialize;
use sim::check::Violation;
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
    detail: String,
    /// Opens the page just before it; missing when the scenario is too long for a link.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
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
