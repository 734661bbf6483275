// Fragments of 16 × 16 numbers: halves, and sums in single precision.
const FRAGMENT: u32 = 16u;
alias Lhs = coop_mat16x16<f16, A>;
alias Rhs = coop_mat16x16<f16, B>;
alias Sum = coop_mat16x16<f32, C>;
