//! The console's memory: what was asked, what was said, what is being typed.
//!
//! Every line has its place from the moment it is sent, so answers may come in any order and a
//! paste of twenty lines stays in the order of the paste.

use std::collections::VecDeque;

use sim::scenario::Node;

use crate::protocol::{ConsoleAnswer, RequestId};

/// Lines that stay on the screen.
pub(crate) const EXCHANGES_MAX: usize = 400;
/// Lines that the up arrow finds.
pub(crate) const HISTORY_MAX: usize = 200;

/// A line and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exchange {
    /// Ties the answer.
    pub(crate) id: RequestId,
    /// The prompt that it was typed at.
    pub(crate) at: Option<Node>,
    /// As typed.
    pub(crate) line: String,
    /// `None` while the cluster has not answered.
    pub(crate) answer: Option<ConsoleAnswer>,
}

/// The console.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Transcript {
    /// Oldest first.
    pub(crate) exchanges: VecDeque<Exchange>,
    /// What stands at the prompt.
    pub(crate) draft: String,
    /// The server that client commands go to; `None` for the first one that is up.
    pub(crate) at: Option<Node>,
    history: VecDeque<String>,
    /// Place in the history, counted from the newest, and what was typed before going there.
    recalled: Option<(usize, String)>,
}

impl Transcript {
    /// Something is typed.
    pub(crate) fn type_in(&mut self, draft: String) {
        self.draft = draft;
        self.recalled = None;
    }

    /// A line was sent.
    pub(crate) fn asked(&mut self, id: RequestId, line: &str) {
        if self.history.back().map(String::as_str) != Some(line) {
            self.history.push_back(line.to_owned());
        }
        self.exchanges.push_back(Exchange { id, at: self.at, line: line.to_owned(), answer: None });
        while self.history.len() > HISTORY_MAX {
            self.history.pop_front();
        }
        while self.exchanges.len() > EXCHANGES_MAX {
            self.exchanges.pop_front();
        }
        self.type_in(String::new());
    }

    /// An answer came. False when no line of the console waits for it.
    pub(crate) fn answered(&mut self, id: RequestId, answer: ConsoleAnswer) -> bool {
        let waiting = self.exchanges.iter_mut().find(|one| one.id == id && one.answer.is_none());
        let found = waiting.is_some();
        if let Some(exchange) = waiting {
            exchange.answer = Some(answer);
        }
        found
    }

    /// The line before, as the up arrow has it.
    pub(crate) fn older(&mut self) {
        let place = self.recalled.as_ref().map_or(0, |(place, _)| place + 1);
        self.recall(place);
    }

    /// The line after; at the end, what was being typed.
    pub(crate) fn newer(&mut self) {
        match self.recalled.take() {
            Some((0, typed)) => self.draft = typed,
            Some((place, typed)) => {
                self.recalled = Some((place, typed));
                self.recall(place - 1);
            }
            None => {}
        }
    }

    /// Lines without an answer.
    pub(crate) fn waiting(&self) -> usize {
        self.exchanges.iter().filter(|exchange| exchange.answer.is_none()).count()
    }

    fn recall(&mut self, place: usize) {
        let Some(line) = self.history.iter().rev().nth(place).cloned() else { return };
        let typed = self.recalled.take().map_or_else(|| self.draft.clone(), |(_, typed)| typed);
        self.recalled = Some((place, typed));
        self.draft = line;
    }
}

/// The lines of a paste: without blanks, comments and trailing space.
pub(crate) fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(output: &str) -> ConsoleAnswer {
        ConsoleAnswer { ok: true, output: output.into(), ..ConsoleAnswer::default() }
    }

    #[test]
    fn answers_find_their_line_in_any_order() {
        let mut console = Transcript::default();
        console.asked(1, "put a 1");
        console.asked(2, "get a");
        assert!(console.answered(2, ok("1")));
        assert_eq!(console.exchanges[0].answer, None);
        assert_eq!(console.exchanges[1].answer, Some(ok("1")));
        assert!(!console.answered(2, ok("again")), "one line has one answer");
        assert!(!console.answered(9, ok("?")), "not of the console");
    }

    #[test]
    fn up_goes_back_and_down_returns_to_what_was_being_typed() {
        let mut console = Transcript::default();
        console.asked(1, "put a 1");
        console.asked(2, "get a");
        console.type_in("del".into());
        console.older();
        assert_eq!(console.draft, "get a");
        console.older();
        console.older();
        assert_eq!(console.draft, "put a 1");
        console.newer();
        assert_eq!(console.draft, "get a");
        console.newer();
        assert_eq!(console.draft, "del");
        console.newer();
        assert_eq!(console.draft, "del");
    }

    #[test]
    fn a_paste_is_its_lines() {
        assert_eq!(lines("put a 1\n\n# two\r\n  get a  \n"), ["put a 1", "get a"]);
    }

    #[test]
    fn the_transcript_is_bounded() {
        let mut console = Transcript::default();
        for id in 0..1000 {
            console.asked(id, &format!("get {id}"));
        }
        assert_eq!(console.exchanges.len(), EXCHANGES_MAX);
        assert_eq!(console.exchanges.back().map(|last| last.id), Some(999));
    }
}
