//! What the page knows of the directory that is open, and how that changes: pure.

use std::rc::Rc;

use ordered::Set;
use sim::view::WalRow;

use crate::reader::protocol::{Keys, Overview, Piece, Question, Records, Told, Verdict};

/// Rows of a window.
pub(crate) const ROWS: u32 = 200;

/// Whether a directory is open.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Reading {
    /// None; the laboratory is on the screen.
    #[default]
    Closed,
    /// The visitor chooses.
    Choosing,
    /// It is being read.
    Opening(String),
    /// It cannot be opened: its name, and why.
    Refused(String, String),
    /// It is open.
    Open(Box<Directory>),
}

/// A look at a directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Look {
    /// What it holds.
    #[default]
    Summary,
    /// What is wrong.
    Damage,
    /// The log.
    Records,
    /// The keys.
    Keys,
    /// The bytes of other files.
    Pages,
}

/// The directory that is open.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Directory {
    /// What it holds.
    pub(crate) overview: Rc<Overview>,
    /// Which look.
    pub(crate) look: Look,
    /// A window of its records.
    pub(crate) records: Rc<Records>,
    /// The record whose bytes are shown.
    pub(crate) record: Option<Rc<(u64, WalRow)>>,
    /// The other file that is looked into, and a window of its pieces.
    pub(crate) pieces: Option<Rc<(String, Records)>>,
    /// The piece whose bytes are shown.
    pub(crate) one_piece: Option<Rc<(u64, WalRow)>>,
    /// Bytes of another file, shown below the damage in it.
    pub(crate) piece: Option<Rc<Piece>>,
    /// A window of its keys, once read; or why there is none.
    pub(crate) keys: Option<Rc<Keys>>,
    /// Why the last question about keys has no answer.
    pub(crate) keys_refused: Option<String>,
    /// Keys whose history is open.
    pub(crate) open_keys: Set<String>,
    /// What `verify` found, once it did.
    pub(crate) verdict: Option<Rc<Verdict>>,
    /// Why the last other question has no answer.
    pub(crate) refused: Option<String>,
}

/// What changes it.
#[derive(Debug)]
pub(crate) enum ReadTurn {
    /// The visitor wants to choose a file.
    Choose,
    /// Something of that name is being read.
    Opening(String),
    /// It cannot be opened, or its reader stopped.
    Failed(String),
    /// The reader answered; without a question, the opening.
    Told(Option<Question>, Told),
    /// A look was chosen.
    Look(Look),
    /// The history of a key was opened or closed.
    ToggleKey(String),
    /// Back to the laboratory.
    Close,
}

impl Reading {
    /// Whether it lies over the laboratory.
    pub(crate) fn covers(&self) -> bool {
        *self != Reading::Closed
    }

    /// After a turn. What a closed directory's reader still says is not heard.
    #[must_use]
    pub(crate) fn after(self, turn: ReadTurn) -> Reading {
        match (self, turn) {
            (_, ReadTurn::Choose) => Reading::Choosing,
            (_, ReadTurn::Close) => Reading::Closed,
            (_, ReadTurn::Opening(name)) => Reading::Opening(name),
            (Reading::Opening(name), ReadTurn::Failed(why)) => Reading::Refused(name, why),
            (Reading::Open(directory), ReadTurn::Failed(why)) => {
                Reading::Refused(directory.overview.name.clone(), why)
            }
            (Reading::Opening(_), ReadTurn::Told(None, Told::Opened(overview))) => {
                Reading::Open(Box::new(Directory::new(overview)))
            }
            (Reading::Opening(name), ReadTurn::Told(None, Told::Refused(why))) => {
                Reading::Refused(name, why)
            }
            (Reading::Open(mut directory), turn) => {
                directory.turn(turn);
                Reading::Open(directory)
            }
            (reading, _) => reading,
        }
    }
}

impl Directory {
    fn new(overview: Overview) -> Directory {
        Directory { overview: Rc::new(overview), ..Directory::default() }
    }

    fn turn(&mut self, turn: ReadTurn) {
        match turn {
            ReadTurn::Look(look) => (self.look, self.refused) = (look, None),
            ReadTurn::ToggleKey(key) => {
                if !self.open_keys.remove(&key) {
                    self.open_keys.insert(key);
                }
            }
            ReadTurn::Told(question, told) => self.told(question.as_ref(), told),
            ReadTurn::Choose | ReadTurn::Opening(_) | ReadTurn::Failed(_) | ReadTurn::Close => {}
        }
    }

    fn told(&mut self, question: Option<&Question>, told: Told) {
        match (question, told) {
            (_, Told::Records(records)) => self.records = Rc::new(records),
            (_, Told::Record { number, row }) => {
                (self.record, self.refused) = (Some(Rc::new((number, row))), None);
            }
            (_, Told::Pieces { file, records }) => {
                if self.pieces.as_ref().is_none_or(|known| known.0 != file) {
                    self.one_piece = None;
                }
                (self.pieces, self.refused) = (Some(Rc::new((file, records))), None);
            }
            (_, Told::Piece { number, row }) => {
                (self.one_piece, self.refused) = (Some(Rc::new((number, row))), None);
            }
            (_, Told::Bytes(piece)) => self.piece = Some(Rc::new(piece)),
            (_, Told::Keys(keys)) => {
                (self.keys, self.keys_refused) = (Some(Rc::new(keys)), None);
            }
            (_, Told::Verified(verdict)) => self.verdict = Some(Rc::new(verdict)),
            (Some(Question::Keys { .. }), Told::Refused(why)) => self.keys_refused = Some(why),
            (_, Told::Refused(why)) => self.refused = Some(why),
            (Some(Question::Index { index }), Told::Found(None)) => {
                self.refused = Some(format!("no entry has index {index} or a higher one"));
            }
            // Where a record was found, the reader's handle asks for it at once.
            (_, Told::Found(_) | Told::Opened(_)) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> Reading {
        let overview = Overview { name: "a.tar.gz".into(), ..Overview::default() };
        Reading::Closed
            .after(ReadTurn::Opening("a.tar.gz".into()))
            .after(ReadTurn::Told(None, Told::Opened(overview)))
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_refused_in_words_and_closing_returns_to_the_laboratory() {
        let refused = Reading::Closed
            .after(ReadTurn::Opening("x".into()))
            .after(ReadTurn::Told(None, Told::Refused("no data directory found".into())));
        assert_eq!(refused, Reading::Refused("x".into(), "no data directory found".into()));
        assert!(refused.covers(), "it is said over the laboratory");
        assert_eq!(refused.after(ReadTurn::Close), Reading::Closed);
    }

    #[test]
    fn a_refused_revision_leaves_the_keys_that_are_shown() {
        let asked = Question::Keys { revision: 99, first: 0, rows: ROWS };
        let reading = open()
            .after(ReadTurn::Told(Some(asked.clone()), Told::Keys(Keys::default())))
            .after(ReadTurn::Told(Some(asked), Told::Refused("revision 99 is not there".into())));
        let Reading::Open(directory) = reading else { panic!("it is open") };
        assert!(directory.keys.is_some() && directory.refused.is_none(), "{directory:?}");
        assert_eq!(directory.keys_refused.as_deref(), Some("revision 99 is not there"));
    }

    fn row() -> WalRow {
        WalRow {
            segment: 0,
            offset: 0,
            length: 0,
            kind: "leaf".into(),
            index: None,
            term: None,
            crc: 0,
            crc_ok: true,
            synced: true,
            summary: String::new(),
            bytes: Vec::new(),
            fields: Vec::new(),
        }
    }

    #[test]
    fn another_file_takes_the_piece_that_was_shown_away() {
        let window = |file: &str| Told::Pieces { file: file.into(), records: Records::default() };
        let asked = Question::Piece { file: "db".into(), number: 3 };
        let piece = Told::Piece { number: 3, row: row() };
        let reading = open()
            .after(ReadTurn::Told(None, window("db")))
            .after(ReadTurn::Told(Some(asked), piece));
        let shown = |reading: &Reading| match reading {
            Reading::Open(directory) => directory.one_piece.is_some(),
            Reading::Closed | Reading::Choosing | Reading::Opening(_) | Reading::Refused(..) => {
                false
            }
        };
        let same = reading.after(ReadTurn::Told(None, window("db")));
        assert!(shown(&same), "another window of the file leaves it");
        assert!(
            !shown(&same.after(ReadTurn::Told(None, window("x.snap")))),
            "another file does not"
        );
    }

    #[test]
    fn what_a_closed_reader_still_says_is_not_heard() {
        let late = ReadTurn::Told(Some(Question::Verify), Told::Verified(Verdict::default()));
        assert_eq!(open().after(ReadTurn::Close).after(late), Reading::Closed);
    }
}
