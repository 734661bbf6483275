//! The WGSL, checked without an adapter: each permutation that ships parses, validates, agrees with the
//! host on the layout of its `Params`, and is written out in the language of each graphics interface.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use bregman::activation::Activation;
use bregman::gpu::Permutation;
use bregman::gpu::ops;
use bregman::gpu::ops::elementwise::apply_function;
use bregman::gpu::reflect::{Access, Reflection, parse, reflect};
use bregman::gpu::shader::Shader;
use bregman::gpu::tile::Tile;
use bregman::gpu::wgsl::File;
use bregman::nn::LayerShape;
use bregman::rng::Purpose;
use bregman::selftest::functions;
use naga::Module;
use naga::back::{hlsl, msl, spv};
use naga::valid::ModuleInfo;
use rayon::prelude::*;

/// The permutations that train networks, and those that test elementary functions.
fn permutations() -> Vec<Permutation> {
    let functions = functions::all().into_iter().map(|function| {
        let shader = apply_function::shader(function.wgsl);
        (shader, apply_function::Params::FIELDS)
    });
    ops::permutations().into_iter().chain(functions).collect()
}

#[test]
fn every_permutation_agrees_with_the_host_and_is_written() {
    let permutations = permutations();
    let labels: HashSet<String> = permutations.iter().map(|(s, _)| s.label()).collect();
    assert_eq!(
        labels.len(),
        permutations.len(),
        "a permutation is listed twice"
    );
    permutations.par_iter().for_each(|(shader, host_fields)| {
        let (module, info) = parse(shader).unwrap_or_else(|e| panic!("{e}"));
        agrees_with_the_host(shader, &module, host_fields);
        is_written(&shader.label(), &module, &info);
    });
}

fn agrees_with_the_host(shader: &Shader, module: &Module, host_fields: &[(&str, &str)]) {
    let label = shader.label();
    let reflection = Reflection::new(shader, module).unwrap_or_else(|e| panic!("{e}"));
    let wgsl_fields: Vec<_> = reflection
        .params
        .iter()
        .map(|f| (f.name.as_str(), f.scalar, f.offset))
        .collect();
    let host_fields: Vec<_> = (0u32..)
        .zip(host_fields.iter())
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

/// Writes a module as SPIR-V for Vulkan, MSL for Metal and HLSL for Direct3D 12, none of which has to be
/// here. Direct3D 12 has no cooperative matrices, and naga's writer does not know them.
fn is_written(label: &str, module: &Module, info: &ModuleInfo) {
    let mut words = Vec::new();
    spv::Writer::new(&spv::Options::default())
        .and_then(|mut writer| writer.write(module, info, None, &None, &mut words))
        .unwrap_or_else(|e| panic!("{label} as SPIR-V: {e}"));
    assert_eq!(words[0], 0x0723_0203, "{label}: SPIR-V's magic number");

    // Without a pipeline nothing says which slot a binding takes.
    let options = msl::Options {
        lang_version: (2, 4),
        fake_missing_bindings: true,
        ..Default::default()
    };
    let mut text = String::new();
    let written = msl::Writer::new(&mut text).write(module, info, &options, &Default::default());
    written.unwrap_or_else(|e| panic!("{label} as MSL: {e}"));
    assert!(
        text.contains("kernel void"),
        "{label}: an entry point in MSL"
    );

    let of_matrix_units =
        |ty: &naga::Type| matches!(ty.inner, naga::TypeInner::CooperativeMatrix { .. });
    if module.types.iter().any(|(_, ty)| of_matrix_units(ty)) {
        return;
    }
    // The first shader model with half precision in memory.
    let options = hlsl::Options {
        shader_model: hlsl::ShaderModel::V6_2,
        fake_missing_bindings: true,
        ..Default::default()
    };
    let mut text = String::new();
    let pipeline = hlsl::PipelineOptions::default();
    let written = hlsl::Writer::new(&mut text, &options, &pipeline).write(module, info, None);
    written.unwrap_or_else(|e| panic!("{label} as HLSL: {e}"));
    assert!(
        text.contains("[numthreads("),
        "{label}: an entry point in HLSL"
    );
}

/// The text of a file's leading comment, on one line.
fn header(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix("//"));
    lines.map(str::trim).collect::<Vec<_>>().join(" ")
}

/// The identifiers of a text and the characters between them, without comments and spaces.
fn words(text: &str) -> Vec<&str> {
    let code = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or(""));
    code.flat_map(|line| {
        let boundary = |c: char| !(c.is_alphanumeric() || c == '_');
        line.split_inclusive(boundary).flat_map(move |word| {
            let (name, end) = word.split_at(word.trim_end_matches(boundary).len());
            [name, end]
        })
    })
    .map(str::trim)
    .filter(|word| !word.is_empty())
    .collect()
}

/// The functions that a file defines.
fn defined(text: &str) -> BTreeSet<&str> {
    let words = words(text);
    let pairs = words.windows(2).filter(|pair| pair[0] == "fn");
    pairs.map(|pair| pair[1]).collect()
}

/// The names that a file applies to arguments: functions, types and builtins.
fn called(text: &str) -> BTreeSet<&str> {
    let words = words(text);
    let pairs = words.windows(2).filter(|pair| pair[1] == "(");
    pairs.map(|pair| pair[0]).collect()
}

/// The folder that a file comes from, as a header names it.
fn folder(file: &File, kernel: &str) -> String {
    let activations = Activation::ALL.iter().chain([&Activation::RELU]);
    match file.name.rsplit_once('/') {
        _ if file.name.ends_with(&format!("/{kernel}")) => "kernel".to_owned(),
        Some((folders, _)) => folders.rsplit('/').next().unwrap_or(folders).to_owned(),
        None if activations.into_iter().any(|a| a.name == file.name) => "activation".to_owned(),
        None => "functions".to_owned(),
    }
}

/// A hook is a function that a file calls, that it does not define, and that different files define in
/// different permutations. A file's header names its hooks, each behind the folders that define it, and
/// that of a kernel without hooks says so.
#[test]
fn headers_name_their_hooks() {
    // By file: its text, whether it is a kernel, and the files (with their folders) that define what it
    // calls.
    type Definers = BTreeMap<&'static str, BTreeSet<(String, &'static str)>>;
    let mut files: BTreeMap<&str, (&str, bool, Definers)> = BTreeMap::new();
    let mut names = HashMap::new();
    for (shader, _) in permutations() {
        for file in &shader.files {
            let of_file = || (defined(file.text), called(file.text));
            names.entry(file.name).or_insert_with(of_file);
        }
        for (position, file) in shader.files.iter().enumerate() {
            let entry = (file.text, position == 0, Definers::new());
            let (_, _, definers) = files.entry(file.name).or_insert(entry);
            let (own, called) = &names[file.name];
            for other in shader.files.iter().filter(|other| other.name != file.name) {
                for function in names[other.name].0.intersection(called) {
                    if !own.contains(function) {
                        let place = (folder(other, shader.kernel()), other.name);
                        definers.entry(function).or_default().insert(place);
                    }
                }
            }
        }
    }
    let mut wrong = Vec::new();
    for (name, (text, kernel, definers)) in files {
        let mut hooks: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (function, places) in definers.iter().filter(|(_, places)| places.len() > 1) {
            let folders: BTreeSet<&str> = places.iter().map(|(folder, _)| &folder[..]).collect();
            let folders: Vec<&str> = folders.into_iter().collect();
            hooks
                .entry(folders.join(" or "))
                .or_default()
                .push(function);
        }
        let hooks: Vec<String> = hooks
            .iter()
            .map(|(folders, functions)| format!("{folders} ({})", functions.join(", ")))
            .collect();
        let expected = match hooks.is_empty() {
            false => format!("Hooks: {}.", hooks.join(", ")),
            true if kernel => "Hooks: none.".to_owned(),
            true => String::new(),
        };
        let header = header(text);
        let found = header.find("Hooks:").map_or("", |at| &header[at..]);
        if found != expected {
            wrong.push(format!("{name}: `{expected}`, not `{found}`"));
        }
    }
    assert!(wrong.is_empty(), "headers:\n{}", wrong.join("\n"));
}

/// The shader draws from the host's streams of random numbers.
#[test]
fn purposes_agree_with_the_host() {
    for (shader, _) in ops::sweep::permutations() {
        let reflection = reflect(&shader).unwrap_or_else(|e| panic!("{e}"));
        for (name, purpose) in [
            ("PURPOSE_INIT", Purpose::Init),
            ("PURPOSE_SHUFFLE", Purpose::Shuffle),
        ] {
            let stated = reflection.constants.get(name);
            assert_eq!(stated, Some(&(purpose as u32)), "{}", shader.label());
        }
    }
}

/// If the sizes did not divide, elements of a tile would not be loaded, or outputs not written.
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
        assert!([2, 4, 8].contains(&fours), "{tile:?}: blocks of a slice");
        let stage_bytes = 4 * s.k * (s.m + s.n);
        let workgroup_bytes = stage_bytes + 16 * s.k * s.padding;
        assert!(
            workgroup_bytes <= 16384,
            "{tile:?}: WebGPU promises 16 KiB, not {workgroup_bytes}"
        );
        let threads = s.m / s.thread_m * (s.n / s.thread_n) * s.slices;
        let blocks = [s.m, s.n].map(|extent| s.k / 4 * extent / 4);
        let both = blocks[0] == threads && blocks[1] <= threads;
        assert!(
            both || blocks[0] + blocks[1] == threads,
            "{tile:?}: a block an invocation, or one of each operand"
        );
        let along_k = s.k / 4;
        assert!(along_k <= 8 || along_k.is_multiple_of(8), "{tile:?}: runs");
        // The memory of the stage has the sums of all slices, some rows at a time.
        let rows = 1 << (stage_bytes / (4 * s.slices * s.n)).ilog2();
        assert_eq!((rows % 4, s.m % rows.min(s.m)), (0, 0), "{tile:?}: passes");
        let elements = rows.min(s.m) * s.n / threads;
        assert!(
            elements < 4 || elements.is_multiple_of(4),
            "{tile:?}: fours"
        );
    }
}

/// The two products of a backward pass share a tile.
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
        (128, 4096, 256, true, Medium),
        (4096, 4096, 4096, true, Large),
        (128, 784, 10, true, Deep),
        (10, 2, 2, true, Short),
    ] {
        let layer = LayerShape {
            inputs,
            outputs,
            mix: false,
        };
        let found = ops::layer::layer_backward::tile([1, batch], &layer, input_wanted);
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
