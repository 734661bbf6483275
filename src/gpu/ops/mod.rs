//! The kernels by family, one file each: its `Params`, its shader permutations and its dispatch. Each is
//! the twin of the WGSL file of the same path below `shaders/`.

pub mod bench;
pub mod conv;
pub mod elementwise;
pub mod equilibrium;
pub mod layer;
pub mod loss;
pub mod product;
pub mod sweep;

pub use self::bench as limits; // moved
pub use conv::{
    conv2d_backward_input, conv2d_backward_weight, conv2d_forward, conv2d_update,
    max_pool2d_backward, max_pool2d_forward,
}; // moved
pub use elementwise::{
    add, add_bias, add_channel_bias, apply_function, apply_gate, apply_rho, apply_rho_inv,
    apply_rho_slope, bias_gradient, check_finite, count_step, dropout, limit_dual, project_simplex,
    sgd,
}; // moved
pub use layer::{
    gather, head, layer_backward, layer_forward, layer_forward_mix, mix_backward, mix_update,
}; // moved
pub use product::matmul; // moved

use super::op::Permutation;
use super::shader::{STORAGE, Shader, Storage};
pub use super::tile::Product; // moved

/// Every shader permutation that ships.
pub fn permutations() -> Vec<Permutation> {
    let mut all = [
        bench::permutations(),
        elementwise::permutations(),
        equilibrium::permutations(),
        layer::permutations(),
        loss::permutations(),
        product::permutations(),
        sweep::permutations(),
    ]
    .concat();
    let stores = |shader: &Shader| shader.files.iter().any(|file| file.name == STORAGE.name);
    let half: Vec<Permutation> = all
        .iter()
        .filter(|(shader, _)| stores(shader))
        .map(|(shader, fields)| (shader.clone().stored(Storage::F16), *fields))
        .collect();
    all.extend(half);
    // Convolutions have single precision only.
    all.extend(conv::permutations());
    all
}
