//! One file a kernel: its `Params`, its shader permutations and its dispatch, the twin of the WGSL
//! file of the same name.

pub mod add;
pub mod add_bias;
pub mod add_channel_bias;
pub mod apply_function;
pub mod apply_gate;
pub mod apply_rho;
pub mod apply_rho_inv;
pub mod apply_rho_slope;
pub mod bias_gradient;
pub mod check_finite;
pub mod conjugate_start;
pub mod conjugate_step;
pub mod conv2d_backward_input;
pub mod conv2d_backward_weight;
pub mod conv2d_forward;
pub mod conv2d_update;
pub mod count_step;
pub mod dropout;
pub mod equilibrium_scale;
pub mod equilibrium_start;
pub mod equilibrium_step;
pub mod equilibrium_through;
pub mod equilibrium_update;
pub mod equilibrium_weight;
pub mod gather;
pub mod head;
pub mod layer_backward;
pub mod layer_forward;
pub mod layer_forward_mix;
pub mod limit_dual;
pub mod limits;
pub mod loss;
pub mod matmul;
pub mod max_pool2d_backward;
pub mod max_pool2d_forward;
pub mod mix_backward;
pub mod mix_update;
pub mod project_simplex;
pub mod sgd;
pub mod sweep;

use super::shader::{STORAGE, Shader, Storage};
pub use super::tile::Product; // moved
use super::tile::Tile;
use crate::activation;

/// Every shader permutation that ships, with the fields of the `Params` that its op writes.
pub fn permutations() -> Vec<(Shader, &'static [(&'static str, &'static str)])> {
    let mut all: Vec<(Shader, &[(&str, &str)])> = vec![
        (add::shader(), add::Params::FIELDS),
        (add_bias::shader(), add_bias::Params::FIELDS),
        (apply_gate::shader(), apply_gate::Params::FIELDS),
        (bias_gradient::shader(), bias_gradient::Params::FIELDS),
        (check_finite::shader(), check_finite::Params::FIELDS),
        (conjugate_start::shader(), conjugate_start::Params::FIELDS),
        (conjugate_step::shader(), conjugate_step::Params::FIELDS),
        (
            equilibrium_scale::shader(),
            equilibrium_scale::Params::FIELDS,
        ),
        (
            equilibrium_through::shader(),
            equilibrium_through::Params::FIELDS,
        ),
        (
            equilibrium_update::shader(),
            equilibrium_update::Params::FIELDS,
        ),
        (
            equilibrium_weight::shader(),
            equilibrium_weight::Params::FIELDS,
        ),
        (gather::shader(), gather::Params::FIELDS),
        (project_simplex::shader(), project_simplex::Params::FIELDS),
        (sgd::shader(), sgd::Params::FIELDS),
    ];
    for activation in &activation::ALL {
        all.extend([
            (apply_rho::shader(activation), apply_rho::Params::FIELDS),
            (
                equilibrium_start::shader(activation),
                equilibrium_start::Params::FIELDS,
            ),
            (
                equilibrium_step::shader(activation),
                equilibrium_step::Params::FIELDS,
            ),
            (
                apply_rho_inv::shader(activation),
                apply_rho_inv::Params::FIELDS,
            ),
            (
                apply_rho_slope::shader(activation),
                apply_rho_slope::Params::FIELDS,
            ),
            (limit_dual::shader(activation), limit_dual::Params::FIELDS),
            (
                mix_backward::shader(activation),
                mix_backward::Params::FIELDS,
            ),
        ]);
    }
    all.extend(loss::shaders().map(|s| (s, loss::Params::FIELDS)));
    all.extend(sweep::shaders().map(|s| (s, sweep::Params::FIELDS)));
    all.extend(matmul::shaders().map(|s| (s, matmul::Params::FIELDS)));
    all.extend(layer_forward::shaders().map(|s| (s, layer_forward::Params::FIELDS)));
    all.extend(layer_forward_mix::shaders().map(|s| (s, layer_forward_mix::Params::FIELDS)));
    all.extend(layer_backward::shaders().map(|s| (s, layer_backward::Params::FIELDS)));
    all.extend(head::shaders().map(|s| (s, head::Params::FIELDS)));
    all.extend([
        (limits::fma_peak::shader(), limits::fma_peak::Params::FIELDS),
        (limits::copy::shader(), limits::copy::Params::FIELDS),
        (
            limits::matmul_naive::shader(),
            limits::matmul_naive::Params::FIELDS,
        ),
    ]);
    all.extend(mix_update::shaders().map(|s| (s, mix_update::Params::FIELDS)));
    let stores = |shader: &Shader| shader.files.iter().any(|file| file.name == STORAGE.name);
    let half = all.iter().filter(|(shader, _)| stores(shader));
    let half = half.map(|(shader, fields)| (shader.clone().stored(Storage::F16), *fields));
    all.extend(half.collect::<Vec<_>>());
    // In single precision alone.
    all.extend(front_end());
    all
}

/// The permutations of the convolutional front-end.
fn front_end() -> Vec<(Shader, &'static [(&'static str, &'static str)])> {
    let relu = &activation::RELU;
    let mut all: Vec<(Shader, &[(&str, &str)])> = vec![
        (add_channel_bias::shader(), add_channel_bias::Params::FIELDS),
        (count_step::shader(), count_step::Params::FIELDS),
        (dropout::shader(), dropout::Params::FIELDS),
        (
            max_pool2d_forward::shader(),
            max_pool2d_forward::Params::FIELDS,
        ),
        // The other activations' are those of the layers.
        (apply_rho::shader(relu), apply_rho::Params::FIELDS),
        (
            apply_rho_slope::shader(relu),
            apply_rho_slope::Params::FIELDS,
        ),
    ];
    for tile in Tile::ALL {
        let shader = conv2d_backward_input::shader(tile);
        all.push((shader, conv2d_forward::Params::FIELDS));
    }
    for tile in conv2d_backward_weight::Parts::TILES {
        let shader = conv2d_backward_weight::shader(tile);
        all.push((shader, conv2d_backward_weight::Params::FIELDS));
    }
    for update in [false, true] {
        all.push((conv2d_update::shader(update), conv2d_update::Params::FIELDS));
    }
    all.extend(conv2d_forward::shaders().map(|s| (s, conv2d_forward::Params::FIELDS)));
    let pooling = max_pool2d_backward::shaders();
    all.extend(pooling.map(|s| (s, max_pool2d_forward::Params::FIELDS)));
    all
}
