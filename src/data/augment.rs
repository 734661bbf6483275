//! Random changes of training images: each epoch shows a network other versions of the same samples.
//!
//! What becomes of an image is a function of the run's seed, the epoch and the sample, in integers alone:
//! no augmented image is stored, and every executor computes the same bytes.
//!
//! An image (height, width) of bytes goes through these steps, each with its own random numbers, in this
//! order. Where a step looks beyond the image, it finds 0 (black), unless it says otherwise.
//! 1. `crop:K`: the image is padded by K pixels on each side, mirrored at its edge (without repeating it),
//!    and a part of its own size is cut out anywhere.
//! 2. `flip`: left and right are exchanged, with probability ½.
//! 3. `rotate:A`, `scale:S`, `shift:K`: it is turned about its centre by an angle uniform within ±A degrees,
//!    made larger by a factor uniform within 1 ± S, and moved by whole numbers of pixels within ±K down and
//!    to the right. Values between pixels are interpolated bilinearly and rounded.
//! 4. `noise:D`: normal noise of standard deviation D · 255 is added to each pixel and channel, and the sum
//!    is rounded and limited to 0 … 255.
//! 5. `cutout:K`: a square of K × K pixels whose centre is any pixel is set to 0.
//!
//! Angle and factor have [`LEVELS`] equally probable values, the noise has [`NOISES`].

use std::fmt;
use std::str::FromStr;

use super::{Dataset, Inputs};
use crate::error::{Error, Result};
use crate::rng::{Purpose, Stream};

/// The number of values that the angle and the scale have.
#[doc(hidden)]
pub const LEVELS: usize = 1024;

/// The number of values that the noise has.
#[doc(hidden)]
pub const NOISES: usize = 4096;

/// 1 in the fixed-point numbers of the rotation.
#[doc(hidden)]
pub const ONE: i32 = 1 << 14;

/// The largest side of an image, so that all products fit in 32 bits.
const MAX_SIDE: usize = 4096;

/// Random changes of training images, as `--augment` and
/// [`Trainer::augment`](crate::trainer::Trainer::augment) take them; [`str::parse`] reads them.
///
/// ```
/// use bregman::data::Augmentation;
///
/// let augmentation: Augmentation = "flip,shift:4,rotate:11".parse()?;
/// assert_eq!((augmentation.shift, augmentation.rotate), (4, 11.0));
/// assert_eq!(augmentation.to_string(), "flip,rotate:11,shift:4");
/// # Ok::<(), bregman::error::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Augmentation {
    /// Pixels of the padding that a crop moves in, mirrored at the edge.
    pub crop: u32,
    /// Whether half of the images are mirrored.
    pub flip: bool,
    /// The largest angle, in degrees, at most 180.
    pub rotate: f32,
    /// The largest change of size, at most ½.
    pub scale: f32,
    /// The largest shift, in pixels.
    pub shift: u32,
    /// The standard deviation of the noise, where 1 is the range of a byte.
    pub noise: f32,
    /// The side of the square that is cut out, in pixels.
    pub cutout: u32,
}

fn refused(value: &str, reason: impl Into<String>) -> Error {
    Error::InvalidValue {
        field: "augment",
        value: value.to_owned(),
        reason: reason.into(),
    }
}

impl FromStr for Augmentation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut all = Self::default();
        let mut seen = Vec::new();
        for part in text.split(',').map(str::trim) {
            let (name, number) = match part.split_once(':') {
                Some((name, number)) => (name, Some(number)),
                None => (part, None),
            };
            if seen.contains(&name) {
                return Err(refused(text, format!("{name} is there twice")));
            }
            seen.push(name);
            let pixels = || {
                let pixels = number.and_then(|number| number.parse().ok());
                pixels.filter(|&pixels| pixels > 0).ok_or_else(|| {
                    refused(part, format!("{name} needs a number of pixels: {name}:4"))
                })
            };
            let up_to = |most: f32, example: &str| {
                let number = number.and_then(|number| number.parse().ok());
                let fits = |&number: &f32| number > 0.0 && number <= most;
                number.filter(fits).ok_or_else(|| {
                    let range = format!("{name} needs a number above 0 and at most {most}");
                    refused(part, format!("{range}: {name}:{example}"))
                })
            };
            match name {
                "crop" => all.crop = pixels()?,
                "flip" if number.is_none() => all.flip = true,
                "rotate" => all.rotate = up_to(180.0, "11")?,
                "scale" => all.scale = up_to(0.5, "0.1")?,
                "shift" => all.shift = pixels()?,
                "noise" => all.noise = up_to(1.0, "0.05")?,
                "cutout" => all.cutout = pixels()?,
                _ => {
                    let known = "crop:PIXELS, flip, rotate:DEGREES, scale:PART, shift:PIXELS, \
                                 noise:PART and cutout:PIXELS, separated by commas";
                    return Err(refused(part, format!("there are {known}")));
                }
            }
        }
        Ok(all)
    }
}

impl fmt::Display for Augmentation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = [
            ("crop", self.crop as f32),
            ("flip", f32::from(u8::from(self.flip))),
            ("rotate", self.rotate),
            ("scale", self.scale),
            ("shift", self.shift as f32),
            ("noise", self.noise),
            ("cutout", self.cutout as f32),
        ];
        let given = numbers.iter().filter(|(_, number)| *number != 0.0);
        let parts: Vec<String> = given
            .map(|(name, number)| match *name {
                "flip" => "flip".to_owned(),
                _ => format!("{name}:{number}"),
            })
            .collect();
        f.write_str(&parts.join(","))
    }
}

impl Augmentation {
    /// Fails unless the inputs of `data` are images of bytes that these changes fit.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for rows of numbers, for images above 4,096 pixels wide or high, and for
    /// crops, shifts and squares that do not fit into the images.
    pub fn check(&self, data: &Dataset) -> Result<()> {
        let text = self.to_string();
        let [height, width] = data.image;
        let least = height.min(width);
        let reason = if !matches!(data.inputs, Inputs::Bytes(_)) || least < 2 {
            format!(
                "{} has rows of numbers; images of bytes can be augmented",
                data.name
            )
        } else if height.max(width) > MAX_SIDE {
            format!("images of {height} × {width} are larger than {MAX_SIDE} × {MAX_SIDE}")
        } else {
            let sides = [
                ("crop", self.crop, least - 1),
                ("shift", self.shift, least - 1),
                ("cutout", self.cutout, least),
            ];
            let misfit = sides.iter().find(|(_, side, most)| *side as usize > *most);
            let Some((name, side, most)) = misfit else {
                return Ok(());
            };
            format!(
                "{name}:{side} does not fit images of {height} × {width}; at most {name}:{most} does"
            )
        };
        Err(refused(&text, reason))
    }
}

/// An augmentation with its tables, for images of one shape.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Augmenter {
    /// What it does.
    pub augmentation: Augmentation,
    /// Channels, height and width.
    pub shape: [usize; 3],
    /// Cosine and sine of each angle, times [`ONE`].
    pub turns: Vec<[i32; 2]>,
    /// The reciprocal of each factor of the scale, times [`ONE`].
    pub reciprocals: Vec<i32>,
    /// Each value of the noise.
    pub noises: Vec<i32>,
}

/// An augmenter in one epoch of the run with a seed.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Augmenting<'a> {
    /// With its tables.
    pub augmenter: &'a Augmenter,
    /// The run's.
    pub seed: u64,
    /// Counted from 0.
    pub epoch: u32,
}

impl Augmenting<'_> {
    /// Fills `out` with what image `sample`, whose bytes are `image`, is in this epoch.
    pub fn apply(&self, sample: u32, image: &[u8], out: &mut [u8]) {
        self.augmenter
            .apply(self.seed, self.epoch, sample, image, out);
    }
}

/// The random numbers of one image.
struct Draw {
    crop: [i32; 2],
    flip: bool,
    /// Cosine and sine over the scale, times [`ONE`].
    turn: [i32; 2],
    shift: [i32; 2],
    /// The upper left corner of the square.
    corner: [i32; 2],
    noise: Stream,
    /// The image's first number of the noise.
    first: u64,
}

impl Augmenter {
    /// The tables for images like those of `data`.
    ///
    /// # Errors
    /// Those of [`Augmentation::check`].
    pub fn new(augmentation: Augmentation, data: &Dataset) -> Result<Self> {
        augmentation.check(data)?;
        let rotate = f64::from(augmentation.rotate).to_radians();
        let scale = f64::from(augmentation.scale);
        // The middles of equal parts of the interval −1 … 1.
        let middles = (0..LEVELS).map(|k| (2 * k + 1) as f64 / LEVELS as f64 - 1.0);
        let fixed = |x: f64| (x * f64::from(ONE)).round() as i32;
        let turn = |middle: f64| {
            let (sin, cos) = (middle * rotate).sin_cos();
            [fixed(cos), fixed(sin)]
        };
        Ok(Self {
            augmentation,
            shape: [data.channels, data.image[0], data.image[1]],
            turns: middles.clone().map(turn).collect(),
            reciprocals: middles.map(|m| fixed(1.0 / (1.0 + m * scale))).collect(),
            noises: noises(255.0 * f64::from(augmentation.noise)),
        })
    }

    fn draw(&self, seed: u64, epoch: u32, sample: u32) -> Draw {
        let Augmentation {
            crop,
            shift,
            cutout,
            ..
        } = self.augmentation;
        let [channels, height, width] = self.shape;
        let stream = Stream::new(seed, Purpose::Augment, epoch);
        let number = |i: u64, bound: usize| stream.below(8 * u64::from(sample) + i, bound as u32);
        let within = |i, most: u32| number(i, 2 * most as usize + 1) as i32 - most as i32;
        let [cos, sin] = self.turns[number(1, LEVELS) as usize];
        let reciprocal = self.reciprocals[number(2, LEVELS) as usize];
        let scaled = |x: i32| (x * reciprocal + ONE / 2) >> 14;
        let center = number(7, height * width) as usize;
        let half = (cutout / 2) as i32;
        Draw {
            flip: number(0, 2) == 1,
            turn: [scaled(cos), scaled(sin)],
            shift: [within(3, shift), within(4, shift)],
            crop: [within(5, crop), within(6, crop)],
            corner: [center / width, center % width].map(|place| place as i32 - half),
            noise: Stream::new(seed, Purpose::Noise, epoch),
            first: u64::from(sample) * (channels * height * width) as u64,
        }
    }

    /// Fills `out` with what image `sample`, whose bytes are `image`, is in `epoch` of the run with `seed`.
    pub fn apply(&self, seed: u64, epoch: u32, sample: u32, image: &[u8], out: &mut [u8]) {
        let [_, height, width] = self.shape;
        let draw = self.draw(seed, epoch, sample);
        let plane = height * width;
        let planes = image.chunks_exact(plane).zip(out.chunks_exact_mut(plane));
        let moved = draw.turn != [ONE, 0];
        for (image, out) in planes {
            for (y, row) in out.chunks_exact_mut(width).enumerate() {
                for (x, value) in row.iter_mut().enumerate() {
                    *value = match moved {
                        true => self.between(&draw, image, y as i32, x as i32),
                        false => {
                            let [down, right] = draw.shift;
                            self.pixel(&draw, image, y as i32 - down, x as i32 - right) as u8
                        }
                    };
                }
            }
        }
        if self.augmentation.noise > 0.0 {
            for (at, value) in (draw.first..).zip(&mut *out) {
                let bits = draw.noise.bits(at / 2) >> (16 * (at % 2));
                let noise = self.noises[(bits & 0xffff) as usize / (65536 / NOISES)];
                *value = (i32::from(*value) + noise).clamp(0, 255) as u8;
            }
        }
        let side = self.augmentation.cutout as i32;
        let [rows, columns] = [(0, height), (1, width)].map(|(axis, most)| {
            let place = |at: i32| at.clamp(0, most as i32) as usize;
            place(draw.corner[axis])..place(draw.corner[axis] + side)
        });
        for out in out.chunks_exact_mut(plane).filter(|_| side > 0) {
            for y in rows.clone() {
                out[y * width..][columns.clone()].fill(0);
            }
        }
    }

    /// The pixel of the cropped and flipped image.
    #[inline(always)]
    fn pixel(&self, draw: &Draw, image: &[u8], y: i32, x: i32) -> u32 {
        let [height, width] = [self.shape[1] as i32, self.shape[2] as i32];
        if y < 0 || y >= height || x < 0 || x >= width {
            return 0;
        }
        let x = if draw.flip && self.augmentation.flip {
            width - 1 - x
        } else {
            x
        };
        // Mirrored at the edge.
        let inside = |at: i32, side: i32| side - 1 - (side - 1 - at.abs()).abs();
        let y = inside(y + draw.crop[0], height);
        let x = inside(x + draw.crop[1], width);
        u32::from(image[(y * width + x) as usize])
    }

    /// The value at pixel (y, x) of the turned, scaled and shifted image.
    #[inline(always)]
    fn between(&self, draw: &Draw, image: &[u8], y: i32, x: i32) -> u8 {
        let [height, width] = [self.shape[1] as i32, self.shape[2] as i32];
        // Twice the distance from the centre, so that it is whole; then 256 times the place in the image.
        let y = 2 * (y - draw.shift[0]) - (height - 1);
        let x = 2 * (x - draw.shift[1]) - (width - 1);
        let [cos, sin] = draw.turn;
        let place = |turned: i32, side: i32| (turned + (side - 1) * ONE + 64) >> 7;
        let y_place = place(cos * y - sin * x, height);
        let x_place = place(sin * y + cos * x, width);
        let [top, left] = [y_place >> 8, x_place >> 8];
        let [lower, right] = [y_place & 255, x_place & 255].map(|part| part as u32);
        let corners = [
            ((256 - lower) * (256 - right), top, left),
            ((256 - lower) * right, top, left + 1),
            (lower * (256 - right), top + 1, left),
            (lower * right, top + 1, left + 1),
        ];
        let sum = corners.map(|(weight, y, x)| weight * self.pixel(draw, image, y, x));
        ((sum.iter().sum::<u32>() + (1 << 15)) >> 16) as u8
    }
}

/// The middles of [`NOISES`] equally probable parts of a normal distribution of standard deviation
/// `deviation`, rounded.
fn noises(deviation: f64) -> Vec<i32> {
    // The distribution function is summed up from 0 with steps of 2⁻¹² by the midpoint rule, whose error is
    // below 10⁻⁸; the density's ratio from step to step is a product, which rounds alike everywhere.
    let step = 1.0 / 4096.0f64;
    let square = step * step;
    // e^(−h²), whose next term is below 10⁻²³.
    let shrink = 1.0 - square + square * square / 2.0;
    // At the middle of the first step, and its ratio to the next: e^(−h²/8) and e^(−h²).
    let mut density = (1.0 - square / 8.0 + square * square / 128.0) * 0.398_942_280_401_432_7;
    let mut ratio = shrink;
    let (mut below, mut x) = (0.5, 0.0);
    let mut half = Vec::with_capacity(NOISES / 2);
    for k in 0..NOISES / 2 {
        let wanted = 0.5 + (2 * k + 1) as f64 / (2 * NOISES) as f64;
        while below + density * step < wanted {
            below += density * step;
            x += step;
            density *= ratio;
            ratio *= shrink;
        }
        let quantile = x + (wanted - below) / density;
        half.push((deviation * quantile).round() as i32);
    }
    let negative = half.iter().rev().map(|value| -value);
    negative.chain(half.iter().copied()).collect()
}
