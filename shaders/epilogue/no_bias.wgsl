// M has no bias.
fn update_bias(group: vec3<u32>, thread: u32) {}
