//! The fields of a page of a database, and of the rows on it.

use std::collections::BTreeMap;

use super::message::{ALARM_MEMBER, KEY_VALUE, LEASE, Messages};
use super::{FieldRange, Piece, fill_gaps};
use crate::bolt::{File, Owner};
use crate::datadir::DataFile;

const HEADER_BYTES: usize = 16;
const ELEMENT_BYTES: usize = 16;
const META_END: usize = 80;

/// All pages of a file, in order. A page is named by what leads to it, so that one which nothing
/// uses is `free`, whatever it once was.
#[derive(Debug, Clone)]
pub(super) struct Pages {
    data: DataFile,
    page_bytes: u64,
    /// Length of the file without a digest at its end.
    end: u64,
    owners: BTreeMap<u64, Owner>,
    freelist: Option<u64>,
    /// Those that continue no other one.
    ids: Vec<u64>,
}

impl Pages {
    pub(super) fn of(data: &DataFile, file: &File) -> Pages {
        let page_bytes = u64::from(file.meta().page_bytes);
        let (owners, freelist) = (file.owners(), file.meta().freelist);
        let (data, end, ids) = (data.clone(), file.len(), Vec::new());
        let mut pages = Pages { data, page_bytes, end, owners, freelist, ids };
        let mut offset = 0;
        while offset < end {
            let id = offset / page_bytes;
            pages.ids.push(id);
            offset += pages.length(id);
        }
        pages
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.ids.len() as u64
    }

    /// One by its number.
    pub(super) fn get(&self, number: u64) -> Option<Piece> {
        self.ids.get(usize::try_from(number).ok()?).map(|id| self.page(*id))
    }

    /// Bytes of a page with its overflow, as far as the file has them.
    fn length(&self, id: u64) -> u64 {
        let offset = id * self.page_bytes;
        let is_used = self.owners.contains_key(&id) || self.freelist == Some(id);
        let overflow = if is_used { self.overflow(offset) } else { 0 };
        (1 + overflow).saturating_mul(self.page_bytes).min(self.end - offset)
    }

    fn overflow(&self, offset: u64) -> u64 {
        let bytes = self.data.range(offset + 12, 4).ok();
        let bytes = bytes.and_then(|bytes| bytes.first_chunk().copied());
        bytes.map_or(0, |bytes| u64::from(u32::from_le_bytes(bytes)))
    }

    fn page(&self, id: u64) -> Piece {
        let (offset, length) = (id * self.page_bytes, self.length(id));
        let owner = self.owners.get(&id);
        let mut piece = Piece {
            file: self.data.path.clone(),
            offset,
            length,
            kind: "free",
            bucket: owner.map(|owner| owner.bucket.to_string()),
            damage: None,
            fields: Vec::new(),
        };
        match self.data.range(offset, length) {
            Ok(bytes) => {
                let mut page =
                    Page { bytes: &bytes, start: offset, prefix: "", out: &mut piece.fields };
                piece.kind = match owner {
                    _ if id < 2 => page.meta(),
                    _ if self.freelist == Some(id) => page.freelist(),
                    Some(owner) => page.tree(&owner.bucket),
                    None => "free",
                };
            }
            Err(error) => piece.damage = Some(error.to_string()),
        }
        fill_gaps(&mut piece.fields, offset, offset + length);
        piece
    }
}

/// A page, or the part of one that an inline bucket is.
struct Page<'a> {
    bytes: &'a [u8],
    /// Where it begins in the file.
    start: u64,
    /// In front of the names.
    prefix: &'a str,
    out: &'a mut Vec<FieldRange>,
}

impl Page<'_> {
    /// A number of up to eight bytes, little endian.
    fn number(&mut self, name: &str, at: usize, size: usize) -> Option<u64> {
        let value = little_endian(self.bytes.get(at..at + size)?);
        self.run(name, at, size, Some(value));
        Some(value)
    }

    fn run(&mut self, name: &str, at: usize, size: usize, value: Option<u64>) {
        let start = self.start + at as u64;
        let name = format!("{}{name}", self.prefix);
        self.out.push(FieldRange::new(name, start..start + size as u64, value));
    }

    fn header(&mut self) -> Option<(u64, usize)> {
        self.number("id", 0, 8)?;
        let flags = self.number("flags", 8, 2)?;
        let count = self.number("count", 10, 2)?;
        self.number("overflow", 12, 4)?;
        Some((flags, usize::try_from(count).ok()?))
    }

    fn meta(&mut self) -> &'static str {
        let numbers = [
            ("magic", 16, 4),
            ("version", 20, 4),
            ("page_size", 24, 4),
            ("meta_flags", 28, 4),
            ("root", 32, 8),
            ("root_sequence", 40, 8),
            ("freelist", 48, 8),
            ("high_water_mark", 56, 8),
            ("transaction", 64, 8),
        ];
        let _ = self.header();
        for (name, at, size) in numbers {
            self.number(name, at, size);
        }
        if let Some(meta) = self.bytes.get(..META_END) {
            let is_right = crate::bolt::meta_checksum(meta) == little_endian(&meta[72..]);
            self.number("checksum", 72, 8);
            let last = self.out.last_mut().expect("it was just pushed");
            last.ok = Some(is_right);
        }
        "meta"
    }

    fn freelist(&mut self) -> &'static str {
        let Some((_, mut count)) = self.header() else { return "damaged" };
        let mut at = HEADER_BYTES;
        if count == 0xFFFF {
            let stated = self.number("long_count", at, 8);
            count = stated.and_then(|stated| usize::try_from(stated).ok()).unwrap_or(0);
            at += 8;
        }
        let room = self.bytes.len().saturating_sub(at) / 8;
        for index in 0..count.min(room) {
            self.number(&format!("page {index}"), at + 8 * index, 8);
        }
        "freelist"
    }

    /// A branch or a leaf.
    fn tree(&mut self, bucket: &str) -> &'static str {
        let Some((flags, count)) = self.header() else { return "damaged" };
        let room = (self.bytes.len() - HEADER_BYTES) / ELEMENT_BYTES;
        let kind = match flags {
            1 => "branch",
            2 => "leaf",
            _ => return "damaged",
        };
        for index in 0..count.min(room) {
            let at = HEADER_BYTES + ELEMENT_BYTES * index;
            self.run(&format!("element {index}"), at, ELEMENT_BYTES, None);
            if flags == 1 { self.branch(index, at) } else { self.leaf(index, at, bucket) }
        }
        kind
    }

    fn branch(&mut self, index: usize, at: usize) {
        let part = |name: &str| format!("element {index}.{name}");
        let pos = self.number(&part("pos"), at, 4);
        let size = self.number(&part("key_size"), at + 4, 4);
        self.number(&part("page"), at + 8, 8);
        if let Some(key) = self.within(at, pos, Some(0), size) {
            self.run(&format!("key {index}"), key.start, key.len(), None);
        }
    }

    fn leaf(&mut self, index: usize, at: usize, bucket: &str) {
        let part = |name: &str| format!("element {index}.{name}");
        let flags = self.number(&part("flags"), at, 4);
        let pos = self.number(&part("pos"), at + 4, 4);
        let key_size = self.number(&part("key_size"), at + 8, 4);
        let value_size = self.number(&part("value_size"), at + 12, 4);
        let Some(key) = self.within(at, pos, Some(0), key_size) else { return };
        self.run(&format!("key {index}"), key.start, key.len(), None);
        let Some(value) = self.within(at, pos, key_size, value_size) else { return };
        self.run(&format!("value {index}"), value.start, value.len(), None);
        if flags == Some(1) {
            let name = String::from_utf8_lossy(&self.bytes[key]).into_owned();
            let name = if bucket.is_empty() { name } else { format!("{bucket}/{name}") };
            self.bucket(index, value, &name);
        } else {
            self.row(index, key, value, bucket);
        }
    }

    /// `size` bytes at `pos + skip` from an element on, if they lie in the page.
    fn within(
        &self,
        at: usize,
        pos: Option<u64>,
        skip: Option<u64>,
        size: Option<u64>,
    ) -> Option<std::ops::Range<usize>> {
        let number = |number: Option<u64>| usize::try_from(number?).ok();
        let start = at.checked_add(number(pos)?)?.checked_add(number(skip)?)?;
        let end = start.checked_add(number(size)?)?;
        (end <= self.bytes.len()).then_some(start..end)
    }

    /// A bucket with pages of its own, or one that lies here.
    fn bucket(&mut self, index: usize, value: std::ops::Range<usize>, name: &str) {
        let start = value.start;
        let root = self.number(&format!("value {index}.root"), start, 8);
        self.number(&format!("value {index}.sequence"), start + 8, 8);
        let inline = start + 16;
        if root != Some(0) || value.end < inline + HEADER_BYTES {
            return;
        }
        let prefix = format!("{}value {index}.", self.prefix);
        // What lies in an inline bucket can be none itself: see `bolt::Fault::BucketInInline`.
        if self.prefix.is_empty() {
            let (bytes, start) = (&self.bytes[inline..value.end], self.start + inline as u64);
            Page { bytes, start, prefix: &prefix, out: self.out }.tree(name);
        }
    }

    /// A row of one of etcd's buckets.
    fn row(
        &mut self,
        index: usize,
        key: std::ops::Range<usize>,
        value: std::ops::Range<usize>,
        bucket: &str,
    ) {
        let value_name = format!("{}value {index}.", self.prefix);
        let value_start = self.start + value.start as u64;
        match bucket {
            "key" => {
                self.revision(&format!("key {index}"), key);
                let shape = &KEY_VALUE;
                let value = &self.bytes[value];
                Messages::new(self.out).message(&value_name, shape, value, value_start);
            }
            "lease" => {
                self.big_endian(&format!("key {index}.ID"), key.start, key.len());
                let value = &self.bytes[value];
                Messages::new(self.out).message(&value_name, &LEASE, value, value_start);
            }
            "alarm" => {
                let name = format!("{}key {index}.", self.prefix);
                let (start, key) = (self.start + key.start as u64, &self.bytes[key]);
                Messages::new(self.out).message(&name, &ALARM_MEMBER, key, start);
            }
            "meta" if value.len() == 8 => {
                self.big_endian(&format!("value {index}.number"), value.start, 8);
            }
            "meta" if value.len() == 17 => self.revision(&format!("value {index}"), value),
            _ => {}
        }
    }

    /// `main_sub` and the mark of a tombstone.
    fn revision(&mut self, name: &str, at: std::ops::Range<usize>) {
        if at.len() < 17 {
            return;
        }
        self.big_endian(&format!("{name}.main"), at.start, 8);
        self.run(&format!("{name}.separator"), at.start + 8, 1, None);
        self.big_endian(&format!("{name}.sub"), at.start + 9, 8);
        if at.len() > 17 {
            self.run(&format!("{name}.tombstone"), at.start + 17, at.len() - 17, None);
        }
    }

    fn big_endian(&mut self, name: &str, at: usize, size: usize) {
        let bytes: Option<[u8; 8]> = self.bytes[at..at + size].try_into().ok();
        self.run(name, at, size, bytes.map(u64::from_be_bytes));
    }
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
