//! Pictures of any size and polarity become what MNIST's images are.

use bregman::data::picture::{Style, prepare, read};
use bregman::error::Error;
use image::{DynamicImage, GrayImage, Luma, Rgba, RgbaImage};

/// A bar with a foot, off centre: its box is 40 × 100.
fn drawing(paper: u8, ink: u8, width: u32, height: u32) -> GrayImage {
    GrayImage::from_fn(width, height, |x, y| {
        let bar = (30..50).contains(&x) && (20..120).contains(&y);
        let foot = (30..70).contains(&x) && (100..120).contains(&y);
        Luma([if bar || foot { ink } else { paper }])
    })
}

fn centre(pixels: &[u8]) -> [f64; 2] {
    let mass: f64 = pixels.iter().map(|&p| f64::from(p)).sum();
    let moment = |of: fn(usize) -> usize| -> f64 {
        let each = pixels.iter().enumerate();
        each.map(|(i, &p)| f64::from(p) * (of(i) as f64 + 0.5))
            .sum()
    };
    [moment(|i| i % 28) / mass, moment(|i| i / 28) / mass]
}

#[test]
fn size_and_polarity_do_not_matter() {
    let expected = prepare(&drawing(255, 0, 300, 200).into(), Style::Digit).expect("a drawing");
    assert!(
        expected.done.contains("dark on bright"),
        "{}",
        expected.done
    );
    assert!(
        expected
            .done
            .contains("box of 40×100 at (30, 20) scaled to 8×20"),
        "{}",
        expected.done
    );
    for (paper, ink) in [(0, 255), (200, 30), (40, 250)] {
        let found =
            prepare(&drawing(paper, ink, 140, 400).into(), Style::Digit).expect("a drawing");
        let off = found
            .pixels
            .iter()
            .zip(&expected.pixels)
            .map(|(a, b)| a.abs_diff(*b));
        // The contrast is stretched: grey levels are rounded differently.
        assert!(off.max() <= Some(3), "{paper} {ink}");
    }
    // Transparent paper is white.
    let transparent = RgbaImage::from_fn(300, 200, |x, y| {
        let ink = drawing(0, 255, 300, 200).get_pixel(x, y)[0];
        Rgba([0, 0, 0, ink])
    });
    let found = prepare(&DynamicImage::from(transparent), Style::Digit).expect("a drawing");
    assert_eq!(found.pixels, expected.pixels);
}

#[test]
fn digits_fill_20_by_20_and_balance_in_the_centre() {
    let picture = prepare(&drawing(255, 0, 300, 200).into(), Style::Digit).expect("a drawing");
    let inked = |of: fn(usize) -> usize| {
        let at: Vec<usize> = (0..784)
            .filter(|&i| picture.pixels[i] > 0)
            .map(of)
            .collect();
        at.iter()
            .max()
            .zip(at.iter().min())
            .map(|(max, min)| max - min + 1)
    };
    assert_eq!((inked(|i| i % 28), inked(|i| i / 28)), (Some(8), Some(20)));
    // To the pixel: it is moved by whole ones.
    for c in centre(&picture.pixels) {
        assert!((c - 14.0).abs() <= 0.5, "{c}");
    }
    assert_eq!(picture.pixels.iter().max(), Some(&255));
    let clothing = prepare(&drawing(0, 255, 300, 200).into(), Style::Clothing).expect("a drawing");
    assert!(
        clothing.pixels[..28].iter().any(|&p| p > 0),
        "the longer side fills the frame"
    );
}

#[test]
fn what_is_no_picture_is_refused() {
    let empty = GrayImage::from_pixel(50, 50, Luma([130]));
    assert!(prepare(&empty.into(), Style::Digit).is_err());
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("x.png");
    assert!(matches!(read(&path, Style::Digit), Err(Error::Io { .. })));
    std::fs::write(&path, b"\x89PNG\r\n\x1a\nnot a picture").expect("write");
    assert!(matches!(
        read(&path, Style::Digit),
        Err(Error::Picture { .. })
    ));
    assert!(Style::of_dataset("cifar-10").is_err());
}

#[test]
fn one_pixel_is_a_drawing() {
    let mut image = GrayImage::from_pixel(9, 5, Luma([255]));
    image.put_pixel(4, 2, Luma([0]));
    let picture = prepare(&image.into(), Style::Digit).expect("a drawing");
    assert!(
        picture.pixels.iter().filter(|&&p| p > 0).count() >= 300,
        "scaled to 20 × 20"
    );
}
