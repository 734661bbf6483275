//! A writer of SVG documents, and their pictures as PNG.

use std::fmt::Write;
use std::sync::{Arc, LazyLock};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{self, fontdb};

use super::text::number;
use super::{Rgb, encode, text};
use crate::error::{Error, Result};

/// The embedded font first, then fonts that a browser may use instead.
const FONT_FAMILY: &str = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif";
/// Pixels of the PNG for each pixel of the SVG.
pub(super) const SCALE: u32 = 2;

/// Pixels of the largest PNG: 1 GiB while it is drawn.
const MOST_PIXELS: u64 = 1 << 28;

/// The end of a text that is placed at a given point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text is set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Type {
    /// Pixels an em.
    pub size: f64,
    pub bold: bool,
    pub color: Rgb,
    pub anchor: Anchor,
    /// Whether the text reads from below upwards.
    pub upwards: bool,
}

impl Type {
    /// Regular text that starts at its point.
    pub fn new(size: f64, color: Rgb) -> Self {
        Self {
            size,
            bold: false,
            color,
            anchor: Anchor::Start,
            upwards: false,
        }
    }

    pub fn anchored(self, anchor: Anchor) -> Self {
        Self { anchor, ..self }
    }
}

/// An SVG document.
#[derive(Debug)]
pub(super) struct Svg {
    width: f64,
    height: f64,
    text: String,
}

impl Svg {
    /// A white page of whole pixels; `title` is what a screen reader says.
    pub fn new(width: f64, height: f64, title: &str) -> Self {
        let (width, height) = (width.ceil(), height.ceil());
        let [w, h] = [width, height].map(number);
        let title = text::escaped(&text::plain(title));
        let text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" \
             viewBox=\"0 0 {w} {h}\" font-family=\"{FONT_FAMILY}\">\n<title>{title}</title>\n\
             <rect width=\"{w}\" height=\"{h}\" fill=\"#ffffff\"/>\n"
        );
        Self {
            width,
            height,
            text,
        }
    }

    /// Adds an element, or an opening or closing tag.
    pub fn element(&mut self, tag: &str) {
        self.text += tag;
        self.text.push('\n');
    }

    /// Adds a line through `points`, closed if `style` fills it.
    pub fn polyline(&mut self, points: impl IntoIterator<Item = [f64; 2]>, style: &str) {
        let mut path = String::new();
        let mut last = [String::new(), String::new()];
        for point in points {
            let point = point.map(number);
            if point != last {
                let command = if path.is_empty() { 'M' } else { 'L' };
                write!(path, "{command}{} {}", point[0], point[1]).expect("memory");
                last = point;
            }
        }
        if !path.is_empty() {
            self.element(&format!("<path d=\"{path}\" {style}/>"));
        }
    }

    /// Adds `label` with its base line at `(x, y)`.
    pub fn label(&mut self, label: &str, [x, y]: [f64; 2], how: Type) {
        if label.is_empty() {
            return;
        }
        let [x, y] = [x, y].map(number);
        let mut style = String::new();
        match how.anchor {
            Anchor::Start => {}
            Anchor::Middle => style += " text-anchor=\"middle\"",
            Anchor::End => style += " text-anchor=\"end\"",
        }
        if how.bold {
            style += " font-weight=\"bold\"";
        }
        if how.upwards {
            write!(style, " transform=\"rotate(-90 {x} {y})\"").expect("memory");
        }
        let (size, color) = (number(how.size), hex(how.color));
        let content = text::tspans(label, how.size, how.bold);
        self.element(&format!(
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\" fill=\"{color}\"{style}>{content}</text>"
        ));
    }

    /// The document.
    pub fn finish(mut self) -> Document {
        self.text += "</svg>\n";
        Document {
            size: [self.width as u32, self.height as u32],
            text: self.text,
        }
    }
}

/// A finished SVG document.
#[derive(Debug)]
pub(super) struct Document {
    /// Width and height in pixels.
    size: [u32; 2],
    /// The SVG.
    pub text: String,
}

impl Document {
    /// The document as PNG of [`SCALE`] times its size: the same bytes on every call.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a picture that is too large to hold in memory.
    pub fn png(&self) -> Result<Vec<u8>> {
        let [width, height] = self.size.map(|pixels| pixels.saturating_mul(SCALE));
        let fits = u64::from(width) * u64::from(height) <= MOST_PIXELS;
        let pixmap = if fits {
            Pixmap::new(width, height)
        } else {
            None
        };
        let mut pixmap = pixmap.ok_or_else(|| Error::InvalidValue {
            field: "picture",
            value: format!("of {width} × {height} pixels"),
            reason: "must have fewer panels or images".to_owned(),
        })?;
        let options = usvg::Options {
            fontdb: FONTS.clone(),
            ..usvg::Options::default()
        };
        let tree = usvg::Tree::from_str(&self.text, &options).expect("Svg writes valid SVG");
        let scale = Transform::from_scale(SCALE as f32, SCALE as f32);
        resvg::render(&tree, scale, &mut pixmap.as_mut());
        // The page is opaque, so that nothing is premultiplied.
        let pixels = pixmap.pixels().iter();
        let pixels: Vec<Rgb> = pixels.map(|p| [p.red(), p.green(), p.blue()]).collect();
        Ok(encode::png(&pixels, width, height))
    }
}

/// The embedded fonts alone: a picture is the same on every machine.
static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    for font in text::fonts() {
        fonts.load_font_source(fontdb::Source::Binary(Arc::new(font)));
    }
    fonts.set_sans_serif_family("DejaVu Sans");
    Arc::new(fonts)
});

/// A colour as `#rrggbb`.
pub(super) fn hex([red, green, blue]: Rgb) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}
