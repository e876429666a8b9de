//! The worker: owns the world, plays it, keeps it.
//!
//! | module | is |
//! |---|---|
//! | [`playhead`] | virtual time against real time |
//! | [`run`] | a world being played |
//! | [`keeper`] | what goes into the store, and what waits for it |
//! | [`session`] | a run and where it is kept |
//! | [`revive`] | from a stored session back to a world |
//! | `shell` | timers, messages, lock and database (browser) |

pub mod keeper;
pub mod playhead;
pub mod revive;
pub mod run;
pub mod session;
#[cfg(target_arch = "wasm32")]
mod shell;

#[cfg(target_arch = "wasm32")]
pub use shell::start;

#[cfg(test)]
mod tests;
