//! burn on the processor: `burn_cpu [ndarray]`, `flex` without.

use bregman_peers::{burn_net, serve};
use burn::tensor::Device;

#[expect(deprecated, reason = "still there, to compare with")]
fn main() {
    let device = match std::env::args().nth(1).as_deref() {
        Some("ndarray") => Device::ndarray(),
        _ => Device::flex(),
    };
    serve(|layers, batch, kind| burn_net::trainer(&device, layers, batch, kind));
}
