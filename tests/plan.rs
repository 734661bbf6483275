//! The plan of a training step, checked without an adapter.

use std::collections::HashSet;

use bregman::error::Error;
use bregman::gpu::{Plan, PlanOptions};
use bregman::kind::Storage;
use bregman::kind::{Form, LayerKind, Loss};
use bregman::nn::{Layer, Model};
use bregman::selftest::networks::{Case, Path, SGD, cases, mixed_cases, splits};

fn plan(model: &Model, realizations: usize, fused: bool) -> Plan {
    let options = PlanOptions {
        realizations,
        recipe: SGD.into(),
        fused,
        storage: Storage::F32,
        small: false,
    };
    Plan::new(model, &splits(model), options).expect("a plan")
}

/// L layers forward, the head with the loss, and L + 1 backward; a gather if the first layer has M; and an
/// update of each M.
#[test]
fn a_step_of_l_layers_is_at_most_2l_plus_3_dispatches_and_the_updates_of_m() {
    for Case { name, model } in cases() {
        let layers = model.layers.len();
        let mixes = model.layers.iter().filter(|layer| layer.shape.mix).count();
        let gathers = usize::from(model.layers[0].shape.mix);
        for realizations in [1, 5] {
            let count = plan(&model, realizations, true).train_step.len();
            assert_eq!(count, 2 * layers + 2 + gathers + mixes, "{name}");
            assert!(count <= 2 * layers + 3 + mixes, "{name}");
            let unfused = plan(&model, realizations, false).train_step.len();
            assert!(unfused > 2 * count, "{name}: {unfused} unfused");
        }
    }
}

/// A Bregman layer above another activation takes one dispatch more, for the slope of that one. A dual passage
/// takes one for ρ(a); one for a, unless the layer below has it; one for the bounds of a, if there are any;
/// and one backward, where not all of dL/da passes.
#[test]
fn layers_that_differ_take_few_dispatches_more() {
    for Case { name, model } in mixed_cases() {
        if model.cnn.is_some() {
            continue;
        }
        let more = |l: usize| {
            let layer = &model.layers[l];
            let (inverse, limit) = match l.checked_sub(1).map(|below| &model.layers[below]) {
                None => return 0,
                Some(below) => (!below.is_dual(), below.limits_dual()),
            };
            let bregman = layer.kind == LayerKind::Bregman;
            match model.passes_dual(l) {
                false => usize::from(bregman && model.foreign_input(l)),
                true => [true, inverse, layer.limits_dual(), inverse || limit]
                    .map(usize::from)
                    .iter()
                    .sum(),
            }
        };
        let layers = model.layers.len();
        let mixed = |layer: &&Layer| layer.shape.mix;
        let mixes = model.layers.iter().filter(mixed).count();
        let gathers = usize::from(model.layers[0].shape.mix);
        let more: usize = (0..layers).map(more).sum();
        let count = plan(&model, 2, true).train_step.len();
        assert_eq!(count, 2 * layers + 2 + gathers + mixes + more, "{name}");
        let unfused = plan(&model, 2, false).train_step.len();
        assert!(unfused > 2 * count - more, "{name}: {unfused} unfused");

        // The kernels of these dispatches take single precision only.
        let mut options = plan(&model, 2, true).options;
        options.storage = Storage::F16;
        let half = Plan::new(&model, &splits(&model), options);
        match half {
            Ok(_) => assert_eq!(more, 0, "{name}"),
            Err(Error::InvalidValue { field, .. }) => {
                assert_eq!((field, more > 0), ("storage", true))
            }
            Err(other) => panic!("{name}: {other}"),
        }
    }
}

/// The head's kernel takes no more outputs than a label can name: with more, the loss follows in a dispatch
/// of its own.
#[test]
fn outputs_beyond_all_labels_take_one_dispatch_more() {
    let tanh = &bregman::activation::Activation::TANH;
    let (kind, loss) = (LayerKind::Bregman, Loss::CrossEntropy);
    for (classes, more) in [(256, 0), (257, 1)] {
        let model = Model::new(kind, Form::Dual, tanh, loss, &[13, 13, 13], classes);
        let model = model.expect("a network");
        let count = plan(&model, 1, true).train_step.len();
        assert_eq!(count, 2 * model.layers.len() + 2 + more, "{classes}");
    }
}

/// Each weight, and nothing else, has a second buffer with which it is swapped after a step.
#[test]
fn weights_alone_come_in_pairs() {
    for Case { name, model } in cases() {
        let plan = plan(&model, 1, true);
        let names: Vec<&str> = plan
            .pairs
            .iter()
            .map(|pair| plan.buffers[pair[0].0].name.as_str())
            .collect();
        let expected = (0..model.layers.len()).map(|l| format!("layers.{l}.weight"));
        let expected: Vec<String> = expected.chain(["head.weight".to_owned()]).collect();
        assert_eq!(names, expected, "{name}");
        let distinct: HashSet<usize> = plan.pairs.iter().flatten().map(|id| id.0).collect();
        assert_eq!(distinct.len(), 2 * plan.pairs.len(), "{name}");
    }
}

/// Networks of one width, without M, by stochastic gradient descent alone.
#[test]
fn networks_that_a_workgroup_s_memory_holds_are_small() {
    let is_small = |model: &Model, change: fn(&mut PlanOptions)| {
        let mut options = Path::Small.options(2, SGD);
        change(&mut options);
        let plan = Plan::new(model, &splits(model), options).expect("a plan");
        plan.small.is_some()
    };
    for Case { name, model } in cases().into_iter().chain(mixed_cases()) {
        let alike = |layer: &Layer| !layer.shape.mix && layer.shape.outputs == model.head.inputs;
        let one_width = model.layers.iter().all(alike) && model.cnn.is_none();
        let few = model.head.outputs <= 32;
        let expected = few && one_width && model.uniform().is_some();
        assert_eq!(is_small(&model, |_| {}), expected, "{name}");
        assert!(!is_small(&model, |options| options.small = false), "{name}");
        assert!(!is_small(&model, |options| options.fused = false), "{name}");
        let clipped = |options: &mut PlanOptions| options.recipe.clip_norm = Some(1.0);
        assert!(!is_small(&model, clipped), "{name}");
    }
    let tanh = &bregman::activation::Activation::TANH;
    let network = |width: usize, classes| {
        let (kind, loss) = (LayerKind::Euclidean, Loss::CrossEntropy);
        let model = Model::new(kind, Form::Dual, tanh, loss, &[width; 4], classes);
        model.expect("a network")
    };
    assert!(is_small(&network(32, 10), |options| options
        .recipe
        .batch_size = 32));
    assert!(!is_small(&network(64, 10), |_| {}));
    assert!(is_small(&network(7, 32), |_| {}));
    assert!(!is_small(&network(7, 33), |_| {}));
}

/// In half precision a step has the same dispatches and half of the memory for weights and activations;
/// biases and gradients stay in single precision.
#[test]
fn half_precision_halves_weights_and_activations() {
    let tanh = |case: &Case| case.model.activation_name() == "tanh";
    for Case { name, model } in cases().into_iter().filter(tanh) {
        let single = plan(&model, 2, true);
        let mut options = single.options.clone();
        options.storage = Storage::F16;
        let half = Plan::new(&model, &splits(&model), options.clone()).expect("a plan");
        assert_eq!(half.train_step.len(), single.train_step.len(), "{name}");
        for (half, single) in half.buffers.iter().zip(&single.buffers) {
            let part = half.name.rsplit('.').next();
            let stored = ["weight", "next weight", "z", "a", "u", "mix", "logits"];
            let halved = part.is_some_and(|part| stored.contains(&part));
            assert!(halved || !half.half, "{name}: {}", half.name);
            let expected = match half.half {
                true => (single.bytes / 2).next_multiple_of(4),
                false => single.bytes,
            };
            assert_eq!(half.bytes, expected, "{name}: {}", half.name);
            let weight = half.name.ends_with("weight");
            assert!(half.half || !weight, "{name}: {}", half.name);
        }
        options.fused = false;
        let refused = Plan::new(&model, &splits(&model), options);
        assert!(matches!(refused, Err(Error::InvalidValue { .. })), "{name}");
    }
}
