//! The WGSL files below `shaders/`, as constants, and the constants that a file states.

use std::collections::HashMap;

use naga::Literal;

/// A WGSL file.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// Its path below `shaders/`, without extension.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// The WGSL file with this path below `shaders/`.
macro_rules! wgsl {
    ($name:literal) => {
        $crate::gpu::wgsl::File {
            name: $name,
            text: include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/shaders/",
                $name,
                ".wgsl"
            )),
        }
    };
}
pub(super) use wgsl;

/// Elementary functions.
pub const MATH: File = wgsl!("math");
/// Indexing of elementwise kernels.
pub const GRID: File = wgsl!("grid");
/// Non-finite tests and limits.
pub const NUMBERS: File = wgsl!("numbers");
/// Random numbers.
pub const RNG: File = wgsl!("rng");
/// Kernels with one workgroup a row.
pub const ROW_SUM: File = wgsl!("row_sum");
/// The samples of a step.
pub const STEP: File = wgsl!("step");
/// Places in stacks of planes.
pub const PLACE: File = wgsl!("place");
/// Which elements of a vector there are.
pub const VECTOR: File = wgsl!("operand/vector");
/// What is kept of each sample.
pub const METRICS: File = wgsl!("metrics");
/// The projection onto the simplex.
pub const SIMPLEX: File = wgsl!("simplex");
/// A left operand that is contiguous along the depth of a product.
pub const LHS_K: File = wgsl!("layout/lhs_k");
/// A left operand that is loaded whole, a stage ahead.
pub const LHS_WHOLE: File = wgsl!("layout/lhs_whole");
/// A right operand that is contiguous along the depth of a product.
pub const RHS_K: File = wgsl!("layout/rhs_k");
/// The tiled product.
pub const TILE_MATMUL: File = wgsl!("tile_matmul");

/// The u32 constants of a module, by name.
pub(super) fn constants(module: &naga::Module) -> HashMap<String, u32> {
    let constant = |(_, c): (_, &naga::Constant)| match module.global_expressions[c.init] {
        naga::Expression::Literal(Literal::U32(value)) => Some((c.name.clone()?, value)),
        _ => None,
    };
    module.constants.iter().filter_map(constant).collect()
}
