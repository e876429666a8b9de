//! The reader's worker: a data directory that was dropped on the page.

fn main() {
    #[cfg(target_arch = "wasm32")]
    app::reader::start();
}
