//! One deterministic world: machines, clock, network, clients, faults, scenarios.
//!
//! ```text
//! scenario   the one language: text ⇄ actions at virtual times
//!    ↓
//! world      the next event happens; what it causes becomes later events
//!    ├ queue     what will happen, in one total order
//!    ├ machine   power, a disk, a server process on it (`Process`; one adapter an engine)
//!    ├ network   streams between servers with latency, rules and cuts
//!    ├ fault     what breaks and mends, one file a kind; plans that draw them
//!    ├ client    requests on their way; acknowledged, failed or unknown
//!    ├ workload  clients that work on their own, one file a kind
//!    ├ judge     what was expected
//!    ├ check     what the cluster promises, looked at after every event
//!    └ trace     what happened, and the fingerprint over it
//!    ↓
//! hunt       one seed of a search for broken promises; `bugs`, the toggles to search for
//! view       the world as plain data for panels and tests
//! ```
//!
//! The contract: a [`World`] is a function of its scenario. There is no wall clock, no thread, no
//! float, no iteration over a hash map; randomness comes in streams from the seed, one a consumer
//! ([`rng`]). Equal runs have equal fingerprints on every machine and in every browser.
//!
//! A world survives its host: a [`Head`] and the disks are enough to go on, because the `reload`
//! that follows (power cut of all, restart of all) depends on nothing else.
//!
//! Left out so far, each with its place: checkpoints and branches (`timeline`), ZooKeeper (a second
//! adapter in [`machine`]).
//!
//! ```
//! use sim::{Scenario, World};
//!
//! let scenario = Scenario::parse("cluster etcd nodes=3 seed=42\n2s put greeting hello\n")?;
//! let mut world = World::of_scenario(&scenario);
//! world.run_until(scenario.ends_ns());
//! assert_eq!(world.operations().acknowledged, 1);
//! # Ok::<(), sim::scenario::ParseError>(())
//! ```

pub mod bugs;
pub mod check;
pub mod client;
pub mod console;
pub mod fault;
pub mod head;
pub mod hunt;
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
pub mod workload;
pub mod world;

pub use fault::Fault;
pub use head::{Head, HeadError};
pub use scenario::{Action, Node, Scenario};
pub use world::{Fate, Performed, World};
