// Fragments of 8 × 8 numbers: halves, and sums in single precision.
const FRAGMENT: u32 = 8u;
alias Lhs = coop_mat8x8<f16, A>;
alias Rhs = coop_mat8x8<f16, B>;
alias Sum = coop_mat8x8<f32, C>;
