//! Runs a few ops on their own buffers and waits for them.

use crate::data::Targets;
use crate::error::Result;
use crate::gpu::ops::update::{Update, Updating};
use crate::gpu::{BufferId, BufferSpecs, Buffers, Gpu, Op, Program, Step, decode, to_half};
use crate::kind::Storage;
use crate::optim::{Recipe, Sgd};
use crate::rng::{Purpose, Stream};

/// The initial contents of a buffer that an op should fill; no check expects this number.
pub const UNWRITTEN: f32 = -777.0;

/// Buffers and ops of a check.
#[derive(Default)]
pub struct Run {
    specs: BufferSpecs,
    ops: Vec<Op>,
    storage: Storage,
    steps: Option<BufferId>,
}

impl Run {
    /// A run of ops whose weights and activations are stored in this precision.
    pub fn stored(storage: Storage) -> Self {
        Self {
            storage,
            ..Self::default()
        }
    }

    /// A buffer of bytes, padded to whole words.
    pub fn bytes(&mut self, bytes: &[u8]) -> BufferId {
        let name = format!("buffer {}", self.specs.0.len());
        self.specs.bytes(name, bytes.to_vec())
    }

    /// A buffer of numbers.
    pub fn input(&mut self, values: &[f32]) -> BufferId {
        self.bytes(bytemuck::cast_slice(values))
    }

    /// A buffer of targets, as [`crate::gpu::ops::loss::Operands`] has them.
    pub fn targets(&mut self, targets: &Targets) -> BufferId {
        match targets {
            Targets::Classes(labels) => self.bytes(bytemuck::cast_slice(labels)),
            Targets::Values(values) => self.input(values),
        }
    }

    /// A buffer of `len` numbers that the ops should fill.
    pub fn output(&mut self, len: usize) -> BufferId {
        self.input(&vec![UNWRITTEN; len])
    }

    /// Sets the step that kernels read: samples first .. first + count, at place `slot`, and this number.
    pub fn step(&mut self, first: u32, count: u32, slot: u32) {
        self.steps = Some(self.specs.steps("steps", [Step::new(first, count, slot)]));
    }

    /// Plain SGD at this learning rate, for a kernel that updates parameters of `realizations`.
    ///
    /// # Errors
    /// Those of [`BufferSpecs::runs`].
    pub fn sgd(&mut self, realizations: usize, learning_rate: f32) -> Result<Updating> {
        let batch_size = 1;
        let recipe = Sgd {
            batch_size,
            learning_rate,
        };
        self.updating(&recipe.into(), realizations, None)
    }

    /// The update of step 0 of `recipe`, with the optimizer's state.
    ///
    /// # Errors
    /// Those of [`BufferSpecs::runs`].
    pub fn updating(
        &mut self,
        recipe: &Recipe,
        realizations: usize,
        state: Option<BufferId>,
    ) -> Result<Updating> {
        let step = Step::new(0, 1, 0).trained_by(recipe, recipe.first_step, 1);
        self.steps = Some(self.specs.steps("steps", [step]));
        Ok(Updating {
            update: Update::of(recipe),
            runs: self.specs.runs(recipe, realizations)?,
            state,
        })
    }

    /// Appends an op.
    pub fn op(&mut self, op: Op) {
        self.ops.push(op);
    }

    /// Runs the ops and returns the words of the buffers `ids`.
    pub fn read_words(mut self, gpu: &mut Gpu, ids: &[BufferId]) -> Result<Vec<Vec<u32>>> {
        let bytes = self.read_bytes(gpu, ids)?;
        let words = bytes
            .iter()
            .map(|bytes| bytemuck::pod_collect_to_vec(bytes));
        Ok(words.collect())
    }

    fn read_bytes(&mut self, gpu: &mut Gpu, ids: &[BufferId]) -> Result<Vec<Vec<u8>>> {
        if self.storage == Storage::F16 {
            let mut ops: Vec<&mut Op> = self.ops.iter_mut().collect();
            to_half(&mut ops, &mut self.specs.0)?;
        }
        pollster::block_on(async {
            let buffers = Buffers::new(gpu, &self.specs.0).await?;
            let program = Program::new(gpu, &buffers, &self.ops, self.steps).await?;
            program.run(gpu, 0..1)?;
            buffers.read(gpu, ids).await
        })
    }

    /// Runs the ops and returns the numbers of the buffers `ids`.
    pub fn read(mut self, gpu: &mut Gpu, ids: &[BufferId]) -> Result<Vec<Vec<f32>>> {
        let lengths: Vec<usize> = ids
            .iter()
            .map(|id| self.specs.0[id.0].bytes as usize / 4)
            .collect();
        let read = self.read_bytes(gpu, ids)?;
        let read = read.iter().zip(ids).zip(lengths);
        Ok(read
            .map(|((bytes, id), len)| decode(bytes, self.specs.0[id.0].half, len))
            .collect())
    }
}

/// `len` numbers on [low, high), different for each `stream`.
pub fn random(stream: u32, len: usize, low: f32, high: f32) -> Vec<f32> {
    let stream = Stream::new(20_211, Purpose::Init, stream);
    (0..len as u64)
        .map(|i| low + (high - low) * stream.uniform(i))
        .collect()
}
