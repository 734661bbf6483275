//! Folders of images.

use std::path::Path;

use bregman::data::raw::Parts;
use bregman::data::reader::{ReadOptions, open as read};
use bregman::error::{DataFault, Error};
use image::{DynamicImage, GrayImage, ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage};

use super::{Folder, bytes, classes, fault, fault_with, open, samples, test, train};

fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).expect("memory");
    bytes.into_inner()
}

/// A grey PNG of 3 × 2 pixels (height × width).
fn grey(first: u8) -> Vec<u8> {
    let image = GrayImage::from_fn(2, 3, |x, y| Luma([first + (x + 2 * y) as u8]));
    encoded(image, ImageFormat::Png)
}

fn red() -> Vec<u8> {
    let image = RgbImage::from_fn(2, 3, |x, y| Rgb([200, x as u8, y as u8]));
    encoded(image, ImageFormat::Png)
}

fn open_with(path: &Path, options: ReadOptions) -> Parts {
    read(path, &options).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn folders_are_classes() {
    let folder = Folder::new();
    folder.write("dog/b.png", grey(20));
    folder.write("dog/a.PNG", grey(10));
    folder.write("cat/deep/x.png", grey(30));
    folder.write("cat/y.png", grey(40));
    folder.write("cat/notes.txt", "no image");
    folder.write(".cache/z.png", grey(50));
    let parts = open(folder.path());
    let train = train(&parts);
    assert_eq!(train.class_names, ["cat", "dog"]);
    assert_eq!(
        (train.shape, classes(train)),
        ([1, 3, 2], &[0, 0, 1, 1][..])
    );
    // Files come before those of folders, as torchvision lists them.
    let expected = [40, 30, 10, 20].map(|first| (first..first + 6).collect::<Vec<u8>>());
    assert_eq!(bytes(train), expected.concat());
    assert_eq!((&parts.test, &parts.notes), (&None, &Vec::new()));
}

#[test]
fn parts_number_classes_as_training_does() {
    let folder = Folder::new();
    for (name, first) in [
        ("train/a/1.png", 1),
        ("train/b/1.png", 2),
        ("train/c/1.png", 3),
    ] {
        folder.write(name, grey(first));
    }
    folder.write("test/c/1.png", grey(4));
    folder.write("valid/b/1.png", grey(5));
    std::fs::create_dir(folder.path().join("test/a")).expect("create");
    let parts = open(folder.path());
    assert_eq!(
        (classes(train(&parts)), classes(test(&parts))),
        (&[0, 1, 2][..], &[2][..])
    );
    assert_eq!(
        classes(samples(parts.validation.as_ref().expect("a part"))),
        [1]
    );
    assert_eq!(test(&parts).class_names, ["a", "b", "c"]);
    let names = vec!["c".to_owned(), "a".to_owned(), "b".to_owned()];
    let options = ReadOptions {
        class_names: Some(names),
        ..ReadOptions::default()
    };
    assert_eq!(
        classes(train(&open_with(folder.path(), options))),
        [1, 2, 0]
    );
    folder.write("test/d/1.png", grey(6));
    assert!(matches!(fault(folder.path()), DataFault::UnknownClass { name, .. } if name == "d"));
}

#[test]
fn colours_are_kept_unless_all_is_grey() {
    let folder = Folder::new();
    folder.write("a/1.png", grey(10));
    // A picture of three equal planes is grey.
    let equal = RgbImage::from_pixel(2, 3, Rgb([7, 7, 7]));
    folder.write("a/2.png", encoded(equal, ImageFormat::Png));
    assert_eq!(train(&open(folder.path())).shape, [1, 3, 2]);
    folder.write("b/3.png", red());
    let parts = open(folder.path());
    assert_eq!(train(&parts).shape, [3, 3, 2]);
    let planes = bytes(train(&parts));
    assert_eq!(
        planes[..12],
        [10, 11, 12, 13, 14, 15, 10, 11, 12, 13, 14, 15]
    );
    assert_eq!(
        planes[36..],
        [
            200, 200, 200, 200, 200, 200, 0, 1, 0, 1, 0, 1, 0, 0, 1, 1, 2, 2
        ]
    );
    for channels in [1, 3] {
        let options = ReadOptions {
            channels: Some(channels),
            ..ReadOptions::default()
        };
        assert_eq!(train(&open_with(folder.path(), options)).shape[0], channels);
    }
    let options = ReadOptions {
        channels: Some(2),
        ..ReadOptions::default()
    };
    assert!(matches!(
        read(folder.path(), &options),
        Err(Error::InvalidValue {
            field: "channels",
            ..
        })
    ));
    // Transparency is left out, and 16 bits become 8.
    let folder = Folder::new();
    let clear = RgbaImage::from_pixel(2, 3, Rgba([200, 0, 0, 0]));
    folder.write("a/1.png", encoded(clear, ImageFormat::Png));
    assert_eq!(bytes(train(&open(folder.path())))[..6], [200; 6]);
    let wide = image::ImageBuffer::from_pixel(2, 3, Luma([0x8000u16]));
    let folder = Folder::new();
    folder.write(
        "a/1.png",
        encoded(DynamicImage::ImageLuma16(wide), ImageFormat::Png),
    );
    assert_eq!(bytes(train(&open(folder.path()))), [128; 6]);
}

#[test]
fn sizes_are_one_or_are_made_one() {
    let folder = Folder::new();
    let first = folder.write("a/1.png", grey(10));
    let large = GrayImage::from_pixel(40, 20, Luma([99]));
    let second = folder.write("b/2.jpg", encoded(large, ImageFormat::Jpeg));
    let (found, path) = fault_with(folder.path(), &ReadOptions::default());
    assert_eq!(path, second);
    let sizes = [[20, 40], [3, 2]];
    assert_eq!(
        found,
        DataFault::MixedSizes {
            other: first,
            sizes
        }
    );
    let options = ReadOptions {
        image_size: Some([4, 5]),
        ..ReadOptions::default()
    };
    let parts = open_with(folder.path(), options);
    assert_eq!(train(&parts).shape, [1, 4, 5]);
    assert!(
        bytes(train(&parts))[20..]
            .iter()
            .all(|&pixel| pixel.abs_diff(99) < 3)
    );
    for side in [0, 5000] {
        let options = ReadOptions {
            image_size: Some([4, side]),
            ..ReadOptions::default()
        };
        let found = read(folder.path(), &options);
        assert!(matches!(
            found,
            Err(Error::InvalidValue {
                field: "image_size",
                ..
            })
        ));
    }
    let parts = Folder::new();
    parts.write("train/a/1.png", grey(1));
    let large = GrayImage::from_pixel(4, 4, Luma([9]));
    parts.write("test/a/1.png", encoded(large, ImageFormat::Png));
    assert!(matches!(
        fault(parts.path()),
        DataFault::Disagreement { .. }
    ));
}

#[test]
fn broken_images_are_named_or_left_out() {
    let folder = Folder::new();
    for index in 0..8 {
        folder.write(&format!("{}/{index}.png", index % 2), grey(index));
    }
    let whole = grey(1);
    let cut = folder.write("0/4.png", &whole[..whole.len() - 20]);
    let text = folder.write("1/3.png", "no image");
    let (found, path) = fault_with(folder.path(), &ReadOptions::default());
    assert!(matches!(&found, DataFault::BrokenImage { .. }), "{found:?}");
    assert_eq!(path, cut);
    let options = ReadOptions {
        skip_broken: true,
        ..ReadOptions::default()
    };
    let parts = open_with(folder.path(), options.clone());
    assert_eq!(classes(train(&parts)), [0, 0, 0, 1, 1, 1]);
    let note = &parts.notes[0];
    assert!(note.starts_with("2 of 8 images"), "{note}");
    for path in [cut, text] {
        assert!(note.contains(&path.display().to_string()), "{note}");
    }
    let folder = Folder::new();
    folder.write("a/1.png", "no image");
    let (found, _) = fault_with(folder.path(), &options);
    assert_eq!(found, DataFault::NoSamples);
}

#[test]
fn images_without_classes_have_no_targets() {
    let folder = Folder::new();
    folder.write("1.png", grey(1));
    folder.write("2.png", grey(2));
    let parts = open(folder.path());
    assert_eq!(
        (&train(&parts).targets, bytes(train(&parts)).len()),
        (&None, 12)
    );
    assert!(train(&parts).class_names.is_empty());
}

#[test]
fn empty_classes_and_other_formats_are_told() {
    let folder = Folder::new();
    folder.write("a/1.png", grey(1));
    folder.write("a/2.webp", "an image that is not read");
    let parts = open(folder.path());
    assert!(parts.notes[0].contains("1 images"), "{:?}", parts.notes);
    std::fs::create_dir(folder.path().join("b")).expect("create");
    let (found, path) = fault_with(folder.path(), &ReadOptions::default());
    assert_eq!(
        (found, path),
        (DataFault::EmptyClass, folder.path().join("b"))
    );
}

/// A picture that a camera took on its side is turned.
#[test]
fn exif_data_turn_images() {
    let image = RgbImage::from_fn(16, 8, |x, _| Rgb([if x < 8 { 250 } else { 0 }; 3]));
    let mut jpeg = encoded(image, ImageFormat::Jpeg);
    // Orientation 6: to be turned right.
    let exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let size = ((exif.len() + 2) as u16).to_be_bytes();
    jpeg.splice(2..2, [&[0xFF, 0xE1], &size[..], exif].concat());
    let folder = Folder::new();
    folder.write("a/1.jpg", jpeg);
    let parts = open(folder.path());
    assert_eq!(train(&parts).shape, [1, 16, 8]);
    let pixels = bytes(train(&parts));
    assert!(pixels[..8].iter().all(|&pixel| pixel > 200), "{pixels:?}");
    assert!(pixels[120..].iter().all(|&pixel| pixel < 50), "{pixels:?}");
}
