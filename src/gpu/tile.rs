//! Tiles of a matrix product, and the order of its operands in memory.

use std::sync::LazyLock;

use super::wgsl::{File, LHS_K, RHS_K, constants, wgsl};

/// The extents of a matrix product (m, k) · (k, n).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    /// Rows of the output.
    pub m: usize,
    /// Columns of the output.
    pub n: usize,
    /// Depth of the sum.
    pub k: usize,
}

/// The number of workgroups that occupies most of the processors of a big card.
const ENOUGH_WORKGROUPS: usize = 96;

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
    /// The number of parts of the depth, each for invocations of its own.
    pub slices: u32,
    /// Unused vectors between the blocks of a stage.
    pub padding: u32,
}

/// The tiles, smallest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tile {
    /// 16 × 16, and the depth split 16 ways.
    Deep,
    /// 32 × 32, with half as many invocations as the others.
    Short,
    /// 32 × 32.
    Small,
    /// 64 × 64, which gives the bits of `Small`.
    Medium4,
    /// 64 × 64, which gives the bits of `Short`.
    Medium,
    /// 128 × 64.
    Large,
}

impl Tile {
    /// Every tile.
    pub const ALL: [Self; 6] = [
        Self::Deep,
        Self::Short,
        Self::Small,
        Self::Medium4,
        Self::Medium,
        Self::Large,
    ];

    /// Its file.
    pub fn file(self) -> File {
        match self {
            Self::Deep => wgsl!("product/tile/deep"),
            Self::Short => wgsl!("product/tile/short"),
            Self::Small => wgsl!("product/tile/small"),
            Self::Medium4 => wgsl!("product/tile/medium4"),
            Self::Medium => wgsl!("product/tile/medium"),
            Self::Large => wgsl!("product/tile/large"),
        }
    }

    /// The file by which its invocations load the operands.
    pub fn load_file(self) -> File {
        match self {
            Self::Large => wgsl!("product/load/both_operands"),
            _ => wgsl!("product/load/one_operand"),
        }
    }

    /// Its sizes, as its file states them.
    pub fn sizes(self) -> TileSizes {
        static SIZES: LazyLock<[TileSizes; 6]> = LazyLock::new(|| {
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
                    padding: get("PADDING"),
                }
            })
        });
        SIZES[self as usize]
    }

    /// The number of tiles that cover an (m, n) output.
    pub fn tiles(self, m: usize, n: usize) -> usize {
        let sizes = self.sizes();
        m.div_ceil(sizes.m as usize) * n.div_ceil(sizes.n as usize)
    }

    /// The first of `tiles` that an (m, n) output fills by two thirds, else the last.
    pub fn filled<const N: usize>(tiles: [Self; N], m: usize, n: usize) -> Self {
        let filled = |tile: &Self| tile.fills(m, n);
        tiles.into_iter().find(filled).unwrap_or(tiles[N - 1])
    }

    /// The tile for `realizations` of products with these (m, n) outputs in one dispatch, of which this is the
    /// tile for one: a larger tile with as many slices, which gives the same bits, if all outputs fill it and
    /// each gives enough workgroups.
    pub fn for_realizations<const N: usize>(
        self,
        realizations: usize,
        outputs: [[usize; 2]; N],
    ) -> Self {
        // Short sums spend most of their time on starting and ending, which many small workgroups hide better.
        const ENOUGH_OF_SHORT_SUMS: usize = 6 * ENOUGH_WORKGROUPS;
        let (larger, enough) = match self {
            Self::Short => (Self::Medium, ENOUGH_OF_SHORT_SUMS),
            Self::Small => (Self::Medium4, ENOUGH_WORKGROUPS),
            _ => return self,
        };
        let good =
            |[m, n]: [usize; 2]| realizations * larger.tiles(m, n) >= enough && larger.fills(m, n);
        match outputs.into_iter().all(good) {
            true => larger,
            false => self,
        }
    }

    fn fills(self, m: usize, n: usize) -> bool {
        let TileSizes {
            m: rows, n: cols, ..
        } = self.sizes();
        2 * self.tiles(m, n) * (rows * cols) as usize <= 3 * m * n
    }

    /// The tile for a product: `Large` if the output fills it and there are enough workgroups for most of
    /// the processors of a big card; `Deep` for few outputs of long sums; `Short` for short sums, whose
    /// workgroups spend most of their time on starting and ending; then `Medium` by the rule of `Large`, else
    /// `Small`. It depends on the shape only, so that results do not depend on the adapter or on R.
    pub fn for_product(Product { m, n, k }: Product) -> Self {
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
            Self::Tn => wgsl!("product/layout/lhs_m"),
        };
        let rhs = match self {
            Self::Nt => RHS_K,
            Self::Nn | Self::Tn => wgsl!("product/layout/rhs_n"),
        };
        [lhs, rhs]
    }
}
