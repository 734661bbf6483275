//! Charts: panels with axes, legends, series and heat maps.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::scale::{Scale, Ticks};
use super::svg::{Anchor, Document, Svg, Type, hex};
use super::text::{number, width};
use super::{INK, PALE_INK, Rgb, diverging, page, save};
use crate::error::Result;
use crate::files::atomic;

/// Distance between panels.
const GAP: f64 = 18.0;
const LABEL_SIZE: f64 = 12.5;
const TICK_SIZE: f64 = 11.0;
const LEGEND_SIZE: f64 = 11.5;
const LEGEND_LINE: f64 = 17.0;
/// Height of a panel's title, and of the labels below its axis.
const PANEL_TITLE: f64 = 24.0;
const TICK_LENGTH: f64 = 4.0;
const BELOW: f64 = 44.0;
/// Room for the last tick's label, which may stand out of the plot.
const BESIDE: f64 = 12.0;
/// Room for a vertical axis, where a legend is placed before that is known.
const NOMINAL_LEFT: f64 = 60.0;
/// Distance of a legend from the axes.
const INSET: f64 = 7.0;
/// Levels of a heat map on each side of white: neighbouring cells of one level are drawn as one.
const HEAT_LEVELS: f64 = 12.0;
/// The strength of a heat map's ends, below that of the dots which are drawn on it.
const HEAT_STRENGTH: f64 = 0.5;
const GRID: Rgb = [230; 3];

/// A figure: panels in rows under one title.
#[derive(Clone, Debug, Default)]
pub struct Figure {
    /// The title.
    pub title: String,
    /// Runs, seeds and settings, which a reader needs to judge the figure.
    pub caption: String,
    /// The panels, row by row.
    pub panels: Vec<Panel>,
    /// Number of panels in a row, at least 1.
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
    /// Drawn first, behind everything else.
    pub heat: Option<Heat>,
    /// Drawn in this order. Series with a name are in the legend.
    pub series: Vec<Series>,
    /// Where the legend is placed.
    pub legend: Corner,
}

/// An axis of a [`Panel`].
#[derive(Clone, Debug, Default)]
pub struct Axis {
    /// The quantity, with its unit.
    pub label: String,
    /// Whether the axis is logarithmic; values that are not positive are then left out.
    pub log: bool,
    /// The values at its ends; by default those of the data, with a margin.
    pub range: Option<[f64; 2]>,
}

/// Where a legend is placed.
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
    /// Its name in the legend; empty if the legend leaves it out.
    pub name: String,
    /// Its colour.
    pub color: Rgb,
    /// How the points are drawn.
    pub marks: Marks,
    /// (x, y). Points that are not finite are left out and interrupt a line.
    pub points: Vec<[f64; 2]>,
    /// (x, low, high): a shaded band, such as mean ± standard deviation.
    pub envelope: Vec<[f64; 3]>,
}

/// A map of values behind a chart, from blue over white to orange; paler than [`diverging`].
#[derive(Clone, Debug)]
pub struct Heat {
    /// The part of the horizontal axis that the map covers.
    pub x: [f64; 2],
    /// The part of the vertical axis that the map covers.
    pub y: [f64; 2],
    /// Number of cells in a row.
    pub columns: usize,
    /// (rows, columns), from the lowest row up.
    pub values: Vec<f64>,
    /// The values that are drawn in blue and in orange.
    pub range: [f64; 2],
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

    /// The figure as SVG.
    pub fn svg(&self) -> String {
        self.document().text
    }

    /// Writes `path` as PNG; returns its path.
    ///
    /// # Errors
    /// Those of [`Self::save`].
    pub fn save_png(&self, path: &Path) -> Result<PathBuf> {
        atomic::write(path, &self.document().png()?)
    }

    /// Writes `stem`.png and `stem`.svg; returns their paths.
    ///
    /// # Errors
    /// [`Error::Io`](crate::error::Error::Io); [`Error::InvalidValue`](crate::error::Error::InvalidValue)
    /// for more panels than a picture can hold.
    pub fn save(&self, stem: &Path) -> Result<[PathBuf; 2]> {
        save(&self.document(), stem)
    }

    pub(super) fn document(&self) -> Document {
        let columns = self.columns.clamp(1, self.panels.len().max(1));
        let rows = self.panels.len().div_ceil(columns);
        let [panel_width, panel_height] = match columns {
            1 => [500.0, 340.0],
            2 => [430.0, 300.0],
            _ => [345.0, 280.0],
        };
        let titled = self.panels.iter().any(|panel| !panel.title.is_empty());
        let above = if titled { PANEL_TITLE } else { 6.0 };
        let row_height = panel_height + above;
        let size = [
            columns as f64 * (panel_width + GAP) - GAP,
            rows as f64 * (row_height + GAP) - if rows > 0 { GAP } else { 0.0 },
        ];
        let room = [panel_width - NOMINAL_LEFT - BESIDE, panel_height - BELOW];
        // Panels of one column have their vertical axes in one line.
        let beside = |column: usize| {
            let own = self.panels.iter().skip(column).step_by(columns);
            own.map(|panel| panel.left(room)).fold(0.0, f64::max)
        };
        let beside: Vec<f64> = (0..columns).map(beside).collect();
        page(&self.title, &self.caption, size, |svg, [left, top]| {
            for (i, panel) in self.panels.iter().enumerate() {
                let (row, column) = (i / columns, i % columns);
                let left = left + column as f64 * (panel_width + GAP);
                let top = top + row as f64 * (row_height + GAP) + above;
                let plot = Area {
                    x: [left + beside[column], left + panel_width - BESIDE],
                    y: [top + panel_height - BELOW, top],
                };
                panel.draw(svg, &plot, room, i);
            }
        })
    }
}

/// The part of a page inside the axes, in pixels.
struct Area {
    /// Left, right.
    x: [f64; 2],
    /// Bottom, top.
    y: [f64; 2],
}

impl Area {
    fn width(&self) -> f64 {
        self.x[1] - self.x[0]
    }

    fn height(&self) -> f64 {
        self.y[0] - self.y[1]
    }

    /// A `rect` element of the whole area.
    fn rectangle(&self, style: &str) -> String {
        let [x, y, w, h] = [self.x[0], self.y[1], self.width(), self.height()].map(number);
        format!("<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" {style}/>")
    }
}

impl Panel {
    /// All points of all series, and the corners of the heat map.
    fn points(&self) -> impl Iterator<Item = [f64; 2]> + '_ {
        let points = self.series.iter().flat_map(|series| {
            let ends = series.envelope.iter();
            let ends = ends.flat_map(|&[x, low, high]| [[x, low], [x, high]]);
            series.points.iter().copied().chain(ends)
        });
        let corners = self.heat.iter().flat_map(|heat| {
            let [x, y] = [heat.x, heat.y];
            [[x[0], y[0]], [x[1], y[1]]]
        });
        points.chain(corners)
    }

    /// The horizontal (0) or vertical (1) axis between two pixels.
    fn scale(&self, which: usize, pixels: [f64; 2]) -> Scale {
        let axis = [&self.x, &self.y][which];
        let values = self.points().map(|point| point[which]);
        let values = values.filter(|v| v.is_finite() && (!axis.log || *v > 0.0));
        let (mut low, mut high, mut whole) = (f64::INFINITY, f64::NEG_INFINITY, true);
        for value in values {
            (low, high) = (low.min(value), high.max(value));
            whole &= value.fract() == 0.0;
        }
        let of_data = if axis.log {
            let room = (high / low).powf(0.04).max(1.1);
            [low / room, high * room]
        } else {
            let room = if high > low {
                0.04 * (high - low)
            } else {
                low.abs().max(1.0) / 2.0
            };
            [low - room, high + room]
        };
        // Wide enough for ticks that differ.
        let usable = |&[low, high]: &[f64; 2]| {
            let width = high - low;
            width.is_normal()
                && width > 1e-12 * low.abs().max(high.abs())
                && (!axis.log || low > 0.0)
        };
        let ranges = axis.range.into_iter().chain([of_data]);
        Scale {
            range: ranges.into_iter().find(usable).unwrap_or([1.0, 10.0]),
            log: axis.log,
            whole: whole && low <= high,
            pixels,
        }
    }

    /// The vertical axis of a plot of about this width and height. Where its range is free, it leaves
    /// room for the legend.
    fn y_scale(&self, [plot_width, height]: [f64; 2]) -> Scale {
        let mut y = self.scale(1, [0.0, 1.0]);
        let below = matches!(self.legend, Corner::BottomLeft | Corner::BottomRight);
        if let Some([width, legend]) = self.legend_size().filter(|_| self.y.range.is_none()) {
            let taken = (width + 2.0 * INSET) / plot_width;
            let covered = match self.legend {
                Corner::TopLeft | Corner::BottomLeft => [0.0, taken],
                _ => [1.0 - taken, 1.0],
            };
            let needed = (legend + 2.0 * INSET) / height;
            let x = self.scale(0, [0.0, 1.0]);
            let nearest = self
                .series
                .iter()
                .flat_map(|series| series.heights(&x, &y, covered))
                .map(|share| if below { share } else { 1.0 - share })
                .fold(1.0, f64::min);
            y.extend(below, (needed - nearest) / (1.0 - needed));
        }
        y
    }

    /// The ticks of a vertical axis of `height` pixels.
    fn y_ticks(y: &Scale, height: f64) -> Ticks {
        y.ticks((height / 38.0) as usize)
    }

    /// Room for the vertical axis and its label.
    fn left(&self, plot: [f64; 2]) -> f64 {
        let labels = Self::y_ticks(&self.y_scale(plot), plot[1]).labelled;
        let widest = labels
            .iter()
            .map(|(_, label)| width(label, TICK_SIZE, false));
        let label = if self.y.label.is_empty() { 0.0 } else { 22.0 };
        widest.fold(0.0, f64::max).ceil() + TICK_LENGTH + 4.0 + label
    }

    fn draw(&self, svg: &mut Svg, plot: &Area, room: [f64; 2], index: usize) {
        let x = self.scale(0, plot.x);
        let y = Scale {
            pixels: plot.y,
            ..self.y_scale(room)
        };
        let clip = format!("panel{index}");
        let area = plot.rectangle("");
        svg.element(&format!("<clipPath id=\"{clip}\">{area}</clipPath>"));
        let x_ticks = self.x_ticks(&x, plot.width());
        let y_ticks = Self::y_ticks(&y, plot.height());
        if self.heat.is_none() {
            let lines = |ticks: &Ticks, scale: &Scale| -> Vec<f64> {
                ticks.labelled.iter().map(|(v, _)| scale.at(*v)).collect()
            };
            let style = format!("stroke=\"{}\"", hex(GRID));
            for at in lines(&x_ticks, &x) {
                svg.polyline([[at, plot.y[0]], [at, plot.y[1]]], &style);
            }
            for at in lines(&y_ticks, &y) {
                svg.polyline([[plot.x[0], at], [plot.x[1], at]], &style);
            }
        }
        svg.element(&format!("<g clip-path=\"url(#{clip})\">"));
        if let Some(heat) = &self.heat {
            heat.draw(svg, &x, &y);
        }
        for series in &self.series {
            series.draw_envelope(svg, &x, &y);
        }
        for series in &self.series {
            series.draw_line(svg, &x, &y);
        }
        svg.element("</g>");
        for series in &self.series {
            series.draw_dots(svg, &x, &y);
        }
        self.draw_axes(svg, plot, room, (&x, &x_ticks), (&y, &y_ticks));
        self.draw_legend(svg, plot);
    }

    /// As many ticks as have labels that do not touch.
    fn x_ticks(&self, x: &Scale, pixels: f64) -> Ticks {
        let mut most = (pixels / 45.0) as usize;
        loop {
            let ticks = x.ticks(most);
            let widths = ticks
                .labelled
                .iter()
                .map(|(_, l)| width(l, TICK_SIZE, false));
            let taken = (widths.fold(0.0, f64::max) + 8.0) * ticks.labelled.len() as f64;
            if most <= 2 || taken <= pixels {
                return ticks;
            }
            most -= 1;
        }
    }

    fn draw_axes(
        &self,
        svg: &mut Svg,
        plot: &Area,
        room: [f64; 2],
        (x, x_ticks): (&Scale, &Ticks),
        (y, y_ticks): (&Scale, &Ticks),
    ) {
        let (mut lines, mut labels) = (String::new(), Vec::new());
        let [left, bottom] = [plot.x[0], plot.y[0]];
        let tick = |lines: &mut String, from: [f64; 2], to: [f64; 2]| {
            let [a, b, c, d] = [from[0], from[1], to[0], to[1]].map(number);
            write!(lines, "M{a} {b}L{c} {d}").expect("memory");
        };
        tick(&mut lines, [left, plot.y[1]], [left, bottom]);
        tick(&mut lines, [left, bottom], [plot.x[1], bottom]);
        let below = bottom + TICK_LENGTH + 3.0 + 0.75 * TICK_SIZE;
        for (value, label) in &x_ticks.labelled {
            let at = x.at(*value);
            tick(&mut lines, [at, bottom], [at, bottom + TICK_LENGTH]);
            labels.push((label, [at, below], Anchor::Middle));
        }
        for (value, label) in &y_ticks.labelled {
            let at = y.at(*value);
            tick(&mut lines, [left - TICK_LENGTH, at], [left, at]);
            let beside = [left - TICK_LENGTH - 3.0, at + 0.36 * TICK_SIZE];
            labels.push((label, beside, Anchor::End));
        }
        for at in x_ticks.minor.iter().map(|&v| x.at(v)) {
            tick(&mut lines, [at, bottom], [at, bottom + 0.5 * TICK_LENGTH]);
        }
        for at in y_ticks.minor.iter().map(|&v| y.at(v)) {
            tick(&mut lines, [left - 0.5 * TICK_LENGTH, at], [left, at]);
        }
        let ink = hex(PALE_INK);
        svg.element(&format!(
            "<path d=\"{lines}\" stroke=\"{ink}\" fill=\"none\" stroke-linecap=\"square\"/>"
        ));
        for (label, at, anchor) in labels {
            svg.label(label, at, Type::new(TICK_SIZE, INK).anchored(anchor));
        }
        let middle = [0.5 * (plot.x[0] + plot.x[1]), 0.5 * (plot.y[0] + plot.y[1])];
        let centred = Type::new(LABEL_SIZE, INK).anchored(Anchor::Middle);
        svg.label(&self.x.label, [middle[0], bottom + BELOW - 8.0], centred);
        let upwards = Type {
            upwards: true,
            ..centred
        };
        let beside = left - self.left(room) + LABEL_SIZE;
        svg.label(&self.y.label, [beside, middle[1]], upwards);
        svg.label(&self.title, [middle[0], plot.y[1] - 9.0], centred);
    }

    /// The series that a legend names.
    fn named(&self) -> impl Iterator<Item = &Series> {
        self.series.iter().filter(|series| !series.name.is_empty())
    }

    /// Width and height of the legend, if there is one.
    fn legend_size(&self) -> Option<[f64; 2]> {
        let widths = self
            .named()
            .map(|series| width(&series.name, LEGEND_SIZE, false));
        let widest = widths.fold(0.0, f64::max).ceil();
        let height = LEGEND_LINE * self.named().count() as f64 + 8.0;
        (widest > 0.0 && self.legend != Corner::Nowhere).then_some([widest + 45.0, height])
    }

    fn draw_legend(&self, svg: &mut Svg, plot: &Area) {
        let Some(size) = self.legend_size() else {
            return;
        };
        let left = match self.legend {
            Corner::TopLeft | Corner::BottomLeft => plot.x[0] + INSET,
            _ => plot.x[1] - INSET - size[0],
        };
        let top = match self.legend {
            Corner::BottomLeft | Corner::BottomRight => plot.y[0] - INSET - size[1],
            _ => plot.y[1] + INSET,
        };
        let [x, y, w, h] = [left, top, size[0], size[1]].map(number);
        svg.element(&format!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" rx=\"3\" fill=\"#ffffff\" \
             fill-opacity=\"0.85\" stroke=\"#cccccc\"/>"
        ));
        for (i, series) in self.named().enumerate() {
            let y = top + 4.0 + LEGEND_LINE * (i as f64 + 0.5);
            series.draw_sample(svg, [left + 8.0, left + 30.0], y);
            let at = [left + 37.0, y + 0.36 * LEGEND_SIZE];
            svg.label(&series.name, at, Type::new(LEGEND_SIZE, INK));
        }
    }
}

impl Series {
    /// Whether a point can be drawn on these axes.
    fn shown(&[px, py]: &[f64; 2], x: &Scale, y: &Scale) -> bool {
        px.is_finite() && py.is_finite() && (!x.log || px > 0.0) && (!y.log || py > 0.0)
    }

    /// The points between those that cannot be drawn.
    fn runs<'a>(&'a self, x: &'a Scale, y: &'a Scale) -> impl Iterator<Item = &'a [[f64; 2]]> {
        let runs = self.points.split(move |point| !Self::shown(point, x, y));
        runs.filter(|run| !run.is_empty())
    }

    /// The heights that lines, dots and bands have between two ends of the horizontal axis.
    fn heights(&self, x: &Scale, y: &Scale, [left, right]: [f64; 2]) -> Vec<f64> {
        let ends = |which: usize| self.envelope.iter().map(move |e| [e[0], e[which]]);
        let points = self.points.iter().copied();
        let lines = [
            points.collect::<Vec<_>>(),
            ends(1).collect(),
            ends(2).collect(),
        ];
        let mut heights = Vec::new();
        for line in &lines {
            for run in line.split(|point| !Self::shown(point, x, y)) {
                let places: Vec<[f64; 2]> = run.iter().map(|p| [x.at(p[0]), y.at(p[1])]).collect();
                let inside = places.iter().filter(|p| (left..=right).contains(&p[0]));
                heights.extend(inside.map(|p| p[1]));
                // Where a line enters or leaves.
                for pair in places.windows(2).filter(|_| self.has_line()) {
                    let [[x0, y0], [x1, y1]] = [pair[0], pair[1]];
                    let at = |end: f64| (end - x0) / (x1 - x0);
                    let crossings = [left, right].map(at).into_iter();
                    let crossings = crossings.filter(|share| (0.0..=1.0).contains(share));
                    heights.extend(crossings.map(|share| y0 + share * (y1 - y0)));
                }
            }
        }
        heights
    }

    fn line_style(&self) -> String {
        let dashes = match self.marks {
            Marks::Dashes => "stroke-dasharray=\"6 4\"",
            _ => "stroke-linecap=\"round\"",
        };
        let color = hex(self.color);
        format!(
            "fill=\"none\" stroke=\"{color}\" stroke-width=\"1.75\" stroke-linejoin=\"round\" \
             {dashes}"
        )
    }

    /// Radius and style of a dot.
    fn dot_style(&self) -> (f64, String) {
        let color = hex(self.color);
        match self.marks {
            Marks::Rings => (
                3.5,
                format!("fill=\"none\" stroke=\"{color}\" stroke-width=\"1.2\""),
            ),
            Marks::Dots => (2.0, format!("fill=\"{color}\"")),
            _ => (2.75, format!("fill=\"{color}\"")),
        }
    }

    fn band_style(&self) -> String {
        format!("fill=\"{}\" fill-opacity=\"0.18\"", hex(self.color))
    }

    fn has_line(&self) -> bool {
        !matches!(self.marks, Marks::Dots | Marks::Rings)
    }

    fn draw_envelope(&self, svg: &mut Svg, x: &Scale, y: &Scale) {
        let hidden =
            |&[at, low, high]: &[f64; 3]| !Self::shown(&[at, high], x, y) || !low.is_finite();
        for run in self.envelope.split(hidden) {
            let above = run.iter().map(|&[at, _, high]| [x.at(at), y.at(high)]);
            let below = run.iter().rev();
            let below = below.map(|&[at, low, _]| [x.at(at), y.at(low)]);
            svg.polyline(above.chain(below), &self.band_style());
        }
    }

    fn draw_line(&self, svg: &mut Svg, x: &Scale, y: &Scale) {
        if self.has_line() {
            for run in self.runs(x, y).filter(|run| run.len() > 1) {
                let points = run.iter().map(|p| [x.at(p[0]), y.at(p[1])]);
                svg.polyline(points, &self.line_style());
            }
        }
    }

    /// Dots, and in place of a line of a single point, which would not be seen, its dot.
    fn draw_dots(&self, svg: &mut Svg, x: &Scale, y: &Scale) {
        let (radius, style) = self.dot_style();
        let dots = self.runs(x, y).flat_map(|run| match self.marks {
            Marks::Line | Marks::Dashes if run.len() > 1 => &[],
            _ => run,
        });
        let mut dots = dots
            .filter(|point| x.contains(point[0]) && y.contains(point[1]))
            .peekable();
        if dots.peek().is_some() {
            svg.element(&format!("<g {style}>"));
            for point in dots {
                draw_dot(svg, [x.at(point[0]), y.at(point[1])], radius);
            }
            svg.element("</g>");
        }
    }

    /// The symbol of the series in a legend.
    fn draw_sample(&self, svg: &mut Svg, [left, right]: [f64; 2], y: f64) {
        if !self.envelope.is_empty() {
            let corners = [
                [left, y - 5.0],
                [right, y - 5.0],
                [right, y + 5.0],
                [left, y + 5.0],
            ];
            svg.polyline(corners, &self.band_style());
        }
        if self.has_line() {
            svg.polyline([[left, y], [right, y]], &self.line_style());
        }
        if !matches!(self.marks, Marks::Line | Marks::Dashes) {
            let (radius, style) = self.dot_style();
            svg.element(&format!("<g {style}>"));
            draw_dot(svg, [0.5 * (left + right), y], radius);
            svg.element("</g>");
        }
    }
}

fn draw_dot(svg: &mut Svg, at: [f64; 2], radius: f64) {
    let [x, y, r] = [at[0], at[1], radius].map(number);
    svg.element(&format!("<circle cx=\"{x}\" cy=\"{y}\" r=\"{r}\"/>"));
}

impl Heat {
    /// Draws the cells, those of one level in one path. Neighbours in a row are one rectangle.
    fn draw(&self, svg: &mut Svg, x: &Scale, y: &Scale) {
        let columns = self.columns.max(1);
        let rows = (self.values.len() / columns).max(1);
        let at =
            |[low, high]: [f64; 2], i: usize, n: usize| low + (high - low) * i as f64 / n as f64;
        let mut paths = std::collections::BTreeMap::<i64, String>::new();
        for (row, values) in self.values.chunks_exact(columns).enumerate() {
            let levels: Vec<i64> = values.iter().map(|&value| self.level(value)).collect();
            let [bottom, top] = [row, row + 1].map(|r| number(y.at(at(self.y, r, rows))));
            let mut first = 0;
            for same in levels.chunk_by(|a, b| a == b) {
                let [left, right] = [first, first + same.len()]
                    .map(|column| number(x.at(at(self.x, column, columns))));
                let path = paths.entry(same[0]).or_default();
                write!(path, "M{left} {bottom}H{right}V{top}H{left}Z").expect("memory");
                first += same.len();
            }
        }
        for (level, path) in paths {
            let color = hex(diverging(HEAT_STRENGTH * level as f64 / HEAT_LEVELS));
            let style = format!("fill=\"{color}\" shape-rendering=\"crispEdges\"");
            svg.element(&format!("<path d=\"{path}\" {style}/>"));
        }
    }

    /// From −[`HEAT_LEVELS`] at the lower end of the range to [`HEAT_LEVELS`] at the upper end.
    fn level(&self, value: f64) -> i64 {
        let [low, high] = self.range;
        let share = 2.0 * (value - low) / (high - low) - 1.0;
        (share * HEAT_LEVELS)
            .clamp(-HEAT_LEVELS, HEAT_LEVELS)
            .round() as i64
    }
}
