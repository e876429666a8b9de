//! The page and the worker that owns the world.

pub mod page;
pub mod protocol;
pub mod store;
