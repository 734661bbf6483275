//! Each kernel against textbook f64, element by element, within derived bounds.

mod elementwise;
mod layers;
mod loss;

use super::checks::{Bounded, Check, Checks};
use super::dispatch::{Run, random};
use crate::activation::Activation;
use crate::error::Result;
use crate::gpu::tile::{Layout, Product, Tile};
use crate::gpu::{Gpu, ops};
use crate::kind::Storage;

/// R of every check. With two realizations a wrong stride between them shows.
const R: usize = 2;

/// The checks, by name.
pub const ALL: [(&str, Check); 23] = [
    ("matmul", matmul),
    ("tiles_that_sum_alike", tiles_that_sum_alike),
    ("layer_forward", layers::layer_forward),
    ("layer_forward_of_pixels", layers::layer_forward_of_pixels),
    ("layer_forward_mix", layers::layer_forward_mix),
    ("layer_backward", layers::layer_backward),
    ("mix_update", layers::mix_update),
    ("elementwise", elementwise::elementwise),
    ("clip_scale", elementwise::clip_scale),
    ("activations", elementwise::activations),
    ("gather", elementwise::gather),
    ("augment", elementwise::augment),
    ("loss", loss::loss),
    ("head", loss::head),
    (
        "loss_of_a_non_finite_output",
        loss::loss_of_a_non_finite_output,
    ),
    ("project_simplex", elementwise::project_simplex),
    ("check_finite", elementwise::check_finite),
    ("folded_dispatch", elementwise::folded_dispatch),
    ("layer_forward, f16", |gpu, checks| {
        in_half(gpu, checks, layers::layer_forward)
    }),
    ("layer_forward_of_pixels, f16", |gpu, checks| {
        in_half(gpu, checks, layers::layer_forward_of_pixels)
    }),
    ("layer_forward_mix, f16", |gpu, checks| {
        in_half(gpu, checks, layers::layer_forward_mix)
    }),
    ("layer_backward, f16", |gpu, checks| {
        in_half(gpu, checks, layers::layer_backward)
    }),
    ("head and mix_update, f16", |gpu, checks| {
        in_half(gpu, checks, loss::head)?;
        in_half(gpu, checks, layers::mix_update)
    }),
];

/// Runs a check with weights and activations in half precision, if the adapter supports it.
fn in_half(gpu: &mut Gpu, checks: &mut Checks, check: Check) -> Result<()> {
    if gpu.has_f16() {
        checks.storage = Storage::F16;
        check(gpu, checks)?;
        checks.storage = Storage::F32;
    }
    Ok(())
}

/// Shapes (m, n, k) with ones, primes, and the tile's sizes ± 1.
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

/// Tiles with as many slices give the same bits, of which R may then choose either.
fn tiles_that_sum_alike(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    for layout in Layout::ALL {
        for [m, n, k] in [[1, 1, 1], [65, 67, 37], [68, 132, 100], [33, 31, 141]] {
            let lhs = random(1, R * m * k, -1.0, 2.0);
            let rhs = random(2, R * k * n, -2.0, 1.0);
            let mut run = Run::default();
            let [l, r] = [&lhs, &rhs].map(|x| run.input(x));
            let product = Product { m, n, k };
            let outputs = Tile::ALL.map(|tile| {
                let output = run.output(R * m * n);
                run.op(ops::product::matmul::matmul(
                    layout, tile, R, product, l, r, output,
                ));
                output
            });
            let found = run.read_words(gpu, &outputs)?;
            for (tile, own) in Tile::ALL.iter().zip(&found) {
                let slices = tile.sizes().slices;
                let alike = Tile::ALL.iter().zip(&found);
                let alike = alike.filter(|(other, _)| other.sizes().slices == slices);
                for (other, found) in alike {
                    checks.require(own == found, || {
                        format!("{layout:?} {tile:?} and {other:?}, {m} × {n} × {k}")
                    });
                }
            }
        }
    }
    Ok(())
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

/// One matrix product against its sums in f64.
///
/// # Errors
/// Errors of the adapter.
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
    run.op(ops::product::matmul::matmul(
        layout, tile, R, product, l, r, output,
    ));
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

/// f(realization, row, column) for each element of (R, rows, cols).
fn elements(rows: usize, cols: usize, f: impl Fn(usize, usize, usize) -> Bounded) -> Vec<Bounded> {
    let f = &f;
    (0..R)
        .flat_map(|r| (0..rows).flat_map(move |i| (0..cols).map(move |j| f(r, i, j))))
        .collect()
}

/// `len` numbers in the range of ρ, some of them at its ends, where the clamp acts.
fn in_range(activation: &Activation, stream: u32, len: usize) -> Vec<f32> {
    let [low, high] = activation.range.map(|end| end.clamp(-3.0, 3.0) as f32);
    // π/2 rounds up in float32, out of the range.
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
