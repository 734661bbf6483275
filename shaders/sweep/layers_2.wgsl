// 2 layers.
const LAYERS: u32 = 2u;
