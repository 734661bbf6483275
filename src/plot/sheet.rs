//! Sheets of images.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::svg::{Document, Svg, Type, hex};
use super::text::{number, width};
use super::{INK, Rgb, page, save, with_extension};
use crate::error::Result;
use crate::files::atomic;

/// Distance between images with captions, and without.
const GAPS: [f64; 2] = [16.0, 6.0];
const CAPTION_SIZE: f64 = 11.0;
const CAPTION_LINE: f64 = 14.0;
/// About the width of a sheet, and of the widest pixel of an image.
const SHEET: f64 = 832.0;
const WIDEST_PIXEL: f64 = 4.0;

/// Images side by side under one title, each with its own caption.
#[derive(Clone, Debug, Default)]
pub struct Sheet {
    /// The title.
    pub title: String,
    /// Settings, and the meaning of the images' captions.
    pub caption: String,
    /// Number of images in a row, at least 1.
    pub columns: usize,
    /// The images, row by row.
    pub images: Vec<Image>,
}

/// An image of a [`Sheet`].
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// Drawn below the image; lines are separated by `\n`.
    pub caption: String,
    /// Number of pixels in a row.
    pub width: usize,
    /// (height, width), row-major.
    pub pixels: Vec<Rgb>,
}

impl Sheet {
    /// The sheet as SVG, where the pixels of each image are rectangles.
    pub fn svg(&self) -> String {
        self.document().text
    }

    /// Writes `stem`.png and `stem`.svg; returns their paths.
    ///
    /// # Errors
    /// [`Error::Io`](crate::error::Error::Io); [`Error::InvalidValue`](crate::error::Error::InvalidValue)
    /// for more images than a picture can hold.
    pub fn save(&self, stem: &Path) -> Result<[PathBuf; 2]> {
        save(&self.document(), stem)
    }

    /// Writes `stem`.png alone, where the SVG would be large; returns its path.
    ///
    /// # Errors
    /// Those of [`Sheet::save`].
    pub fn save_png(&self, stem: &Path) -> Result<PathBuf> {
        atomic::write(&with_extension(stem, "png"), &self.document().png()?)
    }

    pub(super) fn document(&self) -> Document {
        let columns = self.columns.clamp(1, self.images.len().max(1));
        let rows = self.images.len().div_ceil(columns);
        let most = |of: fn(&Image) -> usize| self.images.iter().map(of).max().unwrap_or(0) as f64;
        let (widest, tallest) = (most(|image| image.width), most(Image::height));
        let lines = most(|image| image.caption.lines().count());
        let gap = GAPS[usize::from(lines == 0.0)];
        // A whole number, so that no pixel of an image is blurred.
        let side = (SHEET / columns as f64 - gap) / widest.max(1.0);
        let side = side.floor().clamp(1.0, WIDEST_PIXEL);
        let captions = self.images.iter().flat_map(|image| image.caption.lines());
        let captions = captions.map(|line| width(line, CAPTION_SIZE, false));
        let cell_width = captions.fold(side * widest, f64::max).ceil();
        let cell_height = side * tallest + CAPTION_LINE * lines;
        let size = [
            columns as f64 * (cell_width + gap) - gap,
            rows as f64 * (cell_height + gap),
        ];
        page(&self.title, &self.caption, size, |svg, [left, top]| {
            for (i, image) in self.images.iter().enumerate() {
                let left = left + (i % columns) as f64 * (cell_width + gap);
                let top = top + (i / columns) as f64 * (cell_height + gap);
                image.draw(svg, [left, top], side);
            }
        })
    }
}

impl Image {
    fn height(&self) -> usize {
        self.pixels.len() / self.width.max(1)
    }

    /// Draws the image and its caption; `side` is that of a pixel.
    fn draw(&self, svg: &mut Svg, [left, top]: [f64; 2], side: f64) {
        // The pixels of one colour are one path; neighbours in a row are one rectangle.
        let mut paths = std::collections::BTreeMap::<Rgb, String>::new();
        for (row, pixels) in self.pixels.chunks_exact(self.width.max(1)).enumerate() {
            let mut column = 0;
            for same in pixels.chunk_by(|a, b| a == b) {
                let [x, y] = [column, row].map(|i| side * i as f64);
                let [x, y, w] = [left + x, top + y, side * same.len() as f64].map(number);
                let side = number(side);
                let path = paths.entry(same[0]).or_default();
                write!(path, "M{x} {y}h{w}v{side}h-{w}z").expect("memory");
                column += same.len();
            }
        }
        svg.element("<g shape-rendering=\"crispEdges\">");
        for (color, path) in paths {
            let color = hex(color);
            svg.element(&format!("<path d=\"{path}\" fill=\"{color}\"/>"));
        }
        svg.element("</g>");
        let bottom = top + side * self.height() as f64;
        for (i, line) in self.caption.lines().enumerate() {
            let y = bottom + CAPTION_LINE * (i + 1) as f64 - 1.0;
            svg.label(line, [left, y], Type::new(CAPTION_SIZE, INK));
        }
    }
}
