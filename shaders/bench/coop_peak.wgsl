// Measures how fast an adapter's matrix units multiply and add: each subgroup keeps two fragments of the left
// operand, four of the right one and eight sums in its registers, and repeats the eight products. The
// fragments' types and their side come from the linked file bench/fragment/. The numbers are multiples of
// 1/8 up to 1, so that all sums are exact, and each is the number of rounds times the product.
// Hooks: none.
enable f16;
enable wgpu_cooperative_matrix;

const COOP_THREADS: u32 = 128u;
const COOP_ROUNDS: u32 = 1024u;
const COOP_SUMS: u32 = 8u;

struct Params {
    // Invocations of a subgroup.
    subgroup: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// Two fragments (m, k) and four (k, n), row-major.
@group(0) @binding(1) var<storage, read> operands: array<f16>;
// Eight sums (m, n) of each subgroup, row-major.
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(COOP_THREADS)
fn coop_peak(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let stride = FRAGMENT;
    let size = FRAGMENT * FRAGMENT;
    let a0 = coopLoadT<Lhs>(&operands[0u], stride);
    let a1 = coopLoadT<Lhs>(&operands[size], stride);
    let b0 = coopLoadT<Rhs>(&operands[2u * size], stride);
    let b1 = coopLoadT<Rhs>(&operands[3u * size], stride);
    let b2 = coopLoadT<Rhs>(&operands[4u * size], stride);
    let b3 = coopLoadT<Rhs>(&operands[5u * size], stride);
    var c0 = Sum();
    var c1 = Sum();
    var c2 = Sum();
    var c3 = Sum();
    var c4 = Sum();
    var c5 = Sum();
    var c6 = Sum();
    var c7 = Sum();
    for (var round = 0u; round < COOP_ROUNDS; round++) {
        c0 = coopMultiplyAdd(a0, b0, c0);
        c1 = coopMultiplyAdd(a0, b1, c1);
        c2 = coopMultiplyAdd(a0, b2, c2);
        c3 = coopMultiplyAdd(a0, b3, c3);
        c4 = coopMultiplyAdd(a1, b0, c4);
        c5 = coopMultiplyAdd(a1, b1, c5);
        c6 = coopMultiplyAdd(a1, b2, c6);
        c7 = coopMultiplyAdd(a1, b3, c7);
    }
    let subgroup = workgroup.x * (COOP_THREADS / params.subgroup) + index / params.subgroup;
    // naga's SPIR-V writer takes the index and the stride of a store only from a `let`.
    let p0 = subgroup * COOP_SUMS * size;
    let p1 = p0 + size;
    let p2 = p1 + size;
    let p3 = p2 + size;
    let p4 = p3 + size;
    let p5 = p4 + size;
    let p6 = p5 + size;
    let p7 = p6 + size;
    coopStoreT(c0, &output[p0], stride);
    coopStoreT(c1, &output[p1], stride);
    coopStoreT(c2, &output[p2], stride);
    coopStoreT(c3, &output[p3], stride);
    coopStoreT(c4, &output[p4], stride);
    coopStoreT(c5, &output[p5], stride);
    coopStoreT(c6, &output[p6], stride);
    coopStoreT(c7, &output[p7], stride);
}
