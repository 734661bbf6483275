// Evaluation: no layer below needs a gradient.
fn store_below(realization: u32, first_row: u32, lane: u32) {}
