// δ = h(z) ∘ δ′W + δ′: h(z) and the 1/h(z) of ρ⁻¹ cancel on the skip path, which is shut where the
// forward's clamp of `gate` (z in primal, a in dual form) was active.
@group(0) @binding(7) var<storage, read> gate: array<Stored>;

fn epilogue(index: u32, acc: f32) -> f32 {
    let value = f32(gate[index]);
    let open = value >= params.gate_low && value <= params.gate_high;
    return rho_slope(z_element(index)) * acc + select(0.0, delta_element(index), open);
}
