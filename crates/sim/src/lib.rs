//! One deterministic world: machines, clock, network, clients, faults, scenarios.

pub mod scenario;
