//! `simple`, `enter-joint` and `leave-joint` on a configuration that begins empty.
//!
//! ```text
//! enter-joint autoleave=true
//! v1 l2 r3 u4
//! ```

use raft::Tracker;
use raft::{ChangeError, Changer, ConfChangeSingle, ConfChangeType, GroupConfig, IdMap, Progress};

use crate::Subject;
use crate::case::{Command, number};

/// A configuration; each command counts as one more entry of the log.
pub(crate) struct Changes {
    tracker: Tracker,
    last_index: u64,
}

impl Changes {
    pub(crate) fn new() -> Self {
        Self { tracker: Tracker::new(10, 0), last_index: 0 }
    }

    fn change(&mut self, command: &Command) -> Result<String, String> {
        let steps = changes(&command.input)?;
        let changer = Changer::new(&self.tracker, self.last_index);
        let auto_leave = command.values("autoleave").any(|value| value == "true");
        let result = match &command.name[..] {
            "simple" => changer.simple(&steps),
            "enter-joint" => changer.enter_joint(auto_leave, &steps),
            "leave-joint" if steps.is_empty() => changer.leave_joint(),
            "leave-joint" => return Err("this command takes no input".to_owned()),
            _ => return Err("unknown command".to_owned()),
        };
        self.accept(result).map_err(|error| error.to_string())?;
        Ok(format!("{}\n{}", self.tracker.config, self.tracker.progress))
    }

    fn accept(
        &mut self,
        result: Result<(GroupConfig, IdMap<Progress>), ChangeError>,
    ) -> Result<(), ChangeError> {
        (self.tracker.config, self.tracker.progress) = result?;
        Ok(())
    }
}

impl Subject for Changes {
    fn run(&mut self, command: &Command) -> String {
        let text = self.change(command).unwrap_or_else(|error| error);
        self.last_index += 1;
        text
    }
}

/// Changes as words: `v1` a voter, `l1` a learner, `r1` removed, `u1` updated.
pub(crate) fn changes(text: &str) -> Result<Vec<ConfChangeSingle>, String> {
    text.split_whitespace().map(change).collect()
}

fn change(word: &str) -> Result<ConfChangeSingle, String> {
    let change_type = match word.chars().next() {
        Some('v') => ConfChangeType::AddNode,
        Some('l') => ConfChangeType::AddLearnerNode,
        Some('r') => ConfChangeType::RemoveNode,
        Some('u') => ConfChangeType::UpdateNode,
        _ => return Err(format!("unknown input: {word}")),
    };
    Ok(ConfChangeSingle { change_type, node_id: number(&word[1..])? })
}
