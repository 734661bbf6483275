//! The data of a plan: buffers and dispatches, independent of a device.

use super::shader::Shader;
use crate::optim::{Recipe, Rule};

/// A buffer, by its position in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferId(pub usize);

/// A buffer to be allocated.
#[derive(Clone, Debug)]
pub struct BufferSpec {
    /// The name of its contents.
    pub name: String,
    /// Its size in bytes, a multiple of 4.
    pub bytes: u64,
    /// Whether its numbers are in half precision.
    pub half: bool,
    /// Its initial contents.
    pub contents: Contents,
}

/// The initial contents of a buffer.
#[derive(Clone, Debug)]
pub enum Contents {
    /// Zeros.
    Zeros,
    /// These bytes.
    Bytes(Vec<u8>),
    /// A [`Step`] every `STEP_STRIDE` bytes, bound as a uniform one step at a time.
    Steps(Vec<u8>),
    /// These bytes, bound as a uniform.
    Uniform(Vec<u8>),
}

/// A buffer of which another one holds a copy as a part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub own: BufferId,
    pub whole: BufferId,
    /// Bytes before it in the whole.
    pub offset: u64,
    pub bytes: u64,
}

/// The number of bytes from one step's uniform to the next: the largest alignment that WebGPU lets an
/// adapter require.
pub(super) const STEP_STRIDE: usize = 256;

/// The uniform that says which samples a step takes, its number and its rates, as
/// `shaders/lib/step.wgsl` declares it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Step {
    /// The first sample's place in the order.
    pub first: u32,
    /// The number of samples.
    pub count: u32,
    /// The place of the step's metrics.
    pub slot: u32,
    /// The number of the run's training step, from 0.
    pub number: u32,
    /// The factor of the learning rates.
    pub factor: f32,
    /// Adam's betas.
    pub betas: [f32; 2],
    /// 1 minus each of them.
    pub rests: [f32; 2],
    /// 1 / (1 − β₁ᵗ) and 1 / √(1 − β₂ᵗ).
    pub unbias: [f32; 2],
    /// Adam's epsilon.
    pub epsilon: f32,
}

impl Step {
    /// The bytes of a uniform for each of `steps`.
    pub(super) fn uniforms(steps: impl IntoIterator<Item = Self>) -> Vec<u8> {
        let mut bytes = Vec::new();
        for step in steps {
            bytes.extend_from_slice(bytemuck::bytes_of(&step));
            bytes.resize(bytes.len().next_multiple_of(STEP_STRIDE), 0);
        }
        bytes
    }

    /// Samples first .. first + count, with metrics at place `slot`, as the run's step `slot` with the
    /// unchanged learning rate.
    pub fn new(first: u32, count: u32, slot: u32) -> Self {
        Self {
            first,
            count,
            slot,
            number: slot,
            factor: 1.0,
            ..bytemuck::Zeroable::zeroed()
        }
    }

    /// The steps over `samples` in batches of `batch`; the last may be smaller.
    pub fn all(samples: usize, batch: usize) -> impl Iterator<Item = Self> {
        (0..samples.div_ceil(batch)).map(move |slot| {
            let first = slot * batch;
            Self::new(first as u32, batch.min(samples - first) as u32, slot as u32)
        })
    }

    /// The same samples as the run's step `number` by `recipe`, where an epoch has `steps`.
    pub(crate) fn trained_by(self, recipe: &Recipe, number: u64, steps: u64) -> Self {
        let factor = recipe.factor(number, steps);
        let step = Self {
            number: number as u32,
            factor,
            ..self
        };
        let Rule::Adam { betas, epsilon, .. } = recipe.rule else {
            return step;
        };
        let [first, second] = recipe.corrections(number).map(f64::from);
        Self {
            betas: betas.map(|beta| beta as f32),
            rests: betas.map(|beta| (1.0 - beta) as f32),
            unbias: [1.0 / first, 1.0 / second.sqrt()].map(|x| x as f32),
            epsilon,
            ..step
        }
    }
}

/// The extent of a dispatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grid {
    /// This number of elements, one invocation for each.
    Elements(usize),
    /// This number of workgroups.
    Workgroups(usize),
}

/// One dispatch.
#[derive(Clone, Debug)]
pub struct Op {
    /// Its kernel.
    pub shader: Shader,
    /// The bytes of its `Params`.
    pub params: Vec<u8>,
    /// The buffer bound to each of its resources, by the resource's name.
    pub buffers: Vec<(&'static str, BufferId)>,
    /// Its extent.
    pub grid: Grid,
    /// Whether the kernel takes its buffers in either precision, and follows the precision that the
    /// other dispatches give them.
    pub any_storage: bool,
}

impl Op {
    pub(super) fn new<P: bytemuck::Pod>(shader: Shader, params: &P, grid: Grid) -> Self {
        let params = bytemuck::bytes_of(params).to_vec();
        Self {
            shader,
            params,
            buffers: Vec::new(),
            grid,
            any_storage: false,
        }
    }

    /// The same dispatch after an odd number of steps: the buffers of each pair are swapped.
    pub(super) fn swapped(&self, pairs: &[[BufferId; 2]]) -> Self {
        let mut op = self.clone();
        for (_, id) in &mut op.buffers {
            let pair = pairs.iter().find(|pair| pair.contains(id));
            if let Some(&[a, b]) = pair {
                *id = if *id == a { b } else { a };
            }
        }
        op
    }

    pub(super) fn bind(mut self, name: &'static str, buffer: BufferId) -> Self {
        self.buffers.push((name, buffer));
        self
    }
}

/// A shader that ships, with the names and types of the `Params` that its op writes.
pub type Permutation = (Shader, &'static [(&'static str, &'static str)]);

/// Declares a kernel's `Params`: 4-byte scalars, in the order of the WGSL.
macro_rules! params {
    ($($field:ident: $type:ident),+ $(,)?) => {
        /// The kernel's `Params`.
        #[repr(C)]
        #[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
        pub struct Params {
            $(
                #[allow(missing_docs, reason = "the field is documented where WGSL uses it")]
                pub $field: $type,
            )+
        }

        impl Params {
            /// Names and types of the fields, in order.
            pub const FIELDS: &[(&str, &str)] = &[$((stringify!($field), stringify!($type))),+];

            /// `shaders`, with these fields.
            pub fn permutations(
                shaders: impl IntoIterator<Item = $crate::gpu::shader::Shader>,
            ) -> Vec<$crate::gpu::op::Permutation> {
                let with_fields = |shader| (shader, Self::FIELDS);
                shaders.into_iter().map(with_fields).collect()
            }
        }
    };
}
pub(super) use params;
