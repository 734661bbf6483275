//! Properties that the theory proves, checked on the reference in f64; `tests/gpu/theory.rs` checks
//! them on the adapter.

#[path = "common/theory.rs"]
mod theory;

use bregman::kind::{Form, LayerKind, Loss};
use bregman::nn::{Model, Parameters};
use bregman::reference;

fn states(tied: &theory::Tied, layers: usize) -> Vec<Vec<f64>> {
    let widths = vec![theory::WIDTH; layers + 1];
    let loss = Loss::MeanSquaredError;
    let model = Model::new(
        LayerKind::Bregman,
        Form::Dual,
        tied.activation,
        loss,
        &widths,
        1,
    );
    let model = model.expect("a network");
    let mut parameters = Parameters::zeros(&model);
    for layer in &mut parameters.layers {
        layer.weight.copy_from_slice(&tied.weight);
        layer.bias.copy_from_slice(&tied.bias);
    }
    let z: Vec<f64> = tied.z.iter().map(|&z| f64::from(z)).collect();
    let trace = reference::forward(&model, &parameters.map(f64::from), &z);
    let layers = trace.z.into_iter().zip(trace.a).skip(1);
    layers.flat_map(|(z, a)| [z, a]).collect()
}

#[test]
fn energy_falls() {
    theory::energy_falls(&mut states, f64::EPSILON);
}

#[test]
fn energy_rises_beyond() {
    theory::energy_rises_beyond(&mut states, f64::EPSILON);
}

#[test]
fn dual_map_is_lipschitz_and_invertible() {
    theory::dual_map_is_lipschitz_and_invertible(&mut states, f64::EPSILON);
}
