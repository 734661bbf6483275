//! Runs a few ops on buffers of their own, and waits for them.

use crate::error::Result;
use crate::gpu::shader::Storage;
use crate::gpu::{BufferId, BufferSpecs, Buffers, Gpu, Op, Program, Step, decode, to_half};
use crate::rng::{Purpose, Stream};

/// What a buffer starts with that an op is expected to fill: what no check expects of it.
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
    /// Ops on weights and activations that lie in memory so.
    pub fn stored(storage: Storage) -> Self {
        Self {
            storage,
            ..Self::default()
        }
    }

    /// A buffer of bytes, filled up to whole words.
    pub fn bytes(&mut self, bytes: &[u8]) -> BufferId {
        let name = format!("buffer {}", self.specs.0.len());
        self.specs.bytes(name, bytes.to_vec())
    }

    /// A buffer of numbers.
    pub fn input(&mut self, values: &[f32]) -> BufferId {
        self.bytes(bytemuck::cast_slice(values))
    }

    /// A buffer that the ops are expected to fill.
    pub fn output(&mut self, len: usize) -> BufferId {
        self.input(&vec![UNWRITTEN; len])
    }

    /// The step that gather and loss read: samples first .. first + count, place `slot`.
    pub fn step(&mut self, first: u32, count: u32, slot: u32) {
        self.steps = Some(self.specs.steps("steps", [Step { first, count, slot }]));
    }

    /// One more op, after those before it.
    pub fn op(&mut self, op: Op) {
        self.ops.push(op);
    }

    /// Runs the ops; the words of the buffers `ids` after that.
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

    /// Runs the ops; the numbers of the buffers `ids` after that.
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
