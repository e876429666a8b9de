//! A file of the browser, read where it lies. A worker may wait for bytes.

use std::cell::RefCell;

use etcd::bolt::PageSource;
use js_sys::{BigInt, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{File, FileReaderSync};

thread_local! {
    /// The open files. They cannot leave their thread, so what reads them holds a number.
    static FILES: RefCell<Vec<File>> = const { RefCell::new(Vec::new()) };
}

/// Bytes that are read at a time while a file is read in order: each read costs as much as copying
/// so many.
const AHEAD_BYTES: u64 = 1 << 20;

const SHORTER: &str = "the file became shorter";

/// One of them.
pub(super) struct BrowserFile {
    number: usize,
    len: u64,
    /// What was read ahead, and where it begins.
    block: Vec<u8>,
    block_at: u64,
    /// Where a file that is read in order goes on.
    next: u64,
}

impl BrowserFile {
    pub(super) fn new(file: File) -> BrowserFile {
        let size = BigInt::new(&file.size().into()).ok();
        let len = size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
        let number = FILES.with_borrow_mut(|files| {
            files.push(file);
            files.len() - 1
        });
        BrowserFile { number, len, block: Vec::new(), block_at: 0, next: 0 }
    }

    /// Copies bytes that were read ahead; whether they were.
    fn copy_held(&self, offset: u64, into: &mut [u8]) -> bool {
        let start = offset.checked_sub(self.block_at).and_then(|at| usize::try_from(at).ok());
        let held = start.and_then(|start| self.block.get(start..start.checked_add(into.len())?));
        if let Some(held) = held {
            into.copy_from_slice(held);
        }
        held.is_some()
    }

    fn slice(&self, from: u64, to: u64) -> Result<Uint8Array, JsValue> {
        let blob = FILES.with_borrow(|files| {
            files[self.number].slice_with_f64_and_f64(number(from), number(to))
        })?;
        let buffer = FileReaderSync::new()?.read_as_array_buffer(&blob)?;
        Ok(Uint8Array::new(&buffer))
    }
}

impl PageSource for BrowserFile {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), String> {
        if self.copy_held(offset, into) {
            return Ok(());
        }
        let said = |error: JsValue| format!("{error:?}");
        let end = offset + into.len() as u64;
        if offset == self.next && offset + AHEAD_BYTES > end {
            let ahead = (offset + AHEAD_BYTES).min(self.len);
            (self.block, self.block_at) =
                (self.slice(offset, ahead).map_err(said)?.to_vec(), offset);
            self.next = ahead;
            return if self.copy_held(offset, into) { Ok(()) } else { Err(SHORTER.to_owned()) };
        }
        self.next = end;
        let bytes = self.slice(offset, end).map_err(said)?;
        if usize::try_from(bytes.length()).ok() != Some(into.len()) {
            return Err(SHORTER.to_owned());
        }
        bytes.copy_to(into);
        Ok(())
    }
}

/// Exact up to 2^53, which no file reaches.
fn number(offset: u64) -> f64 {
    let [high, low] = [offset >> 32, offset & 0xffff_ffff].map(u32::try_from);
    let [high, low] = [high, low].map(|half| f64::from(half.expect("half of the bits")));
    high * 4_294_967_296.0 + low
}
