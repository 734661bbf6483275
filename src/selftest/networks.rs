//! Training on any executor compared with the reference: a table of networks, a data set, and the
//! tolerance between an executor and the reference.

use super::checks::Checks;
use crate::activation::Activation;
use crate::data::{Dataset, Inputs, Split, Splits, Targets};
use crate::error::Result;
use crate::executor::{BatchMetrics, Executor};
use crate::gpu::PlanOptions;
pub use crate::kind::KINDS;
use crate::kind::{Form, Init, LayerKind, Loss, Storage};
use crate::nn::cnn::{BlockSpec, Cnn, Dropout};
use crate::nn::{LayerSpec, Model, Parameters};
use crate::optim::{RateSchedule, Recipe, Rule, RunSettings, Sgd, Shape};
use crate::reference::Reference;
use crate::rng::{self, Purpose, Stream};

/// R of each case.
pub const REALIZATIONS: usize = 2;
/// The seed of the first realization.
pub const SEED: u64 = 41;

/// Two epochs of five steps, the last one short.
pub const EPOCHS: u32 = 2;
/// The training of each case.
pub const SGD: Sgd = Sgd {
    batch_size: 8,
    learning_rate: 0.1,
};
/// Samples of the training split.
pub const TRAIN_SAMPLES: usize = 37;

/// Features of a sample; a prime.
const FEATURES: usize = 13;
/// Channels, height and width of the images of networks without convolutions, where they are images.
const IMAGE: [usize; 3] = [2, 3, 5];

/// The kernels that train a network on an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// A layer in a dispatch or two.
    Fused,
    /// Each operation in a dispatch of its own.
    Unfused,
    /// Many steps of a small network in one dispatch.
    Small,
}

impl Path {
    /// The plan of a network that takes this path, in single precision.
    pub fn options(self, realizations: usize, recipe: impl Into<Recipe>) -> PlanOptions {
        PlanOptions {
            realizations,
            recipe: recipe.into(),
            fused: self != Self::Unfused,
            storage: Storage::F32,
            small: self == Self::Small,
        }
    }
}

/// A network under test.
#[derive(Clone)]
pub struct Case {
    /// Layers, form, activation and widths.
    pub name: String,
    /// The network.
    pub model: Model,
}

/// Each kind of layer with each activation, in both forms, with and without M, and each loss.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (kind, form) in KINDS {
        for activation in Activation::ALL {
            for widths in [&[13, 13, 13][..], &[13, 7, 7, 11]] {
                let model = Model::new(kind, form, activation, Loss::CrossEntropy, widths, 5);
                let form = if kind == LayerKind::Bregman {
                    form.name()
                } else {
                    ""
                };
                cases.push(Case {
                    name: format!("{} {form} {} {widths:?}", kind.name(), activation.name),
                    model: model.expect("a valid network"),
                });
            }
        }
    }
    for (loss, outputs) in [1, 5]
        .map(|n| Loss::OF_VALUES.map(|loss| (loss, n)))
        .into_iter()
        .flatten()
    {
        let tanh = &Activation::TANH;
        let model = Model::new(
            LayerKind::Bregman,
            Form::Dual,
            tanh,
            loss,
            &[13, 13, 4],
            outputs,
        );
        cases.push(Case {
            name: format!("{}, {outputs} outputs", loss.name()),
            model: model.expect("a valid network"),
        });
    }
    // Lines of a multiple of 4, a bias that has workgroups of its own, and more classes than the head's kernel
    // takes on to the layer below.
    for (widths, outputs) in [(&[13, 32, 32][..], 8), (&[13, 13], 40)] {
        let (kind, loss) = (LayerKind::Bregman, Loss::CrossEntropy);
        let model = Model::new(kind, Form::Dual, &Activation::TANH, loss, widths, outputs);
        cases.push(Case {
            name: format!("bregman dual tanh {widths:?}, {outputs} classes"),
            model: model.expect("a valid network"),
        });
    }
    cases
}

/// Convolutions before each kind of layer, with different kernels, strides and paddings, with each
/// activation of a convolution, with and without pooling, dropout and M.
pub fn cnn_cases() -> Vec<Case> {
    let block = |filters, kernel, stride, padding, pool| BlockSpec {
        filters,
        kernel,
        stride,
        padding,
        pool,
    };
    // 2 × 9 × 7 → 3 × 4 × 4 → 4 × 2 × 1; 3 × 8 × 11 → 5 × 2 × 3.
    let two = [
        block(3, [3, 2], 1, 1, Some([2, 2])),
        block(4, [2, 3], 2, 0, None),
    ];
    let one = [block(5, [5, 4], 2, 2, Some([3, 1]))];
    let conv_activations: Vec<&'static Activation> =
        Activation::ALL.iter().chain([&Activation::RELU]).collect();
    let mut cases = Vec::new();
    for (kind, form) in KINDS {
        for activation in [&Activation::TANH, &Activation::SIN, &Activation::SOFTPLUS] {
            for (image, blocks, hidden) in [
                ([2, 9, 7], &two[..], &[8, 8][..]),
                ([3, 8, 11], &one[..], &[7, 7]),
            ] {
                let conv_activation = match blocks.len() {
                    1 => &Activation::RELU,
                    _ => conv_activations[cases.len() % conv_activations.len()],
                };
                let mut cnn = Cnn::new(conv_activation, image, blocks).expect("blocks that fit");
                if cases.len() % 3 == 0 {
                    let dropout = Dropout { probability: 0.25 };
                    cnn = cnn.with_dropout(dropout).expect("a probability");
                }
                let widths = [&[cnn.features()], hidden].concat();
                let model = Model::new(kind, form, activation, Loss::CrossEntropy, &widths, 5);
                let model = model.expect("a valid network").with_cnn(cnn);
                let form = if kind == LayerKind::Bregman {
                    form.name()
                } else {
                    ""
                };
                cases.push(Case {
                    name: format!(
                        "{} {form} {} behind {} blocks of {}",
                        kind.name(),
                        activation.name,
                        blocks.len(),
                        conv_activation.name,
                    ),
                    model: model.expect("as many features"),
                });
            }
        }
    }
    cases
}

/// Networks whose layers differ in kind, form and activation: each way from one layer to the next, with and
/// without M, some with clamps that act, and behind convolutions.
pub fn mixed_cases() -> Vec<Case> {
    let of = |kind, form, activation, width| LayerSpec::new(kind, form, activation, width);
    let standard = |activation, width| of(LayerKind::Standard, Form::Dual, activation, width);
    let euclidean = |activation, width| of(LayerKind::Euclidean, Form::Dual, activation, width);
    let dual = |activation, width| of(LayerKind::Bregman, Form::Dual, activation, width);
    let primal = |activation, width| of(LayerKind::Bregman, Form::Primal, activation, width);
    let pass = |spec| LayerSpec {
        dual_passage: true,
        ..spec
    };
    let networks: [&[LayerSpec]; 14] = [
        // One activation: the dual variable is carried between layers in dual form only.
        &[
            standard(&Activation::TANH, 13),
            dual(&Activation::TANH, 13),
            dual(&Activation::TANH, 13),
        ],
        &[
            dual(&Activation::TANH, 9),
            primal(&Activation::TANH, 9),
            dual(&Activation::TANH, 9),
            dual(&Activation::TANH, 9),
        ],
        &[
            euclidean(&Activation::SIN, 13),
            dual(&Activation::SIN, 13),
            dual(&Activation::SIN, 13),
            primal(&Activation::SIN, 7),
        ],
        // Ranges that do not fit: through the dual space, from either form, with and without M.
        &[
            dual(&Activation::TANH, 13),
            pass(dual(&Activation::SOFTPLUS, 13)),
            dual(&Activation::SOFTPLUS, 13),
        ],
        &[
            dual(&Activation::TANH, 13),
            pass(dual(&Activation::SOFTPLUS, 8)),
            pass(primal(&Activation::SIGMOID, 8)),
        ],
        &[
            standard(&Activation::TANH, 13),
            pass(dual(&Activation::SIGMOID, 13)),
            dual(&Activation::SIGMOID, 13),
        ],
        &[
            primal(&Activation::ARCTAN, 13),
            pass(primal(&Activation::TANH, 6)),
            pass(dual(&Activation::SIGMOID, 6)),
        ],
        // Into and out of an activation that limits the dual variable.
        &[
            dual(&Activation::ARCTAN, 13),
            pass(dual(&Activation::SIN, 13)),
            dual(&Activation::SIN, 13),
            pass(dual(&Activation::SOFTPLUS, 13)),
        ],
        // Ranges that lie in one another.
        &[
            dual(&Activation::SIGMOID, 13),
            dual(&Activation::TANH, 13),
            primal(&Activation::ARCSINH, 13),
        ],
        &[
            dual(&Activation::TANH, 13),
            dual(&Activation::ARCSINH, 7),
            primal(&Activation::IDENTITY, 7),
        ],
        &[
            dual(&Activation::SIN, 13),
            dual(&Activation::TANH, 13),
            primal(&Activation::SIN, 5),
        ],
        // Layers without an inverse take anything.
        &[
            standard(&Activation::TANH, 13),
            euclidean(&Activation::SOFTPLUS, 13),
            dual(&Activation::ARCSINH, 13),
        ],
        &[
            dual(&Activation::SOFTPLUS, 13),
            euclidean(&Activation::SIGMOID, 7),
            standard(&Activation::ARCTAN, 9),
            euclidean(&Activation::TANH, 4),
        ],
        &[
            primal(&Activation::TANH, 13),
            standard(&Activation::SOFTPLUS, 13),
            euclidean(&Activation::SIN, 13),
        ],
    ];
    let case = |model: Model, note: &str| Case {
        name: format!("{}{note}", names(&model)),
        model,
    };
    let model = |inputs, specs: &[LayerSpec]| {
        let model = Model::from_layers(inputs, specs, Loss::CrossEntropy, 5);
        model.expect("a valid network")
    };
    let mut cases: Vec<Case> = (networks.iter())
        .map(|specs| case(model(FEATURES, specs), ""))
        .collect();
    // Each layer's clamp is another.
    for (specs, last) in [
        (
            [
                dual(&Activation::SIGMOID, 13),
                dual(&Activation::TANH, 13),
                primal(&Activation::ARCTAN, 13),
            ],
            [0.35, 0.55],
        ),
        (
            [
                standard(&Activation::SIGMOID, 13),
                dual(&Activation::TANH, 7),
                pass(dual(&Activation::SIGMOID, 7)),
            ],
            [0.35, 0.55],
        ),
        (
            [
                primal(&Activation::TANH, 13),
                pass(dual(&Activation::SIGMOID, 13)),
                dual(&Activation::ARCTAN, 13),
            ],
            [0.35, 0.64],
        ),
    ] {
        let mut model = model(FEATURES, &specs);
        let clamps = [[0.42, 0.71], [0.47, 0.58], last];
        for (layer, clamp) in model.layers.iter_mut().zip(clamps) {
            layer.clamp = clamp;
        }
        cases.push(case(model, ", clamped"));
    }
    let block = BlockSpec {
        filters: 5,
        kernel: [5, 4],
        stride: 2,
        padding: 2,
        pool: Some([3, 1]),
    };
    for specs in [
        &[
            dual(&Activation::SIN, 20),
            dual(&Activation::TANH, 20),
            pass(dual(&Activation::SOFTPLUS, 20)),
        ][..],
        &[standard(&Activation::TANH, 7), dual(&Activation::TANH, 7)],
        &[
            primal(&Activation::SIGMOID, 20),
            pass(dual(&Activation::TANH, 20)),
            euclidean(&Activation::SOFTPLUS, 4),
        ],
    ] {
        let cnn = Cnn::new(&Activation::RELU, [2, 8, 7], &[block]).expect("blocks that fit");
        let model = model(cnn.features(), specs).with_cnn(cnn);
        cases.push(case(
            model.expect("as many features"),
            ", behind convolutions",
        ));
    }
    cases
}

/// Networks of three layers in which the second takes its input from the first in every way there is: each
/// kind and form above each, with and without M, with one activation, ranges that lie in one another, or a
/// dual passage, into and out of an activation that limits the dual variable.
pub fn neighbours() -> Vec<Case> {
    let pairs: [(&Activation, &Activation, bool); 8] = [
        (&Activation::TANH, &Activation::TANH, false),
        (&Activation::SIN, &Activation::SIN, false),
        (&Activation::TANH, &Activation::ARCSINH, false),
        (&Activation::SIN, &Activation::TANH, false),
        (&Activation::SIGMOID, &Activation::SIN, false),
        (&Activation::TANH, &Activation::SOFTPLUS, true),
        (&Activation::ARCTAN, &Activation::SIN, true),
        (&Activation::SIN, &Activation::SOFTPLUS, true),
    ];
    let mut cases = Vec::new();
    for (below, above, passes) in pairs {
        for (below_kind, below_form) in KINDS {
            for (kind, form) in KINDS {
                for width in [13, 6] {
                    // Only Bregman layers have a passage.
                    let dual_passage = passes && kind == LayerKind::Bregman;
                    let second = LayerSpec {
                        dual_passage,
                        ..LayerSpec::new(kind, form, above, width)
                    };
                    let specs = [
                        LayerSpec::new(below_kind, below_form, below, FEATURES),
                        second,
                        LayerSpec::new(LayerKind::Bregman, Form::Dual, above, width),
                    ];
                    let model = Model::from_layers(FEATURES, &specs, Loss::CrossEntropy, 5);
                    let model = model.expect("ranges that fit");
                    let name = names(&model);
                    cases.push(Case { name, model });
                }
            }
        }
    }
    cases
}

/// The layers of a network, in words.
fn names(model: &Model) -> String {
    let layers = model.layers.iter().map(|layer| {
        let form = match layer.kind {
            LayerKind::Bregman => format!(" {}", layer.form.name()),
            _ => String::new(),
        };
        let pass = if layer.dual_passage { " pass" } else { "" };
        let (kind, activation) = (layer.kind.name(), layer.activation.name);
        format!("{kind}{form} {activation} {}{pass}", layer.shape.outputs)
    });
    layers.collect::<Vec<_>>().join(", ")
}

/// Every optimizer, schedule and limit of the gradient's norm, with settings that differ between
/// realizations, on a network with M, one without, one whose layers differ, and one behind convolutions
/// with dropout.
pub fn optimizer_cases() -> Vec<(Case, Recipe)> {
    let plain = Recipe {
        epochs: EPOCHS,
        ..SGD.into()
    };
    let run = |learning_rate, momentum, weight_decay, seed| RunSettings {
        seed,
        learning_rate,
        momentum,
        weight_decay,
    };
    let runs = |first, second| vec![first, second];
    // ε is far above the rounding of a gradient that is 0, which else decides the sign of a step.
    let adam = |betas, decoupled| Rule::Adam {
        betas,
        epsilon: 1e-3,
        decoupled,
    };
    let schedule = |shape, warm_up| RateSchedule { shape, warm_up };
    let recipes = [
        (
            "momentum",
            Recipe {
                runs: runs(run(0.1, 0.9, 0.0, 7), run(0.03, 0.5, 0.0, 1 << 40)),
                ..plain.clone()
            },
        ),
        (
            "Nesterov's momentum, weight decay, exponential",
            Recipe {
                rule: Rule::Sgd { nesterov: true },
                runs: runs(run(0.1, 0.9, 0.01, 3), run(0.1, 0.8, 0.1, 4)),
                schedule: schedule(Shape::Exponential { factor: 0.5 }, 0.0),
                ..plain.clone()
            },
        ),
        (
            "weight decay, step",
            Recipe {
                runs: runs(run(0.1, 0.0, 0.05, 3), run(0.1, 0.0, 0.0, 4)),
                schedule: schedule(
                    Shape::Step {
                        epochs: 1,
                        factor: 0.25,
                    },
                    0.0,
                ),
                ..plain.clone()
            },
        ),
        (
            "Adam, cosine after warm-up",
            Recipe {
                rule: adam([0.9, 0.999], false),
                runs: runs(run(0.02, 0.0, 0.02, 3), run(0.01, 0.0, 0.0, 4)),
                schedule: schedule(Shape::Cosine { last: 0.1 }, 0.6),
                ..plain.clone()
            },
        ),
        (
            "AdamW, linear, steps done before",
            Recipe {
                rule: adam([0.8, 0.9], true),
                runs: runs(run(0.02, 0.0, 0.5, 3), run(0.01, 0.0, 0.1, 4)),
                schedule: schedule(Shape::Linear { last: 0.5 }, 0.0),
                first_step: 3,
                epochs: 4,
                ..plain.clone()
            },
        ),
        (
            "momentum, limited norm",
            Recipe {
                clip_norm: Some(0.05),
                runs: runs(run(0.5, 0.9, 0.01, 7), run(0.3, 0.5, 0.0, 8)),
                ..plain.clone()
            },
        ),
        (
            "AdamW, limited norm",
            Recipe {
                rule: adam([0.9, 0.99], true),
                clip_norm: Some(0.02),
                runs: vec![run(0.02, 0.0, 0.1, 3)],
                ..plain.clone()
            },
        ),
        (
            "SGD, a norm below the limit",
            Recipe {
                clip_norm: Some(1e6),
                ..plain
            },
        ),
    ];
    let mut cases = Vec::new();
    let expected = 5 * recipes.len();
    for (name, recipe) in recipes {
        for network in [
            "bregman dual tanh [13, 13, 13]",
            "bregman dual tanh [13, 7, 7, 11]",
        ] {
            let known = self::cases().into_iter();
            cases.extend(known.filter(|case| case.name == network).map(|case| {
                let name = format!("{name}: {}", case.name);
                (Case { name, ..case }, recipe.clone())
            }));
        }
        // Layers of different activations without a passage, and with one, both with M.
        let mixed = |case: &Case| {
            let names = [
                "dual tanh 13, bregman dual arcsinh 7, bregman primal identity 7",
                "dual tanh 13, bregman dual softplus 8 pass, bregman primal sigmoid 8 pass",
            ];
            names.iter().any(|name| case.name.contains(name))
        };
        let known = mixed_cases().into_iter().filter(mixed);
        cases.extend(known.map(|case| {
            let name = format!("{name}: {}", case.name);
            (Case { name, ..case }, recipe.clone())
        }));
        let drops = |case: &Case| case.model.cnn.as_ref().is_some_and(|c| c.dropout.is_some());
        let behind = cnn_cases().into_iter().filter(drops).take(1);
        cases.extend(behind.map(|case| {
            let name = format!("{name}: {}", case.name);
            (Case { name, ..case }, recipe.clone())
        }));
    }
    assert_eq!(cases.len(), expected, "five networks for each recipe");
    cases
}

/// Networks that one workgroup trains: each kind of layer with each activation, in both forms, of different
/// widths and depths, with each loss, and with each optimizer that they may have. The batches are odd, and the
/// last one has two samples.
pub fn small_cases() -> Vec<(Case, Recipe)> {
    let sgd = Sgd {
        batch_size: 7,
        ..SGD
    };
    let case = |kind: LayerKind, form: Form, activation, loss, widths: &[usize], outputs| {
        let model = Model::new(kind, form, activation, loss, widths, outputs);
        let model: Model = model.expect("a valid network");
        let [kind, form, loss] = [kind.name(), form.name(), model.loss.name()];
        let name = format!(
            "{kind} {form} {} {widths:?}, {loss}",
            model.activation_name()
        );
        (Case { name, model }, Recipe::from(sgd))
    };
    let mut cases = Vec::new();
    for (k, (kind, form)) in KINDS.into_iter().enumerate() {
        for (i, activation) in Activation::ALL.iter().enumerate() {
            let width = [2, 7, 16, 13][(i + k) % 4];
            let widths = vec![width; 2 + (i + k) % 3];
            let loss = Loss::OF_CLASSES[i % Loss::OF_CLASSES.len()];
            cases.push(case(kind, form, activation, loss, &widths, 5));
        }
    }
    let (dual, tanh) = (Form::Dual, &Activation::TANH);
    for loss in Loss::OF_VALUES {
        for outputs in [1, 5] {
            cases.push(case(LayerKind::Bregman, dual, tanh, loss, &[7; 3], outputs));
        }
    }
    // The first layer of a standard network may have another width, and no M.
    let standard = LayerKind::Standard;
    for widths in [&[13, 6, 6][..], &[3, 16]] {
        cases.push(case(standard, dual, tanh, Loss::CrossEntropy, widths, 5));
    }
    // 19 KiB.
    let wide = [32; 4];
    cases.push(case(
        LayerKind::Bregman,
        dual,
        tanh,
        Loss::CrossEntropy,
        &wide,
        5,
    ));
    let takes = |(case, recipe): &(Case, Recipe)| {
        let one_width = case.name.ends_with("[13, 13, 13]");
        one_width && matches!(recipe.rule, Rule::Sgd { .. }) && recipe.clip_norm.is_none()
    };
    cases.extend(optimizer_cases().into_iter().filter(takes));
    cases
}

/// Every change of training images, with seeds that differ between realizations, where the first layer
/// would gather its batch, where it has M, and where convolutions come first.
pub fn augmented_cases() -> Vec<(Case, Recipe)> {
    let model = |kind, widths: &[usize]| {
        let loss = Loss::CrossEntropy;
        let model = Model::new(kind, Form::Dual, &Activation::TANH, loss, widths, 5);
        let model = model.expect("a valid network");
        let name = format!("{} {widths:?}", kind.name());
        Case { name, model }
    };
    let features = IMAGE.iter().product();
    let behind = cnn_cases().into_iter().find(|case| {
        let cnn = case.model.cnn.as_ref();
        cnn.is_some_and(|cnn| cnn.dropout.is_some() && cnn.blocks[0].conv.channels > 1)
    });
    let networks = [
        model(LayerKind::Bregman, &[features, features]),
        model(LayerKind::Euclidean, &[features, 7]),
        behind.expect("colour images behind convolutions with dropout"),
    ];
    let settings = |seed, learning_rate| RunSettings {
        seed,
        learning_rate,
        momentum: 0.0,
        weight_decay: 0.0,
    };
    let mut cases = Vec::new();
    for changes in [
        "crop:2,flip",
        "rotate:180,scale:0.5,shift:1",
        "noise:0.1,cutout:2",
        "crop:1,flip,rotate:20,scale:0.1,shift:2,noise:0.02,cutout:1",
    ] {
        let recipe = Recipe {
            augmentation: Some(changes.parse().expect("changes of images")),
            runs: vec![settings(3, SGD.learning_rate), settings(1 << 40, 0.05)],
            epochs: EPOCHS,
            ..SGD.into()
        };
        for case in &networks {
            let name = format!("{changes}: {}", case.name);
            let model = case.model.clone();
            cases.push((Case { name, model }, recipe.clone()));
        }
    }
    cases
}

/// Labelled noise in which some features depend on the label.
pub fn dataset(samples: usize, classes: usize, stream: u32) -> Dataset {
    images(samples, classes, stream, [1, 1, FEATURES])
}

/// [`dataset`] as images of channels × height × width.
fn images(
    samples: usize,
    classes: usize,
    stream: u32,
    [channels, height, width]: [usize; 3],
) -> Dataset {
    let features = channels * height * width;
    let stream = Stream::new(9, Purpose::Digits, stream);
    let labels: Vec<u32> = (0..samples)
        .map(|i| stream.below(i as u64, classes as u32))
        .collect();
    let pixels = (0..samples * features)
        .map(|i| {
            let noise = (stream.bits((samples + i) as u64) >> 25) as u8;
            let shows = i % features % classes == labels[i / features] as usize;
            noise + if shows { 100 } else { 0 }
        })
        .collect();
    Dataset {
        name: "noise".to_owned(),
        channels,
        image: [height, width],
        classes,
        inputs: Inputs::Bytes(pixels),
        targets: Targets::Classes(labels),
    }
}

/// The data of a case, by the shape of its inputs.
pub fn splits(model: &Model) -> Splits {
    let classes = model.head.outputs.max(2);
    let shape = match &model.cnn {
        Some(cnn) => {
            let conv = &cnn.blocks[0].conv;
            [conv.channels, conv.height, conv.width]
        }
        None if model.inputs() == IMAGE.iter().product::<usize>() => IMAGE,
        None => [1, 1, model.inputs()],
    };
    let split = |samples, stream| {
        let mut data = images(samples, classes, stream, shape);
        if model.loss == Loss::Huber {
            // Differences from the outputs, which are near 0, are on both sides of δ = 1.
            let outputs = model.head.outputs;
            let value =
                |&label: &u32| (0..outputs).map(move |j| (label * 3 + j as u32) as f32 % 5.0 - 2.0);
            let values = data.labels().iter().flat_map(value).collect();
            (data.targets, data.classes) = (Targets::Values(values), outputs);
        }
        data
    };
    Splits {
        train: split(TRAIN_SAMPLES, 0),
        validation: Some(split(11, 1)),
        test: split(23, 2),
    }
}

/// Initial parameters of each realization, whose seeds start at [`SEED`].
pub fn initial(model: &Model, realizations: usize) -> Vec<Parameters> {
    (0..realizations as u64)
        .map(|r| Init::Random.parameters(model, SEED + r))
        .collect()
}

/// The metrics and the parameters of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Of training, by epoch, realization and step.
    pub batches: Vec<Vec<Vec<BatchMetrics>>>,
    /// Of the evaluation, by split, realization and batch.
    pub evaluations: Vec<Vec<Vec<BatchMetrics>>>,
    /// The trained parameters, by realization.
    pub parameters: Vec<Parameters>,
    /// The moments of the optimizer, by realization.
    pub moments: Vec<Vec<Parameters>>,
}

impl Record {
    /// The tensors of realization `r`: its parameters, then its moments.
    fn tensors(&self, r: usize) -> impl Iterator<Item = &Vec<f32>> {
        let moments = self.moments.get(r).into_iter().flatten();
        let sets = [&self.parameters[r]].into_iter().chain(moments);
        sets.flat_map(Parameters::tensors)
    }

    /// All metrics: first those of training, then those of the evaluation.
    pub fn metrics(&self) -> impl Iterator<Item = &BatchMetrics> {
        let trained = self.batches.iter().flatten().flatten();
        trained.chain(self.evaluations.iter().flatten().flatten())
    }
}

/// Trains `realizations`, whose seeds start at `first_seed`, for [`EPOCHS`], then evaluates.
pub fn run(executor: &mut impl Executor, first_seed: u64, realizations: usize) -> Result<Record> {
    pollster::block_on(async {
        let mut batches = Vec::new();
        for epoch in 0..EPOCHS {
            let orders: Vec<_> = (0..realizations as u64)
                .map(|r| rng::sample_order(first_seed + r, epoch, TRAIN_SAMPLES))
                .collect();
            batches.push(executor.train_epoch(&orders, &mut |_| {}).await?);
        }
        let mut evaluations = Vec::new();
        for split in [Split::Train, Split::Validation, Split::Test] {
            evaluations.push(executor.evaluate(split).await?);
        }
        let parameters = executor.parameters().await?;
        let moments = executor.moments().await?;
        Ok(Record {
            batches,
            evaluations,
            parameters,
            moments,
        })
    })
}

/// The reference's run, and the tolerance of float32.
///
/// A float32 step is the exact step of a network with perturbed parameters. The perturbation comes
/// from rounding: (k + 8) u relative for a dot product of length k with its epilogue, u = 2⁻²⁴
/// (Higham, 2002, §3.1), or 2⁻²³ since WGSL leaves the direction of rounding open. So the reference
/// runs again from parameters that are perturbed at random by η, and the change of each result is
/// scaled from η to the roundings of all steps. Three draws are summed, since a single one may
/// change a result too little by chance.
pub struct Expected {
    /// The reference's run.
    pub record: Record,
    /// Tolerances of the losses, in the order of [`Record::metrics`].
    losses: Vec<f64>,
    /// Tolerances of the correct counts, likewise: samples whose class rounding decides.
    correct: Vec<u32>,
    /// Tolerances of the parameters and moments, by realization and tensor.
    tensors: Vec<Vec<f64>>,
}

/// η, the relative perturbation of the parameters.
pub(super) const ETA: f32 = 1.0 / (1 << 16) as f32;

impl Expected {
    /// The reference's run of `model` on [`splits`] from [`initial`] parameters.
    ///
    /// # Errors
    /// Errors of [`Reference::new`].
    pub fn of(model: &Model) -> Result<Self> {
        Self::by(model, &SGD.into())
    }

    /// The same with another optimizer, schedule or settings.
    ///
    /// # Errors
    /// Errors of [`Reference::new`].
    pub fn by(model: &Model, recipe: &Recipe) -> Result<Self> {
        Self::from(model, &initial(model, REALIZATIONS), recipe)
    }

    /// The reference's run of `model` on [`splits`] from these parameters, one set for each
    /// realization.
    ///
    /// # Errors
    /// Errors of [`Reference::new`].
    pub fn from(model: &Model, initial: &[Parameters], recipe: &Recipe) -> Result<Self> {
        let splits = splits(model);
        let realizations = initial.len();
        let reference = |parameters: &[Parameters]| {
            let mut reference = Reference::new(model, &splits, parameters, recipe.clone())?;
            run(&mut reference, SEED, realizations)
        };
        let record = reference(initial)?;
        // The longest sum of a step is a dot product, or the gradient of a filter over all images.
        let blocks = model.cnn.iter().flat_map(|cnn| &cnn.blocks);
        let sums = blocks.map(|block| {
            let conv = &block.conv;
            let outputs = SGD.batch_size * conv.outputs() / conv.filters;
            conv.window().max(outputs)
        });
        let widths = model.shapes().map(|shape| shape.inputs.max(shape.outputs));
        let widest = widths.chain(sums).max().unwrap_or(1);
        let steps = record
            .batches
            .iter()
            .map(|epoch| epoch[0].len())
            .sum::<usize>();
        let roundings = (steps * (widest.max(SGD.batch_size) + 8)) as f64 / f64::from(1 << 23);
        let own: Vec<_> = record.metrics().collect();
        let mut losses: Vec<f64> = own.iter().map(|b| roundings * b.loss.abs()).collect();
        let mut correct = vec![0; losses.len()];
        let floor = |tensor: &Vec<f32>| {
            roundings * f64::from(tensor.iter().fold(0.0, |m: f32, x| m.max(x.abs())))
        };
        let mut tensors: Vec<Vec<f64>> = (0..realizations)
            .map(|r| record.tensors(r).map(floor).collect())
            .collect();
        for draw in 0..3 {
            let perturbed: Vec<_> = initial.iter().map(|p| perturb(p, draw)).collect();
            let other = reference(&perturbed)?;
            let scale = roundings / f64::from(ETA);
            for (i, (a, b)) in other.metrics().zip(&own).enumerate() {
                losses[i] += scale * (a.loss - b.loss).abs();
                correct[i] = correct[i].max(a.correct.abs_diff(b.correct));
            }
            for (r, bounds) in tensors.iter_mut().enumerate() {
                let pairs = other.tensors(r).zip(record.tensors(r));
                for ((a, b), bound) in pairs.zip(bounds) {
                    *bound += scale * largest_difference(a, b);
                }
            }
        }
        Ok(Self {
            record,
            losses,
            correct,
            tensors,
        })
    }

    /// Compares each loss, each count and each parameter within its tolerance.
    pub fn compare(&self, model: &Model, found: &Record, checks: &mut Checks) {
        let steps: usize = self.record.batches.iter().flatten().map(Vec::len).sum();
        let count = found.metrics().count();
        checks.require(count == self.losses.len(), || format!("{count} batches"));
        for (i, (found, own)) in found.metrics().zip(self.record.metrics()).enumerate() {
            let (bound, slack) = (self.losses[i], self.correct[i]);
            let place = || {
                let place = match i.checked_sub(steps) {
                    None => format!("step {i}"),
                    Some(batch) => format!("evaluated batch {batch}"),
                };
                format!("{place}: found {found:?}, expected {own:?} ± {bound:.1e}, {slack}")
            };
            checks.within((found.loss - own.loss).abs(), bound, place);
            let counted = found.correct.abs_diff(own.correct) <= slack;
            checks.require(counted && found.samples == own.samples, place);
        }
        for (r, bounds) in self.tensors.iter().enumerate() {
            let pairs = found.tensors(r).zip(self.record.tensors(r));
            let names = model.tensors().into_iter().cycle();
            for (((found, own), &bound), shape) in pairs.zip(bounds).zip(names) {
                let distance = largest_difference(found, own);
                checks.within(distance, bound, || {
                    format!("{} of realization {r} is off by {distance:.1e}", shape.name)
                });
            }
        }
    }
}

/// The parameters, each multiplied by 1 ± η.
pub(super) fn perturb(parameters: &Parameters, draw: u32) -> Parameters {
    let stream = Stream::new(77, Purpose::Init, draw);
    let mut perturbed = parameters.clone();
    let values = perturbed.tensors_mut().flatten();
    for (i, value) in values.enumerate() {
        let sign = if stream.bits(i as u64) & 1 == 0 {
            1.0
        } else {
            -1.0
        };
        *value *= 1.0 + sign * ETA;
    }
    perturbed
}

/// The largest |aᵢ − bᵢ|, where NaN counts as infinite.
pub fn largest_difference(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).fold(0.0, |largest, (a, b)| {
        let distance = (f64::from(*a) - f64::from(*b)).abs();
        if distance.is_nan() {
            f64::INFINITY
        } else {
            largest.max(distance)
        }
    })
}
