// a′ = a + Wz + b, z′ = ρ(a′), a in `skip`: the dual form between layers of one width.
// Hooks: activation (rho), storage (stored_dual).
@group(0) @binding(6) var<storage, read_write> dual: array<Stored>;

fn epilogue(index: u32, pre_activation: f32, skip: f32) {
    let a = limit(skip + pre_activation, -DUAL_MAX, DUAL_MAX);
    dual[index] = stored_dual(a);
    output[index] = Stored(rho(a));
}
