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
pub mod update;

use super::op::Permutation;
use super::shader::{STORAGE, Shader};
use crate::kind::Storage;

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
