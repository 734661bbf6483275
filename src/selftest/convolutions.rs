//! The kernels of the convolutional front-end against textbook f64, within derived bounds.

use super::checks::{Bounded, Check, Checks};
use super::dispatch::{Run, random};
use crate::activation::Activation;
use crate::error::Result;
use crate::gpu::ops::conv::conv2d_backward_weight::Parts;
use crate::gpu::ops::update::{Update, Updating};
use crate::gpu::tile::Tile;
use crate::gpu::{Gpu, ops};
use crate::nn::cnn::{Conv, Dropout, Pool};
use crate::reference::cnn::dropout_factors;
use crate::reference::{conv2d, max_pool2d};

/// (R, batch). With two realizations a wrong stride between them shows.
const ROWS: [usize; 2] = [2, 3];

/// Relative error of one operation: a whole ULP, since WGSL leaves the direction of rounding open.
const ROUNDING: f64 = 1.0 / (1 << 23) as f64;

/// The checks, by name.
pub const ALL: [(&str, Check); 5] = [
    ("conv2d_forward", forward),
    ("conv2d_backward_input", backward_input),
    ("conv2d_backward_weight", backward_weight),
    ("max_pool2d", max_pool2d),
    ("dropout", dropout),
];

/// Single pixels; primes; kernels that are not square, with different strides and paddings; one
/// filter and one channel more than a tile has.
fn shapes() -> Vec<Conv> {
    let conv = |[channels, height, width]: [usize; 3], filters, kernel, stride, padding| Conv {
        channels,
        height,
        width,
        filters,
        kernel,
        stride,
        padding,
    };
    vec![
        conv([1, 1, 1], 1, [1, 1], 1, 0),
        conv([2, 7, 5], 3, [3, 2], 1, 0),
        conv([3, 5, 11], 5, [2, 5], 3, 2),
        conv([2, 6, 7], 33, [3, 3], 2, 1),
        conv([34, 4, 5], 3, [1, 4], 1, 3),
        // Windows of a multiple of 4, and sums over positions that are split into parts.
        conv([4, 17, 19], 3, [3, 3], 1, 1),
    ]
}

/// f of each operand's part of a realization, for both realizations one after the other.
fn by_realization<const N: usize>(
    operands: [&[f32]; N],
    f: impl Fn([Vec<f64>; N]) -> Vec<f64>,
) -> Vec<f64> {
    let part = |r: usize| {
        operands.map(|operand| {
            let len = operand.len() / ROWS[0];
            operand[r * len..][..len]
                .iter()
                .map(|&x| f64::from(x))
                .collect()
        })
    };
    (0..ROWS[0]).flat_map(|r| f(part(r))).collect()
}

/// `f` of the operands, where each result is a sum of `terms` products. Its bound comes from the
/// sum of the magnitudes, which is `f` of the operands' magnitudes (Higham, 2002, §3.1).
fn sums(
    terms: usize,
    operands: [&[f32]; 2],
    f: impl Fn([Vec<f64>; 2]) -> Vec<f64>,
) -> Vec<Bounded> {
    let magnitudes = operands.map(|x| x.iter().map(|x| x.abs()).collect::<Vec<f32>>());
    let [a, b] = &magnitudes;
    let errors = by_realization([a, b], &f);
    let values = by_realization(operands, &f);
    let n = terms as f64 + 1.0;
    let bounded = |(value, magnitude): (f64, f64)| Bounded {
        value,
        error: n * (ROUNDING * magnitude + f64::from(f32::MIN_POSITIVE)),
    };
    values.into_iter().zip(errors).map(bounded).collect()
}

fn forward(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    for conv in shapes() {
        let images = ROWS[0] * ROWS[1];
        let x = random(1, images * conv.inputs(), -1.0, 2.0);
        let weight = random(2, ROWS[0] * conv.filters * conv.window(), -1.0, 0.7);
        let bias = random(3, ROWS[0] * conv.filters, -0.5, 0.5);
        let zeros = vec![0.0; conv.filters];
        let linear = sums(conv.window(), [&x, &weight], |[x, weight]| {
            conv2d::conv2d_forward(&conv, &x, &weight, &zeros)
        });
        let plane = conv.outputs() / conv.filters;
        let with_bias: Vec<Bounded> = linear
            .iter()
            .enumerate()
            .map(|(i, sum)| {
                let channel = i / plane % conv.filters;
                let r = i / (ROWS[1] * conv.outputs());
                sum.plus(Bounded::exact(bias[r * conv.filters + channel]))
            })
            .collect();

        let mut run = Run::default();
        let [x, weight, bias] = [&x, &weight, &bias].map(|values| run.input(values));
        let op = ops::conv::conv2d_forward::conv2d_forward;
        let plain = Tile::ALL.map(|tile| {
            let output = run.output(images * conv.outputs());
            run.op(op(&conv, ROWS, tile, None, [x, weight], output));
            output
        });
        let tile = ops::conv::conv2d_forward::tile(&conv, ROWS[1]);
        let biased = run.output(images * conv.outputs());
        run.op(op(&conv, ROWS, tile, None, [x, weight], biased));
        run.op(ops::elementwise::add_channel_bias::add_channel_bias(
            &conv, ROWS, bias, biased,
        ));
        let fused: Vec<_> = Activation::ALL
            .iter()
            .chain([&Activation::RELU])
            .map(|activation| {
                let output = run.output(images * conv.outputs());
                let fused = Some((activation, bias));
                run.op(op(&conv, ROWS, tile, fused, [x, weight], output));
                (activation, output)
            })
            .collect();
        let mut outputs = plain.to_vec();
        outputs.push(biased);
        outputs.extend(fused.iter().map(|(_, output)| *output));
        let found = run.read(gpu, &outputs)?;
        let (by_tile, found) = found.split_at(plain.len());
        for (tile, found) in Tile::ALL.iter().zip(by_tile) {
            checks.compare(&format!("{conv:?} {tile:?}"), found, &linear);
        }
        checks.compare(&format!("{conv:?} with bias"), &found[0], &with_bias);
        for ((activation, _), found) in fused.iter().zip(&found[1..]) {
            let active = with_bias
                .iter()
                .map(|sum| sum.through(activation.rho, 1.0 / activation.sigma));
            checks.compare(
                &format!("{conv:?} {}", activation.name),
                found,
                &active.collect::<Vec<_>>(),
            );
        }
    }
    Ok(())
}

fn backward_input(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    for conv in shapes() {
        let images = ROWS[0] * ROWS[1];
        let delta = random(4, images * conv.outputs(), -1.0, 2.0);
        let weight = random(5, ROWS[0] * conv.filters * conv.window(), -1.0, 0.7);
        let terms = conv.filters * conv.kernel[0] * conv.kernel[1];
        let expected = sums(terms, [&delta, &weight], |[delta, weight]| {
            conv2d::conv2d_backward_input(&conv, &delta, &weight)
        });
        let mut run = Run::default();
        let operands = [&delta, &weight].map(|values| run.input(values));
        let outputs = Tile::ALL.map(|tile| {
            let output = run.output(images * conv.inputs());
            run.op(ops::conv::conv2d_backward_input::conv2d_backward_input(
                &conv, ROWS, tile, operands, output,
            ));
            output
        });
        let found = run.read(gpu, &outputs)?;
        for (tile, found) in Tile::ALL.iter().zip(&found) {
            checks.compare(&format!("{conv:?} {tile:?}"), found, &expected);
        }
    }
    Ok(())
}

/// The gradients of weight and bias, and the updated weight and bias.
fn backward_weight(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    const RATE: f32 = 0.25;
    for conv in shapes() {
        let images = ROWS[0] * ROWS[1];
        let delta = random(6, images * conv.outputs(), -1.0, 2.0);
        let x = random(7, images * conv.inputs(), -2.0, 1.0);
        let weight = random(8, ROWS[0] * conv.filters * conv.window(), -1.0, 0.7);
        let bias = random(9, ROWS[0] * conv.filters, -1.0, 0.7);
        let terms = images / ROWS[0] * conv.outputs() / conv.filters;
        let of = |tensor: usize| {
            sums(terms, [&delta, &x], |[delta, x]| {
                let gradients = conv2d::conv2d_backward_weight(&conv, &delta, &x);
                gradients[tensor].clone()
            })
        };
        let expected = [of(0), of(1)];
        let updated = [&weight, &bias].map(|values| values.clone());
        let updated: Vec<Vec<Bounded>> = updated
            .iter()
            .zip(&expected)
            .map(|(values, gradient)| {
                let step = |(&value, gradient): (&f32, &Bounded)| {
                    Bounded::exact(value).plus(gradient.times(Bounded::exact(-RATE)))
                };
                values.iter().zip(gradient).map(step).collect()
            })
            .collect();

        for tile in Parts::TILES {
            let mut run = Run::default();
            let operands = [&delta, &x].map(|values| run.input(values));
            let parts = Parts::with_tile(&conv, ROWS[1], tile);
            let partial = run.output(parts.len(&conv, ROWS[0]));
            let gradients = [&weight, &bias].map(|values| run.output(values.len()));
            let parameters = [&weight, &bias].map(|values| run.input(values));
            run.op(ops::conv::conv2d_backward_weight::conv2d_backward_weight(
                &conv, ROWS, parts, operands, partial,
            ));
            let stepping = run.sgd(ROWS[0], RATE)?;
            let storing = Updating {
                update: Update::Store,
                ..stepping
            };
            for (updating, tensors) in [(storing, gradients), (stepping, parameters)] {
                run.op(ops::conv::conv2d_update::conv2d_update(
                    &conv, ROWS[0], parts, updating, partial, tensors,
                ));
            }
            let found = run.read(gpu, &[gradients, parameters].concat())?;
            let expected = expected.iter().chain(&updated);
            let names = ["weight gradient", "bias gradient", "weight", "bias"];
            for ((name, found), expected) in names.iter().zip(&found).zip(expected) {
                checks.compare(&format!("{name}, {conv:?} {tile:?}"), found, expected);
            }
        }
    }
    Ok(())
}

/// Windows that overlap, touch and leave gaps; equal numbers.
fn max_pool2d(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    for (kernel, stride) in [(1, 1), (2, 2), (3, 1), (2, 3), (3, 2)] {
        let pool = Pool {
            channels: 3,
            height: 8,
            width: 7,
            kernel,
            stride,
        };
        let images = ROWS[0] * ROWS[1];
        let inputs = images * pool.channels * pool.height * pool.width;
        // Few different numbers, since the first of equal ones must count.
        let x: Vec<f32> = random(10, inputs, -4.0, 4.0)
            .iter()
            .map(|x| x.round())
            .collect();
        let exact = |values: &[f64]| -> Vec<Bounded> {
            values.iter().map(|&x| Bounded::exact(x as f32)).collect()
        };
        let wide: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
        let (largest, positions) = max_pool2d::max_pool2d_forward(&pool, &wide);
        // Whole numbers, whose sums are exact.
        let delta: Vec<f32> = random(11, largest.len(), -8.0, 8.0)
            .iter()
            .map(|x| x.round())
            .collect();
        let wide: Vec<f64> = delta.iter().map(|&x| f64::from(x)).collect();
        let gradient = max_pool2d::max_pool2d_backward(&wide, &positions, inputs);
        let z = random(12, inputs, -0.9, 0.9);
        let tanh = &Activation::TANH;
        let through: Vec<Bounded> = gradient
            .iter()
            .zip(&z)
            .map(|(&gradient, &z)| {
                Bounded::function(tanh.rho_slope, z).times(Bounded::exact(gradient as f32))
            })
            .collect();

        let mut run = Run::default();
        let [x, delta, z] = [&x, &delta, &z].map(|values| run.input(values));
        let [output, places] = [0, 1].map(|_| run.output(largest.len()));
        let [plain, fused] = [0, 1].map(|_| run.output(inputs));
        run.op(ops::conv::max_pool2d_forward::max_pool2d_forward(
            &pool,
            images,
            x,
            [output, places],
        ));
        for (activation, output) in [(None, plain), (Some((tanh, z)), fused)] {
            run.op(ops::conv::max_pool2d_backward::max_pool2d_backward(
                &pool,
                images,
                activation,
                [delta, places],
                output,
            ));
        }
        let found = run.read(gpu, &[output, plain, fused])?;
        checks.compare(&format!("forward, {pool:?}"), &found[0], &exact(&largest));
        checks.compare(&format!("backward, {pool:?}"), &found[1], &exact(&gradient));
        checks.compare(&format!("with the slope, {pool:?}"), &found[2], &through);
    }
    Ok(())
}

/// The same factors as on the other executors, in the first steps of a run.
fn dropout(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    let len = 1003;
    let x = random(13, ROWS[0] * len, 1.0, 2.0);
    // The first seed + 1 carries into the upper half.
    for (seed, probability) in [(u64::from(u32::MAX), 0.3), (5, 0.0), (7 << 40, 0.9)] {
        let drawn = Dropout { probability };
        let seeds: Vec<u64> = (0..ROWS[0] as u64).map(|r| seed.wrapping_add(r)).collect();
        for step in [0, 12] {
            let mut run = Run::default();
            let input = run.input(&x);
            let seeds_id = run.bytes(bytemuck::cast_slice(&seeds));
            let output = run.output(x.len());
            run.step(0, 1, step);
            run.op(ops::elementwise::dropout::dropout(
                Some(&drawn),
                [ROWS[0], len],
                seeds_id,
                input,
                output,
            ));
            let found = &run.read(gpu, &[output])?[0];
            let factors = seeds
                .iter()
                .flat_map(|&seed| dropout_factors(&drawn, seed, step.into(), 1, len));
            let expected = factors.zip(&x).map(|(factor, &x)| {
                let value = factor * f64::from(x);
                // Both the factor and the product are rounded.
                Bounded {
                    value,
                    error: 4.0 * ROUNDING * value,
                }
            });
            let what = format!("probability {probability}, step {step}");
            checks.compare(&what, found, &expected.collect::<Vec<_>>());
        }
    }
    Ok(())
}
