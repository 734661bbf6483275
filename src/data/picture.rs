//! Converts pictures of any size and polarity to the images that a network was trained on.
//!
//! MNIST's images were made from scans as follows: the digit's box is scaled to fit 20 × 20 pixels with
//! its aspect ratio kept, and placed so that its centre of mass is the centre of 28 × 28 (LeCun, Cortes,
//! Burges). The images of Fashion-MNIST fill the frame and are centred by their box (Xiao, Rasul,
//! Vollgraf, 2017).

use std::path::Path;

use image::imageops::{self, FilterType};
use image::{DynamicImage, ImageBuffer, ImageReader, Limits, Luma};

use super::Source;
use super::idx::IMAGE;
use crate::error::{Error, Result};

/// The largest width and height of a picture, in pixels.
const LARGEST: u32 = 16_384;

/// The smallest difference between the darkest and the brightest pixel of a drawing, of 1.
const LEAST_CONTRAST: f32 = 0.1;

/// Ink below this counts as paper: noise, shadows and compression artefacts.
const PAPER: f32 = 0.15;

/// Ink above this counts as part of the drawing when its box is found.
const DRAWN: f32 = 0.35;

type Gray = ImageBuffer<Luma<f32>, Vec<f32>>;

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
    /// What was done to it, to be shown to the user.
    pub done: String,
}

/// Reads a PNG or JPEG file.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::Picture`] if it is not a picture or shows nothing.
pub fn read(path: &Path, style: Style) -> Result<Picture> {
    let fault = |reason: String| Error::Picture {
        path: path.to_owned(),
        reason,
    };
    let reader = ImageReader::open(path).map_err(Error::io("read", path))?;
    let mut reader = reader
        .with_guessed_format()
        .map_err(Error::io("read", path))?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(LARGEST);
    limits.max_image_height = Some(LARGEST);
    reader.limits(limits);
    let image = reader.decode().map_err(|e| fault(e.to_string()))?;
    prepare(&image, style).map_err(fault)
}

/// Converts `image`.
///
/// # Errors
/// What is wrong with it.
#[doc(hidden)]
pub fn prepare(image: &DynamicImage, style: Style) -> Result<Picture, String> {
    let gray = gray(image);
    let (width, height) = gray.dimensions();
    let paper = border_median(&gray);
    let [darkest, brightest] = gray.pixels().fold([1.0f32, 0.0f32], |[low, high], p| {
        [low.min(p[0]), high.max(p[0])]
    });
    if brightest - darkest < LEAST_CONTRAST {
        return Err("nothing is drawn on it: all pixels are nearly alike".to_owned());
    }
    let dark_on_bright = paper - darkest > brightest - paper;
    let drawn = if dark_on_bright { darkest } else { brightest };
    let mut ink = Gray::from_fn(width, height, |x, y| {
        let ink = (gray.get_pixel(x, y)[0] - paper) / (drawn - paper);
        Luma([if ink < PAPER { 0.0 } else { ink.min(1.0) }])
    });
    let inside = ink.enumerate_pixels().filter(|(_, _, p)| p[0] > DRAWN);
    let [left, top, right, bottom] = inside.fold([width, height, 0, 0], |b, (x, y, _)| {
        [b[0].min(x), b[1].min(y), b[2].max(x + 1), b[3].max(y + 1)]
    });
    let [box_width, box_height] = [right - left, bottom - top];
    let scale = style.longest() as f32 / box_width.max(box_height) as f32;
    let scaled = |side: u32| ((side as f32 * scale).round() as u32).max(1);
    let cropped = imageops::crop(&mut ink, left, top, box_width, box_height).to_image();
    let [w, h] = [scaled(box_width), scaled(box_height)];
    // The filter's support grows with the reduction, so that thin lines fade and do not vanish.
    let mut small = imageops::resize(&cropped, w, h, FilterType::Triangle);
    let most = small.pixels().fold(0.0f32, |most, p| most.max(p[0]));
    small
        .pixels_mut()
        .for_each(|p| p[0] /= most.max(f32::MIN_POSITIVE));
    let [x, y] = place(&small, style);
    let mut pixels = vec![0; IMAGE[0] * IMAGE[1]];
    for (i, j, p) in small.enumerate_pixels() {
        let [column, row] = [x + i as usize, y + j as usize];
        pixels[row * IMAGE[1] + column] = (255.0 * p[0]).round() as u8;
    }
    let polarity = match dark_on_bright {
        true => "dark on bright, inverted",
        false => "bright on dark",
    };
    let centre = match style {
        Style::Digit => "centre of mass",
        Style::Clothing => "box",
    };
    Ok(Picture {
        pixels,
        done: format!(
            "{width}×{height} pixels, {polarity}; box of {box_width}×{box_height} at ({left}, {top}) \
             scaled to {w}×{h} and centred by its {centre} in {}×{}",
            IMAGE[1], IMAGE[0]
        ),
    })
}

/// Grey levels within [0, 1]; transparent parts are white.
fn gray(image: &DynamicImage) -> Gray {
    let image = image.to_luma_alpha16();
    Gray::from_fn(image.width(), image.height(), |x, y| {
        let [level, alpha] = image.get_pixel(x, y).0.map(|c| f32::from(c) / 65_535.0);
        Luma([level * alpha + (1.0 - alpha)])
    })
}

/// The median of the outermost pixels. It is the paper's level, unless the drawing covers most of the
/// edge.
fn border_median(gray: &Gray) -> f32 {
    let (width, height) = gray.dimensions();
    let border = gray
        .enumerate_pixels()
        .filter(|&(x, y, _)| x == 0 || y == 0 || x + 1 == width || y + 1 == height);
    let mut levels: Vec<f32> = border.map(|(_, _, p)| p[0]).collect();
    levels.sort_by(f32::total_cmp);
    levels[levels.len() / 2]
}

/// The place (x, y) of the top left corner of `small`.
fn place(small: &Gray, style: Style) -> [usize; 2] {
    let (width, height) = small.dimensions();
    let centre = match style {
        Style::Clothing => [width as f32 / 2.0, height as f32 / 2.0],
        Style::Digit => {
            let mut moments = [0.0f32; 3];
            for (x, y, p) in small.enumerate_pixels() {
                let of_pixel = [1.0, x as f32 + 0.5, y as f32 + 0.5];
                for (sum, moment) in moments.iter_mut().zip(of_pixel) {
                    *sum += p[0] * moment;
                }
            }
            [moments[1] / moments[0], moments[2] / moments[0]]
        }
    };
    let corner = |frame: usize, centre: f32, side: u32| {
        let corner = (frame as f32 / 2.0 - centre).round().max(0.0) as usize;
        corner.min(frame - side as usize)
    };
    [
        corner(IMAGE[1], centre[0], width),
        corner(IMAGE[0], centre[1], height),
    ]
}
