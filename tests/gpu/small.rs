//! Small networks, which one workgroup trains in dispatches of many steps. That their numbers are right is the
//! self-test's.

use std::ops::Range;

use bregman::data::Splits;
use bregman::executor::{BatchMetrics, Executor};
use bregman::gpu::{GpuExecutor, Plan};
use bregman::nn::{Model, Parameters};
use bregman::optim::{Recipe, Sgd};
use bregman::rng::sample_order;
use bregman::selftest::networks::{
    Case, Path, REALIZATIONS, Record, SEED, SGD, TRAIN_SAMPLES, initial, run, small_cases, splits,
};

use crate::common;
use crate::{Test, gpu};

pub fn tests() -> Vec<Test> {
    vec![
        ("small::all_cases_are_small", all_are_small),
        ("small::the_other_kernels_train_the_same", other_kernels),
        ("small::realizations_are_independent_runs", realizations),
        ("small::a_span_of_steps_is_a_part_of_an_epoch", spans),
        ("small::an_epoch_of_many_submissions", submissions),
        ("small::a_resumed_run_is_the_whole_run", resumes),
        (
            "small::numbers_and_values_train_as_bytes_and_classes_do",
            numbers,
        ),
        ("small::non_finite_parameters_are_reported", non_finite),
        (
            "small::without_memory_the_other_kernels_train",
            without_memory,
        ),
    ]
}

fn plan(model: &Model, splits: &Splits, realizations: usize, recipe: Recipe) -> Plan {
    let options = Path::Small.options(realizations, recipe);
    let plan = Plan::new(model, splits, options).expect("a plan");
    assert!(plan.small.is_some(), "a small network");
    plan
}

fn executor(
    model: &Model,
    splits: &Splits,
    parameters: &[Parameters],
    recipe: Recipe,
) -> GpuExecutor {
    let plan = plan(model, splits, parameters.len(), recipe);
    executor_of(model, plan, parameters)
}

fn executor_of(model: &Model, plan: Plan, parameters: &[Parameters]) -> GpuExecutor {
    let executor = GpuExecutor::from_plan(gpu(), model, plan, parameters);
    pollster::block_on(executor).unwrap_or_else(|e| panic!("{e}"))
}

/// Every third case, and those of other optimizers.
fn some_cases() -> impl Iterator<Item = (Case, Recipe)> {
    let cases = small_cases().into_iter().enumerate();
    let chosen = cases.filter(|(i, (_, recipe))| i % 3 == 0 || recipe.runs.len() > 1);
    chosen.map(|(_, case)| case)
}

fn together(model: &Model, recipe: &Recipe) -> Record {
    let parameters = initial(model, REALIZATIONS);
    let mut executor = executor(model, &splits(model), &parameters, recipe.clone());
    run(&mut executor, SEED, REALIZATIONS).expect("a run")
}

fn all_are_small() {
    for (Case { name, model }, recipe) in small_cases() {
        let small = plan(&model, &splits(&model), REALIZATIONS, recipe).small;
        let bytes = small.map_or(0, |small| small.memory_bytes);
        let expected = if name.contains("32") { 32 } else { 16 };
        assert_eq!(bytes, expected << 10, "{name}");
    }
}

/// The same networks by the kernels of large ones, up to the rounding of a few steps.
fn other_kernels() {
    for (Case { name, model }, recipe) in some_cases() {
        let small = together(&model, &recipe);
        let parameters = initial(&model, REALIZATIONS);
        let mut plan = plan(&model, &splits(&model), REALIZATIONS, recipe);
        plan.small = None;
        let mut executor = executor_of(&model, plan, &parameters);
        let others = run(&mut executor, SEED, REALIZATIONS).expect("a run");
        for (small, others) in small.parameters.iter().zip(&others.parameters) {
            let pairs = small.tensors().flatten().zip(others.tensors().flatten());
            for (small, other) in pairs {
                let near = (small - other).abs() <= 1e-4 * (1.0 + other.abs());
                assert!(near, "{name}: {small} and {other}");
            }
        }
    }
}

/// Realization r under seed s is the only realization under seed s + r, to the bit.
fn realizations() {
    for (Case { name, model }, recipe) in some_cases() {
        let all = together(&model, &recipe);
        for r in 0..REALIZATIONS {
            let parameters = initial(&model, REALIZATIONS).swap_remove(r);
            let own = Recipe {
                runs: vec![recipe.run(r)],
                ..recipe.clone()
            };
            // One realization without momentum has no state beside one that has.
            if own.moments() != recipe.moments() {
                continue;
            }
            let mut alone = executor(&model, &splits(&model), &[parameters], own);
            let alone = run(&mut alone, SEED + r as u64, 1).expect("a run");
            assert_eq!(alone.parameters[0], all.parameters[r], "{name} {r}");
            for (alone, all) in alone.batches.iter().zip(&all.batches) {
                assert_eq!(alone[0], all[r], "{name} {r}");
            }
        }
    }
}

fn train(
    executor: &mut GpuExecutor,
    orders: &[Vec<u32>],
    steps: Range<usize>,
) -> Vec<Vec<BatchMetrics>> {
    let mut progress = |_| {};
    let steps = executor.train_steps(orders, steps, &mut progress);
    pollster::block_on(steps).expect("steps")
}

/// Steps one by one, and in spans, give the bits of the whole epoch.
fn spans() {
    for (Case { name, model }, recipe) in some_cases() {
        let parameters = initial(&model, REALIZATIONS);
        let orders: Vec<_> = (0..REALIZATIONS as u64)
            .map(|r| sample_order(SEED + r, 0, TRAIN_SAMPLES))
            .collect();
        let trained = |ends: &[usize]| {
            let mut executor = executor(&model, &splits(&model), &parameters, recipe.clone());
            let mut batches = vec![Vec::new(); REALIZATIONS];
            let mut first = 0;
            for &end in ends {
                let steps = train(&mut executor, &orders, first..end);
                for (all, steps) in batches.iter_mut().zip(steps) {
                    all.extend(steps);
                }
                first = end;
            }
            let parameters = pollster::block_on(executor.parameters()).expect("parameters");
            let moments = pollster::block_on(executor.moments()).expect("moments");
            (batches, parameters, moments)
        };
        let whole = trained(&[usize::MAX]);
        assert_eq!(whole, trained(&[1, 2, 3, 4, 5, 6]), "{name}");
        assert_eq!(whole, trained(&[3, usize::MAX]), "{name}");
    }
}

/// More steps than a dispatch on a software adapter may take, of networks of different shapes.
fn submissions() {
    let cases = small_cases();
    for index in [0, 5, 38, 40] {
        submissions_of(&cases[index].0);
    }
}

/// An epoch is the same stopped after the first dispatch, and in dispatches of few steps, which no driver cuts
/// short.
fn submissions_of(Case { name, model }: &Case) {
    let recipe = Recipe::from(Sgd {
        batch_size: 1,
        learning_rate: 0.01,
    });
    let parameters = initial(model, REALIZATIONS);
    let mut long = splits(model);
    let again: Vec<u32> = (0..TRAIN_SAMPLES as u32).collect();
    long.train = long.train.select(&again.repeat(80));
    let samples = long.train.len();
    let orders: Vec<_> = (0..REALIZATIONS as u64)
        .map(|r| sample_order(SEED + r, 0, samples))
        .collect();
    let new = || executor(model, &long, &parameters, recipe.clone());
    let (mut whole, mut stopped, mut single) = (new(), new(), new());
    let mut seen = vec![0];
    let mut progress = |steps| seen.push(steps);
    let found = pollster::block_on(whole.train_epoch(&orders, &mut progress)).expect("an epoch");
    assert!(seen.is_sorted(), "{name}: {seen:?}");
    assert_eq!(seen.last(), Some(&samples), "{name}");
    let mut rest = |first, stop: bool| {
        let (stop, mut progress) = (|| stop, |_| {});
        let batches = stopped.train_rest(&orders, first, &stop, &mut progress);
        let batches = pollster::block_on(batches).expect("steps");
        batches.expect("an adapter looks by itself")
    };
    let mut batches = rest(0, true);
    let first = batches[0].len();
    if whole.gpu().summary().software {
        assert!(
            (1..samples).contains(&first),
            "{name}: {first} of {samples}"
        );
    }
    for (all, more) in batches.iter_mut().zip(rest(first, false)) {
        all.extend(more);
    }
    assert!(batches == found, "{name}: stopped after {first} steps");
    let mut few = vec![Vec::new(); REALIZATIONS];
    for first in (0..samples).step_by(97) {
        let steps = train(&mut single, &orders, first..first + 97);
        for (all, more) in few.iter_mut().zip(steps) {
            all.extend(more);
        }
    }
    let differs = |r: usize| (0..samples).find(|&step| few[r][step] != found[r][step]);
    let differs = [0, 1].map(differs);
    assert_eq!(differs, [None; 2], "{name}: dispatches of {first} steps");
}

fn resumes() {
    for (case, recipe) in small_cases().into_iter().rev().step_by(2).take(2) {
        let data = splits(&case.model);
        let recipe = Recipe {
            batch_size: SGD.batch_size,
            ..recipe
        };
        common::resumes(&case.model, &recipe, |p, recipe| {
            executor(&case.model, &data, p, recipe)
        });
    }
}

fn numbers() {
    let cases = small_cases().into_iter().map(|(case, _)| case);
    let cases = cases.filter(|case| case.name.contains("[7, 7, 7]"));
    common::numbers_and_values_are_bytes_and_classes(cases, |model, splits| {
        executor(model, splits, &initial(model, REALIZATIONS), SGD.into())
    });
}

fn non_finite() {
    common::non_finite(|model, parameters| executor(model, &splits(model), parameters, SGD.into()));
}

/// On an adapter whose workgroups have too little memory.
fn without_memory() {
    let (Case { model, .. }, recipe) = small_cases().swap_remove(4);
    let (splits, parameters) = (splits(&model), initial(&model, REALIZATIONS));
    let run = |path: Path, memory_bytes: usize| {
        let options = path.options(REALIZATIONS, recipe.clone());
        let mut plan = Plan::new(&model, &splits, options).expect("a plan");
        if let Some(small) = &mut plan.small {
            small.memory_bytes = memory_bytes;
        }
        let mut executor = executor_of(&model, plan, &parameters);
        let run = run(&mut executor, SEED, REALIZATIONS).expect("a run");
        (executor.train_step().0.dispatches(), run)
    };
    assert_eq!(run(Path::Small, 16 << 10).0, 1);
    assert!(run(Path::Small, 1 << 30) == run(Path::Fused, 0));
}
