//! Deep networks beside the table: what the weights of late layers come to, and sigmoid networks of
//! nine layers (the ICML version's).

use std::path::Path;
use std::time::Instant;

use bregman::data::{self, Request};
use bregman::error::{Error, Result};
use bregman::executor::Splits;
use bregman::nn::{Init, LayerKind, LayerParameters};
use serde::{Deserialize, Serialize};

use crate::options::Options;
use crate::recipe::{Phase, Recipe};
use crate::report::{self, percent, say};
use crate::train::{self, Device};

/// A deep network, trained once on MNIST.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Deep {
    /// `norms` or `sigmoid`.
    pub figure: String,
    /// The layer's name.
    pub layer: String,
    /// Training images, the first of the set.
    pub images: usize,
    /// Test accuracy by epoch, fractions; none where training diverged.
    pub test_accuracy_by_epoch: Option<Vec<f64>>,
    /// ‖W‖ (Frobenius) of each hidden layer.
    pub weight_norms: Vec<f64>,
    /// ‖b‖ of each hidden layer.
    pub bias_norms: Vec<f64>,
    /// Seconds that it took.
    pub seconds: f64,
    /// How.
    pub recipe: Recipe,
}

const FILE: &str = "deep.json";

/// What is drawn: 20 layers of 128 from either start, and 9 of sigmoid.
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

/// The deep networks trained so far.
///
/// # Errors
/// [`Error::Io`].
pub fn read(folder: &Path) -> Result<Vec<Deep>> {
    report::read(&folder.join(FILE))
}

/// Trains those that are not there yet; false if it was asked to stop before the last.
///
/// # Errors
/// Those of the data and the device.
pub async fn train(options: &Options, device: &Device) -> Result<bool> {
    for (figure, images, mut recipe) in networks() {
        let images = if options.quick { 2_000 } else { images };
        recipe.quick = options.quick;
        for &layer in LayerKind::ALL {
            let known = read(&options.out_dir)?;
            if known
                .iter()
                .any(|d| d.figure == figure && d.layer == layer.name() && d.recipe == recipe)
            {
                continue;
            }
            let request = Request {
                dataset: Some("mnist".to_owned()),
                data_dir: options.data_dir.clone(),
                limit: Some((images, 10_000)),
            };
            let data = data::load(&request, &mut |_| {})?;
            let model = recipe.model(layer, &data.train)?;
            let splits = Splits {
                train: data.train,
                validation: None,
                test: data.test,
            };
            let name = format!("{figure} {} {}", recipe.init, layer.name());
            let started = Instant::now();
            let trained = train::train(&name, &model, &recipe, splits, 0..1, device, None).await;
            let (accuracies, layers) = match trained {
                Ok(None) => return Ok(false),
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
            let result = match &deep.test_accuracy_by_epoch {
                Some(accuracies) => percent(&accuracies[accuracies.len() - 1..]),
                None => "diverged".to_owned(),
            };
            say(format_args!("{name}: {result}, {:.0} s", deep.seconds));
            let mut all = read(&options.out_dir)?;
            all.push(deep);
            report::write(options.out_dir.join(FILE), &(report::json(&all) + "\n"))?;
        }
    }
    Ok(true)
}

fn norm(values: &[f32]) -> f64 {
    values
        .iter()
        .map(|&v| f64::from(v).powi(2))
        .sum::<f64>()
        .sqrt()
}
