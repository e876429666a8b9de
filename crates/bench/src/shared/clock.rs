//! A clock that only goes forward: the system's, or in wasm the host's `performance.now`.

/// Nanoseconds since some moment before; in wasm in steps of about a microsecond.
#[cfg(not(target_arch = "wasm32"))]
pub fn now_ns() -> f64 {
    use std::sync::OnceLock;
    use std::time::Instant;
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as f64
}

/// Nanoseconds since some moment before; in wasm in steps of about a microsecond.
#[cfg(target_arch = "wasm32")]
pub fn now_ns() -> f64 {
    use wasm_bindgen::prelude::wasm_bindgen;
    #[wasm_bindgen]
    extern "C" {
        #[wasm_bindgen(js_namespace = performance)]
        fn now() -> f64;
    }
    now() * 1e6
}
