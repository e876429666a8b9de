//! A clock that only goes forward: the processor time of this thread, or in wasm the host's
//! `performance.now`.
//!
//! Nothing that is measured waits for anything, so that processor time is time. On a machine that
//! does other things the system's clock would count those too, in every block that is longer than a
//! time slice, and so make long blocks look several times slower than short ones.

/// Nanoseconds since some moment before; in wasm in steps of about a microsecond.
#[cfg(unix)]
pub fn now_ns() -> f64 {
    use rustix::time::{ClockId, clock_gettime};
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}

/// Nanoseconds since some moment before, by the system's clock.
#[cfg(not(any(unix, target_arch = "wasm32")))]
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
