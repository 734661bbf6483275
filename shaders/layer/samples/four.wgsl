// The number of samples of a workgroup of the head, where there are many: W is then read a quarter as often.
const HEAD_SAMPLES: u32 = 4u;
