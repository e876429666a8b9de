//! A file's bytes as they were at one moment, shared instead of copied.
//!
//! What a database maps into its memory: it goes on reading after the file was changed, renamed or
//! removed, and sees nothing of that but what it asks for. Pages are given out as [`Bytes`] that keep them alive.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::file::{Image, page_number, parts};
use crate::page::{PAGE_BYTES, Page, ZERO, page_of};
use crate::{Disk, DiskError, FileId};

/// The live bytes of a file at one moment. A clone shares everything.
#[derive(Clone)]
pub struct Mapping {
    image: Arc<Image>,
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapping").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// A page that lends out its bytes.
struct Lent(Arc<Page>);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}

impl Disk {
    /// The file's live bytes as they are now. Costs one reference for 64 pages.
    pub fn map(&self, file: FileId) -> Result<Mapping, DiskError> {
        Ok(Mapping { image: Arc::new(self.file(file)?.live.clone()) })
    }
}

impl Mapping {
    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.image.len
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the last page with data ends; from there to the length all bytes are zero.
    pub fn data_end(&self) -> u64 {
        self.image.data_end()
    }

    /// Fills `buf` from `offset` on as far as the file reached, and says how far.
    pub fn read(&self, offset: u64, buf: &mut [u8]) -> usize {
        self.image.read(offset, buf)
    }

    /// Takes over what is now in a range of the file, and the file's length; all other bytes stay
    /// as they were. So a process sees what it wrote itself, and nothing that happened to the rest.
    pub fn refresh(
        &mut self,
        disk: &Disk,
        file: FileId,
        range: Range<u64>,
    ) -> Result<(), DiskError> {
        let live = &disk.file(file)?.live;
        let image = Arc::make_mut(&mut self.image);
        if live.len < image.len {
            image.truncate(live.len);
        }
        image.len = live.len;
        let end = range.end.min(live.len);
        let len = usize::try_from(end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        for part in parts(range.start, len) {
            let new = live.pages.get(part.page);
            if part.within.len() == PAGE_BYTES {
                image.pages.set(part.page, new.cloned());
                continue;
            }
            let bytes = &page_of(new).bytes()[part.within.clone()];
            image.pages.get_mut(part.page).bytes_mut()[part.within].copy_from_slice(bytes);
            if page_of(new) == page_of(image.pages.get(part.page)) {
                image.pages.set(part.page, new.cloned());
            }
        }
        Ok(())
    }

    /// The bytes of a range that lies in the file and in one page of [`PAGE_BYTES`].
    pub fn lent(&self, range: Range<u64>) -> Option<&[u8]> {
        if range.start >= range.end || range.end > self.len() {
            return None;
        }
        let len = usize::try_from(range.end - range.start).ok()?;
        let within = usize::try_from(range.start % PAGE_BYTES as u64).ok()?;
        let page = page_of(self.image.pages.get(page_number(range.start)));
        page.bytes().get(within..within.checked_add(len)?)
    }

    /// The bytes of a range that lies in the file, `None` of any other. Shared when they lie in one
    /// page of [`PAGE_BYTES`], copied otherwise; the caller bounds the range: see
    /// [`Mapping::data_end`].
    pub fn bytes(&self, range: Range<u64>) -> Option<Bytes> {
        if range.start > range.end || range.end > self.len() {
            return None;
        }
        let len = usize::try_from(range.end - range.start).ok()?;
        let within = usize::try_from(range.start % PAGE_BYTES as u64).ok()?;
        if len == 0 || within + len > PAGE_BYTES {
            let mut copy = vec![0; len];
            self.image.read(range.start, &mut copy);
            return Some(copy.into());
        }
        let page = match self.image.pages.get(page_number(range.start)) {
            Some(page) => Bytes::from_owner(Lent(Arc::clone(page))),
            None => Bytes::from_static(ZERO.bytes()),
        };
        Some(page.slice(within..within + len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk_with(bytes: &[u8]) -> (Disk, FileId) {
        let mut disk = Disk::new(1 << 20);
        let file = disk.create("/db").unwrap();
        disk.write(file, 0, bytes).unwrap();
        (disk, file)
    }

    #[test]
    fn a_mapping_keeps_what_was_there() {
        let (mut disk, file) = disk_with(&[1; 10_000]);
        let mapping = disk.map(file).unwrap();
        disk.write(file, 0, &[2; 10_000]).unwrap();
        disk.set_len(file, 5).unwrap();
        disk.remove("/db").unwrap();
        assert_eq!(mapping.bytes(4000..4200).unwrap(), vec![1; 200], "across two pages");
        assert_eq!(mapping.bytes(9000..10_000).unwrap(), vec![1; 1000], "in one page");
        assert_eq!(mapping.bytes(9000..10_001), None, "beyond the end");
    }

    #[test]
    fn a_refresh_takes_over_its_range_alone() {
        let (mut disk, file) = disk_with(&[1; 8192]);
        let mut mapping = disk.map(file).unwrap();
        disk.corrupt("/db", 100, 0xff).unwrap();
        disk.corrupt("/db", 5000, 0xff).unwrap();
        disk.write(file, 4096, &[3; 512]).unwrap();
        disk.write(file, 12_288, &[4; 4096]).unwrap();
        mapping.refresh(&disk, file, 4096..4608).unwrap();
        mapping.refresh(&disk, file, 12_288..16_384).unwrap();
        assert_eq!(mapping.len(), 16_384, "as long as the file");
        assert_eq!(mapping.bytes(0..4096).unwrap(), vec![1; 4096], "rot is not seen");
        assert_eq!(mapping.bytes(4096..4608).unwrap(), vec![3; 512], "part of a page");
        assert_eq!(mapping.bytes(4608..8192).unwrap(), vec![1; 3584], "the rest of it");
        assert_eq!(mapping.bytes(8192..12_288).unwrap(), vec![0; 4096], "a hole");
        assert_eq!(mapping.bytes(12_288..16_384).unwrap(), vec![4; 4096], "a whole page");
    }
}
