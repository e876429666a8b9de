//! Loads: clients that put on their own, at an even rate, each value the number of its operation.

use serde::{Deserialize, Serialize};

use super::Clients;
use crate::rng::Stream;
use crate::scenario::{ClientCommand, KeyPattern, Load, LoadEnd, Node, Put};

/// Loads that run at a time; a further one does not start.
pub const LOADS_MAX: usize = 64;
/// A load holds back while it has this many operations under way.
const PENDING_MAX: usize = 1_000;

/// A load that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningLoad {
    /// Its client number.
    pub client: u32,
    /// What it does.
    pub load: Load,
    /// Operations begun.
    pub begun: u64,
    pub(crate) next_ns: u64,
    ends_ns: u64,
}

/// What a load does in its turn.
pub(crate) struct LoadTurn {
    /// Nothing, while too many of its operations are under way.
    pub(crate) command: Option<ClientCommand>,
    pub(crate) next_ns: u64,
}

impl Clients {
    /// One more load, unless there are [`LOADS_MAX`].
    pub(crate) fn start_load(&mut self, now_ns: u64, load: Load) -> Option<&RunningLoad> {
        if self.loads.len() == LOADS_MAX {
            return None;
        }
        let client = self.next_client;
        self.next_client += 1;
        let ends_ns = match load.until {
            LoadEnd::For(time_ns) => now_ns + time_ns,
            LoadEnd::Never | LoadEnd::Count(_) => u64::MAX,
        };
        let running = RunningLoad { client, load, begun: 0, next_ns: now_ns + 1, ends_ns };
        Some(self.loads.get_or_insert_with(client, || running))
    }

    pub(crate) fn stop_loads(&mut self) {
        self.loads.clear();
        self.mixes.clear();
        self.operators.clear();
    }

    /// A load's turn: what it asks now, and when its next turn is. `None` when it has ended.
    pub(crate) fn load_turn(&mut self, now_ns: u64, client: u32) -> Option<LoadTurn> {
        let under_way = self.pending.values().filter(|one| one.client == client).count();
        let running = self.loads.get_mut(&client)?;
        let done = matches!(running.load.until, LoadEnd::Count(count) if running.begun >= count);
        if done || now_ns >= running.ends_ns {
            self.loads.remove(&client);
            return None;
        }
        running.next_ns = now_ns + running.load.interval_ns().max(1);
        let next_ns = running.next_ns;
        if under_way >= PENDING_MAX {
            return Some(LoadTurn { command: None, next_ns });
        }
        running.begun += 1;
        let value = value_text(running.begun, running.load.value_bytes as usize);
        let key = fill(&running.load.key, &mut self.stream);
        let put = Put { key, value, ..Put::default() };
        Some(LoadTurn { command: Some(ClientCommand::Put(put)), next_ns })
    }

    /// Loads take the servers that are up in turn.
    pub(crate) fn next_of(&mut self, up: &[Node]) -> Option<Node> {
        let place = self.turn.checked_rem(up.len() as u64)?;
        self.turn += 1;
        up.get(usize::try_from(place).ok()?).copied()
    }

    /// Loads that run.
    pub fn loads(&self) -> impl Iterator<Item = &RunningLoad> {
        self.loads.values()
    }
}

/// The operation's number, filled with zeros on the left or cut there.
fn value_text(number: u64, bytes: usize) -> String {
    let digits = number.to_string();
    match bytes.checked_sub(digits.len()) {
        Some(missing) => "0".repeat(missing) + &digits,
        None => digits[digits.len() - bytes..].to_owned(),
    }
}

fn fill(pattern: &KeyPattern, stream: &mut Stream) -> String {
    let Some((low, high)) = pattern.range else { return pattern.prefix.clone() };
    let width = (high - low).saturating_add(1);
    let number = low + stream.below(width);
    format!("{}{number}{}", pattern.prefix, pattern.suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_its_length_whatever_its_number() {
        assert_eq!(value_text(42, 5), "00042");
        assert_eq!(value_text(12_345, 3), "345");
        assert_eq!(value_text(1, 0), "");
        assert_eq!(value_text(7, 1 << 20).len(), 1 << 20);
    }
}
