use super::*;
use crate::error::Error;

const AS_WRITTEN: &str = "the document is as it was written";

fn pixels(document: &Document) -> image::RgbImage {
    let png = document.png().expect("a small picture");
    image::load_from_memory(&png).expect("a PNG").to_rgb8()
}

/// The pixels of `color`: (x, y), from the upper left.
fn places(png: &image::RgbImage, color: Rgb) -> Vec<[f64; 2]> {
    let all = png.enumerate_pixels();
    let own = all.filter(|(.., pixel)| pixel.0 == color);
    own.map(|(x, y, _)| [f64::from(x), f64::from(y)]).collect()
}

fn middle(places: &[[f64; 2]]) -> [f64; 2] {
    [0, 1].map(|i| places.iter().map(|p| p[i]).sum::<f64>() / places.len() as f64)
}

fn chart(x_log: bool, y_log: bool) -> Figure {
    let series = |name: &str, color, marks| Series {
        name: name.to_owned(),
        color,
        marks,
        points: vec![[1.0, 0.1], [10.0, 1.0], [f64::NAN, 1.0], [100.0, 1e-3]],
        envelope: vec![[1.0, -0.05, 0.2], [10.0, 0.5, 2.0]],
    };
    let axis = |label: &str, log| Axis {
        label: label.to_owned(),
        log,
        range: None,
    };
    let panel = Panel {
        title: "$‖z⁽ˡ⁺¹⁾ − z⁽ˡ⁾‖$, ρ⁻¹".to_owned(),
        x: axis("epoch", x_log),
        y: axis("loss", y_log),
        series: vec![
            series("solid", PALETTE[0], Marks::LineAndDots),
            series("dashed", PALETTE[3], Marks::Dashes),
            series("rings", PALETTE[2], Marks::Rings),
        ],
        ..Panel::default()
    };
    Figure {
        title: "Loss & accuracy".to_owned(),
        caption: "a caption that is long ".repeat(20),
        panels: vec![panel.clone(), panel],
        columns: 2,
    }
}

#[test]
fn charts_show_lines_bands_dots_and_labels_on_every_axis() {
    for (x_log, y_log) in [(false, false), (true, false), (false, true), (true, true)] {
        let document = chart(x_log, y_log).document();
        let png = pixels(&document);
        for color in [PALETTE[0], PALETTE[3], PALETTE[2]] {
            assert!(places(&png, color).len() > 80, "{color:?} is drawn");
        }
        for text in [
            "Loss &amp; accuracy",
            "epoch",
            "loss",
            "solid",
            "dashed",
            "rings",
        ] {
            assert!(document.text.contains(text), "{text} is written");
        }
        assert!(!document.text.contains("NaN") && !document.text.contains("inf"));
        assert_eq!(document.text.contains(">10<tspan"), x_log || y_log);
    }
}

#[test]
fn a_figure_gives_the_same_bytes_of_twice_its_size() {
    let folder = tempfile::tempdir().expect("a folder");
    let save = |name: &str| {
        let paths = chart(true, true).save(&folder.path().join(name));
        paths
            .expect("a figure")
            .map(|path| std::fs::read(path).expect("a file"))
    };
    let [png, svg] = save("a.b");
    assert!([png.clone(), svg.clone()] == save("c"), "{AS_WRITTEN}");
    assert!(folder.path().join("a.b.png").exists() && folder.path().join("a.b.svg").exists());
    let svg = String::from_utf8(svg).expect("UTF-8");
    let image = image::load_from_memory(&png).expect("a PNG");
    let size = format!(
        "width=\"{}\" height=\"{}\"",
        image.width() / 2,
        image.height() / 2
    );
    assert!(svg.contains(&size), "{size}");
}

#[test]
fn rising_lines_rise_and_the_first_panel_is_on_the_left() {
    let line = |color, points: [[f64; 2]; 2]| Panel {
        series: vec![Series {
            color,
            points: points.to_vec(),
            marks: Marks::Dots,
            ..Series::default()
        }],
        ..Panel::default()
    };
    let figure = Figure {
        panels: vec![
            line([200, 0, 0], [[0.0, 0.0], [3.0, 0.2]]),
            line([0, 0, 200], [[0.0, 3.0], [1.0, 9.0]]),
        ],
        columns: 2,
        ..Figure::default()
    };
    let png = pixels(&figure.document());
    let [red, blue] = [[200, 0, 0], [0, 0, 200]].map(|color| places(&png, color));
    assert!(middle(&red)[0] < middle(&blue)[0]);
    let half = middle(&red)[0];
    let (left, right): (Vec<_>, Vec<_>) = red.into_iter().partition(|p| p[0] < half);
    assert!(
        middle(&left)[1] > middle(&right)[1],
        "images count rows from the top"
    );
}

#[test]
fn legends_cover_no_data() {
    // The legend would be over the last point, and over the line to it.
    let points = vec![[1.0, 1.0], [2.0, 1.0], [3.0, 2.0]];
    for (legend, log) in [(Corner::TopRight, false), (Corner::BottomRight, true)] {
        let panel = Panel {
            y: Axis {
                log,
                ..Axis::default()
            },
            series: vec![
                Series {
                    name: "a name that is long enough to be in the way".to_owned(),
                    color: [200, 0, 0],
                    points: points.clone(),
                    marks: Marks::LineAndDots,
                    ..Series::default()
                },
                Series {
                    name: "another".to_owned(),
                    ..Series::default()
                },
            ],
            legend,
            ..Panel::default()
        };
        let svg = Figure::of("", "", panel).svg();
        let attribute = |tag: &str, name: &str| -> f64 {
            let tag = &tag[tag.find(&format!(" {name}=\"")).expect("an attribute")..];
            let value = tag.split('"').nth(1).expect("a value");
            value.parse().expect("a number")
        };
        let tags = |start: &str| -> Vec<&str> {
            svg.lines().filter(|line| line.starts_with(start)).collect()
        };
        let boxes = tags("<rect").into_iter();
        let legend = boxes.filter(|tag| tag.contains("rx=")).collect::<Vec<_>>()[0];
        let [x, y, height] = ["x", "y", "height"].map(|name| attribute(legend, name));
        let dots = tags("<circle");
        // The last is that of the legend itself.
        assert_eq!(dots.len(), 4);
        for dot in &dots[..3] {
            let [cx, cy] = ["cx", "cy"].map(|name| attribute(dot, name));
            let covered = cx >= x && (y..=y + height).contains(&cy);
            assert!(!covered, "{dot} is below {legend}");
        }
    }
}

#[test]
fn ranges_that_are_of_no_use_are_replaced() {
    let panel = |range, points: Vec<[f64; 2]>, log| Panel {
        y: Axis {
            range,
            log,
            ..Axis::default()
        },
        series: vec![Series {
            points,
            ..Series::default()
        }],
        ..Panel::default()
    };
    for panel in [
        panel(None, vec![], true),
        panel(None, vec![[1.0, 1e20], [2.0, 1e20]], false),
        panel(None, vec![[0.0, 0.0]], true),
        panel(Some([0.0, 0.0]), vec![[0.0, 0.0]], false),
        panel(Some([-1.0, f64::NAN]), vec![[0.0, 1e-310]], true),
        panel(
            Some([0.0, 1.0]),
            vec![[0.0, f64::INFINITY], [1.0, 1e300]],
            true,
        ),
    ] {
        let document = Figure::of("", "", panel).document();
        assert!(document.png().is_ok());
        for word in ["NaN", "inf"] {
            assert!(!document.text.contains(word), "{}", document.text);
        }
    }
}

#[test]
fn a_heat_map_has_its_ends_where_they_belong() {
    let heat = Heat {
        x: [-1.0, 2.0],
        y: [-1.0, 1.0],
        columns: 3,
        values: vec![0.0, 0.5, 0.5, 0.5, 0.5, 1.0],
        range: [0.0, 1.0],
    };
    let panel = Panel {
        heat: Some(heat),
        ..Panel::default()
    };
    let png = pixels(&Figure::of("", "", panel).document());
    // Blue is the lowest value, which is below and on the left.
    let [low, high] = [-0.5, 0.5].map(|value| middle(&places(&png, diverging(value))));
    assert!(low[0] < high[0] && low[1] > high[1], "{low:?} {high:?}");
}

#[test]
fn colours_are_those_of_one_table() {
    let [red, green, blue] = diverging(-1.0);
    assert!(blue > green && green > red, "negative values are blue");
    let [red, green, blue] = diverging(1.0);
    assert!(red > green && green > blue, "positive values are red");
    assert_eq!(diverging(0.0), [255; 3]);
    assert_eq!(diverging(-7.0), diverging(-1.0));
    assert_eq!(diverging(0.5), [234, 175, 128]);
    let colors: Vec<Rgb> = LayerKind::ALL
        .iter()
        .map(|&kind| layer_color(kind))
        .collect();
    for (i, color) in colors.iter().enumerate() {
        assert!(PALETTE[..6].contains(color) && !colors[..i].contains(color));
    }
}

#[test]
fn a_sheet_shows_every_pixel_of_every_image() {
    let colors: [Rgb; 3] = [[10, 20, 30], [40, 50, 60], [90, 80, 70]];
    let image = |color| Image {
        caption: "is Sandal\nseen as Ankle boot (99.7 %)".to_owned(),
        width: 28,
        pixels: [vec![color; 28 * 7], vec![[1, 2, 3]; 28 * 5]].concat(),
    };
    let sheet = Sheet {
        title: "Mistakes".to_owned(),
        columns: 2,
        images: colors.map(image).to_vec(),
        ..Sheet::default()
    };
    let document = sheet.document();
    let png = pixels(&document);
    let found = colors.map(|color| places(&png, color));
    for places in &found {
        assert_eq!(places.len(), (28 * 8) * (7 * 8), "no pixel is blurred");
    }
    assert_eq!(places(&png, [1, 2, 3]).len(), 3 * (28 * 8) * (5 * 8));
    let [first, second, third] = found.map(|places| middle(&places));
    assert!(first[0] < second[0] && first[1] == second[1]);
    assert!(first[0] == third[0] && first[1] < third[1]);
    assert_eq!(document.text.matches("(99.7 %)").count(), 3);
}

#[test]
fn the_fonts_have_every_character_that_figures_use() {
    let symbols = "0123456789,.:;+−±×·/=<>≤≥≈→←∞∈∇∂√½|‖()[]{}%&'\"*_ ⟨⟩…–—µ";
    let latin = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let greek = "αβγδεζηθικλμνξοπρστυφχψωΓΔΘΛΞΠΣΦΨΩ";
    let scripts = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ˡⁿᵏᵀ₀₁₂₃₄₅₆₇₈₉";
    for bold in [false, true] {
        for text in [symbols, latin, greek, scripts] {
            for label in [
                text.to_owned(),
                format!("${}$", text.replace(['{', '}', '_'], "")),
            ] {
                let missing = text::missing_glyphs(&label, bold);
                assert!(missing.is_empty(), "{missing:?}");
            }
        }
    }
    // The test can fail.
    assert_eq!(text::missing_glyphs("a漢", false), ['漢']);
}

#[test]
fn what_cannot_be_written_or_held_is_a_typed_error() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let figure = Figure::of("", "", Panel::default());
    let error = figure.save(&file.path().join("below"));
    let error = error.expect_err("a file is no folder");
    assert!(matches!(error, Error::Io { .. }), "{error}");
    let figure = Figure {
        panels: vec![Panel::default(); 400],
        columns: 1,
        ..Figure::default()
    };
    let error = figure.document().png().expect_err("too many pixels");
    assert!(error.to_string().contains("fewer panels"), "{error}");
}
