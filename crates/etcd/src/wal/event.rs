//! What a log did, for whoever shows it.

use super::{SaveId, SegmentName};

/// One step of the append side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WalEvent {
    /// The log's directory has its final name, durably.
    Created {
        /// The first segment.
        segment: SegmentName,
    },
    /// A save was written into the live image.
    Appended {
        /// Which save.
        save: SaveId,
        /// Into which segment.
        segment: SegmentName,
        /// Where its first frame begins.
        offset: u64,
        /// Bytes of its frames.
        length: u64,
    },
    /// A full segment was closed and the next one is in place, durably.
    Cut {
        /// The new segment.
        segment: SegmentName,
    },
}
