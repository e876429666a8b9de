//! Files of bbolt made by hand: every page size, and damage that no real file shows.

#![allow(
    clippy::unwrap_used,
    clippy::missing_assert_message,
    reason = "a test stops where it cannot go on; the comparison is the claim"
)]

use bytes::Bytes;
use etcd::bolt::{Bucket, Fault, File, Value};

const NO_FREELIST: u64 = u64::MAX;

fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// A file under construction. The root bucket is page 3 and holds the bucket `b`.
struct Draft {
    page: usize,
    bytes: Vec<u8>,
}

impl Draft {
    fn new(page: usize, pages: usize) -> Draft {
        let mut draft = Draft { page, bytes: vec![0; page * pages] };
        draft.meta(NO_FREELIST);
        draft
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn header(&mut self, id: usize, flags: u16, count: usize, overflow: u32) {
        let at = id * self.page;
        self.put(at, &(id as u64).to_le_bytes());
        self.put(at + 8, &flags.to_le_bytes());
        self.put(at + 10, &u16::try_from(count).unwrap().to_le_bytes());
        self.put(at + 12, &overflow.to_le_bytes());
    }

    fn meta(&mut self, freelist: u64) {
        for id in [0, 1] {
            self.header(id, 4, 0, 0);
            let at = id * self.page;
            self.put(at + 16, &0xED0C_DAED_u32.to_le_bytes());
            self.put(at + 20, &2_u32.to_le_bytes());
            self.put(at + 24, &u32::try_from(self.page).unwrap().to_le_bytes());
            self.put(at + 32, &3_u64.to_le_bytes());
            self.put(at + 48, &freelist.to_le_bytes());
            let pages = (self.bytes.len() / self.page) as u64;
            self.put(at + 56, &pages.to_le_bytes());
            self.put(at + 64, &(id as u64 + 6).to_le_bytes());
            let sum = fnv1a(&self.bytes[at + 16..at + 72]);
            self.put(at + 72, &sum.to_le_bytes());
        }
    }

    fn leaf(&mut self, id: usize, items: &[(u32, &[u8], &[u8])]) {
        self.header(id, 2, items.len(), 0);
        let mut free = 16 + items.len() * 16;
        for (index, (flags, key, value)) in items.iter().enumerate() {
            let at = 16 + index * 16;
            let numbers = [*flags as usize, free - at, key.len(), value.len()];
            for (field, number) in numbers.into_iter().enumerate() {
                let number = u32::try_from(number).unwrap().to_le_bytes();
                self.put(id * self.page + at + 4 * field, &number);
            }
            self.put(id * self.page + free, &[*key, *value].concat());
            free += key.len() + value.len();
        }
    }

    fn branch(&mut self, id: usize, children: &[(&[u8], u64)]) {
        self.header(id, 1, children.len(), 0);
        let mut free = 16 + children.len() * 16;
        for (index, (key, child)) in children.iter().enumerate() {
            let at = 16 + index * 16;
            for (field, number) in [free - at, key.len()].into_iter().enumerate() {
                let number = u32::try_from(number).unwrap().to_le_bytes();
                self.put(id * self.page + at + 4 * field, &number);
            }
            self.put(id * self.page + at + 8, &child.to_le_bytes());
            self.put(id * self.page + free, key);
            free += key.len();
        }
    }

    /// Puts the bucket `b`, of which this page is the root, into the root bucket.
    fn bucket(&mut self, root: u64) {
        let value = [root.to_le_bytes(), 0_u64.to_le_bytes()].concat();
        self.leaf(3, &[(1, b"b", &value)]);
    }

    fn freelist(&mut self, id: usize, free: &[u64]) {
        self.header(id, 16, free.len(), 0);
        for (index, page) in free.iter().enumerate() {
            self.put(id * self.page + 16 + 8 * index, &page.to_le_bytes());
        }
        self.meta(id as u64);
    }

    fn open(&self) -> File {
        let len = self.bytes.len() as u64;
        File::open(Bytes::from(self.bytes.clone()), len).unwrap()
    }
}

/// Three leaves below a branch.
fn tree(page: usize) -> Draft {
    let mut draft = Draft::new(page, 8);
    draft.bucket(4);
    draft.branch(4, &[(b"a", 5), (b"g", 6), (b"m", 7)]);
    draft.leaf(5, &[(0, b"a", b"1"), (0, b"c", b"2")]);
    draft.leaf(6, &[(0, b"g", b"3")]);
    draft.leaf(7, &[(0, b"m", b"4"), (0, b"z", b"5")]);
    draft
}

fn inner(file: &File) -> Bucket<'_> {
    file.root().bucket(b"b").unwrap().unwrap()
}

fn faults(file: &File) -> Vec<Fault> {
    file.check().problems.into_iter().map(|problem| problem.fault).collect()
}

#[test]
fn every_page_size_is_read_with_either_meta_page() {
    for page in [1, 2, 4, 8, 16, 32, 64].map(|kib| kib << 10) {
        for damaged in [None, Some(0), Some(1)] {
            let mut draft = tree(page);
            if let Some(meta) = damaged {
                draft.bytes[meta * page + 30] ^= 1;
            }
            let file = draft.open();
            assert_eq!(file.meta().page_bytes as usize, page);
            let transaction = if damaged == Some(1) { 6 } else { 7 };
            assert_eq!(file.meta().transaction, transaction, "the newer one that is whole");
            assert_eq!(faults(&file), []);
            let value = inner(&file).get(b"m").unwrap();
            assert!(matches!(value, Some(Value::Bytes(value)) if value == "4"));
        }
    }
}

#[test]
fn seeking_finds_keys_at_the_edges_of_pages() {
    let draft = tree(1024);
    let file = draft.open();
    let seek = |key: &[u8]| inner(&file).cursor().seek(key).unwrap().map(|item| item.key);
    for (wanted, found) in
        [("", "a"), ("a", "a"), ("b", "c"), ("d", "g"), ("g", "g"), ("h", "m"), ("n", "z")]
    {
        assert_eq!(seek(wanted.as_bytes()).unwrap(), found, "{wanted}");
    }
    assert_eq!(seek(b"zz"), None, "nothing above");
    let mut cursor = inner(&file).cursor();
    cursor.seek(b"g").unwrap();
    assert_eq!(cursor.prev().unwrap().unwrap().key, "c", "into the page before");
    assert_eq!(cursor.next().unwrap().unwrap().key, "g", "and back");
    assert_eq!(cursor.last().unwrap().unwrap().key, "z");
    assert_eq!(cursor.next().unwrap(), None, "the end");
    assert_eq!(cursor.first().unwrap().unwrap().key, "a", "and again");
    assert_eq!(cursor.prev().unwrap(), None);
}

#[test]
fn a_tree_that_leads_back_into_itself_ends() {
    let mut draft = tree(1024);
    draft.branch(4, &[(b"a", 4), (b"b", 4)]);
    let file = draft.open();
    let below = inner(&file).cursor().first().unwrap_err();
    assert_eq!(below.fault, Fault::TooDeep { limit: 64 });
    assert!(faults(&file).contains(&Fault::MultipleReferences));

    let mut draft = tree(1024);
    draft.branch(4, &[(b"a", 5), (b"b", 5), (b"c", 5)]);
    let file = draft.open();
    let mut cursor = inner(&file).cursor();
    cursor.next().unwrap();
    cursor.next().unwrap();
    assert_eq!(cursor.next().unwrap_err().fault, Fault::KeyOrder { index: 0 });
    assert!(faults(&file).contains(&Fault::MultipleReferences));
}

#[test]
fn lengths_are_compared_with_the_page_before_they_are_believed() {
    let mut draft = tree(1024);
    draft.header(5, 2, 2, u32::MAX);
    assert_eq!(faults(&draft.open()), [Fault::OutOfBounds { high_water: 8 }]);

    let mut draft = tree(1024);
    draft.header(5, 2, 64, 0);
    assert_eq!(faults(&draft.open()), [Fault::TooManyElements { count: 64, bytes: 1024 }]);

    let mut draft = tree(1024);
    draft.put(5 * 1024 + 16 + 8, &u32::MAX.to_le_bytes());
    assert_eq!(faults(&draft.open()), [Fault::ElementOutOfPage { index: 0 }]);

    let mut draft = tree(1024);
    draft.branch(4, &[(b"a", 5), (b"g", u64::MAX), (b"m", 7)]);
    assert_eq!(faults(&draft.open()), [Fault::OutOfBounds { high_water: 8 }]);
}

#[test]
fn a_freelist_is_compared_with_what_is_in_use() {
    let mut draft = tree(1024);
    draft.freelist(2, &[]);
    assert_eq!(faults(&draft.open()), [], "nothing is free");

    draft.freelist(2, &[5, 9]);
    let found = faults(&draft.open());
    assert_eq!(found, [Fault::OutOfBounds { high_water: 8 }, Fault::ReachableFreed]);

    draft.branch(4, &[(b"a", 5), (b"g", 6)]);
    draft.freelist(2, &[]);
    assert_eq!(faults(&draft.open()), [Fault::UnreachableUnfreed], "page 7");
    draft.freelist(2, &[7, 7]);
    assert_eq!(faults(&draft.open()), [Fault::AlreadyFreed]);
    draft.freelist(2, &[7]);
    let file = draft.open();
    assert_eq!((faults(&file), file.freelist().unwrap()), (vec![], Some(vec![7])));

    // A count that does not fit 16 bits follows as the first number.
    draft.header(2, 16, 0xFFFF, 0);
    draft.put(2 * 1024 + 16, &[1_u64.to_le_bytes(), 7_u64.to_le_bytes()].concat());
    assert_eq!(draft.open().freelist().unwrap(), Some(vec![7]));
    draft.put(2 * 1024 + 16, &u64::MAX.to_le_bytes());
    let error = draft.open().freelist().unwrap_err();
    assert_eq!(error.fault, Fault::TooManyElements { count: u64::MAX, bytes: 1024 });
}

#[test]
fn keys_must_lie_within_what_the_branch_says() {
    let mut draft = tree(1024);
    draft.leaf(6, &[(0, b"g", b"3"), (0, b"n", b"n is for the next page")]);
    assert_eq!(faults(&draft.open()), [Fault::KeyBounds { index: 1 }]);
    draft.leaf(6, &[(0, b"i", b""), (0, b"h", b"")]);
    assert_eq!(faults(&draft.open()), [Fault::KeyOrder { index: 1 }]);
    draft.leaf(6, &[]);
    assert_eq!(faults(&draft.open()), [Fault::Empty]);
}
