//! A world being played: time, the console lines that wait for an answer, pictures.
//!
//! Nothing here knows of storage or of a browser. A turn runs events until the playhead or the
//! caller's patience is reached, so that no world, however busy, hangs the worker.

use sim::console::{self, Entered};
use sim::link::Link;
use sim::scenario::{Context, Group, Node, find_verb, parse_command, verbs};
use sim::view::{Condition, Query, Role, View, Viewer, Window};
use sim::world::{Performed, World};

use super::playhead::Playhead;
use crate::protocol::{
    Answer, ConsoleAnswer, Frame, NodeState, Playback, Refusal, RequestId, STEP_EVENTS_MAX,
    Selection, SessionState, Speed, Usage,
};

/// Events between two looks at the clock and at the console's answers.
const EVENTS_PER_LOOK: u32 = 16;

/// An answer on its way to the page.
pub type Reply = (RequestId, Result<Answer, Refusal>);

/// See the module.
pub struct Run {
    world: World,
    viewer: Viewer,
    query: Query,
    playhead: Playhead,
    playing: bool,
    behind: bool,
    asks: Vec<Ask>,
    goal: Option<Goal>,
    frames: u32,
}

/// A console line without an answer so far.
#[derive(Debug, Clone, Copy)]
struct Ask {
    id: RequestId,
    performed: Performed,
    drive: bool,
}

/// Somewhere to go with time stopped.
#[derive(Debug, Clone, Copy)]
struct Goal {
    /// Who is told on arrival.
    id: Option<RequestId>,
    event: u64,
}

impl Run {
    /// A world on the stage.
    pub fn new(world: World, playing: bool) -> Self {
        Self {
            playhead: Playhead::at(world.now_ns(), Speed::DEFAULT),
            world,
            viewer: Viewer::new(),
            query: Query::default(),
            playing,
            behind: false,
            asks: Vec::new(),
            goal: None,
            frames: 0,
        }
    }

    /// The world.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The world, for the store that follows its disks.
    pub fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    /// Whether a turn would do anything.
    pub fn is_moving(&self) -> bool {
        self.playing || self.goal.is_some() || self.is_driven()
    }

    /// Whether a jump to an event is under way.
    pub fn is_travelling(&self) -> bool {
        self.goal.is_some()
    }

    fn is_driven(&self) -> bool {
        self.asks.iter().any(|ask| ask.drive)
    }

    // ---- commands ----

    /// Lets time run.
    pub fn play(&mut self, speed: Option<Speed>) {
        if let Some(speed) = speed.filter(|speed| speed.den > 0) {
            self.playhead.set_speed(speed);
        }
        self.playhead.move_to(self.world.now_ns().max(self.playhead.now_ns()));
        self.playing = true;
    }

    /// Stops time.
    pub fn pause(&mut self) {
        self.playing = false;
        self.behind = false;
        self.playhead.move_to(self.world.now_ns());
    }

    /// What the panels look at.
    pub fn select(&mut self, selection: &Selection) {
        let window = |window: crate::protocol::Window| Window {
            first: window.first,
            rows: window.rows.min(crate::protocol::ROWS_MAX),
        };
        self.query = Query {
            node: selection.node.as_deref().and_then(|name| self.node_named(name)),
            log: window(selection.log),
            wal: window(selection.wal),
            keys: window(selection.keys),
        };
    }

    fn node_named(&self, name: &str) -> Option<Node> {
        (1..=self.world.spec().nodes).map(Node).find(|node| node.to_string() == name)
    }

    /// Pauses and goes a number of events further.
    pub fn step(&mut self, id: RequestId, count: u32) {
        let count = u64::from(count.min(STEP_EVENTS_MAX));
        self.travel(Some(id), self.world.event() + count);
    }

    /// Pauses and goes to an event; only forward.
    pub fn seek(&mut self, id: RequestId, event: u64) -> Result<(), Refusal> {
        if event < self.world.event() {
            let now = self.world.event();
            let message =
                format!("event {event} is past (now: {now}); going back is not there yet");
            return Err(Refusal::NotThereYet { message });
        }
        self.travel(Some(id), event);
        Ok(())
    }

    /// Pauses and goes to an event that lies ahead.
    pub fn travel(&mut self, id: Option<RequestId>, event: u64) {
        self.pause();
        self.goal = Some(Goal { id, event });
    }

    /// Takes up a console line; an answer that is there at once is given.
    pub fn console(&mut self, id: RequestId, line: &str, drive: bool) -> Option<Reply> {
        self.power_on();
        match console::enter(&mut self.world, line) {
            Err(error) => Some((id, Err(syntax(&error)))),
            Ok(Entered::Answered(answer)) => Some((id, Ok(said(answer)))),
            Ok(Entered::Acted(performed, answer)) => {
                self.carry_out(performed);
                Some((id, Ok(said(answer))))
            }
            Ok(Entered::Asked(performed)) => {
                self.carry_out(performed);
                self.asks.push(Ask { id, performed, drive });
                None
            }
        }
    }

    /// Records an action.
    pub fn perform(&mut self, id: RequestId, line: &str) -> Reply {
        let context = Context { nodes: self.world.spec().nodes };
        match parse_command(line, context) {
            Ok(action) => {
                let performed = self.world.perform(action);
                self.carry_out(performed);
                (id, Ok(Answer::Done))
            }
            Err(error) => (id, Err(syntax(&error))),
        }
    }

    /// Servers of a fresh world get their power before a client comes.
    fn power_on(&mut self) {
        if self.world.event() == 0 {
            self.world.settle();
        }
    }

    /// While time stands still, an action takes place all the same, a nanosecond later.
    fn carry_out(&mut self, performed: Performed) {
        let recorded = self.world.recorded_count();
        while !self.playing
            && self.world.recorded_count() == recorded
            && self.world.next_event_ns().is_some_and(|next_ns| next_ns <= performed.at_ns)
        {
            self.world.step();
        }
        if !self.playing {
            self.playhead.move_to(self.world.now_ns());
        }
    }

    // ---- time ----

    /// Real time passed: runs events as far as they are due, until `out_of_time`. Gives the answers
    /// that came.
    pub fn turn(&mut self, elapsed_ns: u64, out_of_time: &mut dyn FnMut() -> bool) -> Vec<Reply> {
        let mut replies = Vec::new();
        if self.playing {
            self.playhead.advance(elapsed_ns);
        }
        let mut finished = false;
        while !finished && !out_of_time() {
            finished = self.look(&mut replies);
        }
        self.behind = self.playing && !finished;
        if self.behind || !self.playing {
            self.playhead.move_to(self.world.now_ns());
        }
        replies
    }

    /// A few events; whether there was nothing more to do.
    fn look(&mut self, replies: &mut Vec<Reply>) -> bool {
        let mut finished = false;
        for _ in 0..EVENTS_PER_LOOK {
            finished = !self.is_next_due() || self.world.step().is_none();
            if finished {
                break;
            }
        }
        self.collect(replies);
        if let Some(goal) = self.goal
            && (finished || self.world.event() >= goal.event)
        {
            self.goal = None;
            replies.extend(goal.id.map(|id| (id, Ok(Answer::Done))));
        }
        finished
    }

    fn is_next_due(&self) -> bool {
        match self.goal {
            Some(goal) => self.world.event() < goal.event,
            None if self.playing => {
                self.world.next_event_ns().is_some_and(|ns| ns <= self.playhead.now_ns())
            }
            None => self.asks.iter().any(|ask| ask.drive && self.answer(ask).is_none()),
        }
    }

    fn answer(&self, ask: &Ask) -> Option<console::Answer> {
        console::answer(&self.world, ask.performed)
    }

    fn collect(&mut self, replies: &mut Vec<Reply>) {
        let asks = std::mem::take(&mut self.asks);
        for ask in asks {
            match self.answer(&ask) {
                Some(answer) => replies.push((ask.id, Ok(said(answer)))),
                None => self.asks.push(ask),
            }
        }
    }

    /// Console lines that will never be answered: their world leaves the stage.
    pub fn abandon(&mut self) -> Vec<Reply> {
        let gone =
            || Refusal::NotPossible { message: "another run is on the stage now".to_string() };
        let ids = self.asks.drain(..).map(|ask| ask.id).chain(self.goal.take().and_then(|g| g.id));
        ids.map(|id| (id, Err(gone()))).collect()
    }

    // ---- pictures ----

    /// How time runs.
    pub fn playback(&self, stalled: bool) -> Playback {
        let speed = self.playhead.speed();
        Playback { playing: self.playing, speed, stalled, behind: self.behind }
    }

    /// One picture, encoded.
    pub fn frame(&mut self, stalled: bool) -> Vec<u8> {
        self.frames = self.frames.wrapping_add(1);
        let mut view: View = self.viewer.view(&self.world, &self.query);
        view.cluster.now_ns = view.cluster.now_ns.max(self.playhead.now_ns());
        let frame = Frame { number: self.frames, playback: self.playback(stalled), view };
        frame.encode().expect("a picture is plain data")
    }

    /// The session in short.
    pub fn state(&self) -> SessionState {
        let View { cluster, .. } = Viewer::new().view(&self.world, &Query::default());
        let nodes = cluster.nodes.into_iter().map(|node| {
            let up = matches!(node.condition, Condition::Up | Condition::Booting);
            NodeState {
                name: node.name,
                role: if up { role(node.role) } else { "down" }.to_string(),
                term: node.term,
                commit: node.commit,
                applied: node.applied,
                up,
                fatal: match node.condition {
                    Condition::Failed { reason } => Some(reason),
                    Condition::Up | Condition::Booting | Condition::Down => None,
                },
            }
        });
        SessionState {
            event: cluster.event,
            virtual_ns: cluster.now_ns,
            playing: self.playing,
            leader: cluster.leader.map(|node| node.to_string()),
            nodes: nodes.collect(),
        }
    }

    /// 16 hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        format!("{:016x}", self.world.fingerprint())
    }

    /// The link to this moment.
    pub fn link(&self) -> Result<String, Refusal> {
        self.link_to(self.world.event(), Some(self.world.fingerprint()))
    }

    /// The link to the moment before an event; it knows no fingerprint of that moment.
    pub fn link_before(&self, event: u64) -> Result<String, Refusal> {
        self.link_to(event.saturating_sub(1).min(self.world.event()), None)
    }

    fn link_to(&self, event: u64, fingerprint: Option<u64>) -> Result<String, Refusal> {
        if !self.world.remembers_all() {
            let message = "this session's recorded actions are lost: there is no link to it";
            return Err(Refusal::NotPossible { message: message.to_string() });
        }
        Link::new(self.world.recorded(), event, fingerprint, String::new())
            .encode()
            .map_err(|error| Refusal::Link { message: error.to_string() })
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Leader => "leader",
        Role::Follower => "follower",
        Role::Candidate => "candidate",
        Role::PreCandidate => "pre-candidate",
    }
}

fn said(answer: console::Answer) -> Answer {
    let console::Answer { ok, output, error, took_ns } = answer;
    Answer::Console(ConsoleAnswer { ok, output, error, took_ns })
}

/// The line as the world takes it: a client command typed at a server's prompt goes to that server.
pub(super) fn addressed(at: Option<Node>, line: String) -> String {
    let verb = line.split_whitespace().next().and_then(find_verb);
    match (at, verb) {
        (Some(node), Some(verb)) if verb.group == Group::Client && verb.name != "on" => {
            format!("on {node} {line}")
        }
        _ => line,
    }
}

/// All that can be typed, by name.
pub fn usages() -> Vec<Usage> {
    let usage = |verb: &sim::scenario::Verb| Usage {
        name: verb.name.to_owned(),
        usage: verb.usage.to_owned(),
    };
    let mut usages: Vec<Usage> = verbs().map(usage).collect();
    ordered::sort_by(&mut usages, |one, other| one.name.cmp(&other.name));
    usages
}

/// A line that the language does not know.
pub fn syntax(error: &sim::scenario::ParseError) -> Refusal {
    let whole = error.to_string();
    let message = whole.split_once(": ").map_or(whole.as_str(), |(_, rest)| rest).to_string();
    Refusal::Syntax { line: error.line, column: error.column, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_client_commands_follow_the_prompt() {
        let at = Some(Node(2));
        assert_eq!(addressed(at, "put a 1".into()), "on n2 put a 1");
        assert_eq!(addressed(at, "crash n1".into()), "crash n1");
        assert_eq!(addressed(at, "on n1 get a".into()), "on n1 get a");
        assert_eq!(addressed(at, "nonsense".into()), "nonsense");
        assert_eq!(addressed(None, "put a 1".into()), "put a 1");
    }
}
