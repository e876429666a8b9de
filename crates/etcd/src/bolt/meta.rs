//! A meta page: where everything begins.

use super::page::{u32_at, u64_at};

/// Smallest page that is read.
pub const PAGE_BYTES_MIN: u32 = 1 << 10;
/// Largest page that is read.
pub const PAGE_BYTES_MAX: u32 = 64 << 10;

/// Bytes of a page up to the end of the meta.
pub(super) const META_END: usize = 80;
const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;
const META_FLAG: u16 = 4;
const NO_FREELIST: u64 = u64::MAX;

/// The root of one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    /// Bytes of a page.
    pub page_bytes: u32,
    /// The page of the root bucket.
    pub root: u64,
    /// The root bucket's counter, which etcd does not use.
    pub sequence: u64,
    /// The page of the freelist, if it is kept in the file. etcd keeps none.
    pub freelist: Option<u64>,
    /// Pages in the file: all numbers are below.
    pub high_water: u64,
    /// The transaction.
    pub transaction: u64,
}

/// Why a meta page is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MetaFault {
    /// The file ends before it.
    #[error("missing")]
    Missing,
    /// The bytes cannot be had from where the file is.
    #[error("cannot be read")]
    Unreadable,
    /// It does not begin with the magic number.
    #[error("invalid database")]
    Magic,
    /// The format is another one.
    #[error("version mismatch: {found}")]
    Version {
        /// Its version.
        found: u32,
    },
    /// The checksum is wrong.
    #[error("checksum error")]
    Checksum,
    /// The page size is none, or not the distance between the meta pages.
    #[error("page size {found}")]
    PageSize {
        /// What it says.
        found: u32,
    },
}

impl Meta {
    /// Reads the meta page that begins with these bytes.
    pub(super) fn parse(page: &[u8]) -> Result<Meta, MetaFault> {
        if page.len() < META_END {
            return Err(MetaFault::Missing);
        }
        if u32_at(page, 16) != MAGIC {
            return Err(MetaFault::Magic);
        }
        if u32_at(page, 20) != VERSION {
            return Err(MetaFault::Version { found: u32_at(page, 20) });
        }
        if u64_at(page, 72) != checksum(page) {
            return Err(MetaFault::Checksum);
        }
        let page_bytes = u32_at(page, 24);
        if !(PAGE_BYTES_MIN..=PAGE_BYTES_MAX).contains(&page_bytes) || !page_bytes.is_power_of_two()
        {
            return Err(MetaFault::PageSize { found: page_bytes });
        }
        Ok(Meta {
            page_bytes,
            root: u64_at(page, 32),
            sequence: u64_at(page, 40),
            freelist: Some(u64_at(page, 48)).filter(|page| *page != NO_FREELIST),
            high_water: u64_at(page, 56),
            transaction: u64_at(page, 64),
        })
    }
}

impl Meta {
    /// The meta page of this transaction, whichever of the two it is.
    pub(super) fn number(&self) -> u64 {
        self.transaction % 2
    }

    /// The bytes of a meta page up to the end of the meta; the rest is zero.
    pub(super) fn to_bytes(self, page: u64) -> [u8; META_END] {
        let mut bytes = [0; META_END];
        bytes[..8].copy_from_slice(&page.to_le_bytes());
        bytes[8..10].copy_from_slice(&META_FLAG.to_le_bytes());
        for (at, number) in [(16, MAGIC), (20, VERSION), (24, self.page_bytes)] {
            bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
        }
        let freelist = self.freelist.unwrap_or(NO_FREELIST);
        let numbers = [self.root, self.sequence, freelist, self.high_water, self.transaction];
        for (at, number) in (32..).step_by(8).zip(numbers) {
            bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
        }
        let checksum = checksum(&bytes);
        bytes[72..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }
}

/// The checksum of a meta page, by its first bytes up to the end of the meta.
pub(crate) fn checksum(page: &[u8]) -> u64 {
    fnv1a(&page[16..72])
}

fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}
