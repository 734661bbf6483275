//! An activation's loops over slices: each is compiled for each activation, so that ρ is inlined and
//! the loop vectorises.

use crate::activation::Twin;

/// Lets NaN through, so that a diverged run stays visible.
#[inline(always)]
pub(super) fn limit(x: f32, low: f32, high: f32) -> f32 {
    let x = if x > high { high } else { x };
    if x < low { low } else { x }
}

/// The loops of one activation. `out` holds Wz on entry where it is a layer's output, dL/da′ · W
/// where it is a gradient; all slices are one row, or any run of elements, of equal length.
#[derive(Clone, Copy)]
#[expect(
    clippy::type_complexity,
    reason = "the arguments' names say what an alias would hide"
)]
pub struct Kernels {
    /// out = ρ(out + bias).
    pub standard: fn(out: &mut [f32], bias: &[f32]),
    /// out = ρ(u + out + bias).
    pub euclidean: fn(out: &mut [f32], bias: &[f32], u: &[f32]),
    /// out = ρ(ρ⁻¹(clamp(u)) + out + bias).
    pub bregman: fn(out: &mut [f32], bias: &[f32], u: &[f32], clamp: [f32; 2]),
    /// dual = ρ⁻¹(clamp(u)) + out + bias, out = ρ(dual).
    pub bregman_lift:
        fn(out: &mut [f32], dual: &mut [f32], bias: &[f32], u: &[f32], clamp: [f32; 2]),
    /// dual = a + out + bias, out = ρ(dual).
    pub bregman_dual: fn(out: &mut [f32], dual: &mut [f32], bias: &[f32], a: &[f32]),
    /// delta = h(z) ∘ delta.
    pub standard_backward: fn(delta: &mut [f32], z: &[f32]),
    /// delta = h(z) ∘ (delta + skip).
    pub euclidean_backward: fn(delta: &mut [f32], z: &[f32], skip: &[f32]),
    /// delta = h(z) ∘ delta + skip where gate is within the window.
    pub bregman_backward:
        fn(delta: &mut [f32], z: &[f32], skip: &[f32], gate: &[f32], window: [f32; 2]),
    /// q = delta / h(u), 0 where u is outside the clamp.
    pub mix_backward: fn(q: &mut [f32], delta: &[f32], u: &[f32], clamp: [f32; 2]),
    /// z = ρ(a).
    pub rho: fn(z: &mut [f32], a: &[f32]),
    /// a = ρ⁻¹(z).
    pub rho_inv: fn(a: &mut [f32], z: &[f32]),
    /// h = h(z).
    pub rho_slope: fn(h: &mut [f32], z: &[f32]),
}

impl Kernels {
    /// The loops of `T`.
    pub const fn of<T: Twin>() -> Self {
        Self {
            standard: standard::<T>,
            euclidean: euclidean::<T>,
            bregman: bregman::<T>,
            bregman_lift: bregman_lift::<T>,
            bregman_dual: bregman_dual::<T>,
            standard_backward: standard_backward::<T>,
            euclidean_backward: euclidean_backward::<T>,
            bregman_backward: bregman_backward::<T>,
            mix_backward: mix_backward::<T>,
            rho: rho::<T>,
            rho_inv: rho_inv::<T>,
            rho_slope: rho_slope::<T>,
        }
    }
}

fn standard<T: Twin>(out: &mut [f32], bias: &[f32]) {
    for (out, bias) in out.iter_mut().zip(bias) {
        *out = T::rho(*out + bias);
    }
}

fn euclidean<T: Twin>(out: &mut [f32], bias: &[f32], u: &[f32]) {
    for ((out, bias), u) in out.iter_mut().zip(bias).zip(u) {
        *out = T::rho(u + (*out + bias));
    }
}

fn bregman<T: Twin>(out: &mut [f32], bias: &[f32], u: &[f32], [low, high]: [f32; 2]) {
    for ((out, bias), &u) in out.iter_mut().zip(bias).zip(u) {
        *out = T::rho(T::rho_inv(limit(u, low, high)) + (*out + bias));
    }
}

fn bregman_lift<T: Twin>(
    out: &mut [f32],
    dual: &mut [f32],
    bias: &[f32],
    u: &[f32],
    [low, high]: [f32; 2],
) {
    for (((out, dual), bias), &u) in out.iter_mut().zip(dual).zip(bias).zip(u) {
        let a = T::rho_inv(limit(u, low, high)) + (*out + bias);
        *dual = limit(a, -T::DUAL_MAX, T::DUAL_MAX);
        *out = T::rho(*dual);
    }
}

fn bregman_dual<T: Twin>(out: &mut [f32], dual: &mut [f32], bias: &[f32], a: &[f32]) {
    for (((out, dual), bias), a) in out.iter_mut().zip(dual).zip(bias).zip(a) {
        *dual = limit(a + (*out + bias), -T::DUAL_MAX, T::DUAL_MAX);
        *out = T::rho(*dual);
    }
}

fn standard_backward<T: Twin>(delta: &mut [f32], z: &[f32]) {
    for (delta, &z) in delta.iter_mut().zip(z) {
        *delta *= T::rho_slope(z);
    }
}

fn euclidean_backward<T: Twin>(delta: &mut [f32], z: &[f32], skip: &[f32]) {
    for ((delta, &z), skip) in delta.iter_mut().zip(z).zip(skip) {
        *delta = T::rho_slope(z) * (*delta + skip);
    }
}

fn bregman_backward<T: Twin>(
    delta: &mut [f32],
    z: &[f32],
    skip: &[f32],
    gate: &[f32],
    [low, high]: [f32; 2],
) {
    for (((delta, &z), &skip), &gate) in delta.iter_mut().zip(z).zip(skip).zip(gate) {
        let open = (gate >= low) & (gate <= high);
        *delta = T::rho_slope(z) * *delta + if open { skip } else { 0.0 };
    }
}

fn mix_backward<T: Twin>(q: &mut [f32], delta: &[f32], u: &[f32], [low, high]: [f32; 2]) {
    for ((q, &delta), &u) in q.iter_mut().zip(delta).zip(u) {
        let open = (u >= low) & (u <= high);
        let quotient = delta / T::rho_slope(limit(u, low, high));
        *q = if open { quotient } else { 0.0 };
    }
}

fn rho<T: Twin>(z: &mut [f32], a: &[f32]) {
    for (z, &a) in z.iter_mut().zip(a) {
        *z = T::rho(a);
    }
}

fn rho_inv<T: Twin>(a: &mut [f32], z: &[f32]) {
    for (a, &z) in a.iter_mut().zip(z) {
        *a = T::rho_inv(z);
    }
}

fn rho_slope<T: Twin>(h: &mut [f32], z: &[f32]) {
    for (h, &z) in h.iter_mut().zip(z) {
        *h = T::rho_slope(z);
    }
}
