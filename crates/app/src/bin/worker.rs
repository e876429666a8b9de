//! The worker: owns the world and its backing store.

fn main() {
    console_error_panic_hook::set_once();
}
