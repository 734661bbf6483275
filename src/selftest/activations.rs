//! The contracts of the activations, on the adapter.

use super::checks::{Check, Checks};
use super::dispatch::{Run, random};
use super::functions::{BOUND, allowance, spacing};
use crate::activation::Activation;
use crate::error::Result;
use crate::gpu::Gpu;
use crate::gpu::ops;
use crate::gpu::wgsl::MATH;

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
    run.op(ops::elementwise::apply_rho::apply_rho(
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
    run.op(ops::elementwise::apply_rho_inv::apply_rho_inv(
        activation,
        z.len(),
        clamp,
        input,
        output,
    ));
    Ok(run.read(gpu, &[output])?.remove(0))
}

/// For large arguments ρ stays in its range and ρ⁻¹ of the clamped argument stays finite.
fn saturation(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    let far: Vec<f32> = [0.0, f32::MIN_POSITIVE, 1.0, 88.0, 89.0, 1e3, 1e8, 3.4e38]
        .into_iter()
        .flat_map(|x| [x, -x])
        .collect();
    for activation in Activation::ALL {
        // Compared in f64, since π/2 rounds up in f32.
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

/// The round trip to the dual variable and back, ρ(ρ⁻¹(z)).
pub(super) struct RoundTrip {
    activation: &'static Activation,
    /// The bounds of ρ and of ρ⁻¹ in ULP, with the error that WGSL allows divisions and roots.
    ulps: [f64; 2],
}

impl RoundTrip {
    pub(super) fn of(activation: &'static Activation) -> Self {
        let text = format!("{}{}", activation.wgsl, MATH.text);
        let module =
            naga::front::wgsl::parse_str(&text).expect("activations are checked by a test");
        let ulps = ["rho", "rho_inv"].map(|name| BOUND + allowance(&module, name));
        Self { activation, ulps }
    }

    /// Compares `back` with z. The bound is u + (½ + v) κ ULP, where u and v are the bounds of ρ
    /// and of ρ⁻¹, and κ = |a| h(z) / |z| is the condition number of ρ.
    pub(super) fn check(&self, checks: &mut Checks, z: f32, back: f32) {
        let (exact, least) = (f64::from(z), f64::from(f32::MIN_POSITIVE));
        let a = (self.activation.rho_inv)(exact);
        let slope = (self.activation.rho_slope)(exact);
        // The limit for z → 0.
        let kappa = if z == 0.0 {
            1.0
        } else {
            (a * slope / exact).abs()
        };
        let bound = (self.ulps[0] + (0.5 + self.ulps[1]) * kappa) * spacing(exact);
        // A result below the smallest normal number may be 0.
        let flushed = back == 0.0 && exact.abs() - bound < least;
        let distance = if flushed {
            0.0
        } else {
            (f64::from(back) - exact).abs()
        };
        checks.within(distance, bound, || {
            format!("{}: {z:?} became {back:?}", self.activation.name)
        });
    }

    /// Numbers of the clamped domain: evenly spread over its middle, and increasingly dense towards
    /// its ends and 0.
    pub(super) fn domain(&self) -> Vec<f32> {
        let [low, high] = self.activation.clamp;
        let mut z = random(1, 3000, low.max(-20.0), high.min(20.0));
        for centre in [low, 0.0, high] {
            for eighths in -32..8 * 126 {
                let distance = 2f32.powf(-eighths as f32 / 8.0);
                z.extend([centre - distance, centre + distance]);
            }
        }
        z.extend([low, high]);
        z.retain(|z| (low..=high).contains(z));
        z
    }
}

/// ρ(ρ⁻¹(z)) is z within the bound of the round trip.
fn round_trip(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    for activation in Activation::ALL {
        let trip = RoundTrip::of(activation);
        let z = trip.domain();
        let a = rho_inv(gpu, activation, &z)?;
        let back = rho(gpu, activation, &a)?;
        for (&z, &back) in z.iter().zip(&back) {
            trip.check(checks, z, back);
        }
    }
    Ok(())
}

/// ρ(−a) = −ρ(a) to the bit, for each activation with a symmetric range.
fn odd(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    let a = random(1, 2000, 0.0, 30.0);
    let negated: Vec<f32> = a.iter().map(|a| -a).collect();
    for activation in Activation::ALL {
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
