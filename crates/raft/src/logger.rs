//! Where the core's log lines go: nowhere by default, and at no cost.

use std::fmt;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Detail of one message.
    Debug,
    /// A change of role, configuration or log.
    Info,
    /// Something that should not happen often.
    Warning,
    /// Something that should not happen.
    Error,
}

/// Takes upstream's log lines, word for word.
pub trait Logger {
    /// Whether lines are wanted at all; when not, they are not even built.
    fn enabled(&self) -> bool {
        true
    }

    /// Takes one line, without its end.
    fn log(&self, level: Level, line: fmt::Arguments<'_>);
}

/// Takes no lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Silent;

impl Logger for Silent {
    #[inline]
    fn enabled(&self) -> bool {
        false
    }

    fn log(&self, _level: Level, _line: fmt::Arguments<'_>) {}
}

/// Logs a line, built only when someone wants it.
macro_rules! log {
    ($logger:expr, $level:ident, $($arg:tt)+) => {
        if $crate::logger::Logger::enabled(&$logger) {
            $crate::logger::Logger::log(
                &$logger,
                $crate::logger::Level::$level,
                format_args!($($arg)+),
            );
        }
    };
}

pub(crate) use log;
