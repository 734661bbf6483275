//! The seeds of the corpus, written again by hand when a format changes.

use std::fs;
use std::path::Path;

use bregman::checkpoint::{self, Run};

use super::SAMPLES;

/// An NPY file.
pub fn npy(descr: &str, shape: &str, body: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    let header = format!("{header:<117}\n");
    [b"\x93NUMPY\x01\x00\x76\x00", header.as_bytes(), body].concat()
}

/// Writes the seeds of the readers of a user's own data; run by hand when they change.
#[test]
#[ignore = "writes to tests/corpus"]
fn write_the_corpus_of_sources() {
    use std::io::Write;

    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let write = |name: &str, bytes: &[u8]| {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("create");
        fs::write(path, bytes).expect("write");
    };
    write("table/plain.csv", b"n,t,m\n1,a,2.5\n-3e4,b,NA\n.5,a,nan\n");
    write(
        "table/quoted.csv",
        b"\xEF\xBB\xBFt;\"n\"\r\n\"x; \"\"y\"\"\r\nz\";1\r\n\r\nb;-inf\r\nc;2",
    );
    write("table/tab.csv", b"n\tt\n\"1\"\t5\" wide\n2\t\xC3\xA9\n");
    let floats: Vec<u8> = (0..6u8).flat_map(|x| f32::from(x).to_le_bytes()).collect();
    let x = npy("<f4", "(3, 2)", &floats);
    let y = npy("<i8", "(3,)", &[1u64, 0, 2].map(u64::to_le_bytes).concat());
    write("npy/floats.npy", &x);
    write("npy/integers.npy", &y);
    let fortran = npy(">u2", "(2, 2, 3)", &[7; 24]);
    let fortran = String::from_utf8_lossy(&fortran[10..128]).replacen("False,", "True, ", 1);
    let fortran = [&x[..10], fortran.as_bytes(), &[7; 24]].concat();
    write("npy/fortran.npy", &fortran);
    write(
        "npy/names.npy",
        &npy("<U2", "(2,)", b"a\0\0\0b\0\0\0c\0\0\0\0\0\0\0"),
    );
    let method = [
        zip::CompressionMethod::Stored,
        zip::CompressionMethod::Deflated,
    ];
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, array, method) in [("x.npy", &x, method[0]), ("y.npy", &y, method[1])] {
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        writer.start_file(name, options).expect("memory");
        writer.write_all(array).expect("memory");
    }
    write(
        "npz/seed.npz",
        &writer.finish().expect("memory").into_inner(),
    );
    let idx = |element: u8, dims: &[u32], body: &[u8]| {
        let sizes: Vec<u8> = dims.iter().flat_map(|dim| dim.to_be_bytes()).collect();
        [&[0, 0, element, dims.len() as u8][..], &sizes, body].concat()
    };
    write("idx/images", &idx(0x08, &[2, 2, 3], &[9; 12]));
    write("idx/colour", &idx(0x08, &[1, 2, 2, 3], &[9; 12]));
    write(
        "idx/doubles",
        &idx(0x0E, &[2, 1], &[1.5f64; 2].map(f64::to_be_bytes).concat()),
    );
    let header = br#"{"x":{"dtype":"F16","shape":[2,1],"data_offsets":[0,4]},"y":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}}"#;
    let size = (header.len() as u64).to_le_bytes();
    write(
        "tensors/seed.safetensors",
        &[&size[..], header, &[0, 60, 0, 56, 1, 0]].concat(),
    );
    let record = [&[19, 99][..], &[5; 3072]].concat();
    write("cifar100/seed", &[&record[..], &record].concat());
    let batch = [
        b"\x80\x02}q\x01(U\x06labelsq\x02](K\x07M\x03\x00eU\x04data",
        &b"cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85U\x01b\x87R"[..],
        b"(K\x01K\x02M\x00\x0c\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R",
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T",
        &6144u32.to_le_bytes(),
        &[5; 6144],
        b"tbu.",
    ];
    write("pickle/seed", &batch.concat());
    let newer = b"\x80\x05\x95\x10\0\0\0\0\0\0\0}\x94(\x8c\x06labels\x94]\x94(J\xff\xff\xff\xffeC\x04data\x94c_codecs\nencode\nX\x02\0\0\0\xC3\xA9X\x06\0\0\0latin1\x86Ru.";
    write("pickle/newer", newer);
}

/// Writes the seeds of the corpus again; run by hand when a format changes.
#[test]
#[ignore = "writes to tests/corpus"]
fn write_the_corpus() {
    use bregman::activation::Activation;
    use bregman::kind::{Form, Init, LayerKind, Loss};
    use bregman::nn::{LayerSpec, Model};
    use bregman::train::{EpochMetrics, Position, Sums};
    use std::io::Write;

    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let write = |name: &str, bytes: &[u8]| {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("create");
        fs::write(path, bytes).expect("write");
    };
    let header = [0x0803u32, SAMPLES, 28, 28].map(u32::to_be_bytes).concat();
    let body: Vec<u8> = (0..28 * 28 * SAMPLES).map(|i| (i / 97) as u8).collect();
    let images = [header, body].concat();
    write("idx-images/seed", &images);
    let labels = [0x0801u32, SAMPLES].map(u32::to_be_bytes).concat();
    write("idx-labels/seed", &[&labels[..], &[0, 9, 5]].concat());
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&images).expect("memory");
    write("gzip/seed", &encoder.finish().expect("memory"));

    let records = [7u8, 9].map(|label| [&[label][..], &[label; 3072]].concat());
    write("cifar10/seed", &records.concat());

    let (kind, form, loss) = (LayerKind::Bregman, Form::Dual, Loss::CrossEntropy);
    let model = Model::new(kind, form, &Activation::TANH, loss, &[5, 3, 3], 2).expect("valid");
    let parameters = [1, 2].map(|seed| Init::Random.parameters(&model, seed));
    let seed = root.join("network/seed");
    checkpoint::save(&seed, &model, "mnist", &parameters[..1]).expect("save");
    let standard = LayerSpec::new(LayerKind::Standard, form, &Activation::TANH, 3);
    let passed = LayerSpec {
        dual_passage: true,
        ..LayerSpec::new(kind, form, &Activation::SIGMOID, 3)
    };
    let mixed = Model::from_layers(5, &[standard, passed], loss, 2).expect("valid");
    let of_mixed = [Init::Random.parameters(&mixed, 1)];
    let seed = root.join("network/mixed");
    checkpoint::save(&seed, &mixed, "mnist", &of_mixed).expect("save");
    let epoch = EpochMetrics {
        epoch: 1,
        train_loss: 1.5,
        train_accuracy: 0.5,
        test_accuracy: 0.5,
        test_loss: 1.5,
        train_losses: vec![1.0, 2.0],
        train_accuracies: vec![0.5, 0.5],
        test_losses: vec![1.25, 1.75],
        test_accuracies: vec![0.25, 0.75],
        val_loss: Some(1.5),
        val_losses: Some(vec![1.0, 2.0]),
        val_accuracy: Some(0.5),
        val_accuracies: Some(vec![0.5, 0.5]),
        seconds: 1.0,
        samples_per_second: 100.0,
    };
    let sums = Sums {
        loss: 3.0,
        correct: 1,
        samples: 4,
    };
    let run = Run {
        model,
        dataset: "mnist".to_owned(),
        data_sha256: "0".repeat(64),
        device: "cpu".to_owned(),
        options: [("lr".to_owned(), "0.1".to_owned())].into(),
        seed: 1,
        position: Position {
            epochs: [epoch].into_iter().collect(),
            steps: 1,
            seconds: 0.5,
            sums: vec![sums; 2],
            limits: vec![1e6; 2],
            diverged: vec![None; 2],
            kept: vec![Some(parameters[0].clone()), None],
        },
        parameters: parameters.to_vec(),
        moments: vec![vec![parameters[0].clone()]; 2],
    };
    for folder in ["run", "state"] {
        run.save(&root.join(folder).join("seed")).expect("save");
    }
    let settings = "# a run\nlayer = \"bregman\"\nlr = 0.2\ninput-range = [0, 1e-6]\nunfused = true\nseed = 18446744073709551615\n";
    write("settings/seed.toml", settings.as_bytes());
    write(
        "settings/deep.toml",
        ["a = ", &"[".repeat(200)].concat().as_bytes(),
    );
}
