//! Augmentation as its description says it (the file `data/augment.rs`), step by step on whole images.

use crate::data::Augmentation;
use crate::data::augment::{LEVELS, NOISES};
use crate::rng::{Purpose, Stream};

/// A channel of an image: its value at row y and column x, 0 outside.
struct Plane {
    height: i32,
    width: i32,
    values: Vec<f64>,
}

impl Plane {
    fn at(&self, y: i32, x: i32) -> f64 {
        let inside = (0..self.height).contains(&y) && (0..self.width).contains(&x);
        if inside {
            self.values[(y * self.width + x) as usize]
        } else {
            0.0
        }
    }

    /// The plane whose value at (y, x) is `value(y, x)`.
    fn of(&self, value: impl Fn(i32, i32) -> f64) -> Self {
        let mut values = Vec::new();
        for y in 0..self.height {
            for x in 0..self.width {
                values.push(value(y, x));
            }
        }
        Self { values, ..*self }
    }
}

/// x in fixed point, with 14 bits after the point.
fn fixed(x: f64) -> f64 {
    (x * 16384.0).round()
}

/// The product of two numbers in fixed point.
fn fixed_product(x: f64, y: f64) -> f64 {
    (x * y / 16384.0 + 0.5).floor()
}

/// What becomes of `image` (channels, height, width), which is `sample`, in `epoch` of the run with `seed`.
pub fn augment(
    augmentation: Augmentation,
    [seed, epoch, sample]: [u64; 3],
    [channels, height, width]: [usize; 3],
    image: &[u8],
) -> Vec<u8> {
    let draws = Stream::new(seed, Purpose::Augment, epoch as u32);
    let draw = |i: u64, bound: usize| draws.below(8 * sample + i, bound as u32) as i32;
    let within = |i: u64, most: u32| draw(i, 2 * most as usize + 1) - most as i32;
    let middle = |i: u64| (2.0 * f64::from(draw(i, LEVELS)) + 1.0) / LEVELS as f64 - 1.0;

    let flips = augmentation.flip && draw(0, 2) == 1;
    let angle = (middle(1) * f64::from(augmentation.rotate)).to_radians();
    let factor = 1.0 + middle(2) * f64::from(augmentation.scale);
    let (down, right) = (within(3, augmentation.shift), within(4, augmentation.shift));
    let (crop_y, crop_x) = (within(5, augmentation.crop), within(6, augmentation.crop));
    let center = draw(7, height * width);

    let (rows, columns) = (height as i32, width as i32);
    let mut result = Vec::new();
    for (channel, bytes) in image.chunks(height * width).enumerate() {
        let plane = Plane {
            height: rows,
            width: columns,
            values: bytes.iter().map(|&byte| f64::from(byte)).collect(),
        };
        let mirrored = |at: i32, side: i32| match at {
            _ if at < 0 => -at,
            _ if at >= side => 2 * (side - 1) - at,
            _ => at,
        };
        let cropped =
            plane.of(|y, x| plane.at(mirrored(y + crop_y, rows), mirrored(x + crop_x, columns)));
        let flipped = match flips {
            true => cropped.of(|y, x| cropped.at(y, columns - 1 - x)),
            false => cropped,
        };
        let cos = fixed_product(fixed(angle.cos()), fixed(1.0 / factor));
        let sin = fixed_product(fixed(angle.sin()), fixed(1.0 / factor));
        let turned = flipped.of(|y, x| {
            let middle = |side: i32| f64::from(side - 1) / 2.0;
            let from_center_y = f64::from(y - down) - middle(rows);
            let from_center_x = f64::from(x - right) - middle(columns);
            // Rounded to 1/256 of a pixel.
            let place = |turned: f64, side: i32| {
                ((turned / 16384.0 + middle(side)) * 256.0 + 0.5).floor() / 256.0
            };
            let place_y = place(cos * from_center_y - sin * from_center_x, rows);
            let place_x = place(sin * from_center_y + cos * from_center_x, columns);
            let (top, left) = (place_y.floor(), place_x.floor());
            let (lower, righter) = (place_y - top, place_x - left);
            let pixel = |dy: i32, dx: i32| flipped.at(top as i32 + dy, left as i32 + dx);
            let value = (1.0 - lower) * ((1.0 - righter) * pixel(0, 0) + righter * pixel(0, 1))
                + lower * ((1.0 - righter) * pixel(1, 0) + righter * pixel(1, 1));
            (value + 0.5).floor()
        });
        let noises = Stream::new(seed, Purpose::Noise, epoch as u32);
        let first = (sample as usize * channels + channel) * height * width;
        let noisy = turned.of(|y, x| {
            let place = (first + (y * columns + x) as usize) as u64;
            let bits = noises.bits(place / 2) >> (16 * (place % 2)) & 0xffff;
            let noise = noise(bits as usize * NOISES / 65536, augmentation.noise);
            (turned.at(y, x) + noise).clamp(0.0, 255.0)
        });
        let side = augmentation.cutout as i32;
        let (top, left) = (center / columns - side / 2, center % columns - side / 2);
        let cut = noisy.of(|y, x| {
            let inside = (top..top + side).contains(&y) && (left..left + side).contains(&x);
            if inside { 0.0 } else { noisy.at(y, x) }
        });
        result.extend(cut.values.iter().map(|&value| value as u8));
    }
    result
}

/// The value of the noise at place `k` of [`NOISES`].
fn noise(k: usize, deviation: f32) -> f64 {
    if deviation == 0.0 {
        return 0.0;
    }
    (255.0 * f64::from(deviation) * quantile((2 * k + 1) as f64 / (2 * NOISES) as f64)).round()
}

/// The x with Φ(x) = p, by bisection, where Φ is summed up as Marsaglia does ("Evaluating the normal
/// distribution", 2004).
fn quantile(p: f64) -> f64 {
    let distribution = |x: f64| {
        let (mut sum, mut term, mut k) = (x, x, 1.0);
        while sum + term != sum {
            k += 2.0;
            term *= x * x / k;
            sum += term;
        }
        0.5 + sum * (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
    };
    let (mut low, mut high) = (-6.0, 6.0);
    for _ in 0..60 {
        let x = (low + high) / 2.0;
        if distribution(x) < p {
            low = x;
        } else {
            high = x;
        }
    }
    (low + high) / 2.0
}
