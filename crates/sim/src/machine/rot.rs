//! Which bit of a log rots: one that a checksum covers and that leaves no byte zero, so that a
//! reader can tell the damage from a torn end.

use bytes::Bytes;
use disk::Disk;
use etcd::wal::{Decoder, Segment, SegmentName};

/// Offset in the file and mask of a bit in the data of the n-th record of a segment, counted
/// round; `None` if no record has any.
pub(crate) fn choose(disk: &Disk, path: &str, record: u32) -> Option<(u64, u8)> {
    let name = SegmentName::parse(path.rsplit('/').next()?)?;
    let file = disk.open(path).ok()?;
    let bytes = disk.read_range(file, 0..disk.data_end(file)).ok()?;
    let segments = [Segment::new(name, &Bytes::from(bytes.clone()), disk.len(file))];
    let mut decoder = Decoder::new(&segments);
    let mut ends = Vec::new();
    while let Ok(Some(record)) = decoder.next_record() {
        let length = record.data.map_or(0, |data| data.len() as u64);
        // The data are the last bytes of a record, but for what fills it up to 8 bytes.
        let end = decoder.end().offset;
        if length > PADDING_MAX {
            ends.push((end - PADDING_MAX - 1, length - PADDING_MAX));
        }
    }
    let count = u32::try_from(ends.len()).ok().filter(|count| *count > 0)?;
    let (last, length) = ends[usize::try_from(record % count).ok()?];
    let offset = last - u64::from(record / count) % length;
    let byte = bytes.get(usize::try_from(offset).ok()?)?;
    let mask = if *byte == 1 { 2 } else { 1 };
    Some((offset, mask))
}

/// Bytes that fill a record up.
const PADDING_MAX: u64 = 7;
