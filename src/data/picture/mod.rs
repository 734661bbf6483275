//! Converts pictures of any size and polarity to the images that a network was trained on.
//!
//! MNIST's images were made from scans as follows: the digit's box is scaled to fit 20 × 20 pixels with
//! its aspect ratio kept, and placed so that its centre of mass is the centre of 28 × 28 (LeCun, Cortes,
//! Burges). The images of Fashion-MNIST fill the frame and are centred by their box (Xiao, Rasul,
//! Vollgraf, 2017).

pub(in crate::data) mod file;
mod ink;
mod jpeg;
mod parts;
mod plane;
mod raster;

use std::path::Path;

use image::DynamicImage;
use image::metadata::Orientation;

use super::Source;
use super::idx::IMAGE;
use crate::error::{Error, Result};
use ink::Ink;
use plane::{Area, Plane, median};
use raster::{Raster, Sheet};

/// The longer side of a picture on which a drawing is looked for, in pixels; larger ones are reduced.
const SHEET: usize = 320;

/// A drawing with a longer side below this is looked at again with more pixels, if there are more.
const SMALL: usize = 120;

/// The number of frames and margins that are taken away, one within the other.
const FRAMES: usize = 8;

/// The longer side of a digit while its strokes are made thinner or thicker, in pixels.
const FINE: usize = 160;

/// The thinnest and the thickest stroke of a digit whose longer side is 1.
const STROKES: [f32; 2] = [0.09, 0.2];

/// The way a data set's images were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// As MNIST's and the generated digits.
    Digit,
    /// As Fashion-MNIST's.
    Clothing,
}

impl Style {
    /// The style of the data set called `name`.
    ///
    /// # Errors
    /// [`Error::UnknownName`] for a data set whose images are not of 28 × 28 grey pixels.
    pub fn of_dataset(name: &str) -> Result<Self> {
        match name {
            "mnist" | "digits" => Ok(Self::Digit),
            "fashion-mnist" => Ok(Self::Clothing),
            _ => Err(Error::UnknownName {
                kind: "data set of grey images",
                name: name.to_owned(),
                known: [Source::Mnist, Source::FashionMnist, Source::Digits]
                    .map(Source::name)
                    .join(", "),
            }),
        }
    }

    /// The name of a class.
    pub fn class_name(self, class: usize) -> String {
        const CLOTHING: [&str; 10] = [
            "T-shirt",
            "trousers",
            "pullover",
            "dress",
            "coat",
            "sandal",
            "shirt",
            "sneaker",
            "bag",
            "ankle boot",
        ];
        match (self, CLOTHING.get(class)) {
            (Self::Clothing, Some(name)) => (*name).to_owned(),
            _ => class.to_string(),
        }
    }

    /// The longer side of the drawing, in pixels.
    fn longest(self) -> u32 {
        match self {
            Self::Digit => 20,
            Self::Clothing => IMAGE[0] as u32,
        }
    }
}

/// A picture, ready for the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// (28, 28), row-major.
    pub pixels: Vec<u8>,
    /// The changes made to it, to be shown to the user.
    pub done: String,
    /// Reasons why the network's answer may be meaningless, each a sentence without a full stop.
    pub doubts: Vec<String>,
}

/// Reads a PNG or JPEG file. It is turned as its EXIF data say; colour profiles and gamma are ignored,
/// since ink is distinguished from paper by contrast alone.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::Picture`] if it is not a picture, is not whole, is too
/// large, or shows nothing.
pub fn read(path: &Path, style: Style) -> Result<Picture> {
    let bytes = file::read(path)?;
    parse(&bytes, style).map_err(|reason| Error::Picture {
        path: path.to_owned(),
        reason,
    })
}

/// [`read`] of a file's bytes.
///
/// # Errors
/// A description of the fault.
#[doc(hidden)]
pub fn parse(bytes: &[u8], style: Style) -> Result<Picture, String> {
    let (image, orientation) = file::decode(bytes)?;
    prepare_turned(&image, orientation, style)
}

/// Converts `image`.
///
/// # Errors
/// A description of the fault.
#[doc(hidden)]
pub fn prepare(image: &DynamicImage, style: Style) -> Result<Picture, String> {
    prepare_turned(image, Orientation::NoTransforms, style)
}

/// Converts `image`, which is to be turned by `orientation`.
fn prepare_turned(
    image: &DynamicImage,
    orientation: Orientation,
    style: Style,
) -> Result<Picture, String> {
    let raster = Raster::new(image)?;
    let size = raster.area();
    let turned = match orientation {
        Orientation::NoTransforms => "",
        _ => ", to be turned as their EXIF data say",
    };
    let mut done = format!("{}×{} pixels{turned}", size.width(), size.height());
    if let Some((own, is_inverted)) = own_form(&raster, style) {
        let inverted = if is_inverted { ", inverted" } else { "" };
        done += &format!("{inverted}; otherwise unchanged");
        return Ok(Picture {
            pixels: bytes(&turn(own, orientation)),
            done,
            doubts: Vec::new(),
        });
    }
    let drawing = match style {
        Style::Digit => find(&raster, size, FRAMES),
        Style::Clothing => find_clothing(&raster),
    };
    let drawing = drawing.ok_or("nothing is drawn on it: nothing stands out from the paper")?;
    let mut doubts = drawing.doubts;
    let mut small = turn(drawing.ink, orientation);
    if style == Style::Digit {
        small = with_usual_strokes(small, &mut doubts);
    }
    small = fit(&small, style);
    let polarity = match drawing.is_dark {
        true => "dark on bright, inverted",
        false => "bright on dark",
    };
    let centre = match style {
        Style::Digit => "centre of mass",
        Style::Clothing => "box",
    };
    let Area { left, top, .. } = drawing.area;
    done += &format!(
        ", {polarity}; box of {}×{} at ({left}, {top}) scaled to {}×{} and centred by its \
         {centre} in {}×{}",
        drawing.area.width(),
        drawing.area.height(),
        small.width,
        small.height,
        IMAGE[1],
        IMAGE[0]
    );
    Ok(Picture {
        pixels: bytes(&placed(&small, style)),
        done,
        doubts,
    })
}

/// The drawing found on a picture.
struct Drawing {
    /// Ink within [0, 1], cropped to its box.
    ink: Plane,
    /// The box on the picture.
    area: Area,
    is_dark: bool,
    doubts: Vec<String>,
}

/// The image itself, if it is of the data set's form: 28 × 28 grey pixels, and for digits, one of about
/// the usual size in the middle of black paper. Dark ink on white paper is inverted and reported.
fn own_form(raster: &Raster, style: Style) -> Option<(Plane, bool)> {
    let size = raster.area();
    if [size.height(), size.width()] != IMAGE {
        return None;
    }
    let Sheet { mut planes } = raster.sheet(size, 1);
    let mut image = planes.pop()?;
    if !planes.is_empty() || raster.has_transparency() {
        return None;
    }
    let levels = |image: &Plane, indices: Vec<usize>| -> Vec<f32> {
        indices.iter().map(|&i| image.values[i]).collect()
    };
    let is_inverted = match style {
        Style::Digit => median(&mut levels(&image, image.ring(size))) > 0.5,
        // Clothes cover the edges, but hardly the corners.
        Style::Clothing => {
            let corners = [
                0,
                IMAGE[1] - 1,
                IMAGE[1] * (IMAGE[0] - 1),
                IMAGE[0] * IMAGE[1] - 1,
            ];
            let mut corners = levels(&image, corners.to_vec());
            corners.sort_by(f32::total_cmp);
            corners[1] > 0.9
        }
    };
    if is_inverted {
        image = image.map(|value| 1.0 - value);
    }
    let is_own = style == Style::Clothing || {
        let area = image.area_above(0.5)?;
        let off = |centre: f32, frame: usize| (centre - frame as f32 / 2.0).abs();
        let [x, y] = centre_of_mass(&image);
        let paper = plane::quantile(&mut levels(&image, image.ring(size)), 0.9);
        (12..=26).contains(&area.longest())
            && off(x, IMAGE[1]).max(off(y, IMAGE[0])) <= 5.0
            && paper <= 0.12
    };
    is_own.then_some((image, is_inverted))
}

/// The drawing in `area`, at most `frames` frames and margins deep.
fn find(raster: &Raster, area: Area, frames: usize) -> Option<Drawing> {
    let factor = area.longest().div_ceil(SHEET);
    let sheet = raster.sheet(area, factor);
    // An area of the sheet as one of the picture.
    let on_picture = |part: Area| Area {
        left: area.left + part.left * factor,
        top: area.top + part.top * factor,
        right: (area.left + part.right * factor).min(area.right),
        bottom: (area.top + part.bottom * factor).min(area.bottom),
    };
    if frames > 0
        && let Some(inside) = ink::framed(&sheet)
        && let Some(drawing) = find(raster, on_picture(inside), frames - 1)
    {
        return Some(drawing);
    }
    let mut ink = Ink::of(&sheet)?;
    let (number, others) = parts::joined(&mut ink.parts);
    let found = ink.parts[..number].iter().map(|part| part.area);
    let found = found.reduce(Area::union)?;
    let around = on_picture(found.grown(found.longest(), sheet.area()));
    if found.longest() < SMALL && around.longest().div_ceil(SHEET) < factor {
        let mut drawing = find(raster, around, 0)?;
        if others > 0 {
            drawing.doubts.push(several(others));
        }
        drawing.doubts.dedup();
        return Some(drawing);
    }
    let plane = ink.of_parts(number);
    let part = plane.area_above(0.25)?;
    let mut doubts = Vec::new();
    if others > 0 {
        doubts.push(several(others));
    }
    if part.width() as f32 > 1.5 * part.height() as f32 {
        doubts.push("the drawing is wider than a digit; there may be several".to_owned());
    }
    if ink.parts[..number].iter().any(|part| part.weight < 0.5) {
        doubts.push("the drawing is cut off by the edge of the picture".to_owned());
    }
    let count = |low: f32, high: f32| {
        let values = plane.values.iter();
        values.filter(|&&ink| ink > low && ink <= high).count()
    };
    if count(ink::PAPER, 0.6) > count(0.6, 1.0) {
        doubts.push("the drawing has many shades; it may be a photograph, not a digit".to_owned());
    }
    Some(Drawing {
        ink: plane.crop(part, 0),
        area: on_picture(part),
        is_dark: ink.is_dark,
        doubts,
    })
}

fn several(others: usize) -> String {
    format!(
        "there are {} drawings on it; the largest was taken",
        others + 1
    )
}

/// The piece of clothing on even paper.
fn find_clothing(raster: &Raster) -> Option<Drawing> {
    let area = raster.area();
    let factor = area.longest().div_ceil(SHEET);
    let (ink, is_dark) = ink::of_any_size(&raster.sheet(area, factor))?;
    let part = ink.area_above(0.35)?;
    Some(Drawing {
        ink: ink.crop(part, 0),
        area: Area {
            left: part.left * factor,
            top: part.top * factor,
            right: (part.right * factor).min(area.right),
            bottom: (part.bottom * factor).min(area.bottom),
        },
        is_dark,
        doubts: Vec::new(),
    })
}

/// A digit with a longer side of [`FINE`] pixels whose strokes are not thinner and not thicker than
/// MNIST's usually are.
fn with_usual_strokes(ink: Plane, doubts: &mut Vec<String>) -> Plane {
    let longest = ink.area().longest() as f32;
    let [width, height] = [ink.width, ink.height]
        .map(|side| ((side * FINE) as f32 / longest).round().max(1.0) as usize);
    let fine = ink.resized(width, height).crop(
        Area {
            left: 0,
            top: 0,
            right: width,
            bottom: height,
        },
        FINE / 8,
    );
    // A square erosion takes half of the width of a stroke on each side.
    let area = |plane: &Plane| plane.values.iter().filter(|&&value| value > 0.5).count() as f32;
    let full = area(&fine);
    let lost = full - area(&fine.extreme(2, f32::min));
    let stroke = 4.0 * full / lost.max(1.0);
    let usual = STROKES.map(|share| share * FINE as f32);
    if stroke > 1.6 * usual[1] {
        doubts.push("the drawing has no strokes; it may not be a digit".to_owned());
    }
    let radius = 0.5 * (stroke.clamp(usual[0], usual[1]) - stroke);
    let radius_in_pixels = radius.abs().round().min((FINE / 8) as f32) as usize;
    match radius > 0.0 {
        true => fine.extreme(radius_in_pixels, f32::max),
        false => {
            let thin = fine.extreme(radius_in_pixels, f32::min);
            if area(&thin) > 0.3 * full { thin } else { fine }
        }
    }
}

/// The drawing in the size of the style, with its brightest ink 1.
fn fit(ink: &Plane, style: Style) -> Plane {
    let ink = match ink.area_above(0.25) {
        Some(area) => ink.crop(area, 0),
        None => ink.clone(),
    };
    let scale = style.longest() as f32 / ink.area().longest() as f32;
    let [width, height] =
        [ink.width, ink.height].map(|side| ((side as f32 * scale).round() as usize).max(1));
    let small = ink.resized(width, height);
    let most = small.values.iter().copied().fold(0.0, f32::max);
    small.map(|value| value / most.max(f32::MIN_POSITIVE))
}

/// An image of 28 × 28 pixels with `small` in its middle.
fn placed(small: &Plane, style: Style) -> Plane {
    let centre = match style {
        Style::Clothing => [small.width as f32 / 2.0, small.height as f32 / 2.0],
        Style::Digit => centre_of_mass(small),
    };
    let corner = |frame: usize, centre: f32, side: usize| {
        let corner = (frame as f32 / 2.0 - centre).round().max(0.0) as usize;
        corner.min(frame - side)
    };
    let left = corner(IMAGE[1], centre[0], small.width);
    let top = corner(IMAGE[0], centre[1], small.height);
    let mut values = vec![0.0; IMAGE[0] * IMAGE[1]];
    for (row, of_row) in small.values.chunks_exact(small.width).enumerate() {
        let first = (top + row) * IMAGE[1] + left;
        values[first..first + small.width].copy_from_slice(of_row);
    }
    Plane {
        width: IMAGE[1],
        height: IMAGE[0],
        values,
    }
}

/// The centre of mass, (x, y); pixel 0 has its own at 0.5.
fn centre_of_mass(plane: &Plane) -> [f32; 2] {
    let mut moments = [0.0f32; 3];
    for (i, value) in plane.values.iter().enumerate() {
        let of_pixel = [
            1.0,
            (i % plane.width) as f32 + 0.5,
            (i / plane.width) as f32 + 0.5,
        ];
        for (sum, moment) in moments.iter_mut().zip(of_pixel) {
            *sum += value * moment;
        }
    }
    [moments[1] / moments[0], moments[2] / moments[0]]
}

fn turn(plane: Plane, orientation: Orientation) -> Plane {
    use image::imageops::{flip_horizontal, flip_vertical, rotate90, rotate180, rotate270};
    let buffer = plane.buffer();
    Plane::of_buffer(match orientation {
        Orientation::NoTransforms => buffer,
        Orientation::Rotate90 => rotate90(&buffer),
        Orientation::Rotate180 => rotate180(&buffer),
        Orientation::Rotate270 => rotate270(&buffer),
        Orientation::FlipHorizontal => flip_horizontal(&buffer),
        Orientation::FlipVertical => flip_vertical(&buffer),
        Orientation::Rotate90FlipH => flip_horizontal(&rotate90(&buffer)),
        Orientation::Rotate270FlipH => flip_horizontal(&rotate270(&buffer)),
    })
}

/// Values within [0, 1] as bytes.
fn bytes(plane: &Plane) -> Vec<u8> {
    let values = plane.values.iter();
    values.map(|value| (255.0 * value).round() as u8).collect()
}
