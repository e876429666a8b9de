//! Where everything that moves is now: messages between frames, timers between ticks.
//!
//! The worker sends pictures now and then; the screen draws sixty times a second. [`Motion`] keeps a
//! display time that runs at the speed of the world, a little behind the newest picture, so that a
//! message glides instead of jumping and is still there to land when a picture no longer has it.
//! Virtual times are nanoseconds, real ones the milliseconds of `performance.now()`.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;

use sim::view::{ClusterView, Endpoint, MessageClass, MessageView, Timer};

use crate::protocol::Playback;

/// Real time that the display stays behind the newest picture.
const LAG_MS: f64 = 60.0;
/// Real time after which the display no longer catches up gently but jumps.
const JUMP_MS: f64 = 400.0;
/// Share of the distance to the wanted time that one drawing closes.
const PULL: f64 = 0.12;
/// More messages are not drawn: a stage with so many shows nothing any more.
const FLIGHTS_MAX: usize = 400;

/// The motion of a page, as the components hold it: always the same one.
#[derive(Clone, Default)]
pub(crate) struct SharedMotion(Rc<RefCell<Motion>>);

impl SharedMotion {
    /// The motion, to read or to move on.
    pub(crate) fn hold(&self) -> RefMut<'_, Motion> {
        self.0.borrow_mut()
    }
}

impl PartialEq for SharedMotion {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

/// A message on its way.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Flight {
    /// Unique in a run.
    pub(crate) id: u64,
    /// Sender.
    pub(crate) from: Endpoint,
    /// Receiver.
    pub(crate) to: Endpoint,
    /// How it is drawn.
    pub(crate) look: Look,
    /// When it left.
    pub(crate) sent_ns: u64,
    /// When it arrives, if nothing stops it.
    pub(crate) arrives_ns: u64,
    /// When it was gone from the world without arriving.
    pub(crate) lost_ns: Option<u64>,
}

/// How a message is drawn: a shape and a letter, and a colour that repeats what they say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    /// Class name in `stage.css`, and its shape.
    pub(crate) class: &'static str,
    /// Its letter.
    pub(crate) letter: &'static str,
    /// Whether it answers: hollow.
    pub(crate) reply: bool,
}

impl Look {
    /// The look of a message.
    pub(crate) fn of(message: &MessageView) -> Look {
        let (class, letter) = match message.class {
            MessageClass::Vote => ("vote", "V"),
            MessageClass::Append | MessageClass::AppendResponse => ("append", "A"),
            MessageClass::Heartbeat => ("heartbeat", "H"),
            MessageClass::Proposal => ("client", "P"),
            MessageClass::Read => ("heartbeat", "I"),
            MessageClass::Request => ("client", "Q"),
            MessageClass::Reply => ("client", "R"),
            MessageClass::Other => ("heartbeat", "·"),
        };
        let answers = matches!(message.class, MessageClass::AppendResponse | MessageClass::Reply);
        Look { class, letter, reply: answers || message.kind.ends_with("Resp") }
    }
}

/// The display's own time and what flies in it.
#[derive(Debug, Default)]
pub(crate) struct Motion {
    display_ns: f64,
    newest_ns: u64,
    received_ms: f64,
    drawn_ms: f64,
    /// Virtual nanoseconds in a real millisecond; 0 while time stands.
    rate: f64,
    flights: Vec<Flight>,
}

impl Motion {
    /// Takes in a picture that arrived at `now_ms`.
    pub(crate) fn observe(&mut self, cluster: &ClusterView, playback: Playback, now_ms: f64) {
        if cluster.now_ns < self.newest_ns || self.newest_ns == 0 {
            self.flights.clear();
            self.display_ns = nanoseconds(cluster.now_ns);
        }
        self.newest_ns = cluster.now_ns;
        self.received_ms = now_ms;
        self.rate = rate(playback);
        self.note_lost(cluster);
        for message in &cluster.messages {
            self.note(message);
        }
    }

    /// Moves the display's time to the drawing at `now_ms`.
    pub(crate) fn advance(&mut self, now_ms: f64) {
        let passed_ms = (now_ms - self.drawn_ms).clamp(0.0, JUMP_MS);
        self.drawn_ms = now_ms;
        let newest = nanoseconds(self.newest_ns);
        let since_ms = (now_ms - self.received_ms).clamp(0.0, LAG_MS);
        let wanted = (newest + (since_ms - LAG_MS) * self.rate).min(newest);
        let expected = self.display_ns + passed_ms * self.rate;
        let away = wanted - expected;
        let pulled = if away.abs() > JUMP_MS * self.rate { wanted } else { expected + away * PULL };
        self.display_ns = pulled.max(self.display_ns.min(newest)).min(newest);
        let display = self.display_ns;
        self.flights.retain(|flight| nanoseconds(flight.gone_ns()) > display);
    }

    /// The time that the screen shows.
    pub(crate) fn display_ns(&self) -> f64 {
        self.display_ns
    }

    /// Whether the next drawing would differ from this one.
    pub(crate) fn moves(&self) -> bool {
        self.rate > 0.0 || self.display_ns < nanoseconds(self.newest_ns)
    }

    /// Messages that have left by the display's time, and how far they are, from 0 to 1.
    pub(crate) fn flying(&self) -> impl Iterator<Item = (&Flight, f64)> {
        self.flights.iter().filter_map(|flight| {
            let share = flight.share(self.display_ns);
            (0.0..1.0).contains(&share).then_some((flight, share))
        })
    }

    fn note(&mut self, message: &MessageView) {
        let known = self.flights.iter().any(|flight| flight.id == message.id);
        if known || self.flights.len() >= FLIGHTS_MAX {
            return;
        }
        self.flights.push(Flight {
            id: message.id,
            from: message.from,
            to: message.to,
            look: Look::of(message),
            sent_ns: message.sent_ns,
            arrives_ns: message.arrives_ns,
            lost_ns: None,
        });
    }

    /// What is no longer in the world before its time to arrive was cut off on its way.
    fn note_lost(&mut self, cluster: &ClusterView) {
        for flight in &mut self.flights {
            let early = flight.arrives_ns > cluster.now_ns && flight.lost_ns.is_none();
            if early && !cluster.messages.iter().any(|message| message.id == flight.id) {
                flight.lost_ns = Some(cluster.now_ns);
            }
        }
    }
}

impl Flight {
    fn gone_ns(&self) -> u64 {
        self.lost_ns.unwrap_or(self.arrives_ns)
    }

    fn share(&self, display_ns: f64) -> f64 {
        let way = nanoseconds(self.arrives_ns.saturating_sub(self.sent_ns).max(1));
        (display_ns - nanoseconds(self.sent_ns)) / way
    }
}

/// How much of a countdown has run out at a display time, from 0 to 1; ticks come every `tick_ns`.
pub(crate) fn run_out(timer: Timer, next_tick_ns: u64, tick_ns: u64, display_ns: f64) -> f64 {
    if timer.timeout == 0 || tick_ns == 0 {
        return 0.0;
    }
    let to_next = (nanoseconds(next_tick_ns) - display_ns) / nanoseconds(tick_ns);
    let ticks = f64::from(timer.elapsed) + (1.0 - to_next).clamp(0.0, 1.0);
    (ticks / f64::from(timer.timeout)).clamp(0.0, 1.0)
}

fn rate(playback: Playback) -> f64 {
    if playback.playing && !playback.stalled {
        f64::from(playback.speed.num) / f64::from(playback.speed.den.max(1)) * 1e6
    } else {
        0.0
    }
}

/// Virtual times stay far below 2⁵³ ns (104 days), where `f64` is exact.
#[expect(clippy::cast_precision_loss, reason = "drawing needs no nanosecond")]
fn nanoseconds(time: u64) -> f64 {
    time as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Speed;
    use sim::scenario::Node;

    const MS: u64 = 1_000_000;

    fn playing() -> Playback {
        Playback { playing: true, speed: Speed { num: 1, den: 10 }, ..Playback::default() }
    }

    fn message(id: u64, sent_ns: u64, arrives_ns: u64) -> MessageView {
        MessageView {
            id,
            from: Endpoint::Node(Node(1)),
            to: Endpoint::Node(Node(2)),
            class: MessageClass::Append,
            kind: "MsgApp".into(),
            term: 1,
            label: String::new(),
            sent_ns,
            arrives_ns,
        }
    }

    fn cluster(now_ns: u64, messages: Vec<MessageView>) -> ClusterView {
        ClusterView { now_ns, messages, ..ClusterView::default() }
    }

    #[test]
    fn a_message_glides_and_lands_though_the_next_picture_has_it_no_more() {
        let mut motion = Motion::default();
        motion.observe(&cluster(100 * MS, vec![message(1, 100 * MS, 110 * MS)]), playing(), 0.0);
        let mut last = -1.0;
        for frame in 1..20_u32 {
            let real = f64::from(frame) * 16.0;
            let now_ns = 100 * MS + u64::from(frame) * 1_600_000;
            let messages =
                if now_ns < 110 * MS { vec![message(1, 100 * MS, 110 * MS)] } else { vec![] };
            motion.observe(&cluster(now_ns, messages), playing(), real);
            motion.advance(real);
            if let Some((_, share)) = motion.flying().next() {
                assert!(share >= last, "it never goes back: {share} after {last}");
                last = share;
            }
        }
        assert!(last > 0.8, "it was seen close to its end, at {last}");
        assert_eq!(motion.flying().count(), 0);
    }

    #[test]
    fn a_message_that_is_cut_off_disappears_on_its_way() {
        let mut motion = Motion::default();
        motion.observe(&cluster(MS, vec![message(1, MS, 9 * MS)]), Playback::default(), 0.0);
        motion.observe(&cluster(4 * MS, vec![]), Playback::default(), 10.0);
        for frame in 1..400 {
            motion.advance(10.0 + f64::from(frame) * 16.0);
        }
        assert_eq!(motion.flying().count(), 0);
    }

    #[test]
    fn the_display_never_runs_ahead_of_the_world() {
        let mut motion = Motion::default();
        motion.observe(&cluster(5 * MS, vec![]), playing(), 0.0);
        for frame in 0..100 {
            motion.advance(f64::from(frame) * 16.0);
            assert!(motion.display_ns() <= 5e6);
        }
    }

    #[test]
    fn another_run_starts_at_its_own_time() {
        let mut motion = Motion::default();
        motion.observe(&cluster(900 * MS, vec![message(1, 890 * MS, 990 * MS)]), playing(), 0.0);
        motion.observe(&cluster(MS, vec![]), playing(), 16.0);
        assert!((motion.display_ns() - 1e6).abs() < 1.0);
        assert_eq!(motion.flying().count(), 0);
    }

    #[test]
    fn a_timer_fills_between_ticks() {
        let timer = Timer { elapsed: 4, timeout: 10 };
        let at = |display| run_out(timer, 100, 50, display);
        assert!((at(50.0) - 0.4).abs() < 1e-9);
        assert!((at(75.0) - 0.45).abs() < 1e-9);
        assert!((at(100.0) - 0.5).abs() < 1e-9);
        assert!(run_out(Timer::default(), 100, 50, 60.0).abs() < 1e-9);
    }
}
