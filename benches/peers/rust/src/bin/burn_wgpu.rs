//! burn through wgpu: requests as for the processor, or with `--report [software]` the rows of the GPU report
//! as JSON, all so far after each.

use std::time::Instant;

use bregman_peers::{burn_net, seconds, serve};
use burn::tensor::{Device, DeviceKind};

fn main() {
    let device = Device::wgpu(DeviceKind::DefaultDevice);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("--report") => report(&device, arguments.get(1).is_some()),
        _ => serve(|layers, batch, kind| burn_net::trainer(&device, layers, batch, kind)),
    }
}

/// On a software adapter the small size alone, which only shows that it works.
fn report(device: &Device, software: bool) {
    let sizes: &[_] = match software {
        true => &[(32, 64)],
        false => &[(128, 784), (512, 784), (4096, 784), (4096, 4096)],
    };
    let mut rows = String::new();
    for &(batch, width) in sizes {
        let start = Instant::now();
        let mut steps = burn_net::report_trainer(device, batch, width);
        steps(1);
        let first = start.elapsed().as_secs_f64();
        steps(5);
        let comma = if rows.is_empty() { "" } else { ", " };
        rows += &format!(
            "{comma}{{\"name\": \"step bregman dual, batch {batch} × {width}, R = 1, fused\", \
             \"how\": \"autodiff, fusion, autotune\", \"seconds\": {}, \"first_step\": {first}}}",
            seconds(&mut steps)
        );
        println!("{{\"version\": \"0.22.1\", \"device\": \"wgpu\", \"rows\": [{rows}]}}");
    }
}
