//! burn through wgpu: requests as for the processor, or with `--report [software]` the rows of the GPU report
//! as JSON, all so far after each.

use std::time::Instant;

use bregman_peers::{Steps, burn_net, seconds, serve};
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
        if !software {
            warm(&mut steps);
        }
        let comma = if rows.is_empty() { "" } else { ", " };
        rows += &format!(
            "{comma}{{\"name\": \"step bregman dual, batch {batch} × {width}, R = 1, fused\", \
             \"how\": \"autodiff, fusion, autotune\", \"seconds\": {}, \"first_step\": {first}}}",
            seconds(&mut steps)
        );
        println!("{{\"version\": \"0.22.1\", \"device\": \"wgpu\", \"rows\": [{rows}]}}");
    }
}

/// Lets a card work until its clocks are up, as ours and PyTorch's do: until a window of a quarter of a
/// second is hardly faster than the one before, three seconds at most.
fn warm(steps: &mut Steps) {
    let (start, mut before) = (Instant::now(), f64::INFINITY);
    while start.elapsed().as_secs_f64() < 3.0 {
        let (window, mut best) = (Instant::now(), f64::INFINITY);
        while window.elapsed().as_secs_f64() < 0.25 {
            best = best.min(steps(10) / 10.0);
        }
        if best > 0.97 * before {
            break;
        }
        before = best;
    }
}
