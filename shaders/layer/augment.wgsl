// The batch of a training step: output (R, batch, features) from the data set's images (channels, height,
// width) in the realization's order (order_stride apart), each changed at random; rows past the step's count
// are 0. The twin of src/data/augment.rs, which describes the changes.
// Hooks: none.

struct Params {
    batch: u32,
    channels: u32,
    height: u32,
    width: u32,
    order_stride: u32,
    realizations: u32,
    steps_of_epoch: u32,
    draws: u32,
    noise_draws: u32,
    levels: u32,
    noises: u32,
    crop: u32,
    flip: u32,
    shift: u32,
    has_noise: u32,
    cutout: u32,
}

// 1 in fixed point.
const ONE: i32 = 16384;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(2) var<storage, read> seeds: array<vec2<u32>>;
// Cosine and sine of each angle, the reciprocal of each scale, and each value of the noise.
@group(0) @binding(3) var<storage, read> tables: array<i32>;
@group(0) @binding(4) var<storage, read> pixels: array<u32>;
@group(0) @binding(5) var<storage, read> pixel_values: array<f32>;
@group(0) @binding(6) var<storage, read_write> output: array<Stored>;

// What one image is changed by.
struct Change {
    // Where the data have the first pixel of the channel.
    first: u32,
    flip: bool,
    crop: vec2<i32>,
    shift: vec2<i32>,
    // Cosine and sine over the scale.
    turn: vec2<i32>,
}

// A number from -most to most.
fn within(bits: u32, most: u32) -> i32 {
    return i32(mul_high(bits, 2u * most + 1u)) - i32(most);
}

// The place at, mirrored at the edges of a side.
fn mirrored(at: i32, side: u32) -> u32 {
    let last = i32(side) - 1;
    return u32(last - abs(last - abs(at)));
}

// The pixel of the cropped and flipped image.
fn pixel(change: Change, y: i32, x: i32) -> u32 {
    let outside = y < 0 || y >= i32(params.height) || x < 0 || x >= i32(params.width);
    if (outside) {
        return 0u;
    }
    let column = select(x, i32(params.width) - 1 - x, change.flip);
    let row = mirrored(y + change.crop.x, params.height);
    let index = change.first + row * params.width + mirrored(column + change.crop.y, params.width);
    return (pixels[index / 4u] >> (8u * (index % 4u))) & 255u;
}

// 256 times a place in the image, from a distance to its centre, doubled and in fixed point.
fn place(turned: i32, side: u32) -> i32 {
    return (turned + (i32(side) - 1) * ONE + 64) >> 7u;
}

// The value at pixel (y, x) of the turned, scaled and shifted image.
fn between(change: Change, row: u32, column: u32) -> u32 {
    let y = 2 * (i32(row) - change.shift.x) - (i32(params.height) - 1);
    let x = 2 * (i32(column) - change.shift.y) - (i32(params.width) - 1);
    let y_place = place(change.turn.x * y - change.turn.y * x, params.height);
    let x_place = place(change.turn.y * y + change.turn.x * x, params.width);
    let top = y_place >> 8u;
    let left = x_place >> 8u;
    let lower = u32(y_place & 255);
    let right = u32(x_place & 255);
    let sum = (256u - lower) * (256u - right) * pixel(change, top, left)
        + (256u - lower) * right * pixel(change, top, left + 1)
        + lower * (256u - right) * pixel(change, top + 1, left)
        + lower * right * pixel(change, top + 1, left + 1);
    return (sum + 32768u) >> 16u;
}

@compute @workgroup_size(ELEMENTS)
fn augment(
    @builtin(global_invocation_id) global: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = element_index(global, groups);
    let plane = params.height * params.width;
    let features = params.channels * plane;
    if (index >= params.realizations * params.batch * features) {
        return;
    }
    let feature = index % features;
    let row = index / features % params.batch;
    let realization = index / features / params.batch;
    if (row >= step.count) {
        output[index] = Stored(0.0);
        return;
    }
    let sample = order[realization * params.order_stride + step.first + row];
    let epoch = step.number / params.steps_of_epoch;
    let low = random_bits(seeds[realization], params.draws, epoch, 2u * sample);
    let high = random_bits(seeds[realization], params.draws, epoch, 2u * sample + 1u);
    let angle = mul_high(low.y, params.levels);
    let scale = tables[2u * params.levels + mul_high(low.z, params.levels)];
    let turn = vec2(tables[2u * angle], tables[2u * angle + 1u]);
    let first = sample * features;
    let change = Change(
        first + feature / plane * plane,
        params.flip == 1u && mul_high(low.x, 2u) == 1u,
        vec2(within(high.y, params.crop), within(high.z, params.crop)),
        vec2(within(low.w, params.shift), within(high.x, params.shift)),
        (turn * scale + ONE / 2) >> vec2(14u),
    );
    let y = feature % plane / params.width;
    let x = feature % params.width;
    var value = i32(between(change, y, x));
    if (params.has_noise == 1u) {
        let number = first + feature;
        let bits = random_bits(seeds[realization], params.noise_draws, epoch, number / 8u);
        let half = (bits[number / 2u % 4u] >> (16u * (number % 2u))) & 0xffffu;
        let noise = tables[3u * params.levels + half / (65536u / params.noises)];
        value = clamp(value + noise, 0, 255);
    }
    let center = mul_high(high.w, plane);
    let corner = vec2(center / params.width, center % params.width);
    let from_corner = vec2(y, x) + params.cutout / 2u - corner;
    if (all(from_corner < vec2(params.cutout))) {
        value = 0;
    }
    output[index] = Stored(pixel_values[value]);
}
