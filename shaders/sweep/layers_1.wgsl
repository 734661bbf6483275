// One layer.
const LAYERS: u32 = 1u;
