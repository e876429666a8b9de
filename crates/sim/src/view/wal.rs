//! Rows of the write-ahead log.

/// Decoded records, kept from one picture to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Cache {}
