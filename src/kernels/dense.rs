//! Elementwise loops of layers of any width.
//!
//! No instruction set changes a bit of what they compute: Rust never contracts a product and a sum.

use super::isa::{Isa, Level};
use super::{Float32, LANES, limit};

/// The layout of feature-major matrices in a slice.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    /// Distance from one row to the next.
    pub stride: usize,
    /// Number of columns that are computed, a multiple of [`LANES`].
    pub columns: usize,
}

impl Rows {
    #[inline(always)]
    fn of(self, matrix: &[f32]) -> impl Iterator<Item = &[[f32; LANES]]> {
        let rows = matrix.chunks_exact(self.stride);
        rows.map(move |row| row[..self.columns].as_chunks().0)
    }

    #[inline(always)]
    fn of_mut(self, matrix: &mut [f32]) -> impl Iterator<Item = &mut [[f32; LANES]]> {
        let rows = matrix.chunks_exact_mut(self.stride);
        rows.map(move |row| row[..self.columns].as_chunks_mut().0)
    }
}

/// Declares the table of loops and its three compilations; the bodies of the loops are in `loops`.
macro_rules! kernels {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*);)+) => {
        /// The loops of one activation for one instruction set. Matrices are feature-major, (width,
        /// batch), in the layout `rows`. On entry, `out` holds Wz where it is a layer's output, and
        /// `delta` holds dL/da′ · W where it is a gradient; `bias` has one number per row.
        #[derive(Clone, Copy)]
        pub struct Loops {
            $($(#[$doc])* pub $name: fn($($arg: $type),*),)+
        }

        impl Loops {
            const fn baseline<T: Float32>() -> Self {
                Self { $($name: loops::$name::<T>,)+ }
            }

            #[cfg(target_arch = "x86_64")]
            const fn avx2<T: Float32>() -> Self {
                Self { $($name: avx2::$name::<T>,)+ }
            }

            #[cfg(target_arch = "x86_64")]
            const fn avx512<T: Float32>() -> Self {
                Self { $($name: avx512::$name::<T>,)+ }
            }
        }

        kernels!(@compile avx2, "avx2,fma", $($name($($arg: $type),*);)+);
        kernels!(@compile avx512, "avx512f,avx512bw,avx512dq,avx512vl", $($name($($arg: $type),*);)+);
    };
    (@compile $isa:ident, $features:literal, $($name:ident($($arg:ident: $type:ty),*);)+) => {
        #[cfg(target_arch = "x86_64")]
        mod $isa {
            use super::{Rows, Float32, loops};
            $(pub(super) fn $name<T: Float32>($($arg: $type),*) {
                #[target_feature(enable = $features)]
                fn compiled<T: Float32>($($arg: $type),*) {
                    loops::$name::<T>($($arg),*);
                }
                // SAFETY: this table is handed out for an `Isa` only, and no `Isa` exists whose
                // instructions the machine lacks.
                unsafe { compiled::<T>($($arg),*) }
            })+
        }
    };
}

kernels! {
    /// out = ρ(out + bias).
    standard(out: &mut [f32], bias: &[f32], rows: Rows);
    /// out = ρ(u + out + bias).
    euclidean(out: &mut [f32], bias: &[f32], u: &[f32], rows: Rows);
    /// out = ρ(ρ⁻¹(clamp(u)) + out + bias).
    bregman(out: &mut [f32], bias: &[f32], u: &[f32], clamp: [f32; 2], rows: Rows);
    /// dual = ρ⁻¹(clamp(u)) + out + bias, out = ρ(dual).
    bregman_lift(
        out: &mut [f32],
        dual: &mut [f32],
        bias: &[f32],
        u: &[f32],
        clamp: [f32; 2],
        rows: Rows
    );
    /// dual += out + bias, out = ρ(dual).
    bregman_dual(out: &mut [f32], dual: &mut [f32], bias: &[f32], rows: Rows);
    /// delta = h(z) ∘ delta.
    standard_backward(delta: &mut [f32], z: &[f32], rows: Rows);
    /// delta = h(z) ∘ (delta + skip).
    euclidean_backward(delta: &mut [f32], z: &[f32], skip: &[f32], rows: Rows);
    /// delta = h(z) ∘ delta + skip.
    bregman_backward(delta: &mut [f32], z: &[f32], skip: &[f32], rows: Rows);
    /// delta = h(z) ∘ delta + skip where gate is within the window.
    bregman_gated_backward(
        delta: &mut [f32],
        z: &[f32],
        skip: &[f32],
        gate: &[f32],
        window: [f32; 2],
        rows: Rows
    );
    /// delta = delta + skip / h(z), without the second term where z is outside the clamp.
    bregman_nested_backward(
        delta: &mut [f32],
        z: &[f32],
        skip: &[f32],
        clamp: [f32; 2],
        rows: Rows
    );
    /// q = delta / h(u), 0 where u is outside the clamp.
    mix_backward(q: &mut [f32], delta: &[f32], u: &[f32], clamp: [f32; 2], rows: Rows);
    /// out = ρ(out + bias), for slices of the same length, which may be any.
    activate(out: &mut [f32], bias: &[f32]);
    /// delta = h(z) ∘ delta, for slices of the same length.
    activate_backward(delta: &mut [f32], z: &[f32]);
    /// z = ρ(a), for slices of the same length.
    rho(z: &mut [f32], a: &[f32]);
    /// a = ρ⁻¹(z), for slices of the same length.
    rho_inv(a: &mut [f32], z: &[f32]);
    /// h = h(z), for slices of the same length.
    rho_slope(h: &mut [f32], z: &[f32]);
}

/// The loops of one activation, for every instruction set.
#[derive(Clone, Copy)]
pub(super) struct Compiled {
    baseline: Loops,
    #[cfg(target_arch = "x86_64")]
    avx2: Loops,
    #[cfg(target_arch = "x86_64")]
    avx512: Loops,
}

impl Compiled {
    /// The loops of `T`.
    pub(super) const fn of<T: Float32>() -> Self {
        Self {
            baseline: Loops::baseline::<T>(),
            #[cfg(target_arch = "x86_64")]
            avx2: Loops::avx2::<T>(),
            #[cfg(target_arch = "x86_64")]
            avx512: Loops::avx512::<T>(),
        }
    }

    /// The loops compiled for `isa`.
    pub(super) fn on(&self, isa: Isa) -> &Loops {
        match isa.0 {
            Level::Baseline => &self.baseline,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => &self.avx2,
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => &self.avx512,
        }
    }
}

/// The bodies of the loops, inlined into each compilation.
mod loops {
    use super::{Float32, LANES, Rows, limit};

    #[inline(always)]
    pub(super) fn standard<T: Float32>(out: &mut [f32], bias: &[f32], rows: Rows) {
        for (out, &bias) in rows.of_mut(out).zip(bias) {
            for out in out {
                for out in out {
                    *out = T::rho(*out + bias);
                }
            }
        }
    }

    #[inline(always)]
    pub(super) fn euclidean<T: Float32>(out: &mut [f32], bias: &[f32], u: &[f32], rows: Rows) {
        for ((out, &bias), u) in rows.of_mut(out).zip(bias).zip(rows.of(u)) {
            for (out, u) in out.iter_mut().zip(u) {
                for i in 0..LANES {
                    out[i] = T::rho(u[i] + (out[i] + bias));
                }
            }
        }
    }

    #[inline(always)]
    pub(super) fn bregman<T: Float32>(
        out: &mut [f32],
        bias: &[f32],
        u: &[f32],
        [low, high]: [f32; 2],
        rows: Rows,
    ) {
        for ((out, &bias), u) in rows.of_mut(out).zip(bias).zip(rows.of(u)) {
            for (out, u) in out.iter_mut().zip(u) {
                for i in 0..LANES {
                    out[i] = T::rho(T::rho_inv(limit(u[i], low, high)) + (out[i] + bias));
                }
            }
        }
    }

    #[inline(always)]
    pub(super) fn bregman_lift<T: Float32>(
        out: &mut [f32],
        dual: &mut [f32],
        bias: &[f32],
        u: &[f32],
        [low, high]: [f32; 2],
        rows: Rows,
    ) {
        let outputs = rows.of_mut(out).zip(rows.of_mut(dual));
        for (((out, dual), &bias), u) in outputs.zip(bias).zip(rows.of(u)) {
            for ((out, dual), u) in out.iter_mut().zip(dual).zip(u) {
                for i in 0..LANES {
                    let a = T::rho_inv(limit(u[i], low, high)) + (out[i] + bias);
                    dual[i] = limit(a, -T::DUAL_MAX, T::DUAL_MAX);
                    out[i] = T::rho(dual[i]);
                }
            }
        }
    }

    #[inline(always)]
    pub(super) fn bregman_dual<T: Float32>(
        out: &mut [f32],
        dual: &mut [f32],
        bias: &[f32],
        rows: Rows,
    ) {
        let outputs = rows.of_mut(out).zip(rows.of_mut(dual));
        for ((out, dual), &bias) in outputs.zip(bias) {
            for (out, dual) in out.iter_mut().zip(dual) {
                for i in 0..LANES {
                    dual[i] = limit(dual[i] + (out[i] + bias), -T::DUAL_MAX, T::DUAL_MAX);
                    out[i] = T::rho(dual[i]);
                }
            }
        }
    }

    #[inline(always)]
    pub(super) fn standard_backward<T: Float32>(delta: &mut [f32], z: &[f32], rows: Rows) {
        for (delta, z) in rows.of_mut(delta).zip(rows.of(z)) {
            for (delta, z) in delta.iter_mut().zip(z) {
                for i in 0..LANES {
                    delta[i] *= T::rho_slope(z[i]);
                }
            }
        }
    }

    #[inline(always)]
    pub(super) fn euclidean_backward<T: Float32>(
        delta: &mut [f32],
        z: &[f32],
        skip: &[f32],
        rows: Rows,
    ) {
        for ((delta, z), skip) in rows.of_mut(delta).zip(rows.of(z)).zip(rows.of(skip)) {
            for ((delta, z), skip) in delta.iter_mut().zip(z).zip(skip) {
                for i in 0..LANES {
                    delta[i] = T::rho_slope(z[i]) * (delta[i] + skip[i]);
                }
            }
        }
    }

    #[inline(always)]
    pub(super) fn bregman_backward<T: Float32>(
        delta: &mut [f32],
        z: &[f32],
        skip: &[f32],
        rows: Rows,
    ) {
        for ((delta, z), skip) in rows.of_mut(delta).zip(rows.of(z)).zip(rows.of(skip)) {
            for ((delta, z), skip) in delta.iter_mut().zip(z).zip(skip) {
                for i in 0..LANES {
                    delta[i] = T::rho_slope(z[i]) * delta[i] + skip[i];
                }
            }
        }
    }

    #[inline(always)]
    pub(super) fn bregman_gated_backward<T: Float32>(
        delta: &mut [f32],
        z: &[f32],
        skip: &[f32],
        gate: &[f32],
        [low, high]: [f32; 2],
        rows: Rows,
    ) {
        let inputs = rows.of(z).zip(rows.of(skip)).zip(rows.of(gate));
        for (delta, ((z, skip), gate)) in rows.of_mut(delta).zip(inputs) {
            let inputs = z.iter().zip(skip).zip(gate);
            for (delta, ((z, skip), gate)) in delta.iter_mut().zip(inputs) {
                for i in 0..LANES {
                    let open = (gate[i] >= low) & (gate[i] <= high);
                    let skip = if open { skip[i] } else { 0.0 };
                    delta[i] = T::rho_slope(z[i]) * delta[i] + skip;
                }
            }
        }
    }

    #[inline(always)]
    pub(super) fn bregman_nested_backward<T: Float32>(
        delta: &mut [f32],
        z: &[f32],
        skip: &[f32],
        [low, high]: [f32; 2],
        rows: Rows,
    ) {
        for ((delta, z), skip) in rows.of_mut(delta).zip(rows.of(z)).zip(rows.of(skip)) {
            for ((delta, z), skip) in delta.iter_mut().zip(z).zip(skip) {
                for i in 0..LANES {
                    let open = (z[i] >= low) & (z[i] <= high);
                    let quotient = skip[i] / T::rho_slope(limit(z[i], low, high));
                    delta[i] += if open { quotient } else { 0.0 };
                }
            }
        }
    }

    #[inline(always)]
    pub(super) fn mix_backward<T: Float32>(
        q: &mut [f32],
        delta: &[f32],
        u: &[f32],
        [low, high]: [f32; 2],
        rows: Rows,
    ) {
        for ((q, delta), u) in rows.of_mut(q).zip(rows.of(delta)).zip(rows.of(u)) {
            for ((q, delta), u) in q.iter_mut().zip(delta).zip(u) {
                for i in 0..LANES {
                    let open = (u[i] >= low) & (u[i] <= high);
                    let quotient = delta[i] / T::rho_slope(limit(u[i], low, high));
                    q[i] = if open { quotient } else { 0.0 };
                }
            }
        }
    }

    #[inline(always)]
    pub(super) fn activate<T: Float32>(out: &mut [f32], bias: &[f32]) {
        for (out, bias) in out.iter_mut().zip(bias) {
            *out = T::rho(*out + bias);
        }
    }

    #[inline(always)]
    pub(super) fn activate_backward<T: Float32>(delta: &mut [f32], z: &[f32]) {
        for (delta, &z) in delta.iter_mut().zip(z) {
            *delta *= T::rho_slope(z);
        }
    }

    #[inline(always)]
    pub(super) fn rho<T: Float32>(z: &mut [f32], a: &[f32]) {
        for (z, &a) in z.iter_mut().zip(a) {
            *z = T::rho(a);
        }
    }

    #[inline(always)]
    pub(super) fn rho_inv<T: Float32>(a: &mut [f32], z: &[f32]) {
        for (a, &z) in a.iter_mut().zip(z) {
            *a = T::rho_inv(z);
        }
    }

    #[inline(always)]
    pub(super) fn rho_slope<T: Float32>(h: &mut [f32], z: &[f32]) {
        for (h, &z) in h.iter_mut().zip(z) {
            *h = T::rho_slope(z);
        }
    }
}
