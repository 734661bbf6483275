//! Training steps on the processor, in GFLOP/s and as a share of this machine's ceiling: the time of
//! the matrix products of a step alone, measured in the same run. And the network of the two spirals,
//! by [`bregman::sweep`].
//!
//! Steps and products alternate, and the table shows medians. With `--serve` it answers the driver of
//! `benches/peers` instead: it reads lines that describe a network and answers each with a line of
//! results, steps per second first.

#![expect(clippy::print_stdout, reason = "the table is the result")]

use std::hint::black_box;
use std::io::{BufRead, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use bregman::activation::Activation;
use bregman::cpu::CpuExecutor;
use bregman::data::spirals::Spirals;
use bregman::data::{Dataset, Inputs, Splits, Targets};
use bregman::executor::Executor;
use bregman::kernels::Isa;
use bregman::kind::{Form, Init, LayerKind, Loss};
use bregman::nn::Model;
use bregman::optim::{Recipe, Rule, Sgd};
use bregman::rng::{Purpose, Stream};
use bregman::sweep::{self, Run, Sweep};

/// Networks of the paper's images: 784 → … → 784 → 10.
const WIDTH: usize = 784;
const CLASSES: usize = 10;
const CASES: [(usize, usize); 3] = [(1, 128), (3, 128), (3, 512)];
/// Number of measurements of each kind; the kinds take turns.
const ROUNDS: usize = 15;
/// The duration of one measurement, in seconds.
const SLICE: f64 = 0.15;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "--serve") {
        return serve();
    }
    let threads = rayon::current_num_threads();
    println!("{threads} threads, loops for {}", Isa::widest().name());
    println!(
        "| network | steps/s | GFLOP/s | ceiling GFLOP/s | share of the ceiling | first step ms |"
    );
    println!("|---|---|---|---|---|---|");
    for (layers, batch) in CASES {
        for kind in [LayerKind::Standard, LayerKind::Bregman] {
            cell(layers, batch, kind, threads);
        }
    }
    optimizers();
    for runs in [1, 512] {
        let rate = median(
            (0..ROUNDS)
                .map(|_| spirals(LayerKind::Bregman, runs))
                .collect(),
        );
        println!("| spiral net, batch 10, {runs} run(s) | {rate:.0} | | | | |");
    }
}

fn cell(layers: usize, batch: usize, kind: LayerKind, threads: usize) {
    let (mut trainer, first) = Trainer::started(layers, batch, kind);
    let model = trainer.model.clone();
    let flops = model.step_flops(batch) as f64;
    let steps = ((SLICE / trainer.train(3) * 3.0) as usize).max(1);
    let mut times = [vec![], vec![]];
    for _ in 0..ROUNDS {
        times[0].push(trainer.train(steps) / steps as f64);
        times[1].push(products(&model, batch, threads, steps));
    }
    let [step, alone] = times.map(median);
    println!(
        "| {layers} × {WIDTH} {}, batch {batch} | {:.1} | {:.0} | {:.0} | {:.1} % | {:.1} |",
        kind.name(),
        1.0 / step,
        flops / step * 1e-9,
        flops / alone * 1e-9,
        100.0 * alone / step,
        1e3 * first,
    );
}

/// The time of a step of each optimizer as a multiple of plain SGD's, 3 × 784 in batches of 128.
fn optimizers() {
    let plain = Recipe::from(Sgd {
        batch_size: 128,
        learning_rate: 1e-3,
    });
    let with = |change: &dyn Fn(&mut Recipe)| {
        let mut recipe = plain.clone();
        change(&mut recipe);
        recipe
    };
    let momentum = |recipe: &mut Recipe| recipe.runs[0].momentum = 0.9;
    let recipes = [
        ("sgd", plain.clone()),
        ("momentum", with(&momentum)),
        ("adam", with(&|recipe| recipe.rule = Rule::ADAM)),
        (
            "adamw",
            with(&|recipe| {
                recipe.rule = Rule::ADAMW;
                recipe.runs[0].weight_decay = 0.01;
            }),
        ),
        (
            "sgd, limited norm",
            with(&|recipe| recipe.clip_norm = Some(1.0)),
        ),
    ];
    let mut trainers = recipes.map(|(name, recipe)| {
        let mut trainer = Trainer::by(3, recipe, LayerKind::Bregman);
        let steps = ((SLICE / trainer.train(3) * 3.0) as usize).max(1);
        (name, trainer, steps, Vec::new())
    });
    for _ in 0..ROUNDS {
        for (_, trainer, steps, times) in &mut trainers {
            times.push(trainer.train(*steps) / *steps as f64);
        }
    }
    let mut plain = None;
    for (name, _, _, times) in trainers {
        let step = median(times);
        let plain = *plain.get_or_insert(step);
        println!(
            "| 3 × {WIDTH} bregman, batch 128, {name} | {:.1} | {:.2} × the time of sgd | | | |",
            1.0 / step,
            step / plain,
        );
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A network that is being trained.
struct Trainer {
    model: Model,
    executor: CpuExecutor,
    samples: usize,
    batch: usize,
    epochs: u32,
}

impl Trainer {
    fn new(layers: usize, batch_size: usize, kind: LayerKind) -> Self {
        let sgd = Sgd {
            batch_size,
            learning_rate: 1e-3,
        };
        Self::by(layers, sgd.into(), kind)
    }

    fn by(layers: usize, recipe: Recipe, kind: LayerKind) -> Self {
        let batch = recipe.batch_size;
        let widths = vec![WIDTH; layers + 1];
        let loss = Loss::CrossEntropy;
        let model = Model::new(
            kind,
            Form::Dual,
            &Activation::SCALED_ARCTAN,
            loss,
            &widths,
            CLASSES,
        );
        let model = model.expect("a valid network");
        // Noise: the time of a step does not depend on the images.
        let samples = 8192;
        let stream = Stream::new(1, Purpose::Digits, 0);
        let train = Dataset {
            name: "noise".to_owned(),
            channels: 1,
            image: [28, 28],
            classes: CLASSES,
            inputs: Inputs::Bytes(
                (0..samples * WIDTH)
                    .map(|i| (stream.bits(i as u64) >> 24) as u8)
                    .collect(),
            ),
            targets: Targets::Classes((0..samples).map(|i| (i % CLASSES) as u32).collect()),
        };
        let mut test = train.clone();
        test.truncate(1);
        let splits = Splits {
            train,
            validation: None,
            test,
        };
        let parameters = vec![Init::Random.parameters(&model, 0)];
        let executor = CpuExecutor::new(&model, Arc::new(splits), parameters, recipe);
        Self {
            model,
            executor: executor.expect("an executor"),
            samples,
            batch,
            epochs: 0,
        }
    }

    /// A trainer after its first step, and the seconds that creating it and this step took.
    fn started(layers: usize, batch: usize, kind: LayerKind) -> (Self, f64) {
        let start = Instant::now();
        let mut trainer = Self::new(layers, batch, kind);
        trainer.train(1);
        (trainer, start.elapsed().as_secs_f64())
    }

    /// Trains `steps` steps and returns the seconds that they took.
    fn train(&mut self, steps: usize) -> f64 {
        let mut left = steps;
        let mut seconds = 0.0;
        while left > 0 {
            let order = bregman::rng::sample_order(0, self.epochs, self.samples);
            self.epochs += 1;
            let some = left.min(self.samples / self.batch);
            let start = Instant::now();
            let orders = [order];
            let mut progress = |_| {};
            let epoch = (self.executor).train_steps(&orders, 0..some, &mut progress);
            black_box(pollster::block_on(epoch).expect("steps"));
            seconds += start.elapsed().as_secs_f64();
            left -= some;
        }
        seconds
    }
}

/// out (m, n) = or += lhs (m, k) · rhs (k, n), with the row and column strides of the operands.
#[derive(Clone, Copy)]
struct Product {
    extent: [usize; 3],
    add: bool,
    lhs: [usize; 2],
    rhs: [usize; 2],
    row: usize,
}

/// Seconds that the products of one step take alone. Each thread computes its own rows of `out`, the
/// operands have the executor's layout, and the threads wait for each other between products.
fn products(model: &Model, batch: usize, threads: usize, repeats: usize) -> f64 {
    let mut list = Vec::new();
    let stride = if batch.is_multiple_of(512) {
        batch + 32
    } else {
        batch
    };
    for (l, shape) in model.shapes().enumerate() {
        let (inputs, outputs) = (shape.inputs, shape.outputs);
        let product = |extent, add, lhs, rhs, row| Product {
            extent,
            add,
            lhs,
            rhs,
            row,
        };
        list.push(product(
            [outputs, batch, inputs],
            false,
            [inputs, 1],
            [stride, 1],
            stride,
        ));
        list.push(product(
            [outputs, inputs, batch],
            true,
            [stride, 1],
            [1, stride],
            inputs,
        ));
        if l > 0 {
            list.push(product(
                [inputs, batch, outputs],
                false,
                [1, inputs],
                [stride, 1],
                stride,
            ));
        }
    }
    let numbers = |seed: usize| -> Vec<f32> {
        let len = WIDTH * WIDTH.max(stride);
        (0..len)
            .map(|i| ((i * 7919 + seed) % 1000) as f32 * 1e-4 - 0.05)
            .collect()
    };
    let (lhs, rhs, out) = (numbers(0), numbers(1), numbers(2));
    let out = Pointer(out.as_ptr().cast_mut());
    let arrived = AtomicUsize::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (list, lhs, rhs, arrived) = (&list, &lhs, &rhs, &arrived);
            scope.spawn(move || {
                let mut phase = 0;
                for _ in 0..repeats {
                    for product in list {
                        own_rows(product, thread, threads, out, lhs, rhs);
                        phase += threads;
                        arrived.fetch_add(1, Ordering::AcqRel);
                        while arrived.load(Ordering::Acquire) < phase {
                            std::hint::spin_loop();
                        }
                    }
                }
            });
        }
    });
    start.elapsed().as_secs_f64() / repeats as f64
}

#[derive(Clone, Copy)]
struct Pointer(*mut f32);
// SAFETY: each thread writes to its own rows only.
unsafe impl Send for Pointer {}

fn own_rows(p: &Product, thread: usize, threads: usize, out: Pointer, lhs: &[f32], rhs: &[f32]) {
    let [m, n, k] = p.extent;
    let (from, to) = (m * thread / threads, m * (thread + 1) / threads);
    // SAFETY: the matrices are at least as large as the widest layer's; rows of `out` are this
    // thread's own.
    unsafe {
        gemm::gemm(
            to - from,
            n,
            k,
            out.0.add(from * p.row),
            1,
            p.row as isize,
            p.add,
            lhs.as_ptr().add(from * p.lhs[0]),
            p.lhs[1] as isize,
            p.lhs[0] as isize,
            rhs.as_ptr(),
            p.rhs[1] as isize,
            p.rhs[0] as isize,
            if p.add { 1.0 } else { 0.0 },
            1e-6,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// Steps per second of the network of the two spirals (3 layers of 2 neurons, arctan, batch 10),
/// summed over `runs` runs.
fn spirals(kind: LayerKind, runs: usize) -> f64 {
    let loss = Loss::MeanSquaredError;
    let model =
        sweep::network(kind, Form::Dual, &Activation::ARCTAN, loss, 3).expect("a valid network");
    let [data, _] = Spirals::draw(500, 0);
    let sweep = Sweep {
        model,
        init: Init::Random,
        runs: (0..runs as u64)
            .map(|seed| Run {
                seed,
                learning_rate: 0.05,
            })
            .collect(),
        epochs: if runs == 1 { 1000 } else { 60 },
        batch_size: 10,
        record_every: 1_000_000,
    };
    let data = data.within(&Activation::ARCTAN);
    let steps = AtomicU64::new(0);
    let start = Instant::now();
    let record = sweep::cpu::train(std::slice::from_ref(&sweep), &data, &|done| {
        steps.fetch_add(done, Ordering::Relaxed);
    });
    black_box(record.expect("a sweep"));
    let seconds = start.elapsed().as_secs_f64();
    (sweep.steps(data.len()) * runs as u64) as f64 / seconds
}

/// Answers requests `layers batch kind`. With 0 layers the network is that of the two spirals, and
/// `batch` is the number of runs. The answer is the number of steps per second, the seconds to the end
/// of the first step and, with layers, the share of the ceiling: the time of the products over that
/// of the step, measured in turns.
fn serve() {
    let mut trainers: Vec<((usize, usize, LayerKind), Trainer, f64)> = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a request");
        let mut words = line.split_whitespace();
        let mut number = || words.next().and_then(|w| w.parse().ok()).expect("a number");
        let (layers, batch): (usize, usize) = (number(), number());
        let kind = words.next().map(LayerKind::by_name);
        let kind = kind.expect("a kind").expect("a kind");
        let (rate, first) = if layers == 0 {
            (spirals(kind, batch), "0".to_owned())
        } else {
            let key = (layers, batch, kind);
            let known = trainers.iter().position(|(k, ..)| *k == key);
            let index = known.unwrap_or_else(|| {
                let (trainer, first) = Trainer::started(layers, batch, kind);
                trainers.push((key, trainer, first));
                trainers.len() - 1
            });
            let (_, trainer, first) = &mut trainers[index];
            let steps = ((0.1 / trainer.train(3) * 3.0) as usize).max(3);
            let model = trainer.model.clone();
            let mut times = [vec![], vec![]];
            for _ in 0..5 {
                times[0].push(trainer.train(steps) / steps as f64);
                times[1].push(products(&model, batch, rayon::current_num_threads(), steps));
            }
            let [step, alone] = times.map(median);
            (1.0 / step, format!("{first} {}", alone / step))
        };
        println!("{rate} {first}");
        std::io::stdout().flush().expect("a reader");
    }
}
