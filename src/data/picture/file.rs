//! Reads PNG and JPEG files: the whole picture or an error, in bounded memory.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use super::jpeg;
use crate::error::{Error, Result};

/// The largest width and height of a picture, in pixels.
const LARGEST: u32 = 16_384;

/// The largest number of pixels.
const PIXELS: u64 = 120_000_000;

/// The largest number of bytes of a decoded picture and of the decoder beside it.
const DECODED: u64 = 512 << 20;

/// The largest number of bytes of a file.
const FILE: u64 = 512 << 20;

/// The bytes of a file.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::Picture`] if it is too large.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    let mut bytes = Vec::new();
    let read = file.take(FILE + 1).read_to_end(&mut bytes);
    read.map_err(Error::io("read", path))?;
    match bytes.len() as u64 > FILE {
        true => Err(Error::Picture {
            path: path.to_owned(),
            reason: format!("the file is larger than {} MiB; reduce it", FILE >> 20),
        }),
        false => Ok(bytes),
    }
}

/// The picture in a file, and its orientation.
///
/// # Errors
/// A description of the fault.
pub fn decode(bytes: &[u8]) -> Result<(DynamicImage, Orientation), String> {
    let format = image::guess_format(bytes)
        .ok()
        .filter(|format| matches!(format, ImageFormat::Png | ImageFormat::Jpeg))
        .ok_or("it is neither a PNG nor a JPEG file; convert it to one of them")?;
    // The decoder of a progressive JPEG file keeps two bytes for each value besides.
    let mut copies = 1;
    let exif = match format {
        ImageFormat::Png => whole_png(bytes)?,
        _ => {
            if jpeg::check(bytes)? {
                copies = 3;
            }
            None
        }
    };
    let mut reader = ImageReader::new(Cursor::new(bytes));
    reader.set_format(format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(LARGEST);
    limits.max_image_height = Some(LARGEST);
    limits.max_alloc = Some(DECODED);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|e| e.to_string())?;
    let (width, height) = decoder.dimensions();
    let needed = decoder.total_bytes().saturating_mul(copies);
    if u64::from(width) * u64::from(height) > PIXELS || needed > DECODED {
        return Err(format!(
            "its {width}×{height} pixels need {} MiB of memory; at most {} million pixels and {} MiB \
             are allowed: reduce it",
            needed >> 20,
            PIXELS / 1_000_000,
            DECODED >> 20
        ));
    }
    if format == ImageFormat::Jpeg {
        // A block of 64 pixels takes a bit at least.
        let least = u64::from(width) * u64::from(height) / (64 * 8);
        if (bytes.len() as u64) < least {
            return Err(jpeg::cut(&format!(
                "{width}×{height} pixels take {least} bytes at least, and the file has {}",
                bytes.len()
            )));
        }
    }
    let orientation = match exif {
        Some(exif) => Orientation::from_exif_chunk(exif),
        // A fault in the metadata is no fault of the picture.
        None => decoder.orientation().ok(),
    };
    let image = DynamicImage::from_decoder(decoder).map_err(|e| e.to_string())?;
    Ok((image, orientation.unwrap_or(Orientation::NoTransforms)))
}

/// Checks that a PNG file is complete to its end, the chunk `IEND`, and returns its EXIF data if there are
/// any. They may stand behind the pixels, where decoders have stopped reading.
fn whole_png(bytes: &[u8]) -> Result<Option<&[u8]>, String> {
    const SIGNATURE: usize = 8;
    let mut exif = None;
    let mut rest = &bytes[SIGNATURE.min(bytes.len())..];
    // A chunk: the length of its data, its name, the data and a checksum.
    while let Some((head, after)) = rest.split_at_checked(8) {
        let [a, b, c, d, name @ ..] = head else { break };
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        if name == b"IEND" {
            return Ok(exif);
        }
        let Some((data, after)) = after.split_at_checked(length) else {
            return Err(jpeg::cut(&format!(
                "of the chunk {} {} of {length} bytes are there",
                name.escape_ascii(),
                after.len()
            )));
        };
        if name == b"eXIf" {
            exif = Some(data);
        }
        let Some((_, after)) = after.split_at_checked(4) else {
            break;
        };
        rest = after;
    }
    Err(jpeg::cut("the chunk IEND is missing"))
}
