//! Pictures as people make them, from images of a data set of digits: files of drawings, scans,
//! screenshots and photographs.

use std::f32::consts::TAU;
use std::io::Cursor;

use bregman::rng::{Purpose, Stream};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::imageops::{self, FilterType};
use image::metadata::Orientation;
use image::{
    DynamicImage, GrayAlphaImage, GrayImage, ImageBuffer, ImageEncoder, ImageFormat, Luma, LumaA,
    Rgb, Rgb32FImage,
};

/// Ink within [0, 1]; 0 is paper.
type Ink = ImageBuffer<Luma<f32>, Vec<f32>>;

/// Pixels of a drawing for each pixel of the data set.
const SCALE: u32 = 10;

/// A way to disturb images.
pub struct Kind {
    pub name: &'static str,
    /// The file of a picture of (28, 28) pixels.
    pub file: fn(&[u8], &mut Draws) -> Vec<u8>,
}

/// Random numbers in sequence.
pub struct Draws {
    stream: Stream,
    next: u64,
}

impl Draws {
    /// Those of the sample numbered `sample`.
    pub fn of(sample: usize) -> Self {
        Self {
            stream: Stream::new(28, Purpose::Digits, sample as u32),
            next: 0,
        }
    }

    fn between(&mut self, low: f32, high: f32) -> f32 {
        self.next += 1;
        low + (high - low) * self.stream.uniform(self.next)
    }

    fn below(&mut self, bound: u32) -> u32 {
        self.next += 1;
        self.stream.below(self.next, bound)
    }

    /// Nearly normal, of variance 1: a sum of four bytes, each uniform with variance (256² − 1) / 12.
    fn normal(&mut self) -> f32 {
        self.next += 1;
        let bytes = self.stream.bits(self.next).to_be_bytes();
        (bytes.map(f32::from).iter().sum::<f32>() - 510.0) / 147.8
    }
}

/// All kinds.
pub const KINDS: &[Kind] = &[
    kind("as it is", |image, _| png(&native(image).into())),
    kind("inverted", |image, _| {
        let mut image = native(image);
        imageops::invert(&mut image);
        png(&image.into())
    }),
    kind("10 times as large", |image, _| {
        png(&imageops::resize(&native(image), 280, 280, FilterType::CatmullRom).into())
    }),
    kind("black on white", |image, _| grey(&drawn(image), 1.0, 0.0)),
    kind("white on black", |image, _| grey(&drawn(image), 0.0, 1.0)),
    kind("off centre", |image, draws| {
        grey(&placed(&drawn(image), 560, 560, draws), 1.0, 0.0)
    }),
    kind("small on a large sheet", |image, draws| {
        let small = imageops::resize(&drawn(image), 90, 90, FilterType::Triangle);
        grey(&placed(&small, 1200, 900, draws), 1.0, 0.1)
    }),
    kind("no margin", |image, _| {
        grey(&tight(&drawn(image)), 1.0, 0.0)
    }),
    kind("white margin around black", |image, _| {
        let mut scene = scene(&drawn(image), [0.0; 3], [1.0; 3]);
        scene = margin(&scene, 24, [1.0; 3]);
        png(&rgb8(&scene))
    }),
    kind("frame of one pixel", |image, _| {
        let mut scene = scene(&wide(&drawn(image)), [1.0; 3], [0.0; 3]);
        scene = margin(&scene, 1, [0.0; 3]);
        png(&rgb8(&scene))
    }),
    kind("frame within a margin", |image, draws| {
        let mut scene = scene(&drawn(image), [1.0; 3], [0.1; 3]);
        scene = margin(&scene, 1 + draws.below(4), [0.2; 3]);
        scene = margin(&scene, 10 + draws.below(40), [1.0; 3]);
        png(&rgb8(&scene))
    }),
    kind("specks", |image, draws| {
        let mut scene = scene(&wide(&drawn(image)), [1.0; 3], [0.0; 3]);
        for _ in 0..5 {
            let at = [draws.below(scene.width() - 3), draws.below(60)];
            let size = 1 + draws.below(3);
            for y in at[1]..at[1] + size {
                (at[0]..at[0] + size).for_each(|x| scene.put_pixel(x, y, Rgb([0.0; 3])));
            }
        }
        png(&rgb8(&scene))
    }),
    kind("salt and pepper, 5 %", |image, draws| {
        let mut scene = scene(&drawn(image), [1.0; 3], [0.0; 3]);
        for pixel in scene.pixels_mut() {
            if draws.below(20) == 0 {
                *pixel = Rgb([draws.below(2) as f32; 3]);
            }
        }
        png(&rgb8(&scene))
    }),
    kind("noise", |image, draws| {
        png(&rgb8(&noisy(
            scene(&drawn(image), [0.9; 3], [0.1; 3]),
            0.15,
            draws,
        )))
    }),
    kind("white on transparent", |image, _| clear(&drawn(image), 255)),
    kind("black on transparent", |image, _| clear(&drawn(image), 0)),
    kind("12 bits in 16", |image, _| {
        let ink = drawn(image);
        let image = ImageBuffer::from_fn(ink.width(), ink.height(), |x, y| {
            Luma([(4095.0 * (1.0 - ink.get_pixel(x, y)[0])) as u16])
        });
        png(&DynamicImage::ImageLuma16(image))
    }),
    kind("low contrast", |image, draws| {
        let paper = draws.between(0.3, 0.7);
        grey(&drawn(image), paper, paper + 0.06 * sign(draws))
    }),
    kind("light from one side", |image, draws| {
        let scene = lit(scene(&wide(&drawn(image)), [0.95; 3], [0.1; 3]), 0.7, draws);
        jpeg(&rgb8(&noisy(scene, 0.02, draws)), 85)
    }),
    kind("hard shadow", |image, draws| {
        let scene = shadowed(scene(&wide(&drawn(image)), [0.95; 3], [0.15; 3]), draws);
        jpeg(&rgb8(&noisy(scene, 0.02, draws)), 85)
    }),
    kind("dark corners", |image, draws| {
        let scene = vignette(
            scene(&wide(&drawn(image)), [0.9, 0.85, 0.75], [0.15, 0.15, 0.2]),
            0.6,
        );
        jpeg(&rgb8(&noisy(scene, 0.02, draws)), 85)
    }),
    kind("chalk on a board", |image, draws| {
        let scene = lit(
            scene(&wide(&drawn(image)), [0.25, 0.35, 0.3], [0.9; 3]),
            0.5,
            draws,
        );
        jpeg(&rgb8(&noisy(scene, 0.04, draws)), 85)
    }),
    kind("lined paper", |image, draws| {
        ruled(&drawn(image), false, draws)
    }),
    kind("squared paper", |image, draws| {
        ruled(&drawn(image), true, draws)
    }),
    kind("coloured pen", |image, draws| {
        const PENS: [[f32; 3]; 5] = [
            [0.1, 0.2, 0.8],
            [0.85, 0.1, 0.1],
            [0.1, 0.6, 0.2],
            [0.95, 0.85, 0.2],
            [0.6, 0.2, 0.7],
        ];
        let pen = PENS[draws.below(5) as usize];
        jpeg(&rgb8(&scene(&drawn(image), [0.97; 3], pen)), 90)
    }),
    kind("colours of like brightness", |image, draws| {
        const PAIRS: [[[f32; 3]; 2]; 3] = [
            [[0.9, 0.2, 0.2], [0.1, 0.5, 0.1]],
            [[0.0, 0.0, 0.0], [0.0, 0.0, 0.9]],
            [[0.2, 0.5, 0.6], [0.8, 0.35, 0.2]],
        ];
        let [paper, pen] = PAIRS[draws.below(3) as usize];
        png(&rgb8(&scene(&drawn(image), paper, pen)))
    }),
    kind("thin strokes", |image, _| {
        grey(&with_pen(image, 2), 1.0, 0.0)
    }),
    kind("thick strokes", |image, _| {
        grey(&with_pen(image, 20), 1.0, 0.0)
    }),
    kind("turned by up to 15°", |image, draws| {
        let angle = draws.between(-15.0, 15.0).to_radians();
        grey(&turned(&drawn(image), angle), 1.0, 0.0)
    }),
    kind("out of focus", |image, _| {
        let blurred = imageops::blur(&drawn(image), 8.0);
        grey(&blurred, 0.9, 0.1)
    }),
    kind("JPEG of quality 20", |image, _| {
        jpeg(&rgb8(&scene(&drawn(image), [1.0; 3], [0.0; 3])), 20)
    }),
    kind("turned by EXIF", |image, draws| {
        let orientation = Orientation::from_exif(1 + draws.below(8) as u8).expect("1 to 8");
        let format = [ImageFormat::Png, ImageFormat::Jpeg][draws.below(2) as usize];
        exif(
            &rgb8(&scene(&drawn(image), [1.0; 3], [0.0; 3])),
            orientation,
            format,
        )
    }),
    kind("photograph", |image, draws| {
        let angle = draws.between(-8.0, 8.0).to_radians();
        let ink = turned(&placed(&drawn(image), 600, 450, draws), angle);
        let paper = [draws.between(0.7, 0.95), 0.85, draws.between(0.6, 0.85)];
        let pen = [0.1, 0.1, draws.between(0.1, 0.5)];
        let scene = scene(&imageops::blur(&ink, 1.5), paper, pen);
        let scene = vignette(lit(scene, 0.4, draws), 0.3);
        jpeg(&rgb8(&noisy(scene, 0.04, draws)), 60)
    }),
];

const fn kind(name: &'static str, file: fn(&[u8], &mut Draws) -> Vec<u8>) -> Kind {
    Kind { name, file }
}

fn sign(draws: &mut Draws) -> f32 {
    if draws.below(2) == 0 { -1.0 } else { 1.0 }
}

/// The image as it is.
fn native(image: &[u8]) -> GrayImage {
    GrayImage::from_raw(28, 28, image.to_vec()).expect("28 × 28 pixels")
}

/// The image as a drawing with sharp edges.
fn drawn(image: &[u8]) -> Ink {
    let native = Ink::from_fn(28, 28, |x, y| {
        Luma([f32::from(image[(28 * y + x) as usize]) / 255.0])
    });
    let mut large = imageops::resize(&native, 28 * SCALE, 28 * SCALE, FilterType::CatmullRom);
    let sharp = |level: f32| ((level - 0.3) / 0.3).clamp(0.0, 1.0);
    large.pixels_mut().for_each(|p| p[0] = sharp(p[0]));
    large
}

/// The drawing with strokes of one width: those of a round pen of `radius` along its middle.
fn with_pen(image: &[u8], radius: u32) -> Ink {
    let ink = drawn(image);
    let [width, height] = [ink.width() as usize, ink.height() as usize];
    let mut is_ink: Vec<bool> = ink.pixels().map(|p| p[0] > 0.5).collect();
    thin(&mut is_ink, width);
    let mut drawn = Ink::new(width as u32, height as u32);
    let reach = radius as i64 + 1;
    for at in (0..is_ink.len()).filter(|&i| is_ink[i]) {
        let [x, y] = [(at % width) as i64, (at / width) as i64];
        for v in (y - reach).max(0)..(y + reach + 1).min(height as i64) {
            for u in (x - reach).max(0)..(x + reach + 1).min(width as i64) {
                let distance = (((u - x).pow(2) + (v - y).pow(2)) as f32).sqrt();
                let level = (radius as f32 + 0.5 - distance).clamp(0.0, 1.0);
                let pixel = drawn.get_pixel_mut(u as u32, v as u32);
                pixel[0] = pixel[0].max(level);
            }
        }
    }
    drawn
}

/// Leaves the middle of the strokes (Zhang and Suen, 1984).
fn thin(is_ink: &mut [bool], width: usize) {
    let inside: Vec<usize> = (width + 1..is_ink.len() - width - 1)
        .filter(|i| !(1..width).contains(&(i % width)) || i % width < width - 1)
        .collect();
    let around = |i: usize| {
        let [up, down] = [i - width, i + width];
        [up, up + 1, i + 1, down + 1, down, down - 1, i - 1, up - 1]
    };
    loop {
        let mut changed = false;
        for corners in [[[0, 2, 4], [2, 4, 6]], [[0, 2, 6], [0, 4, 6]]] {
            let goes = |&i: &usize| {
                let near = around(i).map(|j| is_ink[j]);
                let number = near.iter().filter(|&&n| n).count();
                let begins = (0..8).filter(|&k| !near[k] && near[(k + 1) % 8]).count();
                is_ink[i]
                    && (2..=6).contains(&number)
                    && begins == 1
                    && corners.iter().all(|c| !c.iter().all(|&k| near[k]))
            };
            let gone: Vec<usize> = inside.iter().copied().filter(goes).collect();
            changed |= !gone.is_empty();
            gone.iter().for_each(|&i| is_ink[i] = false);
        }
        if !changed {
            break;
        }
    }
}

/// The drawing somewhere on a sheet.
fn placed(ink: &Ink, width: u32, height: u32, draws: &mut Draws) -> Ink {
    let mut sheet = Ink::new(width, height);
    let [x, y] = [width - ink.width(), height - ink.height()].map(|room| draws.below(room));
    imageops::replace(&mut sheet, ink, x.into(), y.into());
    sheet
}

/// The drawing with a margin.
fn wide(ink: &Ink) -> Ink {
    let mut sheet = Ink::new(ink.width() + 160, ink.height() + 160);
    imageops::replace(&mut sheet, ink, 80, 80);
    sheet
}

/// The drawing's box alone.
fn tight(ink: &Ink) -> Ink {
    let inked = ink.enumerate_pixels().filter(|(_, _, p)| p[0] > 0.5);
    let [left, top, right, bottom] = inked.fold([u32::MAX, u32::MAX, 0, 0], |b, (x, y, _)| {
        [b[0].min(x), b[1].min(y), b[2].max(x), b[3].max(y)]
    });
    imageops::crop_imm(ink, left, top, right - left + 1, bottom - top + 1).to_image()
}

/// The drawing, turned about the middle by `angle`.
fn turned(ink: &Ink, angle: f32) -> Ink {
    let [cos, sin] = [angle.cos(), angle.sin()];
    let middle = [ink.width() as f32 / 2.0, ink.height() as f32 / 2.0];
    Ink::from_fn(ink.width(), ink.height(), |x, y| {
        let [x, y] = [x as f32 - middle[0], y as f32 - middle[1]];
        let [x, y] = [cos * x + sin * y + middle[0], cos * y - sin * x + middle[1]];
        let found = imageops::interpolate_bilinear(ink, x, y);
        found.unwrap_or(Luma([0.0]))
    })
}

/// Ink of colour `pen` on `paper`.
fn scene(ink: &Ink, paper: [f32; 3], pen: [f32; 3]) -> Rgb32FImage {
    Rgb32FImage::from_fn(ink.width(), ink.height(), |x, y| {
        let ink = ink.get_pixel(x, y)[0];
        Rgb(std::array::from_fn(|c| {
            paper[c] + ink * (pen[c] - paper[c])
        }))
    })
}

fn margin(scene: &Rgb32FImage, pixels: u32, color: [f32; 3]) -> Rgb32FImage {
    let [width, height] = [scene.width(), scene.height()].map(|side| side + 2 * pixels);
    let mut wide = Rgb32FImage::from_pixel(width, height, Rgb(color));
    imageops::replace(&mut wide, scene, pixels.into(), pixels.into());
    wide
}

/// Each pixel times `of(x, y)`, the picture's sides being 1.
fn shaded(mut scene: Rgb32FImage, of: impl Fn(f32, f32) -> f32) -> Rgb32FImage {
    let [width, height] = [scene.width() as f32, scene.height() as f32];
    for (x, y, pixel) in scene.enumerate_pixels_mut() {
        let light = of(x as f32 / width, y as f32 / height);
        pixel.0 = pixel.0.map(|level| level * light);
    }
    scene
}

/// Light that falls off by the part `by` from one side to the other.
fn lit(scene: Rgb32FImage, by: f32, draws: &mut Draws) -> Rgb32FImage {
    let angle = draws.between(0.0, TAU);
    let [cos, sin] = [angle.cos(), angle.sin()];
    shaded(scene, |x, y| {
        let along = 0.5 + ((x - 0.5) * cos + (y - 0.5) * sin) / std::f32::consts::SQRT_2;
        1.0 - by * along
    })
}

/// A shadow with a straight edge somewhere near the middle.
fn shadowed(scene: Rgb32FImage, draws: &mut Draws) -> Rgb32FImage {
    let angle = draws.between(0.0, TAU);
    let [cos, sin, at] = [angle.cos(), angle.sin(), draws.between(-0.2, 0.2)];
    shaded(scene, |x, y| {
        let along = (x - 0.5) * cos + (y - 0.5) * sin - at;
        1.0 - 0.5 * (0.5 + 40.0 * along).clamp(0.0, 1.0)
    })
}

/// Corners darker by the part `by`.
fn vignette(scene: Rgb32FImage, by: f32) -> Rgb32FImage {
    shaded(scene, |x, y| {
        1.0 - by * 2.0 * ((x - 0.5).powi(2) + (y - 0.5).powi(2))
    })
}

fn noisy(mut scene: Rgb32FImage, deviation: f32, draws: &mut Draws) -> Rgb32FImage {
    for pixel in scene.pixels_mut() {
        let all = draws.normal();
        pixel.0 = pixel.0.map(|level| level + deviation * all);
    }
    scene
}

/// The drawing on paper with blue lines, which the pen crosses.
fn ruled(ink: &Ink, is_squared: bool, draws: &mut Draws) -> Vec<u8> {
    let ink = wide(ink);
    let step = 45 + draws.below(20);
    let offset = draws.below(step);
    let mut scene = scene(&ink, [0.97, 0.97, 0.95], [0.1, 0.1, 0.2]);
    for (x, y, pixel) in scene.enumerate_pixels_mut() {
        let is_line = |at: u32| (at + offset) % step < 2;
        if is_line(y) || (is_squared && is_line(x)) {
            pixel.0 = std::array::from_fn(|c| pixel.0[c].min([0.5, 0.65, 0.85][c]));
        }
    }
    jpeg(&rgb8(&noisy(scene, 0.01, draws)), 90)
}

fn rgb8(scene: &Rgb32FImage) -> DynamicImage {
    let level = |level: f32| (255.0 * level.clamp(0.0, 1.0)).round() as u8;
    let image = ImageBuffer::from_fn(scene.width(), scene.height(), |x, y| {
        Rgb(scene.get_pixel(x, y).0.map(level))
    });
    DynamicImage::ImageRgb8(image)
}

fn grey(ink: &Ink, paper: f32, pen: f32) -> Vec<u8> {
    let image = GrayImage::from_fn(ink.width(), ink.height(), |x, y| {
        let level = paper + ink.get_pixel(x, y)[0] * (pen - paper);
        Luma([(255.0 * level).round() as u8])
    });
    png(&image.into())
}

/// Ink of one grey level that covers what is transparent.
fn clear(ink: &Ink, level: u8) -> Vec<u8> {
    let image = GrayAlphaImage::from_fn(ink.width(), ink.height(), |x, y| {
        LumaA([level, (255.0 * ink.get_pixel(x, y)[0]).round() as u8])
    });
    png(&image.into())
}

pub fn png(image: &DynamicImage) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let written = image.write_to(&mut file, ImageFormat::Png);
    written.expect("memory has no errors");
    file.into_inner()
}

pub fn jpeg(image: &DynamicImage, quality: u8) -> Vec<u8> {
    let mut file = Vec::new();
    let written = image.write_with_encoder(JpegEncoder::new_with_quality(&mut file, quality));
    written.expect("memory has no errors");
    file
}

/// The picture as PNG or JPEG, stored turned so that `orientation` turns it back.
pub fn exif(image: &DynamicImage, orientation: Orientation, format: ImageFormat) -> Vec<u8> {
    use Orientation::{Rotate90, Rotate270};
    let mut stored = image.clone();
    stored.apply_orientation(match orientation {
        Rotate90 => Rotate270,
        Rotate270 => Rotate90,
        same => same,
    });
    // TIFF's header, and a table of one entry: 0x0112, a short, once.
    let mut exif = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation.to_exif(), 0, 0, 0, 0, 0, 0]);
    let mut file = Vec::new();
    let written = if format == ImageFormat::Jpeg {
        let mut encoder = JpegEncoder::new_with_quality(&mut file, 90);
        encoder.set_exif_metadata(exif).expect("JPEG has EXIF");
        stored.write_with_encoder(encoder)
    } else {
        let mut encoder = PngEncoder::new(&mut file);
        encoder.set_exif_metadata(exif).expect("PNG has EXIF");
        stored.write_with_encoder(encoder)
    };
    written.expect("memory has no errors");
    file
}
