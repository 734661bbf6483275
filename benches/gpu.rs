//! Training steps, layers and matrix products on one adapter (`WGPU_ADAPTER_NAME` picks it), fused against
//! unfused first, with the adapter's own limits measured in the same run.
//!
//! `cargo bench --bench gpu`, and `-- --full` for the product of all kinds, forms, sizes and R. A
//! software adapter runs the small sizes alone. Criterion times the wall of steps and layers, the last wait
//! included, and compares it with its last run; the table after each of the three has the device's own time,
//! too, where it has a clock.

#![expect(clippy::print_stdout, reason = "a bench prints what it found")]

use std::time::{Duration, Instant};

use bregman::bench::{self, Limits, Network, Row, Target};
use bregman::error::Result;
use bregman::gpu::{Gpu, Program, Selection};
use criterion::{Criterion, SamplingMode, Throughput};

fn main() -> Result<()> {
    let full = std::env::args().any(|argument| argument == "--full");
    let mut gpu = pollster::block_on(Gpu::request(&Selection {
        name: std::env::var("WGPU_ADAPTER_NAME").ok(),
        allow_software: true,
    }))?;
    println!("adapter: {}", gpu.summary());
    let software = gpu.summary().software;
    if software {
        println!("a software adapter: only batch 10 × 2 and 32 × 64 run");
    }
    let limits = bench::limits(&mut gpu, 5)?;
    let Limits {
        fma_flops_per_second: fma,
        copy_bytes_per_second: copy,
    } = limits;
    println!("limits: {:.1} GFLOP/s, {:.1} GB/s", fma * 1e-9, copy * 1e-9);
    println!(
        "encoding a dispatch: {:.2} µs",
        1e6 * bench::encoding(&gpu)?
    );
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(50))
        .measurement_time(Duration::from_millis(200));
    let networks = Network::all(software, full).into_iter();
    let mut rows = Vec::new();
    for network in networks.chain(Network::halves(&gpu)) {
        for &fused in network.paths() {
            let mut executor = network.executor(&gpu, fused, 1)?;
            let (program, gpu) = executor.train_step();
            let name = network.name("step", fused);
            run(&mut criterion, gpu, program, &name, step_flops(&network)?);
        }
        for mut steps in network.steps(&gpu)? {
            rows.push(steps.row(&limits, 3)?);
        }
    }
    print("training steps", &rows);
    let mut rows = Vec::new();
    for network in Network::all(software, full) {
        for target in network.layer(&gpu)? {
            measure(&mut criterion, &mut gpu, &target);
            rows.push(target.row(&mut gpu, &limits, 3)?);
        }
    }
    print("layers", &rows);
    let mut rows = Vec::new();
    for size in if software { &[64][..] } else { &[1024, 4096] } {
        for target in bench::matmul(&gpu, *size)? {
            rows.push(target.row(&mut gpu, &limits, 3)?);
        }
    }
    print("matrix products", &rows);
    Ok(())
}

fn step_flops(network: &Network) -> Result<f64> {
    let flops = network.model(3)?.step_flops(network.batch);
    Ok((network.realizations as u64 * flops) as f64)
}

fn measure(criterion: &mut Criterion, gpu: &mut Gpu, target: &Target) {
    run(criterion, gpu, &target.program, &target.name, target.flops);
}

fn run(criterion: &mut Criterion, gpu: &mut Gpu, program: &Program, name: &str, flops: f64) {
    let mut group = criterion.benchmark_group("gpu");
    group.throughput(Throughput::Elements(flops as u64));
    // Else criterion runs what takes long 55 times.
    group.sampling_mode(SamplingMode::Flat);
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|times| {
            let start = Instant::now();
            for _ in 0..times {
                program.run(gpu, 0..1).expect("a run");
            }
            gpu.finish().expect("the end of a run");
            start.elapsed()
        });
    });
    group.finish();
}

/// Prints `rows`, with the time of each unfused operation divided by that of the fused one beside the latter.
fn print(title: &str, rows: &[Row]) {
    println!(
        "\n{title:60} {:>10} {:>10} {:>10} {:>6} {:>10} {:>15}",
        "wall µs", "device µs", "GFLOP/s", "peak", "dispatches", "unfused ÷ fused"
    );
    for row in rows {
        let device = row
            .device_seconds
            .map_or(String::new(), |seconds| format!("{:.2}", 1e6 * seconds));
        let ratio = bench::unfused_over_fused(row, rows)
            .map_or(String::new(), |ratio| format!("{ratio:.2}"));
        println!(
            "{:60} {:10.2} {device:>10} {:10.2} {:5.1}% {:10} {ratio:>15}",
            row.name,
            1e6 * row.seconds,
            1e-9 * row.flops_per_second,
            100.0 * row.share_of_peak,
            row.dispatches
        );
    }
    println!();
}
