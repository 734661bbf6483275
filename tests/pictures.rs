//! The generated digits, drawn as they are shown in the README.
//!
//!     BREGMAN_PICTURES=assets cargo test --release --test pictures

use std::path::PathBuf;

use bregman::data::digits;
use bregman::plot::{Image, Sheet};

/// Digits in a row, which is one class.
const COLUMNS: usize = 12;

#[test]
fn generated_digits_are_drawn_by_class() {
    let (data, _) = digits::generate(500, 0);
    let image = |&sample: &usize| Image {
        width: data.image[1],
        pixels: data.pixels()[sample * data.features()..][..data.features()]
            .iter()
            .map(|&grey| [grey; 3])
            .collect(),
        ..Image::default()
    };
    let row = |class: u32| -> Vec<Image> {
        let own = (0..data.len()).filter(|&sample| data.labels()[sample] == class);
        own.take(COLUMNS)
            .collect::<Vec<_>>()
            .iter()
            .map(image)
            .collect()
    };
    let sheet = Sheet {
        title: "Digits that the program draws itself".to_owned(),
        caption: "The first of each class among the training samples of --dataset digits."
            .to_owned(),
        columns: COLUMNS,
        images: (0..10).flat_map(row).collect(),
    };
    assert_eq!(sheet.images.len(), 10 * COLUMNS);
    let folder = tempfile::tempdir().expect("temporary folder");
    let out = std::env::var_os("BREGMAN_PICTURES").map(PathBuf::from);
    let out = out.as_deref().unwrap_or(folder.path());
    let path = sheet.save_png(&out.join("digits")).expect("a picture");
    let png = image::open(path).expect("a PNG").to_rgb8();
    let white = png.pixels().filter(|pixel| pixel.0 == [255; 3]).count();
    let black = png.pixels().filter(|pixel| pixel.0 == [0; 3]).count();
    // Each digit has 28 × 28 pixels of at least 2 × 2 pixels of the sheet, most of them black.
    assert!(black > 120 * 28 * 28 * 2 && white > 0, "{black}, {white}");
}
