//! When a workload ends by itself.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::scenario::error::Problem;
use crate::scenario::print_time;
use crate::scenario::word::Word;

/// How long a load goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LoadEnd {
    /// Until it is stopped.
    Never,
    /// This long.
    For(u64),
    /// This many operations.
    Count(u64),
}

impl LoadEnd {
    /// Takes `for=` or `count=`, one of them.
    pub(super) fn set(&mut self, name: &str, value: &Word, word: &Word) -> Result<(), Problem> {
        if *self != LoadEnd::Never {
            return Err(word.problem("a second end:", "either `for=` or `count=`"));
        }
        *self = match name {
            "for" => LoadEnd::For(value.time()?),
            _ => LoadEnd::Count(value.number_in(1, 100_000_000, "a number")?),
        };
        Ok(())
    }

    pub(super) fn print(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadEnd::Never => Ok(()),
            LoadEnd::For(time_ns) => write!(f, " for={}", print_time(time_ns)),
            LoadEnd::Count(count) => write!(f, " count={count}"),
        }
    }
}

/// What a workload has begun, and what it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Quota {
    begun: u64,
    count: u64,
    ends_ns: u64,
}

impl Quota {
    pub(super) fn new(now_ns: u64, until: LoadEnd) -> Quota {
        let (count, ends_ns) = match until {
            LoadEnd::Never => (u64::MAX, u64::MAX),
            LoadEnd::For(time_ns) => (u64::MAX, now_ns.saturating_add(time_ns)),
            LoadEnd::Count(count) => (count, u64::MAX),
        };
        Quota { begun: 0, count, ends_ns }
    }

    /// One more operation begins; gives its number, from 1.
    pub(super) fn begin(&mut self) -> u64 {
        self.begun += 1;
        self.begun
    }

    /// Operations begun.
    pub(super) fn begun(&self) -> u64 {
        self.begun
    }

    pub(super) fn is_over(&self, now_ns: u64) -> bool {
        self.begun >= self.count || now_ns >= self.ends_ns
    }
}
