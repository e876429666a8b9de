//! Servers with real steps and real disks; the test is the network, the clock and the cable.

mod answers;
mod backend;
mod chaos;
mod corruption;
mod crashes;
mod durability;
mod kills;
mod lab;
mod leases;
mod members;
mod membership;
mod room;
mod snapshots;
mod watches;
