//! The gradients of the f64 reference, compared with central differences, tensor by tensor; its two
//! forms compared with each other, and its standard layer with its Euclidean one where they agree.

use bregman::activation::Activation;
use bregman::data::Targets;
use bregman::kind::{Form, Init, LayerKind, Loss};
use bregman::nn::cnn::{BlockSpec, Cnn, Dropout};
use bregman::nn::{Model, Parameters};
use bregman::reference::cnn::dropout_factors;
use bregman::reference::{Trace, forward_with, gradients_with, loss_and_gradient};
use bregman::rng::{Purpose, Stream};
use bregman::selftest::networks::{self, KINDS, mixed_cases};

/// Without M; and with M first, then a layer that carries a, then M again.
const SQUARE: &[usize] = &[4, 4, 4];
const MIXED: &[usize] = &[5, 3, 3, 4];

const LOSSES: [(Loss, usize); 4] = [
    (Loss::CrossEntropy, 3),
    (Loss::MeanSquaredError, 3),
    (Loss::MeanSquaredError, 1),
    (Loss::Huber, 3),
];

const BATCH: usize = 3;

/// A network with parameters and one batch.
struct Case {
    name: String,
    model: Model,
    parameters: Parameters<f64>,
    /// (batch, in), within the range of every activation.
    x: Vec<f64>,
    targets: Targets,
    /// Of dropout, (batch, features).
    factors: Option<Vec<f64>>,
}

/// Two channels of 9 × 7, windows of no two equal extents: 4 × 2 × 1 features.
const IMAGE: [usize; 3] = [2, 9, 7];
const BLOCKS: [BlockSpec; 2] = [
    BlockSpec {
        filters: 3,
        kernel: [3, 2],
        stride: 1,
        padding: 1,
        pool: Some([2, 2]),
    },
    BlockSpec {
        filters: 4,
        kernel: [2, 3],
        stride: 2,
        padding: 0,
        pool: None,
    },
];

impl Case {
    /// With a front-end of these blocks and the conv activation; its features are the layers' input.
    fn with_cnn(
        kind: (LayerKind, Form),
        activation: &'static Activation,
        hidden: &[usize],
        conv_activation: &'static Activation,
        probability: Option<f32>,
    ) -> Self {
        let mut cnn = Cnn::new(conv_activation, IMAGE, &BLOCKS).expect("a front-end");
        let features = cnn.features();
        let dropout = probability.map(|probability| Dropout { probability });
        if let Some(dropout) = dropout {
            cnn = cnn.with_dropout(dropout).expect("a probability");
        }
        let widths = [&[features], hidden].concat();
        let mut case = Self::new(kind, activation, &widths, LOSSES[0]);
        let inputs = cnn.inputs();
        case.name += &format!(" behind {} convolutions", conv_activation.name);
        case.model = case.model.with_cnn(cnn).expect("as many features");
        case.factors = dropout.map(|dropout| dropout_factors(&dropout, 5, 5, BATCH, features));
        case.parameters = Init::Random.parameters(&case.model, 5).map(f64::from);
        let stream = Stream::new(8, Purpose::Digits, 0);
        case.x = (0..(BATCH * inputs) as u64)
            .map(|i| 1.5 * f64::from(stream.uniform(i)) - 0.5)
            .collect();
        case
    }

    fn new(
        (kind, form): (LayerKind, Form),
        activation: &'static Activation,
        widths: &[usize],
        (loss, outputs): (Loss, usize),
    ) -> Self {
        let model =
            Model::new(kind, form, activation, loss, widths, outputs).expect("a valid network");
        let mut parameters = Init::Random.parameters(&model, 5).map(f64::from);
        // Halved, so that no unit comes near the ends of its range.
        for layer in &mut parameters.layers {
            let values = layer.weight.iter_mut().chain(&mut layer.bias);
            values.for_each(|value| *value *= 0.5);
        }
        let stream = Stream::new(3, Purpose::Digits, 0);
        let inputs = (BATCH * widths[0]) as u64;
        let form = if kind == LayerKind::Bregman {
            form.name()
        } else {
            "-"
        };
        Self {
            name: format!(
                "{} layers, {}, form {form}, widths {widths:?}, {} of {outputs}",
                kind.name(),
                activation.name,
                loss.name(),
            ),
            parameters,
            x: (0..inputs)
                .map(|i| 0.15 + 0.5 * f64::from(stream.uniform(i)))
                .collect(),
            targets: match loss {
                // Far from the outputs, near them, and on both sides of them.
                Loss::Huber => Targets::Values(
                    (0..BATCH * outputs)
                        .map(|i| [4.0, -0.1, 0.2, -5.0][i % 4])
                        .collect(),
                ),
                _ => Targets::Classes((0..BATCH).map(|i| (i % outputs.max(2)) as u32).collect()),
            },
            model,
            factors: None,
        }
    }

    fn trace(&self) -> Trace {
        forward_with(
            &self.model,
            &self.parameters,
            &self.x,
            self.factors.as_deref(),
        )
    }

    fn gradients(&self) -> Parameters<f64> {
        let factors = self.factors.as_deref();
        gradients_with(
            &self.model,
            &self.parameters,
            &self.x,
            &self.targets,
            factors,
        )
        .1
    }

    fn loss(&self, parameters: &Parameters<f64>) -> f64 {
        let factors = self.factors.as_deref();
        let logits = forward_with(&self.model, parameters, &self.x, factors).logits;
        let outputs = self.model.head.outputs;
        loss_and_gradient(self.model.loss, &logits, outputs, &self.targets).loss
    }

    /// No z and no u is near an end of the clamp. Nor is then a of sin near ±π/2, where z is ±1.
    fn assert_no_clamp_is_near(&self) {
        let [low, high] = self.model.layers[0].clamp.map(f64::from);
        let trace = self.trace();
        for &z in trace.z.iter().chain(&trace.u).flatten() {
            let inside = low + 0.01 < z && z < high - 0.01;
            assert!(inside, "{}: {z} is near a clamp", self.name);
        }
    }

    /// Every element of every tensor against (L(p + e) − L(p − e)) / 2e.
    ///
    /// That quotient is off by e²|L‴|/6 and by the roundings of L over e. With e = ε^⅓ both are of
    /// the order ε^⅔ times the scale, the larger of L and the tensor's gradient: 20 for some twenty
    /// roundings on the way to L, or for |L‴| up to 120 scales.
    fn check_gradients(&self) {
        let step = f64::EPSILON.cbrt();
        let loss = self.loss(&self.parameters);
        let gradients = self.gradients();
        let mut moved = self.parameters.clone();
        for (t, (gradient, shape)) in gradients.tensors().zip(self.model.tensors()).enumerate() {
            let tolerance = 20.0 * step * step * loss.max(largest(gradient));
            // Otherwise the comparison would be empty.
            assert!(
                largest(gradient) > 1e4 * tolerance,
                "{}: the gradient of {} is too small to check: {gradient:?}",
                self.name,
                shape.name
            );
            for (i, &found) in gradient.iter().enumerate() {
                let original = *element(&mut moved, t, i);
                let mut loss_at = |value| {
                    *element(&mut moved, t, i) = value;
                    self.loss(&moved)
                };
                let expected = (loss_at(original + step) - loss_at(original - step)) / (2.0 * step);
                loss_at(original);
                let distance = (found - expected).abs();
                assert!(
                    distance <= tolerance,
                    "{}: d loss / d {}[{i}] is {found:e}, the difference quotient {expected:e}, \
                     off by {distance:e}, expected {tolerance:e} at most",
                    self.name,
                    shape.name
                );
            }
        }
    }
}

/// Element i of tensor t.
fn element(parameters: &mut Parameters<f64>, t: usize, i: usize) -> &mut f64 {
    let mut tensors = parameters.tensors_mut();
    &mut tensors.nth(t).expect("a tensor")[i]
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |m, x| m.max(x.abs()))
}

/// Fails with the first element of the logits or gradients that differs by more than `tolerance`,
/// relative to its tensor's largest.
fn assert_same(left: &Case, right: &Case, tolerance: f64) {
    let compare = |tensor: &str, a: &[f64], b: &[f64]| {
        assert_eq!(a.len(), b.len(), "{tensor}");
        let tolerance = tolerance * largest(b).max(largest(a));
        for (i, (a, b)) in a.iter().zip(b).enumerate() {
            assert!(
                (a - b).abs() <= tolerance,
                "{tensor}[{i}]: {a:e} with {}, {b:e} with {}, expected within {tolerance:e}",
                left.name,
                right.name
            );
        }
    };
    compare("logits", &left.trace().logits, &right.trace().logits);
    let (a, b) = (left.gradients(), right.gradients());
    for ((a, b), shape) in a.tensors().zip(b.tensors()).zip(left.model.tensors()) {
        compare(&shape.name, a, b);
    }
}

/// The number of `values` that are true, and of those that are not.
fn count(values: impl Iterator<Item = bool>) -> [usize; 2] {
    values.fold(
        [0, 0],
        |[yes, no], value| {
            if value { [yes + 1, no] } else { [yes, no + 1] }
        },
    )
}

#[test]
fn gradients_are_difference_quotients() {
    for kind in KINDS {
        for activation in Activation::ALL {
            for widths in [SQUARE, MIXED] {
                for loss in LOSSES {
                    let case = Case::new(kind, activation, widths, loss);
                    case.assert_no_clamp_is_near();
                    case.check_gradients();
                }
            }
        }
    }
}

/// Layers that differ: through each way from one activation to another, M, clamps that act, and bounds of
/// the dual variable.
#[test]
fn gradients_of_layers_that_differ_are_difference_quotients() {
    for networks::Case { name, model } in mixed_cases() {
        let stream = Stream::new(3, Purpose::Digits, 0);
        let inputs = (BATCH * model.inputs()) as u64;
        let case = Case {
            name,
            parameters: Init::Random.parameters(&model, 5).map(f64::from),
            x: (0..inputs)
                .map(|i| 0.15 + 0.7 * f64::from(stream.uniform(i)))
                .collect(),
            targets: Targets::Classes(vec![0, 3, 4]),
            model,
            factors: None,
        };
        case.check_gradients();
    }
}

/// Through the map into the range of ρ, dropout, pooling, the conv activation and both convolutions.
#[test]
fn gradients_of_convolutions_are_difference_quotients() {
    for kind in KINDS {
        // Every activation behind the convolutions, with another one inside them.
        let inside = Activation::ALL.iter().cycle().skip(3);
        for (activation, inside) in Activation::ALL.iter().zip(inside) {
            for hidden in [&[8, 8][..], &[5, 5]] {
                let conv_activations = [&Activation::RELU, inside];
                for (conv_activation, probability) in
                    conv_activations.into_iter().zip([None, Some(0.3)])
                {
                    let case =
                        Case::with_cnn(kind, activation, hidden, conv_activation, probability);
                    case.assert_no_clamp_is_near();
                    case.check_gradients();
                }
            }
        }
    }
}

/// Where a₀ = f of sin is limited, no gradient reaches the convolutions.
#[test]
fn no_gradient_reaches_convolutions_where_sin_is_limited() {
    for kind in KINDS {
        for hidden in [&[8, 8][..], &[5, 5]] {
            let mut case =
                Case::with_cnn(kind, &Activation::SIN, hidden, &Activation::IDENTITY, None);
            for (i, bias) in case.parameters.conv[1].bias.iter_mut().enumerate() {
                *bias += [1.6, -2.3, 0.2, -0.6][i];
            }
            let z = &case.trace().z[0];
            let [limited, free] = count(z.iter().map(|z| z.abs() == 1.0));
            assert!(limited > 0 && free > 0, "{}: {z:?}", case.name);
            case.check_gradients();
        }
    }
}

/// A clamped u is constant: no gradient passes through ρ⁻¹, neither to M nor to the layer below.
#[test]
fn no_gradient_passes_an_active_clamp() {
    for form in [Form::Dual, Form::Primal] {
        for activation in Activation::ALL {
            for widths in [SQUARE, MIXED] {
                let kind = (LayerKind::Bregman, form);
                let mut case = Case::new(kind, activation, widths, LOSSES[0]);
                // Within the spread of u.
                let clamp = [0.38, 0.52];
                let layers = case.model.layers.iter_mut();
                layers.for_each(|layer| layer.clamp = clamp);
                let [low, high] = clamp.map(f64::from);
                let trace = case.trace();
                for (l, u) in trace.u.iter().enumerate() {
                    let [clamped, free] = count(u.iter().map(|&u| u < low || u > high));
                    assert!(clamped > 0 && free > 0, "{}: layer {l}, {u:?}", case.name);
                    // No end lies within a difference step.
                    let near = |end: f64| u.iter().any(|u| (u - end).abs() < 1e-4);
                    assert!(!near(low) && !near(high), "{}: {u:?}", case.name);
                }
                case.check_gradients();
            }
        }
    }
}

/// Where a of sin is limited to ±π/2 it is constant, for ρ and, in dual form, for the skip.
#[test]
fn no_gradient_passes_where_sin_is_limited() {
    for kind in KINDS {
        for widths in [SQUARE, MIXED] {
            let mut case = Case::new(kind, &Activation::SIN, widths, LOSSES[0]);
            for (l, layer) in case.parameters.layers.iter_mut().enumerate() {
                for (i, bias) in layer.bias.iter_mut().enumerate() {
                    *bias += [[1.1, -2.3, 0.2], [-0.6, 1.1, 2.5]][l % 2][i % 3];
                }
            }
            let z = case.trace().z;
            // The case that the skip must not carry: a unit is limited, and the same unit of the
            // next layer is not.
            let mut units = z[1].iter().zip(&z[2]);
            assert!(
                !case.model.layers[1].is_dual()
                    || units.any(|(z, next)| z.abs() == 1.0 && next.abs() < 1.0),
                "{}: {z:?}",
                case.name
            );
            for (l, z) in z.iter().enumerate().skip(1) {
                let [limited, free] = count(z.iter().map(|z| z.abs() == 1.0));
                assert!(limited > 0 && free > 0, "{}: layer {l}, {z:?}", case.name);
            }
            case.check_gradients();
        }
    }
}

/// Both forms are the same function where no clamp is active.
///
/// They differ by ρ⁻¹(ρ(a)) − a, some ε (|a| + |z| / h(z)) for each unit on the way; the factor
/// counts the roundings of three layers, (width + 8) each.
#[test]
fn dual_form_is_primal_form() {
    for activation in Activation::ALL {
        for widths in [SQUARE, MIXED] {
            for loss in LOSSES {
                let [dual, primal] = [Form::Dual, Form::Primal]
                    .map(|form| Case::new((LayerKind::Bregman, form), activation, widths, loss));
                dual.assert_no_clamp_is_near();
                let trace = dual.trace();
                let condition =
                    |&z: &f64| (activation.rho_inv)(z).abs() + z.abs() / (activation.rho_slope)(z);
                let units = trace.z.iter().skip(1).flatten();
                let amplification = units.map(condition).fold(1.0, f64::max);
                assert_same(&dual, &primal, 39.0 * f64::EPSILON * amplification);
            }
        }
    }
}

/// ρ(z + W′z + b) is ρ(Wz + b) with W = I + W′, up to roundings: two layers and the head,
/// (width + 8) each.
#[test]
fn standard_layer_with_identity_added_is_euclidean_layer() {
    for activation in Activation::ALL {
        for loss in LOSSES {
            let [mut standard, euclidean] = [LayerKind::Standard, LayerKind::Euclidean]
                .map(|kind| Case::new((kind, Form::Dual), activation, SQUARE, loss));
            let shapes = standard.model.shapes();
            for (layer, shape) in standard.parameters.layers.iter_mut().zip(shapes) {
                for i in 0..shape.inputs {
                    layer.weight[i * shape.inputs + i] += 1.0;
                }
            }
            assert_same(&standard, &euclidean, 36.0 * f64::EPSILON);
        }
    }
}
