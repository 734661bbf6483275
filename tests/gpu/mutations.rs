//! Plants faults in the WGSL or in the plan, one at a time. The comparison with the reference must catch
//! each.

use std::time::Instant;

use bregman::gpu::wgsl::File;
use bregman::gpu::{BufferId, GpuExecutor, Op, Plan};
use bregman::nn::Model;
use bregman::optim::Recipe;
use bregman::selftest::checks::Checks;
use bregman::selftest::networks::{
    Expected, Path, REALIZATIONS, Record, SEED, SGD, augmented_cases, cases, cnn_cases, initial,
    mixed_cases, optimizer_cases, run, splits,
};
use bregman::selftest::sweeps;
use bregman::sweep;

use crate::common;
use crate::{Test, gpu, own_gpu};

pub fn tests() -> Vec<Test> {
    vec![
        ("mutations::every_planted_fault_is_caught", || {
            are_caught(|path| path != Path::Small)
        }),
        (
            "mutations::every_fault_planted_in_small_networks_is_caught",
            || are_caught(|path| path == Path::Small),
        ),
        (
            "mutations::every_fault_planted_in_sweeps_is_caught",
            sweeps_are_caught,
        ),
    ]
}

/// A fault.
enum Fault {
    /// In a WGSL file, `find` is replaced by `replace`.
    Wgsl {
        file: &'static str,
        find: &'static str,
        replace: &'static str,
    },
    /// One of a kernel's bindings has another buffer of the plan.
    Buffer {
        kernel: &'static str,
        binding: &'static str,
        instead: &'static str,
    },
}

/// The fault's name, the name of a network whose path has it, the path, and the fault.
const FAULTS: &[(&str, &str, Path, Fault)] = &[
    (
        "a crop whose rows and columns have one number",
        "crop:2,flip: bregman [30, 30]",
        Path::Fused,
        Fault::Wgsl {
            file: "layer/augment",
            find: "within(high.y, params.crop)",
            replace: "within(high.z, params.crop)",
        },
    ),
    (
        "images of the next epoch, a step too early",
        "rotate:180,scale:0.5,shift:1: euclidean [30, 7]",
        Path::Unfused,
        Fault::Wgsl {
            file: "layer/augment",
            find: "step.number / params",
            replace: "(step.number + 1u) / params",
        },
    ),
    (
        "images changed alike in all realizations",
        "rotate:180,scale:0.5,shift:1: bregman [30, 30]",
        Path::Fused,
        Fault::Wgsl {
            file: "layer/augment",
            find: "let low = random_bits(seeds[realization]",
            replace: "let low = random_bits(seeds[0]",
        },
    ),
    (
        "the noise of another pixel",
        "noise:0.1,cutout:2: bregman [30, 30]",
        Path::Fused,
        Fault::Wgsl {
            file: "layer/augment",
            find: "number / 2u % 4u",
            replace: "number % 4u",
        },
    ),
    (
        "the skip above another activation",
        "bregman dual sigmoid 13, bregman dual tanh 13, bregman primal arcsinh 13",
        Path::Fused,
        Fault::Wgsl {
            file: "layer/after_backward/bregman_nested",
            find: "acc + mix_gradient",
            replace: "acc + 0.9 * mix_gradient",
        },
    ),
    (
        "the slope of another layer",
        "bregman dual tanh 13, bregman dual arcsinh 7, bregman primal identity 7",
        Path::Fused,
        Fault::Buffer {
            kernel: "apply_rho_slope",
            binding: "z",
            instead: "layers.1.z",
        },
    ),
    (
        "an open gate of a dual passage",
        "bregman primal tanh 13, bregman dual sigmoid 13 pass, bregman dual arctan 13, clamped",
        Path::Fused,
        Fault::Wgsl {
            file: "elementwise/apply_gate",
            find: "select(0.0, delta[index], open)",
            replace: "select(delta[index], delta[index], open)",
        },
    ),
    (
        "a dual passage past z",
        "bregman dual tanh 13, bregman dual softplus 13 pass, bregman dual softplus 13",
        Path::Fused,
        Fault::Buffer {
            kernel: "layer_backward",
            binding: "z",
            instead: "layers.1.z",
        },
    ),
    (
        "a transposed operand",
        "bregman dual tanh [13, 13, 13]",
        Path::Fused,
        Fault::Wgsl {
            file: "product/layout/rhs_k",
            find: "    return transpose(mat4x4(\n        rhs_vector",
            replace: "    return (mat4x4(\n        rhs_vector",
        },
    ),
    (
        "a missing bias",
        "bregman dual tanh [13, 13, 13]",
        Path::Fused,
        Fault::Wgsl {
            file: "layer/layer_forward",
            find: "acc + operands.x",
            replace: "acc + 0.0 * operands.x",
        },
    ),
    (
        "a wrong slope",
        "bregman dual sigmoid [13, 13, 13]",
        Path::Fused,
        Fault::Wgsl {
            file: "layer/after_backward/bregman",
            find: "rho_slope(operands.x) * acc",
            replace: "rho_slope(1.0 - 0.5 * operands.x) * acc",
        },
    ),
    (
        "a dropped skip, forward",
        "bregman dual tanh [13, 13, 13]",
        Path::Fused,
        Fault::Wgsl {
            file: "layer/after_forward/bregman_dual",
            find: "skip + pre_activation",
            replace: "pre_activation",
        },
    ),
    (
        "a dropped skip, backward",
        "euclidean  tanh [13, 13, 13]",
        Path::Fused,
        Fault::Wgsl {
            file: "layer/after_backward/euclidean",
            find: "(acc + operands.y)",
            replace: "acc",
        },
    ),
    (
        "an off-by-one at the tile's edge",
        "standard  tanh [13, 13, 13]",
        Path::Fused,
        Fault::Wgsl {
            file: "product/tile_matmul",
            find: "block[0], kk < size.z)",
            replace: "block[0], kk + 1u < size.z)",
        },
    ),
    (
        "a stale residual",
        "bregman dual tanh [13, 13, 13]",
        Path::Fused,
        Fault::Buffer {
            kernel: "layer_backward",
            binding: "z",
            instead: "layers.1.z",
        },
    ),
    (
        "the sign of the update",
        "standard  tanh [13, 13, 13]",
        Path::Fused,
        Fault::Wgsl {
            file: "elementwise/update/sgd_step",
            find: "parameter - step.factor",
            replace: "parameter + step.factor",
        },
    ),
    (
        "a bias that moves too little",
        "standard  tanh [13, 13, 13]",
        Path::Fused,
        Fault::Wgsl {
            file: "layer/layer_backward",
            find: "vec4(1.0), ones)",
            replace: "vec4(0.9), ones)",
        },
    ),
    (
        "a bias with workgroups of its own, skipped",
        "bregman dual tanh [13, 32, 32], 8 classes",
        Path::Fused,
        Fault::Wgsl {
            file: "layer/layer_backward",
            find: "updated_parameter(realization, row, params.inputs, bias[place], gradient)",
            replace: "bias[place]",
        },
    ),
    (
        "a bias without the last part of the batch",
        "bregman dual tanh [13, 32, 32], 8 classes",
        Path::Fused,
        Fault::Wgsl {
            file: "layer/layer_backward",
            find: "part < BIAS_PARTS",
            replace: "part + 1u < BIAS_PARTS",
        },
    ),
    (
        "tiles of W where those of δ are",
        "bregman dual tanh [13, 32, 32], 8 classes",
        Path::Fused,
        Fault::Wgsl {
            file: "layer/layer_backward",
            find: "select(tiles(input_size), 0u, weight_first)",
            replace: "select(0u, 0u, weight_first)",
        },
    ),
    (
        "the last class left out of δ below the head",
        "bregman dual tanh [13, 13, 13]",
        Path::Fused,
        Fault::Wgsl {
            file: "layer/below/delta",
            find: "label < params.outputs)",
            replace: "label + 1u < params.outputs)",
        },
    ),
    (
        "no slope below the head",
        "standard  tanh [13, 13, 13]",
        Path::Fused,
        Fault::Wgsl {
            file: "layer/below/delta",
            find: "rho_slope(f32(z[place])) * sums[own]",
            replace: "sums[own]",
        },
    ),
    (
        "a wrong projection of M",
        "bregman dual tanh [13, 7, 7, 11]",
        Path::Fused,
        Fault::Wgsl {
            file: "lib/simplex",
            find: "(total - 1.0)",
            replace: "(total - 0.99)",
        },
    ),
    (
        "a swapped realization stride",
        "bregman dual tanh [13, 13, 13]",
        Path::Fused,
        Fault::Wgsl {
            file: "layer/layer_backward",
            find: "vec4(realization * size.z * params.inputs)",
            replace: "vec4(realization * params.inputs)",
        },
    ),
    (
        "ρ for ρ⁻¹",
        "bregman dual tanh [13, 13, 13]",
        Path::Fused,
        Fault::Wgsl {
            file: "layer/after_forward/bregman_lift",
            find: "rho_inv(u)",
            replace: "rho(u)",
        },
    ),
    (
        "the slope of u in M's gradient",
        "bregman dual tanh [13, 7, 7, 11]",
        Path::Fused,
        Fault::Wgsl {
            file: "layer/mix/bregman",
            find: "delta / slope",
            replace: "delta",
        },
    ),
    (
        "a loss that is not a mean",
        "bregman dual tanh [13, 13, 13]",
        Path::Fused,
        Fault::Wgsl {
            file: "loss/cross_entropy",
            find: "/ f32(step.count)",
            replace: "/ f32(params.batch)",
        },
    ),
    (
        "a sample out of order, gathered on the way",
        "bregman dual tanh [13, 13, 13]",
        Path::Fused,
        Fault::Wgsl {
            file: "product/operand/batch",
            find: "step.first + min(row",
            replace: "step.first + min(row / 2u * 2u",
        },
    ),
    (
        "a sample out of order, gathered first",
        "bregman dual tanh [13, 7, 7, 11]",
        Path::Fused,
        Fault::Wgsl {
            file: "layer/gather",
            find: "step.first + row",
            replace: "step.first + row / 2u * 2u",
        },
    ),
    (
        "a batch left behind without its last sample",
        "bregman dual tanh [13, 13, 13]",
        Path::Fused,
        Fault::Wgsl {
            file: "product/operand/batch_scalar",
            find: "= Stored(value[i - kk]);",
            replace: "= Stored(value[i - kk] * f32(row + 1u < step.count));",
        },
    ),
    (
        "the other half of a pair read",
        "standard  tanh [13, 13, 13]",
        Path::Fused,
        Fault::Buffer {
            kernel: "layer_forward",
            binding: "rhs",
            instead: "layers.0.next weight",
        },
    ),
    (
        "a slice of the depth forgotten",
        "standard  tanh [13, 13, 13]",
        Path::Fused,
        Fault::Wgsl {
            file: "product/tile_matmul",
            find: "var s = 0u;",
            replace: "var s = 1u;",
        },
    ),
    (
        "the product with M added to that with W, forward",
        "bregman dual tanh [13, 7, 7, 11]",
        Path::Fused,
        Fault::Wgsl {
            file: "layer/layer_forward_mix",
            find: "    clear_tile();",
            replace: "",
        },
    ),
    (
        "no gradient through M",
        "euclidean  tanh [13, 7, 7, 11]",
        Path::Fused,
        Fault::Wgsl {
            file: "layer/mix/present",
            find: "const MIXES: bool = true",
            replace: "const MIXES: bool = false",
        },
    ),
    (
        "M updated by half its gradient",
        "euclidean  tanh [13, 7, 7, 11]",
        Path::Fused,
        Fault::Wgsl {
            file: "layer/mix_update",
            find: "f32(matrix[place]), gradient)",
            replace: "f32(matrix[place]), 0.5 * gradient)",
        },
    ),
    (
        "a head without its bias",
        "standard  tanh [13, 13, 13]",
        Path::Fused,
        Fault::Wgsl {
            file: "layer/head",
            find: "sum + bias[",
            replace: "sum + 0.0 * bias[",
        },
    ),
    (
        "an unfused slope left out",
        "bregman dual tanh [13, 13, 13]",
        Path::Unfused,
        Fault::Wgsl {
            file: "elementwise/apply_rho_slope",
            find: "delta[index] *= rho_slope(z[index]);",
            replace: "delta[index] *= 1.0;",
        },
    ),
    (
        "an unfused update with the wrong gradient",
        "bregman dual tanh [13, 13, 13]",
        Path::Unfused,
        Fault::Buffer {
            kernel: "optimizer_step",
            binding: "gradient",
            instead: "unfused skip",
        },
    ),
    (
        "a kernel upside down",
        "bregman dual tanh behind 2 blocks of softplus",
        Path::Fused,
        Fault::Wgsl {
            file: "conv/window",
            find: "position.y * params.stride + element.y",
            replace: "position.y * params.stride + params.kernel_height - 1u - element.y",
        },
    ),
    (
        "an input gradient between the strides",
        "bregman dual tanh behind 2 blocks of softplus",
        Path::Fused,
        Fault::Wgsl {
            file: "conv/conv2d_backward_input",
            find: "meets = all(place * params.stride == offset);",
            replace: "meets = place.x * params.stride == offset.x;",
        },
    ),
    (
        "the sign of a filter's update",
        "bregman dual tanh behind 2 blocks of softplus",
        Path::Fused,
        Fault::Wgsl {
            file: "elementwise/update/sgd_step",
            find: "parameter - step.factor",
            replace: "parameter + step.factor",
        },
    ),
    (
        "a bias gradient of some pixels",
        "bregman dual tanh behind 2 blocks of softplus",
        Path::Fused,
        Fault::Wgsl {
            file: "conv/conv2d_backward_weight",
            find: "select(block[3], vec4(1.0), ones)",
            replace: "select(block[3], vec4(0.0), ones)",
        },
    ),
    (
        "the smallest of a window",
        "bregman dual tanh behind 2 blocks of softplus",
        Path::Fused,
        Fault::Wgsl {
            file: "conv/max_pool2d_forward",
            find: "value > largest",
            replace: "value < largest",
        },
    ),
    (
        "a pooling gradient without the last window",
        "bregman dual tanh behind 1 blocks of relu",
        Path::Fused,
        Fault::Wgsl {
            file: "conv/max_pool2d_backward",
            find: "min(last_row + 1u",
            replace: "min(last_row",
        },
    ),
    (
        "a slope left out below the pooling",
        "bregman dual tanh behind 2 blocks of softplus",
        Path::Fused,
        Fault::Wgsl {
            file: "conv/after/pool_slope",
            find: "rho_slope(active_z[index]) * sum",
            replace: "sum",
        },
    ),
    (
        "the same features left out in every step",
        "bregman dual tanh behind 2 blocks of softplus",
        Path::Fused,
        Fault::Wgsl {
            file: "elementwise/dropout",
            find: "step.number",
            replace: "0u",
        },
    ),
    (
        "a convolution's bias at the wrong channel",
        "bregman dual tanh behind 2 blocks of softplus",
        Path::Unfused,
        Fault::Wgsl {
            file: "elementwise/add_channel_bias",
            find: "index / params.plane % params.filters",
            replace: "index % params.filters",
        },
    ),
    (
        "no correction of Adam's bias",
        "Adam, cosine after warm-up: bregman dual tanh [13, 13, 13]",
        Path::Fused,
        Fault::Wgsl {
            file: "elementwise/update/adam",
            find: "step.unbias_1 * m",
            replace: "m",
        },
    ),
    (
        "the weight decay twice",
        "AdamW, linear, steps done before: bregman dual tanh [13, 13, 13]",
        Path::Fused,
        Fault::Wgsl {
            file: "elementwise/update/adamw_step",
            find: "rate * run.z",
            replace: "2.0 * rate * run.z",
        },
    ),
    (
        "the rate of another realization",
        "momentum: bregman dual tanh [13, 13, 13]",
        Path::Fused,
        Fault::Wgsl {
            file: "elementwise/update/momentum_step",
            find: "runs[realization]",
            replace: "runs[0u]",
        },
    ),
    (
        "a schedule without its warm-up's start",
        "Adam, cosine after warm-up: bregman dual tanh [13, 7, 7, 11]",
        Path::Fused,
        Fault::Wgsl {
            file: "elementwise/update/adam_step",
            find: "step.factor * run.x",
            replace: "run.x",
        },
    ),
    (
        "the moments of a line in the next",
        "momentum: bregman dual tanh [13, 13, 13]",
        Path::Fused,
        Fault::Wgsl {
            file: "layer/layer_backward",
            find: "place * (params.inputs + 1u) + col",
            replace: "place * params.inputs + col",
        },
    ),
    (
        "no momentum in Nesterov's step",
        "Nesterov's momentum, weight decay, exponential: bregman dual tanh [13, 13, 13]",
        Path::Fused,
        Fault::Wgsl {
            file: "elementwise/update/nesterov_step",
            find: "decayed + run.y * velocity",
            replace: "decayed",
        },
    ),
    (
        "a norm that is not limited",
        "momentum, limited norm: bregman dual tanh [13, 7, 7, 11]",
        Path::Fused,
        Fault::Wgsl {
            file: "elementwise/clip_scale",
            find: "select(params.norm / (found + 1e-6)",
            replace: "select(1.0",
        },
    ),
    (
        "a norm without the second part of a gradient's squares",
        "AdamW, limited norm: bregman dual tanh [13, 13, 13]",
        Path::Fused,
        Fault::Wgsl {
            file: "elementwise/gradient_squares",
            find: "sum += g * g",
            replace: "sum = g * g",
        },
    ),
    (
        "a small network's barrier too few, forward",
        "bregman dual tanh [13, 13, 13]",
        Path::Small,
        Fault::Wgsl {
            file: "layer/small_network",
            find: "            forward(l, thread);\n            workgroupBarrier();",
            replace: "            forward(l, thread);",
        },
    ),
    (
        "a small network's barrier too few, before the losses",
        "standard  tanh [13, 13, 13]",
        Path::Small,
        Fault::Wgsl {
            file: "layer/small_network",
            find: "        head(thread);\n        workgroupBarrier();",
            replace: "        head(thread);",
        },
    ),
    (
        "a small network's barrier too few, backward",
        "euclidean  tanh [13, 13, 13]",
        Path::Small,
        Fault::Wgsl {
            file: "layer/small_network",
            find: "            }\n            workgroupBarrier();",
            replace: "            }",
        },
    ),
    (
        "a small network without its biases",
        "standard  tanh [13, 13, 13]",
        Path::Small,
        Fault::Wgsl {
            file: "layer/small_network",
            find: "products(left, 1u, right, 1u, weight.inputs + 1u)",
            replace: "products(left, 1u, right, 1u, weight.inputs)",
        },
    ),
    (
        "a small network whose biases are not trained",
        "bregman primal tanh [13, 13, 13]",
        Path::Small,
        Fault::Wgsl {
            file: "layer/small_network",
            find: "weight.inputs, bias_gradient);",
            replace: "weight.inputs, 0.0 * bias_gradient);",
        },
    ),
    (
        "a small network's gradient over the rows of another batch",
        "standard  tanh [13, 13, 13]",
        Path::Small,
        Fault::Wgsl {
            file: "layer/small_network",
            find: "weight.stride, step.count);",
            replace: "weight.stride, params.batch);",
        },
    ),
    (
        "a small network's update before the layer below has its gradient",
        "bregman dual tanh [13, 13, 13]",
        Path::Small,
        Fault::Wgsl {
            file: "layer/small_network",
            find: "            backward(l, thread);\n            if (l < params.layers) {\n                update(l + 1u, realization, thread);\n            }",
            replace: "            update(l, realization, thread);\n            workgroupBarrier();\n            backward(l, thread);",
        },
    ),
    (
        "a small network's dual variable in the first layer alone",
        "bregman dual tanh [13, 13, 13]",
        Path::Small,
        Fault::Wgsl {
            file: "layer/small_network",
            find: "a = pair_at(dual_of(l) + row * params.line, cols);",
            replace: "a = vec2(0.0);",
        },
    ),
    (
        "a small network's dual variable of another layer",
        "bregman dual sin [13, 13, 13]",
        Path::Small,
        Fault::Wgsl {
            file: "layer/small_network",
            find: "a = pair_at(dual_of(l) + row",
            replace: "a = pair_at(dual_of(l + 1u) + row",
        },
    ),
    (
        "a small network's head without its skip",
        "bregman dual tanh [13, 13, 13]",
        Path::Small,
        Fault::Wgsl {
            file: "layer/small_network",
            find: "if (l < params.layers) {\n        let a",
            replace: "if (l <= params.layers) {\n        let a",
        },
    ),
    (
        "the rate of another realization in a small network",
        "momentum: bregman dual tanh [13, 13, 13]",
        Path::Small,
        Fault::Wgsl {
            file: "elementwise/update/momentum_step",
            find: "runs[realization]",
            replace: "runs[0u]",
        },
    ),
    (
        "the moments of another layer of a small network",
        "momentum: bregman dual tanh [13, 13, 13]",
        Path::Small,
        Fault::Wgsl {
            file: "layer/small_network",
            find: "let before = params.realizations * weight.before",
            replace: "let before = params.realizations * (weight.before / 2u)",
        },
    ),
    (
        "a small network's schedule of the next step",
        "Nesterov's momentum, weight decay, exponential: bregman dual tanh [13, 13, 13]",
        Path::Small,
        Fault::Wgsl {
            file: "layer/small_network",
            find: "factors[slot]",
            replace: "factors[0u] * f32(slot)",
        },
    ),
    (
        "a small network's batch of the step before",
        "standard  tanh [13, 13, 13]",
        Path::Small,
        Fault::Wgsl {
            file: "layer/small_network",
            find: "gather(realization, slot + 1u,",
            replace: "gather(realization, slot,",
        },
    ),
];

impl Fault {
    /// Plants the fault in each op of `plan` that it concerns.
    fn plant(&self, plan: &mut Plan) {
        let mut planted = 0;
        match self {
            Self::Wgsl {
                file,
                find,
                replace,
            } => {
                let small = plan.small.iter_mut().map(|small| &mut small.op);
                let ops = plan.train_step.iter_mut().chain(small);
                let files = ops.flat_map(|op| &mut op.shader.files);
                for target in files.filter(|f| f.name == *file) {
                    assert!(
                        target.text.contains(find),
                        "{file} has changed: no `{find}`"
                    );
                    let text = target.text.replace(find, replace);
                    *target = File {
                        name: target.name,
                        text: text.leak(),
                    };
                    planted += 1;
                }
            }
            Self::Buffer {
                kernel,
                binding,
                instead,
            } => {
                let position = plan.buffers.iter().position(|b| b.name == *instead);
                let instead = BufferId(position.expect("a buffer of that name"));
                for op in plan
                    .train_step
                    .iter_mut()
                    .filter(|op| op.shader.kernel() == *kernel)
                {
                    for (_, id) in op.buffers.iter_mut().filter(|(name, _)| name == binding) {
                        planted += 1;
                        *id = instead;
                    }
                }
            }
        }
        assert!(planted > 0, "the fault is on no path of this network");
    }
}

fn run_with(model: &Model, recipe: &Recipe, path: Path, fault: Option<&Fault>) -> Record {
    let options = path.options(REALIZATIONS, recipe.clone());
    let mut plan = Plan::new(model, &splits(model), options).expect("a plan");
    assert_eq!(plan.small.is_some(), path == Path::Small);
    // A kernel with a fault has the name of the one without, by which a device keeps it.
    let gpu = match fault {
        Some(fault) => {
            fault.plant(&mut plan);
            own_gpu()
        }
        None => gpu(),
    };
    let parameters = initial(model, REALIZATIONS);
    let executor = GpuExecutor::from_plan(gpu, model, plan, &parameters);
    let mut executor = pollster::block_on(executor).unwrap_or_else(|e| panic!("{e}"));
    run(&mut executor, SEED, REALIZATIONS).expect("a run")
}

fn are_caught(on: fn(Path) -> bool) {
    let by_sgd = cases().into_iter().chain(cnn_cases()).chain(mixed_cases());
    let by_sgd = by_sgd.map(|case| (case, Recipe::from(SGD)));
    let others = optimizer_cases().into_iter().chain(augmented_cases());
    let cases: Vec<_> = by_sgd.chain(others).collect();
    for (name, network, path, fault) in FAULTS.iter().filter(|(_, _, path, _)| on(*path)) {
        let case = cases.iter().find(|(case, _)| case.name == *network);
        let (case, recipe) = case.unwrap_or_else(|| panic!("no network `{network}`"));
        let expected = Expected::by(&case.model, recipe).expect("a reference");
        let sound = run_with(&case.model, recipe, *path, None);
        common::check(&expected, &case.model, name, &sound);
        let faulty = run_with(&case.model, recipe, *path, Some(fault));
        let caught = common::fault(&expected, &case.model, &faulty).is_some();
        assert!(caught, "{name} was not caught");
    }
}

/// Faults of `shaders/sweep/sweep.wgsl`: the name, what is replaced, and by what.
const SWEEP_FAULTS: &[(&str, &str, &str)] = &[
    (
        "the gradient of a sample of each chunk dropped",
        "+ gradients[at + 4u * GRADIENT])",
        "+ 0.0 * gradients[at + 4u * GRADIENT])",
    ),
    (
        "the gradients of the workgroup's first run",
        "let at = (place * LANES + first)",
        "let at = first",
    ),
    (
        "gradients behind the end of a batch",
        "select(vec2(0.0), delta, chunk + lane < count)",
        "delta",
    ),
    (
        "only the last chunk of a batch",
        "plus_chunk(sums.x, lane)",
        "plus_chunk(0.0, lane)",
    ),
    (
        "the second parameter of a lane without its update",
        "update(lane + LANES,",
        "update(PARAMETERS,",
    ),
    (
        "a swap that does not see the one before",
        "here = select(below, moved, here.y == i - 1u);",
        "here = below;",
    ),
    (
        "the points of the first run",
        "min(run, params.sets - 1u)",
        "0u",
    ),
    (
        "an evaluation without a lane",
        "loss += losses[other];",
        "loss += select(losses[other], 0.0, other % LANES == 5u);",
    ),
];

/// Those that a subgroup of 32 invocations does not show, since they go together: a missing barrier.
const SWEEP_BARRIERS: &[(&str, &str, &str)] = &[
    (
        "sums before the gradients are there",
        "chunk + lane < count));\n            workgroupBarrier();",
        "chunk + lane < count));",
    ),
    (
        "a step before the update",
        "            }\n            workgroupBarrier();",
        "            }",
    ),
    (
        "an evaluation before its parts are there",
        "= correct;\n    workgroupBarrier();",
        "= correct;",
    ),
];

fn sweeps_are_caught() {
    let failure = |fault: Option<&(&str, &str, &str)>| {
        let mut gpu = match fault {
            Some(_) => own_gpu(),
            None => gpu(),
        };
        let change = |op: &mut Op| {
            if let Some((_, find, replace)) = fault {
                let file = &mut op.shader.files[0];
                assert!(file.text.contains(find), "the sweep has no `{find}`");
                *file = File {
                    name: file.name,
                    text: file.text.replace(find, replace).leak(),
                };
            }
        };
        let mut checks = Checks::new(false);
        checks.begin("a sweep");
        sweeps::batches(&mut checks, &mut |sweep, data| {
            let start = Instant::now();
            let clock = || start.elapsed();
            let training = sweep::gpu::train_changed(&mut gpu, sweep, data, &change, &clock);
            pollster::block_on(training)
        })
        .expect("a sweep");
        checks.into_rows().remove(0).failure
    };
    assert_eq!(failure(None), None);
    let barriers = match gpu().summary().software {
        true => SWEEP_BARRIERS,
        false => &[],
    };
    for fault in SWEEP_FAULTS.iter().chain(barriers) {
        assert!(failure(Some(fault)).is_some(), "{} was not caught", fault.0);
    }
}
