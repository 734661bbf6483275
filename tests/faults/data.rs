//! Data that are not what their names say, or not where they are looked for.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use bregman::data::{Part, cifar10, idx};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{SMALL, fails, refused, succeeds};
use crate::program::{self, folder};

/// Files in CIFAR-10's format with a few images; the classes differ in brightness.
pub fn write_cifar(folder: &Path) {
    for (f, name) in cifar10::FILES.into_iter().enumerate() {
        let record = |i: usize| {
            let label = ((7 * i + f) % 10) as u8;
            let pixels = (0..3072).map(move |p| 20 * label + ((31 * p + 17 * i) % 50) as u8);
            [label].into_iter().chain(pixels)
        };
        let records: Vec<u8> = (0..16).flat_map(record).collect();
        fs::write(folder.join(name), records).expect("write");
    }
}

const RUN: &str =
    "--dataset mnist --limit-train 50 --limit-test 50 --device cpu --width 9 --epochs 1";

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// The four files of a data set of MNIST's sizes and other contents, by their names.
pub fn strangers() -> Vec<(String, Vec<u8>)> {
    let header =
        |fields: &[u32]| -> Vec<u8> { fields.iter().flat_map(|f| f.to_be_bytes()).collect() };
    let mut files = Vec::new();
    for (part, samples) in [("train", 60_000_u32), ("t10k", 10_000)] {
        let mut images = header(&[0x0803, samples, 28, 28]);
        images.resize(16 + samples as usize * 784, 0);
        files.push((format!("{part}-images-idx3-ubyte"), images));
        let mut labels = header(&[0x0801, samples]);
        labels.extend((0..samples).map(|sample| (sample % 10) as u8));
        files.push((format!("{part}-labels-idx1-ubyte"), labels));
    }
    files
}

/// Well-formed files under MNIST's names are used, and a note says that they are not MNIST's;
/// compressed or not, and as 7-Zip names them.
#[test]
fn strangers_under_the_names_of_mnist_are_told_of() {
    let folder = folder();
    let files = strangers();
    let name = |kind: &str| folder.path().join(kind);
    for kind in ["plain", "gz", "dots"] {
        fs::create_dir(name(kind)).expect("a folder");
        for (file, bytes) in &files {
            let (file, bytes) = match kind {
                "gz" => (format!("{file}.gz"), gz(bytes)),
                "dots" => (file.replace("-idx", ".idx"), bytes.clone()),
                _ => (file.clone(), bytes.clone()),
            };
            fs::write(name(kind).join(file), bytes).expect("write");
        }
        let said = succeeds(RUN, &[("--data-dir", &name(kind))]);
        assert!(
            said.contains("note: train-images") && said.contains("not mnist's"),
            "{said}"
        );
        assert!(!said.contains("delete"), "{said}");
    }
}

/// A gzip file is all of its members.
#[test]
fn members_of_a_gzip_file_are_one() {
    let labels = [&[0, 0, 8, 1, 0, 0, 0, 5][..], &[3, 1, 4, 1, 5]].concat();
    let parse = |bytes: &[u8]| idx::parse(bytes, true, Part::Labels, 5).expect("memory");
    for cut in [1, 8, 10] {
        let members = [gz(&labels[..cut]), gz(&labels[cut..])].concat();
        assert_eq!(parse(&members), Ok(vec![3, 1, 4, 1, 5]), "{cut}");
    }
    let longer = [gz(&labels), gz(&[0])].concat();
    assert!(parse(&longer).is_err(), "a byte too many");
}

/// MNIST's own contents are MNIST, whatever compressed them. `BREGMAN_DATA_DIR` has its released files.
#[test]
#[ignore = "needs MNIST's released files in BREGMAN_DATA_DIR"]
fn mnist_compressed_anew_is_mnist() {
    let data = PathBuf::from(std::env::var_os("BREGMAN_DATA_DIR").expect("BREGMAN_DATA_DIR"));
    let (folder, wrong) = (folder(), folder());
    for (name, _) in strangers() {
        let file = File::open(data.join(format!("mnist/{name}.gz"))).expect("a released file");
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(file)
            .read_to_end(&mut bytes)
            .expect("gzip");
        let (head, tail) = bytes.split_at(bytes.len() / 3);
        let members = [gz(head), gz(tail)].concat();
        fs::write(folder.path().join(format!("{name}.gz")), members).expect("write");
        bytes[5000] ^= 1;
        fs::write(wrong.path().join(&name), bytes).expect("write");
    }
    let note = "not mnist's";
    assert!(!succeeds(RUN, &[("--data-dir", folder.path())]).contains(note));
    assert!(succeeds(RUN, &[("--data-dir", wrong.path())]).contains(note));
    // The contents say what a folder without a name has.
    let other = RUN.replace("mnist", "fashion-mnist");
    fails(
        &other,
        &[("--data-dir", folder.path())],
        1,
        &["this is mnist"],
    );
}

/// What was found is named, with what to do about it.
#[test]
fn what_is_there_instead_of_data_is_named() {
    let folder = folder();
    let root = folder.path();
    let file = root.join("train-images-idx3-ubyte");
    fs::write(&file, "x").expect("write");
    let at = |path: &Path, says: &[&str]| {
        let run = RUN.replace("--dataset mnist ", "");
        fails(&run, &[("--data-dir", path)], 1, says);
    };
    at(
        &file,
        &["it is a file", &root.display().to_string(), "--data-dir"],
    );
    // Neither this program nor root may read it.
    let link = root.join("loop");
    std::os::unix::fs::symlink(&link, &link).expect("a link");
    at(&link, &["cannot read folder", "loop", "symbolic links"]);
    let own = root.join("data/mnist");
    fs::create_dir_all(&own).expect("a folder");
    std::os::unix::fs::symlink(&link, own.join("train-images-idx3-ubyte.gz")).expect("a link");
    at(
        &root.join("data"),
        &[
            "cannot read",
            "train-images-idx3-ubyte.gz",
            "symbolic links",
        ],
    );
    for name in [
        "cifar-10-python.tar.gz",
        "cifar-10-batches-py/data_batch_1",
        "data_batch_1",
    ] {
        let python = tempfile::tempdir().expect("temporary folder");
        let path = python.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, "x").expect("write");
        at(python.path(), &["Python version", "cifar-10-binary.tar.gz"]);
    }
}

/// IDX files of one's own are not MNIST, whatever their names: the error of `--data-dir` says how they are
/// read, and there they train.
#[test]
fn own_files_in_the_place_of_mnist_are_read_as_own_data() {
    // Samples for training and for the test, classes, and the side of the images; as in EMNIST, there may be
    // more classes than ten.
    let cases = [
        ("100", [100, 20, 10, 28], "its header says 100 samples"),
        (
            "EMNIST",
            [1128, 188, 47, 28],
            "its header says 1128 samples",
        ),
        (
            "62-classes",
            [60_000, 10_000, 62, 28],
            "labels go from 0 to 9",
        ),
        (
            "32x32",
            [60_000, 10_000, 10, 32],
            "its images are 32×32 pixels",
        ),
    ];
    for (name, [train, test, classes, side], fault) in cases {
        let folder = folder();
        let header = |magic: u32, dims: &[u32]| -> Vec<u8> {
            let fields = [magic].into_iter().chain(dims.iter().copied());
            fields.flat_map(u32::to_be_bytes).collect()
        };
        for (part, samples) in [("train", train), ("t10k", test)] {
            let mut images = header(0x0803, &[samples, side, side]);
            let mut labels = header(0x0801, &[samples]);
            for sample in 0..samples {
                // A bar whose place is the class.
                let class = sample % classes;
                let pixels = (0..side * side).map(|p| if p / 13 == class { 255 } else { 0 });
                images.extend(pixels);
                labels.push(class as u8);
            }
            let write = |kind: &str, bytes: Vec<u8>| {
                let path = folder.path().join(format!("{part}-{kind}-ubyte"));
                fs::write(path, bytes).expect("write");
            };
            write("images-idx3", images);
            write("labels-idx1", labels);
        }
        let at = folder.path();
        fails(RUN, &[("--data-dir", at)], 1, &[fault, "own", "--data"]);
        let own = RUN.replace("--dataset mnist ", "");
        let said = succeeds(&format!("{own} --lr 0.01"), &[("--data", at)]);
        // Of the first fifty samples.
        let network = format!("→ 9 → {},", classes.min(50));
        assert!(said.contains(&network), "{name}: {said}");
    }
}

/// A saved layer of infinite depth is told from a network of layers, by its own option.
#[test]
fn a_layer_of_infinite_depth_is_not_taken_for_another_network() {
    let folder = folder();
    let [limit, layers] = ["limit", "layers"].map(|name| folder.path().join(name));
    succeeds(&format!("{SMALL} --equilibrium"), &[("--save", &limit)]);
    succeeds(SMALL, &[("--save", &layers)]);
    let with = |program: &str, args: &str, network: &Path| {
        let mut command = program::command(program, args);
        command.arg("--load").arg(network);
        command.output().expect("it starts")
    };
    let small = "--device cpu --limit-test 20";
    for program in ["bregman evaluate", "bregman train"] {
        let output = with(program, small, &limit);
        refused(&output, 1, &["limit of infinite depth: pass --equilibrium"]);
        let small = format!("{small} --equilibrium --limit-train 50 --epochs 1");
        assert!(with(program, &small, &limit).status.success());
        refused(
            &with(program, &small, &layers),
            1,
            &["its layers are bregman", "leave it out"],
        );
    }
    for (program, args) in [("bregman predict", "picture.png"), ("bregman export", "")] {
        let output = with(program, args, &limit);
        refused(
            &output,
            1,
            &["predictions and exports do not take such a network"],
        );
    }
    // What was read from a file stays as it is, even where it is the name of an option.
    let bytes = fs::read(&layers).expect("read");
    let text = b"\"layer\":\"bregman\"";
    let place = bytes.windows(text.len()).position(|window| window == text);
    let place = place.expect("the kind of its layers");
    let mut other = bytes.clone();
    other[place..place + text.len()].copy_from_slice(b"\"layer\":\"dropout\"");
    fs::write(&layers, &other).expect("write");
    let output = with("bregman evaluate", small, &layers);
    refused(&output, 1, &["unknown layer `dropout`"]);
}
