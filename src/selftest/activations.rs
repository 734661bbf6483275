//! The contracts of the activations, on the adapter.

use super::checks::{Check, Checks};
use super::dispatch::{Run, random};
use crate::activation::{self, Activation};
use crate::error::Result;
use crate::gpu::Gpu;
use crate::gpu::ops;

/// The checks, by name.
pub const ALL: [(&str, Check); 3] = [
    ("saturation", saturation),
    ("round trip", round_trip),
    ("oddness", odd),
];

fn rho(gpu: &mut Gpu, activation: &Activation, a: &[f32]) -> Result<Vec<f32>> {
    let mut run = Run::default();
    let input = run.input(a);
    let output = run.output(a.len());
    run.op(ops::apply_rho::apply_rho(
        activation,
        a.len(),
        input,
        output,
    ));
    Ok(run.read(gpu, &[output])?.remove(0))
}

fn rho_inv(gpu: &mut Gpu, activation: &Activation, z: &[f32]) -> Result<Vec<f32>> {
    let mut run = Run::default();
    let input = run.input(z);
    let output = run.output(z.len());
    let clamp = activation.clamp;
    run.op(ops::apply_rho_inv::apply_rho_inv(
        activation,
        z.len(),
        clamp,
        input,
        output,
    ));
    Ok(run.read(gpu, &[output])?.remove(0))
}

/// Far out, ρ stays in its range and ρ⁻¹ stays finite.
fn saturation(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    let far: Vec<f32> = [0.0, f32::MIN_POSITIVE, 1.0, 88.0, 89.0, 1e3, 1e8, 3.4e38]
        .into_iter()
        .flat_map(|x| [x, -x])
        .collect();
    for activation in &activation::ALL {
        // In f64: π/2 itself rounds up to f32.
        let [low, high] = activation.range;
        for (a, z) in far.iter().zip(rho(gpu, activation, &far)?) {
            let inside = z.is_finite() && low <= f64::from(z) && f64::from(z) <= high;
            checks.require(inside, || format!("{}: ρ({a}) = {z}", activation.name));
        }
        for (z, a) in far.iter().zip(rho_inv(gpu, activation, &far)?) {
            checks.require(a.is_finite(), || {
                format!("{}: ρ⁻¹(clamp({z})) = {a}", activation.name)
            });
        }
    }
    Ok(())
}

/// How far ρ(ρ⁻¹(z)) may be from z: 4 + (½ + u) κ ULP with κ = |a| h(z) / |z| the condition of the
/// way. 12 ULP stand for the 4, and for u: 4 of our own and what WGSL allows divisions and roots.
pub(super) fn round_trip_bound(activation: &Activation, z: f32) -> f64 {
    let z = f64::from(z);
    let a = (activation.rho_inv)(z);
    // At 0 the way is straight.
    let kappa = match z {
        0.0 => 1.0,
        _ => (a * (activation.rho_slope)(z) / z).abs(),
    };
    let ulps = 12.0 + (0.5 + 12.0) * kappa;
    ulps * z.abs() / f64::from(1 << 23) + f64::from(f32::MIN_POSITIVE)
}

/// ρ(ρ⁻¹(z)) is z to within [`round_trip_bound`].
fn round_trip(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    for activation in &activation::ALL {
        let [low, high] = activation.clamp.map(|c| c.clamp(-20.0, 20.0));
        let mut z = random(1, 4000, low, high);
        z.extend([low, high]);
        let a = rho_inv(gpu, activation, &z)?;
        let back = rho(gpu, activation, &a)?;
        for (&z, &back) in z.iter().zip(&back) {
            let distance = (f64::from(back) - f64::from(z)).abs();
            checks.within(distance, round_trip_bound(activation, z), || {
                format!("{}: ρ(ρ⁻¹({z:?})) = {back:?}", activation.name)
            });
        }
    }
    Ok(())
}

fn odd(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    let a = random(1, 2000, 0.0, 30.0);
    let negated: Vec<f32> = a.iter().map(|a| -a).collect();
    for activation in &activation::ALL {
        if activation.range[0] != -activation.range[1] {
            continue;
        }
        let positive = rho(gpu, activation, &a)?;
        let negative = rho(gpu, activation, &negated)?;
        for ((a, p), n) in a.iter().zip(positive).zip(negative) {
            checks.require(p.to_bits() == (-n).to_bits(), || {
                format!("{}: ρ(±{a}) is {p} and {n}", activation.name)
            });
        }
    }
    Ok(())
}
