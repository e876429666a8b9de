//! The directory that is open, over the laboratory, which goes on behind it as it was.

mod damage;
mod files;
mod keys;
mod pages;
mod reader;
mod records;
mod state;
mod window;

use std::rc::Rc;

use wasm_bindgen::JsCast;
use web_sys::{File, HtmlElement, HtmlInputElement};
use yew::prelude::*;

use crate::api::Imported;
use crate::reader::protocol::{Overview, Topic};

use super::glyph::Icon;
use super::quantity::count;
use super::wire::{Wire, use_wire};
use super::words;

pub(crate) use files::use_drop;
pub(crate) use reader::Reader;
use state::{Directory, Look};
pub(crate) use state::{ReadTurn, Reading};

/// What `importFile` does.
pub(crate) fn importer(reader: &Reader) -> impl Fn(File) -> Imported + 'static {
    let reader = reader.clone();
    move |file| {
        let reader = reader.clone();
        Box::pin(async move { reader.open(file.name(), vec![(file.name(), file)]).await })
    }
}

/// What is shown.
#[derive(Properties, PartialEq)]
pub(crate) struct Props {
    /// The directory.
    pub(crate) reading: Rc<Reading>,
}

/// The directory over the laboratory; takes the focus while it is there.
#[component]
pub(crate) fn ReadingCard(props: &Props) -> Html {
    let wire = use_wire();
    let screen = use_node_ref();
    let covers = props.reading.covers();
    {
        let screen = screen.clone();
        use_effect_with(covers, move |_| {
            if let Some(screen) = screen.cast::<HtmlElement>() {
                // An element that is on the page can be focused.
                let _ = screen.focus();
            }
        });
    }
    let label = match &*props.reading {
        Reading::Closed => return html! {},
        Reading::Open(directory) => directory.overview.name.clone(),
        Reading::Choosing | Reading::Opening(_) | Reading::Refused(..) => {
            words::OPEN_CARD.to_owned()
        }
    };
    html! {
        <div class="reading" ref={screen} role="dialog" aria-modal="true" aria-label={label} tabindex="-1">
            { match &*props.reading {
                Reading::Closed => html! {},
                Reading::Choosing => waiting(&wire, words::OPEN_CARD, &choice(&wire)),
                Reading::Opening(name) => waiting(&wire, words::OPENING_FILE, &html! { <p role="status">{ format!("{name} …") }</p> }),
                Reading::Refused(name, why) => waiting(&wire, words::OPEN_REFUSED, &refused(&wire, name, why)),
                Reading::Open(directory) => open(&wire, directory),
            } }
        </div>
    }
}

fn close(wire: &Wire) -> Html {
    let reader = wire.reader().clone();
    html! {
        <button aria-label={words::BACK_TO_LABORATORY} onclick={Callback::from(move |_| reader.close())}>
            { Icon::Close.draw() }<span class="word">{ words::BACK_TO_LABORATORY }</span>
        </button>
    }
}

fn waiting(wire: &Wire, title: &'static str, inside: &Html) -> Html {
    html! {
        <div class="reading-card">
            <h2>{ title }</h2>
            { inside.clone() }
            <div class="foot">{ close(wire) }</div>
        </div>
    }
}

fn refused(wire: &Wire, name: &str, why: &str) -> Html {
    html! {
        <>
            <p class="fatal" role="alert"><b>{ format!("✖ {name}: ") }</b>{ why }</p>
            { choice(wire) }
        </>
    }
}

fn choice(wire: &Wire) -> Html {
    let chosen = |wire: &Wire| {
        let reader = wire.reader().clone();
        Callback::from(move |event: Event| {
            let input =
                event.target().and_then(|target| target.dyn_into::<HtmlInputElement>().ok());
            if let Some(files) = input.and_then(|input| input.files()) {
                files::open_list(&reader, &files);
            }
        })
    };
    html! {
        <>
            <p>{ words::OPEN_TEXT }</p>
            <div class="choices">
                <label class="choice strong">{ words::OPEN_FILE }
                    <input type="file" class="only-heard" onchange={chosen(wire)} />
                </label>
                <label class="choice">{ words::OPEN_FOLDER }
                    <input type="file" class="only-heard" webkitdirectory=true onchange={chosen(wire)} />
                </label>
            </div>
        </>
    }
}

fn open(wire: &Wire, directory: &Directory) -> Html {
    html! {
        <>
            <header class="reading-head">
                <div class="who">
                    <h2>{ &directory.overview.name }</h2>
                    <span class="role">{ &directory.overview.kind }</span>
                </div>
                { looks(wire, directory) }
                { close(wire) }
            </header>
            if let Some(why) = &directory.refused { <p class="fatal" role="alert">{ why }</p> }
            <div class="reading-body" data-look={look_id(directory.look)} role="tabpanel" tabindex="0" aria-label={look_word(directory.look)}>
                { match directory.look {
                    Look::Summary => summary(&directory.overview),
                    Look::Damage => damage::draw(wire, directory),
                    Look::Records => html! { <records::RecordList total={directory.overview.records} window={directory.records.clone()} record={directory.record.clone()} /> },
                    Look::Keys => keys::draw(wire, directory),
                    Look::Pages => html! { <pages::PieceList files={directory.overview.files.clone()} window={directory.pieces.clone()} piece={directory.one_piece.clone()} /> },
                } }
            </div>
        </>
    }
}

const LOOKS: [Look; 5] = [Look::Summary, Look::Damage, Look::Records, Look::Keys, Look::Pages];

fn look_id(look: Look) -> &'static str {
    match look {
        Look::Summary => "summary",
        Look::Damage => "damage",
        Look::Records => "records",
        Look::Keys => "keys",
        Look::Pages => "records pages",
    }
}

fn look_word(look: Look) -> &'static str {
    match look {
        Look::Summary => "Summary",
        Look::Damage => "Damage",
        Look::Records => "Records",
        Look::Keys => "Keys",
        Look::Pages => "Pages",
    }
}

/// The tabs; that of damage says how much there is.
fn looks(wire: &Wire, directory: &Directory) -> Html {
    let found = directory.verdict.as_ref().map(|found| found.damage_total + found.lost_total);
    let badge = |look| match (look, found) {
        (Look::Damage, Some(0)) => html! { <span class="badge agreed">{ "✓" }</span> },
        (Look::Damage, Some(found)) => {
            html! { <span class="badge broken">{ format!("✗ {}", count(found)) }</span> }
        }
        _ => html! {},
    };
    let tab = |look: Look| {
        let reader = wire.reader().clone();
        let choose = Callback::from(move |_| reader.turn(ReadTurn::Look(look)));
        html! {
            <button role="tab" aria-selected={(directory.look == look).to_string()} onclick={choose}>
                { look_word(look) }{ badge(look) }
            </button>
        }
    };
    html! {
        <div class="tabs" role="tablist" aria-label={words::LOOKS}>
            { for LOOKS.into_iter().map(tab) }
        </div>
    }
}

fn summary(overview: &Overview) -> Html {
    let topic = |topic: &Topic| {
        html! {
            <section class="topic" data-topic={topic.title.to_lowercase()}>
                <h3>{ &topic.title }</h3>
                <dl>{ for topic.facts.iter().map(|(name, value)| html! { <div><dt>{ name }</dt><dd>{ value }</dd></div> }) }</dl>
            </section>
        }
    };
    html! { <div class="topics">{ for overview.topics.iter().map(topic) }</div> }
}
