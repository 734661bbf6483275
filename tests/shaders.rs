//! The WGSL, checked without an adapter: every permutation that ships parses, validates and agrees
//! with the host on the layout of its `Params`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use bregman::gpu::ops::{self, apply_function};
use bregman::gpu::shader::{self, Access, Shader, Tile};
use bregman::nn::Layer;
use bregman::rng::Purpose;
use bregman::selftest::functions;

/// Those that train networks, and those that test elementary functions.
fn permutations() -> Vec<(Shader, &'static [(&'static str, &'static str)])> {
    let functions = functions::all().into_iter().map(|function| {
        let shader = apply_function::shader(function.wgsl);
        (shader, apply_function::Params::FIELDS)
    });
    ops::permutations().into_iter().chain(functions).collect()
}

#[test]
fn every_permutation_validates_and_agrees_with_the_host() {
    let permutations = permutations();
    let labels: HashSet<String> = permutations.iter().map(|(s, _)| s.label()).collect();
    assert_eq!(
        labels.len(),
        permutations.len(),
        "a permutation is listed twice"
    );
    for (shader, host_fields) in permutations {
        let label = shader.label();
        let reflection = shader::reflect(&shader).unwrap_or_else(|e| panic!("{e}"));
        let wgsl_fields: Vec<_> = reflection
            .params
            .iter()
            .map(|f| (f.name.as_str(), f.scalar, f.offset))
            .collect();
        let host_fields: Vec<_> = (0u32..)
            .zip(host_fields)
            .map(|(i, &(name, scalar))| (name, scalar, 4 * i))
            .collect();
        assert_eq!(wgsl_fields, host_fields, "Params of {label}");
        let invocations: u32 = reflection.workgroup_size.iter().product();
        assert!(
            invocations <= 256,
            "{label}: WebGPU promises 256 invocations, not {invocations}"
        );
        let storage = reflection
            .bindings
            .iter()
            .filter(|b| b.access != Access::Uniform)
            .count();
        assert!(
            storage <= 8,
            "{label}: WebGPU promises 8 storage buffers, not {storage}"
        );
    }
}

/// The shader's streams of random numbers are those of the host.
#[test]
fn purposes_agree_with_the_host() {
    for shader in ops::sweep::shaders() {
        let reflection = shader::reflect(&shader).unwrap_or_else(|e| panic!("{e}"));
        for (name, purpose) in [
            ("PURPOSE_INIT", Purpose::Init),
            ("PURPOSE_SHUFFLE", Purpose::Shuffle),
        ] {
            let stated = reflection.constants.get(name);
            assert_eq!(stated, Some(&(purpose as u32)), "{}", shader.label());
        }
    }
}

/// Sizes that do not divide would leave elements of a tile unloaded or outputs unwritten.
#[test]
fn tiles_divide_evenly() {
    for tile in Tile::ALL {
        let s = tile.sizes();
        assert_eq!((s.m % s.thread_m, s.n % s.thread_n), (0, 0), "{tile:?}");
        let quads = |thread: u32| [4, 8].contains(&thread);
        assert!(quads(s.thread_m) && quads(s.thread_n), "{tile:?}: quads");
        let swizzled = s.m.is_power_of_two() && s.n.is_power_of_two();
        assert!(swizzled, "{tile:?}: quads that trade places");
        let fours = s.k / s.slices / 4;
        assert!([2, 4].contains(&fours), "{tile:?}: blocks of a slice");
        let workgroup_bytes = 4 * s.k * (s.m + s.n);
        assert!(
            workgroup_bytes <= 16384,
            "{tile:?}: WebGPU promises 16 KiB, not {workgroup_bytes}"
        );
        let threads = s.m / s.thread_m * (s.n / s.thread_n) * s.slices;
        let blocks = s.k / 4 * (s.m + s.n) / 4;
        assert_eq!(blocks, threads, "{tile:?}: a block an invocation");
        let along_k = s.k / 4;
        assert!(along_k <= 8 || along_k.is_multiple_of(8), "{tile:?}: runs");
        // The sums of all slices take turns in the memory of the stage.
        let rows = workgroup_bytes / (4 * s.slices * s.n);
        assert_eq!((rows % 4, s.m % rows.min(s.m)), (0, 0), "{tile:?}: passes");
        let elements = rows.min(s.m) * s.n / threads;
        assert!(
            elements < 4 || elements.is_multiple_of(4),
            "{tile:?}: fours"
        );
    }
}

/// Both products of a backward pass share a tile.
#[test]
fn tiles_follow_the_shape() {
    use Tile::{Deep, Large, Medium, Short, Small};
    for (batch, inputs, outputs, input_wanted, expected) in [
        (32, 784, 784, true, Short),
        (64, 784, 784, true, Small),
        (128, 784, 784, true, Small),
        (128, 784, 784, false, Short),
        (512, 784, 784, true, Medium),
        (512, 784, 128, true, Small),
        (128, 4096, 256, true, Small),
        (4096, 4096, 4096, true, Large),
        (128, 784, 10, true, Deep),
        (10, 2, 2, true, Short),
    ] {
        let layer = Layer {
            inputs,
            outputs,
            mix: false,
        };
        let found = ops::layer_backward::tile(batch, &layer, input_wanted);
        let what = format!("batch {batch}, {inputs} to {outputs}");
        assert_eq!(found, expected, "{what}");
    }
}

#[test]
fn every_file_is_part_of_a_permutation() {
    fn wgsl_files(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("shaders/ is readable") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                wgsl_files(&path, files);
            } else {
                files.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let mut files = Vec::new();
    wgsl_files(&root, &mut files);
    let linked: String = permutations().iter().map(|(s, _)| s.link()).collect();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a WGSL file");
        // The linker moves directives to the front.
        let text: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with("enable "))
            .collect();
        let text = text.join("\n");
        assert!(
            linked.contains(text.trim_end()),
            "{} is in no permutation",
            file.display()
        );
    }
}
