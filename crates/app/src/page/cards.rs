//! Cards over the screen: the link that is shared, help, an engine that stopped.

use sim::check::Violation;
use sim::view::PromiseView;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;
use yew::prelude::*;

use super::glyph::{message_path, role_path};
use super::scene::Part;
use super::state::{Share, Turn};
use super::wire::{Wire, use_wire};
use super::words;

#[derive(Properties, PartialEq)]
struct CardProps {
    title: &'static str,
    #[prop_or_default]
    class: &'static str,
    /// What closing does; a card without it stays.
    #[prop_or_default]
    close: Option<Closing>,
    children: Html,
}

/// What a card's closing turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    Share,
    Help,
    Promises,
}

impl Closing {
    fn turn(self) -> Turn {
        match self {
            Closing::Share => Turn::ShareClosed,
            Closing::Help => Turn::Help(false),
            Closing::Promises => Turn::Promises(false),
        }
    }
}

/// A card takes the focus when it opens and gives it back when it closes. What lies behind it is
/// inert meanwhile (see `app`), and Escape closes it (see `outside`).
#[component]
fn Card(props: &CardProps) -> Html {
    let wire = use_wire();
    let card = use_node_ref();
    {
        let card = card.clone();
        use_effect_with((), move |()| {
            let before = card.cast::<HtmlElement>().and_then(|card| take_focus(&card));
            move || {
                if let Some(before) = before {
                    // What has left the page meanwhile is not focused, and that is fine.
                    let _ = before.focus();
                }
            }
        });
    }
    html! {
        <div class="veil">
            <div class={classes!("card", props.class)} ref={card} role="dialog" aria-modal="true" aria-label={props.title} tabindex="-1">
                <h2>{ props.title }</h2>
                { props.children.clone() }
                if let Some(close) = props.close {
                    <div class="foot"><button onclick={wire.turning(move |_| close.turn())}>{ words::CLOSE }</button></div>
                }
            </div>
        </div>
    }
}

/// Focuses a card; gives what had the focus before.
fn take_focus(card: &HtmlElement) -> Option<HtmlElement> {
    let before = card.owner_document().and_then(|document| document.active_element());
    // An element that is on the page can be focused.
    let _ = card.focus();
    before.and_then(|before| before.dyn_into().ok())
}

/// What the share card shows.
#[derive(Properties, PartialEq)]
pub(crate) struct ShareProps {
    /// How far it is.
    pub(crate) share: Share,
}

/// The link, or why there is none.
#[component]
pub(crate) fn ShareCard(props: &ShareProps) -> Html {
    let wire = use_wire();
    let inside = match &props.share {
        Share::Closed => return html! {},
        Share::Asked(_) => html! { <p role="status">{ words::SHARE_WAIT }</p> },
        Share::Refused(why) => html! { <><p>{ words::SHARE_REFUSED }</p><pre>{ why }</pre></> },
        Share::Made { hash, copied } => made(&wire, hash, *copied),
    };
    html! { <Card title={words::SHARE_TITLE} close={Closing::Share}>{ inside }</Card> }
}

fn made(wire: &Wire, hash: &str, copied: Option<bool>) -> Html {
    html! {
        <>
            <p>{ words::SHARE_TEXT }</p>
            { link_box(wire, whole(hash), copied == Some(true)) }
            if copied == Some(false) { <p role="status">{ words::SHARE_BY_HAND }</p> }
        </>
    }
}

/// The address of this page with a link's hash.
pub(crate) fn whole(hash: &str) -> String {
    let address = web_sys::window().and_then(|window| window.location().href().ok());
    let address = address.unwrap_or_default();
    let before = address.split('#').next().unwrap_or_default();
    format!("{before}{hash}")
}

fn link_box(wire: &Wire, link: String, copied: bool) -> Html {
    let (wire, shown) = (wire.clone(), link.clone());
    let click = Callback::from(move |_| copy(&wire, link.clone()));
    html! {
        <div class="link-box">
            <input readonly=true aria-label={words::LINK} value={shown} />
            <button class="strong" onclick={click}>{ if copied { words::COPIED } else { words::COPY } }</button>
        </div>
    }
}

/// Puts a link into the clipboard and tells the page whether that worked.
pub(crate) fn copy(wire: &Wire, link: String) {
    let wire = wire.clone();
    wasm_bindgen_futures::spawn_local(async move {
        let done = match web_sys::window() {
            // There is no clipboard where the page is not served securely.
            Some(window) if window.is_secure_context() => {
                let write = window.navigator().clipboard().write_text(&link);
                wasm_bindgen_futures::JsFuture::from(write).await.is_ok()
            }
            _ => false,
        };
        wire.turn(Turn::Copied(done));
    });
}

/// The promises of the cluster.
pub(crate) fn promises(wire: &Wire, promises: &[PromiseView], violations: &[Violation]) -> Html {
    html! {
        <Card title={words::PROMISES_TITLE} class="promises-card" close={Closing::Promises}>
            { super::promises::list(wire, promises, violations) }
        </Card>
    }
}

/// Help: keys, shapes, colours.
pub(crate) fn help() -> Html {
    html! {
        <Card title={words::HELP} class="help-card" close={Closing::Help}>
            <p>{ words::HELP_ABOUT }</p>
            <div class="columns">
                <div>
                    <h3>{ words::HELP_KEYS }</h3>
                    <dl>{ for words::KEYS.iter().map(|(keys, does)| html! {
                        <><dt>{ for keys.split(' ').map(|key| html! { <kbd>{ key }</kbd> }) }</dt><dd>{ *does }</dd></>
                    }) }</dl>
                </div>
                <div>{ shapes() }</div>
            </div>
            <p>{ words::HELP_COLOURS }</p>
        </Card>
    }
}

fn shapes() -> Html {
    let parts = [Part::Leader, Part::Candidate, Part::Follower, Part::Down];
    html! {
        <>
            <h3>{ words::HELP_SERVERS }</h3>
            <dl>{ for parts.into_iter().zip(words::SHAPES).map(|(part, (class, word))| html! {
                <><dt><svg viewBox="-12 -12 24 24" aria-hidden="true"><g class={classes!("node", class)}><path class="glyph" d={role_path(part, 8.0)} /></g></svg></dt><dd>{ word }</dd></>
            }) }</dl>
            <h3 class="second">{ words::HELP_MESSAGES }</h3>
            <dl>{ for words::MESSAGES.iter().map(|(class, reply, letter, word)| html! {
                <><dt><svg viewBox="-13 -13 26 26" aria-hidden="true"><g class={classes!("msg", *class, reply.then_some("reply"))}><path class="shape" d={message_path(class)} /><text>{ *letter }</text></g></svg></dt><dd>{ *word }</dd></>
            }) }</dl>
        </>
    }
}

/// The engine met a bug of ours: what the panic said, and the link that replays the run.
pub(crate) fn stopped(message: &str, link: Option<&str>) -> Html {
    let reload = Callback::from(|_| {
        if let Some(window) = web_sys::window() {
            // A page that may run may reload.
            let _ = window.location().reload();
        }
    });
    html! {
        <Card title={words::STOPPED_TITLE}>
            <p role="alert">{ words::STOPPED_TEXT }</p>
            <pre>{ message }</pre>
            if let Some(link) = link {
                <p>{ words::STOPPED_LINK }</p>
                <a href={link.to_owned()}>{ crate::page::cards::whole(link) }</a>
            }
            <div class="foot"><button class="strong" onclick={reload}>{ words::RELOAD }</button></div>
        </Card>
    }
}
