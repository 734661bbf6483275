//! The two spirals of the paper's Figures 4 to 6: points of the plane in two interleaved classes.
//!
//! With θ = 2π√U(0, 1) and r = 2θ + π, a point of class 0 is r (cos θ, sin θ) + N(0, I), one of class
//! 1 is −r (cos θ, sin θ) + N(0, I) with its own random numbers. All points are divided by the training
//! set's largest |coordinate| rounded up to a whole number, so that training points lie in [−1, 1].
//!
//! The points are the same on every machine, because sines and logarithms are [`crate::math`]'s.

use std::f32::consts::PI;

use crate::activation::Activation;
use crate::kind::names;
use crate::math;
use crate::rng::{Purpose, Stream};

/// Labelled points of the plane.
#[derive(Clone, Debug, PartialEq)]
pub struct Spirals {
    /// (samples, 2).
    pub points: Vec<[f32; 2]>,
    /// 0 or 1, (samples).
    pub labels: Vec<u8>,
}

/// Whether runs are trained on the same points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// Each run has training points and test points of its own, drawn with its seed.
    Own,
    /// All runs have the points that are drawn with the seed of the first one.
    Shared,
}

names!(Draw, "points", Own = "own", Shared = "shared");

impl Spirals {
    /// A training set and a test set drawn with `seed`, each with `per_class` points of each class.
    pub fn draw(per_class: usize, seed: u64) -> [Self; 2] {
        let [mut train, mut test] = [0, 1].map(|split| draw(per_class, seed, split));
        let largest = |points: &[[f32; 2]]| {
            let coordinates = points.as_flattened().iter();
            coordinates.fold(0.0, |largest: f32, x| largest.max(x.abs()))
        };
        let divisor = largest(&train.points).ceil().max(1.0);
        for x in [&mut train, &mut test].map(|s| s.points.as_flattened_mut()) {
            x.iter_mut().for_each(|x| *x /= divisor);
        }
        [train, test]
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no point.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The points within the range of `activation`: unchanged if the range contains [−1, 1], else mapped
    /// from [−1, 1] to the activation's usual input range.
    pub fn within(mut self, activation: &Activation) -> Self {
        let [low, high] = input_range(activation);
        if [low, high] != [-1.0, 1.0] {
            for x in self.points.as_flattened_mut() {
                *x = (low + 0.5 * (*x + 1.0) * (high - low)).clamp(low, high);
            }
        }
        self
    }
}

/// The interval that [−1, 1] is mapped to for `activation`.
pub fn input_range(activation: &Activation) -> [f32; 2] {
    let [min, max] = activation.range;
    if min <= -1.0 && max >= 1.0 {
        [-1.0, 1.0]
    } else {
        activation.input_range
    }
}

/// Points before the division, class 0 before class 1.
fn draw(per_class: usize, seed: u64, split: u32) -> Spirals {
    let mut spirals = Spirals {
        points: Vec::with_capacity(2 * per_class),
        labels: Vec::with_capacity(2 * per_class),
    };
    for class in 0..2 {
        let stream = Stream::new(seed, Purpose::Spirals, 2 * split + class);
        for i in 0..per_class as u64 {
            let uniform = |k| stream.uniform(4 * i + k);
            // θ in turns.
            let turns = uniform(0).sqrt();
            let radius = PI * (4.0 * turns + 1.0) * if class == 0 { 1.0 } else { -1.0 };
            // Box and Muller; 1 − U is above 0.
            let deviation = (-2.0 * math::log_f32(1.0 - uniform(1))).sqrt();
            let direction = uniform(2);
            spirals.points.push([
                radius * cosine(turns) + deviation * cosine(direction),
                radius * sine(turns) + deviation * sine(direction),
            ]);
            spirals.labels.push(class as u8);
        }
    }
    spirals
}

/// sin 2πt, t in [0, 1].
fn sine(t: f32) -> f32 {
    // sin 2πt = −sin 2πw, w in [−½, ½], reflected into [−¼, ¼].
    let w = t - 0.5;
    let reflected = if w.abs() > 0.25 {
        (0.5 - w.abs()).copysign(w)
    } else {
        w
    };
    -math::sin_f32(2.0 * PI * reflected)
}

/// cos 2πt, t in [0, 1].
fn cosine(t: f32) -> f32 {
    sine(if t < 0.75 { t + 0.25 } else { t - 0.75 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::Activation;

    #[test]
    fn sines_are_sines() {
        for i in 0..=1000 {
            let t = i as f32 / 1000.0;
            let angle = std::f64::consts::TAU * f64::from(t);
            // 2πw is rounded twice at up to π/2.
            assert!((f64::from(sine(t)) - angle.sin()).abs() < 4e-7, "{t}");
            assert!((f64::from(cosine(t)) - angle.cos()).abs() < 4e-7, "{t}");
        }
    }

    /// Every point lies near its own arm, the noise has the right spread, and the arms differ.
    #[test]
    fn points_follow_the_arms() {
        let per_class = 2000;
        let undivided = draw(per_class, 5, 0);
        let [train, test] = Spirals::draw(per_class, 5);
        assert_ne!(train.points, test.points);
        assert_eq!(train, Spirals::draw(per_class, 5)[0]);
        assert_ne!(train.points, Spirals::draw(per_class, 6)[0].points);
        assert!(train.points.as_flattened().iter().all(|x| x.abs() <= 1.0));
        for class in 0..2u32 {
            let stream = Stream::new(5, Purpose::Spirals, class);
            let (mut mean, mut squares, mut product) = ([0.0; 2], [0.0; 2], 0.0);
            for i in 0..per_class {
                let theta = std::f64::consts::TAU * f64::from(stream.uniform(4 * i as u64)).sqrt();
                let r = (2.0 * theta + std::f64::consts::PI) * [1.0, -1.0][class as usize];
                let point = undivided.points[class as usize * per_class + i];
                let noise = [
                    f64::from(point[0]) - r * theta.cos(),
                    f64::from(point[1]) - r * theta.sin(),
                ];
                product += noise[0] * noise[1] / per_class as f64;
                for k in 0..2 {
                    mean[k] += noise[k] / per_class as f64;
                    squares[k] += noise[k].powi(2) / per_class as f64;
                }
            }
            // Five standard deviations: 1/√n of a mean and a product, √(2/n) of a variance.
            for k in 0..2 {
                assert!(mean[k].abs() < 0.112, "{mean:?}");
                assert!((squares[k] - 1.0).abs() < 0.158, "{squares:?}");
            }
            assert!(product.abs() < 0.112, "{product}");
        }
    }

    #[test]
    fn points_enter_every_range() {
        for activation in Activation::ALL {
            let [train, _] = Spirals::draw(50, 0).map(|s| s.within(activation));
            let [min, max] = activation.range.map(|end| end as f32);
            let inside = |x: &f32| *x >= min && *x <= max;
            assert!(train.points.as_flattened().iter().all(inside));
        }
    }
}
