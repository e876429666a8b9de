//! Ids of proposals: unique in the cluster without asking anybody.
//!
//! ```text
//! 63      48 47                     8 7      0
//! member id  milliseconds at boot     counter     the counter runs over into the milliseconds
//! ```
//!
//! Two lives of a member share no id as long as it proposes fewer than 256 times a millisecond.
//! Source: etcd release-3.4, `pkg/idutil`.

const COUNTER_BITS: u32 = 8;
const SUFFIX_BITS: u32 = 48;
const NANOS_PER_MILLI: u64 = 1_000_000;

/// Gives out ids, each once.
#[derive(Debug, Clone)]
pub(super) struct ProposalIds {
    prefix: u64,
    suffix: u64,
}

impl ProposalIds {
    /// For one life of a member. The lowest 16 bits of its id count.
    pub(super) fn new(member_id: u64, boot_ns: u64) -> Self {
        let suffix = (boot_ns / NANOS_PER_MILLI) << COUNTER_BITS;
        Self { prefix: member_id << SUFFIX_BITS, suffix }
    }

    /// The next id; never 0.
    pub(super) fn next(&mut self) -> u64 {
        self.suffix += 1;
        self.prefix | (self.suffix & ((1 << SUFFIX_BITS) - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_hold_member_and_time_of_boot() {
        let mut ids = ProposalIds::new(0x1234_5678_9abc_def0, 5 * NANOS_PER_MILLI);
        assert_eq!(ids.next(), 0xdef0_0000_0000_0501, "the first of the fifth millisecond");
        assert_eq!(ids.next(), 0xdef0_0000_0000_0502, "the second");
        let later = ProposalIds::new(0xdef0, 6 * NANOS_PER_MILLI).next();
        assert_eq!(later, 0xdef0_0000_0000_0601, "a later life begins above");
    }
}
