// The index of an elementwise kernel: each element has one invocation, and workgroups are folded over x and
// y.

const ELEMENTS: u32 = 256u;

fn element_index(global: vec3<u32>, groups: vec3<u32>) -> u32 {
    return global.y * (groups.x * ELEMENTS) + global.x;
}
