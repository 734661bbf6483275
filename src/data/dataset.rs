//! Labelled samples.

/// Labelled images, or other labelled samples of 8-bit features.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Its name in reports, such as "mnist" or "digits".
    pub name: String,
    /// Number of colours of a pixel: 1 for grey, 3 for red, green, blue.
    pub channels: usize,
    /// Height and width of an image, in pixels.
    pub image: [usize; 2],
    /// Number of classes; labels are below it.
    pub classes: usize,
    /// (samples, channels, height, width), row-major.
    pub pixels: Vec<u8>,
    /// (samples).
    pub labels: Vec<u8>,
}

impl Dataset {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Number of features of a sample: channels × height × width.
    pub fn features(&self) -> usize {
        self.channels * self.image[0] * self.image[1]
    }

    /// The images followed by their mirror images, with left and right exchanged.
    #[must_use]
    pub fn with_mirror_images(mut self) -> Self {
        let mut mirrored = self.pixels.clone();
        for row in mirrored.chunks_exact_mut(self.image[1]) {
            row.reverse();
        }
        self.pixels.append(&mut mirrored);
        self.labels.extend_from_within(..);
        self
    }

    /// Keeps the first `samples`.
    pub fn truncate(&mut self, samples: usize) {
        self.pixels.truncate(samples * self.features());
        self.labels.truncate(samples);
    }

    /// Removes the last `samples` and returns them as a data set of their own.
    ///
    /// # Panics
    /// If there are fewer samples.
    pub fn split_off(&mut self, samples: usize) -> Dataset {
        let rest = self
            .len()
            .checked_sub(samples)
            .expect("as many samples as are split off");
        Dataset {
            name: self.name.clone(),
            channels: self.channels,
            image: self.image,
            classes: self.classes,
            pixels: self.pixels.split_off(rest * self.features()),
            labels: self.labels.split_off(rest),
        }
    }
}
