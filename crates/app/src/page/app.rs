//! The whole page: the reducer, the worker's handle, and where each panel stands.

use std::rc::Rc;

use yew::prelude::*;

use crate::bridge::{Bridge, Word};

use super::cards::{self, ShareCard};
use super::console::Console;
use super::log::EventLog;
use super::motion::SharedMotion;
use super::notice::{Notices, Props as NoticeProps};
use super::outside;
use super::promises::Tally;
use super::reading::{self, ReadingCard};
use super::scene::Scene;
use super::server::Server;
use super::stage::Stage;
use super::state::{Engine, Page, Panel, Turn};
use super::tabs::Tabs;
use super::topbar::TopBar;
use super::trail::TrailStrip;
use super::transport::Transport;
use super::wire::Wire;
use super::words;

/// The page.
#[component]
pub(crate) fn App() -> Html {
    let page = use_reducer(|| Page::themed(outside::stored_theme()));
    let motion = (*use_state(SharedMotion::default)).clone();
    let wire = use_worker(&page, &motion);
    outside::use_theme(page.theme);
    outside::use_keyboard(&page, &wire);
    outside::use_address(&page, &wire);
    outside::use_clipboard(&page, &wire);
    use_selection(&page, &wire);
    reading::use_drop(wire.reader());
    html! {
        <ContextProvider<Wire> context={wire.clone()}>
            <main class="screen" data-panel={page.panel.id()} inert={page.covered()}>{ panels(&page, &motion) }</main>
            { over(&page, &wire) }
            <p class="only-heard" role="status" aria-live="polite">{ &page.said }</p>
        </ContextProvider<Wire>>
    }
}

/// Starts the worker once and hands what it says to the page.
#[hook]
fn use_worker(page: &UseReducerHandle<Page>, motion: &SharedMotion) -> Wire {
    let (turns, motion) = (page.dispatcher(), motion.clone());
    let wire = use_state(move || {
        let heard = turns.clone();
        let bridge = Bridge::start(outside::link(), move |word| match word {
            Word::Event(event) => heard.dispatch(Turn::Told(event)),
            Word::Frame(frame) => {
                let now_ms = outside::now_ms();
                motion.hold().observe(&frame.view.cluster, frame.playback, now_ms);
                heard.dispatch(Turn::Drawn(frame));
            }
        });
        match bridge {
            Ok(bridge) => {
                let wire = Wire::new(turns, Some(bridge.clone()));
                outside::offer_api(&bridge, reading::importer(wire.reader()));
                wire
            }
            Err(error) => {
                turns.dispatch(Turn::Failed(format!("{error:?}")));
                Wire::new(turns, None)
            }
        }
    });
    (*wire).clone()
}

/// Tells the worker what the panels look at, whenever that changes.
#[hook]
fn use_selection(page: &Page, wire: &Wire) {
    let wire = wire.clone();
    use_effect_with(page.selection(), move |selection| {
        if selection.node.is_some() {
            wire.send(crate::protocol::Command::Select(selection.clone()));
        }
    });
}

fn panels(page: &Page, motion: &SharedMotion) -> Html {
    let notices = NoticeProps {
        opening: page.opening.clone(),
        storage: page.storage.clone(),
        refusal: page.refusal.clone().map(AttrValue::from),
        violation: page.new_violation().cloned(),
        visiting: page.visiting(),
    };
    let covered = notices.any();
    let scene = page.scene.as_ref();
    html! {
        <>
            <TopBar title={scene.map(title)} storage={page.storage.clone()} theme={page.theme} />
            { transport(scene) }
            { stage(page, motion, covered) }
            <Notices ..notices />
            <Tabs class="panel-tabs" panels={&Panel::ALL[..]} shown={page.panel} label={words::PANELS} />
            <Server node={page.looked_at().cloned().map(Rc::new)} depth={page.depth().cloned()} tab={page.tab}
                record={page.record} entry={page.entry} open_keys={page.open_keys.clone()} />
            <TrailStrip trail={scene.and_then(|scene| scene.trail.clone())} servers={scene.map_or(0, |scene| scene.nodes.len())} />
            <Console transcript={page.console.clone()} verbs={page.verbs.clone()} servers={page.servers.clone()} keys={page.keys.clone()}
                clients={scene.map(|scene| scene.clients.clone())}
                promises={scene.map(|scene| Tally::of(&scene.promises)).unwrap_or_default()} />
            <EventLog log={scene.map(|scene| scene.log.clone()).unwrap_or_default()} />
        </>
    }
}

fn title(scene: &Scene) -> String {
    words::cluster(scene.nodes.len())
}

fn transport(scene: Option<&Scene>) -> Html {
    let (playback, now_ns, event) =
        scene.map_or_else(Default::default, |scene| (scene.playback, scene.now_ns, scene.event));
    html! { <Transport {playback} {now_ns} {event} ready={scene.is_some()} /> }
}

fn stage(page: &Page, motion: &SharedMotion, noticed: bool) -> Html {
    let Some(scene) = &page.scene else {
        let waits = page.engine == Engine::Starting || !noticed;
        return html! {
            <section class="stage"><div class="empty"><p>{ waits.then_some(words::STARTING) }</p></div></section>
        };
    };
    html! {
        <Stage scene={scene.clone()} selected={page.looked_at().map(|node| node.node)}
            marked={page.marked.clone()} partition={page.partition_line().map(AttrValue::from)}
            hint={page.hint()} motion={motion.clone()} {noticed} />
    }
}

fn over(page: &Page, wire: &Wire) -> Html {
    html! {
        <>
            if let Some(scene) = page.scene.as_ref().filter(|_| page.promises) {
                { cards::promises(wire, &scene.promises, &scene.violations) }
            }
            <ReadingCard reading={page.reading.clone()} />
            <ShareCard share={page.share.clone()} />
            if page.help { { cards::help() } }
            if let Engine::Stopped { message, link } = &page.engine {
                { cards::stopped(message, link.as_deref()) }
            }
        </>
    }
}
