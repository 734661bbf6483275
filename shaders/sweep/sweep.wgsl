// Trains networks of two neurons to a layer, each run by 16 invocations from its first epoch to its last. A
// lane of a run is one of them. A step takes the samples of a mini-batch side by side: each lane computes the
// gradient of one sample and writes it to workgroup memory, then each lane adds up one or two parameters'
// gradients over the samples, in the order of the samples, and updates them. Larger batches are taken in
// chunks of 16 samples. Two runs share a workgroup, whose 32 invocations are one subgroup on many adapters,
// so that barriers are cheap.
//
// Parameters are in workgroup memory; the order of the samples is there too where it fits, else in storage
// memory. Initial parameters and the order come from the run's own generator. Sweep files state the number
// of layers, their kind and the loss. The code of each layer is written out, because indexed arrays of an
// invocation would not be in registers. A dispatch does the epochs step.first .. step.first + step.count, and
// stores the parameters for the next dispatch.
// Hooks: activation (rho), order (entry, order_barrier, set_entry), sweep (delta_below, dual_input,
// sample_loss, with_skip).

// Invocations of a run.
const LANES: u32 = 16u;
// Runs of a workgroup.
const RUNS: u32 = 2u;
const INVOCATIONS: u32 = LANES * RUNS;
const LAYER_PARAMETERS: u32 = 6u;
const HEAD: u32 = LAYER_PARAMETERS * LAYERS;
const PARAMETERS: u32 = HEAD + 3u * OUTPUTS;
// The words of a sample's gradient: odd, so that those of neighbouring lanes are in different banks.
const GRADIENT: u32 = PARAMETERS | 1u;

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

struct Sample {
    point: vec2<f32>,
    label: u32,
}

// W, row-major, and b. A head of one output has only the first row.
struct Layer {
    weight: vec4<f32>,
    bias: vec2<f32>,
}

// Only the first LAYERS layers are used.
struct Network {
    layer_0: Layer,
    layer_1: Layer,
    layer_2: Layer,
    layer_3: Layer,
    head: Layer,
}

struct Neurons {
    z: vec2<f32>,
    a: vec2<f32>,
}

// The input of each layer, that of the head, and the outputs.
struct Activations {
    input_0: Neurons,
    input_1: Neurons,
    input_2: Neurons,
    input_3: Neurons,
    top: vec2<f32>,
    outputs: vec2<f32>,
}

@group(0) @binding(0) var<uniform> params: Params;
// (samples, sets), as are the labels.
@group(0) @binding(1) var<storage, read> points: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
// The two words of each run's seed, and its learning rate.
@group(0) @binding(3) var<storage, read> seeds: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read> learning_rates: array<f32>;
// (parameters, runs), in the canonical order of nn::Model::tensors.
@group(0) @binding(5) var<storage, read_write> parameters: array<f32>;
// (records, runs) pairs: the bits of the mean loss, and the count of correct classes.
@group(0) @binding(6) var<storage, read_write> metrics: array<vec2<u32>>;

// (RUNS, PARAMETERS).
var<workgroup> p: array<f32, RUNS * PARAMETERS>;
// (RUNS, LANES, GRADIENT).
var<workgroup> gradients: array<f32, INVOCATIONS * GRADIENT>;
// Each lane's part of an evaluation.
var<workgroup> losses: array<f32, INVOCATIONS>;
var<workgroup> counts: array<u32, INVOCATIONS>;

// The invocation's run, the run's place in the workgroup, and the lane. Behind the last run there may be a
// place without one: its lanes compute with the last run's seed and samples in an order that nobody wrote, and
// store nothing.
var<private> run: u32;
var<private> place: u32;
var<private> lane: u32;
var<private> live: bool;

// The initial parameters of layer l, or of the head for l = LAYERS.
fn initialize(l: u32, seed: vec2<u32>) {
    let first = place * PARAMETERS + LAYER_PARAMETERS * l;
    let head = l == LAYERS;
    let weights = select(4u, 2u * OUTPUTS, head);
    let biases = select(2u, OUTPUTS, head);
    // Each tensor, weight or bias, is drawn from one block of a stream of its own.
    if (params.random != 0u) {
        let weight = random_bits(seed, PURPOSE_INIT, 2u * l, 0u);
        let bias = random_bits(seed, PURPOSE_INIT, 2u * l + 1u, 0u);
        for (var k = 0u; k < weights; k++) {
            p[first + k] = (2.0 * uniform_of(weight[k]) - 1.0) * params.bound;
        }
        for (var k = 0u; k < biases; k++) {
            p[first + weights + k] = (2.0 * uniform_of(bias[k]) - 1.0) * params.bound;
        }
        return;
    }
    for (var k = 0u; k < weights + biases; k++) {
        let diagonal = select(0.0, params.diagonal, k == 0u || k == 3u);
        p[first + k] = select(diagonal, select(0.0, params.head_weight, k < weights), head);
    }
}

// Sample i in its initial place, with the place that it will swap with.
fn place_sample(i: u32, bits: u32) {
    if (i < params.samples) {
        set_entry(i, vec2(i, mul_high(bits, i + 1u)));
    }
}

// Fisher and Yates, as `sample_order` in src/rng.rs. The lanes draw the random numbers of all swaps, then
// lane 0 swaps.
fn shuffle(seed: vec2<u32>, epoch: u32) {
    if (live) {
        for (var block = lane; 4u * block < params.samples; block += LANES) {
            let bits = random_bits(seed, PURPOSE_SHUFFLE, epoch, block);
            place_sample(4u * block, bits.x);
            place_sample(4u * block + 1u, bits.y);
            place_sample(4u * block + 2u, bits.z);
            place_sample(4u * block + 3u, bits.w);
        }
    }
    order_barrier();
    if (live && lane == 0u) {
        var here = entry(params.samples - 1u);
        for (var i = params.samples - 1u; i > 0u; i--) {
            // Both are read before anything is written, so that the reads do not wait for each other.
            let there = entry(here.y);
            let below = entry(i - 1u);
            set_entry(i, vec2(there.x, 0u));
            let moved = vec2(here.x, there.y);
            if (here.y < i) {
                set_entry(here.y, moved);
            }
            here = select(below, moved, here.y == i - 1u);
        }
    }
    order_barrier();
}

fn layer_at(l: u32) -> Layer {
    let k = place * PARAMETERS + LAYER_PARAMETERS * l;
    return Layer(vec4(p[k], p[k + 1u], p[k + 2u], p[k + 3u]), vec2(p[k + 4u], p[k + 5u]));
}

// The run's parameters.
fn network() -> Network {
    var net: Network;
    net.layer_0 = layer_at(0u);
    if (LAYERS > 1u) {
        net.layer_1 = layer_at(1u);
    }
    if (LAYERS > 2u) {
        net.layer_2 = layer_at(2u);
    }
    if (LAYERS > 3u) {
        net.layer_3 = layer_at(3u);
    }
    if (OUTPUTS > 1u) {
        net.head = layer_at(LAYERS);
    } else {
        let k = place * PARAMETERS + HEAD;
        net.head = Layer(vec4(p[k], p[k + 1u], 0.0, 0.0), vec2(p[k + 2u], 0.0));
    }
    return net;
}

fn affine(layer: Layer, below: vec2<f32>) -> vec2<f32> {
    let w = layer.weight;
    return vec2(
        (w.x * below.x + w.y * below.y) + layer.bias.x,
        (w.z * below.x + w.w * below.y) + layer.bias.y,
    );
}

fn forward_layer(layer: Layer, below: Neurons) -> Neurons {
    let above = with_skip(below.z, below.a, affine(layer, below.z));
    return Neurons(vec2(rho(above.x), rho(above.y)), above);
}

fn forward(net: Network, point: vec2<f32>) -> Activations {
    var found: Activations;
    found.input_0 = Neurons(point, dual_input(point));
    var above = forward_layer(net.layer_0, found.input_0);
    if (LAYERS > 1u) {
        found.input_1 = above;
        above = forward_layer(net.layer_1, above);
    }
    if (LAYERS > 2u) {
        found.input_2 = above;
        above = forward_layer(net.layer_2, above);
    }
    if (LAYERS > 3u) {
        found.input_3 = above;
        above = forward_layer(net.layer_3, above);
    }
    found.top = above.z;
    found.outputs = affine(net.head, above.z);
    return found;
}

// The gradient of the parameters of layer l in a sample's gradient, which begins at `first`.
fn store_layer(first: u32, l: u32, delta: vec2<f32>, below: vec2<f32>) {
    let k = first + LAYER_PARAMETERS * l;
    gradients[k] = delta.x * below.x;
    gradients[k + 1u] = delta.x * below.y;
    gradients[k + 2u] = delta.y * below.x;
    gradients[k + 3u] = delta.y * below.y;
    gradients[k + 4u] = delta.x;
    gradients[k + 5u] = delta.y;
}

// dL/da of the layer below `layer`, whose own is `delta`.
fn backward_layer(layer: Layer, below: Neurons, delta: vec2<f32>) -> vec2<f32> {
    let w = layer.weight;
    return delta_below(below.z, below.a, delta.x * w.xy + delta.y * w.zw, delta);
}

// Stores the gradient of a sample whose outputs have the gradient `delta_head`.
fn backward(net: Network, found: Activations, delta_head: vec2<f32>) {
    let first = (place * LANES + lane) * GRADIENT;
    let top = found.top;
    let w = net.head.weight;
    var g = delta_head.x * w.xy;
    if (OUTPUTS > 1u) {
        g += delta_head.y * w.zw;
        store_layer(first, LAYERS, delta_head, top);
    } else {
        gradients[first + HEAD] = delta_head.x * top.x;
        gradients[first + HEAD + 1u] = delta_head.x * top.y;
        gradients[first + HEAD + 2u] = delta_head.x;
    }
    var delta = slope(top) * g;
    if (LAYERS > 3u) {
        store_layer(first, 3u, delta, found.input_3.z);
        delta = backward_layer(net.layer_3, found.input_3, delta);
    }
    if (LAYERS > 2u) {
        store_layer(first, 2u, delta, found.input_2.z);
        delta = backward_layer(net.layer_2, found.input_2, delta);
    }
    if (LAYERS > 1u) {
        store_layer(first, 1u, delta, found.input_1.z);
        delta = backward_layer(net.layer_1, found.input_1, delta);
    }
    store_layer(first, 0u, delta, found.input_0.z);
}

// A sample of the run's set.
fn sample_at(i: u32) -> Sample {
    let at = i * params.sets + min(run, params.sets - 1u);
    return Sample(points[at], labels[at]);
}

// The sample at a place of the order.
fn ordered(i: u32) -> Sample {
    return sample_at(entry(i).x);
}

// `sum` and the gradients of parameter k of eight samples, from lane `first` on.
fn plus_eight(sum: f32, k: u32, first: u32) -> f32 {
    let at = (place * LANES + first) * GRADIENT + k;
    return (((((((sum + gradients[at])
        + gradients[at + GRADIENT])
        + gradients[at + 2u * GRADIENT])
        + gradients[at + 3u * GRADIENT])
        + gradients[at + 4u * GRADIENT])
        + gradients[at + 5u * GRADIENT])
        + gradients[at + 6u * GRADIENT])
        + gradients[at + 7u * GRADIENT];
}

// `sum` and the gradients of parameter k of a chunk, in the order of its samples.
fn plus_chunk(sum: f32, parameter: u32) -> f32 {
    let k = min(parameter, PARAMETERS - 1u);
    return plus_eight(plus_eight(sum, k, 0u), k, LANES / 2u);
}

fn update(k: u32, change: f32) {
    if (k < PARAMETERS) {
        p[place * PARAMETERS + k] -= change;
    }
}

fn train_epoch(learning_rate: f32) {
    // Samples are read a chunk ahead, so that no step waits for memory. Lanes behind the end of a batch take
    // its last sample, and store a gradient of zeros.
    var next = ordered(min(lane, params.batch - 1u));
    for (var first = 0u; first < params.samples; first += params.batch) {
        let count = min(params.batch, params.samples - first);
        var sums = vec2(0.0);
        for (var chunk = 0u; chunk < count; chunk += LANES) {
            let sample = next;
            let end = min(chunk + LANES, count);
            let batch_end = first + select(count, count + params.batch, end == count);
            next = ordered(min(first + end + lane, min(batch_end, params.samples) - 1u));
            let net = network();
            let found = forward(net, sample.point);
            let delta = sample_loss(found.outputs, sample.label).delta / f32(count);
            backward(net, found, select(vec2(0.0), delta, chunk + lane < count));
            workgroupBarrier();
            sums = vec2(plus_chunk(sums.x, lane), plus_chunk(sums.y, lane + LANES));
            if (end == count) {
                update(lane, learning_rate * sums.x);
                update(lane + LANES, learning_rate * sums.y);
            }
            workgroupBarrier();
        }
    }
}

// Records the bits of the mean loss, or those of NaN if it or a parameter is not finite, and the number of
// samples that are classified correctly.
fn evaluate(slot: u32) {
    let net = network();
    // Sums of sums lose less to rounding.
    var part = 0.0;
    var correct = 0u;
    for (var i = lane; i < params.samples; i += LANES) {
        let sample = sample_at(i);
        let one = sample_loss(forward(net, sample.point).outputs, sample.label);
        part += one.loss;
        correct += u32(one.correct);
    }
    losses[place * LANES + lane] = part;
    counts[place * LANES + lane] = correct;
    workgroupBarrier();
    if (live && lane == 0u) {
        var loss = 0.0;
        correct = 0u;
        for (var other = place * LANES; other < (place + 1u) * LANES; other++) {
            loss += losses[other];
            correct += counts[other];
        }
        let mean = loss / f32(params.samples);
        var nan = non_finite(mean);
        for (var k = 0u; k < PARAMETERS; k++) {
            nan = nan || non_finite(p[place * PARAMETERS + k]);
        }
        let bits = select(bitcast<u32>(mean), 0x7fc00000u, nan);
        metrics[slot * params.runs + run] = vec2(bits, correct);
    }
}

@compute @workgroup_size(INVOCATIONS)
fn sweep(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let first_run = (group.y * groups.x + group.x) * RUNS;
    if (first_run >= params.runs) {
        return;
    }
    place = thread / LANES;
    lane = thread % LANES;
    live = first_run + place < params.runs;
    run = min(first_run + place, params.runs - 1u);
    let seed = seeds[run];
    let learning_rate = learning_rates[run];
    if (step.first != 0u) {
        for (var k = lane; k < PARAMETERS; k += LANES) {
            p[place * PARAMETERS + k] = parameters[k * params.runs + run];
        }
    } else if (lane <= LAYERS) {
        initialize(lane, seed);
    }
    var slot = step.slot;
    // The barriers of each shuffle are behind what comes before it.
    for (var epoch = step.first; epoch < step.first + step.count; epoch++) {
        shuffle(seed, epoch);
        train_epoch(learning_rate);
        if ((epoch + 1u) % params.record_every == 0u || epoch + 1u == params.epochs) {
            evaluate(slot);
            slot++;
        }
    }
    if (live) {
        for (var k = lane; k < PARAMETERS; k += LANES) {
            parameters[k * params.runs + run] = p[place * PARAMETERS + k];
        }
    }
}
