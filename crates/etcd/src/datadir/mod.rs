//! A data directory.
