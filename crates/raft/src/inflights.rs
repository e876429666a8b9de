//! Appends that are on their way to a follower, bounded in number and bytes.

use std::collections::VecDeque;

/// A window of messages sent and not yet acknowledged, oldest first.
///
/// Invariants: last indexes increase; `bytes` is the sum over the window; no more than
/// `max_count` messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inflights {
    /// Last index and bytes of each message.
    window: VecDeque<(u64, u64)>,
    bytes: u64,
    max_count: usize,
    max_bytes: u64,
}

impl Inflights {
    pub(crate) fn new(max_count: usize, max_bytes: u64) -> Self {
        Self { max_count, max_bytes, ..Self::default() }
    }

    /// Messages on their way.
    pub fn count(&self) -> usize {
        self.window.len()
    }

    /// Payload bytes on their way.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether no more may be sent; the last message may overshoot the bytes.
    pub fn is_full(&self) -> bool {
        self.window.len() >= self.max_count || self.max_bytes != 0 && self.bytes >= self.max_bytes
    }

    /// A message was sent whose last entry has this index.
    #[inline]
    pub(crate) fn add(&mut self, index: u64, bytes: u64) {
        assert!(!self.is_full(), "cannot add into a Full inflights");
        assert!(
            self.window.back().is_none_or(|(last, _)| *last < index),
            "messages are sent in the order of the log"
        );
        self.window.push_back((index, bytes));
        self.bytes += bytes;
    }

    /// Everything up to `index` arrived.
    #[inline]
    pub(crate) fn free_to(&mut self, index: u64) {
        while let Some((last, bytes)) = self.window.front().copied()
            && last <= index
        {
            self.window.pop_front();
            self.bytes -= bytes;
        }
    }

    pub(crate) fn reset(&mut self) {
        self.window.clear();
        self.bytes = 0;
    }
}
