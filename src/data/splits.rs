//! The data sets that a network is trained and evaluated on.

use sha2::{Digest, Sha256};

use super::dataset::{Dataset, Inputs, Targets};
use super::idx::hex;

/// The data sets that an executor holds.
#[derive(Clone, Debug)]
pub struct Splits {
    /// Trained on.
    pub train: Dataset,
    /// Held out of the training set; optional.
    pub validation: Option<Dataset>,
    /// Evaluated on after each epoch.
    pub test: Dataset,
}

/// Names one of the [`Splits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// [`Splits::train`].
    Train,
    /// [`Splits::validation`].
    Validation,
    /// [`Splits::test`].
    Test,
}

impl Splits {
    /// The data set that `split` names.
    ///
    /// # Panics
    /// If there is no validation set and `split` asks for it.
    pub fn get(&self, split: Split) -> &Dataset {
        match split {
            Split::Train => &self.train,
            Split::Validation => {
                let validation = self.validation.as_ref();
                validation.expect("a validation split was asked for without one")
            }
            Split::Test => &self.test,
        }
    }

    /// The sha256 of all sizes, inputs and targets, in hexadecimal digits.
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        let parts = [
            Some(&self.train),
            self.validation.as_ref(),
            Some(&self.test),
        ];
        for data in parts {
            let sizes = data.map_or([0; 4], |data| {
                [data.len(), data.image[0], data.image[1], data.classes]
            });
            for size in sizes {
                hash.update((size as u64).to_le_bytes());
            }
            if let Some(data) = data {
                // Images with at most 256 classes, the only data once, have no tag.
                let bytes = matches!(data.inputs, Inputs::Bytes(_));
                let labels = data.labels().iter().all(|&label| label < 256);
                if !(bytes && labels && !data.is_regression()) {
                    hash.update([
                        u8::from(bytes),
                        u8::from(labels),
                        data.is_regression().into(),
                    ]);
                    hash.update((data.channels as u64).to_le_bytes());
                }
                match &data.inputs {
                    Inputs::Bytes(bytes) => hash.update(bytes),
                    Inputs::Numbers(numbers) => hash.update(bytemuck::cast_slice(numbers)),
                }
                match &data.targets {
                    Targets::Classes(all) if labels => {
                        let bytes: Vec<u8> = all.iter().map(|&label| label as u8).collect();
                        hash.update(bytes);
                    }
                    Targets::Classes(all) => hash.update(bytemuck::cast_slice(all)),
                    Targets::Values(values) => hash.update(bytemuck::cast_slice(values)),
                }
            }
        }
        hex(&hash.finalize())
    }
}
