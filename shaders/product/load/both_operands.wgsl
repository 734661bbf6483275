// Adds the product over all of the depth. An invocation loads a block of lhs and, if there are as many, one of rhs.
// Each stage's load is among the multiplications of the one before, under no condition here, so that drivers
// can mix them; past the end it loads values that are not used. The last stage, if it is not full, comes by
// itself, so that the others need no zeros.

const_assert LHS_BLOCKS == THREADS && RHS_BLOCKS <= THREADS;

fn accumulate_tile(tile: OutputTile, thread: u32, size: vec3<u32>) {
    let quads = quads_of(thread);
    let slice = thread / SLICE_THREADS;
    let lhs = lhs_share(tile, thread, size);
    let rhs = rhs_share(tile, thread % RHS_BLOCKS, size);
    var lhs_next = load_lhs(lhs, 0u, size);
    var rhs_next = load_rhs(rhs, 0u, size);
    var k0 = 0u;
    for (; k0 + TILE_K <= size.z; k0 += TILE_K) {
        store_block(finished(lhs_next, lhs, k0, size), lhs.at);
        if (thread < RHS_BLOCKS) {
            store_block(rhs_next, rhs.at);
        }
        workgroupBarrier();
        lhs_next = load_lhs(lhs, k0 + TILE_K, size);
        rhs_next = load_rhs(rhs, k0 + TILE_K, size);
        multiply_stage(slice, quads);
        workgroupBarrier();
    }
    if (k0 < size.z) {
        store_block(within_depth(finished(lhs_next, lhs, k0, size), k0 + lhs.kk, size), lhs.at);
        if (thread < RHS_BLOCKS) {
            store_block(within_depth(rhs_next, k0 + rhs.kk, size), rhs.at);
        }
        workgroupBarrier();
        multiply_stage(slice, quads);
        workgroupBarrier();
    }
}
