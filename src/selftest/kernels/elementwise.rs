//! Elementwise kernels, the gather, the projection onto the simplex, the check for finite numbers,
//! and a dispatch that is folded into two dimensions.

use super::{R, elements, in_range};
use crate::activation::Activation;
use crate::data::augment::Augmenter;
use crate::data::{Augmentation, Dataset};
use crate::error::Result;
use crate::gpu::ops::layer::gather::Source;
use crate::gpu::{Gpu, ops};
use crate::reference;
use crate::selftest::checks::{Bounded, Checks, ROUNDING};
use crate::selftest::dispatch::{Run, random};

/// The projection of a row onto the simplex. It moves no two points apart, and changes the largest
/// error of an entry by a factor of 2 at most.
pub(super) fn projected(row: &[Bounded]) -> Vec<Bounded> {
    let mut values: Vec<f64> = row.iter().map(|v| v.value).collect();
    let worst = row.iter().fold(0.0, |m: f64, v| m.max(v.error));
    let error = 2.0 * worst + projection_error(&values);
    reference::project_simplex(&mut values);
    let bounded = |value| Bounded { value, error };
    values.into_iter().map(bounded).collect()
}

/// The scale that limits the norm of gradients, from the sums of their squares: parts of every length,
/// and more parts than a workgroup has invocations.
pub(super) fn clip_scale(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    use ops::elementwise::gradient_squares::{gradient_squares, parts};
    let lens = [4097, 5, 130 * 4096 + 3];
    let all: usize = lens.iter().map(|&len| parts(len)).sum();
    let norm = 0.5;
    // The last realization's gradient is within the limit.
    let gradients: Vec<Vec<f32>> = (0..)
        .zip(lens)
        .map(|(stream, len)| {
            let mut gradient = random(stream, R * len, -0.1, 0.2);
            gradient[(R - 1) * len..]
                .iter_mut()
                .for_each(|g| *g *= 1e-4);
            gradient
        })
        .collect();
    let mut run = Run::default();
    let squares = run.output(R * all);
    let scales = run.output(R);
    let mut first = 0;
    for (gradient, len) in gradients.iter().zip(lens) {
        let gradient = run.input(gradient);
        run.op(gradient_squares([R, len], gradient, [first, all], squares));
        first += parts(len);
    }
    run.op(ops::elementwise::clip_scale::clip_scale(
        [R, all],
        norm,
        squares,
        scales,
    ));
    let found = run.read(gpu, &[scales])?;
    let expected = (0..R).map(|r| {
        let own = |(gradient, len): (&Vec<f32>, usize)| -> f64 {
            let own = gradient[r * len..][..len].iter();
            own.map(|&g| f64::from(g) * f64::from(g)).sum()
        };
        let sum: f64 = gradients.iter().zip(lens).map(own).sum();
        let length = sum.sqrt() + 1e-6;
        match length <= f64::from(norm) {
            true => Bounded::exact(1.0),
            false => {
                let value = f64::from(norm) / length;
                // No term goes through more than 64 rounded additions, and the root halves their relative
                // error; root, sum and quotient are rounded, by up to 2.5 ULP each in WGSL.
                let relative = (32.0 + 15.0) * ROUNDING;
                Bounded {
                    value,
                    error: relative * value,
                }
            }
        }
    });
    checks.begin("clip_scale");
    checks.compare("", &found[0], &expected.collect::<Vec<_>>());
    Ok(())
}

pub(super) fn elementwise(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    // More elements than a workgroup has invocations.
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
    run.op(ops::elementwise::add::add(len, y_id, add));
    run.op(ops::elementwise::add_bias::add_bias(
        [R, rows, cols],
        bias_id,
        add_bias,
    ));
    let updating = run.sgd(R, 0.3)?;
    let scales = run.input(&[1.0; R]);
    let parts = 3;
    let gradient = random(4, parts * len, -2.0, 1.0);
    let gradient_id = run.input(&gradient);
    run.op(ops::elementwise::optimizer_step::optimizer_step(
        [R, parts],
        len,
        updating,
        [gradient_id, scales],
        sgd,
    ));
    run.op(ops::elementwise::apply_gate::apply_gate(
        len, window, y_id, x_id, gated,
    ));
    run.op(ops::elementwise::bias_gradient::bias_gradient(
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
    checks.begin("optimizer_step");
    let sum = |i: usize| {
        let [r, place] = [i / (rows * cols), i % (rows * cols)];
        let part = |part: usize| gradient[(r * parts + part) * rows * cols + place];
        Bounded::dot((0..parts).map(|p| (part(p), 1.0)))
    };
    checks.compare(
        "",
        &found[2],
        &all(&|i| exact(x[i]).plus(exact(-0.3).times(sum(i)))),
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

pub(super) fn activations(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    let len = 307;
    for activation in Activation::ALL {
        let a = random(1, len, -4.0, 5.0);
        let z = in_range(activation, 2, len);
        let delta = random(3, len, -1.0, 1.5);
        let clamp = activation.clamp;
        let mut run = Run::default();
        let [rho, lifted, q] = [0; 3].map(|_| run.output(len));
        let [a_id, z_id, delta_id, sloped, limited] =
            [&a, &z, &delta, &delta, &a].map(|x| run.input(x));
        run.op(ops::elementwise::apply_rho::apply_rho(
            activation, len, a_id, rho,
        ));
        run.op(ops::elementwise::apply_rho_inv::apply_rho_inv(
            activation, len, clamp, z_id, lifted,
        ));
        run.op(ops::elementwise::apply_rho_slope::apply_rho_slope(
            activation, len, z_id, sloped,
        ));
        run.op(ops::elementwise::limit_dual::limit_dual(
            activation, len, limited,
        ));
        run.op(ops::layer::mix_backward::mix_backward(
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

pub(super) fn gather(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    let [batch, features, samples] = [5, 7, 11];
    let pixels: Vec<u8> = (0..samples * features)
        .map(|i| (i * 37 % 256) as u8)
        .collect();
    let values: Vec<f32> = (0..256).map(|p| p as f32 * 0.5 - 3.0).collect();
    let order: Vec<u32> = (0..R * samples).map(|i| (i * 7 % samples) as u32).collect();
    // Three samples are left for a batch of five. The order is one for each realization, or one for
    // all.
    let [first, count] = [8, 3];
    let numbers = random(4, samples * features, -9.0, 9.0);
    for (order_stride, bytes) in [(samples, true), (0, true), (samples, false), (0, false)] {
        let mut run = Run::default();
        run.step(first, count, 0);
        let output = run.output(R * batch * features);
        let operands = ops::layer::gather::Operands {
            source: match bytes {
                true => Source::Bytes {
                    pixels: run.bytes(&pixels),
                    pixel_values: run.input(&values),
                },
                false => Source::Numbers(run.input(&numbers)),
            },
            order: run.bytes(bytemuck::cast_slice(&order)),
            output,
        };
        run.op(ops::layer::gather::gather(
            [R, batch, features],
            order_stride,
            operands,
        ));
        let expected = elements(batch, features, |r, i, j| {
            let value = if i < count as usize {
                let sample = order[r * order_stride + first as usize + i] as usize;
                match bytes {
                    true => values[pixels[sample * features + j] as usize],
                    false => numbers[sample * features + j],
                }
            } else {
                0.0
            };
            Bounded::exact(value)
        });
        checks.compare("", &run.read(gpu, &[output])?[0], &expected);
    }
    Ok(())
}

/// Augmented batches, to the bit, in an epoch after the first.
pub(super) fn augment(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    let shape @ [channels, height, width] = [2, 5, 4];
    let [batch, samples, features] = [5, 11, channels * height * width];
    let pixels: Vec<u8> = (0..samples * features)
        .map(|i| (i * i * 37 % 251) as u8)
        .collect();
    let values: Vec<f32> = (0..256).map(|p| p as f32 * 0.5 - 3.0).collect();
    let order: Vec<u32> = (0..R * samples).map(|i| (i * 7 % samples) as u32).collect();
    let seeds = [5, u64::MAX - 1];
    let data = Dataset::images(pixels.clone(), shape, &[0u8; 11])?;
    // The last step of the third epoch, with one sample.
    let (first, count, epoch) = (10, 1, 2u64);
    for changes in [
        "crop:3",
        "flip",
        "rotate:180",
        "scale:0.5",
        "shift:3",
        "noise:0.3",
        "cutout:4",
        "crop:1,flip,rotate:15,scale:0.2,shift:1,noise:0.05,cutout:1",
    ] {
        let augmentation: Augmentation = changes.parse()?;
        let augmenter = Augmenter::new(augmentation, &data)?;
        for (first, count, slot) in [(0, 5, 6), (first, count, 8)] {
            let mut run = Run::default();
            run.step(first, count, slot);
            let output = run.output(R * batch * features);
            let tables = ops::layer::augment::tables(&augmenter);
            let operands = ops::layer::augment::Operands {
                pixels: run.bytes(&pixels),
                pixel_values: run.input(&values),
                order: run.bytes(bytemuck::cast_slice(&order)),
                seeds: run.bytes(bytemuck::cast_slice(&seeds)),
                tables: run.bytes(bytemuck::cast_slice(&tables)),
                output,
            };
            let sizes = [R, batch, samples];
            run.op(ops::layer::augment::augment(&augmenter, sizes, operands));
            let mut expected = Vec::new();
            for r in 0..R {
                for i in 0..batch {
                    if i >= count as usize {
                        expected.extend(std::iter::repeat_n(Bounded::exact(0.0), features));
                        continue;
                    }
                    let sample = order[r * samples + first as usize + i];
                    let image = &pixels[sample as usize * features..][..features];
                    let place = [seeds[r], epoch, u64::from(sample)];
                    let image = reference::augment(augmentation, place, shape, image);
                    expected.extend(
                        image
                            .iter()
                            .map(|&p| Bounded::exact(values[usize::from(p)])),
                    );
                }
            }
            checks.compare(changes, &run.read(gpu, &[output])?[0], &expected);
        }
    }
    Ok(())
}

pub(super) fn project_simplex(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    for [rows, cols] in [[1, 1], [3, 2], [5, 64], [7, 65], [2, 301]] {
        let mut matrix = random(1, rows * cols, -0.4, 0.9);
        // The first row has one dominant entry, the second lies on the simplex already.
        matrix[0] = 9.0;
        if rows > 1 {
            matrix[cols..2 * cols].fill(1.0 / cols as f32);
        }
        let mut run = Run::default();
        let id = run.input(&matrix);
        run.op(ops::elementwise::project_simplex::project_simplex(
            rows, cols, id,
        ));
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
    // A row with an entry that is not finite becomes NaN in all its entries; no other row does.
    let [rows, cols] = [3, 70];
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut matrix = random(1, rows * cols, -0.4, 0.9);
        matrix[cols + 66] = bad;
        let mut run = Run::default();
        let id = run.input(&matrix);
        run.op(ops::elementwise::project_simplex::project_simplex(
            rows, cols, id,
        ));
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

/// The rounding error of θ, which is a mean of at most cols numbers minus a pivot, summed in float32
/// by 64 threads.
fn projection_error(row: &[f64]) -> f64 {
    let largest = row.iter().fold(1.0, |m: f64, &v| m.max(v.abs()));
    (row.len() as f64 / 64.0 + 12.0) * largest / f64::from(1 << 23)
}

pub(super) fn check_finite(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    let each = 301;
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut values = random(1, R * each, -1e38, 1e38);
        values[3] = f32::MAX;
        values[each + 299] = bad;
        let mut run = Run::default();
        let flags = run.bytes(&[0; 4 * R]);
        let id = run.input(&values);
        run.op(ops::elementwise::check_finite::check_finite(
            R,
            R * each,
            id,
            flags,
        ));
        let found = run.read_words(gpu, &[flags])?.remove(0);
        checks.require(found == [0, 1], || format!("{bad}: flags {found:?}"));
    }
    Ok(())
}

/// A dispatch of more workgroups than one dimension allows.
pub(super) fn folded_dispatch(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    let rows = gpu.limits().max_compute_workgroups_per_dimension as usize + 2;
    let mut run = Run::default();
    let id = run.input(&vec![0.5; rows]);
    run.op(ops::elementwise::project_simplex::project_simplex(
        rows, 1, id,
    ));
    let found = run.read(gpu, &[id])?;
    let wrong = found[0].iter().position(|&x| x != 1.0);
    checks.require(wrong.is_none(), || {
        format!("row {wrong:?} was not computed")
    });
    Ok(())
}
