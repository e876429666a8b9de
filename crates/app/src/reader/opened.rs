//! A directory that is open.

use archive::ArchiveError;
use etcd::datadir::{
    DataDir, DataDirError, FieldsError, Inspection, Kind, PieceIndex, State, Verification,
};
use sim::view::{WalRow, Window, store_view};

use super::dropped::{self, Dropped};
use super::overview;
use super::pieces;
use super::protocol::{Keys, Overview, Piece, Question, ROWS_MAX, Records, Told};
use super::records::{RecordIndex, piece_of};
use super::verdict;

/// Why files are not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// They cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// They are no data directory, or several.
    #[error("{name}: {error}")]
    DataDir {
        /// What was dropped.
        name: String,
        /// What is wrong with it.
        error: DataDirError,
    },
}

/// A directory that is open. Keys and verdict are found when first asked for.
#[derive(Debug)]
pub struct Opened {
    name: String,
    directory: DataDir,
    records: RecordIndex,
    inspection: Inspection,
    state: Option<Result<State, String>>,
    verification: Option<Verification>,
    /// The file whose pieces were asked for last.
    pieces: Option<(String, PieceIndex)>,
}

impl Opened {
    /// An archive, a snapshot file, or the files of a folder.
    pub fn open(name: &str, files: Vec<Dropped>) -> Result<Opened, OpenError> {
        let directory = DataDir::from_files(dropped::files(name, files)?)
            .map_err(|error| OpenError::DataDir { name: name.to_owned(), error })?;
        let records = RecordIndex::of(&directory);
        let inspection = directory.inspect();
        let name = name.to_owned();
        let (state, verification, pieces) = (None, None, None);
        Ok(Opened { name, directory, records, inspection, state, verification, pieces })
    }

    /// What `quorarium inspect` says.
    pub fn inspection(&self) -> &Inspection {
        &self.inspection
    }

    /// What it holds, in words.
    pub fn overview(&self) -> Overview {
        let records = (self.directory.kind() == Kind::Etcd).then(|| self.records.len());
        overview::of(&self.name, records, pieces::files(&self.directory), &self.inspection)
    }

    /// Answers a question.
    pub fn answer(&mut self, question: &Question) -> Told {
        match *question {
            Question::Records { first, rows } => Told::Records(self.records(first, rows)),
            Question::Record { number } => {
                match self.records.row_with_fields(&self.directory, number) {
                    Some(row) => Told::Record { number, row },
                    None => Told::Refused(format!("there is no record {number}")),
                }
            }
            Question::Index { index } => Told::Found(self.records.with_index(index)),
            Question::Bytes { ref file, offset } => match self.bytes(file, offset) {
                Some(piece) => Told::Bytes(piece),
                None => Told::Refused(format!("there is no file {file}")),
            },
            Question::Keys { revision, first, rows } => {
                self.keys(revision, first, rows).map_or_else(Told::Refused, Told::Keys)
            }
            Question::Verify => Told::Verified(self.verify()),
            Question::Pieces { ref file, first, rows } => {
                let told = self.pieces(file).map(|index| pieces::window(index, first, rows));
                told.map_or_else(
                    |error| Told::Refused(error.to_string()),
                    |records| Told::Pieces { file: file.clone(), records },
                )
            }
            Question::Piece { ref file, number } => match self.piece(file, number) {
                Ok(Some(row)) => Told::Piece { number, row },
                Ok(None) => Told::Refused(format!("{file} has no piece {number}")),
                Err(error) => Told::Refused(error.to_string()),
            },
        }
    }

    /// The pieces of a file; those of one file are kept.
    fn pieces(&mut self, file: &str) -> Result<&PieceIndex, FieldsError> {
        let index = match self.pieces.take().filter(|known| known.0 == file) {
            Some((_, index)) => index,
            None => self.directory.piece_index(file)?,
        };
        Ok(&self.pieces.insert((file.to_owned(), index)).1)
    }

    fn piece(&mut self, file: &str, number: u64) -> Result<Option<WalRow>, FieldsError> {
        let Some(piece) = self.pieces(file)?.get(number) else { return Ok(None) };
        let found = self.directory.files().iter().find(|one| one.path == file);
        Ok(found.map(|found| pieces::whole(&piece, found)))
    }

    fn records(&self, first: u64, rows: u32) -> Records {
        let window = self.records.window(first, rows);
        let first = window.start;
        let rows: Vec<_> = window
            .filter_map(|number| self.records.row(&self.directory, number))
            .map(|row| WalRow { bytes: Vec::new(), ..row })
            .collect();
        let mut sequences: Vec<u64> = rows.iter().map(|row| row.segment).collect();
        sequences.dedup();
        let segment = |sequence| self.records.segment(&self.directory, sequence);
        let segments = sequences.into_iter().filter_map(segment).collect();
        Records { first, rows, total: self.records.len(), segments }
    }

    fn bytes(&self, file: &str, offset: u64) -> Option<Piece> {
        let found = self.directory.files().iter().find(|one| one.path == file)?;
        Some(Piece {
            file: file.to_owned(),
            offset,
            bytes: piece_of(found, offset),
            file_bytes: found.len(),
        })
    }

    /// Refuses revisions that are compacted or not there yet, and directories without keys.
    fn keys(&mut self, revision: i64, first: u32, rows: u32) -> Result<Keys, String> {
        let directory = &self.directory;
        if directory.kind() == Kind::Zookeeper {
            return Err("ZooKeeper's files are recognised, their nodes are not read yet".to_owned());
        }
        let read = || directory.state().map_err(|error| error.to_string());
        let state = self.state.get_or_insert_with(read).as_ref().map_err(String::clone)?;
        let store = state.store();
        let (oldest, last) = (store.compact_revision(), store.revision());
        if revision > last {
            return Err(format!("revision {revision} is not there: the last one is {last}"));
        }
        if revision > 0 && revision < oldest {
            return Err(format!("revision {revision} was compacted: the oldest left is {oldest}"));
        }
        let window = Window { first, rows: rows.min(ROWS_MAX) };
        let store = store_view(store, revision.max(0), window);
        Ok(Keys { first, revision: revision.max(0), store, last_revision: last })
    }

    fn verify(&mut self) -> super::protocol::Verdict {
        let directory = &self.directory;
        let found = self.verification.get_or_insert_with(|| directory.verify(None));
        verdict::of(found, |file, offset| self.records.at(directory, file, offset))
    }
}
