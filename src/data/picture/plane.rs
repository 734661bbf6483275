//! Grey planes, and the filters that finding a drawing needs.

use image::imageops::{self, FilterType};
use image::{ImageBuffer, Luma};

/// One value for each pixel: (height, width), row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Plane {
    /// Number of columns.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
    /// The values of all pixels.
    pub values: Vec<f32>,
}

/// A rectangle of pixels. The right column and the bottom row are the first ones outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// The first column.
    pub left: usize,
    /// The first row.
    pub top: usize,
    /// The column after the last.
    pub right: usize,
    /// The row after the last.
    pub bottom: usize,
}

impl Area {
    /// The number of columns.
    pub fn width(self) -> usize {
        self.right - self.left
    }

    /// The number of rows.
    pub fn height(self) -> usize {
        self.bottom - self.top
    }

    /// The larger of width and height.
    pub fn longest(self) -> usize {
        self.width().max(self.height())
    }

    /// The smallest area that holds both.
    pub fn union(self, other: Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }

    /// The number of columns or rows between both, whichever is larger; 0 if they overlap.
    pub fn gap(self, other: Self) -> usize {
        let between =
            |a: [usize; 2], b: [usize; 2]| b[0].saturating_sub(a[1]).max(a[0].saturating_sub(b[1]));
        let across = between([self.left, self.right], [other.left, other.right]);
        let down = between([self.top, self.bottom], [other.top, other.bottom]);
        across.max(down)
    }

    /// The area with `margin` more pixels on each side, within `frame`.
    pub fn grown(self, margin: usize, frame: Self) -> Self {
        Self {
            left: self.left.saturating_sub(margin).max(frame.left),
            top: self.top.saturating_sub(margin).max(frame.top),
            right: (self.right + margin).min(frame.right),
            bottom: (self.bottom + margin).min(frame.bottom),
        }
    }
}

impl Plane {
    /// All pixels.
    pub fn area(&self) -> Area {
        Area {
            left: 0,
            top: 0,
            right: self.width,
            bottom: self.height,
        }
    }

    /// The plane of `of(value)` for each value.
    pub fn map(&self, of: impl Fn(f32) -> f32) -> Self {
        self.zip(self, |value, _| of(value))
    }

    /// The plane of `of(a, b)` for each value a and the one of `other` at its place, b.
    pub fn zip(&self, other: &Self, of: impl Fn(f32, f32) -> f32) -> Self {
        let values = self.values.iter().zip(&other.values);
        Self {
            values: values.map(|(&a, &b)| of(a, b)).collect(),
            ..*self
        }
    }

    /// The value below which lies the part `share` of all values.
    pub fn quantile(&self, share: f32) -> f32 {
        quantile(&mut self.values.clone(), share)
    }

    /// The smallest area outside of which no value exceeds `threshold`.
    pub fn area_above(&self, threshold: f32) -> Option<Area> {
        let inside = self.values.iter().enumerate();
        let inside = inside.filter(|(_, value)| **value > threshold);
        inside
            .map(|(i, _)| Area {
                left: i % self.width,
                top: i / self.width,
                right: i % self.width + 1,
                bottom: i / self.width + 1,
            })
            .reduce(Area::union)
    }

    /// The indices of the outermost pixels of `area`.
    pub fn ring(&self, area: Area) -> Vec<usize> {
        let pixels = (area.top..area.bottom).flat_map(|y| {
            let outer = y == area.top || y + 1 == area.bottom;
            let step = if outer { 1 } else { (area.width() - 1).max(1) };
            (area.left..area.right).step_by(step).map(move |x| [x, y])
        });
        pixels.map(|[x, y]| y * self.width + x).collect()
    }

    /// The pixels of `area`, with `margin` pixels of value 0 around them.
    pub fn crop(&self, area: Area, margin: usize) -> Self {
        let width = area.width() + 2 * margin;
        let height = area.height() + 2 * margin;
        let mut values = vec![0.0; width * height];
        for y in 0..area.height() {
            let from = (area.top + y) * self.width + area.left;
            let to = (margin + y) * width + margin;
            values[to..to + area.width()].copy_from_slice(&self.values[from..from + area.width()]);
        }
        Self {
            width,
            height,
            values,
        }
    }

    /// The plane with other numbers of pixels. The filter's support grows with the reduction, so that
    /// thin lines fade and do not vanish.
    pub fn resized(&self, width: usize, height: usize) -> Self {
        let small = imageops::resize(
            &self.buffer(),
            width as u32,
            height as u32,
            FilterType::Triangle,
        );
        Self::of_buffer(small)
    }

    /// The plane as the crate `image` has it.
    pub fn buffer(&self) -> ImageBuffer<Luma<f32>, Vec<f32>> {
        ImageBuffer::from_raw(self.width as u32, self.height as u32, self.values.clone())
            .expect("a value for each pixel")
    }

    /// The plane of an image of the crate `image`.
    pub fn of_buffer(buffer: ImageBuffer<Luma<f32>, Vec<f32>>) -> Self {
        Self {
            width: buffer.width() as usize,
            height: buffer.height() as usize,
            values: buffer.into_raw(),
        }
    }

    /// Rows as columns.
    pub fn transposed(&self) -> Self {
        let values = (0..self.width)
            .flat_map(|x| (0..self.height).map(move |y| self.values[y * self.width + x]));
        Self {
            width: self.height,
            height: self.width,
            values: values.collect(),
        }
    }

    /// `pick` (the smaller or the larger) of the values within `radius` columns of each pixel.
    pub fn extreme_of_rows(&self, radius: usize, pick: fn(f32, f32) -> f32) -> Self {
        let length = 2 * radius + 1;
        let mut values = Vec::with_capacity(self.values.len());
        // Running extremes of blocks of `length` values, forwards and backwards (van Herk, 1992): a
        // window is the end of a block and the begin of the next.
        for row in self.values.chunks_exact(self.width) {
            let padded = row.len() + 2 * radius;
            let at = |i: usize| row[i.clamp(radius, radius + row.len() - 1) - radius];
            let mut forwards: Vec<f32> = (0..padded).map(at).collect();
            let mut backwards = forwards.clone();
            for i in 1..padded {
                if i % length != 0 {
                    forwards[i] = pick(forwards[i], forwards[i - 1]);
                }
            }
            for i in (0..padded - 1).rev() {
                if (i + 1) % length != 0 {
                    backwards[i] = pick(backwards[i], backwards[i + 1]);
                }
            }
            values.extend((0..row.len()).map(|x| pick(backwards[x], forwards[x + length - 1])));
        }
        Self { values, ..*self }
    }

    /// `pick` of the values of the square with `radius` pixels on each side of its centre.
    pub fn extreme(&self, radius: usize, pick: fn(f32, f32) -> f32) -> Self {
        let rows = self.extreme_of_rows(radius, pick).transposed();
        rows.extreme_of_rows(radius, pick).transposed()
    }

    /// The remainder of each row if only runs of more than 2 · `radius` bright pixels are kept
    /// (opening).
    pub fn long_rows(&self, radius: usize) -> Self {
        self.extreme_of_rows(radius, f32::min)
            .extreme_of_rows(radius, f32::max)
    }

    /// The plane of `of(the 3 × 3 values around each pixel)`, row-major; outside are the values of the
    /// nearest pixels.
    pub fn neighbourhoods(&self, of: impl Fn([f32; 9]) -> f32) -> Self {
        let clamped = |i: usize, step: usize, end: usize| (i + step).saturating_sub(1).min(end - 1);
        let values = (0..self.height).flat_map(|y| {
            let of = &of;
            (0..self.width).map(move |x| {
                of(std::array::from_fn(|i| {
                    let row = clamped(y, i / 3, self.height);
                    self.values[row * self.width + clamped(x, i % 3, self.width)]
                }))
            })
        });
        Self {
            values: values.collect(),
            ..*self
        }
    }

    /// The medians of 3 × 3 pixels.
    pub fn calm(&self) -> Self {
        self.neighbourhoods(|mut near| median(&mut near))
    }

    /// A binomial blur over 3 × 3 pixels.
    pub fn smoothed(&self) -> Self {
        const WEIGHTS: [f32; 9] = [1.0, 2.0, 1.0, 2.0, 4.0, 2.0, 1.0, 2.0, 1.0];
        self.neighbourhoods(|near| {
            let sum: f32 = near.iter().zip(WEIGHTS).map(|(value, w)| value * w).sum();
            sum / 16.0
        })
    }
}

/// The value below which lies the part `share` of `values`, which are put into another order.
pub fn quantile(values: &mut [f32], share: f32) -> f32 {
    let at = (share * (values.len() - 1) as f32).round() as usize;
    *values.select_nth_unstable_by(at, f32::total_cmp).1
}

/// The median of `values`, which are put into another order.
pub fn median(values: &mut [f32]) -> f32 {
    quantile(values, 0.5)
}
