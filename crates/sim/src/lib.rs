//! One deterministic world: machines, clock, network, clients, faults, scenarios.

pub mod link;
pub mod rng;
pub mod scenario;
pub mod view;
