// Trains networks of two neurons to a layer, each run in one invocation from its first epoch to its last.
// Parameters and activations are in registers, the points in storage memory; initial parameters and the
// order of samples come from the invocation's own generator. Sweep files state the number of layers, their
// kind and the loss. A dispatch does the epochs step.first .. step.first + step.count, and stores the
// parameters for the next dispatch.
// Hooks: activation (rho), sweep (delta_below, dual_input, sample_loss, with_skip).

const RUNS: u32 = 32u;
const LAYER_PARAMETERS: u32 = 6u;
const PARAMETERS: u32 = LAYER_PARAMETERS * LAYERS + 3u * OUTPUTS;

struct Params {
    runs: u32,
    samples: u32,
    // Sets of samples: one for all runs, or one for each.
    sets: u32,
    batch: u32,
    epochs: u32,
    record_every: u32,
    // Initial parameters: uniform within ± bound if random, else diagonal * I, 0, and a head of
    // head_weight.
    random: u32,
    bound: f32,
    diagonal: f32,
    head_weight: f32,
    clamp_low: f32,
    clamp_high: f32,
}

struct SampleLoss {
    loss: f32,
    correct: bool,
    // dL/dy of this sample alone.
    delta: vec2<f32>,
}

@group(0) @binding(0) var<uniform> params: Params;
// (samples, sets), as are the labels.
@group(0) @binding(1) var<storage, read> points: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
// The two words of each run's seed, and its learning rate.
@group(0) @binding(3) var<storage, read> seeds: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read> learning_rates: array<f32>;
// (samples, runs).
@group(0) @binding(5) var<storage, read_write> order: array<u32>;
// (parameters, runs), in the canonical order of nn::Model::tensors.
@group(0) @binding(6) var<storage, read_write> parameters: array<f32>;
// (records, runs) pairs: the bits of the mean loss, and the count of correct classes.
@group(0) @binding(7) var<storage, read_write> metrics: array<vec2<u32>>;

var<private> p: array<f32, PARAMETERS>;
var<private> gradient: array<f32, PARAMETERS>;
var<private> z: array<vec2<f32>, LAYERS + 1u>;
var<private> a: array<vec2<f32>, LAYERS + 1u>;

fn initialize(seed: vec2<u32>) {
    for (var k = 0u; k < PARAMETERS; k++) {
        p[k] = 0.0;
    }
    // Each tensor, weight or bias, is drawn from one block of a stream of its own.
    for (var l = 0u; l <= LAYERS; l++) {
        let first = LAYER_PARAMETERS * l;
        let head = l == LAYERS;
        let weights = select(4u, 2u * OUTPUTS, head);
        let biases = select(2u, OUTPUTS, head);
        if (params.random != 0u) {
            let weight = random_bits(seed, PURPOSE_INIT, 2u * l, 0u);
            let bias = random_bits(seed, PURPOSE_INIT, 2u * l + 1u, 0u);
            for (var k = 0u; k < weights; k++) {
                p[first + k] = (2.0 * uniform_of(weight[k]) - 1.0) * params.bound;
            }
            for (var k = 0u; k < biases; k++) {
                p[first + weights + k] = (2.0 * uniform_of(bias[k]) - 1.0) * params.bound;
            }
        } else if (head) {
            for (var k = 0u; k < weights; k++) {
                p[first + k] = params.head_weight;
            }
        } else {
            p[first] = params.diagonal;
            p[first + 3u] = params.diagonal;
        }
    }
}

// Fisher and Yates, as `sample_order` in src/rng.rs.
fn shuffle(run: u32, seed: vec2<u32>, epoch: u32) {
    for (var i = 0u; i < params.samples; i++) {
        order[i * params.runs + run] = i;
    }
    var bits = vec4(0u);
    for (var rest = params.samples; rest > 1u; rest--) {
        let i = rest - 1u;
        if (i % 4u == 3u || rest == params.samples) {
            bits = random_bits(seed, PURPOSE_SHUFFLE, epoch, i / 4u);
        }
        let j = mul_high(bits[i % 4u], i + 1u);
        let moved = order[i * params.runs + run];
        order[i * params.runs + run] = order[j * params.runs + run];
        order[j * params.runs + run] = moved;
    }
}

// z and a of every layer; the head's outputs.
fn forward(point: vec2<f32>) -> vec2<f32> {
    z[0] = point;
    a[0] = dual_input(point);
    for (var l = 0u; l < LAYERS; l++) {
        let k = LAYER_PARAMETERS * l;
        let below = z[l];
        let affine = vec2(
            (p[k] * below.x + p[k + 1u] * below.y) + p[k + 4u],
            (p[k + 2u] * below.x + p[k + 3u] * below.y) + p[k + 5u],
        );
        let above = with_skip(below, a[l], affine);
        a[l + 1u] = above;
        z[l + 1u] = vec2(rho(above.x), rho(above.y));
    }
    let head = LAYER_PARAMETERS * LAYERS;
    let top = z[LAYERS];
    var y = vec2(0.0);
    for (var j = 0u; j < OUTPUTS; j++) {
        let k = head + 2u * j;
        y[j] = (p[k] * top.x + p[k + 1u] * top.y) + p[head + 2u * OUTPUTS + j];
    }
    return y;
}

// Adds the gradient of a sample whose outputs have the gradient `delta_head`.
fn backward(delta_head: vec2<f32>) {
    let head = LAYER_PARAMETERS * LAYERS;
    let top = z[LAYERS];
    var g = vec2(0.0);
    for (var j = 0u; j < OUTPUTS; j++) {
        let k = head + 2u * j;
        g += delta_head[j] * vec2(p[k], p[k + 1u]);
        gradient[k] += delta_head[j] * top.x;
        gradient[k + 1u] += delta_head[j] * top.y;
        gradient[head + 2u * OUTPUTS + j] += delta_head[j];
    }
    var delta = slope(top) * g;
    for (var rest = LAYERS; rest > 0u; rest--) {
        let l = rest - 1u;
        let k = LAYER_PARAMETERS * l;
        let below = z[l];
        gradient[k] += delta.x * below.x;
        gradient[k + 1u] += delta.x * below.y;
        gradient[k + 2u] += delta.y * below.x;
        gradient[k + 3u] += delta.y * below.y;
        gradient[k + 4u] += delta.x;
        gradient[k + 5u] += delta.y;
        if (l > 0u) {
            g = delta.x * vec2(p[k], p[k + 1u]) + delta.y * vec2(p[k + 2u], p[k + 3u]);
            delta = delta_below(below, a[l], g, delta);
        }
    }
}

// The place of a sample of the run's set.
fn place_of(sample: u32, run: u32) -> u32 {
    return sample * params.sets + min(run, params.sets - 1u);
}

fn train_epoch(run: u32, learning_rate: f32) {
    for (var first = 0u; first < params.samples; first += params.batch) {
        let count = min(params.batch, params.samples - first);
        for (var k = 0u; k < PARAMETERS; k++) {
            gradient[k] = 0.0;
        }
        for (var i = first; i < first + count; i++) {
            let sample = place_of(order[i * params.runs + run], run);
            let y = forward(points[sample]);
            backward(sample_loss(y, labels[sample]).delta / f32(count));
        }
        for (var k = 0u; k < PARAMETERS; k++) {
            p[k] -= learning_rate * gradient[k];
        }
    }
}

// The bits of the mean loss, or those of NaN if it or a parameter is not finite, and the number of samples
// that are classified correctly.
fn evaluate(run: u32) -> vec2<u32> {
    var loss = 0.0;
    var correct = 0u;
    for (var first = 0u; first < params.samples; first += params.batch) {
        // Sums of sums lose less to rounding.
        var part = 0.0;
        for (var i = first; i < min(first + params.batch, params.samples); i++) {
            let sample = place_of(i, run);
            let one = sample_loss(forward(points[sample]), labels[sample]);
            part += one.loss;
            correct += u32(one.correct);
        }
        loss += part;
    }
    let mean = loss / f32(params.samples);
    var nan = non_finite(mean);
    for (var k = 0u; k < PARAMETERS; k++) {
        nan = nan || non_finite(p[k]);
    }
    return vec2(select(bitcast<u32>(mean), 0x7fc00000u, nan), correct);
}

@compute @workgroup_size(RUNS)
fn sweep(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let run = (group.y * groups.x + group.x) * RUNS + thread;
    if (run >= params.runs) {
        return;
    }
    let seed = seeds[run];
    if (step.first == 0u) {
        initialize(seed);
    } else {
        for (var k = 0u; k < PARAMETERS; k++) {
            p[k] = parameters[k * params.runs + run];
        }
    }
    var slot = step.slot;
    for (var epoch = step.first; epoch < step.first + step.count; epoch++) {
        shuffle(run, seed, epoch);
        train_epoch(run, learning_rates[run]);
        if ((epoch + 1u) % params.record_every == 0u || epoch + 1u == params.epochs) {
            metrics[slot * params.runs + run] = evaluate(run);
            slot++;
        }
    }
    for (var k = 0u; k < PARAMETERS; k++) {
        parameters[k * params.runs + run] = p[k];
    }
}
