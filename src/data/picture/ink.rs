//! Distinguishes ink from paper: for each pixel how far its colour is from the paper's at its place.

use super::parts::{self, Part};
use super::plane::{Area, Plane, median, quantile};
use super::raster::Sheet;

/// Ink below this part of the contrast counts as paper: noise, shadows and compression artefacts.
pub const PAPER: f32 = 0.12;

/// The smallest contrast between ink and paper of a drawing, of 1.
const LEAST_CONTRAST: f32 = 0.02;

/// The smallest contrast of a drawing, in standard deviations of the paper's noise.
const LEAST_OF_NOISE: f32 = 6.0;

/// A colour nearer to the paper's than this part of the contrast is paper.
const NEAR: f32 = 0.15;

/// A colour farther from the paper's than this part of the contrast is ink.
const FAR: f32 = 0.45;

/// The largest part of the pixels that is neither near nor far where the light is even.
const UNCLEAR: f32 = 0.1;

/// The darkest paper.
const DARKEST: f32 = 0.1;

/// The widest structure that is ink rather than paper where the light is uneven, as a part of the
/// shorter side.
const WIDEST: f32 = 0.35;

/// The thickest ruled line, as a part of the side.
const RULE: f32 = 0.04;

/// Ink of a drawing.
pub struct Ink {
    /// The distance of each pixel's colour from the paper's.
    pub plane: Plane,
    /// The distance of full ink.
    pub contrast: f32,
    /// The standard deviation of the paper's noise.
    pub noise: f32,
    /// Whether ink is darker than the paper.
    pub is_dark: bool,
    /// Connected pixels of ink, the most likely drawing first; there is at least one.
    pub parts: Vec<Part>,
}

impl Ink {
    /// The ink on `sheet`; nothing if all of it is paper.
    pub fn of(sheet: &Sheet) -> Option<Self> {
        let planes = &sheet.planes;
        let (distance, is_dark) = from_edge(planes);
        let contrast = highest(&distance);
        let inverse = distance.map(|distance| (contrast - distance).max(0.0));
        let even = Self::new(distance, is_dark).filter(Self::is_clean);
        if even.as_ref().is_some_and(|ink| ink.parts[0].weight > 0.9) {
            return even;
        }
        // Ink may cover most of the edge.
        let inverse = match even {
            Some(_) => Self::new(inverse, !is_dark),
            None => None,
        };
        let calm = planes.iter().map(Plane::calm).collect::<Vec<_>>();
        let [dark, bright] = [true, false].map(|is_dark| {
            let distance = on_uneven_paper(planes, &calm, is_dark);
            Self::new(distance, is_dark)
        });
        // Even light and dark ink are more common.
        let candidates = [(even, 3.0), (inverse, 1.0), (dark, 2.5), (bright, 1.0)];
        let candidates = candidates.into_iter().filter_map(|(ink, frequency)| {
            let ink = ink?;
            Some((frequency * ink.likelihood(), ink))
        });
        let best = candidates.max_by(|a, b| a.0.total_cmp(&b.0));
        best.map(|(_, ink)| ink)
    }

    /// The ink without ruled lines, or with them if no ink is left without them.
    fn new(distance: Plane, is_dark: bool) -> Option<Self> {
        let unruled = without_rules(&distance);
        let ink = unruled.and_then(|plane| Self::found(plane, is_dark));
        ink.or_else(|| Self::found(distance, is_dark))
    }

    /// The ink that stands out from the paper's noise.
    fn found(mut plane: Plane, is_dark: bool) -> Option<Self> {
        let levels = [0.1, 0.4].map(|share| plane.quantile(share));
        // Of the absolute value of a normal variable as well as of the variable itself.
        let noise = 1.7 * (levels[1] - levels[0]);
        plane = plane.map(|distance| (distance - levels[1]).max(0.0));
        let smooth = plane.smoothed();
        // A blur over 3 × 3 pixels divides the noise by 8/3.
        let is_noisy = noise > 0.02 * highest(&plane);
        let seen = if is_noisy { &smooth } else { &plane };
        let noise_seen = if is_noisy { 0.375 * noise } else { noise };
        let mut contrast = highest(seen);
        let mut found = Vec::new();
        // The contrast is the drawing's own, and not that of a brighter spot elsewhere.
        for _ in 0..2 {
            if contrast < LEAST_CONTRAST.max(LEAST_OF_NOISE * noise_seen) {
                return None;
            }
            let low = (0.2 * contrast).max(3.0 * noise_seen);
            found = parts::of(seen, low, (FAR * contrast).max(4.0 * noise_seen));
            let main = found.first()?;
            let mut levels: Vec<f32> = main.pixels.iter().map(|&i| seen.values[i]).collect();
            contrast = quantile(&mut levels, 0.85);
        }
        Some(Self {
            plane,
            contrast,
            noise,
            is_dark,
            parts: found,
        })
    }

    /// The ink of the first `number` parts, within [0, 1].
    pub fn of_parts(&self, number: usize) -> Plane {
        let mut mask = self.plane.map(|_| 0.0);
        let pixels = self.parts[..number].iter().flat_map(|part| &part.pixels);
        pixels.for_each(|&pixel| mask.values[pixel] = 1.0);
        // With the soft edges of the strokes.
        let mask = mask.extreme(1, f32::max);
        let paper = PAPER.max(2.5 * self.noise / self.contrast);
        self.plane.zip(&mask, |distance, mask| {
            let ink = (mask * distance / self.contrast).min(1.0);
            if ink < paper { 0.0 } else { ink }
        })
    }

    /// Whether nearly all pixels are either ink or paper.
    fn is_clean(&self) -> bool {
        let [near, far] = [NEAR, FAR].map(|share| share * self.contrast);
        let between = self.plane.values.iter();
        let between = between.filter(|&&distance| distance > near && distance < far);
        between.count() as f32 <= UNCLEAR * self.plane.values.len() as f32
    }

    /// The likelihood that this is the ink, and not the space between strokes of the other brightness: strokes
    /// enclose more than the gaps between them, and are thin.
    fn likelihood(&self) -> f32 {
        let main = &self.parts[0];
        let mut mask = self.plane.map(|_| 0.0);
        main.pixels.iter().for_each(|&i| mask.values[i] = 1.0);
        let inner: f32 = mask.extreme(1, f32::min).values.iter().sum();
        let number = main.pixels.len() as f32;
        let stroke = 2.0 * number / (number - inner).max(1.0);
        let thick = stroke / (0.2 * main.area.longest() as f32);
        let size = (main.area.width() * main.area.height()) as f32;
        main.weight * self.contrast * size / (1.0 + thick * thick)
    }
}

/// The distance of all pixels from the colour of the edge, within [0, 1] of the largest, and whether
/// that is dark; nothing without contrast.
pub fn of_any_size(sheet: &Sheet) -> Option<(Plane, bool)> {
    let (distance, is_dark) = from_edge(&sheet.planes);
    let contrast = distance.values.iter().copied().fold(0.0, f32::max);
    (contrast >= LEAST_CONTRAST).then(|| {
        let ink = distance.map(|distance| distance / contrast);
        let ink = ink.map(|ink| if ink < PAPER { 0.0 } else { ink });
        (ink, is_dark)
    })
}

/// The area within a frame or a margin, if there is one: pixels of another colour than the edge that
/// fill a rectangle's sides.
pub fn framed(sheet: &Sheet) -> Option<Area> {
    let (mut distance, _) = from_edge(&sheet.planes);
    let contrast = highest(&distance);
    let whole = sheet.area();
    let edge = distance.ring(whole);
    let other = edge
        .iter()
        .filter(|&&i| distance.values[i] > 0.3 * contrast);
    if contrast < LEAST_CONTRAST || other.count() as f32 > 0.03 * edge.len() as f32 {
        return None;
    }
    edge.iter().for_each(|&i| distance.values[i] = 0.0);
    let differs = |&i: &usize| distance.values[i] > 0.3 * contrast;
    let share = |area: Area| {
        let ring = distance.ring(area);
        ring.iter().filter(|i| differs(i)).count() as f32 / ring.len() as f32
    };
    let inside = distance.area_above(0.3 * contrast)?;
    let is_large = 3 * inside.width() >= whole.width() && 3 * inside.height() >= whole.height();
    (is_large && share(inside) >= 0.9).then_some(inside)
}

/// The level that a few pixels exceed.
fn highest(plane: &Plane) -> f32 {
    let pixels = plane.values.len();
    let few = (pixels / 4000) as f32;
    plane.quantile(1.0 - few / pixels as f32)
}

/// The largest difference of a colour between each pixel and `paper`.
fn distance(planes: &[Plane], paper: &[f32]) -> Plane {
    let differences = planes.iter().zip(paper);
    let differences = differences.map(|(plane, &paper)| plane.map(|value| (value - paper).abs()));
    largest(differences)
}

fn largest(mut planes: impl Iterator<Item = Plane>) -> Plane {
    let first = planes.next().expect("a colour");
    planes.fold(first, |largest, plane| largest.zip(&plane, f32::max))
}

/// The distances from the median colour of the edge, and whether what differs is darker.
fn from_edge(planes: &[Plane]) -> (Plane, bool) {
    let ring = planes[0].ring(planes[0].area());
    let levels = |plane: &Plane| -> Vec<f32> { ring.iter().map(|&i| plane.values[i]).collect() };
    let paper: Vec<f32> = planes
        .iter()
        .map(|plane| median(&mut levels(plane)))
        .collect();
    let distance = distance(planes, &paper);
    let limit = FAR * highest(&distance);
    let brighter: f32 = planes
        .iter()
        .zip(&paper)
        .flat_map(|(plane, paper)| plane.values.iter().map(move |value| value - paper))
        .zip(distance.values.iter().cycle())
        .filter(|(_, distance)| **distance >= limit)
        .map(|(difference, _)| difference)
        .sum();
    (distance, brighter < 0.0)
}

/// The distances from the paper's colour where that changes from place to place. The paper is what
/// remains of the picture without noise, `calm`, if all that is narrower than a window is removed (closing for dark ink,
/// opening for bright ink).
fn on_uneven_paper(planes: &[Plane], calm: &[Plane], is_dark: bool) -> Plane {
    let side = planes[0].width.min(planes[0].height);
    let radius = ((0.5 * WIDEST * side as f32) as usize).max(1);
    let [first, second]: [fn(f32, f32) -> f32; 2] = match is_dark {
        true => [f32::max, f32::min],
        false => [f32::min, f32::max],
    };
    largest(planes.iter().zip(calm).map(|(plane, calm)| {
        let paper = calm.extreme(radius, first).extreme(radius, second);
        plane.zip(&paper, |value, paper| match is_dark {
            // Light that is halved halves paper and ink.
            true => (1.0 - value / paper.max(DARKEST)).max(0.0),
            false => (value - paper).max(0.0),
        })
    }))
}

/// The plane without ruled lines, across and down; nothing if a line is too thick to be ruled.
fn without_rules(plane: &Plane) -> Option<Plane> {
    let contrast = highest(plane);
    let plane = erase_rows(plane, contrast)?.transposed();
    Some(erase_rows(&plane, contrast)?.transposed())
}

/// Erases thin lines that cross the whole picture from left to right, and joins what they cut. Nothing
/// remains if a line is too thick to be ruled.
fn erase_rows(plane: &Plane, contrast: f32) -> Option<Plane> {
    let [width, height] = [plane.width, plane.height];
    // A line may climb by a pixel in the length of the window.
    let thick = plane.transposed().extreme_of_rows(1, f32::max).transposed();
    let lines = thick.long_rows((0.45 * width as f32) as usize);
    let is_line = |x: usize, y: usize| lines.values[y * width + x] > 0.1 * contrast;
    let mut erased = plane.clone();
    for x in 0..width {
        let mut y = 0;
        while y < height {
            let first = y;
            while y < height && is_line(x, y) {
                y += 1;
            }
            if y - first > 2 + (RULE * height as f32) as usize {
                return None;
            }
            let around = [first.checked_sub(1), (y < height).then_some(y)];
            let around = around.map(|y| y.map_or(0.0, |y| plane.values[y * width + x]));
            for row in first..y {
                erased.values[row * width + x] = around[0].min(around[1]);
            }
            y += 1;
        }
    }
    Some(erased)
}
