//! All that the page knows, and the one function by which it changes.
//!
//! [`Page`] holds what the worker said last (a picture, where the session is kept, how it began)
//! and what the visitor chose (a server, a tab, a theme). [`Page::after`] is pure: components send
//! a [`Turn`], tests do the same without a DOM. What reaches out (a command to the worker, the
//! clipboard, the theme attribute) is done by whoever sends the turn.

use std::rc::Rc;

use ordered::Set;
use yew::Reducible;

use sim::check::Violation;
use sim::scenario::Node;
use sim::view::{NodeView, Tone};

use crate::protocol::{
    Answer, ConsoleAnswer, Event, MemoryReason, Opening, Refusal, RequestId, Selection,
    StorageStatus, Usage, Window,
};

use super::reading::{ReadTurn, Reading};
use super::scene::{Depth, Part, Picture, Scene};
use super::transcript::Transcript;

/// Rows of a long list that a frame carries at first, and how many more "older" brings.
pub(crate) const ROWS: u32 = 64;

/// Whether there is a world behind the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Engine {
    /// The worker has not spoken yet.
    Starting,
    /// It runs.
    Running,
    /// It met a bug of ours and stopped for good.
    Stopped {
        /// What the panic said.
        message: String,
        /// Replays the run.
        link: Option<String>,
    },
}

/// A panel; when the screen is narrow they are tabs, and the server's own three are among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Panel {
    /// The selected server's raft log.
    Raft,
    /// Its write-ahead log.
    Wal,
    /// Its keys.
    Keys,
    /// The way of the last write.
    Trail,
    /// The console.
    Console,
    /// The recent past.
    Log,
}

impl Panel {
    /// In the order of the tabs.
    pub(crate) const ALL: [Panel; 6] =
        [Panel::Console, Panel::Raft, Panel::Wal, Panel::Keys, Panel::Trail, Panel::Log];
    /// Those of the selected server.
    pub(crate) const OF_SERVER: [Panel; 3] = [Panel::Raft, Panel::Wal, Panel::Keys];

    /// Its name in the page's markup.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Panel::Raft => "raft",
            Panel::Wal => "wal",
            Panel::Keys => "keys",
            Panel::Trail => "trail",
            Panel::Console => "console",
            Panel::Log => "log",
        }
    }
}

/// A record of the write-ahead log by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordPick {
    /// Sequence number of the segment.
    pub(crate) segment: u64,
    /// Offset in it.
    pub(crate) offset: u64,
}

/// The link that is being shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Share {
    /// Nobody asked.
    Closed,
    /// The worker makes it.
    Asked(RequestId),
    /// It is there; whether it is in the clipboard, once that is known.
    Made {
        /// `#s1=…`
        hash: String,
        /// In the clipboard.
        copied: Option<bool>,
    },
    /// There is none, and why.
    Refused(String),
}

/// Light, dark, or as the system says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Theme {
    /// As the system says.
    #[default]
    Auto,
    /// Dark ink on paper.
    Light,
    /// Light ink on slate.
    Dark,
}

impl Theme {
    /// The next one.
    #[must_use]
    pub(crate) fn next(self) -> Theme {
        match self {
            Theme::Auto => Theme::Light,
            Theme::Light => Theme::Dark,
            Theme::Dark => Theme::Auto,
        }
    }

    /// As it is stored and written on the root element.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Theme::Auto => "auto",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }

    /// The theme of that name; `Auto` for any other.
    pub(crate) fn named(name: &str) -> Theme {
        match name {
            "light" => Theme::Light,
            "dark" => Theme::Dark,
            _ => Theme::Auto,
        }
    }
}

/// What the visitor has seen, so that the page can say what to try next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent milestones")]
pub(crate) struct Seen {
    /// A leader.
    pub(crate) leader: bool,
    /// An acknowledged write.
    pub(crate) write: bool,
    /// A server without power.
    pub(crate) crash: bool,
    /// A cut network.
    pub(crate) partition: bool,
    /// All sentences, or the visitor does not want any more.
    pub(crate) enough: bool,
}

/// What to try next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hint {
    /// Time stands.
    Play,
    /// Wait for a leader.
    Election,
    /// Write something.
    Put,
    /// Cut the leader's power.
    Crash(Node),
    /// Start it again.
    Restart(Node),
    /// Look why it stopped by itself.
    Look(Node),
    /// Cut a server off.
    Partition(Node),
    /// Mend the network.
    Heal,
    /// Close the tab and come back.
    Leave,
}

/// All that the page knows.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// The worker.
    pub(crate) engine: Engine,
    /// The newest picture.
    pub(crate) scene: Option<Scene>,
    /// Where the session is kept.
    pub(crate) storage: Option<StorageStatus>,
    /// How the session began, until the visitor has read it.
    pub(crate) opening: Option<Opening>,
    /// What the last act was refused for, until the visitor has read it.
    pub(crate) refusal: Option<String>,
    /// The server that the panels show, once chosen.
    pub(crate) selected: Option<Node>,
    /// Servers that the next partition cuts off from the others.
    pub(crate) marked: Set<Node>,
    /// The panel of the narrow screen.
    pub(crate) panel: Panel,
    /// The tab of the server panel.
    pub(crate) tab: Panel,
    /// The record whose bytes are shown; the newest one if none.
    pub(crate) record: Option<RecordPick>,
    /// The raft entry whose details are shown; the newest one if none.
    pub(crate) entry: Option<u64>,
    /// Keys whose history is open.
    pub(crate) open_keys: Set<String>,
    /// Rows asked for in the long list of the tab.
    pub(crate) rows: u32,
    /// All servers, by number.
    pub(crate) servers: Rc<Vec<Node>>,
    /// What can be typed.
    pub(crate) verbs: Rc<Vec<Usage>>,
    /// Keys that were on the screen, for completion.
    pub(crate) keys: Rc<Vec<String>>,
    /// The console.
    pub(crate) console: Rc<Transcript>,
    /// The link that is being shared.
    pub(crate) share: Share,
    /// Whether the page of help is open.
    pub(crate) help: bool,
    /// Whether the list of promises is open.
    pub(crate) promises: bool,
    /// Broken promises that the visitor knows of.
    pub(crate) violations_read: usize,
    /// The directory that lies over the laboratory.
    pub(crate) reading: Rc<Reading>,
    /// Light or dark.
    pub(crate) theme: Theme,
    /// What the visitor has seen.
    pub(crate) seen: Seen,
    /// The last important event in words, for those who hear the page.
    pub(crate) said: String,
    /// The newest log line that was said.
    said_event: u64,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            engine: Engine::Starting,
            scene: None,
            storage: None,
            opening: None,
            refusal: None,
            selected: None,
            marked: Set::new(),
            panel: Panel::Console,
            tab: Panel::Raft,
            record: None,
            entry: None,
            open_keys: Set::new(),
            rows: ROWS,
            servers: Rc::default(),
            verbs: Rc::default(),
            keys: Rc::default(),
            console: Rc::default(),
            share: Share::Closed,
            help: false,
            promises: false,
            violations_read: 0,
            reading: Rc::default(),
            theme: Theme::Auto,
            seen: Seen::default(),
            said: String::new(),
            said_event: 0,
        }
    }
}

/// Something that changes what the page knows.
#[derive(Debug)]
pub(crate) enum Turn {
    /// The worker spoke.
    Told(Event),
    /// The worker sent a picture.
    Drawn(Box<Picture>),
    /// The worker will not come: why.
    Failed(String),
    /// A server was chosen.
    Select(Node),
    /// A server was put into the group that a partition cuts off, or out of it.
    Mark(Node),
    /// A tab was chosen.
    Show(Panel),
    /// A record of the write-ahead log was chosen.
    PickRecord(RecordPick),
    /// An entry of the raft log was chosen.
    PickEntry(u64),
    /// The history of a key was opened or closed.
    ToggleKey(String),
    /// More rows of the long list.
    MoreRows,
    /// The prompt's text changed.
    Type(String),
    /// The prompt moved to a server, or to whichever is up.
    Prompt(Option<Node>),
    /// A line was sent.
    Asked(RequestId, String),
    /// The line before.
    Older,
    /// The line after.
    Newer,
    /// A link was asked for.
    ShareAsked(RequestId),
    /// The link is in the clipboard, or could not be put there.
    Copied(bool),
    /// The share card was closed.
    ShareClosed,
    /// Help was opened or closed.
    Help(bool),
    /// The list of promises was opened or closed.
    Promises(bool),
    /// The notice about broken promises was read.
    ViolationsRead,
    /// Something about the directory that is open.
    Reading(ReadTurn),
    /// A theme was chosen.
    Theme(Theme),
    /// The sentence about how the session began was read.
    OpeningRead,
    /// Something that was asked for is refused: why.
    Refused(String),
    /// The refusal was read.
    RefusalRead,
    /// No more hints.
    NoHints,
}

impl Page {
    /// A page that knows nothing but how light it should be.
    pub(crate) fn themed(theme: Theme) -> Page {
        Page { theme, ..Page::default() }
    }

    /// The page after a turn.
    #[must_use]
    pub(crate) fn after(mut self, turn: Turn) -> Page {
        match turn {
            Turn::Told(event) => self.told(event),
            Turn::Drawn(picture) => self.drawn(*picture),
            Turn::Failed(message) => self.engine = Engine::Stopped { message, link: None },
            Turn::Select(node) => self.select(node),
            Turn::Mark(node) => toggle(&mut self.marked, node),
            Turn::Show(panel) => self.show(panel),
            Turn::PickRecord(place) => self.record = Some(place),
            Turn::PickEntry(index) => self.entry = Some(index),
            Turn::ToggleKey(key) => toggle(&mut self.open_keys, key),
            Turn::MoreRows => self.rows = self.rows.saturating_mul(2),
            Turn::Type(draft) => self.console_mut().type_in(draft),
            Turn::Prompt(at) => self.console_mut().at = at,
            Turn::Asked(id, line) => self.asked(id, &line),
            Turn::Older => self.console_mut().older(),
            Turn::Newer => self.console_mut().newer(),
            Turn::ShareAsked(id) => self.share = Share::Asked(id),
            Turn::Copied(done) => self.copied(done),
            Turn::ShareClosed => self.share = Share::Closed,
            Turn::Help(open) => self.help = open,
            Turn::Promises(open) => {
                self.promises = open;
                self.read_violations();
            }
            Turn::ViolationsRead => self.read_violations(),
            Turn::Reading(turn) => {
                self.reading = Rc::new(Rc::unwrap_or_clone(self.reading).after(turn));
            }
            Turn::Theme(theme) => self.theme = theme,
            Turn::OpeningRead => self.opening = None,
            Turn::Refused(why) => (self.refusal, self.promises) = (Some(why), false),
            Turn::RefusalRead => self.refusal = None,
            Turn::NoHints => self.seen.enough = true,
        }
        self
    }

    /// The server that the panels show: the chosen one, before that the first.
    pub(crate) fn looked_at(&self) -> Option<&NodeView> {
        let scene = self.scene.as_ref()?;
        self.selected.and_then(|chosen| scene.node(chosen)).or(scene.nodes.first())
    }

    /// The server that the panels show in depth, when the newest picture has that one.
    pub(crate) fn depth(&self) -> Option<&Depth> {
        let looked_at = self.looked_at()?.node;
        self.scene.as_ref()?.server.as_ref().filter(|depth| depth.node == looked_at)
    }

    /// Whether a card lies over the screen.
    pub(crate) fn covered(&self) -> bool {
        self.help
            || self.promises
            || self.share != Share::Closed
            || self.reading.covers()
            || matches!(self.engine, Engine::Stopped { .. })
    }

    /// What the worker should put into its pictures: the list that is on the screen alone.
    pub(crate) fn selection(&self) -> Selection {
        let window =
            |panel| Window { first: 0, rows: if self.tab == panel { self.rows } else { 0 } };
        Selection {
            node: self.looked_at().map(|node| node.name.clone()),
            wal: window(Panel::Wal),
            log: window(Panel::Raft),
            keys: window(Panel::Keys),
        }
    }

    /// Whether the stage shows a run that is not the visitor's own.
    pub(crate) fn visiting(&self) -> bool {
        matches!(self.storage, Some(StorageStatus::InMemory { why: MemoryReason::Visiting }))
    }

    /// What to try next, once there is something to try it on.
    pub(crate) fn hint(&self) -> Option<Hint> {
        let scene = self.scene.as_ref()?;
        if self.seen.enough {
            return None;
        }
        if !scene.playback.playing {
            return Some(Hint::Play);
        }
        let Some(leader) = scene.leader else { return Some(Hint::Election) };
        if let Some(down) = scene.nodes.iter().find(|node| !Part::of(node).is_up()) {
            let failed = Part::of(down) == Part::Failed;
            return Some(if failed { Hint::Look(down.node) } else { Hint::Restart(down.node) });
        }
        if scene.groups.len() > 1 {
            return Some(Hint::Heal);
        }
        Some(match self.seen {
            Seen { write: false, .. } => Hint::Put,
            Seen { crash: false, .. } => Hint::Crash(leader),
            Seen { partition: false, .. } => Hint::Partition(leader),
            _ => Hint::Leave,
        })
    }

    /// The scenario line that cuts off what is marked, or the selected server.
    pub(crate) fn partition_line(&self) -> Option<String> {
        let looked_at = self.looked_at()?.node;
        let scene = self.scene.as_ref()?;
        if self.marked.is_empty() {
            return Some(format!("isolate {looked_at}"));
        }
        let (apart, rest): (Vec<Node>, Vec<Node>) =
            scene.nodes.iter().map(|one| one.node).partition(|node| self.marked.contains(node));
        Some(format!("partition {} | {}", words(&apart), words(&rest))).filter(|_| !rest.is_empty())
    }

    fn told(&mut self, event: Event) {
        match event {
            Event::Ready { verbs, .. } => {
                (self.engine, self.verbs) = (Engine::Running, Rc::new(verbs));
            }
            Event::Opened(opening) => self.opened(opening),
            Event::Reply { id, result } => self.replied(id, result),
            Event::Storage(status) => self.storage = Some(status),
            Event::Panicked { message, link } => self.engine = Engine::Stopped { message, link },
        }
    }

    /// Another run is on the stage: what was picked in the one before means nothing in it.
    fn opened(&mut self, opening: Opening) {
        if !matches!(opening, Opening::LinkRefused { .. }) {
            self.marked.clear();
            self.open_keys.clear();
            (self.selected, self.record, self.entry) = (None, None, None);
            self.said_event = 0;
            self.violations_read = 0;
        }
        if opening == Opening::Waiting {
            self.scene = None;
        }
        // A refused link is followed by the session that opens instead: its sentence stays.
        let refused = matches!(self.opening, Some(Opening::LinkRefused { .. }));
        if !refused || !matches!(opening, Opening::Fresh | Opening::Recovered(_)) {
            self.opening = Some(opening);
        }
    }

    fn drawn(&mut self, picture: Picture) {
        let scene = Scene::after(self.scene.as_ref(), picture);
        self.seen.leader |= scene.leader.is_some();
        self.seen.write |= scene.revision() > 1;
        self.seen.crash |= scene.nodes.iter().any(|node| !Part::of(node).is_up());
        let cut = scene.groups.len() > 1;
        self.seen.partition |= cut;
        if cut && self.scene.as_ref().is_some_and(|before| before.groups != scene.groups) {
            self.marked.clear();
        }
        self.selected = self.selected.or(scene.leader);
        self.say(&scene);
        self.learn_names(&scene);
        self.scene = Some(scene);
    }

    fn learn_names(&mut self, scene: &Scene) {
        if self.servers.len() != scene.nodes.len() {
            self.servers = Rc::new(scene.nodes.iter().map(|node| node.node).collect());
        }
        let keys = scene.server.as_ref().map_or(&[][..], |depth| &depth.store.keys);
        let same = keys.iter().map(|key| &key.key).eq(self.keys.iter());
        if !keys.is_empty() && !same {
            self.keys = Rc::new(keys.iter().map(|key| key.key.clone()).collect());
        }
    }

    fn say(&mut self, scene: &Scene) {
        let newest = scene.log.iter().rev().find(|line| line.tone != Tone::Plain);
        if let Some(line) = newest.filter(|line| line.event > self.said_event) {
            let who = line.node.map_or_else(String::new, |node| format!("{node} "));
            self.said = format!("{who}{}", line.text);
            self.said_event = line.event;
        }
    }

    fn replied(&mut self, id: RequestId, result: Result<Answer, Refusal>) {
        match (result, &self.share) {
            (Ok(Answer::Link(hash)), Share::Asked(asked)) if *asked == id => {
                self.share = Share::Made { hash, copied: None };
            }
            (Err(refusal), Share::Asked(asked)) if *asked == id => {
                self.share = Share::Refused(refusal.to_string());
            }
            (Ok(Answer::Console(answer)), _) => {
                self.console_mut().answered(id, answer);
            }
            (Ok(_), _) => {
                self.console_mut()
                    .answered(id, ConsoleAnswer { ok: true, ..ConsoleAnswer::default() });
            }
            (Err(refusal), _) => self.refused(id, &refusal),
        }
    }

    fn refused(&mut self, id: RequestId, refusal: &Refusal) {
        let error = Some(super::words::refusal(refusal));
        let answer = ConsoleAnswer { error: error.clone(), ..ConsoleAnswer::default() };
        if !self.console_mut().answered(id, answer) {
            self.refusal = error;
        }
    }

    fn select(&mut self, node: Node) {
        if self.selected != Some(node) {
            (self.record, self.entry, self.rows) = (None, None, ROWS);
        }
        self.selected = Some(node);
    }

    fn show(&mut self, panel: Panel) {
        self.panel = panel;
        if Panel::OF_SERVER.contains(&panel) && self.tab != panel {
            (self.tab, self.rows) = (panel, ROWS);
        }
    }

    /// Whoever goes on working has seen that everything is there again.
    fn asked(&mut self, id: RequestId, line: &str) {
        self.opening.take_if(|opening| {
            matches!(opening, Opening::Recovered(recovery) if recovery.damaged.is_empty())
        });
        self.console_mut().asked(id, line);
    }

    fn read_violations(&mut self) {
        self.violations_read = self.scene.as_ref().map_or(0, |scene| scene.violations.len());
    }

    /// The newest broken promise that the visitor does not know of.
    pub(crate) fn new_violation(&self) -> Option<&Violation> {
        let violations = &self.scene.as_ref()?.violations;
        violations.last().filter(|_| violations.len() > self.violations_read)
    }

    fn console_mut(&mut self) -> &mut Transcript {
        Rc::make_mut(&mut self.console)
    }

    fn copied(&mut self, done: bool) {
        if let Share::Made { copied, .. } = &mut self.share {
            *copied = Some(done);
        }
    }
}

impl Reducible for Page {
    type Action = Turn;

    fn reduce(self: Rc<Self>, turn: Turn) -> Rc<Self> {
        Rc::new(Page::clone(&self).after(turn))
    }
}

fn toggle<T: Ord>(set: &mut Set<T>, member: T) {
    if !set.remove(&member) {
        set.insert(member);
    }
}

fn words(nodes: &[Node]) -> String {
    nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
