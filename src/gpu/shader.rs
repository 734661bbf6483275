//! WGSL modules: linking files into them and reading them back through naga.
//!
//! A module is a kernel file followed by the library files that it needs; module scope is
//! independent of order. Bindings, workgroup sizes, tile sizes and the layout of `Params` are stated
//! in WGSL alone and read here.

use std::collections::HashMap;
use std::sync::LazyLock;

use naga::{AddressSpace, Literal, ScalarKind, StorageAccess, TypeInner};

use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::gpu::ops::Product;

/// A WGSL file.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// Its path below `shaders/`, without extension.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// The WGSL file with this path below `shaders/`.
macro_rules! wgsl {
    ($name:literal) => {
        $crate::gpu::shader::File {
            name: $name,
            text: include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/shaders/",
                $name,
                ".wgsl"
            )),
        }
    };
}
pub(super) use wgsl;

/// Elementary functions.
pub const MATH: File = wgsl!("math");
/// Indexing of elementwise kernels.
pub const GRID: File = wgsl!("grid");
/// Non-finite tests and limits.
pub const NUMBERS: File = wgsl!("numbers");
/// Random numbers.
pub const RNG: File = wgsl!("rng");
/// Kernels with one workgroup a row.
pub const ROW_SUM: File = wgsl!("row_sum");
/// The samples of a step.
pub const STEP: File = wgsl!("step");
/// Places in stacks of planes.
pub const PLACE: File = wgsl!("place");
/// Which elements of a vector there are.
pub const VECTOR: File = wgsl!("operand/vector");
/// What is kept of each sample.
pub const METRICS: File = wgsl!("metrics");
/// The projection onto the simplex.
pub const SIMPLEX: File = wgsl!("simplex");
/// A left operand that is contiguous along the depth of a product.
pub const LHS_K: File = wgsl!("layout/lhs_k");
/// A left operand that is loaded whole, a stage ahead.
pub const LHS_WHOLE: File = wgsl!("layout/lhs_whole");
/// A right operand that is contiguous along the depth of a product.
pub const RHS_K: File = wgsl!("layout/rhs_k");
/// The tiled product.
pub const TILE_MATMUL: File = wgsl!("tile_matmul");

pub use crate::kind::Storage; // moved

impl Storage {
    /// Its file.
    pub const fn file(self) -> File {
        match self {
            Self::F32 => wgsl!("storage/f32"),
            Self::F16 => wgsl!("storage/f16"),
        }
    }
}

/// How weights and activations lie in memory: in single precision, unless [`Shader::stored`] changes
/// that.
pub const STORAGE: File = Storage::F32.file();

/// A module: the kernel first, so that its diagnostics keep their line numbers.
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

    /// Links an activation too, with the elementary functions under it.
    pub fn with_activation(mut self, activation: &Activation) -> Self {
        let file = File {
            name: activation.name,
            text: activation.wgsl,
        };
        self.files.extend([file, MATH]);
        self
    }

    /// The same on weights and activations that lie in memory otherwise.
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

    /// The kernel's name, which is its entry point's.
    pub fn kernel(&self) -> &'static str {
        self.files[0].name
    }

    /// The names of the files, kernel first; unique to the module.
    pub fn label(&self) -> String {
        self.files
            .iter()
            .map(|f| f.name)
            .collect::<Vec<_>>()
            .join("+")
    }

    /// The module's text. `enable` directives must precede all else, so they are moved to the front.
    pub fn link(&self) -> String {
        let lines = || self.files.iter().flat_map(|f| f.text.lines());
        let is_enable = |line: &&str| line.starts_with("enable ");
        let enables = lines().filter(is_enable);
        let rest = lines().filter(|line| !is_enable(line));
        enables.chain(rest).flat_map(|line| [line, "\n"]).collect()
    }
}

/// The sizes of a workgroup's tile of a matrix product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TileSizes {
    /// Rows of the output.
    pub m: u32,
    /// Columns of the output.
    pub n: u32,
    /// Depth of one load.
    pub k: u32,
    /// Rows of one invocation.
    pub thread_m: u32,
    /// Columns of one invocation.
    pub thread_n: u32,
    /// Parts of the depth that different invocations take.
    pub slices: u32,
}

/// The tile files, smallest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tile {
    /// 16 × 16, and the depth split 16 ways.
    Deep,
    /// 32 × 32, by half as many invocations as the others have.
    Short,
    /// 32 × 32.
    Small,
    /// 64 × 64.
    Medium,
    /// 128 × 128.
    Large,
}

impl Tile {
    /// Every tile.
    pub const ALL: [Self; 5] = [
        Self::Deep,
        Self::Short,
        Self::Small,
        Self::Medium,
        Self::Large,
    ];

    /// Its file.
    pub fn file(self) -> File {
        match self {
            Self::Deep => wgsl!("tile/deep"),
            Self::Short => wgsl!("tile/short"),
            Self::Small => wgsl!("tile/small"),
            Self::Medium => wgsl!("tile/medium"),
            Self::Large => wgsl!("tile/large"),
        }
    }

    /// Its sizes, as the file states them.
    pub fn sizes(self) -> TileSizes {
        static SIZES: LazyLock<[TileSizes; 5]> = LazyLock::new(|| {
            Tile::ALL.map(|tile| {
                let module = naga::front::wgsl::parse_str(tile.file().text)
                    .expect("tile files are checked by a test");
                let constants = constants(&module);
                let get = |name| constants[name];
                TileSizes {
                    m: get("TILE_M"),
                    n: get("TILE_N"),
                    k: get("TILE_K"),
                    thread_m: get("THREAD_M"),
                    thread_n: get("THREAD_N"),
                    slices: get("SLICES"),
                }
            })
        });
        SIZES[self as usize]
    }

    /// How many tiles cover an (m, n) output.
    pub fn tiles(self, m: usize, n: usize) -> usize {
        let sizes = self.sizes();
        m.div_ceil(sizes.m as usize) * n.div_ceil(sizes.n as usize)
    }

    /// The first of `tiles` that an (m, n) output fills by two thirds, else the last.
    pub fn filled<const N: usize>(tiles: [Self; N], m: usize, n: usize) -> Self {
        let filled = |tile: &Self| tile.fills(m, n);
        tiles.into_iter().find(filled).unwrap_or(tiles[N - 1])
    }

    fn fills(self, m: usize, n: usize) -> bool {
        let TileSizes {
            m: rows, n: cols, ..
        } = self.sizes();
        2 * self.tiles(m, n) * (rows * cols) as usize <= 3 * m * n
    }

    /// The tile for a product: `large` if the output fills it and it gives a big card a workgroup for
    /// most of its processors; `deep` where few outputs meet long sums; `short` for short sums, whose
    /// workgroups do little but start and end; then `medium` by the rule of `large`, else `small`. A
    /// function of the shape alone, so that results do not depend on the adapter or on R.
    pub fn for_product(Product { m, n, k }: Product) -> Self {
        const ENOUGH_WORKGROUPS: usize = 96;
        const FEW_WORKGROUPS: usize = 64;
        const LONG_SUM: usize = 64;
        const SHORT_SUM: usize = 128;
        let good = |tile: Self| tile.tiles(m, n) >= ENOUGH_WORKGROUPS && tile.fills(m, n);
        match () {
            () if good(Self::Large) => Self::Large,
            () if k >= LONG_SUM && Self::Small.tiles(m, n) < FEW_WORKGROUPS => Self::Deep,
            () if k <= SHORT_SUM => Self::Short,
            () if good(Self::Medium) => Self::Medium,
            () => Self::Small,
        }
    }
}

/// The order of a product's operands in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// lhs (m, k), rhs (n, k).
    Nt,
    /// lhs (m, k), rhs (k, n).
    Nn,
    /// lhs (k, m), rhs (k, n).
    Tn,
}

impl Layout {
    /// Every layout.
    pub const ALL: [Self; 3] = [Self::Nt, Self::Nn, Self::Tn];

    /// Its files, of lhs and rhs.
    pub fn files(self) -> [File; 2] {
        let lhs = match self {
            Self::Nt | Self::Nn => LHS_K,
            Self::Tn => wgsl!("layout/lhs_m"),
        };
        let rhs = match self {
            Self::Nt => RHS_K,
            Self::Nn | Self::Tn => wgsl!("layout/rhs_n"),
        };
        [lhs, rhs]
    }
}

/// How a kernel uses a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A uniform buffer.
    Uniform,
    /// A storage buffer that is only read.
    Read,
    /// A storage buffer that is written.
    Write,
}

/// A resource that a kernel declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Its `@group`.
    pub group: u32,
    /// Its `@binding`.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// How it is used.
    pub access: Access,
    /// Whether it is an array of half precision.
    pub half: bool,
}

/// A field of a kernel's `Params`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type, "u32" or "f32".
    pub scalar: &'static str,
    /// Its offset in bytes.
    pub offset: u32,
}

/// What a linked module says of itself.
#[derive(Clone, Debug)]
pub struct Reflection {
    /// Invocations of a workgroup.
    pub workgroup_size: [u32; 3],
    /// Resources, by group and index.
    pub bindings: Vec<Binding>,
    /// The fields of `Params`.
    pub params: Vec<Field>,
    /// The module's u32 constants.
    pub constants: HashMap<String, u32>,
}

/// Parses, validates and reads a linked module.
///
/// # Errors
/// [`Error::Shader`] with naga's diagnostic.
pub fn reflect(shader: &Shader) -> Result<Reflection> {
    let text = shader.link();
    let failed = |message: String| Error::Shader {
        label: shader.label(),
        message,
    };
    let module =
        naga::front::wgsl::parse_str(&text).map_err(|e| failed(e.emit_to_string(&text)))?;
    naga::valid::Validator::new(
        naga::valid::ValidationFlags::all(),
        naga::valid::Capabilities::SHADER_FLOAT16,
    )
    .validate(&module)
    .map_err(|e| failed(e.emit_to_string(&text)))?;

    let entry = module
        .entry_points
        .iter()
        .find(|e| e.name == shader.kernel())
        .ok_or_else(|| failed("no entry point is named after the kernel's file".to_owned()))?;
    let mut bindings = Vec::new();
    let mut params = Vec::new();
    for (_, variable) in module.global_variables.iter() {
        let (Some(binding), Some(name)) = (&variable.binding, &variable.name) else {
            continue;
        };
        let access = match variable.space {
            AddressSpace::Uniform => Access::Uniform,
            AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => {
                Access::Write
            }
            _ => Access::Read,
        };
        if name == "params" {
            params = fields(&module, &module.types[variable.ty].inner)
                .ok_or_else(|| failed("Params holds u32 and f32 alone".to_owned()))?;
        }
        bindings.push(Binding {
            group: binding.group,
            index: binding.binding,
            name: name.clone(),
            access,
            half: is_half(&module, variable.ty),
        });
    }
    bindings.sort_by_key(|b| (b.group, b.index));
    Ok(Reflection {
        workgroup_size: entry.workgroup_size,
        bindings,
        params,
        constants: constants(&module),
    })
}

fn is_half(module: &naga::Module, ty: naga::Handle<naga::Type>) -> bool {
    match module.types[ty].inner {
        TypeInner::Array { base, .. } => is_half(module, base),
        TypeInner::Scalar(scalar) | TypeInner::Vector { scalar, .. } => scalar == naga::Scalar::F16,
        _ => false,
    }
}

fn fields(module: &naga::Module, inner: &TypeInner) -> Option<Vec<Field>> {
    let TypeInner::Struct { members, .. } = inner else {
        return None;
    };
    let field = |member: &naga::StructMember| match module.types[member.ty].inner {
        TypeInner::Scalar(naga::Scalar { kind, width: 4 }) => Some(Field {
            name: member.name.clone()?,
            scalar: match kind {
                ScalarKind::Uint => "u32",
                ScalarKind::Float => "f32",
                _ => return None,
            },
            offset: member.offset,
        }),
        _ => None,
    };
    members.iter().map(field).collect()
}

fn constants(module: &naga::Module) -> HashMap<String, u32> {
    let constant = |(_, c): (_, &naga::Constant)| match module.global_expressions[c.init] {
        naga::Expression::Literal(Literal::U32(value)) => Some((c.name.clone()?, value)),
        _ => None,
    };
    module.constants.iter().filter_map(constant).collect()
}
