//! Python's pickles of plain data: dictionaries, lists, numbers, texts and arrays of bytes.
//!
//! A pickle is a program for a stack machine, which may call any function of Python's. This reader
//! runs none: it knows the instructions that CIFAR's files have, in the protocols 2 to 5, and takes the
//! calls that make an array as the bytes in it.

use std::cell::RefCell;
use std::rc::Rc;

/// The most tuples within each other.
const DEPTH: usize = 8;

/// A value. Lists have no lists in them and dictionaries no dictionaries, so that no value contains itself and
/// none is deep.
#[derive(Clone, Debug)]
pub enum Value {
    /// None, a truth value, or an object that is not needed.
    Other,
    Integer(i64),
    /// Text or bytes.
    Bytes(Rc<[u8]>),
    /// A tuple, and the number of tuples within each other.
    Tuple(Rc<[Value]>, usize),
    List(Rc<RefCell<Vec<Value>>>),
    /// Keys that are text, and values.
    Dictionary(Rc<RefCell<Vec<Entry>>>),
    /// The bytes of an array.
    Array(Rc<RefCell<Rc<[u8]>>>),
    /// The name of something of Python's.
    Global(Rc<[u8]>),
    /// The start of the items of a tuple, list or dictionary.
    Mark,
}

/// A key and its value.
type Entry = (Rc<[u8]>, Value);

impl Value {
    /// The value of `key` of a dictionary.
    pub fn get(&self, key: &str) -> Option<Value> {
        let Self::Dictionary(entries) = self else {
            return None;
        };
        let entries = entries.borrow();
        let found = entries.iter().find(|(own, _)| **own == *key.as_bytes());
        found.map(|(_, value)| value.clone())
    }

    /// The bytes of a text or an array.
    pub fn bytes(&self) -> Option<Rc<[u8]>> {
        match self {
            Self::Bytes(bytes) => Some(bytes.clone()),
            Self::Array(bytes) => Some(bytes.borrow().clone()),
            _ => None,
        }
    }

    /// The items of a list.
    pub fn items(&self) -> Vec<Value> {
        match self {
            Self::List(items) => items.borrow().clone(),
            _ => Vec::new(),
        }
    }

    fn of_tuple(&self) -> &[Value] {
        match self {
            Self::Tuple(items, _) => items,
            _ => &[],
        }
    }

    fn is_plain(&self) -> bool {
        matches!(self, Self::Other | Self::Integer(_) | Self::Bytes(_))
    }
}

/// The value that the pickle in `bytes` makes. The memory taken is a multiple of their number.
///
/// # Errors
/// A description of the fault.
pub fn read(bytes: &[u8]) -> Result<Value, String> {
    let mut machine = Machine {
        rest: bytes,
        stack: Vec::new(),
        memo: Vec::new(),
        encoded: bytes.len(),
    };
    machine.run()
}

struct Machine<'a> {
    rest: &'a [u8],
    stack: Vec<Value>,
    memo: Vec<Value>,
    /// The number of bytes that texts may still be turned into. A text may be used many times.
    encoded: usize,
}

impl<'a> Machine<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or("it ends too early")?;
        self.rest = rest;
        Ok(taken)
    }

    /// A little-endian number of `size` bytes.
    fn number(&mut self, size: usize) -> Result<usize, String> {
        let bytes = self.take(size)?.iter().rev();
        Ok(bytes.fold(0, |number, &byte| number << 8 | usize::from(byte)))
    }

    fn line(&mut self) -> Result<&'a [u8], String> {
        let end = self.rest.iter().position(|&byte| byte == b'\n');
        let line = self.take(end.ok_or("it ends too early")?)?;
        self.take(1)?;
        Ok(line)
    }

    fn text(&mut self, size: usize) -> Result<(), String> {
        let length = self.number(size)?;
        let bytes = self.take(length)?;
        self.stack.push(Value::Bytes(bytes.into()));
        Ok(())
    }

    fn pop(&mut self) -> Result<Value, String> {
        self.stack
            .pop()
            .ok_or_else(|| "an instruction has no operand".to_owned())
    }

    /// The values that were put on the stack since the last mark.
    fn pop_to_mark(&mut self) -> Result<Vec<Value>, String> {
        let mark = self.stack.iter().rposition(|v| matches!(v, Value::Mark));
        let mark = mark.ok_or("a mark is missing")?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(items)
    }

    fn tuple(&mut self, items: Vec<Value>) -> Result<(), String> {
        let depths = items.iter().map(|item| match item {
            Value::Tuple(_, depth) => *depth,
            _ => 0,
        });
        let depth = 1 + depths.max().unwrap_or_default();
        if depth > DEPTH {
            return Err(format!("it has more than {DEPTH} tuples within each other"));
        }
        self.stack.push(Value::Tuple(items.into(), depth));
        Ok(())
    }

    fn append(&mut self, more: Vec<Value>) -> Result<(), String> {
        match self.stack.last() {
            Some(Value::List(items)) if more.iter().all(Value::is_plain) => {
                items.borrow_mut().extend(more);
                Ok(())
            }
            _ => Err("a list of other things than numbers and texts is not read".to_owned()),
        }
    }

    fn set(&mut self, entries: Vec<Value>) -> Result<(), String> {
        let is_known =
            |value: &Value| value.is_plain() || matches!(value, Value::List(_) | Value::Array(_));
        let pairs = entries.as_chunks::<2>().0;
        let Some(Value::Dictionary(own)) = self.stack.last() else {
            return Err("entries are added to a value that is not a dictionary".to_owned());
        };
        for [key, value] in pairs {
            match key {
                Value::Bytes(key) if is_known(value) => {
                    own.borrow_mut().push((key.clone(), value.clone()));
                }
                _ => return Err("a dictionary has an entry that is not read".to_owned()),
            }
        }
        Ok(())
    }

    fn remember(&mut self, place: usize) -> Result<(), String> {
        let value = self.stack.last().cloned().ok_or("nothing to remember")?;
        // Places are given in order.
        if place < self.memo.len() {
            self.memo[place] = value;
        } else if place <= self.memo.len() + 8 {
            self.memo.resize(place, Value::Other);
            self.memo.push(value);
        } else {
            return Err(format!("it remembers a value at place {place}"));
        }
        Ok(())
    }

    fn recall(&mut self, place: usize) -> Result<(), String> {
        let value = self.memo.get(place).cloned();
        self.stack
            .push(value.ok_or("it recalls a value that it does not have")?);
        Ok(())
    }

    /// The call of a function: of the one that makes an empty array, and of those that make what is not
    /// needed.
    fn call(&mut self) -> Result<(), String> {
        let arguments = self.pop()?;
        let Value::Global(name) = self.pop()? else {
            return Err("it calls a value that is not a function".to_owned());
        };
        let first = arguments.of_tuple().first().and_then(Value::bytes);
        let made = match &*name {
            b"numpy.core.multiarray _reconstruct" | b"numpy._core.multiarray _reconstruct" => {
                Value::Array(Rc::new(RefCell::new(Rc::from([]))))
            }
            // Bytes in the protocols 0 to 2 of Python 3.
            b"_codecs encode" => {
                let text = first.ok_or("it has bytes of an unknown form")?;
                let left = self.encoded.checked_sub(text.len());
                self.encoded = left.ok_or("it turns one text into bytes again and again")?;
                let text = str::from_utf8(&text).map_err(|e| e.to_string())?;
                Value::Bytes(text.chars().map(|c| c as u32 as u8).collect())
            }
            b"numpy.core.numeric _frombuffer" | b"numpy._core.numeric _frombuffer" => {
                Value::Bytes(first.ok_or("it has an array of an unknown form")?)
            }
            b"numpy dtype" => match first.as_deref() {
                Some(b"u1") => Value::Other,
                other => {
                    let other = String::from_utf8_lossy(other.unwrap_or_default());
                    let other: String = other.chars().take(20).collect();
                    return Err(format!("it has an array of type {other:?}, not of bytes"));
                }
            },
            name => {
                let name = String::from_utf8_lossy(name).replace(' ', ".");
                let name: String = name.chars().take(60).collect();
                return Err(format!(
                    "it would run Python's {name}, and only plain data are read"
                ));
            }
        };
        self.stack.push(made);
        Ok(())
    }

    /// The state of an object: of an array, its version, shape, type, order and bytes.
    fn build(&mut self) -> Result<(), String> {
        let state = self.pop()?;
        if let Some(Value::Array(bytes)) = self.stack.last()
            && let Some(new) = state.of_tuple().last().and_then(Value::bytes)
        {
            *bytes.borrow_mut() = new;
        }
        Ok(())
    }

    fn run(&mut self) -> Result<Value, String> {
        loop {
            let instruction = self.take(1)?[0];
            match instruction {
                // The protocol, and frames that say how much to read at once.
                0x80 => drop(self.take(1)?),
                0x95 => drop(self.take(8)?),
                b'.' => return self.pop(),
                b'(' => self.stack.push(Value::Mark),
                b'0' => drop(self.pop()?),
                b'N' | 0x88 | 0x89 => self.stack.push(Value::Other),
                b'J' => {
                    let number = self.number(4)? as u32;
                    self.stack
                        .push(Value::Integer(i64::from(number.cast_signed())));
                }
                b'K' | b'M' => {
                    let number = self.number(usize::from(instruction - b'K' + 2) / 2)?;
                    self.stack.push(Value::Integer(number as i64));
                }
                b'U' | b'C' | 0x8C => self.text(1)?,
                b'T' | b'B' | b'X' => self.text(4)?,
                0x8D | 0x8E | 0x96 => self.text(8)?,
                b']' => self.stack.push(Value::List(Rc::default())),
                b')' => self.tuple(Vec::new())?,
                b'}' => self.stack.push(Value::Dictionary(Rc::default())),
                0x85..=0x87 => {
                    let length = usize::from(instruction - 0x84);
                    let start = self.stack.len().checked_sub(length);
                    let start = start.ok_or("an instruction has no operand")?;
                    let items = self.stack.split_off(start);
                    self.tuple(items)?;
                }
                b't' => {
                    let items = self.pop_to_mark()?;
                    self.tuple(items)?;
                }
                b'a' => {
                    let item = self.pop()?;
                    self.append(vec![item])?;
                }
                b'e' => {
                    let items = self.pop_to_mark()?;
                    self.append(items)?;
                }
                b's' => {
                    let value = self.pop()?;
                    let key = self.pop()?;
                    self.set(vec![key, value])?;
                }
                b'u' => {
                    let entries = self.pop_to_mark()?;
                    self.set(entries)?;
                }
                b'q' => {
                    let place = self.number(1)?;
                    self.remember(place)?;
                }
                b'r' => {
                    let place = self.number(4)?;
                    self.remember(place)?;
                }
                0x94 => self.remember(self.memo.len())?,
                b'h' => {
                    let place = self.number(1)?;
                    self.recall(place)?;
                }
                b'j' => {
                    let place = self.number(4)?;
                    self.recall(place)?;
                }
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    let name = [module, b" ", name].concat();
                    self.stack.push(Value::Global(name.into()));
                }
                0x93 => {
                    let (name, module) = (self.pop()?.bytes(), self.pop()?.bytes());
                    let (Some(module), Some(name)) = (module, name) else {
                        return Err("it has a name that is no text".to_owned());
                    };
                    if module.len() + name.len() > 200 {
                        return Err("it has a very long name".to_owned());
                    }
                    let name = [&module[..], b" ", &name].concat();
                    self.stack.push(Value::Global(name.into()));
                }
                b'R' => self.call()?,
                b'b' => self.build()?,
                other => {
                    return Err(format!(
                        "it has the instruction {other:#04x}, which is not read"
                    ));
                }
            }
        }
    }
}
