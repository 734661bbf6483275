//! Tables: CSV and TSV files with a header (RFC 4180), plain or compressed.
//!
//! A file is read in blocks of whole records, and the pieces of a block in parallel. Columns are taken
//! to be numbers or text by their first rows; if a later row has text in a column of numbers, the file
//! is read once more.

mod blocks;
mod columns;
mod rows;

use std::io::Read;
use std::path::Path;

use rayon::prelude::*;

use super::file::{Input, check_memory, failed, fault, is_gz, plain_name};
use crate::data::raw::{Cells, Column, Table};
use crate::error::{DataFault, Result};
use blocks::{Blocks, lines_in, record_ends};
use columns::{Growing, Misfit, RowFault, number, read_rows};

pub use rows::Rows;

/// The kind of the cells of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Numbers.
    Number,
    /// Text.
    Text,
}

/// Bytes of a block.
const BLOCK: usize = 8 << 20;

/// The fewest bytes of a piece that is worth a thread.
const PIECE: usize = 256 << 10;

/// Rows by which the kinds of columns are guessed.
const FIRST: usize = 1000;

/// Whether the name of a file is that of a table.
pub fn is_named(path: &Path) -> bool {
    let name = plain_name(path);
    [".csv", ".tsv", ".tab"]
        .iter()
        .any(|end| name.ends_with(end))
}

/// Reads the table in the file `path`. If `kinds` are given, columns are of these kinds and in this
/// order, and others are left out.
///
/// # Errors
/// [`Error::Io`](crate::error::Error::Io) and [`Error::Data`](crate::error::Error::Data).
pub fn read(path: &Path, kinds: Option<&[(String, Kind)]>) -> Result<Table> {
    let length = std::fs::metadata(path).ok().map(|found| found.len());
    let length = length.filter(|_| !is_gz(path));
    read_from(path, kinds, length, || Input::open(path))
}

/// [`read`] of a file's bytes.
///
/// # Errors
/// [`Error::Data`](crate::error::Error::Data).
#[doc(hidden)]
pub fn parse(path: &Path, kinds: Option<&[(String, Kind)]>, bytes: &[u8]) -> Result<Table> {
    read_from(path, kinds, Some(bytes.len() as u64), || Ok(bytes))
}

/// Reads the table in the bytes that `open` gives, once or twice; there are `length` of them, if that is
/// known.
fn read_from<R: Read>(
    path: &Path,
    kinds: Option<&[(String, Kind)]>,
    length: Option<u64>,
    open: impl Fn() -> Result<R>,
) -> Result<Table> {
    let mut blocks = Blocks::new(open()?, BLOCK, false);
    let mut header = Header::read(&mut blocks, path)?;
    match kinds {
        Some(kinds) => header.choose(kinds, path)?,
        None => header.guess(&mut blocks, path)?,
    }
    let mut columns = read_columns(&mut blocks, &header, path, length)?;
    if kinds.is_none() && columns.iter().any(|column| column.text.is_some()) {
        for (kind, column) in header.kinds.iter_mut().zip(&columns) {
            if column.text.is_some() {
                *kind = Some(Kind::Text);
            }
        }
        drop(columns);
        let mut blocks = Blocks::new(open()?, BLOCK, false);
        Header::read(&mut blocks, path)?;
        columns = read_columns(&mut blocks, &header, path, length)?;
    }
    let table = header.table(columns, path)?;
    let is_empty = |column: &Column| match &column.cells {
        Cells::Numbers(numbers) => numbers.is_empty(),
        Cells::Text { codes, .. } => codes.is_empty(),
    };
    match table.columns.iter().any(is_empty) {
        true => Err(fault(path)(DataFault::NoSamples)),
        false => Ok(table),
    }
}

/// The first row of a table, and the use of its columns.
struct Header {
    names: Vec<String>,
    delimiter: u8,
    /// The kind of each column; none for a column that is left out.
    kinds: Vec<Option<Kind>>,
    /// The position of each column that is wanted, in the order in which they are wanted.
    order: Vec<usize>,
}

impl Header {
    /// Reads the header; the blocks continue after it.
    fn read<R: Read>(blocks: &mut Blocks<R>, path: &Path) -> Result<Self> {
        let (fail, fault) = (failed(path), fault(path));
        blocks.skip_empty_lines().map_err(&fail)?;
        let line = blocks.first_line().map_err(&fail)?;
        if line.starts_with(&[0xFF, 0xFE]) || line.starts_with(&[0xFE, 0xFF]) {
            // The byte order mark of UTF-16.
            return Err(fault(DataFault::NotUtf8 { line: 1 }));
        }
        let bom = if line.starts_with(b"\xEF\xBB\xBF") {
            3
        } else {
            0
        };
        let delimiter = delimiter_of(path, line);
        blocks.skip(bom);
        let block = blocks.peek(delimiter).map_err(&fail)?;
        let block = block.map_err(|line| fault(DataFault::OpenQuote { line }))?;
        let Some((block, lines)) = block else {
            return Err(fault(DataFault::Empty));
        };
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .delimiter(delimiter)
            .from_reader(block);
        let mut record = csv::ByteRecord::new();
        if !reader.read_byte_record(&mut record).unwrap_or(false) {
            return Err(fault(DataFault::Empty));
        }
        let end = reader.position().byte() as usize;
        let mut names = Vec::new();
        for cell in &record {
            let name = str::from_utf8(cell.trim_ascii());
            let line = line_at(block, 0, lines);
            let name = name.map_err(|_| fault(DataFault::NotUtf8 { line }))?;
            names.push(name.to_owned());
        }
        blocks.skip(end);
        check_names(&names).map_err(fault)?;
        Ok(Self {
            kinds: vec![None; names.len()],
            order: Vec::new(),
            delimiter,
            names,
        })
    }

    /// Wants all columns, of the kinds of their first rows.
    fn guess<R: Read>(&mut self, blocks: &mut Blocks<R>, path: &Path) -> Result<()> {
        self.kinds = vec![Some(Kind::Number); self.names.len()];
        // Row numbers, which are written without a name.
        if self.names[0].is_empty() {
            self.kinds[0] = None;
        }
        self.order = (0..self.names.len())
            .filter(|&column| self.kinds[column].is_some())
            .collect();
        let mut first = self.growing();
        // Faults are found again, with their lines, when all rows are read.
        if let Ok(Some((block, _))) = blocks.peek(self.delimiter).map_err(failed(path))?
            && read_rows(block, self.delimiter, FIRST, &mut first).is_ok()
        {
            for (kind, column) in self.kinds.iter_mut().zip(&first) {
                if column.text.is_some() {
                    *kind = Some(Kind::Text);
                }
            }
        }
        Ok(())
    }

    /// Wants the columns of `kinds`, in their order.
    fn choose(&mut self, kinds: &[(String, Kind)], path: &Path) -> Result<()> {
        let mut missing = Vec::new();
        for (wanted, kind) in kinds {
            match self.names.iter().position(|name| name == wanted) {
                Some(column) => {
                    self.kinds[column] = Some(*kind);
                    self.order.push(column);
                }
                None => missing.push(wanted.clone()),
            }
        }
        match missing.is_empty() {
            true => Ok(()),
            false => Err(fault(path)(DataFault::MissingColumns {
                names: missing,
                known: self.names.clone(),
            })),
        }
    }

    /// Empty columns.
    fn growing(&self) -> Vec<Growing> {
        self.kinds.iter().map(|&kind| Growing::new(kind)).collect()
    }

    /// The fault of a row of `bytes`, before which there are `lines` line breaks.
    fn row_fault(&self, row: RowFault, bytes: &[u8], lines: u64) -> DataFault {
        let line = line_at(bytes, row.at, lines);
        match row.cells {
            None => DataFault::NotUtf8 { line },
            Some(found) => DataFault::Ragged {
                line,
                expected: self.names.len(),
                found,
                delimiter: char::from(self.delimiter),
            },
        }
    }

    /// The wanted columns.
    ///
    /// # Errors
    /// For text in a column of numbers, and for infinite numbers.
    fn table(&self, columns: Vec<Growing>, path: &Path) -> Result<Table> {
        for (name, column) in self.names.iter().zip(&columns) {
            if let Some(Misfit { at, text }) = &column.text {
                return Err(fault(path)(DataFault::NotANumber {
                    line: *at,
                    column: name.clone(),
                    value: text.clone(),
                }));
            }
            if let Some(Misfit { at, text }) = &column.infinity {
                return Err(fault(path)(DataFault::InfiniteCell {
                    line: *at,
                    column: name.clone(),
                    value: text.clone(),
                }));
            }
        }
        let named = columns.into_iter().zip(&self.names);
        let mut finished: Vec<Option<Column>> = named
            .map(|(column, name)| column.finish(name.clone()))
            .collect();
        let wanted = self.order.iter();
        Ok(Table {
            path: path.to_owned(),
            columns: wanted
                .filter_map(|&column| finished[column].take())
                .collect(),
        })
    }
}

/// Fails for names that cannot be a header's.
fn check_names(names: &[String]) -> Result<(), DataFault> {
    if names.len() == 1 && names[0].is_empty() {
        return Err(DataFault::UnnamedColumn { column: 1 });
    }
    for (column, name) in names.iter().enumerate() {
        // The first may be that of row numbers.
        if name.is_empty() && column > 0 {
            return Err(DataFault::UnnamedColumn { column: column + 1 });
        }
    }
    let mut sorted: Vec<usize> = (0..names.len()).collect();
    sorted.sort_by_key(|&column| &names[column]);
    let same = sorted
        .windows(2)
        .find(|pair| names[pair[0]] == names[pair[1]]);
    if let Some(&[first, second]) = same {
        return Err(DataFault::DuplicateColumn {
            name: names[first].clone(),
            columns: [first + 1, second + 1],
        });
    }
    // Columns that are numbered instead of named, 0, 1, 2, …, are no data; a fraction is no name.
    let named = || names.iter().filter(|name| !name.is_empty());
    let is_number = |name: &&String| number(name.as_bytes(), false).is_some();
    let is_numbered = named()
        .enumerate()
        .all(|(column, name)| *name == column.to_string());
    let is_fraction = |name: &String| name.contains('.') && is_number(&name);
    if !is_numbered && named().all(|name| is_number(&name)) || names.iter().any(is_fraction) {
        let row: Vec<&str> = names.iter().take(4).map(String::as_str).collect();
        return Err(DataFault::NoHeader {
            row: row.join(", ") + if names.len() > 4 { ", …" } else { "" },
        });
    }
    Ok(())
}

/// The delimiter of the cells of the header `line`: a tab in a TSV file; otherwise the most frequent of
/// comma, semicolon and tab outside quotes.
fn delimiter_of(path: &Path, line: &[u8]) -> u8 {
    let name = plain_name(path);
    if name.ends_with(".tsv") || name.ends_with(".tab") {
        return b'\t';
    }
    let mut counts = [(b'\t', 0), (b';', 0), (b',', 0)];
    let mut is_quoted = false;
    for &byte in line {
        is_quoted ^= byte == b'"';
        if !is_quoted {
            for (delimiter, count) in &mut counts {
                *count += usize::from(*delimiter == byte);
            }
        }
    }
    // Of equal counts, the last.
    let most = counts.into_iter().max_by_key(|&(_, count)| count);
    most.map_or(b',', |(delimiter, _)| delimiter)
}

/// The line of the record that starts at byte `at` or after line breaks there.
fn line_at(bytes: &[u8], at: usize, lines: u64) -> u64 {
    let before = &bytes[..at.min(bytes.len())];
    let breaks = bytes[before.len()..].iter();
    let breaks = breaks.take_while(|byte| matches!(byte, b'\n' | b'\r'));
    let breaks = breaks.filter(|&&byte| byte == b'\n').count() as u64;
    lines + lines_in(before) + breaks + 1
}

/// Reads all rows.
fn read_columns<R: Read>(
    blocks: &mut Blocks<R>,
    header: &Header,
    path: &Path,
    length: Option<u64>,
) -> Result<Vec<Growing>> {
    let fault = fault(path);
    let mut columns = header.growing();
    let mut seen = 0;
    loop {
        let block = blocks.peek(header.delimiter).map_err(failed(path))?;
        let block = block.map_err(|line| fault(DataFault::OpenQuote { line }))?;
        let Some((bytes, lines)) = block else {
            return Ok(columns);
        };
        let pieces = pieces_of(bytes, header.delimiter);
        let read = |piece: &std::ops::Range<usize>| {
            let mut columns = header.growing();
            let rows = read_rows(
                &bytes[piece.clone()],
                header.delimiter,
                usize::MAX,
                &mut columns,
            );
            rows.map(|_| columns)
        };
        let read: Vec<Result<Vec<Growing>, RowFault>> = match &pieces[..] {
            [alone] => vec![read(alone)],
            _ => pieces.par_iter().map(read).collect(),
        };
        for (piece, read) in pieces.into_iter().zip(read) {
            let more = read.map_err(|row| {
                let lines = lines + lines_in(&bytes[..piece.start]);
                fault(header.row_fault(row, &bytes[piece.clone()], lines))
            })?;
            for (column, mut more) in columns.iter_mut().zip(more) {
                for misfit in [&mut more.text, &mut more.infinity].into_iter().flatten() {
                    let at = piece.start + misfit.at as usize;
                    misfit.at = line_at(bytes, at, lines);
                }
                column.append(more);
            }
        }
        let end = bytes.len();
        blocks.skip(end);
        // The rest takes as much memory for each byte; if its length is unknown, it is assumed to be as long
        // again.
        seen += end as u64;
        let held: u64 = columns.iter().map(Growing::bytes).sum();
        let left = length.map_or(seen, |length| length.saturating_sub(seen));
        let needed = u128::from(held) * u128::from(left) / u128::from(seen.max(1));
        check_memory(u64::try_from(needed).unwrap_or(u64::MAX)).map_err(&fault)?;
    }
}

/// Parts of `bytes` that are whole records, for as many threads as there are.
fn pieces_of(bytes: &[u8], delimiter: u8) -> Vec<std::ops::Range<usize>> {
    let most = bytes.len() / PIECE;
    // Asking for the threads starts them.
    let number = match most {
        0 | 1 => 1,
        _ => most.min(2 * rayon::current_num_threads()),
    };
    let length = bytes.len().div_ceil(number);
    let mut cuts = vec![0];
    if number > 1 {
        let mut cut = |end: usize| {
            if end >= cuts.len() * length && end < bytes.len() {
                cuts.push(end);
            }
        };
        match memchr::memchr(b'"', bytes) {
            Some(_) => record_ends(bytes, delimiter).for_each(cut),
            None => {
                for piece in 1..number {
                    let at = (piece * length).min(bytes.len());
                    if let Some(end) = memchr::memchr(b'\n', &bytes[at..]) {
                        cut(at + end + 1);
                    }
                }
            }
        }
    }
    cuts.push(bytes.len());
    cuts.windows(2).map(|ends| ends[0]..ends[1]).collect()
}
