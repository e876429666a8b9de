//! The page: one screen, fixed places, every panel a view of plain data that the worker sends.
//!
//! What it knows is `state::Page`, changed by one pure function; what is drawn from it are small
//! components that compare two pointers to see that they have nothing to do. Geometry, motion,
//! completion and key bindings are pure as well and tested on the host. No consensus, storage or
//! scenario logic lives here: a click becomes a line of the scenario language and goes to the worker.

mod app;
mod cards;
mod chain;
mod completion;
mod console;
mod glyph;
mod keyboard;
mod log;
mod motion;
mod notice;
mod outside;
mod promises;
mod quantity;
mod reading;
mod ring;
mod scene;
mod server;
mod stage;
mod state;
mod tabs;
mod topbar;
mod trail;
mod transcript;
mod transport;
mod watches;
mod wire;
mod words;

/// Mounts the page in place of the text of `index.html`.
pub fn start() {
    console_error_panic_hook::set_once();
    let document = web_sys::window().and_then(|window| window.document());
    if let Some(root) = document.and_then(|document| document.get_element_by_id("app")) {
        yew::Renderer::<app::App>::with_root(root).render();
    }
}
