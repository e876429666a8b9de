//! Expectations: polled after every event until they are true or their time is over.

use serde::{Deserialize, Serialize};

use crate::scenario::{Expectation, print_time};

/// An expectation and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// Its line in the scenario, from 1; 0 when it was typed.
    pub line: u32,
    /// What should be true.
    #[serde(with = "crate::scenario::as_line")]
    pub expectation: Expectation,
    /// When it began to be polled.
    pub since_ns: u64,
    /// Whether it was true in time; `None` while it may still become true.
    pub ok: Option<bool>,
    /// When it became true, or what was found instead.
    pub detail: String,
}

impl Judgement {
    pub(crate) fn new(line: u32, expectation: Expectation, now_ns: u64) -> Judgement {
        Judgement { line, expectation, since_ns: now_ns, ok: None, detail: String::new() }
    }

    /// The last time at which it may become true.
    pub(crate) fn deadline_ns(&self) -> u64 {
        self.since_ns + self.expectation.within_ns
    }

    /// Settles it as true, or, at its deadline, as false. Gives whether it was settled now.
    pub(crate) fn look(&mut self, found: Result<(), String>, now_ns: u64, is_over: bool) -> bool {
        match found {
            Ok(()) => {
                self.ok = Some(true);
                self.detail = match now_ns - self.since_ns {
                    0 => "at once".to_owned(),
                    waited_ns => format!("after {}", print_time(waited_ns)),
                };
            }
            Err(found) if is_over => {
                self.ok = Some(false);
                self.detail = found;
            }
            Err(_) => return false,
        }
        true
    }
}
