//! What a program that measures consists of, ours and each peer's: counting, timing, and the cases,
//! written once against traits that every contender implements.
//!
//! A peer's program takes this folder in by its path and depends on nothing else of ours, so that
//! the same source measures both sides. Nothing here knows an implementation of consensus.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each program that takes this folder in uses another part of it"
)]

pub mod allocation;
pub mod batches;

pub mod clock;
pub mod cluster;
pub mod consensus;
pub mod measure;
