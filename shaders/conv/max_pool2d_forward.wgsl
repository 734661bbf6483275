// Max-pooling: output (planes, height′, width′) = the largest number of each window of x (planes,
// height, width), and the pixel of its plane that has it. Of equal numbers the first is taken.
// Hooks: none.

struct Params {
    len: u32,
    height: u32,
    width: u32,
    out_height: u32,
    out_width: u32,
    kernel: u32,
    stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;
@group(0) @binding(3) var<storage, read_write> positions: array<u32>;

@compute @workgroup_size(ELEMENTS)
fn max_pool2d_forward(
    @builtin(global_invocation_id) global: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = element_index(global, groups);
    if (index >= params.len) {
        return;
    }
    let line = index / params.out_width;
    let plane_index = line / params.out_height;
    let plane = plane_index * params.height * params.width;
    let row = (line - plane_index * params.out_height) * params.stride;
    let corner = row * params.width + (index - line * params.out_width) * params.stride;
    var best = corner;
    var largest = x[plane + corner];
    for (var ky = 0u; ky < params.kernel; ky++) {
        for (var kx = 0u; kx < params.kernel; kx++) {
            let position = corner + ky * params.width + kx;
            let value = x[plane + position];
            if (value > largest) {
                largest = value;
                best = position;
            }
        }
    }
    output[index] = largest;
    positions[index] = best;
}
