//! Which bit of a log rots: one that a checksum covers, in a record that a reader can tell from a
//! torn one. Some sound records are like torn ones once a bit of them is wrong: those whose last few
//! bytes, in a sector of their own, are zero. etcd cuts them.

use bytes::Bytes;
use disk::Disk;
use etcd::wal::{Decoder, Segment, SegmentName, frame_at};

/// Bytes that fill a record up.
const PADDING_MAX: u64 = 7;

/// The data of a record, but for its last bytes: where what stands there might fill it up to 8 bytes.
struct Data {
    end: u64,
    length: u64,
    looks_torn: bool,
}

/// Offset in the file and mask of a bit in the data of the n-th record of a segment, counted
/// round, or of the next one that will do; `None` if none does.
pub(crate) fn choose(disk: &Disk, path: &str, record: u32) -> Option<(u64, u8)> {
    let name = SegmentName::parse(path.rsplit('/').next()?)?;
    let file = disk.open(path).ok()?;
    let bytes = disk.read_range(file, 0..disk.data_end(file)).ok()?;
    let segment = Segment::new(name, &Bytes::from(bytes.clone()), disk.len(file));
    let all = data_of_records(segment);
    let count = u32::try_from(all.len()).ok().filter(|count| *count > 0)?;
    let first = usize::try_from(record % count).ok()?;
    let mut from_first = all[first..].iter().chain(&all[..first]);
    let data = from_first.find(|data| !data.looks_torn)?;
    let offset = data.end - 1 - u64::from(record / count) % data.length;
    // No byte becomes zero.
    let mask = if *bytes.get(usize::try_from(offset).ok()?)? == 1 { 2 } else { 1 };
    Some((offset, mask))
}

fn data_of_records(segment: Segment) -> Vec<Data> {
    let segments = [segment];
    let mut decoder = Decoder::new(&segments);
    let (mut all, mut from) = (Vec::new(), 0);
    while let Ok(Some(record)) = decoder.next_record() {
        let length = record.data.map_or(0, |data| data.len() as u64);
        let end = decoder.end().offset;
        if length > PADDING_MAX {
            let frame = frame_at(&segments[0], from).ok().flatten();
            let looks_torn = frame.is_none_or(|frame| frame.has_zero_sector());
            all.push(Data { end: end - PADDING_MAX, length: length - PADDING_MAX, looks_torn });
        }
        from = end;
    }
    all
}
