// Training steps of small networks, from the gather to the updates: each realization has one workgroup,
// which keeps weights, activations and gradients in its memory for the steps span.first .. span.first +
// span.count of an epoch. All hidden layers are of one kind and width, without M.
//
// A line of W has the bias last, and a line of z (batch, width) a 1 in that column, so that the bias
// belongs to the products with W. Lines have an odd length, so that the entries of a column fall
// into different banks. z of the layers 1 … L is in the blocks 0 … L − 1. There are two blocks more,
// because dL/da of layer l takes the block of z of layer l + 2, which is needed no longer by then.
//
// An invocation computes two times two outputs of a product at a time, from the lines i and i + ⌈m/2⌉ of
// one factor and j and j + ⌈n/2⌉ of the other. Where m or n is odd, some of them do not exist, and are
// not stored.
// Hooks: activation (rho), input (input_value), loss (sample_loss), sweep (delta_below, dual_input,
// with_skip), update (updated).

const NETWORK_THREADS: u32 = 256u;
// Half of the invocations compute losses while the others gather the next batch.
const LOSS_THREADS: u32 = 128u;
// The most outputs.
const NETWORK_OUTPUTS: u32 = 32u;

struct Params {
    batch: u32,
    inputs: u32,
    width: u32,
    outputs: u32,
    layers: u32,
    // The number of samples.
    order_stride: u32,
    realizations: u32,
    clamp_low: f32,
    clamp_high: f32,
    // The lengths of the lines of the first layer, of the other layers with the head, and of the logits.
    input_line: u32,
    line: u32,
    output_line: u32,
    // The places of the second layer's W; of two batches, for even and odd steps; of the blocks; of the
    // first layer's a; and of the logits, which their gradients replace.
    second_weight: u32,
    batch_place: u32,
    block_place: u32,
    dual_place: u32,
    logit_place: u32,
    // From a of a layer to a of the next one: 0 if the backward pass does not need them.
    dual_stride: u32,
}

// Steps of an epoch.
struct Span {
    first: u32,
    count: u32,
}

// The step that is computed: its samples are order[first .. first + count], `slot` counts the steps
// of the epoch, and `factor` multiplies the learning rates.
struct Step {
    first: u32,
    count: u32,
    slot: u32,
    factor: f32,
}

// W of a layer with its bias: lines at `place`, `stride` apart.
struct Weight {
    place: u32,
    stride: u32,
    inputs: u32,
    outputs: u32,
    // The number of parameters in the layers before.
    before: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(2) var<storage, read> targets: array<u32>;
// The factor of each step of the epoch.
@group(0) @binding(3) var<storage, read> factors: array<f32>;
// Layer after layer, the head last: W (R, out, in), then b (R, out).
@group(0) @binding(4) var<storage, read_write> parameters: array<f32>;
@group(0) @binding(5) var<storage, read_write> metrics: array<vec2<u32>>;
@group(1) @binding(0) var<uniform> span: Span;

var<workgroup> memory: array<f32, MEMORY_WORDS>;

var<private> step: Step;
// The logits of a sample, and their gradients.
var<private> logits: array<f32, NETWORK_OUTPUTS>;
var<private> delta: array<f32, NETWORK_OUTPUTS>;

// W of layer l, or of the head for l = params.layers.
fn weight_of(l: u32) -> Weight {
    let outputs = select(params.width, params.outputs, l == params.layers);
    if (l == 0u) {
        return Weight(0u, params.input_line, params.inputs, outputs, 0u);
    }
    let place = params.second_weight + (l - 1u) * params.width * params.line;
    let before = params.width * (params.inputs + 1u + (l - 1u) * (params.width + 1u));
    return Weight(place, params.line, params.width, outputs, before);
}

fn block(number: u32) -> u32 {
    return params.block_place + number * params.batch * params.line;
}

// The input of layer l, or of the head, in a step.
fn z_of(l: u32, slot: u32) -> u32 {
    if (l == 0u) {
        return params.batch_place + slot % 2u * params.batch * params.input_line;
    }
    return block(l - 1u);
}

// a of layer l, counted from 1.
fn dual_of(l: u32) -> u32 {
    return params.dual_place + (l - 1u) * params.dual_stride;
}

// dL/da of layer l, counted from 1, or of the logits for l = params.layers + 1.
fn delta_of(l: u32) -> u32 {
    return select(block(l + 1u), params.logit_place, l > params.layers);
}

fn delta_line(l: u32) -> u32 {
    return select(params.line, params.output_line, l > params.layers);
}

struct Sums {
    // Of the products xx, xy, yx, yy.
    products: vec4<f32>,
    // Of the two lines on the left.
    left: vec2<f32>,
}

// The sums of `depth` products of two lines by two lines.
fn products(
    left: vec2<u32>,
    left_stride: u32,
    right: vec2<u32>,
    right_stride: u32,
    depth: u32,
) -> Sums {
    var sums = Sums(vec4(0.0), vec2(0.0));
    var left_place = left;
    var right_place = right;
    for (var k = 0u; k < depth; k++) {
        let x = vec2(memory[left_place.x], memory[left_place.y]);
        let y = vec2(memory[right_place.x], memory[right_place.y]);
        sums.products += vec4(x.xx, x.yy) * vec4(y, y);
        sums.left += x;
        left_place += left_stride;
        right_place += right_stride;
    }
    return sums;
}

fn pair_at(place: u32, cols: vec2<u32>) -> vec2<f32> {
    return vec2(memory[place + cols.x], memory[place + cols.y]);
}

fn store_pair(place: u32, cols: vec2<u32>, width: u32, values: vec2<f32>) {
    memory[place + cols.x] = values.x;
    if (cols.y < width) {
        memory[place + cols.y] = values.y;
    }
}

// The two lines or columns of a factor.
fn two(first: u32, len: u32) -> vec2<u32> {
    return vec2(first, first + (len + 1u) / 2u);
}

// The batch of a step.
fn gather(realization: u32, slot: u32, thread: u32, threads: u32) {
    let first = slot * params.batch;
    let count = min(params.batch, params.order_stride - first);
    let place = z_of(0u, slot);
    for (var element = thread; element < count * params.inputs; element += threads) {
        let row = element / params.inputs;
        let feature = element % params.inputs;
        let sample = order[realization * params.order_stride + first + row];
        let value = input_value(sample * params.inputs + feature);
        memory[place + row * params.input_line + feature] = value;
    }
}

// a and z of layer l + 1 for two neurons of a sample.
fn activate(l: u32, row: u32, cols: vec2<u32>, pre_activation: vec2<f32>) {
    let stride = select(params.line, params.input_line, l == 0u);
    let z = pair_at(z_of(l, step.slot) + row * stride, cols);
    var a = vec2(0.0);
    if (l == 0u) {
        a = dual_input(z);
    } else {
        a = pair_at(dual_of(l) + row * params.line, cols);
    }
    let above = with_skip(z, a, pre_activation);
    let line = row * params.line;
    store_pair(dual_of(l + 1u) + line, cols, params.width, above);
    store_pair(block(l) + line, cols, params.width, vec2(rho(above.x), rho(above.y)));
}

// Layer l.
fn forward(l: u32, thread: u32) {
    let weight = weight_of(l);
    let z = z_of(l, step.slot);
    let across = (params.width + 1u) / 2u;
    let blocks = (step.count + 1u) / 2u * across;
    for (var index = thread; index < blocks; index += NETWORK_THREADS) {
        let rows = two(index / across, step.count);
        let cols = two(index % across, params.width);
        let left = z + rows * weight.stride;
        let right = weight.place + cols * weight.stride;
        let sums = products(left, 1u, right, 1u, weight.inputs + 1u).products;
        activate(l, rows.x, cols, sums.xy);
        if (rows.y < step.count) {
            activate(l, rows.y, cols, sums.zw);
        }
    }
}

fn head(thread: u32) {
    let weight = weight_of(params.layers);
    let z = z_of(params.layers, step.slot);
    let across = (params.outputs + 1u) / 2u;
    let blocks = (step.count + 1u) / 2u * across;
    for (var index = thread; index < blocks; index += NETWORK_THREADS) {
        let rows = two(index / across, step.count);
        let cols = two(index % across, params.outputs);
        let left = z + rows * weight.stride;
        let right = weight.place + cols * weight.stride;
        let sums = products(left, 1u, right, 1u, weight.inputs + 1u).products;
        let places = params.logit_place + rows * params.output_line;
        store_pair(places.x, cols, params.outputs, sums.xy);
        if (rows.y < step.count) {
            store_pair(places.y, cols, params.outputs, sums.zw);
        }
    }
}

// The loss of each sample, and the gradients in the logits in the place of the logits.
fn losses(realization: u32, thread: u32) {
    for (var row = thread; row < step.count; row += LOSS_THREADS) {
        let place = params.logit_place + row * params.output_line;
        for (var j = 0u; j < params.outputs; j++) {
            logits[j] = memory[place + j];
        }
        let one = sample_loss(0u, 0u, sample_of(realization, row));
        for (var j = 0u; j < params.outputs; j++) {
            memory[place + j] = delta[j];
        }
        let line = step.slot * params.realizations + realization;
        metrics[line * params.batch + row] = metrics_of(0u, one);
    }
}

// dL/da of layer l, counted from 1, for two neurons of a sample, from their sums of dL/da W of the layer
// above. The head has no skip path.
fn propagate(l: u32, row: u32, cols: vec2<u32>, sums: vec2<f32>) {
    let line = row * params.line;
    let z = pair_at(z_of(l, step.slot) + line, cols);
    var below = slope(z) * sums;
    if (l < params.layers) {
        let a = pair_at(dual_of(l) + line, cols);
        let above = pair_at(delta_of(l + 1u) + line, cols);
        below = delta_below(z, a, sums, above);
    }
    store_pair(delta_of(l) + line, cols, params.width, below);
}

// dL/da of layer l, counted from 1.
fn backward(l: u32, thread: u32) {
    let weight = weight_of(l);
    let above = delta_of(l + 1u);
    let stride = delta_line(l + 1u);
    let across = (params.width + 1u) / 2u;
    let blocks = (step.count + 1u) / 2u * across;
    for (var index = thread; index < blocks; index += NETWORK_THREADS) {
        let rows = two(index / across, step.count);
        let cols = two(index % across, params.width);
        let left = above + rows * stride;
        let right = weight.place + cols;
        let sums = products(left, 1u, right, weight.stride, weight.outputs).products;
        propagate(l, rows.x, cols, sums.xy);
        if (rows.y < step.count) {
            propagate(l, rows.y, cols, sums.zw);
        }
    }
}

// The update of a parameter in a line of W. The optimizer's state is (R, out, in + 1), layer after layer.
fn update_one(weight: Weight, realization: u32, row: u32, col: u32, gradient: f32) {
    let place = weight.place + row * weight.stride + col;
    let line = realization * weight.outputs + row;
    let before = params.realizations * weight.before;
    let state_place = before + line * (weight.inputs + 1u) + col;
    memory[place] = updated(realization, state_place, memory[place], gradient);
}

// The update of two parameters in a line, and with the first ones that of the bias.
fn update_line(
    weight: Weight,
    realization: u32,
    row: u32,
    cols: vec2<u32>,
    gradients: vec2<f32>,
    bias_gradient: f32,
) {
    update_one(weight, realization, row, cols.x, gradients.x);
    if (cols.y < weight.inputs) {
        update_one(weight, realization, row, cols.y, gradients.y);
    }
    if (cols.x == 0u) {
        update_one(weight, realization, row, weight.inputs, bias_gradient);
    }
}

// The update of W of layer l, or of the head for l = params.layers.
fn update(l: u32, realization: u32, thread: u32) {
    let weight = weight_of(l);
    let z = z_of(l, step.slot);
    let above = delta_of(l + 1u);
    let across = (weight.inputs + 1u) / 2u;
    let blocks = (weight.outputs + 1u) / 2u * across;
    for (var index = thread; index < blocks; index += NETWORK_THREADS) {
        let rows = two(index / across, weight.outputs);
        let cols = two(index % across, weight.inputs);
        let sums = products(above + rows, delta_line(l + 1u), z + cols, weight.stride, step.count);
        update_line(weight, realization, rows.x, cols, sums.products.xy, sums.left.x);
        if (rows.y < weight.outputs) {
            update_line(weight, realization, rows.y, cols, sums.products.zw, sums.left.y);
        }
    }
}

// The place of a parameter of a layer in `parameters`.
fn parameter_place(weight: Weight, realization: u32, row: u32, col: u32) -> u32 {
    let first = params.realizations * weight.before;
    let line = realization * weight.outputs + row;
    if (col == weight.inputs) {
        return first + params.realizations * weight.outputs * weight.inputs + line;
    }
    return first + line * weight.inputs + col;
}

// The parameters, and the ones beside each z.
fn load(realization: u32, thread: u32) {
    for (var l = 0u; l <= params.layers; l++) {
        let weight = weight_of(l);
        let size = weight.inputs + 1u;
        for (var k = thread; k < weight.outputs * size; k += NETWORK_THREADS) {
            let place = parameter_place(weight, realization, k / size, k % size);
            memory[weight.place + k / size * weight.stride + k % size] = parameters[place];
        }
    }
    for (var row = thread; row < 2u * params.batch; row += NETWORK_THREADS) {
        memory[params.batch_place + row * params.input_line + params.inputs] = 1.0;
    }
    for (var row = thread; row < params.layers * params.batch; row += NETWORK_THREADS) {
        memory[params.block_place + row * params.line + params.width] = 1.0;
    }
}

fn store(realization: u32, thread: u32) {
    for (var l = 0u; l <= params.layers; l++) {
        let weight = weight_of(l);
        let size = weight.inputs + 1u;
        for (var k = thread; k < weight.outputs * size; k += NETWORK_THREADS) {
            let place = parameter_place(weight, realization, k / size, k % size);
            parameters[place] = memory[weight.place + k / size * weight.stride + k % size];
        }
    }
}

@compute @workgroup_size(NETWORK_THREADS)
fn small_network(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let realization = group.y * groups.x + group.x;
    if (realization >= params.realizations) {
        return;
    }
    let end = span.first + span.count;
    load(realization, thread);
    gather(realization, span.first, thread, NETWORK_THREADS);
    workgroupBarrier();
    for (var slot = span.first; slot < end; slot++) {
        let first = slot * params.batch;
        let count = min(params.batch, params.order_stride - first);
        step = Step(first, count, slot, factors[slot]);
        for (var l = 0u; l < params.layers; l++) {
            forward(l, thread);
            workgroupBarrier();
        }
        head(thread);
        workgroupBarrier();
        if (thread < LOSS_THREADS) {
            losses(realization, thread);
        } else if (slot + 1u < end) {
            gather(realization, slot + 1u, thread - LOSS_THREADS, NETWORK_THREADS - LOSS_THREADS);
        }
        workgroupBarrier();
        // W is updated when dL/da of the layer below has been computed from the old one.
        for (var l = params.layers; l > 0u; l--) {
            backward(l, thread);
            if (l < params.layers) {
                update(l + 1u, realization, thread);
            }
            workgroupBarrier();
        }
        update(1u, realization, thread);
        update(0u, realization, thread);
        workgroupBarrier();
    }
    store(realization, thread);
}
