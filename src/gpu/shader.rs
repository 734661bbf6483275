//! WGSL modules: a kernel file followed by the library files that it needs. The module scope of WGSL is
//! independent of order, so linking is concatenation.

use super::wgsl::wgsl;
use super::wgsl::{File, MATH};
use crate::activation::Activation;

use crate::kind::Storage;

impl Storage {
    /// Its file.
    pub const fn file(self) -> File {
        match self {
            Self::F32 => wgsl!("product/storage/f32"),
            Self::F16 => wgsl!("product/storage/f16"),
        }
    }
}

/// The storage of weights and activations: single precision, unless [`Shader::stored`] changes it.
pub const STORAGE: File = Storage::F32.file();

/// A WGSL module: the kernel's file and the files linked to it. The kernel comes first, so that line
/// numbers in diagnostics are its own.
#[derive(Clone, Debug)]
pub struct Shader {
    /// The kernel and its library files.
    pub files: Vec<File>,
}

impl Shader {
    /// Links `kernel` with library `files`.
    pub fn new(kernel: File, files: impl IntoIterator<Item = File>) -> Self {
        Self {
            files: std::iter::once(kernel).chain(files).collect(),
        }
    }

    /// Links an activation too, with the elementary functions that it calls.
    pub fn with_activation(mut self, activation: &Activation) -> Self {
        let file = File {
            name: activation.name,
            text: activation.wgsl,
        };
        self.files.extend([file, MATH]);
        self
    }

    /// The same module with weights and activations in `storage`.
    pub fn stored(mut self, storage: Storage) -> Self {
        let is_storage = |file: &File| {
            let known = Storage::ALL.iter();
            known.map(|s| s.file().name).any(|name| name == file.name)
        };
        for file in &mut self.files {
            if is_storage(file) {
                *file = storage.file();
            }
        }
        self
    }

    /// The kernel's name: the file's without its folder, and the entry point's. Drivers, profilers and
    /// reports show it alone, so it is unique among all folders.
    pub fn kernel(&self) -> &'static str {
        let name = self.files[0].name;
        name.rsplit('/').next().unwrap_or(name)
    }

    /// The kernel's name and those of the files linked to it; unique to the module.
    pub fn label(&self) -> String {
        let linked = self.files[1..].iter().flat_map(|file| ["+", file.name]);
        std::iter::once(self.kernel()).chain(linked).collect()
    }

    /// The module's text. `enable` directives must precede everything else, so they move to the front.
    pub fn link(&self) -> String {
        let lines = || self.files.iter().flat_map(|f| f.text.lines());
        let is_enable = |line: &&str| line.starts_with("enable ");
        let enables = lines().filter(is_enable);
        let rest = lines().filter(|line| !is_enable(line));
        enables.chain(rest).flat_map(|line| [line, "\n"]).collect()
    }
}
