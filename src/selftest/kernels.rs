//! Every kernel against textbook f64, element by element, within derived bounds.

use super::checks::{Bounded, Check, Checks};
use super::dispatch::{Run, UNWRITTEN, random};
use crate::activation::{self, Activation};
use crate::error::Result;
use crate::gpu::ops::{self, Product};
use crate::gpu::shader::{Layout, Storage, Tile};
use crate::gpu::{BufferId, Gpu};
use crate::nn::{Layer, LayerKind, Loss};

/// R of every check: the second realization would show a wrong stride.
const R: usize = 2;

/// The checks, by name.
pub const ALL: [(&str, Check); 20] = [
    ("matmul", matmul),
    ("layer_forward", layer_forward),
    ("layer_forward_of_pixels", layer_forward_of_pixels),
    ("layer_forward_mix", layer_forward_mix),
    ("layer_backward", layer_backward),
    ("mix_update", mix_update),
    ("elementwise", elementwise),
    ("activations", activations),
    ("gather", gather),
    ("loss", loss),
    ("head", head),
    ("loss_of_a_non_finite_output", loss_of_a_non_finite_output),
    ("project_simplex", project_simplex),
    ("check_finite", check_finite),
    ("folded_dispatch", folded_dispatch),
    ("layer_forward, f16", |gpu, checks| {
        in_half(gpu, checks, layer_forward)
    }),
    ("layer_forward_of_pixels, f16", |gpu, checks| {
        in_half(gpu, checks, layer_forward_of_pixels)
    }),
    ("layer_forward_mix, f16", |gpu, checks| {
        in_half(gpu, checks, layer_forward_mix)
    }),
    ("layer_backward, f16", |gpu, checks| {
        in_half(gpu, checks, layer_backward)
    }),
    ("head and mix_update, f16", |gpu, checks| {
        in_half(gpu, checks, head)?;
        in_half(gpu, checks, mix_update)
    }),
];

/// A check on weights and activations in half precision, where the adapter can.
fn in_half(gpu: &mut Gpu, checks: &mut Checks, check: Check) -> Result<()> {
    if gpu.has_f16() {
        checks.storage = Storage::F16;
        check(gpu, checks)?;
        checks.storage = Storage::F32;
    }
    Ok(())
}

/// (m, n, k): ones, primes, and each tile's sizes ± 1.
fn awkward_products(tile: Tile) -> Vec<Product> {
    let s = tile.sizes();
    let [m, n, k] = [s.m, s.n, s.k].map(|x| x as usize);
    let product = |m, n, k| Product { m, n, k };
    vec![
        product(1, 1, 1),
        product(2, 3, 5),
        product(7, 1, 13),
        product(1, 11, 2 * k + 1),
        product(m, n, k),
        product(m - 1, n + 1, k - 1),
        product(m + 1, n - 1, k + 1),
        product(m + 4, n + 4, 2 * k + 4),
    ]
}

fn matmul(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    for layout in Layout::ALL {
        for tile in Tile::ALL {
            for product in awkward_products(tile) {
                matmul_case(gpu, checks, layout, tile, product)?;
            }
        }
    }
    Ok(())
}

/// One product against its sums.
///
/// # Errors
/// Those of the adapter.
pub fn matmul_case(
    gpu: &mut Gpu,
    checks: &mut Checks,
    layout: Layout,
    tile: Tile,
    product: Product,
) -> Result<()> {
    let Product { m, n, k } = product;
    let lhs = random(1, R * m * k, -1.0, 2.0);
    let rhs = random(2, R * k * n, -2.0, 1.0);
    let mut run = Run::default();
    let output = run.output(R * m * n);
    let [l, r] = [&lhs, &rhs].map(|x| run.input(x));
    run.op(ops::matmul::matmul(layout, tile, R, product, l, r, output));
    let expected = elements(m, n, |r, i, j| {
        Bounded::dot((0..k).map(|kk| {
            let a = match layout {
                Layout::Nt | Layout::Nn => lhs[r * m * k + i * k + kk],
                Layout::Tn => lhs[r * m * k + kk * m + i],
            };
            let b = match layout {
                Layout::Nt => rhs[r * k * n + j * k + kk],
                Layout::Nn | Layout::Tn => rhs[r * k * n + kk * n + j],
            };
            (a, b)
        }))
    });
    let found = run.read(gpu, &[output])?;
    checks.compare(
        &format!("{layout:?} {tile:?} {product:?}"),
        &found[0],
        &expected,
    );
    Ok(())
}

/// f(realization, row, column) for all elements of (R, rows, cols).
fn elements(rows: usize, cols: usize, f: impl Fn(usize, usize, usize) -> Bounded) -> Vec<Bounded> {
    let f = &f;
    (0..R)
        .flat_map(|r| (0..rows).flat_map(move |i| (0..cols).map(move |j| f(r, i, j))))
        .collect()
}

/// Numbers over the range of ρ, some at its ends, where the clamp acts.
fn in_range(activation: &Activation, stream: u32, len: usize) -> Vec<f32> {
    let [low, high] = activation.range.map(|end| end.clamp(-3.0, 3.0) as f32);
    // float32 rounds π/2 up, out of the range.
    let rounded_out = f64::from(high) > activation.range[1];
    let [low, high] = if rounded_out {
        activation.clamp
    } else {
        [low, high]
    };
    let mut z = random(stream, len, low + 0.05, high - 0.05);
    for (i, z) in z.iter_mut().enumerate() {
        match i % 11 {
            3 => *z = low,
            7 => *z = high,
            _ => {}
        }
    }
    z
}

/// Every activation with the small tile, one of them with all tiles; with `full`, all with all.
fn activations_and_tiles(full: bool) -> impl Iterator<Item = (&'static Activation, Tile)> {
    let all = activation::ALL.iter();
    all.flat_map(|activation| Tile::ALL.map(|tile| (activation, tile)))
        .filter(move |(activation, tile)| {
            full || *tile == Tile::Small || activation.name == activation::SIGMOID.name
        })
}

/// Shapes that cross each tile's edge, with lines of a multiple of 4 and not, and a depth that its k
/// does not divide: [rows, columns, depth].
fn across(tile: Tile) -> [[usize; 3]; 2] {
    let s = tile.sizes();
    let [m, n, k] = [s.m, s.n, s.k].map(|x| x as usize);
    [[m + 1, n + 2, k + 3], [m + 1, n + 4, k + 4]]
}

fn layer_forward(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    for (activation, tile) in activations_and_tiles(checks.full) {
        for shape in [[1, 1, 1], [5, 3, 2]].into_iter().chain(across(tile)) {
            forward_case(gpu, checks, activation, tile, shape)?;
        }
    }
    Ok(())
}

/// The layers' parameters and inputs of a check of the forward pass.
struct ForwardCase<'a> {
    activation: &'a Activation,
    layer: Layer,
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
            layer: Layer {
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
        let Layer {
            inputs, outputs, ..
        } = self.layer;
        let row = (r * self.batch + i) * inputs;
        let line = (r * outputs + j) * inputs;
        Bounded::dot((0..inputs).map(|k| (self.z[row + k], matrix[line + k])))
    }

    /// a′ of an epilogue, by number, u being the skip path's variable.
    fn argument(&self, which: usize, r: usize, i: usize, j: usize, u: Bounded) -> Bounded {
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
            // Only checks without an error in u have one where the slope vanishes.
            let steepest = if u.error == 0.0 { 0.0 } else { 1.0 / slope };
            u.through(self.activation.rho_inv, 2.0 * steepest)
        };
        match which {
            0 | 1 => pre_activation,
            2 => u.plus(pre_activation),
            3 => lifted().plus(pre_activation),
            4 => lifted().plus(pre_activation).limited(dual_max),
            _ => u.plus(pre_activation).limited(dual_max),
        }
    }

    fn output(&self, which: usize, a: Bounded) -> Bounded {
        match which {
            0 => a,
            _ => a.through(self.activation.rho, 1.0 / self.activation.sigma),
        }
    }
}

fn forward_epilogue(
    which: usize,
    u: BufferId,
    a: BufferId,
    dual: BufferId,
) -> ops::layer_forward::Epilogue {
    use ops::layer_forward::Epilogue;
    match which {
        0 => Epilogue::Linear,
        1 => Epilogue::Standard,
        2 => Epilogue::Euclidean { u },
        3 => Epilogue::Bregman { u },
        4 => Epilogue::BregmanLift { u, dual },
        _ => Epilogue::BregmanDual { a, dual },
    }
}

fn forward_case(
    gpu: &mut Gpu,
    checks: &mut Checks,
    activation: &Activation,
    tile: Tile,
    shape: [usize; 3],
) -> Result<()> {
    use ops::layer_forward::{Input, Operands, layer_forward};
    let case = ForwardCase::new(checks, activation, shape);
    let [batch, outputs, _] = shape;
    let skip = checks.stored(in_range(activation, 4, R * batch * outputs));
    let a_skip = checks.stored(random(5, R * batch * outputs, -1.4, 1.5));
    for which in 0..6 {
        let mut run = checks.run();
        let output = run.output(R * batch * outputs);
        let dual = run.output(R * batch * outputs);
        let [z, weight, bias, u, a] =
            [&case.z, &case.weight, &case.bias, &skip, &a_skip].map(|x| run.input(x));
        let epilogue = forward_epilogue(which, u, a, dual);
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
            let u = if which == 5 { &a_skip } else { &skip };
            let u = Bounded::exact(u[(r * batch + i) * outputs + j]);
            case.argument(which, r, i, j, u)
        };
        let what = format!("{} {epilogue:?} {tile:?} {shape:?}", activation.name);
        let found = run.read(gpu, &[output, dual])?;
        let expected = elements(batch, outputs, |r, i, j| {
            case.output(which, argument(r, i, j)).stored(checks.storage)
        });
        checks.compare(&what, &found[0], &expected);
        if which >= 4 {
            let expected = elements(batch, outputs, |r, i, j| {
                argument(r, i, j).stored_dual(checks.storage)
            });
            checks.compare(&format!("{what} a′"), &found[1], &expected);
        }
    }
    Ok(())
}

/// The first layer, which gathers its batch and leaves it behind.
fn layer_forward_of_pixels(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    use ops::layer_forward::{Input, Operands, layer_forward};
    let activation = &activation::SIGMOID;
    for tile in Tile::ALL {
        // Across a stage's edge, too: words are handed on from one to the next.
        let cols = tile.sizes().n.max(tile.sizes().k) as usize;
        for (width, order_stride) in [(cols + 3, 0), (cols + 4, 11)] {
            for which in 1..5 {
                let [batch, samples, first, count] = [7, 11, 6, 5];
                let bytes: Vec<u8> = (0..samples * width).map(|i| (i * 37 % 256) as u8).collect();
                let values: Vec<f32> = (0..256).map(|p| p as f32 / 600.0 + 0.25).collect();
                let order: Vec<u32> = (0..R * samples).map(|i| (i * 7 % samples) as u32).collect();
                let mut case = ForwardCase::new(checks, activation, [batch, width, width]);
                for (index, z) in case.z.iter_mut().enumerate() {
                    let [r, i, j] = [index / width / batch, index / width % batch, index % width];
                    let place = r * order_stride + first + i;
                    *z = match i < count {
                        true => values[usize::from(bytes[order[place] as usize * width + j])],
                        false => 0.0,
                    };
                }
                let mut run = checks.run();
                run.step(first as u32, count as u32, 0);
                let [output, dual, z] = [0; 3].map(|_| run.output(R * batch * width));
                let operands = ops::gather::Operands {
                    pixels: run.bytes(&bytes),
                    pixel_values: run.input(&values),
                    order: run.bytes(bytemuck::cast_slice(&order)),
                    output: z,
                };
                let operands = Operands {
                    z: Input::Pixels {
                        order_stride,
                        operands,
                    },
                    weight: run.input(&case.weight),
                    bias: run.input(&case.bias),
                    output,
                };
                let epilogue = forward_epilogue(which, z, z, dual);
                let (clamp, rows) = (activation.clamp, [R, batch]);
                let layer = &case.layer;
                run.op(layer_forward(
                    epilogue, activation, clamp, tile, rows, layer, operands,
                ));
                let argument = |r: usize, i: usize, j: usize| {
                    let u = case.z[(r * batch + i) * width + j];
                    case.argument(which, r, i, j, Bounded::exact(u))
                };
                let what = format!("{epilogue:?} {tile:?} {width}");
                let found = run.read(gpu, &[output, dual, z])?;
                let expected = elements(batch, width, |r, i, j| {
                    case.output(which, argument(r, i, j)).stored(checks.storage)
                });
                checks.compare(&what, &found[0], &expected);
                if which == 4 {
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

/// Layers with M.
fn layer_forward_mix(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    use ops::layer_forward_mix::{Operands, layer_forward_mix};
    let storage = checks.storage;
    for (activation, tile) in activations_and_tiles(checks.full) {
        for shape in across(tile) {
            let [batch, outputs, inputs] = shape;
            let case = ForwardCase::new(checks, activation, shape);
            let mix = random(6, R * outputs * inputs, 0.5, 1.0);
            let mix = checks.stored(mix.iter().map(|m| m / inputs as f32).collect());
            for which in 2..5 {
                let mut run = checks.run();
                let [output, dual, u] = [0; 3].map(|_| run.output(R * batch * outputs));
                let epilogue = forward_epilogue(which, u, u, dual);
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
                    case.argument(which, r, i, j, u)
                };
                let what = format!("{} {epilogue:?} {tile:?} {shape:?}", activation.name);
                let found = run.read(gpu, &[output, dual, u])?;
                let expected = elements(batch, outputs, |r, i, j| {
                    case.output(which, argument(r, i, j)).stored(storage)
                });
                checks.compare(&what, &found[0], &expected);
                if which == 4 {
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

fn layer_backward(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    for (activation, tile) in activations_and_tiles(checks.full) {
        let [odd, even] = across(tile);
        let square = |[batch, width, _]: [usize; 3]| [batch, width, width];
        // The batch is the depth of W's gradient.
        let deep = [tile.sizes().k as usize + 1, 6, 5];
        // What an activation brings of its own is its slope, in δ and in q.
        let sampled = !checks.full && activation.name != activation::SIGMOID.name;
        let (shapes, skips) = match sampled {
            true => (vec![odd, square(odd)], vec![2, 4]),
            false => (
                vec![[1, 1, 1], odd, even, square(odd), square(even), deep],
                (0..5).collect(),
            ),
        };
        for shape in shapes {
            for &which in &skips {
                backward_case(gpu, checks, activation, tile, shape, which)?;
            }
        }
    }
    Ok(())
}

/// q of a layer with M: δ′, or δ′ / h(u) where u is within the clamp.
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
    which: usize,
) -> Result<()> {
    use ops::layer_backward::{Operands, Skip, layer_backward};
    let [batch, inputs, outputs] = shape;
    // Skips without M add δ′ to δ.
    if matches!(which, 1 | 2) && inputs != outputs {
        return Ok(());
    }
    let layer = Layer {
        inputs,
        outputs,
        mix: which >= 3,
    };
    let learning_rate = 0.3;
    let delta = random(1, R * batch * outputs, -1.0, 1.5);
    let weight = checks.stored(random(2, R * outputs * inputs, -0.7, 0.5));
    let z = checks.stored(in_range(activation, 3, R * batch * inputs));
    let bias = random(4, R * outputs, -0.5, 0.6);
    let gate = checks.stored(random(5, R * batch * inputs, -1.0, 1.0));
    let matrix = checks.stored(random(6, R * outputs * inputs, -0.2, 0.9));
    // Within the clamp, so that slopes are not tiny, and at times past it.
    let [low, high] = activation.clamp.map(|end| 0.5 * end.clamp(-2.0, 2.0));
    // Half of the least normal number may count as 0.
    let low = if low > 0.0 { 0.05 } else { low };
    let clamp = [low, high];
    let u = checks.stored(random(7, R * batch * outputs, low - 0.1, high + 0.1));
    let window = [-0.5, 0.75];
    let kind = [LayerKind::Euclidean, LayerKind::Bregman][usize::from(which == 4)];
    for input_wanted in [true, false] {
        let mut run = checks.run();
        let output = run.output(R * batch * inputs);
        let next_weight = run.output(R * outputs * inputs);
        let [delta_id, weight_id, z_id, bias_id] =
            [&delta, &weight, &z, &bias].map(|x| run.input(x));
        let [gate_id, matrix_id, u_id] = [&gate, &matrix, &u].map(|x| run.input(x));
        let skip = match which {
            0 => Skip::None,
            1 => Skip::Euclidean,
            2 => Skip::Bregman {
                gate: gate_id,
                window,
            },
            _ => Skip::Mix {
                kind,
                u: u_id,
                matrix: matrix_id,
                clamp,
            },
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
        run.op(layer_backward(
            skip,
            activation,
            tile,
            learning_rate,
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
            match which {
                0 => slope.times(acc),
                1 => slope.times(acc.plus(Bounded::exact(delta[index]))),
                2 => {
                    let open = gate[index] >= window[0] && gate[index] <= window[1];
                    let pass = if open { delta[index] } else { 0.0 };
                    slope.times(acc).plus(Bounded::exact(pass))
                }
                _ => {
                    let terms = (0..outputs).map(|k| {
                        let q = mix_gradient(kind, activation, clamp, delta[line + k], u[line + k]);
                        (q, matrix[entry(k)])
                    });
                    slope.times(acc.plus(Bounded::dot_of(terms)))
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
fn mix_update(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    use ops::mix_update::{Operands, mix_update};
    let activation = &activation::TANH;
    let (clamp, learning_rate) = ([-0.8, 0.7], 0.05);
    for kind in [LayerKind::Euclidean, LayerKind::Bregman] {
        // Fewer and more samples and columns than a workgroup has invocations.
        for [batch, outputs, inputs] in [[1, 1, 1], [5, 3, 7], [67, 5, 130]] {
            let layer = Layer {
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
            run.op(mix_update(
                kind,
                activation,
                clamp,
                learning_rate,
                rows,
                &layer,
                operands,
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

/// The projection of a row: a mapping that brings no two points apart, in the largest entry by a
/// factor of 2 at most.
fn projected(row: &[Bounded]) -> Vec<Bounded> {
    let values: Vec<f64> = row.iter().map(|v| v.value).collect();
    let theta = simplex_threshold(&values);
    let worst = row.iter().fold(0.0, |m: f64, v| m.max(v.error));
    let error = 2.0 * worst + projection_error(&values);
    let max0 = |v: f64| (v - theta).max(0.0);
    let values = values.into_iter();
    values
        .map(|v| Bounded {
            value: max0(v),
            error,
        })
        .collect()
}

fn elementwise(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    // Rather more elements than a workgroup has invocations.
    let [rows, cols] = [11, 13];
    let len = R * rows * cols;
    let x = random(1, len, -1.0, 2.0);
    let y = random(2, len, -2.0, 1.0);
    let bias = random(3, R * cols, -1.0, 1.0);
    let mut run = Run::default();
    let [add, add_bias, sgd] = [&x, &x, &x].map(|x| run.input(x));
    let gated = run.output(len);
    let sums = run.output(R * cols);
    let [y_id, bias_id, x_id] = [&y, &bias, &x].map(|v| run.input(v));
    let window = [-0.5, 0.25];
    run.op(ops::add::add(len, y_id, add));
    run.op(ops::add_bias::add_bias([R, rows, cols], bias_id, add_bias));
    run.op(ops::sgd::sgd(len, 0.3, y_id, sgd));
    run.op(ops::apply_gate::apply_gate(len, window, y_id, x_id, gated));
    run.op(ops::bias_gradient::bias_gradient(
        [R, rows, cols],
        y_id,
        sums,
    ));
    let found = run.read(gpu, &[add, add_bias, sgd, gated, sums])?;
    let at = |r: usize, i: usize, j: usize| (r * rows + i) * cols + j;
    let exact = Bounded::exact;
    let all = |f: &dyn Fn(usize) -> Bounded| elements(rows, cols, |r, i, j| f(at(r, i, j)));
    checks.begin("add");
    checks.compare("", &found[0], &all(&|i| exact(x[i]).plus(exact(y[i]))));
    let expected = elements(rows, cols, |r, i, j| {
        exact(x[at(r, i, j)]).plus(exact(bias[r * cols + j]))
    });
    checks.begin("add_bias");
    checks.compare("", &found[1], &expected);
    checks.begin("sgd");
    checks.compare(
        "",
        &found[2],
        &all(&|i| exact(x[i]).plus(exact(-0.3).times(exact(y[i])))),
    );
    let gate = |i: usize| {
        if y[i] >= window[0] && y[i] <= window[1] {
            x[i]
        } else {
            0.0
        }
    };
    checks.begin("apply_gate");
    checks.compare("", &found[3], &all(&|i| exact(gate(i))));
    let expected = elements(1, cols, |r, _, j| {
        Bounded::dot((0..rows).map(|i| (y[at(r, i, j)], 1.0)))
    });
    checks.begin("bias_gradient");
    checks.compare("", &found[4], &expected);
    Ok(())
}

fn activations(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    let len = 307;
    for activation in &activation::ALL {
        let a = random(1, len, -4.0, 5.0);
        let z = in_range(activation, 2, len);
        let delta = random(3, len, -1.0, 1.5);
        let clamp = activation.clamp;
        let mut run = Run::default();
        let [rho, lifted, q] = [0; 3].map(|_| run.output(len));
        let [a_id, z_id, delta_id, sloped, limited] =
            [&a, &z, &delta, &delta, &a].map(|x| run.input(x));
        run.op(ops::apply_rho::apply_rho(activation, len, a_id, rho));
        run.op(ops::apply_rho_inv::apply_rho_inv(
            activation, len, clamp, z_id, lifted,
        ));
        run.op(ops::apply_rho_slope::apply_rho_slope(
            activation, len, z_id, sloped,
        ));
        run.op(ops::limit_dual::limit_dual(activation, len, limited));
        run.op(ops::mix_backward::mix_backward(
            activation, len, clamp, z_id, delta_id, q,
        ));
        let found = run.read(gpu, &[rho, lifted, sloped, limited, q])?;
        let clamped = |i: usize| z[i].clamp(clamp[0], clamp[1]);
        let all = |f: &dyn Fn(usize) -> Bounded| (0..len).map(f).collect::<Vec<_>>();
        let exact = Bounded::exact;
        let name = activation.name;
        checks.begin("apply_rho");
        checks.compare(
            name,
            &found[0],
            &all(&|i| Bounded::function(activation.rho, a[i])),
        );
        let expected = all(&|i| Bounded::function(activation.rho_inv, clamped(i)));
        checks.begin("apply_rho_inv");
        checks.compare(name, &found[1], &expected);
        let slope = |i: usize| Bounded::function(activation.rho_slope, z[i]);
        let expected = all(&|i| slope(i).times(exact(delta[i])));
        checks.begin("apply_rho_slope");
        checks.compare(name, &found[2], &expected);
        let expected = all(&|i| exact(a[i]).limited(activation.dual_max));
        checks.begin("limit_dual");
        checks.compare(name, &found[3], &expected);
        let expected = all(&|i| {
            if clamped(i) != z[i] {
                return exact(0.0);
            }
            let inverse = |z: f64| 1.0 / (activation.rho_slope)(z);
            Bounded::function(inverse, z[i]).times(exact(delta[i]))
        });
        checks.begin("mix_backward");
        checks.compare(name, &found[4], &expected);
    }
    Ok(())
}

fn gather(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    let [batch, features, samples] = [5, 7, 11];
    let pixels: Vec<u8> = (0..samples * features)
        .map(|i| (i * 37 % 256) as u8)
        .collect();
    let values: Vec<f32> = (0..256).map(|p| p as f32 * 0.5 - 3.0).collect();
    let order: Vec<u32> = (0..R * samples).map(|i| (i * 7 % samples) as u32).collect();
    // Three samples are left for a batch of five, in two kinds of order.
    let [first, count] = [8, 3];
    for order_stride in [samples, 0] {
        let mut run = Run::default();
        run.step(first, count, 0);
        let output = run.output(R * batch * features);
        let operands = ops::gather::Operands {
            pixels: run.bytes(&pixels),
            pixel_values: run.input(&values),
            order: run.bytes(bytemuck::cast_slice(&order)),
            output,
        };
        run.op(ops::gather::gather(
            [R, batch, features],
            order_stride,
            operands,
        ));
        let expected = elements(batch, features, |r, i, j| {
            let value = if i < count as usize {
                let sample = order[r * order_stride + first as usize + i] as usize;
                values[pixels[sample * features + j] as usize]
            } else {
                0.0
            };
            Bounded::exact(value)
        });
        checks.compare("", &run.read(gpu, &[output])?[0], &expected);
    }
    Ok(())
}

/// δ, and (loss, correct) of each sample of each realization.
type LossOutput = (Vec<f32>, Vec<Vec<(f32, u32)>>);

/// What the loss op writes for given logits, in one step.
fn run_loss(
    gpu: &mut Gpu,
    loss: Loss,
    logits: &[f32],
    labels: &[u8],
    [batch, outputs, count]: [usize; 3],
) -> Result<LossOutput> {
    let mut run = Run::default();
    let [first, slot] = [2, 1];
    run.step(first, count as u32, slot);
    let delta = run.output(R * batch * outputs);
    let metrics = run.output(2 * R * batch * 2);
    let (order, samples) = loss_order(batch);
    let operands = ops::loss::Operands {
        logits: run.input(logits),
        labels: run.bytes(labels),
        order: run.bytes(bytemuck::cast_slice(&order)),
        delta,
        metrics,
    };
    run.op(ops::loss::loss(
        loss,
        [R, batch, outputs],
        samples,
        operands,
    ));
    read_loss(gpu, run, delta, metrics, [batch, count, slot as usize])
}

/// Sample i of realization r's step is batch · r + i, through an order that is not the identity.
fn loss_order(batch: usize) -> (Vec<u32>, usize) {
    let samples = R * batch + 2;
    let order = (0..R)
        .flat_map(|r| (0..samples).map(move |i| ((i + samples - 2 + batch * r) % samples) as u32))
        .collect();
    (order, samples)
}

fn read_loss(
    gpu: &mut Gpu,
    run: Run,
    delta: BufferId,
    metrics: BufferId,
    [batch, count, slot]: [usize; 3],
) -> Result<LossOutput> {
    let read = run.read_words(gpu, &[delta, metrics])?;
    let delta = read[0].iter().map(|&bits| f32::from_bits(bits)).collect();
    let pairs: Vec<(f32, u32)> = read[1][slot * R * batch * 2..]
        .chunks_exact(2)
        .map(|m| (f32::from_bits(m[0]), m[1]))
        .collect();
    let own = |realization: &[(f32, u32)]| realization[..count].to_vec();
    Ok((delta, pairs.chunks_exact(batch).map(own).collect()))
}

fn loss(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    // A batch longer than the workgroup, and short ones; one output, two, and ten.
    for (loss, outputs) in LOSSES {
        for [batch, count] in [[1, 1], [13, 13], [13, 7], [261, 259]] {
            let logits = random(1, R * batch * outputs, -3.0, 4.0);
            let labels = loss_labels(batch, outputs);
            let found = run_loss(gpu, loss, &logits, &labels, [batch, outputs, count])?;
            let logits: Vec<_> = logits.iter().map(|&l| Bounded::exact(l)).collect();
            compare_loss(
                checks,
                loss,
                &logits,
                &labels,
                [batch, outputs, count],
                found,
            );
        }
    }
    Ok(())
}

const LOSSES: [(Loss, usize); 4] = [
    (Loss::CrossEntropy, 2),
    (Loss::CrossEntropy, 10),
    (Loss::MeanSquaredError, 1),
    (Loss::MeanSquaredError, 10),
];

fn loss_labels(batch: usize, outputs: usize) -> Vec<u8> {
    (0..R * batch + 2)
        .map(|i| (i * 5 % outputs.max(2)) as u8)
        .collect()
}

/// Logits below 8, from which loss and gradient are computed, against the textbook's.
fn compare_loss(
    checks: &mut Checks,
    loss: Loss,
    logits: &[Bounded],
    labels: &[u8],
    [batch, outputs, count]: [usize; 3],
    (delta, metrics): LossOutput,
) {
    let values: Vec<f64> = logits.iter().map(|l| l.value).collect();
    let worst = logits.iter().fold(0.0, |m: f64, l| m.max(l.error));
    let sample = |r: usize, i: usize| {
        let row = &values[(r * batch + i) * outputs..][..outputs];
        Sample::of(loss, row, labels[r * batch + i] as usize)
    };
    let what = format!("{loss:?} {outputs} outputs, {count} of {batch}");
    let share = 1.0 / count as f64;
    // Few operations on numbers below 8: exponentials, quotients, sums over the outputs. A logit's
    // own error counts twice in the gradient, and in the loss as often as its largest slope is: 2 of
    // cross-entropy, 2 · 8 of the mean of squares.
    let operations = (30 + outputs) as f64 / f64::from(1 << 23);
    let expected = elements(batch, outputs, |r, i, j| match i < count {
        true => Bounded {
            value: sample(r, i).gradient[j] * share,
            error: (operations * 8.0 + 2.0 * worst) * share,
        },
        false => Bounded::exact(0.0),
    });
    checks.compare(&what, &delta, &expected);
    for (r, metrics) in metrics.into_iter().enumerate() {
        for (i, (found, correct)) in metrics.into_iter().enumerate() {
            let Sample {
                loss: value,
                correct: expected,
                margin,
                ..
            } = sample(r, i);
            let error = operations * value.max(8.0) + 16.0 * worst;
            checks.compare(&what, &[found], &[Bounded { value, error }]);
            // Where rounding decides, either will do.
            let right = correct == u32::from(expected) || margin <= 2.0 * worst;
            checks.require(right && correct <= 1, || {
                format!("{what}, sample {i}: correct {correct}, expected {expected}")
            });
        }
    }
}

/// The head and its loss in one dispatch.
fn head(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    // Blocks of classes that are full, begun and many.
    let many = [16, 37, 256].map(|outputs| (Loss::CrossEntropy, outputs));
    for (loss, outputs) in LOSSES.into_iter().chain(many) {
        for ([batch, count], inputs) in [([1, 1], 1), ([13, 7], 31), ([9, 9], 133)] {
            let layer = Layer {
                inputs,
                outputs,
                mix: false,
            };
            let z = checks.stored(random(1, R * batch * inputs, -0.5, 0.9));
            let weight = checks.stored(random(2, R * outputs * inputs, -0.3, 0.4));
            let bias = random(3, R * outputs, -1.0, 1.0);
            let labels = loss_labels(batch, outputs);
            let (order, samples) = loss_order(batch);
            let [first, slot] = [2, 1];
            let mut run = checks.run();
            run.step(first, count as u32, slot);
            let delta = run.output(R * batch * outputs);
            let metrics = run.output(2 * R * batch * 2);
            let operands = ops::head::Operands {
                z: run.input(&z),
                weight: run.input(&weight),
                bias: run.input(&bias),
                labels: run.bytes(&labels),
                order: run.bytes(bytemuck::cast_slice(&order)),
                delta,
                metrics,
            };
            run.op(ops::head::head(loss, [R, batch], &layer, samples, operands));
            let logits = elements(batch, outputs, |r, i, j| {
                let line = (r * batch + i) * inputs;
                let entry = (r * outputs + j) * inputs;
                let terms = (0..inputs).map(|k| (z[line + k], weight[entry + k]));
                Bounded::dot(terms).plus(Bounded::exact(bias[r * outputs + j]))
            });
            let found = read_loss(gpu, run, delta, metrics, [batch, count, slot as usize])?;
            compare_loss(
                checks,
                loss,
                &logits,
                &labels,
                [batch, outputs, count],
                found,
            );
        }
    }
    Ok(())
}

/// Textbook loss of one sample.
struct Sample {
    loss: f64,
    gradient: Vec<f64>,
    correct: bool,
    /// How far the logits are from another decision.
    margin: f64,
}

impl Sample {
    fn of(loss: Loss, logits: &[f64], label: usize) -> Self {
        let k = logits.len();
        let best = (0..k).fold(0, |best, j| if logits[j] > logits[best] { j } else { best });
        let others = (0..k)
            .filter(|&j| j != best)
            .map(|j| logits[best] - logits[j]);
        let margin = match k {
            1 => (logits[0] - 0.5).abs(),
            _ => others.fold(f64::INFINITY, f64::min),
        };
        match loss {
            Loss::CrossEntropy => {
                let sum: f64 = logits.iter().map(|l| l.exp()).sum();
                let onehot = |j| if j == label { 1.0 } else { 0.0 };
                let gradient = (0..k).map(|j| logits[j].exp() / sum - onehot(j)).collect();
                Self {
                    loss: sum.ln() - logits[label],
                    gradient,
                    correct: best == label,
                    margin,
                }
            }
            Loss::MeanSquaredError => {
                let target = |j| {
                    let hit = if k == 1 { label == 1 } else { j == label };
                    if hit { 1.0 } else { 0.0 }
                };
                let scale = 1.0 / k as f64;
                let difference = |j: usize| logits[j] - target(j);
                let predicted = if k == 1 {
                    usize::from(logits[0] > 0.5)
                } else {
                    best
                };
                Self {
                    loss: (0..k).map(|j| difference(j).powi(2)).sum::<f64>() * scale,
                    gradient: (0..k).map(|j| 2.0 * difference(j) * scale).collect(),
                    correct: predicted == label,
                    margin,
                }
            }
        }
    }
}

/// One bad output must show in its own sample's loss alone.
fn loss_of_a_non_finite_output(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    let [batch, outputs] = [131, 3];
    for loss in Loss::ALL {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut logits = random(1, R * batch * outputs, -1.0, 1.0);
            logits[(batch + 129) * outputs + 2] = bad;
            let labels = vec![1; R * batch + 2];
            let (_, metrics) = run_loss(gpu, *loss, &logits, &labels, [batch, outputs, batch])?;
            let samples = metrics.iter().flatten().enumerate();
            let nan: Vec<usize> = samples
                .filter_map(|(i, (loss, _))| loss.is_nan().then_some(i))
                .collect();
            checks.require(nan == [batch + 129], || {
                format!("{loss:?} of {bad}: NaN at {nan:?}")
            });
        }
    }
    Ok(())
}

fn project_simplex(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    for [rows, cols] in [[1, 1], [3, 2], [5, 64], [7, 65], [2, 301]] {
        let mut matrix = random(1, rows * cols, -0.4, 0.9);
        // A row that has one clear winner, and one that is on the simplex already.
        matrix[0] = 9.0;
        if rows > 1 {
            matrix[cols..2 * cols].fill(1.0 / cols as f32);
        }
        let mut run = Run::default();
        let id = run.input(&matrix);
        run.op(ops::project_simplex::project_simplex(rows, cols, id));
        let found = run.read(gpu, &[id])?;
        let expected: Vec<Bounded> = matrix
            .chunks_exact(cols)
            .flat_map(|row| {
                let row: Vec<_> = row.iter().map(|&v| Bounded::exact(v)).collect();
                projected(&row)
            })
            .collect();
        checks.compare(&format!("{rows} × {cols}"), &found[0], &expected);
    }
    // A row that is not finite says so in all its entries, and no other row does.
    let [rows, cols] = [3, 70];
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut matrix = random(1, rows * cols, -0.4, 0.9);
        matrix[cols + 66] = bad;
        let mut run = Run::default();
        let id = run.input(&matrix);
        run.op(ops::project_simplex::project_simplex(rows, cols, id));
        let found = run.read(gpu, &[id])?;
        for (row, found) in found[0].chunks_exact(cols).enumerate() {
            let finite = found.iter().filter(|v| v.is_finite()).count();
            let expected = if row == 1 { 0 } else { cols };
            checks.require(finite == expected, || {
                format!("{bad}, row {row}: {finite} finite, expected {expected}")
            });
        }
    }
    Ok(())
}

/// The rounding of θ: a mean of at most cols numbers less a pivot, summed in float32 by 64 threads.
fn projection_error(row: &[f64]) -> f64 {
    let largest = row.iter().fold(1.0, |m: f64, &v| m.max(v.abs()));
    (row.len() as f64 / 64.0 + 12.0) * largest / f64::from(1 << 23)
}

/// θ with Σ max(v − θ, 0) = 1, by bisection.
fn simplex_threshold(row: &[f64]) -> f64 {
    let largest = row.iter().fold(f64::MIN, |m, &v| m.max(v));
    let (mut low, mut high) = (largest - 1.0, largest);
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        let sum: f64 = row.iter().map(|&v| (v - middle).max(0.0)).sum();
        if sum > 1.0 {
            low = middle
        } else {
            high = middle
        }
    }
    low
}

fn check_finite(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    let each = 301;
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut values = random(1, R * each, -1e38, 1e38);
        values[3] = f32::MAX;
        values[each + 299] = bad;
        let mut run = Run::default();
        let flags = run.bytes(&[0; 4 * R]);
        let id = run.input(&values);
        run.op(ops::check_finite::check_finite(R, R * each, id, flags));
        let found = run.read_words(gpu, &[flags])?.remove(0);
        checks.require(found == [0, 1], || format!("{bad}: flags {found:?}"));
    }
    Ok(())
}

/// More rows than a dispatch has workgroups in one dimension.
fn folded_dispatch(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    let rows = gpu.limits().max_compute_workgroups_per_dimension as usize + 2;
    let mut run = Run::default();
    let id = run.input(&vec![0.5; rows]);
    run.op(ops::project_simplex::project_simplex(rows, 1, id));
    let found = run.read(gpu, &[id])?;
    let wrong = found[0].iter().position(|&x| x != 1.0);
    checks.require(wrong.is_none(), || format!("row {wrong:?} was left out"));
    Ok(())
}
