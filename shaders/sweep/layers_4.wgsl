// 4 layers.
const LAYERS: u32 = 4u;
