//! The page: one screen, fixed places, every panel a view of plain data that the worker sends.

#[cfg(target_arch = "wasm32")]
pub use browser::start;

#[cfg(target_arch = "wasm32")]
mod browser {
    use yew::prelude::*;

    #[component]
    fn App() -> Html {
        html! { <p>{ "Quorarium" }</p> }
    }

    /// Mounts the page in place of the static shell.
    pub fn start() {
        console_error_panic_hook::set_once();
        let document = web_sys::window().and_then(|window| window.document());
        if let Some(root) = document.and_then(|document| document.get_element_by_id("app")) {
            yew::Renderer::<App>::with_root(root).render();
        }
    }
}
