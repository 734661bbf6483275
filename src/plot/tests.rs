use super::*;
use crate::error::Error;

fn read(paths: &[PathBuf; 2]) -> (image::RgbImage, String) {
    let png = image::load_from_memory(&std::fs::read(&paths[0]).expect("a PNG"));
    let svg = std::fs::read_to_string(&paths[1]).expect("an SVG");
    (png.expect("a PNG").to_rgb8(), svg)
}

fn count(png: &image::RgbImage, color: Rgb) -> usize {
    png.pixels().filter(|pixel| pixel.0 == color).count()
}

#[test]
fn charts_show_lines_envelopes_dots_and_heat_on_every_axis() {
    let folder = tempfile::tempdir().expect("a folder");
    let series = |name: &str, color, marks| Series {
        name: name.to_owned(),
        color,
        marks,
        points: vec![[1.0, 0.1], [10.0, 1.0], [f64::NAN, 1.0], [100.0, 1e-3]],
        envelope: vec![[1.0, 0.05, 0.2], [10.0, 0.5, 2.0]],
    };
    for (x_log, y_log) in [(false, false), (true, false), (false, true), (true, true)] {
        let axis = |label: &str, log| Axis {
            label: label.to_owned(),
            log,
            range: None,
        };
        let panel = Panel {
            title: "‖z⁽ˡ⁺¹⁾ − z⁽ˡ⁾‖, ρ⁻¹".to_owned(),
            x: axis("epoch", x_log),
            y: axis("loss", y_log),
            series: vec![
                series("solid", PALETTE[0], Marks::LineAndDots),
                series("dashed", PALETTE[3], Marks::Dashes),
                series("rings", PALETTE[2], Marks::Rings),
            ],
            ..Panel::default()
        };
        let figure = Figure {
            title: "A title".to_owned(),
            caption: "a caption that is long ".repeat(20),
            panels: vec![panel.clone(), panel],
            columns: 2,
        };
        let paths = figure.save(&folder.path().join("a.b")).expect("a figure");
        assert!(paths[0].ends_with("a.b.png") && paths[1].ends_with("a.b.svg"));
        let (png, svg) = read(&paths);
        assert_eq!(png.width(), 2 * PANEL.0);
        for color in [PALETTE[0], PALETTE[3], PALETTE[2]] {
            assert!(count(&png, color) > 20, "{color:?} is drawn");
        }
        for text in [
            "A title", "ρ⁻¹", "epoch", "loss", "solid", "dashed", "rings",
        ] {
            assert!(svg.contains(text), "{text} is written");
        }
    }
}

#[test]
fn a_heat_map_has_its_ends_where_they_belong() {
    let folder = tempfile::tempdir().expect("a folder");
    let heat = Heat {
        x: [-1.0, 1.0],
        y: [-1.0, 1.0],
        columns: 2,
        values: vec![0.0, 0.0, 1.0, 1.0],
        range: [0.0, 1.0],
    };
    let panel = Panel {
        heat: Some(heat),
        ..Panel::default()
    };
    let figure = Figure::of("", "", panel);
    let (png, _) = read(&figure.save(&folder.path().join("heat")).expect("a figure"));
    let rows_of = |color: RGBColor| {
        let pixels = png.enumerate_pixels();
        let rows: Vec<u32> = pixels
            .filter(|(.., pixel)| pixel.0 == [color.0, color.1, color.2])
            .map(|(_, y, _)| y)
            .collect();
        rows.iter().map(|&y| f64::from(y)).sum::<f64>() / rows.len() as f64
    };
    // Pictures count rows from the top, charts from below.
    assert!(rows_of(diverging(0.0)) > rows_of(diverging(1.0)));
}

#[test]
fn a_sheet_shows_every_image() {
    let folder = tempfile::tempdir().expect("a folder");
    let image = |color| Image {
        caption: "4 → 9\n97 %".to_owned(),
        width: 28,
        pixels: vec![color; 28 * 28],
    };
    let colors = [[10, 20, 30], [40, 50, 60], [70, 80, 90]];
    let sheet = Sheet {
        title: "Mistakes".to_owned(),
        columns: 2,
        images: colors.map(image).to_vec(),
        ..Sheet::default()
    };
    let (png, svg) = read(&sheet.save(&folder.path().join("sheet")).expect("a sheet"));
    for color in colors {
        assert_eq!(count(&png, color), (28 * 4) * (28 * 4));
    }
    assert_eq!(svg.matches("97 %").count(), 3);
}

#[test]
fn ticks_are_short() {
    let ticks = [0.0, 0.1 + 0.2, 1e-4, 250000.0, 99999.0, -0.5].map(tick);
    assert_eq!(ticks, ["0", "0.3", "1e-4", "2.5e5", "99999", "-0.5"]);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let figure = Figure::of("", "", Panel::default());
    let error = figure
        .save(&file.path().join("below"))
        .expect_err("no folder");
    assert!(matches!(error, Error::Io { .. }), "{error}");
}
