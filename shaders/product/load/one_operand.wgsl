// Adds the product over all of the depth. An invocation loads a block of one of the operands.
// Each stage's load is among the multiplications of the one before, under no condition here, so that drivers
// can mix them; past the end it loads values that are not used. The last stage, if it is not full, comes by
// itself, so that the others need no zeros.

const_assert LHS_BLOCKS + RHS_BLOCKS == THREADS;

fn load_either(is_lhs: bool, share: Share, k0: u32, size: vec3<u32>) -> mat4x4<f32> {
    var block: mat4x4<f32>;
    if (is_lhs) {
        block = load_lhs(share, k0, size);
    } else {
        block = load_rhs(share, k0, size);
    }
    return block;
}

fn accumulate_tile(tile: OutputTile, thread: u32, size: vec3<u32>) {
    let quads = quads_of(thread);
    let slice = thread / SLICE_THREADS;
    let is_lhs = thread < LHS_BLOCKS;
    var share: Share;
    if (is_lhs) {
        share = lhs_share(tile, thread, size);
    } else {
        share = rhs_share(tile, thread - LHS_BLOCKS, size);
    }
    var next = load_either(is_lhs, share, 0u, size);
    var k0 = 0u;
    for (; k0 + TILE_K <= size.z; k0 += TILE_K) {
        if (is_lhs) {
            next = finished(next, share, k0, size);
        }
        store_block(next, share.at);
        workgroupBarrier();
        next = load_either(is_lhs, share, k0 + TILE_K, size);
        multiply_stage(slice, quads);
        workgroupBarrier();
    }
    if (k0 < size.z) {
        if (is_lhs) {
            next = finished(next, share, k0, size);
        }
        store_block(within_depth(next, k0 + share.kk, size), share.at);
        workgroupBarrier();
        multiply_stage(slice, quads);
        workgroupBarrier();
    }
}
