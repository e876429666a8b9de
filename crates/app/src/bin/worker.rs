//! The worker: owns the world and its backing store.

fn main() {
    #[cfg(target_arch = "wasm32")]
    app::worker::start();
}
