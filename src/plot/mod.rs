//! Figures: charts of lines, bands, points and heat maps, and sheets of images, each as SVG
//! and as PNG of twice its size.
//!
//! A figure is written as SVG, and the PNG is drawn from that by `resvg` in a font that travels with
//! the program: the same figure gives the same bytes, whatever fonts a machine has. Titles, labels and
//! captions may hold formulas between two `$`, and superscripts such as `10⁻³` anywhere.

mod encode;
mod figure;
mod grid;
mod scale;
mod sheet;
mod svg;
mod text;

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::files::atomic;
use crate::kind::LayerKind;
use svg::{Document, Svg, Type};

pub use figure::{Axis, Corner, Figure, Heat, Marks, Panel, Series};
pub use grid::grid;
pub use sheet::{Image, Sheet};

/// A colour, (red, green, blue).
pub type Rgb = [u8; 3];

/// Colours that the colour-blind can distinguish (Okabe and Ito, 2008): blue, orange, green,
/// vermilion, purple, sky blue, black.
pub const PALETTE: [Rgb; 7] = [
    [0, 114, 178],
    [230, 159, 0],
    [0, 158, 115],
    [213, 94, 0],
    [204, 121, 167],
    [86, 180, 233],
    [0, 0, 0],
];

/// The colour of a kind of layer in every figure.
pub fn layer_color(kind: LayerKind) -> Rgb {
    match kind {
        LayerKind::Standard => PALETTE[0],
        LayerKind::Euclidean => PALETTE[2],
        LayerKind::Bregman => PALETTE[3],
    }
}

/// The name of a kind of layer in every figure: those of persons have a capital.
pub fn layer_name(kind: LayerKind) -> &'static str {
    match kind {
        LayerKind::Standard => "standard",
        LayerKind::Euclidean => "Euclidean",
        LayerKind::Bregman => "Bregman",
    }
}

/// White at 0, blue at −1 and below, vermilion at 1 and above.
pub fn diverging(value: f64) -> Rgb {
    let end = if value < 0.0 { PALETTE[0] } else { PALETTE[3] };
    let share = value.abs().min(1.0);
    end.map(|level| (255.0 + share * (f64::from(level) - 255.0)).round() as u8)
}

const MARGIN: f64 = 16.0;
const TITLE_SIZE: f64 = 15.0;
const TITLE_LINE: f64 = 20.0;
/// Below the title.
const TITLE_GAP: f64 = 6.0;
const CAPTION_SIZE: f64 = 11.5;
const CAPTION_LINE: f64 = 16.0;
const INK: Rgb = [34; 3];
const PALE_INK: Rgb = [85; 3];

/// A page with a title, the drawing of `draw` below it (`content` is its width and height, margins
/// aside), and a caption. `draw` gets the left upper corner of its part.
fn page(
    title: &str,
    caption: &str,
    [width, height]: [f64; 2],
    draw: impl FnOnce(&mut Svg, [f64; 2]),
) -> Document {
    let title_lines = text::wrapped(title, TITLE_SIZE, true, width);
    let caption_lines = text::wrapped(caption, CAPTION_SIZE, false, width);
    let mut head = MARGIN;
    if !title_lines.is_empty() {
        head += TITLE_GAP + TITLE_LINE * title_lines.len() as f64;
    }
    let foot = head + height;
    let mut bottom = foot + MARGIN;
    if !caption_lines.is_empty() {
        bottom += 4.0 + CAPTION_LINE * caption_lines.len() as f64;
    }
    let mut svg = Svg::new(width + 2.0 * MARGIN, bottom, title);
    let bold = Type {
        bold: true,
        ..Type::new(TITLE_SIZE, INK)
    };
    for (i, line) in title_lines.iter().enumerate() {
        let y = MARGIN + TITLE_LINE * i as f64 + TITLE_SIZE - 2.0;
        svg.label(line, [MARGIN, y], bold);
    }
    draw(&mut svg, [MARGIN, head]);
    for (i, line) in caption_lines.iter().enumerate() {
        let y = foot + 4.0 + CAPTION_LINE * i as f64 + CAPTION_SIZE;
        svg.label(line, [MARGIN, y], Type::new(CAPTION_SIZE, PALE_INK));
    }
    svg.finish()
}

/// Writes `stem`.png and `stem`.svg; returns their paths.
fn save(document: &Document, stem: &Path) -> Result<[PathBuf; 2]> {
    let png = atomic::write(&with_extension(stem, "png"), &document.png()?)?;
    let svg = with_extension(stem, "svg");
    Ok([png, atomic::write(&svg, document.text.as_bytes())?])
}

/// Adds an extension, also to a name with dots of its own, which are not an extension.
fn with_extension(stem: &Path, extension: &str) -> PathBuf {
    let mut path = stem.as_os_str().to_owned();
    path.push(".");
    path.push(extension);
    path.into()
}

#[cfg(test)]
mod tests;
