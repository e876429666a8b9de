//! A file under collection, whose runs of zeros are holes.

use etcd::bolt::{PageSource, Paged};
use etcd::datadir::DataFile;

/// Chunks that hold something, by where they lie.
#[derive(Debug, Default)]
pub(super) struct Sparse {
    /// Ascending. Each run ends where a hole or the file does.
    runs: Vec<Run>,
    len: u64,
    kept_bytes: usize,
}

#[derive(Debug)]
struct Run {
    offset: u64,
    bytes: Vec<u8>,
}

impl Run {
    fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }
}

impl Sparse {
    /// Adds a chunk at the end; holes in front of it are filled, if the file is wanted in one piece.
    /// `false` if it would have more than `bytes_max` in memory then.
    pub(super) fn push(&mut self, chunk: &[u8], in_one_piece: bool, bytes_max: usize) -> bool {
        let at = self.len;
        self.len += chunk.len() as u64;
        if chunk.iter().all(|byte| *byte == 0) {
            return true;
        }
        let end = self.runs.last().map_or(0, Run::end);
        let from = if in_one_piece { end } else { at };
        let added = usize::try_from(self.len - from).unwrap_or(usize::MAX);
        if self.kept_bytes.saturating_add(added) > bytes_max {
            return false;
        }
        self.kept_bytes += added;
        if self.runs.is_empty() || end < from {
            self.runs.push(Run { offset: from, bytes: Vec::new() });
        }
        let run = self.runs.last_mut().expect("there is one now");
        run.bytes.resize(run.bytes.len() + added - chunk.len(), 0);
        run.bytes.extend_from_slice(chunk);
        true
    }

    /// Bytes in memory.
    pub(super) fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }

    /// The file: in one piece, if its only holes are at the end.
    pub(super) fn into_file(mut self, path: &str) -> DataFile {
        if self.runs.last().is_none_or(|last| last.offset == 0) {
            let bytes = self.runs.pop().map_or_else(Vec::new, |only| only.bytes);
            return DataFile::new(path, bytes, self.len);
        }
        DataFile::paged(path, Paged::new(self))
    }
}

impl PageSource for Sparse {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), String> {
        into.fill(0);
        let end = offset + into.len() as u64;
        let first = self.runs.partition_point(|run| run.end() <= offset);
        for run in self.runs[first..].iter().take_while(|run| run.offset < end) {
            let (from, to) = (run.offset.max(offset), run.end().min(end));
            let within = |at: u64, start: u64| {
                usize::try_from(at - start).map_err(|error| error.to_string())
            };
            let bytes = &run.bytes[within(from, run.offset)?..within(to, run.offset)?];
            into[within(from, offset)?..within(to, offset)?].copy_from_slice(bytes);
        }
        Ok(())
    }
}
