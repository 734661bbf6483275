//! Every kernel against textbook f64, element by element, within derived bounds.

use super::checks::{Bounded, Check, Checks};
use super::dispatch::{Run, random};
use crate::activation::{self, Activation};
use crate::error::Result;
use crate::gpu::Gpu;
use crate::gpu::ops::{self, Product};
use crate::gpu::shader::{Layout, Tile};
use crate::nn::{Layer, Loss};

/// R of every check: the second realization would show a wrong stride.
const R: usize = 2;

/// The checks, by name.
pub const ALL: [(&str, Check); 12] = [
    ("matmul", matmul),
    ("layer_forward", layer_forward),
    ("layer_backward_input", layer_backward_input),
    ("layer_backward_weight", layer_backward_weight),
    ("elementwise", elementwise),
    ("activations", activations),
    ("gather", gather),
    ("loss", loss),
    ("loss_of_a_non_finite_output", loss_of_a_non_finite_output),
    ("project_simplex", project_simplex),
    ("check_finite", check_finite),
    ("folded_dispatch", folded_dispatch),
];

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

/// One row and column more than the tile, and a depth that its k does not divide.
fn across(tile: Tile) -> [usize; 3] {
    match tile {
        Tile::Small => [33, 34, 19],
        Tile::Medium => [65, 67, 18],
        Tile::Large => [129, 130, 9],
    }
}

fn layer_forward(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    for (activation, tile) in activations_and_tiles(checks.full) {
        for shape in [[1, 1, 1], [5, 3, 2], across(tile)] {
            forward_case(gpu, checks, activation, tile, shape)?;
        }
    }
    Ok(())
}

fn forward_case(
    gpu: &mut Gpu,
    checks: &mut Checks,
    activation: &Activation,
    tile: Tile,
    shape: [usize; 3],
) -> Result<()> {
    use ops::layer_forward::{Epilogue, Operands, layer_forward};
    let [batch, outputs, inputs] = shape;
    let layer = Layer {
        inputs,
        outputs,
        mix: inputs != outputs,
    };
    let z = in_range(activation, 1, R * batch * inputs);
    let weight = random(2, R * outputs * inputs, -0.7, 0.5);
    let bias = random(3, R * outputs, -0.5, 0.6);
    let skip = in_range(activation, 4, R * batch * outputs);
    let a_skip = random(5, R * batch * outputs, -1.4, 1.5);
    for which in 0..6 {
        let mut run = Run::default();
        let output = run.output(R * batch * outputs);
        let dual = run.output(R * batch * outputs);
        let [z_id, weight_id, bias_id, u, a] =
            [&z, &weight, &bias, &skip, &a_skip].map(|x| run.input(x));
        let epilogue = match which {
            0 => Epilogue::Linear,
            1 => Epilogue::Standard,
            2 => Epilogue::Euclidean { u },
            3 => Epilogue::Bregman { u },
            4 => Epilogue::BregmanLift { u, dual },
            _ => Epilogue::BregmanDual { a, dual },
        };
        let operands = Operands {
            z: z_id,
            weight: weight_id,
            bias: bias_id,
            output,
        };
        let clamp = activation.clamp;
        let rows = [R, batch];
        run.op(layer_forward(
            epilogue, activation, clamp, tile, rows, &layer, operands,
        ));
        let pre_activation = |r: usize, i: usize, j: usize| {
            let row = (r * batch + i) * inputs;
            let weights = (r * outputs + j) * inputs;
            Bounded::dot((0..inputs).map(|k| (z[row + k], weight[weights + k])))
                .plus(Bounded::exact(bias[r * outputs + j]))
        };
        let at = |r: usize, i: usize, j: usize| (r * batch + i) * outputs + j;
        let lifted = |index: usize| {
            Bounded::function(activation.rho_inv, skip[index].clamp(clamp[0], clamp[1]))
        };
        let argument = |r, i, j| {
            let pre_activation = pre_activation(r, i, j);
            match which {
                0 | 1 => pre_activation,
                2 => Bounded::exact(skip[at(r, i, j)]).plus(pre_activation),
                3 => lifted(at(r, i, j)).plus(pre_activation),
                4 => lifted(at(r, i, j))
                    .plus(pre_activation)
                    .limited(activation.dual_max),
                _ => Bounded::exact(a_skip[at(r, i, j)])
                    .plus(pre_activation)
                    .limited(activation.dual_max),
            }
        };
        let what = format!("{} {epilogue:?} {tile:?} {shape:?}", activation.name);
        let found = run.read(gpu, &[output, dual])?;
        let outputs_expected = elements(batch, outputs, |r, i, j| match which {
            0 => argument(r, i, j),
            _ => argument(r, i, j).through(activation.rho, 1.0 / activation.sigma),
        });
        checks.compare(&what, &found[0], &outputs_expected);
        if which >= 4 {
            checks.compare(
                &format!("{what} a′"),
                &found[1],
                &elements(batch, outputs, argument),
            );
        }
    }
    Ok(())
}

fn layer_backward_input(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    for (activation, tile) in activations_and_tiles(checks.full) {
        for shape in [[1, 1, 1], across(tile)] {
            backward_input_case(gpu, checks, activation, tile, shape)?;
        }
    }
    Ok(())
}

fn backward_input_case(
    gpu: &mut Gpu,
    checks: &mut Checks,
    activation: &Activation,
    tile: Tile,
    shape: [usize; 3],
) -> Result<()> {
    use ops::layer_backward_input::{Epilogue, Operands, layer_backward_input};
    let [batch, inputs, outputs] = shape;
    let layer = Layer {
        inputs,
        outputs,
        mix: inputs != outputs,
    };
    let delta = random(1, R * batch * outputs, -1.0, 1.5);
    let weight = random(2, R * outputs * inputs, -0.7, 0.5);
    let z = in_range(activation, 3, R * batch * inputs);
    let skip = random(4, R * batch * inputs, -1.0, 1.5);
    let gate = random(5, R * batch * inputs, -1.0, 1.0);
    let window = [-0.5, 0.75];
    for which in 0..3 {
        // The Bregman epilogue takes δ′ itself as skip, so its shape is the output's.
        if which == 2 && inputs != outputs {
            continue;
        }
        let mut run = Run::default();
        let output = run.output(R * batch * inputs);
        let [delta_id, weight_id, z_id, skip_id, gate_id] =
            [&delta, &weight, &z, &skip, &gate].map(|x| run.input(x));
        let epilogue = match which {
            0 => Epilogue::Standard,
            1 => Epilogue::Euclidean { skip: skip_id },
            _ => Epilogue::Bregman {
                gate: gate_id,
                window,
            },
        };
        let operands = Operands {
            delta: delta_id,
            weight: weight_id,
            z: z_id,
            output,
        };
        run.op(layer_backward_input(
            epilogue,
            activation,
            tile,
            [R, batch],
            &layer,
            operands,
        ));
        let expected = elements(batch, inputs, |r, i, j| {
            let index = (r * batch + i) * inputs + j;
            let acc = Bounded::dot((0..outputs).map(|k| {
                (
                    delta[(r * batch + i) * outputs + k],
                    weight[(r * outputs + k) * inputs + j],
                )
            }));
            let slope = Bounded::function(activation.rho_slope, z[index]);
            match which {
                0 => slope.times(acc),
                1 => slope.times(acc.plus(Bounded::exact(skip[index]))),
                _ => {
                    let open = gate[index] >= window[0] && gate[index] <= window[1];
                    let pass = if open { delta[index] } else { 0.0 };
                    slope.times(acc).plus(Bounded::exact(pass))
                }
            }
        });
        let found = run.read(gpu, &[output])?;
        checks.compare(
            &format!("{} {epilogue:?} {tile:?} {shape:?}", activation.name),
            &found[0],
            &expected,
        );
    }
    if inputs != outputs {
        let square = [batch, inputs, inputs];
        backward_input_case(gpu, checks, activation, tile, square)?;
    }
    Ok(())
}

fn layer_backward_weight(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    use ops::layer_backward_weight::layer_backward_weight;
    let learning_rate = 0.3;
    for tile in Tile::ALL {
        for Product {
            m: outputs,
            n: inputs,
            k: batch,
        } in awkward_products(tile)
        {
            let layer = Layer {
                inputs,
                outputs,
                mix: inputs != outputs,
            };
            let delta = random(1, R * batch * outputs, -1.0, 1.5);
            let z = random(2, R * batch * inputs, -1.5, 1.0);
            let weight = random(3, R * outputs * inputs, -0.7, 0.5);
            let bias = random(4, R * outputs, -0.5, 0.6);
            for with_bias in [true, false] {
                let mut run = Run::default();
                let [delta_id, z_id, weight_id, bias_id] =
                    [&delta, &z, &weight, &bias].map(|x| run.input(x));
                run.op(layer_backward_weight(
                    learning_rate,
                    tile,
                    [R, batch],
                    &layer,
                    [delta_id, z_id],
                    weight_id,
                    with_bias.then_some(bias_id),
                ));
                let rate = Bounded::exact(-learning_rate);
                let weights = elements(outputs, inputs, |r, i, j| {
                    let gradient = Bounded::dot((0..batch).map(|b| {
                        (
                            delta[(r * batch + b) * outputs + i],
                            z[(r * batch + b) * inputs + j],
                        )
                    }));
                    let old = Bounded::exact(weight[(r * outputs + i) * inputs + j]);
                    old.plus(rate.times(gradient))
                });
                let biases = elements(1, outputs, |r, _, i| {
                    let old = Bounded::exact(bias[r * outputs + i]);
                    if !with_bias {
                        return old;
                    }
                    let gradient = Bounded::dot(
                        (0..batch).map(|b| (delta[(r * batch + b) * outputs + i], 1.0)),
                    );
                    old.plus(rate.times(gradient))
                });
                let found = run.read(gpu, &[weight_id, bias_id])?;
                let what = format!("{tile:?} out {outputs} in {inputs} batch {batch}");
                checks.compare(&format!("weight {what}"), &found[0], &weights);
                checks.compare(&format!("bias {what}, {with_bias}"), &found[1], &biases);
            }
        }
    }
    Ok(())
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

/// δ, and (loss, correct) of each realization.
type LossOutput = (Vec<f32>, Vec<(f32, u32)>);

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
    let metrics = run.output(2 * R * 2);
    // Sample i of realization r's step is batch · r + i, through an order that is not the identity.
    let samples = R * batch + 2;
    let order: Vec<u32> = (0..R)
        .flat_map(|r| (0..samples).map(move |i| ((i + samples - 2 + batch * r) % samples) as u32))
        .collect();
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
    let read = run.read_words(gpu, &[delta, metrics])?;
    let delta = read[0].iter().map(|&bits| f32::from_bits(bits)).collect();
    let place = slot as usize * R * 2;
    let metrics = read[1][place..]
        .chunks_exact(2)
        .map(|m| (f32::from_bits(m[0]), m[1]))
        .collect();
    Ok((delta, metrics))
}

fn loss(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    // A batch longer than the workgroup, and short ones; one output, two, and ten.
    for (loss, outputs) in [
        (Loss::CrossEntropy, 2),
        (Loss::CrossEntropy, 10),
        (Loss::MeanSquaredError, 1),
        (Loss::MeanSquaredError, 10),
    ] {
        for [batch, count] in [[1, 1], [13, 13], [13, 7], [261, 259]] {
            let logits = random(1, R * batch * outputs, -3.0, 4.0);
            let labels: Vec<u8> = (0..R * batch + 2)
                .map(|i| (i * 5 % outputs.max(2)) as u8)
                .collect();
            let (delta, metrics) = run_loss(gpu, loss, &logits, &labels, [batch, outputs, count])?;
            let row = |r: usize, i: usize| &logits[(r * batch + i) * outputs..][..outputs];
            let label = |r: usize, i: usize| labels[r * batch + i] as usize;
            let samples: Vec<Vec<Sample>> = (0..R)
                .map(|r| {
                    (0..count)
                        .map(|i| Sample::of(loss, row(r, i), label(r, i)))
                        .collect()
                })
                .collect();
            let what = format!("{loss:?} {outputs} outputs, {count} of {batch}");
            let share = 1.0 / count as f64;
            // Few operations on numbers below 8: exponentials, quotients, sums over the outputs.
            let operations = (30 + outputs) as f64 / f64::from(1 << 23);
            let expected = elements(batch, outputs, |r, i, j| match samples[r].get(i) {
                Some(s) => Bounded {
                    value: s.gradient[j] * share,
                    error: operations * 8.0 * share,
                },
                None => Bounded::exact(0.0),
            });
            checks.compare(&what, &delta, &expected);
            for (r, (mean, correct)) in metrics.into_iter().enumerate() {
                let value = samples[r].iter().map(|s| s.loss).sum::<f64>() * share;
                let error = (operations + count as f64 / f64::from(1 << 23)) * value.max(8.0);
                checks.compare(&what, &[mean], &[Bounded { value, error }]);
                let expected = samples[r].iter().filter(|s| s.correct).count();
                checks.require(correct as usize == expected, || {
                    format!("{what}: {correct} correct, expected {expected}")
                });
            }
        }
    }
    Ok(())
}

/// Textbook loss of one sample.
struct Sample {
    loss: f64,
    gradient: Vec<f64>,
    correct: bool,
}

impl Sample {
    fn of(loss: Loss, logits: &[f32], label: usize) -> Self {
        let logits: Vec<f64> = logits.iter().map(|&l| f64::from(l)).collect();
        let k = logits.len();
        let best = (0..k).fold(0, |best, j| if logits[j] > logits[best] { j } else { best });
        match loss {
            Loss::CrossEntropy => {
                let sum: f64 = logits.iter().map(|l| l.exp()).sum();
                let onehot = |j| if j == label { 1.0 } else { 0.0 };
                let gradient = (0..k).map(|j| logits[j].exp() / sum - onehot(j)).collect();
                Self {
                    loss: sum.ln() - logits[label],
                    gradient,
                    correct: best == label,
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
                }
            }
        }
    }
}

/// One bad output, in the second realization alone, must show in that one's loss alone.
fn loss_of_a_non_finite_output(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    let [batch, outputs] = [131, 3];
    for loss in Loss::ALL {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut logits = random(1, R * batch * outputs, -1.0, 1.0);
            logits[(batch + 129) * outputs + 2] = bad;
            let labels = vec![1; R * batch + 2];
            let (_, metrics) = run_loss(gpu, *loss, &logits, &labels, [batch, outputs, batch])?;
            let [found, other] = [metrics[1].0, metrics[0].0];
            checks.require(found.is_nan() && other.is_finite(), || {
                format!("{loss:?} of {bad}: {found}, and without: {other}")
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
                let theta = simplex_threshold(row);
                // θ is a mean of at most cols numbers less a pivot, summed in float32 by 64 threads.
                let largest = row.iter().fold(1.0, |m: f64, &v| m.max(f64::from(v.abs())));
                let error = (cols as f64 / 64.0 + 12.0) * largest / f64::from(1 << 23);
                row.iter().map(move |&v| Bounded {
                    value: (f64::from(v) - theta).max(0.0),
                    error,
                })
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

/// θ with Σ max(v − θ, 0) = 1, by bisection.
fn simplex_threshold(row: &[f32]) -> f64 {
    let largest = row.iter().fold(f64::MIN, |m, &v| m.max(f64::from(v)));
    let (mut low, mut high) = (largest - 1.0, largest);
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        let sum: f64 = row.iter().map(|&v| (f64::from(v) - middle).max(0.0)).sum();
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
