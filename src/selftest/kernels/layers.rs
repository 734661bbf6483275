//! The layers' forward and backward passes, and the update of M.

use super::elementwise::projected;
use super::{R, elements, in_range};
use crate::activation::Activation;
use crate::error::Result;
use crate::gpu::ops::layer::gather::Source;
use crate::gpu::tile::Tile;
use crate::gpu::{BufferId, Gpu, ops};
use crate::kind::{LayerKind, Storage};
use crate::nn::LayerShape;
use crate::selftest::checks::{Bounded, Checks};
use crate::selftest::dispatch::{UNWRITTEN, random};

/// Every activation with the deep tile, which compiles fastest, and the sigmoid with every tile; in full checks every activation
/// with every tile, in single precision: the stored values do not depend on either.
fn activations_and_tiles(
    checks: &Checks,
) -> impl Iterator<Item = (&'static Activation, Tile)> + use<> {
    let full = checks.full && checks.storage == Storage::F32;
    let all = Activation::ALL.iter();
    all.flat_map(|activation| Tile::ALL.map(|tile| (activation, tile)))
        .filter(move |(activation, tile)| {
            full || *tile == Tile::Deep || activation.name == Activation::SIGMOID.name
        })
}

/// Shapes [rows, columns, depth] that cross the tile's edges: one with lines of a multiple of 4, one
/// without; k of the tile divides neither depth.
fn across(tile: Tile) -> [[usize; 3]; 2] {
    let s = tile.sizes();
    let [m, n, k] = [s.m, s.n, s.k].map(|x| x as usize);
    [[m + 1, n + 2, k + 3], [m + 1, n + 4, k + 4]]
}

pub(super) fn layer_forward(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    for (activation, tile) in activations_and_tiles(checks) {
        for shape in [[1, 1, 1], [5, 3, 2]].into_iter().chain(across(tile)) {
            forward_case(gpu, checks, activation, tile, shape)?;
        }
    }
    Ok(())
}

/// Parameters and inputs of a layer whose forward pass is checked.
struct ForwardCase<'a> {
    activation: &'a Activation,
    layer: LayerShape,
    batch: usize,
    z: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl<'a> ForwardCase<'a> {
    fn new(
        checks: &Checks,
        activation: &'a Activation,
        [batch, outputs, inputs]: [usize; 3],
    ) -> Self {
        Self {
            activation,
            layer: LayerShape {
                inputs,
                outputs,
                mix: inputs != outputs,
            },
            batch,
            z: checks.stored(in_range(activation, 1, R * batch * inputs)),
            weight: checks.stored(random(2, R * outputs * inputs, -0.7, 0.5)),
            bias: random(3, R * outputs, -0.5, 0.6),
        }
    }

    fn product(&self, matrix: &[f32], r: usize, i: usize, j: usize) -> Bounded {
        let LayerShape {
            inputs, outputs, ..
        } = self.layer;
        let row = (r * self.batch + i) * inputs;
        let line = (r * outputs + j) * inputs;
        Bounded::dot((0..inputs).map(|k| (self.z[row + k], matrix[line + k])))
    }

    /// a′, the argument of ρ; u is the variable of the skip path.
    fn argument(&self, term: Term, r: usize, i: usize, j: usize, u: Bounded) -> Bounded {
        let bias = Bounded::exact(self.bias[r * self.layer.outputs + j]);
        let pre_activation = self.product(&self.weight, r, i, j).plus(bias);
        let Activation {
            clamp, dual_max, ..
        } = *self.activation;
        let lifted = || {
            let u = Bounded {
                value: u.value.clamp(f64::from(clamp[0]), f64::from(clamp[1])),
                ..u
            };
            let slope = (self.activation.rho_slope)(u.value);
            // The slope vanishes only in checks where u has no error.
            let steepest = if u.error == 0.0 { 0.0 } else { 1.0 / slope };
            u.through(self.activation.rho_inv, 2.0 * steepest)
        };
        match term {
            Term::Linear | Term::Standard => pre_activation,
            Term::Euclidean => u.plus(pre_activation),
            Term::Bregman => lifted().plus(pre_activation),
            Term::BregmanLift => lifted().plus(pre_activation).limited(dual_max),
            Term::BregmanDual => u.plus(pre_activation).limited(dual_max),
        }
    }

    /// z, of a′.
    fn output(&self, term: Term, a: Bounded) -> Bounded {
        match term {
            Term::Linear => a,
            _ => a.through(self.activation.rho, 1.0 / self.activation.sigma),
        }
    }
}

/// The term that a layer adds to Wz + b before ρ: an epilogue of the forward pass without its
/// buffers.
#[derive(Clone, Copy, PartialEq)]
enum Term {
    Linear,
    Standard,
    Euclidean,
    Bregman,
    BregmanLift,
    BregmanDual,
}

impl Term {
    const ALL: [Self; 6] = [
        Self::Linear,
        Self::Standard,
        Self::Euclidean,
        Self::Bregman,
        Self::BregmanLift,
        Self::BregmanDual,
    ];
    /// The terms of a first layer that applies ρ.
    const OF_PIXELS: [Self; 4] = [
        Self::Standard,
        Self::Euclidean,
        Self::Bregman,
        Self::BregmanLift,
    ];
    /// The terms of layers with M.
    const MIXED: [Self; 3] = [Self::Euclidean, Self::Bregman, Self::BregmanLift];

    /// Whether the layer writes a′, too.
    fn writes_dual(self) -> bool {
        matches!(self, Self::BregmanLift | Self::BregmanDual)
    }

    /// The epilogue that reads u or a and writes a′ to `dual`.
    fn epilogue(
        self,
        u: BufferId,
        a: BufferId,
        dual: BufferId,
    ) -> ops::layer::layer_forward::Epilogue {
        use ops::layer::layer_forward::Epilogue;
        match self {
            Self::Linear => Epilogue::Linear,
            Self::Standard => Epilogue::Standard,
            Self::Euclidean => Epilogue::Euclidean { u },
            Self::Bregman => Epilogue::Bregman { u },
            Self::BregmanLift => Epilogue::BregmanLift { u, dual },
            Self::BregmanDual => Epilogue::BregmanDual { a, dual },
        }
    }
}

fn forward_case(
    gpu: &mut Gpu,
    checks: &mut Checks,
    activation: &Activation,
    tile: Tile,
    shape: [usize; 3],
) -> Result<()> {
    use ops::layer::layer_forward::{Input, Operands, layer_forward};
    let case = ForwardCase::new(checks, activation, shape);
    let [batch, outputs, _] = shape;
    let skip = checks.stored(in_range(activation, 4, R * batch * outputs));
    let a_skip = checks.stored(random(5, R * batch * outputs, -1.4, 1.5));
    for term in Term::ALL {
        let mut run = checks.run();
        let output = run.output(R * batch * outputs);
        let dual = run.output(R * batch * outputs);
        let [z, weight, bias, u, a] =
            [&case.z, &case.weight, &case.bias, &skip, &a_skip].map(|x| run.input(x));
        let epilogue = term.epilogue(u, a, dual);
        let operands = Operands {
            z: Input::Buffer(z),
            weight,
            bias,
            output,
        };
        let clamp = activation.clamp;
        let rows = [R, batch];
        let layer = &case.layer;
        run.op(layer_forward(
            epilogue, activation, clamp, tile, rows, layer, operands,
        ));
        let argument = |r: usize, i: usize, j: usize| {
            let u = match term {
                Term::BregmanDual => &a_skip,
                _ => &skip,
            };
            let u = Bounded::exact(u[(r * batch + i) * outputs + j]);
            case.argument(term, r, i, j, u)
        };
        let what = format!("{} {epilogue:?} {tile:?} {shape:?}", activation.name);
        let found = run.read(gpu, &[output, dual])?;
        let expected = elements(batch, outputs, |r, i, j| {
            case.output(term, argument(r, i, j)).stored(checks.storage)
        });
        checks.compare(&what, &found[0], &expected);
        if term.writes_dual() {
            let expected = elements(batch, outputs, |r, i, j| {
                argument(r, i, j).stored_dual(checks.storage)
            });
            checks.compare(&format!("{what} a′"), &found[1], &expected);
        }
    }
    Ok(())
}

/// The first layer, which gathers its batch of bytes or numbers and stores it.
pub(super) fn layer_forward_of_pixels(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    use ops::layer::layer_forward::{Input, Operands, layer_forward};
    let activation = &Activation::SIGMOID;
    for tile in Tile::ALL {
        // Past the edge of a stage, too, since a word of pixels can span two stages.
        let cols = tile.sizes().n.max(tile.sizes().k) as usize;
        for (width, order_stride, is_bytes) in [
            (cols + 3, 0, true),
            (cols + 4, 11, true),
            (cols + 3, 11, false),
            (cols + 4, 0, false),
        ] {
            for term in Term::OF_PIXELS {
                let [batch, samples, first, count] = [7, 11, 6, 5];
                let bytes: Vec<u8> = (0..samples * width).map(|i| (i * 37 % 256) as u8).collect();
                let values: Vec<f32> = (0..256).map(|p| p as f32 / 600.0 + 0.25).collect();
                let numbers = random(8, samples * width, 0.25, 0.7);
                let order: Vec<u32> = (0..R * samples).map(|i| (i * 7 % samples) as u32).collect();
                let mut case = ForwardCase::new(checks, activation, [batch, width, width]);
                for (index, z) in case.z.iter_mut().enumerate() {
                    let [r, i, j] = [index / width / batch, index / width % batch, index % width];
                    let place = r * order_stride + first + i;
                    *z = match i < count {
                        true if is_bytes => {
                            values[usize::from(bytes[order[place] as usize * width + j])]
                        }
                        true => numbers[order[place] as usize * width + j],
                        false => 0.0,
                    };
                }
                let mut run = checks.run();
                run.step(first as u32, count as u32, 0);
                let [output, dual, z] = [0; 3].map(|_| run.output(R * batch * width));
                let operands = ops::layer::gather::Operands {
                    source: match is_bytes {
                        true => Source::Bytes {
                            pixels: run.bytes(&bytes),
                            pixel_values: run.input(&values),
                        },
                        false => Source::Numbers(run.input(&numbers)),
                    },
                    order: run.bytes(bytemuck::cast_slice(&order)),
                    output: z,
                };
                let operands = Operands {
                    z: Input::Data {
                        order_stride,
                        operands,
                    },
                    weight: run.input(&case.weight),
                    bias: run.input(&case.bias),
                    output,
                };
                let epilogue = term.epilogue(z, z, dual);
                let (clamp, rows) = (activation.clamp, [R, batch]);
                let layer = &case.layer;
                run.op(layer_forward(
                    epilogue, activation, clamp, tile, rows, layer, operands,
                ));
                let argument = |r: usize, i: usize, j: usize| {
                    let u = case.z[(r * batch + i) * width + j];
                    case.argument(term, r, i, j, Bounded::exact(u))
                };
                let kind = if is_bytes { "bytes" } else { "numbers" };
                let what = format!("{epilogue:?} {tile:?} {width} {kind}");
                let found = run.read(gpu, &[output, dual, z])?;
                let expected = elements(batch, width, |r, i, j| {
                    case.output(term, argument(r, i, j)).stored(checks.storage)
                });
                checks.compare(&what, &found[0], &expected);
                if term.writes_dual() {
                    let expected = elements(batch, width, |r, i, j| {
                        argument(r, i, j).stored_dual(checks.storage)
                    });
                    checks.compare(&format!("{what} a′"), &found[1], &expected);
                }
                let gathered = |&z| Bounded::exact(z).stored(checks.storage);
                let batch: Vec<_> = case.z.iter().map(gathered).collect();
                checks.compare(&format!("{what} z"), &found[2], &batch);
            }
        }
    }
    Ok(())
}

/// The forward pass of layers with M.
pub(super) fn layer_forward_mix(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    use ops::layer::layer_forward_mix::{Operands, layer_forward_mix};
    let storage = checks.storage;
    for (activation, tile) in activations_and_tiles(checks) {
        for shape in across(tile) {
            let [batch, outputs, inputs] = shape;
            let case = ForwardCase::new(checks, activation, shape);
            let mix = random(6, R * outputs * inputs, 0.5, 1.0);
            let mix = checks.stored(mix.iter().map(|m| m / inputs as f32).collect());
            for term in Term::MIXED {
                let mut run = checks.run();
                let [output, dual, u] = [0; 3].map(|_| run.output(R * batch * outputs));
                let epilogue = term.epilogue(u, u, dual);
                let operands = Operands {
                    z: run.input(&case.z),
                    weight: run.input(&case.weight),
                    bias: run.input(&case.bias),
                    mix: run.input(&mix),
                    output,
                };
                let (clamp, rows) = (activation.clamp, [R, batch]);
                let layer = &case.layer;
                run.op(layer_forward_mix(
                    epilogue, activation, clamp, tile, rows, layer, operands,
                ));
                let argument = |r, i, j| {
                    let u = case.product(&mix, r, i, j).stored(storage);
                    case.argument(term, r, i, j, u)
                };
                let what = format!("{} {epilogue:?} {tile:?} {shape:?}", activation.name);
                let found = run.read(gpu, &[output, dual, u])?;
                let expected = elements(batch, outputs, |r, i, j| {
                    case.output(term, argument(r, i, j)).stored(storage)
                });
                checks.compare(&what, &found[0], &expected);
                if term.writes_dual() {
                    let expected =
                        elements(batch, outputs, |r, i, j| argument(r, i, j).stored(storage));
                    checks.compare(&format!("{what} a′"), &found[1], &expected);
                }
                let expected = elements(batch, outputs, |r, i, j| {
                    case.product(&mix, r, i, j).stored(storage)
                });
                checks.compare(&format!("{what} u"), &found[2], &expected);
            }
        }
    }
    Ok(())
}

pub(super) fn layer_backward(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    for (activation, tile) in activations_and_tiles(checks) {
        let [odd, even] = across(tile);
        let square = |[batch, width, _]: [usize; 3]| [batch, width, width];
        // The batch is the depth of W's gradient.
        let deep = [tile.sizes().k as usize + 1, 6, 5];
        // An activation occurs only through its slope, in δ and in q.
        let sampled = !checks.full && activation.name != Activation::SIGMOID.name;
        let (shapes, skips) = match sampled {
            true => (
                vec![odd, square(odd)],
                vec![SkipPath::Bregman, SkipPath::MixedBregman],
            ),
            false => (
                vec![[1, 1, 1], odd, even, square(odd), square(even), deep],
                SkipPath::ALL.to_vec(),
            ),
        };
        for shape in shapes {
            for &path in &skips {
                backward_case(gpu, checks, activation, tile, shape, path)?;
            }
        }
    }
    Ok(())
}

/// How the skip path of the layer above sends δ′ to the layer below.
#[derive(Clone, Copy)]
enum SkipPath {
    None,
    Euclidean,
    Bregman,
    MixedEuclidean,
    MixedBregman,
    /// Bregman layers above another activation, whose slope another dispatch applies.
    Nested,
    MixedNested,
}

impl SkipPath {
    const ALL: [Self; 7] = [
        Self::None,
        Self::Euclidean,
        Self::Bregman,
        Self::MixedEuclidean,
        Self::MixedBregman,
        Self::Nested,
        Self::MixedNested,
    ];

    /// Whether the layer above has M.
    fn mixed(self) -> bool {
        matches!(
            self,
            Self::MixedEuclidean | Self::MixedBregman | Self::MixedNested
        )
    }
}

/// q of a layer with M: δ′ of a Euclidean layer; δ′ / h(u) of a Bregman layer where u is within the
/// clamp, and 0 elsewhere.
fn mix_gradient(
    kind: LayerKind,
    activation: &Activation,
    clamp: [f32; 2],
    delta: f32,
    u: f32,
) -> Bounded {
    match kind {
        LayerKind::Bregman if u < clamp[0] || u > clamp[1] => Bounded::exact(0.0),
        LayerKind::Bregman => {
            let inverse = |u: f64| 1.0 / (activation.rho_slope)(u);
            Bounded::function(inverse, u).times(Bounded::exact(delta))
        }
        _ => Bounded::exact(delta),
    }
}

fn backward_case(
    gpu: &mut Gpu,
    checks: &mut Checks,
    activation: &Activation,
    tile: Tile,
    shape: [usize; 3],
    path: SkipPath,
) -> Result<()> {
    use ops::layer::layer_backward::{Operands, Skip, layer_backward};
    let [batch, inputs, outputs] = shape;
    // Without M, the skip path adds δ′ to δ, so both have one width.
    if !path.mixed() && !matches!(path, SkipPath::None) && inputs != outputs {
        return Ok(());
    }
    let layer = LayerShape {
        inputs,
        outputs,
        mix: path.mixed(),
    };
    let learning_rate = 0.3;
    let delta = random(1, R * batch * outputs, -1.0, 1.5);
    let weight = checks.stored(random(2, R * outputs * inputs, -0.7, 0.5));
    let z = checks.stored(in_range(activation, 3, R * batch * inputs));
    let bias = random(4, R * outputs, -0.5, 0.6);
    let gate = checks.stored(random(5, R * batch * inputs, -1.0, 1.0));
    let matrix = checks.stored(random(6, R * outputs * inputs, -0.2, 0.9));
    // u is within the clamp, where slopes are not tiny, and sometimes past it.
    let [low, high] = activation.clamp.map(|end| 0.5 * end.clamp(-2.0, 2.0));
    // Half of the smallest normal number may be flushed to 0.
    let low = if low > 0.0 { 0.05 } else { low };
    let clamp = [low, high];
    let u = checks.stored(random(7, R * batch * outputs, low - 0.1, high + 0.1));
    let window = [-0.5, 0.75];
    let kind = match path {
        SkipPath::MixedBregman | SkipPath::MixedNested => LayerKind::Bregman,
        _ => LayerKind::Euclidean,
    };
    for input_wanted in [true, false] {
        let mut run = checks.run();
        let output = run.output(R * batch * inputs);
        let next_weight = run.output(R * outputs * inputs);
        let [delta_id, weight_id, z_id, bias_id] =
            [&delta, &weight, &z, &bias].map(|x| run.input(x));
        let [gate_id, matrix_id, u_id] = [&gate, &matrix, &u].map(|x| run.input(x));
        let skip = match path {
            SkipPath::None => Skip::None,
            SkipPath::Euclidean => Skip::Euclidean,
            SkipPath::Bregman => Skip::Bregman {
                gate: gate_id,
                window,
            },
            SkipPath::Nested => Skip::BregmanNested { clamp },
            SkipPath::MixedEuclidean | SkipPath::MixedBregman | SkipPath::MixedNested => {
                Skip::Mix {
                    kind,
                    u: u_id,
                    matrix: matrix_id,
                    clamp,
                    nested: matches!(path, SkipPath::MixedNested),
                }
            }
        };
        let operands = Operands {
            delta: delta_id,
            z: z_id,
            weight: weight_id,
            next_weight,
            bias: bias_id,
            output,
            input_wanted,
        };
        let updating = run.sgd(R, learning_rate)?;
        run.op(layer_backward(
            skip,
            activation,
            tile,
            updating,
            [R, batch],
            &layer,
            operands,
        ));
        let found = run.read(gpu, &[output, next_weight, bias_id])?;
        let what = format!("{} {skip:?} {tile:?} {shape:?}", activation.name);
        let expected = elements(batch, inputs, |r, i, j| {
            let index = (r * batch + i) * inputs + j;
            if !input_wanted {
                return Bounded::exact(UNWRITTEN);
            }
            let line = (r * batch + i) * outputs;
            let entry = |k: usize| (r * outputs + k) * inputs + j;
            let acc = Bounded::dot((0..outputs).map(|k| (delta[line + k], weight[entry(k)])));
            let slope = Bounded::function(activation.rho_slope, z[index]);
            match path {
                SkipPath::None => slope.times(acc),
                SkipPath::Euclidean => slope.times(acc.plus(Bounded::exact(delta[index]))),
                SkipPath::Bregman => {
                    let open = gate[index] >= window[0] && gate[index] <= window[1];
                    let pass = if open { delta[index] } else { 0.0 };
                    slope.times(acc).plus(Bounded::exact(pass))
                }
                SkipPath::Nested => {
                    let kind = LayerKind::Bregman;
                    acc.plus(mix_gradient(
                        kind,
                        activation,
                        clamp,
                        delta[index],
                        z[index],
                    ))
                }
                SkipPath::MixedEuclidean | SkipPath::MixedBregman | SkipPath::MixedNested => {
                    let terms = (0..outputs).map(|k| {
                        let q = mix_gradient(kind, activation, clamp, delta[line + k], u[line + k]);
                        (q, matrix[entry(k)])
                    });
                    let sum = acc.plus(Bounded::dot_of(terms));
                    match path {
                        SkipPath::MixedNested => sum,
                        _ => slope.times(sum),
                    }
                }
            }
        });
        checks.compare(&format!("{what} δ"), &found[0], &expected);
        let rate = Bounded::exact(-learning_rate);
        let row = |r: usize, b: usize| r * batch + b;
        let expected = elements(outputs, inputs, |r, i, j| {
            let terms = (0..batch).map(|b| {
                let (row, out) = (row(r, b), i);
                (delta[row * outputs + out], z[row * inputs + j])
            });
            let old = Bounded::exact(weight[(r * outputs + i) * inputs + j]);
            old.plus(rate.times(Bounded::dot(terms)))
                .stored(checks.storage)
        });
        checks.compare(&format!("{what} W"), &found[1], &expected);
        let expected = elements(1, outputs, |r, _, i| {
            let terms = (0..batch).map(|b| (delta[row(r, b) * outputs + i], 1.0));
            let old = Bounded::exact(bias[r * outputs + i]);
            old.plus(rate.times(Bounded::dot(terms)))
        });
        checks.compare(&format!("{what} b"), &found[2], &expected);
    }
    Ok(())
}

/// The update of M and the projection after it.
pub(super) fn mix_update(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    use ops::layer::mix_update::{Operands, mix_update};
    let activation = &Activation::TANH;
    let (clamp, learning_rate) = ([-0.8, 0.7], 0.05);
    for kind in [LayerKind::Euclidean, LayerKind::Bregman] {
        // Fewer samples and columns than a workgroup has invocations, and more.
        for [batch, outputs, inputs] in [[1, 1, 1], [5, 3, 7], [67, 5, 130]] {
            let layer = LayerShape {
                inputs,
                outputs,
                mix: true,
            };
            let delta = random(1, R * batch * outputs, -0.5, 0.75);
            let u = checks.stored(random(2, R * batch * outputs, -0.9, 0.9));
            let z = checks.stored(random(3, R * batch * inputs, -0.9, 0.9));
            let matrix = checks.stored(random(4, R * outputs * inputs, -0.1, 0.3));
            let mut run = checks.run();
            let [delta_id, u_id, z_id, matrix_id] = [&delta, &u, &z, &matrix].map(|x| run.input(x));
            let operands = Operands {
                delta: delta_id,
                u: u_id,
                z: z_id,
                matrix: matrix_id,
            };
            let rows = [R, batch];
            let updating = run.sgd(R, learning_rate)?;
            run.op(mix_update(
                kind, activation, clamp, updating, rows, &layer, operands,
            ));
            let stepped = elements(outputs, inputs, |r, i, j| {
                let terms = (0..batch).map(|b| {
                    let index = (r * batch + b) * outputs + i;
                    let q = mix_gradient(kind, activation, clamp, delta[index], u[index]);
                    (q, z[(r * batch + b) * inputs + j])
                });
                let old = Bounded::exact(matrix[(r * outputs + i) * inputs + j]);
                let rate = Bounded::exact(-learning_rate);
                old.plus(rate.times(Bounded::dot_of(terms)))
                    .stored(checks.storage)
            });
            let projected = stepped.chunks_exact(inputs).flat_map(projected);
            let expected: Vec<Bounded> = projected.map(|m| m.stored(checks.storage)).collect();
            let found = run.read(gpu, &[matrix_id])?;
            let what = format!("{kind:?} {batch} × {outputs} × {inputs}");
            checks.compare(&what, &found[0], &expected);
        }
    }
    Ok(())
}
