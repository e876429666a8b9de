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

/// One of them.
pub(super) struct BrowserFile {
    number: usize,
    len: u64,
}

impl BrowserFile {
    pub(super) fn new(file: File) -> BrowserFile {
        let size = BigInt::new(&file.size().into()).ok();
        let len = size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
        let number = FILES.with_borrow_mut(|files| {
            files.push(file);
            files.len() - 1
        });
        BrowserFile { number, len }
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
        let bytes = self.slice(offset, offset + into.len() as u64);
        let bytes = bytes.map_err(|error| format!("{error:?}"))?;
        if usize::try_from(bytes.length()).ok() != Some(into.len()) {
            return Err("the file became shorter".to_owned());
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
