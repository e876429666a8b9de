//! What moves: messages and timers, drawn sixty times a second past the virtual DOM.
//!
//! The component renders two empty groups once. A drawing reuses the elements of the last one,
//! moves them by their own transform objects, and touches an attribute only when it changed.

use std::cell::RefCell;
use std::rc::Rc;

use ordered::Map;
use sim::scenario::Node;
use sim::view::{Endpoint, NodeView, Timer};
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{Document, Element, SvgGraphicsElement, SvgTransform, SvgsvgElement, Window};
use yew::prelude::*;

use crate::page::glyph::message_path;
use crate::page::motion::{Look, Motion, SharedMotion, run_out};
use crate::page::ring::{Point, Ring};
use crate::page::scene::Part;

/// What is drawn.
#[derive(Properties, PartialEq)]
pub(super) struct Props {
    pub(super) ring: Rc<Ring>,
    pub(super) motion: SharedMotion,
    pub(super) nodes: Rc<Vec<NodeView>>,
    pub(super) tick_ns: u64,
}

#[component]
pub(super) fn Moving(props: &Props) -> Html {
    let (timers, messages) = (use_node_ref(), use_node_ref());
    let cast = use_mut_ref(Cast::default);
    {
        let mut cast = cast.borrow_mut();
        cast.ring = Rc::clone(&props.ring);
        cast.nodes = Rc::clone(&props.nodes);
        cast.tick_ns = props.tick_ns;
        cast.changed = true;
    }
    let motion = props.motion.clone();
    let groups = (timers.clone(), messages.clone());
    use_effect_with((), move |()| {
        let running = Running::start(&groups.0, &groups.1, cast, motion);
        move || drop(running)
    });
    html! { <><g ref={timers} aria-hidden="true" /><g ref={messages} aria-hidden="true" /></> }
}

/// Who stands where, as the last rendering said.
struct Cast {
    ring: Rc<Ring>,
    nodes: Rc<Vec<NodeView>>,
    tick_ns: u64,
    changed: bool,
}

impl Default for Cast {
    fn default() -> Self {
        let ring = Rc::new(Ring::new(0, crate::page::ring::Extent::default()));
        Cast { ring, nodes: Rc::default(), tick_ns: 0, changed: true }
    }
}

/// The drawing loop; ends when dropped.
struct Running {
    window: Window,
    frame: Rc<RefCell<Option<i32>>>,
    _callback: Callbacks,
}

type Callbacks = Rc<RefCell<Option<Closure<dyn FnMut(f64)>>>>;

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(frame) = self.frame.borrow_mut().take() {
            // The window that gave the number takes it back.
            let _ = self.window.cancel_animation_frame(frame);
        }
    }
}

impl Running {
    fn start(
        timers: &NodeRef,
        messages: &NodeRef,
        cast: Rc<RefCell<Cast>>,
        motion: SharedMotion,
    ) -> Option<Running> {
        let window = web_sys::window()?;
        let mut easel = Easel::new(timers.cast()?, messages.cast()?)?;
        let frame = Rc::new(RefCell::new(None));
        let callback: Callbacks = Rc::default();
        let (again, next, view) = (Rc::clone(&callback), Rc::clone(&frame), window.clone());
        *callback.borrow_mut() = Some(Closure::new(move |now_ms| {
            easel.draw(&mut cast.borrow_mut(), &mut motion.hold(), now_ms);
            *next.borrow_mut() = request(&view, &again);
        }));
        *frame.borrow_mut() = request(&window, &callback);
        Some(Running { window, frame, _callback: callback })
    }
}

fn request(window: &Window, callback: &Callbacks) -> Option<i32> {
    let callback = callback.borrow();
    window.request_animation_frame(callback.as_ref()?.as_ref().unchecked_ref()).ok()
}

/// The two groups and the elements in them.
struct Easel {
    document: Document,
    svg: SvgsvgElement,
    timers: Element,
    messages: Element,
    arcs: Vec<Arc>,
    /// By flight.
    tokens: Map<u64, Token>,
    spare: Vec<Token>,
    /// Which drawing this is; what the last one did not touch has landed.
    drawing: u32,
    /// The visitor asked for less motion: messages stand halfway.
    still: bool,
}

impl Easel {
    fn new(timers: Element, messages: Element) -> Option<Easel> {
        let document = timers.owner_document()?;
        let svg = timers.closest("svg").ok()??.dyn_into().ok()?;
        let still = web_sys::window()?
            .match_media("(prefers-reduced-motion: reduce)")
            .ok()
            .flatten()
            .is_some_and(|query| query.matches());
        Some(Easel {
            document,
            svg,
            timers,
            messages,
            arcs: Vec::new(),
            tokens: Map::new(),
            spare: Vec::new(),
            drawing: 0,
            still,
        })
    }

    fn draw(&mut self, cast: &mut Cast, motion: &mut Motion, now_ms: f64) {
        if !motion.moves() && !cast.changed {
            motion.advance(now_ms);
            return;
        }
        cast.changed = false;
        motion.advance(now_ms);
        self.draw_timers(cast, motion.display_ns());
        self.draw_messages(cast, motion);
    }

    fn draw_timers(&mut self, cast: &Cast, display_ns: f64) {
        while self.arcs.len() < cast.nodes.len() {
            let Some(arc) = Arc::new(&self.document, &self.timers) else { return };
            self.arcs.push(arc);
        }
        for (n, arc) in self.arcs.iter_mut().enumerate() {
            match (cast.nodes.get(n), cast.ring.places.get(n)) {
                (Some(node), Some(place)) => {
                    arc.stand(*place, cast.ring.radius + 5.0, Part::of(node));
                    arc.fill(Self::share(node, cast.tick_ns, display_ns));
                }
                _ => arc.fill(0.0),
            }
        }
    }

    fn share(node: &NodeView, tick_ns: u64, display_ns: f64) -> f64 {
        match Part::of(node) {
            // A leader's timer is the time to its next heartbeat.
            Part::Leader => {
                let timeout = node.heartbeat.timeout.max(1);
                let heartbeat = Timer { timeout, ..node.heartbeat };
                run_out(heartbeat, node.next_tick_ns, tick_ns, display_ns)
            }
            Part::Follower | Part::Candidate | Part::PreCandidate => {
                run_out(node.election, node.next_tick_ns, tick_ns, display_ns)
            }
            Part::Booting | Part::Down | Part::Failed => 0.0,
        }
    }

    /// A message keeps its element for its whole flight; landed ones give theirs to the next.
    fn draw_messages(&mut self, cast: &Cast, motion: &Motion) {
        self.drawing = self.drawing.wrapping_add(1);
        let (drawing, still) = (self.drawing, self.still);
        for (flight, share) in motion.flying() {
            let Some((from, to)) = way(&cast.ring, flight.from, flight.to) else { continue };
            let Some(token) = self.token(flight.id) else { break };
            let share = if still { 0.5 } else { share };
            token.show(flight.look, from.towards(to, share), drawing);
        }
        let landed = self.tokens.extract_if(|_, token| token.drawing != drawing);
        self.spare.extend(landed.map(|(_, mut token)| {
            token.hide();
            token
        }));
    }

    fn token(&mut self, flight: u64) -> Option<&mut Token> {
        if !self.tokens.contains_key(&flight) {
            let new = || Token::new(&self.document, &self.svg, &self.messages);
            let token = self.spare.pop().or_else(new)?;
            self.tokens.insert(flight, token);
        }
        self.tokens.get_mut(&flight)
    }
}

fn way(ring: &Ring, from: Endpoint, to: Endpoint) -> Option<(Point, Point)> {
    match (from, to) {
        (Endpoint::Node(from), Endpoint::Node(to)) => ring.lane(from.index(), to.index()),
        (Endpoint::Client(client), Endpoint::Node(Node(_))) => {
            let to = server(to)?;
            Some((ring.client(client), ring.rim(to, ring.client(client))?))
        }
        (Endpoint::Node(Node(_)), Endpoint::Client(client)) => {
            let from = server(from)?;
            Some((ring.rim(from, ring.client(client))?, ring.client(client)))
        }
        (Endpoint::Client(_), Endpoint::Client(_)) => None,
    }
}

fn server(endpoint: Endpoint) -> Option<usize> {
    match endpoint {
        Endpoint::Node(node) => Some(node.index()),
        Endpoint::Client(_) => None,
    }
}

const SVG: &str = "http://www.w3.org/2000/svg";

/// A timer: a part of a circle around a server.
struct Arc {
    circle: Element,
    place: Point,
    radius: f64,
    part: Option<Part>,
    /// In thousandths of the circle.
    filled: i32,
}

impl Arc {
    fn new(document: &Document, group: &Element) -> Option<Arc> {
        let circle = document.create_element_ns(Some(SVG), "circle").ok()?;
        set(&circle, "pathLength", "1000");
        set(&circle, "stroke-dasharray", "0 1000");
        group.append_child(&circle).ok()?;
        Some(Arc { circle, place: Point::default(), radius: 0.0, part: None, filled: 0 })
    }

    fn stand(&mut self, place: Point, radius: f64, part: Part) {
        if self.place != place || (self.radius - radius).abs() > 0.01 {
            let Point { x, y } = place;
            set(&self.circle, "r", &format!("{radius:.1}"));
            set(&self.circle, "transform", &format!("translate({x:.1} {y:.1}) rotate(-90)"));
            (self.place, self.radius) = (place, radius);
        }
        if self.part != Some(part) {
            set(&self.circle, "class", &format!("timer {}", part.class()));
            self.part = Some(part);
        }
    }

    fn fill(&mut self, share: f64) {
        #[expect(clippy::cast_possible_truncation, reason = "between 0 and 1000")]
        let filled = (share * 250.0).round() as i32 * 4;
        if filled != self.filled {
            set(&self.circle, "stroke-dasharray", &format!("{filled} 1000"));
            self.filled = filled;
        }
    }
}

/// A message: a shape with a letter.
struct Token {
    group: Element,
    shape: Element,
    letter: Element,
    transform: SvgTransform,
    look: Option<Look>,
    drawing: u32,
}

impl Token {
    fn new(document: &Document, svg: &SvgsvgElement, layer: &Element) -> Option<Token> {
        let create = |name| document.create_element_ns(Some(SVG), name).ok();
        let (group, shape, letter) = (create("g")?, create("path")?, create("text")?);
        set(&shape, "class", "shape");
        group.append_child(&shape).ok()?;
        group.append_child(&letter).ok()?;
        layer.append_child(&group).ok()?;
        let graphics: &SvgGraphicsElement = group.dyn_ref()?;
        let transform =
            graphics.transform().base_val().initialize(&svg.create_svg_transform()).ok()?;
        Some(Token { group, shape, letter, transform, look: None, drawing: 0 })
    }

    #[expect(clippy::cast_possible_truncation, reason = "pixels of a screen")]
    fn show(&mut self, look: Look, at: Point, drawing: u32) {
        self.drawing = drawing;
        if self.look != Some(look) {
            let reply = if look.reply { " reply" } else { "" };
            set(&self.group, "class", &format!("msg {}{reply}", look.class));
            set(&self.group, "visibility", "visible");
            set(&self.shape, "d", message_path(look.class));
            self.letter.set_text_content(Some(look.letter));
            self.look = Some(look);
        }
        // Refused only for a read-only list, which this is not.
        let _ = self.transform.set_translate(at.x as f32, at.y as f32);
    }

    fn hide(&mut self) {
        if self.look.take().is_some() {
            set(&self.group, "visibility", "hidden");
        }
    }
}

fn set(element: &Element, name: &str, value: &str) {
    // Refused only for names that are no names.
    let _ = element.set_attribute(name, value);
}
