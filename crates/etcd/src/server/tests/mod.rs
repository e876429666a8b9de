//! Servers with real steps and real disks; the test is the network, the clock and the cable.

mod answers;
mod crashes;
mod durability;
mod lab;
mod members;
