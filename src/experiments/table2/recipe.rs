//! The rows of Table 2 and their recipes: one recipe per row, the same for its three layers.

use serde::{Deserialize, Serialize};

use crate::activation::Activation;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::kind::{Form, LayerKind, Loss};
use crate::nn::cnn::{BlockSpec, Dropout};
use crate::nn::{Cnn, Model};
use crate::optim::{self, RateSchedule, Sgd, Shape};

/// A row of the table.
#[derive(Debug)]
pub struct Row {
    /// Its name on the command line and in the results.
    pub name: &'static str,
    /// The name of its data set.
    pub dataset: &'static str,
    /// Its title in the table.
    pub title: &'static str,
    /// Hidden layers of the kind under test.
    hidden_layers: usize,
    /// The paper's accuracies: standard, Euclidean, Bregman.
    paper: [f64; 3],
    /// How its networks are trained.
    settings: Settings,
    /// The settings with which it was compared at the end, on the validation split.
    others: &'static [Settings],
}

/// The choices of a recipe.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    activation: &'static str,
    /// [low, high] of the inputs.
    input_range: [f32; 2],
    batch_size: usize,
    /// The convolutions that come first, and the dropout of their features.
    cnn: Option<(&'static [BlockSpec], f32)>,
    /// Whether the training set has the mirror image of each of its images, too.
    mirrored: bool,
    /// Epochs and learning rates. The rate falls twice, to a fifth, against the noise of mini-batches: at
    /// the first rate the mean accuracy of five runs falls by up to 1.4 points from an epoch to the next,
    /// at the others by less than 0.2.
    phases: &'static [(u32, f32)],
}

/// The settings of most networks.
const USUAL: Settings = Settings {
    activation: "tanh",
    // The background lands at ρ⁻¹(0) = 0, where the slope is largest.
    input_range: [0.0, 1.0 - 1e-6],
    batch_size: 32,
    cnn: None,
    mirrored: false,
    phases: &[(8, 0.1), (2, 0.02), (2, 0.004)],
};

/// 32, 64 and 128 filters, 28 × 28 → 14 × 14 → 7 × 7 → 3 × 3: 1152 features.
const THREE_BLOCKS: &[BlockSpec] = &[
    BlockSpec::same(32, 3),
    BlockSpec::same(64, 3),
    BlockSpec {
        // Windows that overlap reach the last row and column of seven.
        pool: Some([3, 2]),
        ..BlockSpec::same(128, 3)
    },
];

/// One and a half times as many filters in the first two blocks: 1152 features.
const WIDER_BLOCKS: &[BlockSpec] = &[
    BlockSpec::same(48, 3),
    BlockSpec::same(96, 3),
    BlockSpec {
        pool: Some([3, 2]),
        ..BlockSpec::same(128, 3)
    },
];

/// 32, 64, 128 and 256 filters, 32 × 32 → 16 × 16 → 8 × 8 → 4 × 4 → 2 × 2: 1024 features. The last
/// block has fewer parameters than the square layer of the 2048 features before it would.
const FOUR_BLOCKS: &[BlockSpec] = &[
    BlockSpec::same(32, 3),
    BlockSpec::same(64, 3),
    BlockSpec::same(128, 3),
    BlockSpec::same(256, 3),
];

impl Row {
    /// The row with this name.
    ///
    /// # Errors
    /// [`Error::UnknownName`].
    pub fn by_name(name: &str) -> Result<&'static Self> {
        let found = ROWS.iter().find(|row| row.name == name);
        found.ok_or_else(|| Error::UnknownName {
            kind: "row",
            name: name.to_owned(),
            known: ROWS.each_ref().map(|row| row.name).join(", "),
        })
    }

    /// The settings of the row, then those that they were compared with. Smaller trials came before.
    pub fn grid(&self) -> impl Iterator<Item = Settings> {
        std::iter::once(self.settings).chain(self.others.iter().copied())
    }

    /// The convolutions, with dropout of the features.
    fn front_end(&self, settings: &Settings) -> Option<Cnn> {
        let shape = match self.dataset {
            "cifar10" => [3, 32, 32],
            _ => [1, 28, 28],
        };
        let (blocks, probability) = settings.cnn?;
        let dropout = Dropout { probability };
        let cnn = Cnn::new(&Activation::RELU, shape, blocks)
            .and_then(|cnn| cnn.with_dropout(dropout))
            .expect("the windows of these blocks fit into the images");
        Some(cnn)
    }

    /// The paper's accuracy, a fraction.
    pub fn paper(&self, layer: LayerKind) -> f64 {
        let column = LayerKind::ALL.iter().position(|&kind| kind == layer);
        self.paper[column.expect("every kind is in the list")]
    }
}

/// The table, top to bottom.
pub const ROWS: [Row; 7] = [
    Row {
        name: "mnist-1",
        dataset: "mnist",
        title: "MNIST, 1 hidden layer",
        hidden_layers: 1,
        paper: [0.9527, 0.9398, 0.9740],
        settings: USUAL,
        others: &[],
    },
    Row {
        name: "mnist-3",
        dataset: "mnist",
        title: "MNIST, 3 hidden layers",
        hidden_layers: 3,
        paper: [0.9789, 0.9832, 0.9841],
        settings: Settings {
            phases: &[(20, 0.1), (4, 0.02), (2, 0.004)],
            ..USUAL
        },
        others: &[Settings {
            phases: &[(10, 0.1), (3, 0.02), (2, 0.004)],
            ..USUAL
        }],
    },
    Row {
        name: "mnist-cnn",
        dataset: "mnist",
        title: "MNIST, CNN + 1 hidden layer",
        hidden_layers: 1,
        paper: [0.9939, 0.9935, 0.9940],
        settings: Settings {
            activation: "arcsinh",
            input_range: [-0.5, 2.75],
            cnn: Some((THREE_BLOCKS, 0.5)),
            phases: &[(8, 0.1), (2, 0.02), (2, 0.004)],
            ..USUAL
        },
        others: &[],
    },
    Row {
        name: "fashion-1",
        dataset: "fashion-mnist",
        title: "Fashion-MNIST, 1 hidden layer",
        hidden_layers: 1,
        paper: [0.8911, 0.8901, 0.8939],
        settings: Settings {
            phases: &[(40, 0.1), (8, 0.02), (4, 0.004)],
            ..USUAL
        },
        others: &[
            Settings {
                phases: &[(24, 0.1), (6, 0.02), (4, 0.004)],
                ..USUAL
            },
            Settings {
                phases: &[(30, 0.05), (8, 0.01), (4, 0.002)],
                ..USUAL
            },
            Settings {
                batch_size: 64,
                phases: &[(40, 0.1), (8, 0.02), (4, 0.004)],
                ..USUAL
            },
            Settings {
                input_range: [-0.5, 0.5],
                phases: &[(24, 0.1), (6, 0.02), (4, 0.004)],
                ..USUAL
            },
            Settings {
                activation: "scaled-arctan",
                phases: &[(24, 0.1), (6, 0.02), (4, 0.004)],
                ..USUAL
            },
        ],
    },
    Row {
        name: "fashion-3",
        dataset: "fashion-mnist",
        title: "Fashion-MNIST, 3 hidden layers",
        hidden_layers: 3,
        paper: [0.8861, 0.8938, 0.8995],
        settings: Settings {
            phases: &[(12, 0.1), (4, 0.02), (2, 0.004)],
            ..USUAL
        },
        others: &[],
    },
    Row {
        name: "fashion-cnn",
        dataset: "fashion-mnist",
        title: "Fashion-MNIST, CNN + 1 hidden layer",
        hidden_layers: 1,
        paper: [0.9247, 0.9255, 0.9319],
        settings: Settings {
            activation: "arcsinh",
            input_range: [-0.75, 2.0],
            cnn: Some((THREE_BLOCKS, 0.5)),
            mirrored: true,
            phases: &[(9, 0.1), (4, 0.02), (2, 0.004)],
            ..USUAL
        },
        others: &[Settings {
            activation: "arcsinh",
            input_range: [-0.75, 2.0],
            cnn: Some((WIDER_BLOCKS, 0.5)),
            mirrored: true,
            phases: &[(9, 0.1), (4, 0.02), (2, 0.004)],
            ..USUAL
        }],
    },
    Row {
        name: "cifar10-cnn",
        dataset: "cifar10",
        title: "CIFAR-10, CNN + 1 hidden layer",
        hidden_layers: 1,
        paper: [0.7802, 0.7800, 0.7995],
        settings: Settings {
            activation: "arcsinh",
            input_range: [-2.0, 2.0],
            cnn: Some((FOUR_BLOCKS, 0.5)),
            mirrored: true,
            phases: &[(5, 0.1), (2, 0.02), (1, 0.004)],
            ..USUAL
        },
        others: &[],
    },
];

/// The learning rates of the second table.
pub const LEARNING_RATES: [f32; 7] = [0.01, 0.03, 0.1, 0.3, 0.5, 1.0, 2.0];

/// The recipe of a cell: all settings on which its accuracy depends, except the seeds, which are 0, 1, ….
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// ρ.
    pub activation: String,
    /// Form of Bregman layers.
    pub form: String,
    /// Initial weights.
    pub init: String,
    /// The convolutions before the layers, as checkpoints describe them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnn: Option<String>,
    /// Hidden layers, of as many neurons as there are inputs.
    pub hidden_layers: usize,
    /// Neurons of a hidden layer, if their number is not that of the inputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
    /// [low, high] of the inputs.
    pub input_range: [f32; 2],
    /// Whether the training set has the mirror image of each of its images, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mirrored: bool,
    /// Samples of a mini-batch.
    pub batch_size: usize,
    /// Epochs at each learning rate, in order.
    pub phases: Vec<Phase>,
    /// Whether only 2,000 training and 1,000 test images were used.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub quick: bool,
}

/// Some epochs at one learning rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Number of epochs.
    pub epochs: u32,
    /// The learning rate of plain SGD.
    pub learning_rate: f32,
}

impl Recipe {
    /// The recipe of a row, in `epochs` epochs if they are given (else its own number, or one if it
    /// is to be quick).
    pub fn of(row: &Row, epochs: Option<u32>, quick: bool) -> Self {
        Self::with(row, &row.settings, epochs, quick)
    }

    /// [`Self::of`] with different settings.
    pub fn with(row: &Row, settings: &Settings, epochs: Option<u32>, quick: bool) -> Self {
        let epochs = epochs.or(quick.then_some(1));
        Self {
            activation: settings.activation.to_owned(),
            form: Form::Dual.name().to_owned(),
            init: "random".to_owned(),
            cnn: row.front_end(settings).map(|cnn| cnn.to_json()),
            hidden_layers: row.hidden_layers,
            width: None,
            input_range: settings.input_range,
            mirrored: settings.mirrored,
            batch_size: settings.batch_size,
            phases: phases(settings.phases, epochs),
            quick,
        }
    }

    /// The recipe with a third of the epochs, at one rate.
    pub fn at_constant(mut self, learning_rate: f32) -> Self {
        let epochs = self.epochs().div_ceil(3);
        self.phases = vec![Phase {
            epochs,
            learning_rate,
        }];
        self
    }

    /// Number of epochs in all phases.
    pub fn epochs(&self) -> u32 {
        self.phases.iter().map(|phase| phase.epochs).sum()
    }

    /// The recipe with which an executor trains runs with seeds from `seed` on, `first_step` steps of which are
    /// done: the rates of the phases are the factors of a rate of 1.
    pub fn training(&self, seed: u64, first_step: u64) -> optim::Recipe {
        let phase = |phase: &Phase| optim::Phase {
            epochs: phase.epochs,
            factor: phase.learning_rate.into(),
        };
        let sgd = Sgd {
            batch_size: self.batch_size,
            learning_rate: 1.0,
        };
        let mut recipe = optim::Recipe::from(sgd);
        recipe.runs[0].seed = seed;
        optim::Recipe {
            schedule: RateSchedule {
                shape: Shape::Phases(self.phases.iter().map(phase).collect()),
                warm_up: 0.0,
            },
            epochs: self.epochs(),
            first_step,
            ..recipe
        }
    }

    /// The images to train on, made of those that are `left` for training.
    pub fn training_set(&self, left: Dataset) -> Dataset {
        if self.mirrored {
            left.with_mirror_images()
        } else {
            left
        }
    }

    /// The network for `data`.
    ///
    /// # Errors
    /// Those of [`Model::new`].
    pub fn model(&self, layer: LayerKind, data: &Dataset) -> Result<Model> {
        let cnn = self.cnn.as_deref().map(Cnn::from_json).transpose()?;
        let features = cnn.as_ref().map_or(data.features(), Cnn::features);
        let mut widths = vec![self.width.unwrap_or(features); self.hidden_layers + 1];
        widths[0] = features;
        let [low, high] = self.input_range;
        let model = Model::new(
            layer,
            Form::by_name(&self.form)?,
            Activation::by_name(&self.activation)?,
            Loss::CrossEntropy,
            &widths,
            data.classes,
        )?
        .with_input_range(low, high)?;
        match cnn {
            Some(cnn) => model.with_cnn(cnn),
            None => Ok(model),
        }
    }

    /// The recipe in one line.
    pub fn describe(&self) -> String {
        let phases = self.phases.iter().map(|phase| {
            let Phase {
                epochs,
                learning_rate,
            } = phase;
            format!("{epochs} at {learning_rate}")
        });
        let [low, high] = self.input_range;
        let cnn = self.cnn.as_deref().and_then(|cnn| Cnn::from_json(cnn).ok());
        let cnn = cnn.map_or(String::new(), |cnn| {
            let filters = cnn
                .blocks
                .iter()
                .map(|block| block.conv.filters.to_string());
            let dropout = cnn.dropout.map_or(0.0, |dropout| dropout.probability);
            format!(
                "{} filters, dropout {dropout}, ",
                filters.collect::<Vec<_>>().join("-")
            )
        });
        format!(
            "{}, inputs in [{low}, {high}]{}, {cnn}batches of {}, epochs: {}{}",
            self.activation,
            if self.mirrored { " and mirrored" } else { "" },
            self.batch_size,
            phases.collect::<Vec<_>>().join(", "),
            if self.quick { ", 2,000 images" } else { "" },
        )
    }
}

/// The phases of a row, or the same parts of `epochs` epochs, each end rounded to the nearest.
fn phases(row: &[(u32, f32)], epochs: Option<u32>) -> Vec<Phase> {
    let own: u32 = row.iter().map(|phase| phase.0).sum();
    let epochs = epochs.unwrap_or(own);
    let (mut passed, mut first) = (0, 0);
    let mut phases = Vec::new();
    for &(part, learning_rate) in row {
        passed += part;
        let end = (passed * epochs + own / 2) / own;
        phases.push(Phase {
            epochs: end - first,
            learning_rate,
        });
        first = end;
    }
    phases.retain(|phase| phase.epochs > 0);
    phases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_keep_their_parts() {
        let row = [(5, 0.1), (2, 0.02), (1, 0.004)];
        let counts = |epochs| {
            let phases = phases(&row, epochs);
            phases.iter().map(|p| p.epochs).collect::<Vec<_>>()
        };
        assert_eq!(counts(None), [5, 2, 1]);
        assert_eq!(counts(Some(16)), [10, 4, 2]);
        assert_eq!(counts(Some(3)), [2, 1]);
        assert_eq!(counts(Some(1)), [1]);
        for epochs in 1..100 {
            assert_eq!(counts(Some(epochs)).iter().sum::<u32>(), epochs);
        }
    }
}
