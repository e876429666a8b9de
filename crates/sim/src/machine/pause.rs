//! A process that stands still: what comes to it waits in the machine's buffers.

use std::collections::VecDeque;

use super::{Input, Machine};
use crate::network::STREAM_MESSAGES_MAX;

/// What waits, in its order: at most one tick, as of a ticker that nobody reads, and as many
/// messages as rafthttp's receive buffer holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pause {
    inputs: VecDeque<Input>,
    has_tick: bool,
    messages: usize,
}

impl Pause {
    /// Messages wait as far as there [is room](Machine::has_room).
    fn push(&mut self, input: Input) {
        match &input {
            Input::Tick if std::mem::replace(&mut self.has_tick, true) => return,
            Input::Message(_) => self.messages += 1,
            Input::Tick
            | Input::Boot
            | Input::Synced(_)
            | Input::SyncFailed(..)
            | Input::Request { .. }
            | Input::Watch { .. }
            | Input::Unreachable(_) => {}
        }
        self.inputs.push_back(input);
    }
}

impl Machine {
    /// The process stands still from now on.
    pub(crate) fn pause(&mut self) {
        if self.is_up() && self.pause.is_none() {
            self.pause = Some(Pause::default());
        }
    }

    /// Whether the process stands still.
    pub fn is_paused(&self) -> bool {
        self.pause.is_some()
    }

    /// Whether one more message finds room: in front of a process that stands still only so many
    /// wait.
    pub(crate) fn has_room(&self) -> bool {
        self.pause.as_ref().is_none_or(|pause| pause.messages < STREAM_MESSAGES_MAX)
    }

    /// The input for a process that runs; of one that stands still it waits.
    pub(crate) fn take_in(&mut self, input: Input) -> Option<Input> {
        let Some(pause) = &mut self.pause else { return Some(input) };
        pause.push(input);
        self.fired.insert("pause");
        None
    }

    /// The process goes on; what waited for it.
    pub(crate) fn unpause(&mut self) -> VecDeque<Input> {
        self.pause.take().map_or_else(VecDeque::new, |pause| pause.inputs)
    }
}
