// 16 × 16 outputs for a workgroup of 256 invocations, 4 × 4 each, in 16 slices of the depth: for few
// outputs of long sums.
const TILE_M: u32 = 16u;
const TILE_N: u32 = 16u;
const TILE_K: u32 = 128u;
const THREAD_M: u32 = 4u;
const THREAD_N: u32 = 4u;
const SLICES: u32 = 16u;
const PADDING: u32 = 0u;
