// 32 × 32 outputs for a workgroup of 128 invocations, 4 × 4 each, in 2 slices of the depth: for many
// outputs of short sums.
const TILE_M: u32 = 32u;
const TILE_N: u32 = 32u;
const TILE_K: u32 = 32u;
const THREAD_M: u32 = 4u;
const THREAD_N: u32 = 4u;
const SLICES: u32 = 2u;
const PADDING: u32 = 0u;
