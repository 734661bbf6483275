//! Generated digits: 28 × 28 grey images that look like handwriting, for use without MNIST and without
//! a network connection.
//!
//! A sample is a glyph (one of the ways to write its digit) drawn as strokes of a pen: Catmull-Rom
//! splines through control points. These are jittered, bent by a smooth random displacement and mapped
//! by a random affine map. Strokes have a soft edge and are white on black as in MNIST.
//!
//! The images are the same on every machine: sample i has its own stream of random numbers, and the
//! arithmetic is +, −, ×, / and √ in `f32`, which are rounded the same everywhere, unlike sines and
//! exponentials.

mod glyphs;

use rayon::prelude::*;

use super::dataset::{Dataset, Inputs, Targets};
use crate::rng::{Purpose, Stream};
use glyphs::{GLYPHS, Glyph, Point};

/// Number of training samples.
#[doc(hidden)]
pub const TRAIN: usize = 60_000;
/// Number of test samples.
#[doc(hidden)]
pub const TEST: usize = 10_000;

/// The seed of the data set, which is always the same.
const SEED: u64 = 0x6469_6769_7473;

/// Height and width of an image, in pixels, as MNIST's.
const SIDE: usize = 28;
/// Number of pixels of an image.
const PIXELS: usize = SIDE * SIDE;

/// Height of an unscaled glyph without the pen's width, in pixels: with it, about the 20 that MNIST
/// fits its digits into.
const GLYPH_SIDE: f32 = 19.0;
/// Number of pixels at each side of an image that stay free of strokes.
const MARGIN: f32 = 1.0;
/// Number of straight segments that approximate the spline between two control points.
const SEGMENTS: usize = 6;
/// Number of vectors of the displacement field along each axis of the unit square, for a cubic.
const NODES: usize = 4;
/// Width of the ramp between ink and paper, in pixels: a little more than 1, which would just avoid
/// jagged edges, as in a scan.
const SOFTNESS: f32 = 1.3;

/// The largest jitter of a control point along an axis, in the unit square.
const JITTER: f32 = 0.022;
/// The largest displacement of a corner along an axis, in the unit square.
const DISPLACEMENT: f32 = 0.24;
/// The largest tangent of half the angle of rotation: 15°.
const HALF_ANGLE_TANGENT: f32 = 0.1317;
/// The largest slant, in pixels to the side per pixel down.
const SHEAR: f32 = 0.35;
/// The smallest and largest scale across, before rotation.
const SCALE_X: [f32; 2] = [0.6, 1.05];
/// The smallest and largest scale down, before rotation.
const SCALE_Y: [f32; 2] = [0.8, 1.1];
/// The largest shift off the centre along an axis, in pixels.
const SHIFT: f32 = 2.25;
/// The smallest and largest radius of the pen, in pixels.
const RADIUS: [f32; 2] = [0.75, 1.75];
/// The largest part of the radius that is gained or lost from a stroke's begin to its end.
const PRESSURE: f32 = 0.3;
/// The smallest and largest brightness of the ink.
const INK: [f32; 2] = [0.75, 1.0];
/// The largest amplitude of the noise, as a part of full brightness.
const NOISE: f32 = 0.1;

/// Draws the first `train` training and the first `test` test samples, at most [`TRAIN`] and [`TEST`].
///
/// Labels are random, so classes are only roughly balanced. A sample does not depend on the number of
/// samples drawn.
pub fn generate(train: usize, test: usize) -> (Dataset, Dataset) {
    (
        draw_samples(0, train.min(TRAIN)),
        draw_samples(TRAIN, test.min(TEST)),
    )
}

/// Samples `first..first + count` of all, training samples before test samples.
fn draw_samples(first: usize, count: usize) -> Dataset {
    let mut pixels = vec![0; count * PIXELS];
    let mut labels = vec![0u32; count];
    pixels
        .par_chunks_exact_mut(PIXELS)
        .zip(&mut labels)
        .enumerate()
        .for_each(|(i, (image, label))| *label = draw_sample((first + i) as u32, image));
    Dataset {
        name: "digits".to_owned(),
        channels: 1,
        image: [SIDE, SIDE],
        classes: GLYPHS.len(),
        inputs: Inputs::Bytes(pixels),
        targets: Targets::Classes(labels),
    }
}

/// Draws the sample numbered `sample` into `image`, (height, width), and returns its label.
fn draw_sample(sample: u32, image: &mut [u8]) -> u32 {
    let mut numbers = Numbers::of_sample(sample);
    let label = numbers.below(GLYPHS.len());
    let variants = GLYPHS[label];
    let glyph = variants[numbers.below(variants.len())];

    let radius = numbers.between(RADIUS);
    let mut strokes = trace(glyph, radius, &mut numbers);
    displace(&mut strokes, &mut numbers);
    transform(&mut strokes, &mut numbers);
    fit(&mut strokes, &mut numbers);

    let mut coverage = [0.0; PIXELS];
    for stroke in &strokes {
        for ends in stroke.windows(2) {
            draw_segment(ends[0], ends[1], &mut coverage);
        }
    }
    develop(&coverage, image, &mut numbers);
    label as u32
}

/// The random numbers of a sample, in sequence.
struct Numbers {
    stream: Stream,
    next: u64,
}

impl Numbers {
    fn of_sample(sample: u32) -> Self {
        Self {
            stream: Stream::new(SEED, Purpose::Digits, sample),
            next: 0,
        }
    }

    fn index(&mut self) -> u64 {
        let index = self.next;
        self.next += 1;
        index
    }

    fn below(&mut self, bound: usize) -> usize {
        let index = self.index();
        self.stream.below(index, bound as u32) as usize
    }

    fn between(&mut self, [low, high]: [f32; 2]) -> f32 {
        let index = self.index();
        low + (high - low) * self.stream.uniform(index)
    }

    /// Uniform on [−`largest`, `largest`).
    fn symmetric(&mut self, largest: f32) -> f32 {
        self.between([-largest, largest])
    }

    /// 32 random bits, as bytes.
    fn bytes(&mut self) -> [u8; 4] {
        let index = self.index();
        self.stream.bits(index).to_le_bytes()
    }
}

/// A point on the path of the pen.
#[derive(Clone, Copy)]
struct Vertex {
    /// Across and down: in the unit square until [`transform`], in pixels after it.
    at: [f32; 2],
    /// Radius of the pen, in pixels.
    radius: f32,
}

/// The polyline of each stroke of `glyph`, its control points jittered.
fn trace(glyph: Glyph, radius: f32, numbers: &mut Numbers) -> Vec<Vec<Vertex>> {
    let mut strokes = Vec::with_capacity(glyph.len());
    for runs in glyph {
        let mut places: Vec<[f32; 2]> = Vec::new();
        let mut control: Vec<[f32; 2]> = Vec::new();
        for run in *runs {
            // A run begins where the one before it ended, jitter included.
            let begin = control.last().copied();
            control.clear();
            control.extend(begin);
            control.extend(run.iter().map(|&point| jittered(point, numbers)));
            spline(&control, &mut places);
        }

        let pressure = numbers.symmetric(PRESSURE);
        let last = (places.len() - 1) as f32;
        let vertex = |(i, &at): (usize, &[f32; 2])| Vertex {
            at,
            radius: radius * (1.0 + pressure * (i as f32 / last - 0.5)),
        };
        strokes.push(places.iter().enumerate().map(vertex).collect());
    }
    strokes
}

fn jittered((x, y): Point, numbers: &mut Numbers) -> [f32; 2] {
    [x, y].map(|hundredths| f32::from(hundredths) / 100.0 + numbers.symmetric(JITTER))
}

/// Appends to `places` the Catmull-Rom spline through `control`, without its begin if `places` has
/// that already.
fn spline(control: &[[f32; 2]], places: &mut Vec<[f32; 2]>) {
    if places.is_empty() {
        places.extend(control.first());
    }
    for i in 1..control.len() {
        let (p1, p2) = (control[i - 1], control[i]);
        // Beyond its ends the spline continues straight.
        let p0 = if i >= 2 {
            control[i - 2]
        } else {
            along(p2, p1, 2.0)
        };
        let p3 = match control.get(i + 1) {
            Some(&next) => next,
            None => along(p1, p2, 2.0),
        };
        for step in 1..=SEGMENTS {
            let t = step as f32 / SEGMENTS as f32;
            places.push([0, 1].map(|axis| {
                let (p0, p1, p2, p3) = (p0[axis], p1[axis], p2[axis], p3[axis]);
                let linear = p2 - p0;
                let square = 2.0 * p0 - 5.0 * p1 + 4.0 * p2 - p3;
                let cubic = 3.0 * (p1 - p2) + p3 - p0;
                p1 + 0.5 * t * (linear + t * (square + t * cubic))
            }));
        }
    }
}

/// The point at `t` on the line from `a` (0) to `b` (1).
fn along(a: [f32; 2], b: [f32; 2], t: f32) -> [f32; 2] {
    [0, 1].map(|axis| a[axis] + t * (b[axis] - a[axis]))
}

/// Bends the strokes by a smooth random displacement: a bicubic Bézier patch over the unit square,
/// whose control points are a coarse grid of random vectors (free-form deformation).
fn displace(strokes: &mut [Vec<Vertex>], numbers: &mut Numbers) {
    let mut field = [[[0.0; 2]; NODES]; NODES];
    for vector in field.as_flattened_mut() {
        *vector = [0, 1].map(|_| numbers.symmetric(DISPLACEMENT));
    }
    for vertex in strokes.iter_mut().flatten() {
        let [across, down] = vertex.at.map(bernstein);
        for (row, down) in field.iter().zip(down) {
            for (vector, across) in row.iter().zip(across) {
                vertex.at[0] += down * across * vector[0];
                vertex.at[1] += down * across * vector[1];
            }
        }
    }
}

/// The cubic Bernstein polynomials at `t`: the weights of the control points along an axis.
fn bernstein(t: f32) -> [f32; NODES] {
    let u = 1.0 - t;
    [u * u * u, 3.0 * u * u * t, 3.0 * u * t * t, t * t * t]
}

/// Scales, slants and rotates the strokes, from the unit square to pixels about the origin.
fn transform(strokes: &mut [Vec<Vertex>], numbers: &mut Numbers) {
    let scale_x = GLYPH_SIDE * numbers.between(SCALE_X);
    let scale_y = GLYPH_SIDE * numbers.between(SCALE_Y);
    let shear = numbers.symmetric(SHEAR);
    // Cosine and sine by the rational parametrization of the circle.
    let t = numbers.symmetric(HALF_ANGLE_TANGENT);
    let cosine = (1.0 - t * t) / (1.0 + t * t);
    let sine = 2.0 * t / (1.0 + t * t);
    for vertex in strokes.iter_mut().flatten() {
        let y = scale_y * (vertex.at[1] - 0.5);
        let x = scale_x * (vertex.at[0] - 0.5) - shear * y;
        vertex.at = [cosine * x - sine * y, sine * x + cosine * y];
    }
}

/// Moves the strokes to the centre of the image plus a random shift, and shrinks them if they would not
/// fit.
fn fit(strokes: &mut [Vec<Vertex>], numbers: &mut Numbers) {
    let mut low = [f32::INFINITY; 2];
    let mut high = [f32::NEG_INFINITY; 2];
    let mut radius = 0.0_f32;
    for vertex in strokes.iter().flatten() {
        radius = radius.max(vertex.radius);
        for axis in 0..2 {
            low[axis] = low[axis].min(vertex.at[axis]);
            high[axis] = high[axis].max(vertex.at[axis]);
        }
    }
    let room = SIDE as f32 - 2.0 * (MARGIN + radius + 0.5 * SOFTNESS);
    let extent = [0, 1].map(|axis| high[axis] - low[axis]);
    let scale = (room / extent[0].max(extent[1])).min(1.0);
    let centre = extent.map(|extent| {
        let slack = 0.5 * (room - scale * extent).max(0.0);
        0.5 * SIDE as f32 + numbers.symmetric(SHIFT).clamp(-slack, slack)
    });
    for vertex in strokes.iter_mut().flatten() {
        vertex.at = [0, 1]
            .map(|axis| centre[axis] + scale * (vertex.at[axis] - 0.5 * (low[axis] + high[axis])));
    }
}

/// Draws the segment from `a` to `b` into `coverage`, (height, width): the fraction of each pixel that
/// has ink.
fn draw_segment(a: Vertex, b: Vertex, coverage: &mut [f32; PIXELS]) {
    // Pixel (column, row) has its centre at (column + ½, row + ½).
    let reach = a.radius.max(b.radius) + 0.5 * SOFTNESS + 0.5;
    let pixels = |axis: usize| {
        let low = a.at[axis].min(b.at[axis]) - reach;
        let high = a.at[axis].max(b.at[axis]) + reach;
        // The conversion maps negative numbers to 0.
        low as usize..(high as usize + 1).min(SIDE)
    };
    let direction = [0, 1].map(|axis| b.at[axis] - a.at[axis]);
    let square = direction[0] * direction[0] + direction[1] * direction[1];
    for row in pixels(1) {
        for column in pixels(0) {
            let offset = [column as f32 + 0.5 - a.at[0], row as f32 + 0.5 - a.at[1]];
            // The nearest point of the segment; its begin if it has no length.
            let t = offset[0] * direction[0] + offset[1] * direction[1];
            let t = if square > 0.0 {
                (t / square).clamp(0.0, 1.0)
            } else {
                0.0
            };
            let x = offset[0] - t * direction[0];
            let y = offset[1] - t * direction[1];
            let radius = a.radius + t * (b.radius - a.radius);
            let distance = (x * x + y * y).sqrt();
            let covered = (0.5 + (radius - distance) / SOFTNESS).clamp(0.0, 1.0);
            let pixel = &mut coverage[row * SIDE + column];
            // Segments of a stroke overlap at their ends, where the ink must not add up.
            *pixel = pixel.max(covered);
        }
    }
}

/// The picture of `coverage` in `image`, both (height, width), with random brightness and noise.
fn develop(coverage: &[f32; PIXELS], image: &mut [u8], numbers: &mut Numbers) {
    let ink = numbers.between(INK);
    let noise = numbers.between([0.0, NOISE]);
    for (image, coverage) in image.chunks_exact_mut(4).zip(coverage.chunks_exact(4)) {
        // A byte is random enough for noise, and four times cheaper than a number.
        let bytes = numbers.bytes();
        for ((pixel, &covered), byte) in image.iter_mut().zip(coverage).zip(bytes) {
            let noise = noise * (f32::from(byte) / 127.5 - 1.0);
            let value = (ink * covered + noise).clamp(0.0, 1.0);
            *pixel = (255.0 * value + 0.5) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_prefix_is_the_same_whatever_else_is_drawn() {
        let (mut train, mut test) = generate(50, 30);
        train.truncate(5);
        test.truncate(3);
        assert_eq!(generate(5, 3), (train, test));
        assert_eq!(generate(0, 2).1.len(), 2);
    }

    #[test]
    fn there_are_train_and_test_samples_and_no_more() {
        let (train, test) = generate(usize::MAX, usize::MAX);
        assert_eq!((train.len(), test.len()), (TRAIN, TEST));
        assert_eq!(train.pixels().len(), TRAIN * train.features());
        let images: HashSet<&[u8]> = [&train, &test]
            .into_iter()
            .flat_map(|dataset| dataset.pixels().chunks_exact(PIXELS))
            .collect();
        assert_eq!(images.len(), TRAIN + TEST, "no image twice");
    }

    #[test]
    fn labels_are_roughly_balanced() {
        let (train, _) = generate(2000, 0);
        for label in 0..10 {
            let count = train
                .labels()
                .iter()
                .filter(|&&other| other == label)
                .count();
            // A binomial count of mean 200 and standard deviation 13.4, within five of them.
            assert!((133..=267).contains(&count), "{count} of digit {label}");
        }
    }

    #[test]
    fn images_of_a_digit_differ_by_more_than_noise() {
        let (train, _) = generate(1000, 0);
        for label in 0..10 {
            let images: Vec<&[u8]> = train
                .pixels()
                .chunks_exact(PIXELS)
                .zip(train.labels())
                .filter_map(|(image, &other)| (other == label).then_some(image))
                .collect();
            for pair in images.windows(2) {
                let different = pair[0].iter().zip(pair[1]);
                // Ink against paper: noise is below 26 in each, and ink's brightness varies by 64.
                let different = different.filter(|&(a, &b)| a.abs_diff(b) > 128).count();
                assert!(different >= 10, "digit {label}: {different} pixels differ");
            }
        }
    }

    #[test]
    fn every_image_has_a_digit_clear_of_the_border() {
        // The noise alone, rounded up.
        let noise = (255.0 * NOISE) as u8 + 1;
        let (train, _) = generate(2000, 0);
        for (sample, image) in train.pixels().chunks_exact(PIXELS).enumerate() {
            let inked = image.iter().filter(|&&pixel| pixel > 100).count();
            // A thin 1 has the least ink, a broad 8 the most.
            assert!(
                (15..PIXELS / 2).contains(&inked),
                "sample {sample}: {inked} pixels of ink"
            );
            for (i, &pixel) in image.iter().enumerate() {
                let border = [i / SIDE, i % SIDE]
                    .iter()
                    .any(|&along| along == 0 || along == SIDE - 1);
                assert!(
                    !border || pixel <= noise,
                    "sample {sample}: ink at the border"
                );
            }
        }
    }

    #[test]
    fn digits_have_several_glyphs_within_the_unit_square() {
        for glyphs in GLYPHS {
            assert!(glyphs.len() >= 2);
            for runs in glyphs.iter().copied().flatten() {
                let points: Vec<Point> = runs.iter().copied().flatten().copied().collect();
                assert!(points.len() >= 2, "a stroke has a begin and an end");
                let inside = |(x, y): &Point| (0..=101).contains(x) && (0..=101).contains(y);
                assert!(points.iter().all(inside), "{points:?}");
            }
        }
    }

    /// Pins the data set: results of one version and machine can be compared with those of another
    /// as long as this holds.
    #[test]
    fn images_are_these_on_every_machine() {
        let (train, test) = generate(100, 100);
        assert_eq!(fnv1a(&train), 0x172a_ada2_6c8c_cb98);
        assert_eq!(fnv1a(&test), 0xf5ad_7e3a_d059_b964);
    }

    /// The 64-bit FNV-1a hash of the pixels, then the labels.
    fn fnv1a(dataset: &Dataset) -> u64 {
        let labels = dataset.labels().iter().map(|&label| label as u8);
        let bytes = dataset.pixels().iter().copied().chain(labels);
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }
}
