//! Elementwise loops of the optimizers, on slices of the same length.
//!
//! No instruction set changes a bit of what they compute: Rust never contracts a product and a sum.

use super::isa::{Isa, Level};

/// The numbers of an update. A gradient counts as `scale` times its argument.
#[derive(Clone, Copy, Debug, Default)]
pub struct Numbers {
    /// The factor of the gradients.
    pub scale: f32,
    /// The learning rate.
    pub rate: f32,
    /// The weight decay.
    pub decay: f32,
    /// The momentum of SGD.
    pub momentum: f32,
    /// Adam's betas.
    pub betas: [f32; 2],
    /// 1 minus each of them.
    pub rests: [f32; 2],
    /// Adam's learning rate, divided by the correction of m.
    pub corrected_rate: f32,
    /// 1 / √ of the correction of s.
    pub root: f32,
    /// Adam's epsilon.
    pub epsilon: f32,
}

/// Declares the table of loops and its three compilations; the bodies of the loops are in `loops`.
macro_rules! kernels {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*);)+) => {
        /// The loops for one instruction set: w is a parameter, g its gradient; the others are moments.
        #[derive(Clone, Copy)]
        pub struct Loops {
            $($(#[$doc])* pub $name: fn($($arg: $type),*),)+
        }

        static BASELINE: Loops = Loops { $($name: loops::$name,)+ };
        kernels!(@compile AVX2, avx2, "avx2,fma", $($name($($arg: $type),*);)+);
        kernels!(@compile AVX512, avx512, "avx512f,avx512bw,avx512dq,avx512vl", $($name($($arg: $type),*);)+);
    };
    (@compile $table:ident, $isa:ident, $features:literal, $($name:ident($($arg:ident: $type:ty),*);)+) => {
        #[cfg(target_arch = "x86_64")]
        static $table: Loops = Loops { $($name: $isa::$name,)+ };

        #[cfg(target_arch = "x86_64")]
        mod $isa {
            use super::{Numbers, loops};
            $(pub(super) fn $name($($arg: $type),*) {
                #[target_feature(enable = $features)]
                fn compiled($($arg: $type),*) {
                    loops::$name($($arg),*);
                }
                // SAFETY: this table is handed out for an `Isa` only, and no `Isa` exists whose
                // instructions the machine lacks.
                unsafe { compiled($($arg),*) }
            })+
        }
    };
}

kernels! {
    /// w −= rate (g + decay w).
    sgd(w: &mut [f32], g: &[f32], numbers: Numbers);
    /// v = momentum v + g + decay w, w −= rate v.
    momentum(w: &mut [f32], v: &mut [f32], g: &[f32], numbers: Numbers);
    /// v likewise, w −= rate (g + decay w + momentum v).
    nesterov(w: &mut [f32], v: &mut [f32], g: &[f32], numbers: Numbers);
    /// Adam.
    adam(w: &mut [f32], m: &mut [f32], s: &mut [f32], g: &[f32], numbers: Numbers);
    /// AdamW.
    adamw(w: &mut [f32], m: &mut [f32], s: &mut [f32], g: &[f32], numbers: Numbers);
}

impl Loops {
    /// The loops compiled for `isa`.
    pub fn on(isa: Isa) -> &'static Self {
        match isa.0 {
            Level::Baseline => &BASELINE,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => &AVX2,
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => &AVX512,
        }
    }
}

/// The bodies of the loops, inlined into each compilation.
mod loops {
    use super::Numbers;

    #[inline(always)]
    pub(super) fn sgd(w: &mut [f32], g: &[f32], n: Numbers) {
        for (w, g) in w.iter_mut().zip(g) {
            *w -= n.rate * (n.scale * g + n.decay * *w);
        }
    }

    #[inline(always)]
    pub(super) fn momentum(w: &mut [f32], v: &mut [f32], g: &[f32], n: Numbers) {
        for ((w, v), g) in w.iter_mut().zip(v).zip(g) {
            *v = n.momentum * *v + (n.scale * g + n.decay * *w);
            *w -= n.rate * *v;
        }
    }

    #[inline(always)]
    pub(super) fn nesterov(w: &mut [f32], v: &mut [f32], g: &[f32], n: Numbers) {
        for ((w, v), g) in w.iter_mut().zip(v).zip(g) {
            let g = n.scale * g + n.decay * *w;
            *v = n.momentum * *v + g;
            *w -= n.rate * (g + n.momentum * *v);
        }
    }

    #[inline(always)]
    pub(super) fn adam(w: &mut [f32], m: &mut [f32], s: &mut [f32], g: &[f32], n: Numbers) {
        for (((w, m), s), g) in w.iter_mut().zip(m).zip(s).zip(g) {
            let g = n.scale * g + n.decay * *w;
            *w -= adam_step(m, s, g, n);
        }
    }

    #[inline(always)]
    pub(super) fn adamw(w: &mut [f32], m: &mut [f32], s: &mut [f32], g: &[f32], n: Numbers) {
        let kept = 1.0 - n.rate * n.decay;
        for (((w, m), s), g) in w.iter_mut().zip(m).zip(s).zip(g) {
            *w = kept * *w - adam_step(m, s, n.scale * g, n);
        }
    }

    #[inline(always)]
    fn adam_step(m: &mut f32, s: &mut f32, g: f32, n: Numbers) -> f32 {
        *m = n.betas[0] * *m + n.rests[0] * g;
        *s = n.betas[1] * *s + n.rests[1] * (g * g);
        n.corrected_rate * *m / (s.sqrt() * n.root + n.epsilon)
    }
}
