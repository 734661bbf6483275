// The number of samples of a workgroup of the head.
const HEAD_SAMPLES: u32 = 1u;
