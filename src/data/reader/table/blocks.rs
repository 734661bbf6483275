//! The bytes of a table in blocks of whole records.
//!
//! A record ends at a line break that is not within quotes. As in RFC 4180, a quote opens a quoted cell
//! only at its start, and stands for itself in the middle of an unquoted one.

use std::io::{self, ErrorKind, Read};

use memchr::{memchr, memchr_iter, memrchr};

/// The longest record, in bytes.
const LONGEST: usize = 1 << 28;

/// Where a record is between two bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// At the start of a cell.
    #[default]
    Start,
    /// In a cell without quotes, or behind the closing quote.
    Plain,
    /// Between quotes.
    Quoted,
    /// Behind a quote that closes the cell unless another follows.
    Quote,
}

impl State {
    fn after(self, byte: u8, delimiter: u8) -> Self {
        match (self, byte) {
            (Self::Start | Self::Quote, b'"') => Self::Quoted,
            (Self::Quoted, b'"') => Self::Quote,
            (Self::Quoted, _) => Self::Quoted,
            (_, b'\n' | b'\r') => Self::Start,
            (_, byte) if byte == delimiter => Self::Start,
            _ => Self::Plain,
        }
    }
}

/// The ends of the records in `bytes`, which start with a record.
pub fn record_ends(bytes: &[u8], delimiter: u8) -> impl Iterator<Item = usize> {
    let mut state = State::Start;
    bytes.iter().enumerate().filter_map(move |(at, &byte)| {
        state = state.after(byte, delimiter);
        (byte == b'\n' && state == State::Start).then_some(at + 1)
    })
}

/// The number of line breaks in `bytes`.
pub fn lines_in(bytes: &[u8]) -> u64 {
    memchr_iter(b'\n', bytes).count() as u64
}

/// The bytes of whole records, and the number of line breaks before them.
pub type Block<'a> = (&'a [u8], u64);

/// A reader of blocks of whole records.
pub struct Blocks<R> {
    reader: R,
    /// Bytes that a block has if no record is longer.
    size: usize,
    /// Whether a block is given as soon as it has a record, for input that comes slowly.
    eager: bool,
    buffer: Vec<u8>,
    /// The end of the current block in the buffer.
    end: usize,
    /// The number of line breaks before the buffer.
    lines: u64,
    is_at_end: bool,
}

impl<R: Read> Blocks<R> {
    /// Reads from `reader`.
    pub fn new(reader: R, size: usize, eager: bool) -> Self {
        Self {
            reader,
            size,
            eager,
            buffer: Vec::new(),
            end: 0,
            lines: 0,
            is_at_end: false,
        }
    }

    /// The bytes up to the first line break outside quotes, or up to the end of the input; of a very
    /// long line, the start.
    ///
    /// # Errors
    /// The reader's own.
    pub fn first_line(&mut self) -> io::Result<&[u8]> {
        let longest = 1 << 20;
        while memchr(b'\n', &self.buffer).is_none()
            && self.buffer.len() < longest
            && !self.is_at_end
        {
            self.fill(self.buffer.len() + 1)?;
        }
        // A delimiter within quotes is none, and none is known yet: quotes are taken in pairs.
        let mut is_quoted = false;
        let end = self.buffer.iter().position(|&byte| {
            is_quoted ^= byte == b'"';
            byte == b'\n' && !is_quoted
        });
        Ok(&self.buffer[..end.unwrap_or(self.buffer.len())])
    }

    /// Reads until the buffer has `target` bytes or the input ends.
    fn fill(&mut self, target: usize) -> io::Result<()> {
        while self.buffer.len() < target && !self.is_at_end {
            let len = self.buffer.len();
            let more = len.clamp(1 << 14, 1 << 20).min(self.size - len % self.size);
            self.buffer.resize(len + more, 0);
            let read = self.reader.read(&mut self.buffer[len..]);
            let count = match &read {
                Ok(count) => *count,
                Err(_) => 0,
            };
            self.buffer.truncate(len + count);
            match read {
                Ok(0) => self.is_at_end = true,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The block at which the reader is and the number of line breaks before it, or nothing at the end
    /// of the input. The last record need not end with a line break.
    ///
    /// # Errors
    /// The outer result is the reader's own error; the inner one is the line of a quote that is not
    /// closed.
    pub fn peek(&mut self, delimiter: u8) -> io::Result<Result<Option<Block<'_>>, u64>> {
        if self.end == 0
            && let Err(quote) = self.find_end(delimiter)?
        {
            return Ok(Err(self.lines + lines_in(&self.buffer[..quote]) + 1));
        }
        Ok(Ok(match self.end {
            0 => None,
            end => Some((&self.buffer[..end], self.lines)),
        }))
    }

    /// Reads a block and finds its end, which is 0 at the end of the input; or the position of a quote
    /// that is not closed.
    fn find_end(&mut self, delimiter: u8) -> io::Result<Result<(), usize>> {
        let (mut state, mut seen, mut quote) = (State::Start, 0, 0);
        let mut target = if self.eager { 1 } else { self.size };
        while self.end == 0 {
            self.fill(target)?;
            let new = &self.buffer[seen..];
            let is_simple = !matches!(state, State::Quoted | State::Quote);
            if is_simple && memchr(b'"', new).is_none() {
                if let Some(last) = memrchr(b'\n', new) {
                    self.end = seen + last + 1;
                }
                if let Some(&last) = new.last() {
                    state = State::Plain.after(last, delimiter);
                }
            } else {
                for (at, &byte) in (seen..).zip(new) {
                    let before = state;
                    state = state.after(byte, delimiter);
                    if (before, state) == (State::Start, State::Quoted) {
                        quote = at;
                    }
                    if byte == b'\n' && state == State::Start {
                        self.end = at + 1;
                    }
                }
            }
            seen = self.buffer.len();
            if self.is_at_end {
                self.end = seen;
                if state == State::Quoted {
                    return Ok(Err(quote));
                }
                break;
            }
            if seen > LONGEST {
                return Err(io::Error::new(
                    ErrorKind::InvalidData,
                    format!(
                        "line {} has more than {} MiB; is it a table?",
                        self.lines + 1,
                        LONGEST >> 20
                    ),
                ));
            }
            // A record that is longer than a block; growing in steps keeps the number of searches small.
            target = match self.eager {
                true => seen + 1,
                false => seen.saturating_mul(2),
            };
        }
        Ok(Ok(()))
    }

    /// Advances past empty lines.
    ///
    /// # Errors
    /// The reader's own.
    pub fn skip_empty_lines(&mut self) -> io::Result<()> {
        loop {
            self.fill(1)?;
            let is_text = |byte: &u8| !matches!(byte, b'\n' | b'\r');
            let empty = self.buffer.iter().position(is_text);
            let count = empty.unwrap_or(self.buffer.len());
            self.skip(count);
            if empty.is_some() || self.is_at_end {
                return Ok(());
            }
        }
    }

    /// Advances by `count` bytes, which must have been inspected.
    pub fn skip(&mut self, count: usize) {
        self.lines += lines_in(&self.buffer[..count]);
        self.buffer.drain(..count);
        self.end = self.end.saturating_sub(count);
    }
}
