// z′ = ρ(u + Wz + b), u = z or Mz in `skip`.
@group(0) @binding(5) var<storage, read> skip: array<f32>;

fn epilogue(index: u32, pre_activation: f32) {
    output[index] = rho(skip[index] + pre_activation);
}
