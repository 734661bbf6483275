//! The readers of a user's own data: small files of every form, and every fault that they may have.

#[path = "sources/arrays.rs"]
mod arrays;
#[path = "sources/cifar.rs"]
mod cifar;
#[path = "sources/idx.rs"]
mod idx;
#[cfg(feature = "plot")]
#[path = "sources/images.rs"]
mod images;
#[path = "sources/tables.rs"]
mod tables;

use std::fs;
use std::path::{Path, PathBuf};

use bregman::data::raw::{Parts, Raw, Samples};
use bregman::data::reader::{self, ReadOptions};
use bregman::data::{Inputs, Targets};
use bregman::error::{DataFault, Error};
use tempfile::TempDir;

/// A folder with files.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file, and the folders above it.
    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("create");
        fs::write(&path, bytes).expect("write");
        path
    }
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn open(path: &Path) -> Parts {
    reader::open(path, &ReadOptions::default())
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The fault of the data at `path`, and the file that it names.
fn fault_with(path: &Path, options: &ReadOptions) -> (DataFault, PathBuf) {
    match reader::open(path, options) {
        Err(Error::Data { path, fault }) => (fault, path),
        other => panic!("{other:?}"),
    }
}

fn fault(path: &Path) -> DataFault {
    fault_with(path, &ReadOptions::default()).0
}

fn samples(raw: &Raw) -> &Samples {
    match raw {
        Raw::Samples(samples) => samples,
        Raw::Table(table) => panic!("{table:?}"),
    }
}

fn train(parts: &Parts) -> &Samples {
    samples(&parts.train)
}

fn test(parts: &Parts) -> &Samples {
    samples(parts.test.as_ref().expect("a test part"))
}

fn bytes(samples: &Samples) -> &[u8] {
    match &samples.inputs {
        Inputs::Bytes(bytes) => bytes,
        Inputs::Numbers(numbers) => panic!("{numbers:?}"),
    }
}

fn numbers(samples: &Samples) -> &[f32] {
    match &samples.inputs {
        Inputs::Bytes(bytes) => panic!("{bytes:?}"),
        Inputs::Numbers(numbers) => numbers,
    }
}

fn classes(samples: &Samples) -> &[u32] {
    match &samples.targets {
        Some(Targets::Classes(classes)) => classes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_no_data_is_told() {
    let folder = Folder::new();
    let empty = fault(folder.path());
    assert!(empty.to_string().contains("empty folder"), "{empty}");
    let text = folder.write("notes.txt", "some words");
    assert!(matches!(fault(&text), DataFault::UnknownForm { .. }));
    let nothing = fault(folder.path());
    assert!(nothing.to_string().contains("nothing in it"), "{nothing}");
    // A folder whose data have other names than those of parts.
    folder.write("wine.csv", "a,b\n1,2\n");
    let one = fault(folder.path());
    assert!(one.to_string().contains("wine.csv"), "{one}");
    let missing = reader::open(&folder.path().join("no"), &ReadOptions::default());
    assert!(matches!(missing, Err(Error::Io { .. })), "{missing:?}");
}
