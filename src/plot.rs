//! Figures for people: charts of lines, envelopes, points and heat maps, and sheets of images, each
//! as PNG and as SVG.
//!
//! The font travels with the program, so that a figure looks the same on every machine.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use image::ImageFormat;
use plotters::backend::BitMapBackend;
use plotters::chart::{ChartBuilder, SeriesLabelPosition};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use crate::error::Result;
use crate::files::atomic as atomic_file;
use crate::kind::LayerKind;

/// The embedded font, with what a viewer of an SVG may take instead.
const FONT: &str = "DejaVu Sans, Verdana, sans-serif";
const PANEL: (u32, u32) = (600, 420);
const TITLE_HEIGHT: u32 = 44;
const CAPTION_LINE: u32 = 20;
const MARGIN: u32 = 16;
/// Levels of a heat map: neighbouring cells of one level are drawn as one.
const HEAT_LEVELS: f64 = 24.0;

/// A colour, (red, green, blue).
pub type Rgb = [u8; 3];

/// Colours that remain apart for the colour-blind (Okabe and Ito, 2008), in order of use.
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
        LayerKind::Euclidean => PALETTE[1],
        LayerKind::Bregman => PALETTE[3],
    }
}

/// A figure: panels in rows under one title.
#[derive(Clone, Debug, Default)]
pub struct Figure {
    /// What is shown.
    pub title: String,
    /// Runs, seeds and settings: what a reader needs to judge it.
    pub caption: String,
    /// The panels, row by row.
    pub panels: Vec<Panel>,
    /// Panels in a row, at least 1.
    pub columns: usize,
}

/// One chart of a [`Figure`].
#[derive(Clone, Debug, Default)]
pub struct Panel {
    /// Drawn above the chart; may be empty.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// Drawn first, behind all else.
    pub heat: Option<Heat>,
    /// Drawn in order. Those with a name are in the legend.
    pub series: Vec<Series>,
    /// The corner that is kept for the legend.
    pub legend: Corner,
}

/// An axis of a [`Panel`].
#[derive(Clone, Debug, Default)]
pub struct Axis {
    /// The quantity, with its unit.
    pub label: String,
    /// Whether it is logarithmic; values that are not positive are then left out.
    pub log: bool,
    /// Its ends; those of the data if there are none.
    pub range: Option<[f64; 2]>,
}

/// Where a legend goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Corner {
    /// Top right.
    #[default]
    TopRight,
    /// Top left.
    TopLeft,
    /// Bottom right.
    BottomRight,
    /// Bottom left.
    BottomLeft,
    /// No legend at all.
    Nowhere,
}

/// How the points of a [`Series`] are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Marks {
    /// A line through them.
    #[default]
    Line,
    /// A dashed line through them.
    Dashes,
    /// A line through them, and a dot at each.
    LineAndDots,
    /// A dot at each.
    Dots,
    /// A ring at each.
    Rings,
}

/// Points that belong together.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// Its name in the legend; none if empty.
    pub name: String,
    /// Its colour.
    pub color: Rgb,
    /// How the points are drawn.
    pub marks: Marks,
    /// (x, y). Points that are not finite are left out, and interrupt a line.
    pub points: Vec<[f64; 2]>,
    /// (x, low, high): a shaded band, such as mean ± standard deviation.
    pub envelope: Vec<[f64; 3]>,
}

/// A map of values behind a chart, from blue over white to orange.
#[derive(Clone, Debug)]
pub struct Heat {
    /// The ends of the horizontal axis that the map covers.
    pub x: [f64; 2],
    /// The ends of the vertical axis.
    pub y: [f64; 2],
    /// Cells across.
    pub columns: usize,
    /// (rows, columns), from the lowest row up.
    pub values: Vec<f64>,
    /// The values that are drawn in full blue and in full orange.
    pub range: [f64; 2],
}

/// Images side by side under one title, each with its own caption.
#[derive(Clone, Debug, Default)]
pub struct Sheet {
    /// What is shown.
    pub title: String,
    /// Settings, and what the captions mean.
    pub caption: String,
    /// Images in a row, at least 1.
    pub columns: usize,
    /// The images, row by row.
    pub images: Vec<Image>,
}

/// An image of a [`Sheet`].
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// Drawn below it; lines are separated by `\n`.
    pub caption: String,
    /// Pixels across.
    pub width: usize,
    /// (height, width), row-major.
    pub pixels: Vec<Rgb>,
}

impl Series {
    /// Mean and mean ± deviation by x: a line with its band.
    pub fn with_deviation(name: &str, color: Rgb, points: &[(f64, f64, f64)]) -> Self {
        let band =
            |&(x, mean, deviation): &(f64, f64, f64)| [x, mean - deviation, mean + deviation];
        Self {
            name: name.to_owned(),
            color,
            marks: Marks::Line,
            points: points.iter().map(|&(x, mean, _)| [x, mean]).collect(),
            envelope: points.iter().map(band).collect(),
        }
    }
}

impl Figure {
    /// A figure of a single panel.
    pub fn of(title: &str, caption: &str, panel: Panel) -> Self {
        Self {
            title: title.to_owned(),
            caption: caption.to_owned(),
            panels: vec![panel],
            columns: 1,
        }
    }

    /// Writes `stem`.png and `stem`.svg; returns their paths.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn save(&self, stem: &Path) -> Result<[PathBuf; 2]> {
        let columns = self.columns.max(1).min(self.panels.len().max(1));
        let rows = self.panels.len().div_ceil(columns);
        let width = PANEL.0 * columns as u32;
        let content = (width, PANEL.1 * rows as u32);
        save(
            stem,
            &self.title,
            &self.caption,
            content,
            &FigureContent(self, columns, rows),
        )
    }
}

impl Sheet {
    /// Writes `stem`.png and `stem`.svg; returns their paths.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn save(&self, stem: &Path) -> Result<[PathBuf; 2]> {
        let (size, content) = (self.size(), SheetContent(self));
        save(stem, &self.title, &self.caption, size, &content)
    }

    /// Writes `stem`.png alone: as SVG, each pixel of each image is a rectangle.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn save_png(&self, stem: &Path) -> Result<PathBuf> {
        let (size, content) = (self.size(), SheetContent(self));
        save_png(stem, &self.title, &self.caption, size, &content)
    }

    /// Width and height of all images together.
    fn size(&self) -> (u32, u32) {
        let columns = self.columns.max(1);
        let rows = self.images.len().div_ceil(columns);
        (
            columns as u32 * self.cell_width() + MARGIN,
            rows as u32 * self.cell_height() + MARGIN,
        )
    }

    /// Pixels of the figure for one of an image.
    fn magnification(&self) -> u32 {
        let widest = self.images.iter().map(|image| image.width).max();
        (112 / widest.unwrap_or(1).max(1) as u32).max(1)
    }

    fn cell_width(&self) -> u32 {
        let widest = self.images.iter().map(|image| image.width).max();
        MARGIN + self.magnification() * widest.unwrap_or(0) as u32
    }

    fn cell_height(&self) -> u32 {
        let height = |image: &Image| image.pixels.len() / image.width.max(1);
        let tallest = self.images.iter().map(height).max().unwrap_or(0) as u32;
        let lines = |image: &Image| image.caption.lines().count();
        let lines = self.images.iter().map(lines).max().unwrap_or(0) as u32;
        MARGIN + self.magnification() * tallest + lines * CAPTION_LINE
    }
}

/// What is drawn between title and caption, on either backend.
trait Content {
    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Drawn<DB>;
}

/// Drawing into memory has no way to fail but one's own mistakes, which [`save`] makes panics.
type Drawn<DB> = std::result::Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

const IN_MEMORY: &str = "drawing into memory";

fn save(
    stem: &Path,
    title: &str,
    caption: &str,
    content_size: (u32, u32),
    content: &impl Content,
) -> Result<[PathBuf; 2]> {
    let png = save_png(stem, title, caption, content_size, content)?;
    let (caption, size) = laid_out(caption, content_size);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        page(&area, title, &caption, content).expect(IN_MEMORY);
    }
    let svg = atomic_file::write(&with_extension(stem, "svg"), svg.as_bytes())?;
    Ok([png, svg])
}

fn save_png(
    stem: &Path,
    title: &str,
    caption: &str,
    content_size: (u32, u32),
    content: &impl Content,
) -> Result<PathBuf> {
    let (caption, size) = laid_out(caption, content_size);
    let mut pixels = vec![0; size.0 as usize * size.1 as usize * 3];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area();
        page(&area, title, &caption, content).expect(IN_MEMORY);
    }
    let buffer = image::RgbImage::from_raw(size.0, size.1, pixels).expect("as many as were made");
    let mut png = std::io::Cursor::new(Vec::new());
    buffer
        .write_to(&mut png, ImageFormat::Png)
        .expect("encoding into memory");
    atomic_file::write(&with_extension(stem, "png"), png.get_ref())
}

/// The lines of the caption, and the size of the whole figure.
fn laid_out(caption: &str, (width, height): (u32, u32)) -> (Vec<String>, (u32, u32)) {
    static REGISTERED: LazyLock<()> = LazyLock::new(|| {
        let regular = register_font(FONT, FontStyle::Normal, dejavu::sans::regular());
        let bold = register_font(FONT, FontStyle::Bold, dejavu::sans::bold());
        assert!(regular.is_ok() && bold.is_ok(), "the embedded font is one");
    });
    LazyLock::force(&REGISTERED);
    let caption = wrapped(caption, width);
    let height = TITLE_HEIGHT + height + caption.len() as u32 * CAPTION_LINE + MARGIN;
    (caption, (width, height))
}

/// A name may have dots of its own, which are no extension.
fn with_extension(stem: &Path, extension: &str) -> PathBuf {
    let mut path = stem.as_os_str().to_owned();
    path.push(".");
    path.push(extension);
    path.into()
}

/// Title, content and caption, from the top down.
fn page<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    title: &str,
    caption: &[String],
    content: &impl Content,
) -> Drawn<DB> {
    area.fill(&WHITE)?;
    let (head, below) = area.split_vertically(TITLE_HEIGHT);
    let bold = FontDesc::new(FontFamily::Name(FONT), 20.0, FontStyle::Bold);
    let bold = bold.into_font().color(&BLACK);
    head.draw_text(title, &bold, (MARGIN as i32, 14))?;
    let height = below.dim_in_pixel().1;
    let text = caption.len() as u32 * CAPTION_LINE + MARGIN;
    let (middle, foot) = below.split_vertically(height - text);
    content.draw(&middle)?;
    for (i, line) in caption.iter().enumerate() {
        let at = (MARGIN as i32, 4 + i as i32 * CAPTION_LINE as i32);
        foot.draw_text(line, &font(13.0).color(&RGBColor(64, 64, 64)), at)?;
    }
    area.present()
}

fn font(size: f64) -> FontDesc<'static> {
    (FONT, size).into_font()
}

/// `text` in lines that fit `width` pixels.
fn wrapped(text: &str, width: u32) -> Vec<String> {
    // DejaVu Sans of 13 pixels is a little above 7 pixels wide on average.
    let most = ((width - 2 * MARGIN) as f64 / 7.3) as usize;
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

struct FigureContent<'a>(&'a Figure, usize, usize);

impl Content for FigureContent<'_> {
    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Drawn<DB> {
        let Self(figure, columns, rows) = self;
        let cells = area.split_evenly((*rows, *columns));
        for (panel, cell) in figure.panels.iter().zip(&cells) {
            let [x, y] = panel.ranges();
            match (panel.x.log, panel.y.log) {
                (false, false) => panel.draw(cell, x, y)?,
                (true, false) => panel.draw(cell, x.log_scale(), y)?,
                (false, true) => panel.draw(cell, x, y.log_scale())?,
                (true, true) => panel.draw(cell, x.log_scale(), y.log_scale())?,
            }
        }
        Ok(())
    }
}

impl Panel {
    /// What the axes span: what was asked for, or the data and a little room.
    fn ranges(&self) -> [Range<f64>; 2] {
        let points = self.series.iter().flat_map(|series| {
            let ends = series.envelope.iter();
            let ends = ends.flat_map(|&[x, low, high]| [[x, low], [x, high]]);
            series.points.iter().copied().chain(ends)
        });
        let corners = self.heat.iter().flat_map(|heat| {
            let [x, y] = [heat.x, heat.y];
            [[x[0], y[0]], [x[1], y[1]]]
        });
        let all: Vec<[f64; 2]> = points.chain(corners).collect();
        let range = |axis: &Axis, i: usize| {
            if let Some([low, high]) = axis.range {
                return low..high;
            }
            let values = all.iter().map(|point| point[i]);
            let values = values.filter(|v| v.is_finite() && (!axis.log || *v > 0.0));
            let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
                (low.min(v), high.max(v))
            });
            match (low <= high, axis.log) {
                (false, _) => 1.0..10.0,
                (true, true) => {
                    let room = (high / low).powf(0.04).max(1.1);
                    low / room..high * room
                }
                (true, false) => {
                    let room = if high > low { 0.04 * (high - low) } else { 0.5 };
                    low - room..high + room
                }
            }
        };
        [range(&self.x, 0), range(&self.y, 1)]
    }

    fn draw<DB: DrawingBackend, X, Y>(&self, area: &DrawingArea<DB, Shift>, x: X, y: Y) -> Drawn<DB>
    where
        X: AsRangedCoord<Value = f64>,
        X::CoordDescType: ValueFormatter<f64>,
        Y: AsRangedCoord<Value = f64>,
        Y::CoordDescType: ValueFormatter<f64>,
    {
        let mut builder = ChartBuilder::on(area);
        builder
            .margin(10)
            .x_label_area_size(52)
            .y_label_area_size(74);
        if !self.title.is_empty() {
            builder.caption(&self.title, font(16.0));
        }
        let mut chart = builder.build_cartesian_2d(x, y)?;
        chart
            .configure_mesh()
            .label_style(font(13.0))
            .axis_desc_style(font(14.0))
            .x_desc(&self.x.label)
            .y_desc(&self.y.label)
            .x_labels(8)
            .y_labels(8)
            .x_label_formatter(&|&v| tick(v))
            .y_label_formatter(&|&v| tick(v))
            .bold_line_style(BLACK.mix(0.14))
            .light_line_style(BLACK.mix(0.04))
            .draw()?;

        let [x, y] = self.ranges();
        let inside = |[px, py]: [f64; 2]| (px.clamp(x.start, x.end), py.clamp(y.start, y.end));
        if let Some(heat) = &self.heat {
            chart.draw_series(heat.cells().map(|([low, high], color)| {
                Rectangle::new([inside(low), inside(high)], color.filled())
            }))?;
        }
        let shown = |p: &[f64; 2]| {
            let positive = (!self.x.log || p[0] > 0.0) && (!self.y.log || p[1] > 0.0);
            p.iter().all(|v| v.is_finite()) && positive
        };
        for series in &self.series {
            let color = rgb(series.color);
            for run in series
                .envelope
                .split(|[x, low, high]| !shown(&[*x, *high]) || !low.is_finite())
            {
                let above = run.iter().map(|&[x, _, high]| inside([x, high]));
                let below = run.iter().rev().map(|&[x, low, _]| inside([x, low]));
                let outline: Vec<_> = above.chain(below).collect();
                if !outline.is_empty() {
                    chart.draw_series([Polygon::new(outline, color.mix(0.18))])?;
                }
            }
        }
        for series in &self.series {
            let color = rgb(series.color);
            let stroke = color.stroke_width(2);
            let runs = || {
                series
                    .points
                    .split(|p| !shown(p))
                    .filter(|run| !run.is_empty())
            };
            let run_points = |run: &[[f64; 2]]| run.iter().map(|&p| inside(p)).collect::<Vec<_>>();
            match series.marks {
                Marks::Line | Marks::LineAndDots => {
                    for run in runs() {
                        chart.draw_series(LineSeries::new(run_points(run), stroke))?;
                    }
                }
                Marks::Dashes => {
                    for run in runs() {
                        let line = DashedLineSeries::new(run_points(run), 7, 5, stroke);
                        chart.draw_series(line)?;
                    }
                }
                Marks::Dots | Marks::Rings => {}
            }
            // What a line cannot show, a dot does: a run of one point.
            let dots = runs().flat_map(|run| {
                let dots = match series.marks {
                    Marks::Line | Marks::Dashes if run.len() > 1 => &[],
                    _ => run,
                };
                dots.iter().map(|&p| inside(p))
            });
            let (size, style) = match series.marks {
                Marks::Rings => (4, color.stroke_width(1)),
                Marks::Dots => (2, color.filled()),
                _ => (3, color.filled()),
            };
            let drawn = chart.draw_series(dots.map(|p| Circle::new(p, size, style)))?;
            if !series.name.is_empty() {
                let marks = series.marks;
                drawn.label(&series.name).legend(move |(x, y)| match marks {
                    Marks::Dots | Marks::Rings => Circle::new((x + 10, y), 4, style).into_dyn(),
                    Marks::Dashes => {
                        let dashes = font(16.0).color(&color);
                        Text::new("╌╌", (x, y - 8), dashes).into_dyn()
                    }
                    _ => PathElement::new([(x, y), (x + 20, y)], stroke).into_dyn(),
                });
            }
        }
        let position = match self.legend {
            Corner::TopRight => SeriesLabelPosition::UpperRight,
            Corner::TopLeft => SeriesLabelPosition::UpperLeft,
            Corner::BottomRight => SeriesLabelPosition::LowerRight,
            Corner::BottomLeft => SeriesLabelPosition::LowerLeft,
            Corner::Nowhere => return Ok(()),
        };
        if self.series.iter().any(|series| !series.name.is_empty()) {
            chart
                .configure_series_labels()
                .position(position)
                .label_font(font(13.0))
                .background_style(WHITE.mix(0.85))
                .border_style(BLACK.mix(0.3))
                .draw()?;
        }
        Ok(())
    }
}

impl Heat {
    /// Opposite corners and colour of each rectangle: neighbours in a row that look the same are one.
    fn cells(&self) -> impl Iterator<Item = ([[f64; 2]; 2], RGBColor)> + '_ {
        let rows = self.values.len() / self.columns.max(1);
        let [width, height] = [
            (self.x[1] - self.x[0]) / self.columns.max(1) as f64,
            (self.y[1] - self.y[0]) / rows.max(1) as f64,
        ];
        let rows = self.values.chunks_exact(self.columns.max(1)).enumerate();
        rows.flat_map(move |(row, values)| {
            let levels: Vec<i64> = values.iter().map(|&value| self.level(value)).collect();
            let mut first = 0;
            let mut cells = Vec::new();
            for same in levels.chunk_by(|a, b| a == b) {
                let at = |column: usize, row: usize| {
                    [
                        self.x[0] + column as f64 * width,
                        self.y[0] + row as f64 * height,
                    ]
                };
                let corners = [at(first, row), at(first + same.len(), row + 1)];
                cells.push((corners, diverging(same[0] as f64 / HEAT_LEVELS)));
                first += same.len();
            }
            cells
        })
    }

    fn level(&self, value: f64) -> i64 {
        let [low, high] = self.range;
        ((value - low) / (high - low) * HEAT_LEVELS)
            .clamp(0.0, HEAT_LEVELS)
            .round() as i64
    }
}

/// Pale blue at 0, white at ½, pale orange at 1.
fn diverging(t: f64) -> RGBColor {
    let [end, part] = if t < 0.5 {
        [
            PALETTE[0],
            [1.0 - 2.0 * t; 3].map(|p: f64| (255.0 * 0.6 * p) as u8),
        ]
    } else {
        [
            PALETTE[1],
            [2.0 * t - 1.0; 3].map(|p: f64| (255.0 * 0.6 * p) as u8),
        ]
    };
    let mixed = [0, 1, 2].map(|i| {
        let part = f64::from(part[i]) / 255.0;
        (255.0 * (1.0 - part) + f64::from(end[i]) * part).round() as u8
    });
    rgb(mixed)
}

fn rgb([red, green, blue]: Rgb) -> RGBColor {
    RGBColor(red, green, blue)
}

/// A number beside an axis, as short as it can be.
fn tick(value: f64) -> String {
    let magnitude = value.abs();
    // What is left of 0 where ticks are sums of steps.
    if magnitude < 1e-15 {
        return "0".to_owned();
    }
    // And so are the others not exact.
    let digits: f64 = format!("{value:.9e}")
        .parse()
        .expect("a number was written");
    if (1e-3..1e5).contains(&magnitude) {
        format!("{digits}")
    } else {
        format!("{digits:e}")
    }
}

struct SheetContent<'a>(&'a Sheet);

impl Content for SheetContent<'_> {
    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Drawn<DB> {
        let sheet = self.0;
        let [width, height] = [sheet.cell_width() as i32, sheet.cell_height() as i32];
        let magnification = sheet.magnification() as i32;
        for (i, image) in sheet.images.iter().enumerate() {
            let columns = sheet.columns.max(1);
            let left = MARGIN as i32 + (i % columns) as i32 * width;
            let top = (i / columns) as i32 * height;
            let rows = image.pixels.chunks_exact(image.width.max(1));
            let bottom = top + rows.len() as i32 * magnification;
            for (row, pixels) in rows.enumerate() {
                let top = top + row as i32 * magnification;
                let mut left = left;
                for same in pixels.chunk_by(|a, b| a == b) {
                    let right = left + same.len() as i32 * magnification;
                    let corners = [(left, top), (right, top + magnification)];
                    area.draw(&Rectangle::new(corners, rgb(same[0]).filled()))?;
                    left = right;
                }
            }
            for (line, text) in image.caption.lines().enumerate() {
                let at = (left, bottom + 3 + line as i32 * (CAPTION_LINE as i32 - 4));
                area.draw_text(text, &font(12.0).color(&BLACK), at)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
