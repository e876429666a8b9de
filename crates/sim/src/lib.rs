//! One deterministic world: machines, clock, network, clients, faults, scenarios.

pub mod client;
pub mod console;
pub mod head;
pub mod judge;
pub mod link;
pub mod machine;
pub mod network;
mod queue;
pub mod rng;
pub mod scenario;
pub mod trace;
pub mod trails;
pub mod view;
pub mod world;

pub use head::{Head, HeadError};
pub use scenario::{Action, Node, Scenario};
pub use world::{Fate, Performed, World};
