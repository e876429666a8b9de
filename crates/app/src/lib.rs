//! The page and the worker that owns the world.

pub mod api;
pub mod bridge;
pub mod page;
pub mod protocol;
pub mod reader;
pub mod store;
pub mod worker;
