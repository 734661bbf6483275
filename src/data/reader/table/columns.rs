//! Columns that grow row by row.

use std::collections::HashMap;

use csv::ByteRecord;

use super::Kind;
use crate::data::raw::{Cells, Column};

/// Texts that mark a cell as missing, besides NaN in upper and lower case.
const MISSING: [&[u8]; 6] = [b"", b"NA", b"N/A", b"null", b"None", b"?"];

/// A cell that does not fit its column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Where the row starts: the position of a byte while a piece is read, then the line.
    pub at: u64,
    /// The text of the cell.
    pub text: String,
}

/// A column under construction.
pub struct Growing {
    cells: Build,
    /// The first cell of a column of numbers that has text.
    pub text: Option<Misfit>,
    /// The first infinite number.
    pub infinity: Option<Misfit>,
}

enum Build {
    Numbers(Vec<f64>),
    Text {
        places: HashMap<Box<str>, u32>,
        codes: Vec<u32>,
    },
    /// A column that is left out.
    Nothing,
}

impl Growing {
    /// A column of `kind` without rows; one without a kind is left out.
    pub fn new(kind: Option<Kind>) -> Self {
        Self {
            cells: match kind {
                Some(Kind::Number) => Build::Numbers(Vec::new()),
                Some(Kind::Text) => Build::Text {
                    places: HashMap::new(),
                    codes: Vec::new(),
                },
                None => Build::Nothing,
            },
            text: None,
            infinity: None,
        }
    }

    /// Adds a cell of the row that starts at byte `at`.
    ///
    /// # Errors
    /// For text that is not UTF-8.
    fn push(&mut self, cell: &[u8], delimiter: u8, at: u64) -> Result<(), ()> {
        let cell = cell.trim_ascii();
        match &mut self.cells {
            Build::Nothing => {}
            Build::Numbers(numbers) => {
                let (number, misfit) = match number(cell, delimiter == b';') {
                    Some(number) if number.is_infinite() => (number, &mut self.infinity),
                    Some(number) => {
                        numbers.push(number);
                        return Ok(());
                    }
                    None => (f64::NAN, &mut self.text),
                };
                numbers.push(number);
                if misfit.is_none() {
                    let text = String::from_utf8_lossy(cell);
                    *misfit = Some(Misfit {
                        at,
                        text: text.chars().take(40).collect(),
                    });
                }
            }
            Build::Text { places, codes } => {
                if is_missing(cell) {
                    codes.push(u32::MAX);
                    return Ok(());
                }
                let text = str::from_utf8(cell).map_err(drop)?;
                codes.push(place(places, text));
            }
        }
        Ok(())
    }

    /// Appends the rows of `other`, a column of the same kind, whose rows are of a later piece.
    pub fn append(&mut self, other: Self) {
        match (&mut self.cells, other.cells) {
            (Build::Numbers(own), Build::Numbers(more)) => {
                if own.is_empty() {
                    *own = more;
                } else {
                    own.extend(more);
                }
            }
            (
                Build::Text { places, codes },
                Build::Text {
                    places: of,
                    codes: more,
                },
            ) => {
                let translated: Vec<u32> = in_order(of)
                    .iter()
                    .map(|text| place(places, text))
                    .collect();
                let translate = |code: u32| translated.get(code as usize).copied();
                codes.extend(
                    more.into_iter()
                        .map(|code| translate(code).unwrap_or(u32::MAX)),
                );
            }
            _ => {}
        }
        self.text = self.text.take().or(other.text);
        self.infinity = self.infinity.take().or(other.infinity);
    }

    /// Bytes of memory that the cells take, without the texts themselves.
    pub fn bytes(&self) -> u64 {
        match &self.cells {
            Build::Numbers(numbers) => size_of_val(&numbers[..]) as u64,
            Build::Text { codes, .. } => size_of_val(&codes[..]) as u64,
            Build::Nothing => 0,
        }
    }

    /// The column, called `name`; none if it is left out.
    pub fn finish(self, name: String) -> Option<Column> {
        let cells = match self.cells {
            Build::Numbers(numbers) => Cells::Numbers(numbers),
            Build::Text { places, codes } => Cells::Text {
                distinct: in_order(places).into_iter().map(Into::into).collect(),
                codes,
            },
            Build::Nothing => return None,
        };
        Some(Column { name, cells })
    }
}

/// The place of `text`, which is added if it is new.
fn place(places: &mut HashMap<Box<str>, u32>, text: &str) -> u32 {
    match places.get(text) {
        Some(&place) => place,
        None => {
            // A table with more texts than fit has more than 2³² rows.
            let place = places.len() as u32;
            places.insert(text.into(), place);
            place
        }
    }
}

/// The texts in the order of their places.
fn in_order(places: HashMap<Box<str>, u32>) -> Vec<Box<str>> {
    let mut texts: Vec<Box<str>> = vec![Box::default(); places.len()];
    for (text, place) in places {
        texts[place as usize] = text;
    }
    texts
}

/// Whether the cell has no value.
pub fn is_missing(cell: &[u8]) -> bool {
    MISSING.contains(&cell) || cell.eq_ignore_ascii_case(b"nan")
}

/// The number in the cell, NaN if it is missing; nothing for text. Where cells are separated by
/// semicolons, the comma may be that of a fraction (`has_comma`).
pub fn number(cell: &[u8], has_comma: bool) -> Option<f64> {
    let text = str::from_utf8(cell).ok();
    let number = text.and_then(|text| text.parse().ok());
    let with_comma = || {
        let text = text.filter(|text| has_comma && text.matches(',').count() == 1)?;
        text.replace(',', ".").parse().ok()
    };
    let number = number.or_else(with_comma);
    number.or(is_missing(cell).then_some(f64::NAN))
}

/// Why the rows of a piece cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowFault {
    /// The byte of the piece at which the row starts.
    pub at: usize,
    /// The number of its cells; none if its text is not UTF-8.
    pub cells: Option<usize>,
}

/// Reads the records of `bytes`, at most `rows` of them, and adds a row for each to `columns`. Returns
/// the number of rows and the number of bytes that were read.
///
/// # Errors
/// For a row of another number of cells than there are columns, and for text that is not UTF-8.
pub fn read_rows(
    bytes: &[u8],
    delimiter: u8,
    rows: usize,
    columns: &mut [Growing],
) -> Result<(usize, usize), RowFault> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(bytes);
    let mut record = ByteRecord::new();
    let mut count = 0;
    while count < rows {
        let before = reader.position().byte() as usize;
        // Where the record itself starts, behind line breaks.
        let start = |before: usize| {
            let rest = bytes[before.min(bytes.len())..].iter();
            before
                + rest
                    .take_while(|byte| matches!(byte, b'\n' | b'\r'))
                    .count()
        };
        // Slices have no errors of their own, and any number of cells and any bytes are allowed.
        match reader.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) | Err(_) => return Ok((count, bytes.len())),
        }
        let fault = |cells| RowFault {
            at: start(before),
            cells,
        };
        if record.len() != columns.len() {
            return Err(fault(Some(record.len())));
        }
        for (cell, column) in record.iter().zip(columns.iter_mut()) {
            column
                .push(cell, delimiter, before as u64)
                .map_err(|()| fault(None))?;
        }
        count += 1;
    }
    Ok((count, reader.position().byte() as usize))
}
