//! Checks that a JPEG file is complete. Decoders fill missing parts with grey without an error, so the code
//! words of all blocks are counted here (ITU-T T.81, annexes B and F), without their values.

/// The properties of the picture in the file's header.
#[derive(Default)]
struct Frame {
    size: [usize; 2],
    /// Identifier, and horizontal and vertical sampling factors.
    components: Vec<(u8, [usize; 2])>,
}

/// A table of Huffman codes.
#[derive(Clone, Default)]
struct Codes {
    /// The number of codes of 1 to 16 bits.
    numbers: [u8; 16],
    symbols: Vec<u8>,
}

/// Checks that the file has all pixels and the end marker, and returns whether it is progressive. Only
/// the end marker is looked for if it is, or if it has no Huffman codes.
///
/// # Errors
/// A description of the missing part.
pub fn check(bytes: &[u8]) -> Result<bool, String> {
    let mut frame = None;
    let mut is_progressive = false;
    let mut tables = vec![Codes::default(); 8];
    let mut interval = 0;
    let mut scans = 0;
    let mut at = 2;
    while let Some(offset) = bytes
        .get(at..)
        .and_then(|rest| rest.iter().position(|&byte| byte == 0xFF))
    {
        at += offset + 1;
        let Some(&marker) = bytes.get(at) else { break };
        match marker {
            0xD9 if scans > 0 => return Ok(is_progressive),
            // Filling.
            0xFF => continue,
            // An escaped 255 and markers without data.
            0x00 | 0x01 | 0xD0..=0xD9 => {
                at += 1;
                continue;
            }
            _ => {}
        }
        let length = bytes.get(at + 1..at + 3);
        let Some(&[high, low]) = length else { break };
        let end = at + 1 + usize::from(u16::from_be_bytes([high, low]));
        let data = bytes.get(at + 3..end).unwrap_or_default();
        at = end;
        match marker {
            0xC0 | 0xC1 => frame = frame_of(data),
            0xC2 => is_progressive = true,
            0xC4 => read_codes(data, &mut tables),
            0xDD => {
                interval = data
                    .first_chunk()
                    .map_or(0, |&n| u16::from_be_bytes(n).into())
            }
            0xDA => {
                scans += 1;
                let rest = bytes.get(at..).unwrap_or_default();
                if let Some(frame) = &frame
                    && let Some(scan) = Scan::of(frame, data, &tables)
                {
                    at += scan.check(rest, interval)?;
                }
            }
            _ => {}
        }
    }
    Err(cut(match scans {
        0 => "the pixels and the end marker (EOI) are missing",
        _ => "pixels or the end marker (EOI) are missing",
    }))
}

fn frame_of(data: &[u8]) -> Option<Frame> {
    let (&[_, a, b, c, d, _], components) = data.split_first_chunk()?;
    let size = [[c, d], [a, b]].map(|side| usize::from(u16::from_be_bytes(side)));
    let component = |c: &[u8; 3]| (c[0], [c[1] >> 4, c[1] & 15].map(usize::from));
    let components: Vec<_> = components.as_chunks().0.iter().map(component).collect();
    let is_valid = components
        .iter()
        .all(|(_, sampling)| !sampling.contains(&0));
    (is_valid && !size.contains(&0)).then_some(Frame { size, components })
}

/// Tables are numbered 0 to 3 for the first value of a block, 4 to 7 for the others.
fn read_codes(mut data: &[u8], tables: &mut [Codes]) {
    while let Some((&[class], rest)) = data.split_first_chunk()
        && let Some((&numbers, rest)) = rest.split_first_chunk::<16>()
    {
        let symbols = numbers.iter().map(|&number| usize::from(number)).sum();
        let Some((symbols, rest)) = rest.split_at_checked(symbols) else {
            return;
        };
        if let Some(table) = tables.get_mut(usize::from(4 * (class >> 4) + (class & 3))) {
            *table = Codes {
                numbers,
                symbols: symbols.to_vec(),
            };
        }
        data = rest;
    }
}

/// The contents of a scan.
struct Scan<'a> {
    /// The number of units, each with the blocks of all components.
    units: usize,
    /// Number of blocks, and tables for the first value and for the others, of each component.
    components: Vec<(usize, [&'a Codes; 2])>,
}

impl<'a> Scan<'a> {
    /// Nothing if the scan names a component or table that the file does not have.
    fn of(frame: &Frame, data: &[u8], tables: &'a [Codes]) -> Option<Self> {
        let (&number, data) = data.split_first()?;
        let chosen = data.as_chunks::<2>().0.get(..usize::from(number))?;
        let mut components = Vec::new();
        let mut sampled = Vec::new();
        for [name, of_tables] in chosen {
            let (_, sampling) = frame.components.iter().find(|(own, _)| own == name)?;
            let of_tables = [of_tables >> 4, 4 + (of_tables & 15)];
            let [first, others] = of_tables.map(|table| tables.get(usize::from(table)));
            let codes = [first?, others?];
            if codes.iter().any(|codes| codes.symbols.is_empty()) {
                return None;
            }
            components.push((sampling[0] * sampling[1], codes));
            sampled.push(*sampling);
        }
        let units = [0, 1].map(|axis| {
            let all = frame.components.iter().map(|(_, sampling)| sampling[axis]);
            let most = all.max().unwrap_or(1);
            match sampled[..] {
                [alone] => (frame.size[axis] * alone[axis]).div_ceil(most).div_ceil(8),
                _ => frame.size[axis].div_ceil(8 * most),
            }
        });
        if let [alone] = &mut components[..] {
            alone.0 = 1;
        }
        Some(Self {
            units: units[0] * units[1],
            components,
        })
    }

    /// The number of bytes of the scan.
    fn check(&self, bytes: &[u8], interval: usize) -> Result<usize, String> {
        let mut bits = Bits {
            bytes,
            at: 0,
            byte: 0,
            left: 0,
        };
        for unit in 0..self.units {
            let restarted = interval == 0 || unit == 0 || unit % interval != 0 || bits.restart();
            if !restarted || self.unit(&mut bits).is_none() {
                return Err(cut(&format!(
                    "{unit} of {} blocks of pixels are there",
                    self.units
                )));
            }
        }
        Ok(bits.at)
    }

    fn unit(&self, bits: &mut Bits) -> Option<()> {
        for &(blocks, [first, others]) in &self.components {
            for _ in 0..blocks {
                let length = bits.symbol(first)?;
                bits.skip(length & 15)?;
                let mut value = 1;
                while value < 64 {
                    let symbol = bits.symbol(others)?;
                    match (symbol >> 4, symbol & 15) {
                        (15, 0) => value += 16,
                        (_, 0) => break,
                        (zeros, length) => {
                            value += usize::from(zeros) + 1;
                            bits.skip(length)?;
                        }
                    }
                }
            }
        }
        Some(())
    }
}

/// The bits of a scan, up to the next marker.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    byte: u8,
    left: u8,
}

impl Bits<'_> {
    fn bit(&mut self) -> Option<u8> {
        if self.left == 0 {
            self.byte = *self.bytes.get(self.at)?;
            if self.byte == 0xFF {
                // A 0 stands behind a 255 that is no marker.
                if self.bytes.get(self.at + 1) != Some(&0) {
                    return None;
                }
                self.at += 1;
            }
            self.at += 1;
            self.left = 8;
        }
        self.left -= 1;
        Some(self.byte >> self.left & 1)
    }

    fn skip(&mut self, bits: u8) -> Option<()> {
        (0..bits).try_for_each(|_| self.bit().map(drop))
    }

    /// The next symbol: codes of a length follow each other, and the first is twice the one after the
    /// last of the length before.
    fn symbol(&mut self, codes: &Codes) -> Option<u8> {
        let [mut code, mut first, mut index] = [0; 3];
        for &number in &codes.numbers {
            code = 2 * code + usize::from(self.bit()?);
            first *= 2;
            let number = usize::from(number);
            if code < first + number {
                return codes.symbols.get(index + code - first).copied();
            }
            index += number;
            first += number;
        }
        None
    }

    /// Continues after a restart marker, and returns whether there was one.
    fn restart(&mut self) -> bool {
        self.left = 0;
        while self.bytes.get(self.at..self.at + 2) == Some(&[0xFF, 0xFF]) {
            self.at += 1;
        }
        let marker = self.bytes.get(self.at..self.at + 2);
        let is_there = matches!(marker, Some(&[0xFF, 0xD0..=0xD7]));
        self.at += 2;
        is_there
    }
}

/// The message for a file that ends too early.
pub fn cut(missing: &str) -> String {
    format!("the file ends before the end of the picture: {missing}; copy or download it again")
}
