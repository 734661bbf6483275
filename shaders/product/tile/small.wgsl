// 32 × 32 outputs for a workgroup of 256 invocations, 4 × 4 each, in 4 slices of the depth.
const TILE_M: u32 = 32u;
const TILE_N: u32 = 32u;
const TILE_K: u32 = 64u;
const THREAD_M: u32 = 4u;
const THREAD_N: u32 = 4u;
const SLICES: u32 = 4u;
const PADDING: u32 = 0u;
