//! What our own elementary functions cost beside WGSL's builtins: a fused Bregman layer in dual form,
//! forward, with each activation, on one adapter (`WGPU_ADAPTER_NAME` picks it).
//!
//! `lift` computes ρ⁻¹ and ρ of every output, `carry` ρ alone.

#![expect(
    clippy::print_stdout,
    reason = "which adapter was measured belongs to the result"
)]

use std::hint::black_box;

use bregman::activation::Activation;
use bregman::gpu::ops::layer::layer_forward::{Epilogue, Input, Operands, layer_forward};
use bregman::gpu::tile::{Product, Tile};
use bregman::gpu::wgsl::{File, MATH};
use bregman::gpu::{BufferId, BufferSpecs, Buffers, Gpu, Op, Program, Selection};
use bregman::nn::LayerShape;
use bregman::selftest::dispatch::random;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Stands in for `lib/math.wgsl`.
const BUILTINS: File = File {
    name: "builtins",
    text: include_str!("builtins.wgsl"),
};

const BATCH: usize = 128;

fn layers(criterion: &mut Criterion) {
    let selection = Selection {
        name: std::env::var("WGPU_ADAPTER_NAME").ok(),
        allow_software: true,
    };
    let mut gpu = pollster::block_on(Gpu::request(&selection)).expect("an adapter");
    println!("adapter: {}", gpu.summary());
    // A software adapter takes a second for what a card does in microseconds.
    let width = if gpu.summary().software { 256 } else { 784 };
    for activation in Activation::ALL {
        for lift in [false, true] {
            let place = if lift { "lift" } else { "carry" };
            let mut group = criterion.benchmark_group(format!("{} {place}", activation.name));
            group.throughput(Throughput::Elements((BATCH * width) as u64));
            let specs = specs(width);
            for (what, math) in [("ours", None), ("builtins", Some(BUILTINS))] {
                let mut op = op(activation, lift, width);
                if let Some(math) = math {
                    let files = op.shader.files.iter_mut();
                    files
                        .filter(|f| f.name == MATH.name)
                        .for_each(|f| *f = math);
                }
                let buffers = pollster::block_on(Buffers::new(&gpu, &specs.0)).expect("buffers");
                let ops = [op];
                let program = Program::new(&gpu, &buffers, &ops, None);
                let program = pollster::block_on(program).expect("a program");
                group.bench_function(what, |bencher| {
                    bencher.iter(|| {
                        program.run(&mut gpu, 0..1).expect("a run");
                        // Reading the bias back waits for all that came before it.
                        let read = buffers.read(&mut gpu, &[BufferId(2)]);
                        black_box(pollster::block_on(read).expect("a result"));
                    });
                });
            }
            group.finish();
        }
    }
}

fn specs(width: usize) -> BufferSpecs {
    let bound = 1.0 / (width as f32).sqrt();
    let mut specs = BufferSpecs::default();
    specs.values("z", &random(1, BATCH * width, 0.05, 0.95));
    specs.values("weight", &random(2, width * width, -bound, bound));
    specs.values("bias", &random(3, width, -bound, bound));
    specs.zeros("output", BATCH * width);
    specs.zeros("dual", BATCH * width);
    specs
}

fn op(activation: &Activation, lift: bool, width: usize) -> Op {
    let [z, weight, bias, output, dual] = [0, 1, 2, 3, 4].map(BufferId);
    let epilogue = if lift {
        Epilogue::BregmanLift { u: z, dual }
    } else {
        Epilogue::BregmanDual { a: z, dual }
    };
    let layer = LayerShape {
        inputs: width,
        outputs: width,
        mix: false,
    };
    let operands = Operands {
        z: Input::Buffer(z),
        weight,
        bias,
        output,
    };
    let tile = Tile::for_product(Product {
        m: BATCH,
        n: width,
        k: width,
    });
    layer_forward(
        epilogue,
        activation,
        activation.clamp,
        tile,
        [1, BATCH],
        &layer,
        operands,
    )
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = layers
}
criterion_main!(benches);
