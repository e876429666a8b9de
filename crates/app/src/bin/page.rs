//! The page: a Yew application over plain data that the worker sends.

fn main() {
    #[cfg(target_arch = "wasm32")]
    app::page::start();
}
