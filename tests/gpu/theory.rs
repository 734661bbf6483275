//! The theory's own properties, of the adapter's layers.

#[path = "../common/theory.rs"]
mod properties;

use bregman::selftest::training::tied_states;

use crate::{Test, gpu};
use properties::Tied;

pub fn tests() -> Vec<Test> {
    vec![
        ("theory::energy_falls", || {
            properties::energy_falls(&mut states(), EPSILON);
        }),
        ("theory::energy_rises_beyond", || {
            properties::energy_rises_beyond(&mut states(), EPSILON);
        }),
        ("theory::dual_map_is_lipschitz_and_invertible", || {
            properties::dual_map_is_lipschitz_and_invertible(&mut states(), EPSILON);
        }),
    ]
}

/// WGSL leaves the direction of rounding open.
const EPSILON: f64 = f32::EPSILON as f64;

fn states() -> impl FnMut(&Tied, usize) -> Vec<Vec<f64>> {
    let mut gpu = gpu();
    move |tied, layers| {
        let Tied {
            activation,
            weight,
            bias,
            z,
            ..
        } = tied;
        let states = tied_states(&mut gpu, activation, weight, bias, z, layers);
        let states = states.unwrap_or_else(|e| panic!("{e}")).into_iter();
        let wide = |state: Vec<f32>| state.into_iter().map(f64::from).collect();
        states.map(wide).collect()
    }
}
