//! One frame: a header of eight bytes, a record, padding.

use bytes::Bytes;

use super::Segment;

/// Bytes of the header.
pub const FRAME_HEADER_BYTES: u64 = 8;
/// Record and padding stay below this (up to etcd 3.5.4).
pub const RECORD_BYTES_MAX: u64 = 10 * 1024 * 1024;

/// A frame whose bytes are there, whatever they mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Where the header begins.
    pub offset: u64,
    /// The record's bytes.
    pub record: Bytes,
    /// The record's bytes and the padding.
    pub body: Bytes,
}

impl Frame {
    /// Header, record and padding in bytes.
    pub fn length(&self) -> u64 {
        FRAME_HEADER_BYTES + self.body.len() as u64
    }

    /// Whether record and padding, split where the file's 512-byte sectors meet, have a part of
    /// zeros: to etcd it is torn then, if its checksum is wrong (`wal/decoder.go`, `isTornEntry`).
    pub fn has_zero_sector(&self) -> bool {
        const SECTOR_BYTES: u64 = 512;
        let start = self.offset + FRAME_HEADER_BYTES;
        let first = usize::try_from(SECTOR_BYTES - start % SECTOR_BYTES).expect("at most 512");
        let (head, tail) = self.body.split_at(first.min(self.body.len()));
        let is_zero = |part: &[u8]| !part.is_empty() && part.iter().all(|byte| *byte == 0);
        is_zero(head) || tail.chunks(512).any(is_zero)
    }
}

/// Why there is no frame here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// The file ends within the frame.
    UnexpectedEof,
    /// The header asks for more than a record may have. Nothing was allocated.
    TooLarge {
        /// What it asks for.
        length: u64,
    },
}

/// How large a record may be, which changed between releases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RecordLimit {
    /// Record and padding below 10 MiB (up to 3.5.4).
    #[default]
    TenMebibytes,
    /// The record fits in the rest of its file, else it is an error (3.5.5, 3.5.6).
    RestOfFile,
    /// The record fits in the rest of its file, else it is torn (from 3.5.7 on).
    RestOfFileOrTorn,
}

/// No frame is read that has more: no server writes one, and its zeros would have to be made.
const FRAME_BYTES_MAX: u64 = 256 << 20;

/// The frame at `offset`; `None` at the end of the file or of what was written into it.
pub fn frame_at(segment: &Segment, offset: u64) -> Result<Option<Frame>, FrameError> {
    frame_within(segment, offset, RecordLimit::TenMebibytes)
}

/// The frame at `offset` under a release's limit.
pub fn frame_within(
    segment: &Segment,
    offset: u64,
    limit: RecordLimit,
) -> Result<Option<Frame>, FrameError> {
    let Some((record, pad)) = sizes(segment, offset, limit)? else { return Ok(None) };
    let size = |bytes: u64| usize::try_from(bytes).expect("below FRAME_BYTES_MAX");
    let body = segment.range(offset + FRAME_HEADER_BYTES, size(record + pad));
    Ok(Some(Frame { offset, record: body.slice(..size(record)), body }))
}

/// Bytes of the record and of the padding in the frame at `offset`.
pub(super) fn sizes(
    segment: &Segment,
    offset: u64,
    limit: RecordLimit,
) -> Result<Option<(u64, u64)>, FrameError> {
    let left = segment.len.saturating_sub(offset);
    if left == 0 {
        return Ok(None);
    }
    if left < FRAME_HEADER_BYTES {
        return Err(FrameError::UnexpectedEof);
    }
    let header = read_header(segment, offset);
    if header == 0 {
        return Ok(None);
    }
    let (record, pad) = decode_header(header);
    let is_too_large = match limit {
        RecordLimit::TenMebibytes => record + pad >= RECORD_BYTES_MAX,
        RecordLimit::RestOfFile => record + pad > left || record + pad > FRAME_BYTES_MAX,
        RecordLimit::RestOfFileOrTorn if record + pad > FRAME_BYTES_MAX => {
            return Err(FrameError::UnexpectedEof);
        }
        RecordLimit::RestOfFileOrTorn => false,
    };
    if is_too_large {
        return Err(FrameError::TooLarge { length: record });
    }
    if record + pad > left - FRAME_HEADER_BYTES {
        return Err(FrameError::UnexpectedEof);
    }
    Ok(Some((record, pad)))
}

fn read_header(segment: &Segment, offset: u64) -> u64 {
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    let header = match segment.bytes.get(start..).and_then(<[u8]>::first_chunk) {
        Some(header) => *header,
        None => segment.range(offset, 8)[..].try_into().expect("as many as were asked for"),
    };
    u64::from_le_bytes(header)
}

/// Bytes of the record and of the padding.
fn decode_header(header: u64) -> (u64, u64) {
    let record = header & ((1 << 56) - 1);
    let pad = if header >> 63 == 1 { header >> 56 & 7 } else { 0 };
    (record, pad)
}

/// The header for a record of `record` bytes, and how much padding follows it.
pub(crate) fn encode_header(record: usize) -> (u64, usize) {
    let pad = record.next_multiple_of(8) - record;
    let flags = if pad == 0 { 0 } else { (0x80 | pad as u64) << 56 };
    (record as u64 | flags, pad)
}

#[cfg(test)]
mod tests {
    use super::{decode_header, encode_header};

    #[test]
    fn headers_are_those_of_a_real_segment() {
        assert_eq!(encode_header(4).0.to_le_bytes(), [4, 0, 0, 0, 0, 0, 0, 0x84]);
        assert_eq!(encode_header(31).0.to_le_bytes(), [0x1f, 0, 0, 0, 0, 0, 0, 0x81]);
        assert_eq!(encode_header(16).0.to_le_bytes(), [0x10, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_header_is_read_as_it_is_written() {
        for record in 1..100_usize {
            let (header, pad) = encode_header(record);
            assert_eq!(decode_header(header), (record as u64, pad as u64), "{record}");
        }
    }
}
