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
pub const MATH: File = wgsl!("lib/math");
/// Indexing of elementwise kernels.
pub const GRID: File = wgsl!("lib/grid");
/// Non-finite tests and limits.
pub const NUMBERS: File = wgsl!("lib/numbers");
/// Limits and slopes of two neurons.
pub const PAIR: File = wgsl!("lib/pair");
/// Random numbers.
pub const RNG: File = wgsl!("lib/rng");
/// Sums for kernels with one workgroup for each row.
pub const ROW_SUM: File = wgsl!("lib/row_sum");
/// The settings of each realization.
pub const RUNS: File = wgsl!("lib/runs");
/// The samples of a step, its number and its rates.
pub const STEP: File = wgsl!("lib/step");
/// Places in stacks of planes.
pub const PLACE: File = wgsl!("conv/place");
/// The shape of a convolution, its `Params`.
pub const SHAPE: File = wgsl!("conv/shape");
/// The windows by which a convolution's weights are multiplied.
pub const WINDOW: File = wgsl!("conv/window");
/// Which elements of a vector exist.
pub const VECTOR: File = wgsl!("product/operand/vector");
/// Inputs that are bytes.
pub const BYTES: File = wgsl!("layer/input/bytes");
/// Inputs that are numbers.
pub const INPUT_NUMBERS: File = wgsl!("layer/input/numbers");
/// The metrics of each sample.
pub const METRICS: File = wgsl!("lib/metrics");
/// The projection onto the simplex.
pub const SIMPLEX: File = wgsl!("lib/simplex");
/// A left operand that is contiguous along the depth of a product.
pub const LHS_K: File = wgsl!("product/layout/lhs_k");
/// A left operand whose load needs nothing more when the stage is written.
pub const LHS_WHOLE: File = wgsl!("product/layout/lhs_whole");
/// A right operand that is contiguous along the depth of a product.
pub const RHS_K: File = wgsl!("product/layout/rhs_k");
/// The tiled product.
pub const TILE_MATMUL: File = wgsl!("product/tile_matmul");

/// The u32 constants of a module, by name.
pub(super) fn constants(module: &naga::Module) -> HashMap<String, u32> {
    let constant = |(_, c): (_, &naga::Constant)| match module.global_expressions[c.init] {
        naga::Expression::Literal(Literal::U32(value)) => Some((c.name.clone()?, value)),
        _ => None,
    };
    module.constants.iter().filter_map(constant).collect()
}
