//! The rows of a table a few at a time, for tables that are longer than memory or arrive slowly.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::blocks::Blocks;
use super::columns::read_rows;
use super::{Header, Kind, line_at};
use crate::data::raw::Table;
use crate::data::reader::file::{failed, fault};
use crate::error::{DataFault, Result};

/// Bytes that are read at once.
const BLOCK: usize = 1 << 16;

/// A reader of tables of a few rows each, whose columns are known.
///
/// ```
/// use bregman::data::raw::Cells;
/// use bregman::data::reader::{Kind, Rows};
///
/// let text = "b,a,c\n1,x,5\n2,y,6\n3,x,7\n";
/// let kinds = [("a".to_owned(), Kind::Text), ("b".to_owned(), Kind::Number)];
/// let mut rows = Rows::new(text.as_bytes(), "-".as_ref(), &kinds)?;
/// let first = rows.next(2)?.expect("rows");
/// assert_eq!((first.columns[0].name.as_str(), first.columns[1].name.as_str()), ("a", "b"));
/// assert_eq!(rows.next(2)?.expect("a row").columns[1].cells, Cells::Numbers(vec![3.0]));
/// assert!(rows.next(2)?.is_none());
/// # Ok::<(), bregman::error::Error>(())
/// ```
pub struct Rows<R> {
    blocks: Blocks<R>,
    header: Header,
    path: PathBuf,
}

impl<R: Read> Rows<R> {
    /// Reads the header of the table in `reader`, which is called `path` in messages and whose ending
    /// tells a TSV file. Tables have the columns `kinds` in this order; others are left out.
    ///
    /// # Errors
    /// [`Error::Io`](crate::error::Error::Io), and [`Error::Data`](crate::error::Error::Data) for a
    /// header that lacks a column or cannot be used.
    pub fn new(reader: R, path: &Path, kinds: &[(String, Kind)]) -> Result<Self> {
        let mut blocks = Blocks::new(reader, BLOCK, true);
        let mut header = Header::read(&mut blocks, path)?;
        header.choose(kinds, path)?;
        Ok(Self {
            blocks,
            header,
            path: path.to_owned(),
        })
    }

    /// The next rows, at least one and at most `most`: those that have arrived. Nothing behind the last.
    ///
    /// # Errors
    /// [`Error::Io`](crate::error::Error::Io), and [`Error::Data`](crate::error::Error::Data) for a row
    /// of another length, text that is not UTF-8, text where a number is needed, and infinite numbers.
    pub fn next(&mut self, most: usize) -> Result<Option<Table>> {
        let fault = fault(&self.path);
        loop {
            let block = self.blocks.peek(self.header.delimiter);
            let block = block.map_err(failed(&self.path))?;
            let block = block.map_err(|line| fault(DataFault::OpenQuote { line }))?;
            let Some((bytes, lines)) = block else {
                return Ok(None);
            };
            let mut columns = self.header.growing();
            let read = read_rows(bytes, self.header.delimiter, most.max(1), &mut columns);
            let (count, end) =
                read.map_err(|row| fault(self.header.row_fault(row, bytes, lines)))?;
            for column in &mut columns {
                for misfit in [&mut column.text, &mut column.infinity]
                    .into_iter()
                    .flatten()
                {
                    misfit.at = line_at(bytes, misfit.at as usize, lines);
                }
            }
            self.blocks.skip(end);
            if count > 0 {
                return self.header.table(columns, &self.path).map(Some);
            }
        }
    }
}
