//! Labelled samples.

use crate::error::{Error, Result};
use crate::rng;

/// The features of samples, (samples, features), row-major.
#[derive(Clone, Debug, PartialEq)]
pub enum Inputs {
    /// Bytes, such as the grey levels of images. A network maps 0…255 to its input range.
    Bytes(Vec<u8>),
    /// Numbers. A network takes them unchanged.
    Numbers(Vec<f32>),
}

impl Inputs {
    /// Number of bytes or numbers of all samples together.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Numbers(numbers) => numbers.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Vec<u8>> for Inputs {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<&[u8]> for Inputs {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl From<Vec<f32>> for Inputs {
    fn from(numbers: Vec<f32>) -> Self {
        Self::Numbers(numbers)
    }
}

impl From<&[f32]> for Inputs {
    fn from(numbers: &[f32]) -> Self {
        Self::Numbers(numbers.to_vec())
    }
}

impl<const N: usize> From<&[[f32; N]]> for Inputs {
    fn from(rows: &[[f32; N]]) -> Self {
        Self::Numbers(rows.as_flattened().to_vec())
    }
}

impl<const N: usize, const M: usize> From<&[[f32; N]; M]> for Inputs {
    fn from(rows: &[[f32; N]; M]) -> Self {
        rows[..].into()
    }
}

impl<const N: usize> From<Vec<[f32; N]>> for Inputs {
    fn from(rows: Vec<[f32; N]>) -> Self {
        rows[..].into()
    }
}

impl From<&Vec<f32>> for Inputs {
    fn from(numbers: &Vec<f32>) -> Self {
        numbers[..].into()
    }
}

impl From<&Vec<u8>> for Inputs {
    fn from(bytes: &Vec<u8>) -> Self {
        bytes[..].into()
    }
}

impl<const N: usize> From<&Vec<[f32; N]>> for Inputs {
    fn from(rows: &Vec<[f32; N]>) -> Self {
        rows[..].into()
    }
}

impl From<&Dataset> for Inputs {
    fn from(data: &Dataset) -> Self {
        data.inputs.clone()
    }
}

/// The target of each sample.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// The class of each sample, from 0; (samples).
    Classes(Vec<u32>),
    /// Numbers, (samples, outputs), row-major.
    Values(Vec<f32>),
}

impl Targets {
    /// Those of the samples `indices`; if they are values, each sample has `width` numbers.
    fn select(&self, indices: &[u32], width: usize) -> Self {
        match self {
            Self::Classes(all) => Self::Classes(rows(all, indices, 1)),
            Self::Values(all) => Self::Values(rows(all, indices, width)),
        }
    }
}

impl<T: Into<u32> + Copy> From<&[T]> for Targets {
    fn from(labels: &[T]) -> Self {
        Self::Classes(labels.iter().map(|&label| label.into()).collect())
    }
}

/// The number of classes that these labels require.
fn classes_of(labels: &[u32]) -> usize {
    let largest = labels.iter().max();
    largest.map_or(0, |&label| (label as usize).saturating_add(1))
}

/// Labels of any integer type.
///
/// # Errors
/// [`Error::InvalidValue`] for one that is negative or above 2³² − 1.
fn classes<T: TryInto<u32> + Copy>(labels: &[T]) -> Result<Targets> {
    let numbers = labels.iter().enumerate().map(|(sample, &label)| {
        label.try_into().map_err(|_| Error::InvalidValue {
            field: "labels",
            value: format!("that of sample {sample}"),
            reason: "a label is a number from 0 to 2³² − 1".to_owned(),
        })
    });
    Ok(Targets::Classes(numbers.collect::<Result<_>>()?))
}

/// The rows `indices` of `all`, each of `width` numbers.
fn rows<T: Copy>(all: &[T], indices: &[u32], width: usize) -> Vec<T> {
    let row = |&index: &u32| &all[index as usize * width..][..width];
    indices.iter().flat_map(row).copied().collect()
}

/// Samples with their targets: images or rows of numbers, with classes or numbers to predict.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Its name in reports, such as "mnist" or "digits".
    pub name: String,
    /// Number of colours of a pixel: 1 for grey, 3 for red, green, blue. Rows of numbers have 1.
    pub channels: usize,
    /// Height and width of an image, in pixels. A row of n numbers is an image of 1 × n.
    pub image: [usize; 2],
    /// Number of classes, labels are below it; of values, the number of them that a sample has.
    pub classes: usize,
    /// (samples, channels, height, width), row-major.
    pub inputs: Inputs,
    /// One for each sample.
    pub targets: Targets,
}

impl Dataset {
    /// Images of shape [channels, height, width], one byte a pixel, and the class of each, from 0. There
    /// are as many classes as the largest label asks for.
    ///
    /// ```
    /// use bregman::data::Dataset;
    ///
    /// let pixels = vec![0; 3 * 28 * 28];
    /// let data = Dataset::images(pixels, [1, 28, 28], &[7u8, 2, 1])?;
    /// assert_eq!((data.len(), data.features(), data.classes), (3, 784, 8));
    /// # Ok::<(), bregman::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] unless there are pixels for as many images as labels, at least one, and
    /// [`Error::InvalidValue`] for a negative label.
    pub fn images<T: TryInto<u32> + Copy>(
        pixels: Vec<u8>,
        [channels, height, width]: [usize; 3],
        labels: &[T],
    ) -> Result<Self> {
        let (inputs, targets) = (Inputs::Bytes(pixels), classes(labels)?);
        Self::new("images", [channels, height, width], inputs, targets)
    }

    /// Rows of `N` numbers, and the class of each, from 0. There are as many classes as the largest label
    /// asks for. [`Self::new`] takes rows whose length is known at run time only.
    ///
    /// ```
    /// use bregman::data::Dataset;
    ///
    /// let data = Dataset::classification(&[[0.1, 0.2], [-0.3, 0.4], [0.5, -0.6]], &[0u8, 1, 1])?;
    /// let (train, test) = data.split(0.7, 0)?;
    /// assert_eq!((train.len(), test.len()), (2, 1));
    /// # Ok::<(), bregman::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] unless there are as many rows as labels, at least one, and
    /// [`Error::InvalidValue`] for a number that is not finite and for a negative label.
    pub fn classification<const N: usize, T: TryInto<u32> + Copy>(
        features: &[[f32; N]],
        labels: &[T],
    ) -> Result<Self> {
        let inputs = Inputs::Numbers(features.as_flattened().to_vec());
        Self::new("rows", [1, 1, N], inputs, classes(labels)?)
    }

    /// Rows of `N` numbers, and `M` numbers to predict from each.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there are as many rows of values as of features, at least one, and
    /// [`Error::InvalidValue`] for a number that is not finite.
    pub fn regression<const N: usize, const M: usize>(
        features: &[[f32; N]],
        values: &[[f32; M]],
    ) -> Result<Self> {
        if features.len() != values.len() {
            return Err(Error::Shape {
                operation: "rows of values".to_owned(),
                expected: vec![features.len()],
                found: vec![values.len()],
            });
        }
        let inputs = Inputs::Numbers(features.as_flattened().to_vec());
        let targets = Targets::Values(values.as_flattened().to_vec());
        Self::new("rows", [1, 1, N], inputs, targets)
    }

    /// Samples of shape [channels, height, width], called `name` in reports. With classes, there are as
    /// many as the largest label asks for; with values, each sample has as many as fit.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there are targets for as many samples as there are inputs, at least one,
    /// and [`Error::InvalidValue`] for a number that is not finite.
    pub fn new(
        name: &str,
        [channels, height, width]: [usize; 3],
        inputs: Inputs,
        targets: Targets,
    ) -> Result<Self> {
        let features = channels.saturating_mul(height).saturating_mul(width);
        let samples = inputs.len() / features.max(1);
        let classes = match &targets {
            Targets::Classes(labels) => classes_of(labels),
            Targets::Values(values) => values.len() / samples.max(1),
        };
        let data = Self {
            name: name.to_owned(),
            channels,
            image: [height, width],
            classes,
            inputs,
            targets,
        };
        data.check()?;
        Ok(data)
    }

    /// Fails unless inputs and targets are of the same samples, at least one, and all numbers are finite.
    ///
    /// # Errors
    /// [`Error::Shape`] and [`Error::InvalidValue`].
    pub fn check(&self) -> Result<()> {
        let sides = [self.channels, self.image[0], self.image[1], self.len()];
        let needed = sides
            .into_iter()
            .try_fold(1usize, |product, side| product.checked_mul(side));
        let needed = needed.filter(|&needed| needed > 0);
        if needed != Some(self.inputs.len()) {
            return Err(Error::Shape {
                operation: format!(
                    "inputs of {}, where the targets are those of {} samples",
                    self.name,
                    self.len()
                ),
                expected: vec![
                    self.len().max(1),
                    self.channels,
                    self.image[0],
                    self.image[1],
                ],
                found: vec![self.inputs.len()],
            });
        }
        if let Targets::Values(values) = &self.targets
            && values.len() != self.len() * self.classes
        {
            return Err(Error::Shape {
                operation: format!("values of {}", self.name),
                expected: vec![self.len(), self.classes],
                found: vec![values.len()],
            });
        }
        self.check_finite()
    }

    fn check_finite(&self) -> Result<()> {
        let numbers = |numbers: &[f32], width: usize, field| {
            let bad = numbers.iter().position(|number| !number.is_finite());
            bad.map_or(Ok(()), |at| {
                Err(Error::InvalidValue {
                    field,
                    value: numbers[at].to_string(),
                    reason: format!(
                        "number {} of sample {} of {} must be finite (counted from 0)",
                        at % width,
                        at / width,
                        self.name
                    ),
                })
            })
        };
        if let Inputs::Numbers(all) = &self.inputs {
            numbers(all, self.features(), "features")?;
        }
        if let Targets::Values(all) = &self.targets {
            numbers(all, self.target_width(), "values")?;
        }
        Ok(())
    }

    /// The same samples under another name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// The same samples with `classes` classes; some of these may have no sample.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for fewer than the labels ask for, or for samples without classes.
    pub fn with_classes(mut self, classes: usize) -> Result<Self> {
        let needed = match &self.targets {
            Targets::Classes(labels) => classes_of(labels),
            Targets::Values(_) => usize::MAX,
        };
        if classes < needed {
            return Err(Error::InvalidValue {
                field: "classes",
                value: classes.to_string(),
                reason: match needed {
                    usize::MAX => format!("the targets of {} are numbers", self.name),
                    _ => format!("the labels of {} ask for {needed}", self.name),
                },
            });
        }
        self.classes = classes;
        Ok(self)
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        match &self.targets {
            Targets::Classes(labels) => labels.len(),
            Targets::Values(values) => values.len() / self.classes.max(1),
        }
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of features of a sample: channels × height × width.
    pub fn features(&self) -> usize {
        self.channels * self.image[0] * self.image[1]
    }

    /// The variance of the targets, the mean over the values of a sample; none of classes.
    pub(crate) fn variance(&self) -> Option<f64> {
        let Targets::Values(values) = &self.targets else {
            return None;
        };
        let (width, samples) = (self.classes.max(1), self.len().max(1) as f64);
        let of_column = |j: usize| {
            let column = || values.iter().skip(j).step_by(width).map(|&v| f64::from(v));
            let mean = column().sum::<f64>() / samples;
            column().map(|v| (v - mean).powi(2)).sum::<f64>() / samples
        };
        Some((0..width).map(of_column).sum::<f64>() / width as f64)
    }

    /// Whether the targets are numbers.
    pub fn is_regression(&self) -> bool {
        matches!(self.targets, Targets::Values(_))
    }

    /// Numbers of a sample's target: 1 for a class.
    fn target_width(&self) -> usize {
        match self.targets {
            Targets::Classes(_) => 1,
            Targets::Values(_) => self.classes,
        }
    }

    /// The bytes of images; none if the inputs are numbers.
    pub fn pixels(&self) -> &[u8] {
        match &self.inputs {
            Inputs::Bytes(bytes) => bytes,
            Inputs::Numbers(_) => &[],
        }
    }

    /// The classes; none if the targets are numbers.
    pub fn labels(&self) -> &[u32] {
        match &self.targets {
            Targets::Classes(labels) => labels,
            Targets::Values(_) => &[],
        }
    }

    /// The targets of the samples `indices`, in this order.
    #[doc(hidden)]
    pub fn targets_of(&self, indices: &[u32]) -> Targets {
        self.targets.select(indices, self.classes)
    }

    /// The numbers that a network takes of the samples `indices`, (indices, features): those of `inputs`,
    /// or what `table` has for each byte.
    #[doc(hidden)]
    pub fn values_of(&self, indices: &[u32], table: &[f32; 256]) -> Vec<f32> {
        let features = self.features();
        match &self.inputs {
            Inputs::Bytes(all) => {
                let row = |&index: &u32| &all[index as usize * features..][..features];
                let bytes = indices.iter().flat_map(row);
                bytes.map(|&byte| table[usize::from(byte)]).collect()
            }
            Inputs::Numbers(all) => rows(all, indices, features),
        }
    }

    /// The samples `indices`, in this order.
    ///
    /// # Panics
    /// For an index that is not below the number of samples.
    #[must_use]
    pub fn select(&self, indices: &[u32]) -> Self {
        let features = self.features();
        Self {
            inputs: match &self.inputs {
                Inputs::Bytes(all) => Inputs::Bytes(rows(all, indices, features)),
                Inputs::Numbers(all) => Inputs::Numbers(rows(all, indices, features)),
            },
            targets: self.targets_of(indices),
            ..self.empty()
        }
    }

    /// Its description, without samples.
    fn empty(&self) -> Self {
        Self {
            name: self.name.clone(),
            inputs: match self.inputs {
                Inputs::Bytes(_) => Inputs::Bytes(Vec::new()),
                Inputs::Numbers(_) => Inputs::Numbers(Vec::new()),
            },
            targets: match self.targets {
                Targets::Classes(_) => Targets::Classes(Vec::new()),
                Targets::Values(_) => Targets::Values(Vec::new()),
            },
            ..*self
        }
    }

    /// Two parts: `share` of the samples, for training, and the rest, for testing; drawn by `seed`.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] unless each part gets a sample.
    pub fn split(&self, share: f64, seed: u64) -> Result<(Self, Self)> {
        let first = (share * self.len() as f64).round();
        if !(first >= 1.0 && first < self.len() as f64) {
            return Err(Error::InvalidValue {
                field: "share",
                value: share.to_string(),
                reason: format!("each part of {} samples needs one", self.len()),
            });
        }
        let order = rng::sample_order(seed, 0, self.len());
        let (train, test) = order.split_at(first as usize);
        Ok((self.select(train), self.select(test)))
    }

    /// The images followed by their mirror images, with left and right exchanged.
    #[must_use]
    pub fn with_mirror_images(mut self) -> Self {
        fn mirror<T: Copy>(all: &mut Vec<T>, width: usize) {
            let mut mirrored = all.clone();
            for row in mirrored.chunks_exact_mut(width) {
                row.reverse();
            }
            all.append(&mut mirrored);
        }
        match &mut self.inputs {
            Inputs::Bytes(all) => mirror(all, self.image[1]),
            Inputs::Numbers(all) => mirror(all, self.image[1]),
        }
        match &mut self.targets {
            Targets::Classes(all) => all.extend_from_within(..),
            Targets::Values(all) => all.extend_from_within(..),
        }
        self
    }

    /// Keeps the first `samples`.
    pub fn truncate(&mut self, samples: usize) {
        if samples < self.len() {
            self.split_off(self.len() - samples);
        }
    }

    /// Removes the last `samples` and returns them as a data set of their own.
    ///
    /// # Panics
    /// If there are fewer samples.
    pub fn split_off(&mut self, samples: usize) -> Dataset {
        let rest = self.len().checked_sub(samples);
        let rest = rest.expect("as many samples as are split off");
        let (features, width) = (self.features(), self.target_width());
        let mut part = self.empty();
        part.inputs = match &mut self.inputs {
            Inputs::Bytes(all) => Inputs::Bytes(all.split_off(rest * features)),
            Inputs::Numbers(all) => Inputs::Numbers(all.split_off(rest * features)),
        };
        part.targets = match &mut self.targets {
            Targets::Classes(all) => Targets::Classes(all.split_off(rest * width)),
            Targets::Values(all) => Targets::Values(all.split_off(rest * width)),
        };
        part
    }
}
