//! Folders of images, as torchvision's `ImageFolder` reads them: a folder for each class, whose PNG and
//! JPEG files, also in folders below, are its samples.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use image::imageops::{self, FilterType};
use image::{DynamicImage, RgbImage};
use rayon::prelude::*;

use super::file::{check_memory, entries, fault};
use super::options::ReadOptions;
use crate::data::dataset::{Inputs, Targets};
use crate::data::picture::file as picture;
use crate::data::raw::{Parts, Raw, Samples};
use crate::error::{DataFault, Error, Result};

/// The largest depth of nested folders, so that a link to a folder above does not recurse without end.
const DEPTH: usize = 16;

/// The names of the folders of validation images.
const VALIDATION: [&str; 3] = ["val", "valid", "validation"];

/// The images of a folder.
#[derive(Default)]
struct Found {
    images: Vec<PathBuf>,
    /// Images in formats that are not read.
    other: usize,
}

impl Found {
    /// Adds the images in `folder`: first its files, then those of its folders, each in alphabetical
    /// order.
    fn add(&mut self, folder: &Path, depth: usize) -> Result<()> {
        let (folders, files): (Vec<_>, Vec<_>) =
            entries(folder)?.into_iter().partition(|path| path.is_dir());
        for path in files {
            let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
            match ending.to_str() {
                Some("png" | "jpg" | "jpeg") => self.images.push(path),
                Some("bmp" | "gif" | "webp" | "tif" | "tiff" | "ppm" | "pgm" | "avif" | "heic") => {
                    self.other += 1
                }
                _ => {}
            }
        }
        match depth < DEPTH {
            true => folders
                .iter()
                .try_for_each(|folder| self.add(folder, depth + 1)),
            false => Ok(()),
        }
    }
}

/// The images below `folder` and their classes, and the names of the classes.
struct Listing {
    images: Vec<PathBuf>,
    classes: Option<Vec<u32>>,
    class_names: Vec<String>,
    other: usize,
}

/// Whether there are images in `folder` or below it.
///
/// # Errors
/// [`Error::Io`].
pub fn is_in(folder: &Path) -> Result<bool> {
    let mut found = Found::default();
    found.add(folder, 0)?;
    Ok(!found.images.is_empty())
}

/// Reads the images in `folder`: those of its parts, of its classes, or in the folder itself, which then
/// have no class.
///
/// # Errors
/// [`Error::Io`] and [`Error::Data`].
pub fn read(folder: &Path, options: &ReadOptions) -> Result<Parts> {
    let mut folders = entries(folder)?;
    folders.retain(|path| path.is_dir());
    let below = |names: &[&str]| {
        let is_it = |path: &Path, name: &str| {
            let own = path.file_name().and_then(OsStr::to_str);
            own.is_some_and(|own| own.eq_ignore_ascii_case(name))
        };
        let found = |name: &&str| folders.iter().find(|path| is_it(path, name));
        names.iter().find_map(found).cloned()
    };
    let Some(train) = below(&["train"]) else {
        let mut notes = Vec::new();
        let listing = list(
            folder,
            options.class_names.as_deref(),
            options.class_names.is_none(),
        )?;
        let train = load(folder, listing, options, &mut notes)?;
        return Ok(Parts {
            train: Raw::Samples(train),
            validation: None,
            test: None,
            notes,
        });
    };
    let mut notes = Vec::new();
    let known = options.class_names.as_deref();
    let listing = list(&train, known, known.is_none())?;
    let names = listing.class_names.clone();
    let samples = load(&train, listing, options, &mut notes)?;
    // The other parts have the form of the training images.
    let own = ReadOptions {
        channels: Some(samples.shape[0]),
        ..options.clone()
    };
    let mut other = |place: Option<PathBuf>| -> Result<Option<Raw>> {
        let Some(place) = place else { return Ok(None) };
        let listing = list(&place, Some(&names), false)?;
        let part = load(&place, listing, &own, &mut notes)?;
        if part.shape != samples.shape {
            let size =
                |[_, height, width]: [usize; 3]| format!("images of {height}×{width} pixels");
            return Err(fault(folder)(DataFault::Disagreement {
                names: Box::new([&part, &samples].map(|part| part.path.display().to_string())),
                values: Box::new([&part, &samples].map(|part| size(part.shape))),
            }));
        }
        Ok(Some(Raw::Samples(part)))
    };
    let (validation, test) = (other(below(&VALIDATION))?, other(below(&["test"]))?);
    Ok(Parts {
        train: Raw::Samples(samples),
        validation,
        test,
        notes,
    })
}

/// Reads the image in the file `path`, without a class.
///
/// # Errors
/// [`Error::Io`] and [`Error::Data`].
pub fn read_file(path: &Path, options: &ReadOptions) -> Result<Samples> {
    let listing = Listing {
        images: vec![path.to_owned()],
        classes: None,
        class_names: Vec::new(),
        other: 0,
    };
    load(path, listing, options, &mut Vec::new())
}

/// Finds the images of the classes in `folder`, which are numbered as in `known` or else in alphabetical
/// order. Unless `is_whole`, a class may have no image.
fn list(folder: &Path, known: Option<&[String]>, is_whole: bool) -> Result<Listing> {
    let folders: Vec<PathBuf> = entries(folder)?
        .into_iter()
        .filter(|path| path.is_dir())
        .collect();
    let mut found = Found::default();
    let mut classes = Vec::new();
    let own: Vec<String> = folders
        .iter()
        .map(|folder| {
            folder
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    let class_names = known.map_or_else(|| own.clone(), <[String]>::to_vec);
    for (folder, name) in folders.iter().zip(&own) {
        let before = found.images.len();
        found.add(folder, 1)?;
        if found.images.len() == before {
            if is_whole {
                return Err(fault(folder)(DataFault::EmptyClass));
            }
            continue;
        }
        let class = class_names.iter().position(|known| known == name);
        let class = class.ok_or_else(|| {
            fault(folder)(DataFault::UnknownClass {
                name: name.clone(),
                known: class_names.clone(),
            })
        })?;
        classes.resize(found.images.len(), class as u32);
    }
    if folders.is_empty() {
        found.add(folder, DEPTH)?;
    }
    if found.images.is_empty() {
        return Err(fault(folder)(DataFault::NoSamples));
    }
    let has_classes = !folders.is_empty();
    Ok(Listing {
        images: found.images,
        classes: has_classes.then_some(classes),
        class_names: if has_classes { class_names } else { Vec::new() },
        other: found.other,
    })
}

/// An image in memory.
struct Decoded {
    /// Height and width before it was scaled.
    size: [usize; 2],
    /// (1, height, width) if it is grey, (3, height, width) if not.
    pixels: Vec<u8>,
    is_grey: bool,
}

/// Reads the images of `listing`.
fn load(
    folder: &Path,
    listing: Listing,
    options: &ReadOptions,
    notes: &mut Vec<String>,
) -> Result<Samples> {
    if let Some(channels) = options
        .channels
        .filter(|channels| ![1, 3].contains(channels))
    {
        return Err(Error::InvalidValue {
            field: "channels",
            value: channels.to_string(),
            reason: "images have 1 for grey, or 3 for red, green and blue".to_owned(),
        });
    }
    if options
        .image_size
        .is_some_and(|size| size.iter().any(|side| !(1..=4096).contains(side)))
    {
        let [height, width] = options.image_size.unwrap_or_default();
        return Err(Error::InvalidValue {
            field: "image_size",
            value: format!("{height}×{width}"),
            reason: "each side is from 1 to 4096 pixels".to_owned(),
        });
    }
    // The first image that is whole says what all of them need.
    let first = listing.images.iter().find_map(|path| {
        let image = decode(path, options).ok()?;
        Some((path, image.size, image.pixels.len()))
    });
    if let Some((_, _, bytes)) = first {
        let bytes = (listing.images.len() as u64).saturating_mul(bytes as u64);
        check_memory(bytes).map_err(fault(folder))?;
    }
    let decode_alike = |path: &PathBuf| {
        let image = decode(path, options)?;
        match first {
            Some((other, size, _)) if options.image_size.is_none() && size != image.size => {
                Err(fault(path)(DataFault::MixedSizes {
                    other: other.clone(),
                    sizes: [image.size, size],
                }))
            }
            _ => Ok(image),
        }
    };
    let images = listing.images.par_iter();
    let decoded: Vec<Result<Decoded>> = images.map(decode_alike).collect();
    let mut kept: Vec<(usize, Decoded)> = Vec::new();
    let mut broken = Vec::new();
    for (index, decoded) in decoded.into_iter().enumerate() {
        let path = &listing.images[index];
        match decoded {
            Ok(image) => kept.push((index, image)),
            Err(Error::Data {
                fault: DataFault::BrokenImage { reason },
                ..
            }) if options.skip_broken => {
                broken.push(format!("{} ({reason})", path.display()));
            }
            Err(error) => return Err(error),
        }
    }
    if !broken.is_empty() {
        let shown = &broken[..broken.len().min(10)];
        let more = match broken.len() - shown.len() {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        notes.push(format!(
            "{} of {} images in {} are broken and were left out: {}{more}",
            broken.len(),
            listing.images.len(),
            folder.display(),
            shown.join("; ")
        ));
    }
    if listing.other > 0 {
        notes.push(format!(
            "{} images in {} are in formats that are not read and were left out; PNG and JPEG are read",
            listing.other,
            folder.display()
        ));
    }
    let Some((_, first)) = kept.first() else {
        return Err(fault(folder)(DataFault::NoSamples));
    };
    let [height, width] = options.image_size.unwrap_or(first.size);
    let all_grey = kept.iter().all(|(_, image)| image.is_grey);
    let channels = if all_grey {
        options.channels.unwrap_or(1)
    } else {
        3
    };
    let classes = listing.classes;
    let classes = classes.map(|classes| kept.iter().map(|&(index, _)| classes[index]).collect());
    let mut pixels = Vec::with_capacity(kept.len() * channels * height * width);
    for (_, image) in kept {
        let planes = image.pixels.len() / (height * width);
        (0..channels / planes.max(1)).for_each(|_| pixels.extend(&image.pixels));
    }
    Ok(Samples {
        path: folder.to_owned(),
        shape: [channels, height, width],
        inputs: Inputs::Bytes(pixels),
        targets: classes.map(Targets::Classes),
        class_names: listing.class_names,
    })
}

/// Reads an image: turned as its EXIF data say, without transparency, scaled if that is asked for.
fn decode(path: &Path, options: &ReadOptions) -> Result<Decoded> {
    let broken = |reason| fault(path)(DataFault::BrokenImage { reason });
    let bytes = match picture::read(path) {
        Err(Error::Picture { reason, .. }) => return Err(broken(reason)),
        bytes => bytes?,
    };
    let (mut image, orientation) = picture::decode(&bytes).map_err(broken)?;
    drop(bytes);
    image.apply_orientation(orientation);
    if image.width() == 0 || image.height() == 0 {
        return Err(broken("it has no pixels".to_owned()));
    }
    let size = [image.height() as usize, image.width() as usize];
    let is_grey = match &image {
        _ if options.channels == Some(1) => true,
        DynamicImage::ImageLuma8(_) | DynamicImage::ImageLuma16(_) => true,
        DynamicImage::ImageLumaA8(_) | DynamicImage::ImageLumaA16(_) => true,
        image => is_grey(&image.to_rgb8()),
    };
    let [height, width] = options.image_size.unwrap_or(size).map(|side| side as u32);
    let is_scaled = size != [height as usize, width as usize];
    let pixels = if is_grey {
        let mut grey = image.into_luma8();
        if is_scaled {
            grey = imageops::resize(&grey, width, height, FilterType::Triangle);
        }
        grey.into_raw()
    } else {
        let mut rgb = image.into_rgb8();
        if is_scaled {
            rgb = imageops::resize(&rgb, width, height, FilterType::Triangle);
        }
        let rgb = rgb.into_raw();
        let planes = (0..3).flat_map(|colour| rgb[colour..].iter().step_by(3));
        planes.copied().collect()
    };
    Ok(Decoded {
        size,
        pixels,
        is_grey,
    })
}

fn is_grey(image: &RgbImage) -> bool {
    image
        .pixels()
        .all(|pixel| pixel.0[0] == pixel.0[1] && pixel.0[1] == pixel.0[2])
}
