// 128 × 64 outputs for a workgroup of 128 invocations, 8 × 8 each: more workgroups on a processor than with 256
// invocations, each of which needs more than half of its share of registers.
const TILE_M: u32 = 128u;
const TILE_N: u32 = 64u;
const TILE_K: u32 = 16u;
const THREAD_M: u32 = 8u;
const THREAD_N: u32 = 8u;
const SLICES: u32 = 1u;
const PADDING: u32 = 1u;
