//! Deep networks beside the table: the norms of the weights of late layers, and sigmoid networks of
//! nine layers, as in the ICML version of the paper.

use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::recipe::{Phase, Recipe};
use super::{Event, Experiment};
use crate::data::Splits;
use crate::error::{Error, Result};
use crate::experiments::{read_json, write_json};
use crate::files::lock;
use crate::kind::{Init, LayerKind};
use crate::nn::LayerParameters;

/// A deep network, trained once on MNIST.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Deep {
    /// `norms` or `sigmoid`.
    pub figure: String,
    /// The kind of layer.
    pub layer: String,
    /// Number of training images, the first of the set.
    pub images: usize,
    /// Test accuracy by epoch, fractions; none if training diverged.
    pub test_accuracy_by_epoch: Option<Vec<f64>>,
    /// ‖W‖ (Frobenius) of each hidden layer.
    pub weight_norms: Vec<f64>,
    /// ‖b‖ of each hidden layer.
    pub bias_norms: Vec<f64>,
    /// Seconds of training and evaluation.
    pub seconds: f64,
    /// How it was trained.
    pub recipe: Recipe,
}

const FILE: &str = "deep.json";

/// The networks: 20 layers of 128 with both kinds of initial weights, and 9 layers of sigmoid; each
/// with its figure and its number of training images.
fn networks() -> Vec<(&'static str, usize, Recipe)> {
    let recipe = |activation: &str, init: Init, hidden_layers, input_range, epochs| Recipe {
        activation: activation.to_owned(),
        form: "dual".to_owned(),
        init: init.name().to_owned(),
        cnn: None,
        hidden_layers,
        width: Some(128),
        input_range,
        mirrored: false,
        batch_size: 32,
        phases: vec![Phase {
            epochs,
            learning_rate: 0.1,
        }],
        quick: false,
    };
    let odd = [0.0, 1.0 - 1e-6];
    vec![
        ("norms", 20_000, recipe("tanh", Init::Random, 20, odd, 3)),
        (
            "norms",
            20_000,
            recipe("tanh", Init::Deterministic, 20, odd, 3),
        ),
        (
            "sigmoid",
            60_000,
            recipe("sigmoid", Init::Random, 9, [0.05, 0.95], 5),
        ),
    ]
}

impl Deep {
    /// The deep networks in `folder` that have been trained so far.
    ///
    /// # Errors
    /// [`Error::Io`] for a file that cannot be read or holds something else.
    pub fn read(folder: &Path) -> Result<Vec<Self>> {
        read_json(&folder.join(FILE))
    }
}

impl Experiment<'_> {
    /// Trains the deep networks that are missing; false if it was stopped.
    pub(super) async fn deep(&self) -> Result<bool> {
        let folder = &self.options.out_dir;
        for (figure, images, mut recipe) in networks() {
            let images = if self.options.quick { 2_000 } else { images };
            recipe.quick = self.options.quick;
            for &layer in LayerKind::ALL {
                let name = layer.name();
                let known = |d: &Deep| d.figure == figure && d.layer == name && d.recipe == recipe;
                if Deep::read(folder)?.iter().any(known) {
                    continue;
                }
                let Some(deep) = self.deep_network(figure, images, layer, &recipe).await? else {
                    return Ok(false);
                };
                // Another process may have finished networks meanwhile.
                let path = folder.join(FILE);
                let _turn = lock::turn_at_file(&path)?;
                let mut all = Deep::read(folder)?;
                all.retain(|other| !known(other));
                all.push(deep);
                write_json(&path, &all)?;
            }
        }
        Ok(true)
    }

    /// Trains one deep network; none if it was stopped.
    async fn deep_network(
        &self,
        figure: &str,
        images: usize,
        layer: LayerKind,
        recipe: &Recipe,
    ) -> Result<Option<Deep>> {
        let data = self.load("mnist", Some((images, 10_000)))?;
        let model = recipe.model(layer, &data.train)?;
        let splits = Splits {
            train: data.train,
            validation: None,
            test: data.test,
        };
        let name = format!("{figure} {} {}", recipe.init, layer.name());
        let started = Instant::now();
        let trained = self.train(&name, &model, recipe, splits, 0..1, None).await;
        let (accuracies, layers) = match trained {
            Ok(None) => return Ok(None),
            Ok(Some(trained)) => {
                let mut parameters = trained.parameters;
                let accuracies = trained.accuracies.iter().flatten().copied().collect();
                (Some(accuracies), parameters.swap_remove(0).layers)
            }
            Err(Error::Diverged { .. }) => (None, Vec::new()),
            Err(error) => return Err(error),
        };
        let norms = |tensor: fn(&LayerParameters<f32>) -> &[f32]| {
            layers.iter().map(|layer| norm(tensor(layer))).collect()
        };
        let deep = Deep {
            figure: figure.to_owned(),
            layer: layer.name().to_owned(),
            images,
            weight_norms: norms(|layer| &layer.weight),
            bias_norms: norms(|layer| &layer.bias),
            test_accuracy_by_epoch: accuracies,
            seconds: started.elapsed().as_secs_f64(),
            recipe: recipe.clone(),
        };
        (self.watch.tell)(Event::Deep {
            name: &name,
            deep: &deep,
        });
        Ok(Some(deep))
    }
}

fn norm(values: &[f32]) -> f64 {
    values
        .iter()
        .map(|&v| f64::from(v).powi(2))
        .sum::<f64>()
        .sqrt()
}
