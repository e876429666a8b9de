//! Payloads of a chunk of the log: copied one behind the other as long as all are small, which costs
//! four bytes each; a handle of each otherwise.

use std::mem::take;
use std::ops::Range;

use bytes::Bytes;

/// Bytes up to which a copy is cheaper than to hold on to the memory that a payload lies in.
const SMALL: usize = 128;

/// Payloads in a row.
#[derive(Clone, Debug)]
pub(crate) enum Payloads {
    /// Copies of small ones, and where each ends.
    Copied { bytes: Vec<u8>, ends: Vec<u32> },
    /// The same, when no more are to come: they can be shared.
    Packed { bytes: Bytes, ends: Vec<u32> },
    /// A handle of each.
    Apart(Vec<Bytes>),
}

impl Default for Payloads {
    fn default() -> Self {
        Self::Copied { bytes: Vec::new(), ends: Vec::new() }
    }
}

impl Payloads {
    /// None yet, and room for so many if they are like these.
    pub(crate) fn with_room_like(&self, count: usize) -> Self {
        let size = if let Self::Copied { bytes, .. } = self { bytes.len() } else { 0 };
        Self::Copied { bytes: Vec::with_capacity(size), ends: Vec::with_capacity(count) }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Copied { ends, .. } | Self::Packed { ends, .. } => ends.len(),
            Self::Apart(all) => all.len(),
        }
    }

    /// Gives those at these positions, one by one.
    #[inline]
    pub(crate) fn for_each(&self, places: Range<usize>, mut take: impl FnMut(Bytes)) {
        match self {
            Self::Copied { bytes, ends } => {
                places.for_each(|at| take(Bytes::copy_from_slice(&bytes[place(ends, at)])));
            }
            Self::Packed { bytes, ends } => {
                places.for_each(|at| take(bytes.slice(place(ends, at))));
            }
            Self::Apart(all) => all[places].iter().for_each(|payload| take(payload.clone())),
        }
    }

    /// The bytes of one of them.
    #[inline]
    pub(crate) fn size(&self, at: usize) -> usize {
        match self {
            Self::Copied { ends, .. } | Self::Packed { ends, .. } => place(ends, at).len(),
            Self::Apart(all) => all[at].len(),
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, payload: Bytes) {
        if !self.copies(&payload) {
            self.apart().push(payload);
        }
    }

    /// Pushes what others keep too.
    #[inline]
    pub(crate) fn extend<'a>(&mut self, mut payloads: impl Iterator<Item = &'a Bytes>) {
        while !matches!(self, Self::Apart(_)) {
            let Some(payload) = payloads.next() else { return };
            if !self.copies(payload) {
                self.apart().push(payload.clone());
            }
        }
        self.apart().extend(payloads.cloned());
    }

    /// Copies the payload if it is small, as all before it.
    #[inline]
    fn copies(&mut self, payload: &[u8]) -> bool {
        let Self::Copied { bytes, ends } = self else { return false };
        if payload.len() > SMALL {
            return false;
        }
        bytes.extend_from_slice(payload);
        ends.push(u32::try_from(bytes.len()).expect("small payloads of a chunk"));
        true
    }

    /// The handles: from now on there is one for each.
    #[inline]
    fn apart(&mut self) -> &mut Vec<Bytes> {
        if !matches!(self, Self::Apart(_)) {
            self.take_apart();
        }
        let Self::Apart(all) = self else { unreachable!("they were taken apart") };
        all
    }

    #[cold]
    fn take_apart(&mut self) {
        let room = if let Self::Copied { ends, .. } = self { ends.capacity() } else { 0 };
        self.close();
        let mut all = Vec::with_capacity(room);
        self.for_each(0..self.len(), |payload| all.push(payload));
        *self = Self::Apart(all);
    }

    /// No more are to come, unless some are dropped first.
    pub(crate) fn close(&mut self) {
        if let Self::Copied { bytes, ends } = self {
            let bytes = Bytes::from(take(bytes).into_boxed_slice());
            *self = Self::Packed { bytes, ends: take(ends) };
        }
    }

    /// Drops all but the first so many.
    pub(crate) fn truncate(&mut self, len: usize) {
        if let Self::Packed { bytes, ends } = self {
            *self = Self::Copied { bytes: bytes.to_vec(), ends: take(ends) };
        }
        match self {
            Self::Copied { bytes, ends } => {
                bytes.truncate(if len < ends.len() { place(ends, len).start } else { bytes.len() });
                ends.truncate(len);
            }
            Self::Apart(all) => all.truncate(len),
            Self::Packed { .. } => unreachable!("they were opened"),
        }
    }
}

/// Where in the bytes of all a payload lies.
fn place(ends: &[u32], at: usize) -> Range<usize> {
    let start = at.checked_sub(1).map_or(0, |before| ends[before]);
    start as usize..ends[at] as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(payloads: &Payloads) -> Vec<Bytes> {
        let mut all = Vec::new();
        payloads.for_each(0..payloads.len(), |payload| all.push(payload));
        let sizes: Vec<_> = (0..payloads.len()).map(|at| payloads.size(at)).collect();
        assert!(all.iter().map(Bytes::len).eq(sizes), "each has its size");
        all
    }

    #[test]
    fn payloads_of_any_size_are_what_was_put_in() {
        for sizes in [&[][..], &[0, 3, 128], &[129], &[1, 129, 0], &[4096, 4096], &[128, 0, 500]] {
            let row: Vec<Bytes> = sizes.iter().map(|size| Bytes::from(vec![7; *size])).collect();
            let (mut one_by_one, mut together) = (Payloads::default(), Payloads::default());
            for payload in &row {
                one_by_one.push(payload.clone());
            }
            together.extend(row.iter());
            assert_eq!((all(&one_by_one), all(&together)), (row.clone(), row.clone()), "{sizes:?}");
            together.close();
            assert_eq!(all(&together), row, "{sizes:?}, closed");
            for len in 0..=row.len() {
                for mut cut in [one_by_one.clone(), together.clone()] {
                    cut.truncate(len);
                    assert_eq!(all(&cut), row[..len], "the first {len} of {sizes:?}");
                    cut.push(Bytes::from_static(b"more"));
                    assert_eq!(all(&cut)[len], "more", "behind the first {len} of {sizes:?}");
                }
            }
        }
    }

    #[test]
    fn memory_of_small_payloads_is_let_go() {
        let whole = Bytes::from(vec![7; 1000]);
        for (size, is_let_go) in [(128, true), (129, false)] {
            let mut payloads = Payloads::default();
            payloads.push(whole.slice(..size));
            payloads.extend([whole.slice(..size)].iter());
            assert_eq!(whole.is_unique(), is_let_go, "payloads of {size} bytes");
        }
    }

    #[test]
    fn payloads_that_are_closed_are_read_without_copying() {
        let mut payloads = Payloads::default();
        payloads.extend([Bytes::from_static(b"one"), Bytes::from_static(b"two")].iter());
        payloads.close();
        let addresses =
            || all(&payloads).iter().map(|payload| payload.as_ptr()).collect::<Vec<_>>();
        assert_eq!(addresses(), addresses(), "the same bytes each time");
    }
}
