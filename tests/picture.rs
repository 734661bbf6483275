//! Pictures of any size and polarity become what MNIST's images are.

#[path = "common/disturbed.rs"]
#[allow(dead_code, reason = "the kinds are for another test")]
mod disturbed;

use bregman::data::digits;
use bregman::data::picture::{Style, parse, prepare, read};
use bregman::error::Error;
use disturbed::{exif, jpeg, png};
use image::metadata::Orientation;
use image::{
    DynamicImage, GrayImage, ImageBuffer, ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage,
    imageops,
};
use proptest::prelude::*;

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

/// The largest difference of a pixel.
fn off(a: &[u8], b: &[u8]) -> u8 {
    let off = a.iter().zip(b).map(|(a, b)| a.abs_diff(*b));
    off.max().expect("pixels")
}

#[test]
fn files_are_turned_as_their_exif_data_say() {
    let image = DynamicImage::from(drawing(255, 0, 300, 200)).to_rgb8();
    let expected = prepare(&image.clone().into(), Style::Digit).expect("a drawing");
    for orientation in (1..=8).filter_map(Orientation::from_exif) {
        for format in [ImageFormat::Png, ImageFormat::Jpeg] {
            let file = exif(&image.clone().into(), orientation, format);
            let found = parse(&file, Style::Digit).expect("a drawing");
            let off = off(&found.pixels, &expected.pixels);
            assert!(off <= 40, "{orientation:?} {format:?}");
            let turned = orientation != Orientation::NoTransforms;
            assert_eq!(found.done.contains("EXIF"), turned, "{}", found.done);
        }
    }
    // The data may also stand behind the pixels.
    let file = exif(&image.into(), Orientation::Rotate90FlipH, ImageFormat::Png);
    let at = file.windows(4).position(|name| name == b"eXIf");
    let first = at.expect("EXIF data") - 4;
    let length = u32::from_be_bytes(file[first..first + 4].try_into().expect("4 bytes")) as usize;
    let mut moved = file.clone();
    let chunk: Vec<u8> = moved.drain(first..first + length + 12).collect();
    let end = moved.len() - 12;
    moved.splice(end..end, chunk);
    assert_eq!(parse(&moved, Style::Digit), parse(&file, Style::Digit));
}

#[test]
fn files_that_are_cut_are_refused_wherever_they_are_cut() {
    let image = DynamicImage::from(drawing(255, 0, 150, 140));
    // Behind the name of the last chunk of PNG nothing is missing but a checksum.
    for (file, spare) in [(png(&image), 4), (jpeg(&image, 90), 0)] {
        let whole = parse(&file, Style::Digit).expect("a drawing");
        for length in 0..file.len() - spare {
            let fault = parse(&file[..length], Style::Digit).expect_err("cut");
            let known = ["before the end of the picture", "neither a PNG nor a JPEG"];
            assert!(known.iter().any(|k| fault.contains(k)), "{length}: {fault}");
        }
        let with_more = [&file[..], b"and more"].concat();
        assert_eq!(parse(&with_more, Style::Digit), Ok(whole));
    }
    // Programs that mend files write an end marker behind what they have.
    let file = jpeg(&image, 90);
    let scan = file
        .windows(2)
        .rposition(|mark| mark == [0xFF, 0xDA])
        .expect("a scan")
        + 14;
    for length in scan..file.len() - 3 {
        let mended = [&file[..length], &[0xFF, 0xD9]].concat();
        let fault = parse(&mended, Style::Digit).expect_err("cut");
        assert!(fault.contains("blocks of pixels are there"), "{fault}");
    }
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("cut.jpg");
    std::fs::write(&path, &file[..file.len() / 2]).expect("write");
    let error = read(&path, Style::Digit).expect_err("cut").to_string();
    assert!(
        error.contains("cut.jpg") && error.contains("blocks"),
        "{error}"
    );
}

#[test]
fn images_of_the_own_form_are_taken_as_they_are() {
    let (_, test) = digits::generate(0, 200);
    for (number, pixels) in test.pixels().chunks_exact(784).enumerate() {
        let mut image = GrayImage::from_raw(28, 28, pixels.to_vec()).expect("28 × 28");
        for style in [Style::Digit, Style::Clothing] {
            for color in [
                image.clone().into(),
                DynamicImage::from(image.clone()).to_rgba8().into(),
            ] {
                let picture = prepare(&color, style).expect("an image");
                assert_eq!(picture.pixels, pixels, "{number}");
            }
        }
        imageops::invert(&mut image);
        let picture = prepare(&image.into(), Style::Digit).expect("an image");
        assert_eq!(picture.pixels, pixels, "{number} inverted");
    }
    // What was prepared is of the own form.
    let once = prepare(&drawing(255, 0, 300, 200).into(), Style::Digit).expect("a drawing");
    let image = GrayImage::from_raw(28, 28, once.pixels.clone()).expect("28 × 28");
    let twice = prepare(&image.into(), Style::Digit).expect("a drawing");
    assert_eq!(once.pixels, twice.pixels);
}

#[test]
fn colours_depth_and_transparency_do_not_matter() {
    let image = drawing(255, 0, 300, 200);
    let expected = prepare(&image.clone().into(), Style::Digit).expect("a drawing");
    let ink = |x, y| 255 - image.get_pixel(x, y)[0];
    let white_on_clear = RgbaImage::from_fn(300, 200, |x, y| Rgba([255, 255, 255, ink(x, y)]));
    let blue_on_black = RgbImage::from_fn(300, 200, |x, y| Rgb([0, 0, ink(x, y)]));
    let green_on_red = RgbImage::from_fn(300, 200, |x, y| match ink(x, y) {
        0 => Rgb([200, 60, 0]),
        _ => Rgb([60, 130, 0]),
    });
    let twelve_bits: ImageBuffer<Luma<u16>, Vec<u16>> =
        ImageBuffer::from_fn(300, 200, |x, y| Luma([u16::from(255 - ink(x, y)) * 16]));
    let faint = GrayImage::from_fn(300, 200, |x, y| Luma([200 + ink(x, y) / 25]));
    for (name, image) in [
        ("white on transparent", white_on_clear.into()),
        ("blue on black", blue_on_black.into()),
        ("green on red", green_on_red.into()),
        ("12 bits in 16", twelve_bits.into()),
        ("faint", faint.into()),
        (
            "floats",
            DynamicImage::from(DynamicImage::from(image.clone()).to_rgb32f()),
        ),
    ] {
        let found = prepare(&image, Style::Digit).expect("a drawing");
        assert!(off(&found.pixels, &expected.pixels) <= 3, "{name}");
    }
}

/// A palette of two colours, of which the paper's is transparent (tRNS).
#[test]
fn palettes_are_read() {
    let image = drawing(0, 1, 300, 200);
    let expected = prepare(&drawing(255, 0, 300, 200).into(), Style::Digit).expect("a drawing");
    for pen in [[0u8; 3], [250; 3]] {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, 300, 200);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_palette([&[90u8; 3], &pen[..]].concat());
        encoder.set_trns(vec![0u8, 255]);
        let mut writer = encoder.write_header().expect("memory has no errors");
        let written = writer.write_image_data(&image);
        written.expect("memory has no errors");
        writer.finish().expect("memory has no errors");
        let found = parse(&file, Style::Digit).expect("a drawing");
        assert!(off(&found.pixels, &expected.pixels) <= 3, "{pen:?}");
    }
}

#[test]
fn frames_margins_and_specks_are_no_drawings() {
    let image = drawing(255, 0, 300, 200);
    let expected = prepare(&image.clone().into(), Style::Digit).expect("a drawing");
    let around = |inner: &GrayImage, pixels: u32, level: u8| {
        let [width, height] = [inner.width(), inner.height()].map(|side| side + 2 * pixels);
        let mut outer = GrayImage::from_pixel(width, height, Luma([level]));
        imageops::replace(&mut outer, inner, pixels.into(), pixels.into());
        outer
    };
    let mut inverted = image.clone();
    imageops::invert(&mut inverted);
    let mut specks = image.clone();
    for [x, y] in [[5, 5], [290, 7], [200, 190]] {
        specks.put_pixel(x, y, Luma([0]));
    }
    for (name, image) in [
        ("margin", around(&inverted, 20, 255)),
        ("frame", around(&image, 1, 0)),
        ("frame and margin", around(&around(&image, 3, 0), 12, 255)),
        ("specks", specks),
    ] {
        let found = prepare(&image.into(), Style::Digit).expect("a drawing");
        assert!(
            off(&found.pixels, &expected.pixels) <= 3,
            "{name}: {}",
            found.done
        );
        assert_eq!(found.doubts, [""; 0], "{name}");
    }
}

#[test]
fn pictures_that_are_no_digit_raise_doubts() {
    let doubts = |image: GrayImage| {
        let picture = prepare(&image.into(), Style::Digit).expect("something");
        picture.doubts.join("; ")
    };
    let one = drawing(255, 0, 300, 200);
    let mut two = GrayImage::from_pixel(400, 200, Luma([255]));
    imageops::replace(
        &mut two,
        &imageops::crop_imm(&one, 0, 0, 150, 200).to_image(),
        20,
        10,
    );
    imageops::replace(
        &mut two,
        &imageops::crop_imm(&one, 0, 0, 150, 200).to_image(),
        220,
        10,
    );
    assert!(doubts(two).contains("2 drawings"));
    let cut = imageops::crop_imm(&one, 35, 0, 265, 200).to_image();
    assert!(doubts(cut).contains("cut off"));
    let disc = GrayImage::from_fn(200, 200, |x, y| {
        let distance = (f64::from(x) - 99.5).hypot(f64::from(y) - 99.5);
        Luma([if distance < 60.0 { 0 } else { 255 }])
    });
    assert!(doubts(disc).contains("no strokes"));
    let clear = RgbaImage::from_pixel(40, 40, Rgba([255, 255, 255, 0]));
    let fault = prepare(&clear.into(), Style::Digit).expect_err("nothing");
    assert!(fault.contains("transparent"), "{fault}");
}

#[test]
fn huge_pictures_are_refused_and_large_ones_are_read() {
    let file = png(&GrayImage::from_pixel(16_384, 16_384, Luma([255])).into());
    let fault = parse(&file, Style::Digit).expect_err("too large");
    assert!(
        fault.contains("16384×16384") && fault.contains("MiB"),
        "{fault}"
    );
    let large = GrayImage::from_fn(8000, 6000, |x, y| {
        Luma([if x.abs_diff(4000) < 60 && y.abs_diff(3000) < 900 {
            20
        } else {
            230
        }])
    });
    let picture = parse(&jpeg(&large.into(), 80), Style::Digit).expect("48 million pixels");
    assert_eq!(picture.doubts, [""; 0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Pictures of all sizes are converted or refused.
    #[test]
    fn random_pictures_are_converted_or_refused(
        width in prop_oneof![Just(1u32), 1..40u32, 300..700u32],
        height in prop_oneof![Just(1u32), 1..40u32, 300..700u32],
        seed in any::<[u8; 8]>(),
        levels in 1..5u32,
        is_clear in any::<bool>(),
    ) {
        let noise = |x: u32, y: u32, c: u32| {
            let at = x.wrapping_mul(97) ^ y.wrapping_mul(57) ^ c.wrapping_mul(31);
            let mixed = seed.iter().fold(at, |at, &s| (at ^ u32::from(s)).wrapping_mul(0x9E37_79B1).rotate_left(7));
            (mixed % levels * 80) as u8
        };
        let image = RgbaImage::from_fn(width, height, |x, y| {
            let alpha = if is_clear { noise(x, y, 3) } else { 255 };
            Rgba([noise(x, y, 0), noise(x, y, 1), noise(x, y, 2), alpha])
        });
        for style in [Style::Digit, Style::Clothing] {
            if let Ok(picture) = prepare(&image.clone().into(), style) {
                prop_assert_eq!(picture.pixels.len(), 784);
                prop_assert!(picture.pixels.iter().any(|&p| p > 0));
            }
        }
    }
}
