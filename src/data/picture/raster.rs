//! The pixels of a decoded picture, read as averages over squares.

use std::borrow::Cow;

use image::{ColorType, DynamicImage};

use super::plane::{Area, Plane};

/// A decoded picture.
pub struct Raster<'a> {
    image: Cow<'a, DynamicImage>,
    /// Number of values of a pixel, with the one for its opacity.
    channels: usize,
    /// Number of colours of a pixel: 1 or 3.
    colours: usize,
    /// Whether values have 16 bits.
    is_wide: bool,
    /// The background behind transparent pixels: black (0) or white (1).
    ground: f32,
}

/// Part of a picture, each pixel the mean of a square of the picture's.
pub struct Sheet {
    /// One plane for each colour, all alike in size, within [0, 1].
    pub planes: Vec<Plane>,
}

impl Sheet {
    /// All pixels.
    pub fn area(&self) -> Area {
        self.planes[0].area()
    }
}

impl<'a> Raster<'a> {
    /// The pixels of `image`. Transparent parts show a white background, or a black one if the edge of the
    /// picture is transparent and the drawing is bright.
    ///
    /// # Errors
    /// A picture without pixels, or with transparent ones alone.
    pub fn new(image: &'a DynamicImage) -> Result<Self, String> {
        use ColorType::{L8, L16, La8, La16, Rgb8, Rgb16, Rgba8, Rgba16};
        if image.width() == 0 || image.height() == 0 {
            return Err("it has no pixels".to_owned());
        }
        let known = matches!(
            image.color(),
            L8 | L16 | La8 | La16 | Rgb8 | Rgb16 | Rgba8 | Rgba16
        );
        let image = match known {
            true => Cow::Borrowed(image),
            false => Cow::Owned(DynamicImage::from(image.to_rgba16())),
        };
        let color = image.color();
        let channels = usize::from(color.channel_count());
        let mut raster = Self {
            channels,
            colours: channels - usize::from(color.has_alpha()),
            is_wide: usize::from(color.bytes_per_pixel()) == 2 * channels,
            ground: 1.0,
            image,
        };
        if raster.colours < channels {
            raster.ground = raster.choose_ground()?;
        }
        Ok(raster)
    }

    /// All pixels.
    pub fn area(&self) -> Area {
        Area {
            left: 0,
            top: 0,
            right: self.image.width() as usize,
            bottom: self.image.height() as usize,
        }
    }

    /// Whether a pixel is not wholly opaque.
    pub fn has_transparency(&self) -> bool {
        let (_, opacity) = self.sums(self.area(), 1);
        opacity.values.iter().any(|&opacity| opacity < 1.0)
    }

    fn choose_ground(&self) -> Result<f32, String> {
        let (sums, opacity) = self.sums(self.area(), self.area().longest().div_ceil(256));
        let drawn: f32 = opacity.values.iter().sum();
        if drawn <= 0.0 {
            return Err("nothing is drawn on it: all pixels are transparent".to_owned());
        }
        let ring = opacity.ring(opacity.area());
        let opaque: f32 = ring.iter().map(|&i| opacity.values[i]).sum();
        let brightness: f32 = sums.iter().flat_map(|plane| &plane.values).sum();
        let is_bright = brightness > 0.5 * drawn * sums.len() as f32;
        Ok(match is_bright && opaque < 0.5 * ring.len() as f32 {
            true => 0.0,
            false => 1.0,
        })
    }

    /// The pixels of `area`, each the mean of a square of `factor` by `factor` pixels or of the part of
    /// it within the area.
    pub fn sheet(&self, area: Area, factor: usize) -> Sheet {
        let (mut planes, opacity) = self.sums(area, factor);
        for plane in &mut planes {
            *plane = plane.zip(&opacity, |sum, opacity| sum + self.ground * (1.0 - opacity));
        }
        // Grey pictures need one plane.
        if planes[1..].iter().all(|plane| *plane == planes[0]) {
            planes.truncate(1);
        }
        Sheet { planes }
    }

    /// Means of colour × opacity, and means of opacity.
    fn sums(&self, area: Area, factor: usize) -> (Vec<Plane>, Plane) {
        let bytes = self.image.as_bytes();
        let value = |i: usize| match self.is_wide {
            true => f32::from(u16::from_ne_bytes([bytes[2 * i], bytes[2 * i + 1]])) / 65_535.0,
            false => f32::from(bytes[i]) / 255.0,
        };
        let [width, height] = [area.width(), area.height()].map(|side| side.div_ceil(factor));
        let empty = Plane {
            width,
            height,
            values: vec![0.0; width * height],
        };
        let mut planes = vec![empty.clone(); self.colours];
        let mut opacity = empty;
        for y in 0..height {
            let rows = factor.min(area.height() - y * factor);
            for x in 0..width {
                let columns = factor.min(area.width() - x * factor);
                let mut sums = [0.0; 4];
                for row in 0..rows {
                    let first = (area.top + y * factor + row) * self.area().width();
                    let first = (first + area.left + x * factor) * self.channels;
                    for pixel in (first..).step_by(self.channels).take(columns) {
                        let alpha = match self.channels > self.colours {
                            true => value(pixel + self.colours),
                            false => 1.0,
                        };
                        for (c, sum) in sums[..self.colours].iter_mut().enumerate() {
                            *sum += alpha * value(pixel + c);
                        }
                        sums[3] += alpha;
                    }
                }
                let share = 1.0 / (rows * columns) as f32;
                for (plane, sum) in planes.iter_mut().zip(sums) {
                    plane.values[y * width + x] = sum * share;
                }
                opacity.values[y * width + x] = sums[3] * share;
            }
        }
        (planes, opacity)
    }
}
