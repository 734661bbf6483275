//! Training steps of a small network, each realization in one workgroup.

use std::sync::LazyLock;

use crate::activation::Activation;
use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::ops::layer::gather::Source;
use crate::gpu::ops::loss::Objective;
use crate::gpu::ops::sweep::kind_file;
use crate::gpu::ops::update::{Update, Updating};
use crate::gpu::reflect::reflect;
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::{File, METRICS, NUMBERS, PAIR, STEP, constants, wgsl};
use crate::kind::{Form, KINDS, LayerKind};
use crate::nn::Layer;

params! {
    batch: u32,
    inputs: u32,
    width: u32,
    outputs: u32,
    layers: u32,
    order_stride: u32,
    realizations: u32,
    clamp_low: f32,
    clamp_high: f32,
    input_line: u32,
    line: u32,
    output_line: u32,
    second_weight: u32,
    batch_place: u32,
    block_place: u32,
    dual_place: u32,
    logit_place: u32,
    dual_stride: u32,
}

/// Sizes of workgroup memory, the smallest first.
const MEMORIES: [File; 3] = [
    wgsl!("layer/memory/words_4096"),
    wgsl!("layer/memory/words_8192"),
    wgsl!("layer/memory/words_12288"),
];

/// The number of words of each of them, as its file states it.
static WORDS: LazyLock<[usize; 3]> = LazyLock::new(|| {
    MEMORIES.map(|file| {
        let module = naga::front::wgsl::parse_str(file.text).expect("checked by a test");
        constants(&module)["MEMORY_WORDS"] as usize
    })
});

/// The largest number of outputs, and the number of invocations, as the kernel's file states them.
static SIZES: LazyLock<[usize; 2]> = LazyLock::new(|| {
    let (kind, form) = KINDS[0];
    let [source, _] = Source::ALL;
    let [memory, ..] = MEMORIES;
    let objective = Objective::Values;
    let activation = &Activation::IDENTITY;
    let shader = shader(
        kind,
        form,
        activation,
        objective,
        source,
        Update::Sgd,
        memory,
    );
    let constants = reflect(&shader).expect("checked by a test").constants;
    ["NETWORK_OUTPUTS", "NETWORK_THREADS"].map(|name| constants[name] as usize)
});

/// The updates that the kernel has.
pub const UPDATES: [Update; 3] = [Update::Sgd, Update::Momentum, Update::Nesterov];

/// The kernel for layers of one kind and form, an activation, an objective, inputs, an update and a size of
/// workgroup memory.
fn shader(
    kind: LayerKind,
    form: Form,
    activation: &Activation,
    objective: Objective,
    source: Source,
    update: Update,
    memory: File,
) -> Shader {
    // The kernel has the step in a variable of its own.
    let update = update.files().into_iter();
    let update = update.filter(|file| file.name != STEP.name);
    let files = [
        memory,
        kind_file(kind, form),
        PAIR,
        objective.file(),
        METRICS,
        NUMBERS,
        source.file(),
    ];
    let shader = Shader::new(
        wgsl!("layer/small_network"),
        files.into_iter().chain(update),
    );
    shader.with_activation(activation)
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    let mut shaders = Vec::new();
    for (kind, form) in KINDS {
        for activation in Activation::ALL {
            for objective in Objective::ALL {
                for source in Source::ALL {
                    for update in UPDATES {
                        shaders.extend(MEMORIES.map(|memory| {
                            shader(kind, form, activation, objective, source, update, memory)
                        }));
                    }
                }
            }
        }
    }
    Params::permutations(shaders)
}

/// The shape of a network whose layers are of one kind, form, activation and width, without M.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Any of its layers.
    pub layer: Layer,
    /// The number of hidden layers, at least 1.
    pub layers: usize,
    /// Features of a sample.
    pub inputs: usize,
    /// The width of the hidden layers.
    pub width: usize,
    /// Outputs of the head.
    pub outputs: usize,
    /// Samples of a mini-batch.
    pub batch: usize,
}

impl Shape {
    /// The kernel's `Params` for R realizations on `samples` samples, and the words of workgroup memory that
    /// they take.
    fn layout(&self, realizations: usize, samples: usize) -> (Params, usize) {
        let &Self {
            layer,
            layers,
            inputs,
            width,
            outputs,
            batch,
        } = self;
        let [input_line, line, output_line] = [inputs + 1, width + 1, outputs].map(|len| len | 1);
        let second_weight = width * input_line;
        let batch_place = second_weight + ((layers - 1) * width + outputs) * line;
        let block_place = batch_place + 2 * batch * input_line;
        let block = batch * line;
        // The backward pass needs a only where it may have been limited.
        let kept = layer.is_dual() && layer.limits_dual();
        let (dual_block, dual_stride, blocks) = match kept {
            true => (layers + 2, block, 2 * layers + 2),
            false => (layers, 0, layers + 2),
        };
        let logit_place = block_place + blocks * block;
        let words = logit_place + batch * output_line;
        let params = Params {
            batch: batch as u32,
            inputs: inputs as u32,
            width: width as u32,
            outputs: outputs as u32,
            layers: layers as u32,
            order_stride: samples as u32,
            realizations: realizations as u32,
            clamp_low: layer.clamp[0],
            clamp_high: layer.clamp[1],
            input_line: input_line as u32,
            line: line as u32,
            output_line: output_line as u32,
            second_weight: second_weight as u32,
            batch_place: batch_place as u32,
            block_place: block_place as u32,
            dual_place: (block_place + dual_block * block) as u32,
            logit_place: logit_place as u32,
            dual_stride: dual_stride as u32,
        };
        (params, words)
    }

    /// The smallest workgroup memory with room for it, as an index of [`MEMORIES`].
    fn memory(&self) -> Option<usize> {
        let (_, words) = self.layout(1, 1);
        WORDS.iter().position(|&most| words <= most)
    }

    /// Bytes of the workgroup memory in which the kernel trains it, or `None` if the kernel does not take it.
    pub fn memory_bytes(&self) -> Option<usize> {
        let [most_outputs, _] = *SIZES;
        let memory = self.memory().filter(|_| self.outputs <= most_outputs);
        Some(4 * WORDS[memory?])
    }

    /// An upper bound of the turns of all loops that an invocation takes in a step. llvmpipe counts two more of
    /// each loop.
    pub fn turns(&self) -> usize {
        let &Self {
            layers,
            inputs,
            width,
            outputs,
            batch,
            ..
        } = self;
        let [_, threads] = *SIZES;
        let product = |m: usize, n: usize, k: usize| {
            (m.div_ceil(2) * n.div_ceil(2)).div_ceil(threads) * (k + 3) + 2
        };
        let widest = inputs.max(width);
        let forward = product(batch, width, widest + 1);
        let backward = product(batch, width, width.max(outputs));
        let update = product(width, widest + 1, batch);
        let head = product(batch, outputs, width + 1) + product(outputs, width + 1, batch);
        // Each sample has at most seven loops over the outputs.
        let losses = batch.div_ceil(threads / 2) * (1 + 7 * (outputs + 2)) + 2;
        let gather = (batch * inputs).div_ceil(threads / 2) + 2;
        layers * (forward + backward + update + 2) + head + losses + gather + 5
    }

    /// The same before the first step and after the last one.
    pub fn turns_around(&self) -> usize {
        let [_, threads] = *SIZES;
        let own = |elements: usize| elements.div_ceil(threads) + 2;
        let weights = own(self.width * (self.inputs.max(self.width) + 1));
        let head = own(self.outputs * (self.width + 1));
        let ones = own(2 * self.batch) + own(self.layers * self.batch);
        2 * (self.layers * (weights + 1) + head + 3) + ones + own(self.batch * self.inputs) + 2
    }
}

/// Buffers of the steps.
#[derive(Clone, Copy, Debug)]
pub struct Operands {
    /// The inputs.
    pub source: Source,
    /// As of [`crate::gpu::ops::loss::Operands`].
    pub targets: BufferId,
    /// Sample indices, (R, samples).
    pub order: BufferId,
    /// The schedule's factor of each step of the epoch.
    pub factors: BufferId,
    /// Layer after layer, the head last: W (R, out, in), then b (R, out).
    pub parameters: BufferId,
    /// As of [`crate::gpu::ops::loss::Operands`].
    pub metrics: BufferId,
}

/// Steps of an epoch of `samples` samples. Its span is a [`Step`](crate::gpu::Step), whose `first` and `count`
/// are those of the steps.
///
/// # Panics
/// For a shape that the kernel does not take.
pub fn small_network(
    shape: &Shape,
    [realizations, samples]: [usize; 2],
    objective: Objective,
    updating: Updating,
    operands: Operands,
) -> Op {
    let (params, _) = shape.layout(realizations, samples);
    let memory = shape.memory().expect("a shape that fits");
    let Layer {
        kind,
        form,
        activation,
        ..
    } = shape.layer;
    let shader = shader(
        kind,
        form,
        activation,
        objective,
        operands.source,
        updating.update,
        MEMORIES[memory],
    );
    let op = Op::new(shader, &params, Grid::Workgroups(realizations))
        .bind("targets", operands.targets)
        .bind("order", operands.order)
        .bind("factors", operands.factors)
        .bind("parameters", operands.parameters)
        .bind("metrics", operands.metrics);
    updating.bind(operands.source.bind(op))
}
