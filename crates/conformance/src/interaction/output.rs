//! What a command prints, log lines of the core included.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use raft::{Level, Logger};

/// Log levels by rising weight; the last one silences everything, not only the log.
const LEVELS: [&str; 6] = ["DEBUG", "INFO", "WARN", "ERROR", "FATAL", "NONE"];
const NONE: usize = LEVELS.len() - 1;

#[derive(Debug, Default)]
struct State {
    text: String,
    level: usize,
}

/// The output of a cluster, to which all its nodes write.
#[derive(Clone, Debug, Default)]
pub(crate) struct Output(Rc<RefCell<State>>);

impl Output {
    pub(crate) fn is_quiet(&self) -> bool {
        self.level() == NONE
    }

    pub(crate) fn level(&self) -> usize {
        self.0.borrow().level
    }

    pub(crate) fn set_level(&self, level: usize) {
        self.0.borrow_mut().level = level;
    }

    /// Sets the level by its name.
    pub(crate) fn set_level_by_name(&self, name: &str) -> Result<(), String> {
        let level = LEVELS.iter().position(|level| level.eq_ignore_ascii_case(name));
        let level = level.ok_or_else(|| format!("log levels must be either of {LEVELS:?}"))?;
        self.set_level(level);
        Ok(())
    }

    pub(crate) fn write(&self, text: impl fmt::Display) {
        if !self.is_quiet() {
            self.0.borrow_mut().text.push_str(&text.to_string());
        }
    }

    pub(crate) fn write_line(&self, text: impl fmt::Display) {
        self.write(format_args!("{text}\n"));
    }

    pub(crate) fn take(&self) -> String {
        std::mem::take(&mut self.0.borrow_mut().text)
    }
}

impl Logger for Output {
    fn log(&self, level: Level, line: fmt::Arguments<'_>) {
        let level = match level {
            Level::Debug => 0,
            Level::Info => 1,
            Level::Warning => 2,
            Level::Error => 3,
        };
        if self.level() <= level {
            self.write_line(format_args!("{} {line}", LEVELS[level]));
        }
    }
}
