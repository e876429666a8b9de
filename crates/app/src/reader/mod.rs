//! The reader: a data directory or a snapshot file that was dropped on the page, in a worker of its
//! own. It is spawned by the first file and ends when the directory is closed, so the worker of the
//! world neither grows by it nor waits for it.
//!
//! | module | is |
//! |---|---|
//! | [`protocol`] | what page and reader say to each other |
//! | [`dropped`] | the files, read where they lie |
//! | [`opened`] | a directory that is open: every question the page asks of it |
//! | [`records`] | where the records of its log lie |
//! | [`pieces`] | what stands where in other files |
//! | [`overview`] | what it holds, in words |
//! | [`verdict`] | what `verify` found, with the record that each damage lies in |
//! | `shell`, `file` | messages, and bytes of files (browser) |
//!
//! Everything but the shell is plain data in, plain data out. Long lists leave as windows, bytes as
//! pieces of at most 4 KiB. Nothing here writes, and no bytes make it panic.

pub mod dropped;
#[cfg(target_arch = "wasm32")]
mod file;
pub mod opened;
pub mod overview;
pub mod pieces;
pub mod protocol;
pub mod records;
#[cfg(target_arch = "wasm32")]
mod shell;
pub mod verdict;

#[cfg(target_arch = "wasm32")]
pub use shell::start;

#[cfg(test)]
mod tests;
