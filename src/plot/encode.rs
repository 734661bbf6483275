//! Pixels as PNG, with a palette if that causes no visible change.

use std::collections::HashMap;

use super::Rgb;

/// The errors of a channel that a palette may bring; the least that suffices is taken.
const TOLERANCES: [u8; 8] = [0, 1, 2, 4, 6, 8, 12, 16];
/// The part of the pixels that may change: the edges of lines and letters, but not a photograph.
const MOST_CHANGED: f64 = 0.03;
/// Number of colours, the most frequent ones, that never change: areas, lines and text.
const EXACT: usize = 128;

/// Encodes (height, width) pixels, row-major.
pub(super) fn png(pixels: &[Rgb], width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_compression(png::Compression::High);
    encoder.set_depth(png::BitDepth::Eight);
    let data = match palette(pixels) {
        Some((palette, indices)) => {
            encoder.set_color(png::ColorType::Indexed);
            encoder.set_palette(palette.concat());
            encoder.set_filter(png::Filter::NoFilter);
            pixels.iter().map(|color| indices[color]).collect()
        }
        None => {
            encoder.set_color(png::ColorType::Rgb);
            encoder.set_filter(png::Filter::Adaptive);
            pixels.concat()
        }
    };
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(&data)?;
        writer.finish()
    });
    written.expect("encoding into memory");
    bytes
}

/// At most 256 colours, and the place of one of them for each colour; none if too much would change.
/// The more frequent of two rare colours that are nearly equal stands for both.
fn palette(pixels: &[Rgb]) -> Option<(Vec<Rgb>, HashMap<Rgb, u8>)> {
    let mut counts = HashMap::<Rgb, usize>::new();
    for same in pixels.chunk_by(|a, b| a == b) {
        *counts.entry(same[0]).or_default() += same.len();
    }
    let mut colors: Vec<(Rgb, usize)> = counts.into_iter().collect();
    colors.sort_by_key(|&(color, count)| (std::cmp::Reverse(count), color));
    TOLERANCES.into_iter().find_map(|tolerance| {
        let mut palette: Vec<Rgb> = Vec::new();
        let mut indices = HashMap::with_capacity(colors.len());
        let mut changed = 0;
        for (rank, &(color, count)) in colors.iter().enumerate() {
            let near = palette.iter().map(|&other| error(color, other));
            let index = match near.zip(0..=255u8).min() {
                Some((error, index)) if error <= tolerance && rank >= EXACT => {
                    changed += count;
                    index
                }
                _ => {
                    palette.push(color);
                    u8::try_from(palette.len() - 1).ok()?
                }
            };
            indices.insert(color, index);
        }
        (changed as f64 <= MOST_CHANGED * pixels.len() as f64).then_some((palette, indices))
    })
}

/// The largest difference of a channel.
fn error(a: Rgb, b: Rgb) -> u8 {
    let differences = [0, 1, 2].map(|i: usize| a[i].abs_diff(b[i]));
    differences.into_iter().max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> Vec<Rgb> {
        let image = image::load_from_memory(bytes).expect("a PNG").to_rgb8();
        image.pixels().map(|pixel| pixel.0).collect()
    }

    #[test]
    fn few_colours_are_kept_exactly() {
        let pixels: Vec<Rgb> = (0..=255).map(|i| [i, 7, 255 - i]).collect();
        assert_eq!(decoded(&png(&pixels, 128, 2)), pixels);
    }

    #[test]
    fn rare_shades_take_a_frequent_one_that_is_near() {
        let mut pixels: Vec<Rgb> = (0..=127).flat_map(|i| [[2 * i, 0, 0]; 80]).collect();
        pixels.extend((0..=255).map(|i| [i, 1, 0]));
        let found = decoded(&png(&pixels, 10_496, 1));
        assert_eq!(found[..10_240], pixels[..10_240]);
        for (found, pixel) in found.iter().zip(&pixels) {
            assert!(error(*found, *pixel) <= 1, "{found:?} {pixel:?}");
        }
    }

    #[test]
    fn pale_bands_are_kept_apart() {
        let bands: [Rgb; 2] = [[209, 230, 242], [209, 238, 231]];
        let mut pixels = bands.map(|band| vec![band; 10_000]).concat();
        pixels.extend((0..=500u16).map(|i| [(i / 2) as u8, 200, (i % 2) as u8]));
        let found = decoded(&png(&pixels, 20_501, 1));
        assert_eq!(found[..20_000], pixels[..20_000]);
        let colors: std::collections::HashSet<&Rgb> = found.iter().collect();
        assert!(colors.len() <= 256, "{} colours", colors.len());
    }

    #[test]
    fn photographs_are_kept_exactly() {
        let pixels: Vec<Rgb> = (0..1000u32)
            .map(|i| [i % 251, i * 31 % 241, i * 17 % 239].map(|level| level as u8))
            .collect();
        assert_eq!(decoded(&png(&pixels, 10, 100)), pixels);
    }
}
