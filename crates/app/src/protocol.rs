//! What the page and the worker say to each other.
//!
//! A [`Command`] goes from the page to the worker, an [`Event`] comes back; both cross as a
//! `Uint8Array` of their postcard form. A [`Frame`], the picture of the world that panels draw, is
//! bulk: it crosses as one transferred `ArrayBuffer` that holds its postcard form, and an
//! `ArrayBuffer` is never anything else.
//!
//! Order: the worker says [`Event::Ready`] once it listens; only then may the page speak, and its
//! first word is [`Command::Hello`]. A command with an `id` is answered by exactly one
//! [`Event::Reply`] of the same id, in any order; a command without one shows in the next frame.
//! What a reply or a frame shows as acknowledged is in IndexedDB already, or
//! [`StorageStatus`] said before that the session lives in memory.

use serde::{Deserialize, Serialize};
use sim::scenario::Node;
use thiserror::Error;

/// Ties a [`Command`] to its [`Event::Reply`]; chosen by the page.
pub type RequestId = u32;

/// The page speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// First word. `link` is `location.hash` when it is not empty: a link opens paused, in memory,
    /// beside the stored session; a broken one is refused and the stored session opens.
    Hello {
        /// `#s1=…`, or nothing.
        link: Option<String>,
    },
    /// A console line: a client command (`put greeting hello`) or a laboratory command
    /// (`crash n1`). Answered by [`Answer::Console`] when the cluster answered.
    Console {
        /// Ties the reply.
        id: RequestId,
        /// The server that a client command goes to when its line names none.
        at: Option<Node>,
        /// One line of the scenario language, without a time.
        line: String,
        /// When the world is paused: let time run until the answer is there, then pause again.
        /// Otherwise the answer waits for the visitor to play or step.
        drive: bool,
    },
    /// The same as a console line, for buttons: answered as soon as the action is recorded.
    Perform {
        /// Ties the reply.
        id: RequestId,
        /// One line of the scenario language, without a time: `crash n1`, `partition n1 | n2 n3`.
        line: String,
    },
    /// Lets time run, at the given speed or the last one.
    Play {
        /// Virtual time for real time.
        speed: Option<Speed>,
    },
    /// Stops time.
    Pause,
    /// Pauses and runs this many events.
    Step {
        /// Ties the reply, given when the events have happened.
        id: RequestId,
        /// Events, at most [`STEP_EVENTS_MAX`] at a time.
        count: u32,
    },
    /// Goes to an event and pauses there. Only forward as yet.
    Seek {
        /// Ties the reply.
        id: RequestId,
        /// The moment.
        event: u64,
    },
    /// What the panels look at; the next frame carries it.
    Select(Selection),
    /// Asks for [`Answer::Link`]: this run at this moment.
    Link {
        /// Ties the reply.
        id: RequestId,
    },
    /// Asks for [`Answer::Link`]: this run just before an event that has happened.
    LinkBefore {
        /// Ties the reply.
        id: RequestId,
        /// The event.
        event: u64,
    },
    /// Starts another run, paused at its beginning (a scenario) or its moment (a link), in memory:
    /// the stored session stays as it is.
    Load {
        /// Ties the reply.
        id: RequestId,
        /// Scenario text, or a link with or without what stands before its `#`.
        text: String,
    },
    /// Forgets the stored session and starts a fresh one, playing.
    Reset {
        /// Ties the reply.
        id: RequestId,
    },
    /// Answered when everything shown as acknowledged is in IndexedDB.
    Flushed {
        /// Ties the reply.
        id: RequestId,
    },
    /// Asks for [`Answer::State`].
    State {
        /// Ties the reply.
        id: RequestId,
    },
    /// Asks for [`Answer::Fingerprint`].
    Fingerprint {
        /// Ties the reply.
        id: RequestId,
    },
    /// Leaves a link's or a loaded run and opens the stored session again.
    Return {
        /// Ties the reply.
        id: RequestId,
    },
    /// Goes on without IndexedDB after [`StorageStatus`] named the reason.
    ContinueInMemory,
    /// Takes the session from the tab that holds it; that tab goes on in memory and says so.
    TakeOver,
}

/// Most events that one [`Command::Step`] runs.
pub const STEP_EVENTS_MAX: u32 = 100_000;

/// Virtual time for real time, as a fraction: `1/10` is ten times slower than life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Speed {
    /// Virtual nanoseconds …
    pub num: u32,
    /// … for this many real ones; never 0.
    pub den: u32,
}

impl Speed {
    /// Slow enough to see messages travel.
    pub const DEFAULT: Self = Self { num: 1, den: 10 };
    /// What the page offers, slowest first.
    pub const LADDER: [Self; 7] = [
        Self { num: 1, den: 1000 },
        Self { num: 1, den: 100 },
        Self { num: 1, den: 20 },
        Self { num: 1, den: 10 },
        Self { num: 1, den: 3 },
        Self { num: 1, den: 1 },
        Self { num: 10, den: 1 },
    ];
}

impl Default for Speed {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// `×1/10`, `×1`, `×10`.
impl std::fmt::Display for Speed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "×{}", self.num)?;
        if self.den == 1 { Ok(()) } else { write!(f, "/{}", self.den) }
    }
}

/// A text that is no speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a speed between ×1/1000000 and ×1000000: 0.1, 1/10 or ×1/10")]
pub struct SpeedError;

/// Reads `×1/10`, `1/10`, `0.1`, `3`.
impl std::str::FromStr for Speed {
    type Err = SpeedError;

    fn from_str(text: &str) -> Result<Self, SpeedError> {
        let text = text.trim().trim_start_matches(['×', 'x']);
        let (num, den) = match (text.split_once('/'), text.split_once('.')) {
            (Some((num, den)), _) => (number(num)?, number(den)?),
            (None, None) => (number(text)?, 1),
            (None, Some((whole, part))) => {
                let digits = u32::try_from(part.len()).map_err(|_| SpeedError)?;
                let den = 10_u32.checked_pow(digits).filter(|den| *den <= FACTOR_MAX);
                let den = den.ok_or(SpeedError)?;
                let whole = if whole.is_empty() { 0 } else { number(whole)? };
                let num = whole
                    .checked_mul(den)
                    .and_then(|whole| number(part).ok().and_then(|part| whole.checked_add(part)));
                (num.ok_or(SpeedError)?, den)
            }
        };
        let fits = num >= 1 && den >= 1 && num / den <= FACTOR_MAX && den / num <= FACTOR_MAX;
        if fits { Ok(Self { num, den }) } else { Err(SpeedError) }
    }
}

const FACTOR_MAX: u32 = 1_000_000;

fn number(text: &str) -> Result<u32, SpeedError> {
    text.parse().map_err(|_| SpeedError)
}

/// Which server the panels show, and which part of its long lists.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// A server by name (`n1`); none: frames carry the cluster alone.
    pub node: Option<String>,
    /// Rows of the WAL list, counted from the newest (0).
    pub wal: Window,
    /// Entries of the raft strip, counted from the newest.
    pub log: Window,
    /// Keys, in key order.
    pub keys: Window,
}

/// Most rows of a list that one frame carries.
pub const ROWS_MAX: u32 = 2_000;

/// A part of a long list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// First row.
    pub first: u32,
    /// Number of rows.
    pub rows: u32,
}

impl Default for Window {
    fn default() -> Self {
        Self { first: 0, rows: 64 }
    }
}

/// A command of the scenario language, as far as completion must know it: the page itself has
/// neither the language's parser nor its tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// The word that it begins with.
    pub name: String,
    /// Its grammar, on one line.
    pub usage: String,
}

/// The worker speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The worker listens.
    Ready {
        /// The package's version.
        version: String,
        /// What can be typed at the prompt.
        verbs: Vec<Usage>,
    },
    /// A session is on the stage; frames of it follow.
    Opened(Opening),
    /// The answer to a command.
    Reply {
        /// The command's own.
        id: RequestId,
        /// What came of it.
        result: Result<Answer, Refusal>,
    },
    /// Where the session is kept; said when it changes, and about once a second while it grows.
    Storage(StorageStatus),
    /// The worker met a bug of ours and stopped for good.
    Panicked {
        /// What the panic said.
        message: String,
        /// Replays the run, when one could be prepared.
        link: Option<String>,
    },
}

/// How the session on the stage began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Opening {
    /// A first visit, or after a reset.
    Fresh,
    /// From IndexedDB: every server boots from its own disk.
    Recovered(Recovery),
    /// From a link, paused at its moment, in memory.
    Link {
        /// The run's fingerprint at the moment differs from the sharer's: another engine made it.
        differs: bool,
    },
    /// From a scenario, paused at its beginning, in memory.
    Scenario,
    /// The link in the address is broken; another [`Opening`] follows.
    LinkRefused {
        /// Says where and why.
        message: String,
    },
    /// Nothing yet: IndexedDB would not open, [`StorageStatus`] says why, and the visitor chooses
    /// between [`Command::ContinueInMemory`], [`Command::TakeOver`] and [`Command::Reset`].
    Waiting,
}

/// What a stored session held when it was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// Servers that boot.
    pub servers: u32,
    /// The moment of the last slice.
    pub event: u64,
    /// Virtual time of the last slice, nanoseconds.
    pub now_ns: u64,
    /// Disk pages read.
    pub pages: u32,
    /// What was damaged, in words: store, key, and the server that will notice.
    pub damaged: Vec<String>,
    /// Whether the recorded actions were complete; without them there is no link.
    pub actions_complete: bool,
}

/// Where the session is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StorageStatus {
    /// In IndexedDB.
    Persistent {
        /// Slices completed so far.
        slices: u64,
        /// Slices begun and not completed.
        in_flight: u32,
        /// Virtual time of the last completed slice, nanoseconds.
        saved_ns: u64,
        /// The world waits because the store cannot keep up.
        stalled: bool,
    },
    /// In memory alone.
    InMemory {
        /// Why.
        why: MemoryReason,
    },
    /// Another tab has the session.
    HeldByOtherTab,
    /// IndexedDB is full: time stands still until the visitor makes room and plays on, or goes on
    /// in memory.
    Full {
        /// What the browser said.
        message: String,
    },
    /// There is no IndexedDB here, or it would not open.
    Missing {
        /// What the browser said.
        message: String,
    },
    /// The stored session cannot be opened; names the object store and the key.
    Damaged {
        /// In words.
        message: String,
    },
}

/// In a few words, for refusals.
impl std::fmt::Display for StorageStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Persistent { .. } => f.write_str("the session is in IndexedDB"),
            Self::InMemory { .. } => f.write_str("the session is in memory alone"),
            Self::HeldByOtherTab => f.write_str("another tab has the session"),
            Self::Full { message } | Self::Missing { message } | Self::Damaged { message } => {
                f.write_str(message)
            }
        }
    }
}

/// Why a session is in memory alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemoryReason {
    /// It is a link's or a loaded scenario's run; the stored session waits untouched.
    Visiting,
    /// The visitor said so after IndexedDB failed.
    Chosen,
    /// Another tab took the session over.
    TakenOver,
}

/// The good end of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It happened.
    Done,
    /// What the cluster or the laboratory said to a console line.
    Console(ConsoleAnswer),
    /// `#s1=…`
    Link(String),
    /// The session in short.
    State(Box<SessionState>),
    /// 16 hexadecimal digits, as the command line prints it.
    Fingerprint(String),
}

/// What a console line gave.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleAnswer {
    /// Whether it was done.
    pub ok: bool,
    /// As etcdctl would print it; may have several lines.
    pub output: String,
    /// Why not, when not `ok`.
    pub error: Option<String>,
    /// Virtual time from the line to its answer, nanoseconds.
    pub took_ns: u64,
}

/// `window.quorarium.state()`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionState {
    /// The moment.
    pub event: u64,
    /// Virtual time, nanoseconds.
    pub virtual_ns: u64,
    /// Whether time runs.
    pub playing: bool,
    /// The name of the leader of the highest term, when there is one that is up.
    pub leader: Option<String>,
    /// In name order.
    pub nodes: Vec<NodeState>,
}

/// One server of [`SessionState`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeState {
    /// `n1`.
    pub name: String,
    /// `leader`, `follower`, `candidate`, `pre-candidate`, `down`.
    pub role: String,
    /// Raft term.
    pub term: u64,
    /// Raft commit index.
    pub commit: u64,
    /// Raft applied index.
    pub applied: u64,
    /// Whether the process runs.
    pub up: bool,
    /// The message that it died with, when it stopped by itself.
    pub fatal: Option<String>,
}

/// Why a command was not done. The session is as it was.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum Refusal {
    /// A line that the scenario language does not know.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// From 1.
        line: u32,
        /// From 1.
        column: u32,
        /// What was expected.
        message: String,
    },
    /// A link that does not decode; names the place.
    #[error("{message}")]
    Link {
        /// In words.
        message: String,
    },
    /// Known, and not possible in this session or at this moment.
    #[error("{message}")]
    NotPossible {
        /// In words.
        message: String,
    },
    /// Part of the plan, not of this version.
    #[error("{message}")]
    NotThereYet {
        /// In words.
        message: String,
    },
    /// IndexedDB refused.
    #[error("{message}")]
    Storage {
        /// In words.
        message: String,
    },
}

/// How time runs while a frame was taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Playback {
    /// Whether time runs.
    pub playing: bool,
    /// How fast.
    pub speed: Speed,
    /// Playing, but waiting for the store to catch up.
    pub stalled: bool,
    /// Playing, but the world cannot keep this speed.
    pub behind: bool,
}

/// One picture of the world. `View` is [`sim`]'s plain view of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame<View> {
    /// Counts up by one a frame.
    pub number: u32,
    /// How time runs.
    pub playback: Playback,
    /// Everything that panels draw.
    pub view: View,
}

/// A frame that does not decode: page and worker are not of the same build.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the worker's frame is not of this build: {0}")]
pub struct FrameError(postcard::Error);

impl<View: Serialize> Frame<View> {
    /// The bytes that cross.
    pub fn encode(&self) -> Result<Vec<u8>, FrameError> {
        postcard::to_allocvec(self).map_err(FrameError)
    }
}

impl<View: for<'a> Deserialize<'a>> Frame<View> {
    /// Reads what [`Frame::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        postcard::from_bytes(bytes).map_err(FrameError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_reads_back_as_it_was_written() {
        let frame = Frame { number: 7, playback: Playback::default(), view: vec![1_u64, u64::MAX] };
        let bytes = frame.encode().expect("plain data encodes");
        assert_eq!(Frame::decode(&bytes), Ok(frame));
    }

    #[test]
    fn a_frame_of_another_build_is_an_error() {
        assert!(Frame::<Vec<u64>>::decode(&[7, 9]).is_err());
    }

    #[test]
    fn speeds_are_read_as_people_write_them() {
        assert_eq!("0.25".parse(), Ok(Speed { num: 25, den: 100 }));
        assert_eq!("2.5".parse(), Ok(Speed { num: 25, den: 10 }));
        assert_eq!("10".parse(), Ok(Speed { num: 10, den: 1 }));
        for text in ["", "0", "-1", "1/0", "0/1", "fast", "1e9", "0.00000001", "9999999"] {
            assert_eq!(text.parse::<Speed>(), Err(SpeedError), "{text}");
        }
    }

    #[test]
    fn speeds_print_as_the_page_shows_them() {
        let shown: Vec<String> = Speed::LADDER.iter().map(ToString::to_string).collect();
        assert!(Speed::LADDER.iter().zip(&shown).all(|(speed, text)| text.parse() == Ok(*speed)));
        assert_eq!(shown, ["×1/1000", "×1/100", "×1/20", "×1/10", "×1/3", "×1", "×10"]);
    }
}
