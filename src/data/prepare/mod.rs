//! The preprocessing of raw samples, fitted on the training samples.
//!
//! Images in bytes are not changed: the network itself maps 0…255 to its input range. Numbers are
//! clamped to the range that they had in training and mapped into the range of ρ by [`Input`]; a text of
//! a column becomes one input for each text that training had, 1 for its own and 0 for the others.

mod apply;
mod fit;
mod split;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[doc(hidden)]
pub use apply::Counts;
pub(super) use fit::Strata;
#[doc(hidden)]
pub use fit::{Choice, MOST_TEXTS};
pub use split::HeldOut;
pub(super) use split::{Part, hold_out, number};

use super::raw::Cells;
use super::reader::{Kind, ReadOptions};
use crate::activation::Activation;
use crate::kind::names;

/// How numbers are mapped into the range of ρ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Input {
    /// Standardised, and taken as the dual variable: z₀ = ρ((x − mean) / deviation).
    #[default]
    Dual,
    /// Scaled linearly, the smallest number of training to the lower end of an interval and the largest to
    /// its upper end.
    Range,
}

names!(
    Input,
    "way from numbers to inputs",
    Dual = "dual",
    Range = "range"
);

/// The preprocessing of raw samples before a network, and the conversion of its outputs. A saved network
/// has it, so that it takes raw samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preparation {
    /// The preprocessing of the inputs.
    pub inputs: InputRule,
    /// The target of the network.
    pub target: TargetRule,
    /// Which samples were held out of the source, if some were: they are the test set of the same source
    /// again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out: Option<HeldOutOf>,
}

/// The preprocessing of inputs.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputRule {
    /// Bytes are not changed. The shape is [channels, height, width].
    Pixels {
        /// Of an image.
        shape: [usize; 3],
    },
    /// Numbers are mapped into the range of ρ.
    Columns {
        /// Of a sample: [1, 1, n] for the rows of a table.
        shape: [usize; 3],
        /// How.
        scale: Scale,
        /// Whether a missing number is replaced by its column's mean. A missing text has 0 for all texts.
        impute: bool,
        /// In the order of the network's inputs.
        columns: Vec<Column>,
    },
}

/// How standardised or raw numbers become inputs.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// By [`Input::Dual`], with this ρ.
    Dual(
        #[serde(serialize_with = "write_name", deserialize_with = "read_name")] &'static Activation,
    ),
    /// By [`Input::Range`], into [low, high].
    Range([f32; 2]),
}

impl PartialEq for Scale {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Dual(own), Self::Dual(other)) => own.name == other.name,
            (Self::Range(own), Self::Range(other)) => own == other,
            _ => false,
        }
    }
}

fn write_name<S: Serializer>(rho: &&'static Activation, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(rho.name)
}

fn read_name<'a, D: Deserializer<'a>>(from: D) -> Result<&'static Activation, D::Error> {
    let name = String::deserialize(from)?;
    Activation::by_name(&name).map_err(serde::de::Error::custom)
}

/// A column of a table or a feature of an array, as it was in training.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// From the header; `x1`, `x2`, … for arrays.
    pub name: String,
    /// Its contents.
    #[serde(flatten)]
    pub kind: ColumnKind,
}

/// The contents of a column.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// Numbers, one input of the network.
    Number(Moments),
    /// Texts, sorted: one input of the network for each.
    Texts(Vec<String>),
}

/// Statistics of the training numbers in a column, without missing ones.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// The mean.
    pub mean: f64,
    /// The standard deviation of all numbers (n, as scikit-learn's `StandardScaler`).
    pub deviation: f64,
    /// The smallest.
    pub low: f64,
    /// The largest.
    pub high: f64,
}

/// The target of a network.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetRule {
    /// A class for each sample.
    Classes {
        /// The column; `class` for arrays and images.
        column: String,
        /// The names of the classes, in the order of the network's outputs.
        names: Vec<String>,
        /// Whether they are numbers.
        #[serde(default)]
        numbers: bool,
    },
    /// Numbers, which are standardised for the network.
    Values {
        /// The column; `y1`, `y2`, … for arrays.
        columns: Vec<String>,
        /// The mean of each in training.
        means: Vec<f64>,
        /// The standard deviation of each in training.
        deviations: Vec<f64>,
    },
}

/// The samples of a source that were not trained on.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldOutOf {
    /// The sha256 of the source's samples, in hexadecimal digits.
    pub sha256: String,
    /// The number of samples that were held out for the test.
    pub samples: usize,
    /// The seed that chose them.
    pub seed: u64,
}

/// The map of a raw number x to v = offset + (min(max(x, low), high) − shift) · factor.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// The smallest x.
    pub low: f64,
    /// The largest x.
    pub high: f64,
    /// The subtrahend.
    pub shift: f64,
    /// The factor of the difference; 0 for a constant column.
    pub factor: f64,
    /// The summand.
    pub offset: f64,
    /// The replacement of a missing x, if there is one.
    pub fill: Option<f64>,
}

impl Affine {
    /// v of x, which is not NaN.
    pub fn of(&self, x: f64) -> f64 {
        self.offset + (x.clamp(self.low, self.high) - self.shift) * self.factor
    }
}

impl Scale {
    /// The map of a column of numbers.
    fn of_numbers(&self, moments: &Moments, impute: bool) -> Affine {
        let Moments {
            mean,
            deviation,
            low,
            high,
        } = *moments;
        let (shift, factor, offset) = match *self {
            Self::Dual(_) => (mean, deviation.recip(), 0.0),
            Self::Range(ends) => {
                let [first, last] = ends.map(f64::from);
                (low, (last - first) / (high - low), first)
            }
        };
        let is_constant = low == high || !factor.is_finite();
        let middle = match *self {
            Self::Dual(_) => 0.0,
            Self::Range(ends) => 0.5 * (f64::from(ends[0]) + f64::from(ends[1])),
        };
        Affine {
            low,
            high,
            shift,
            factor: if is_constant { 0.0 } else { factor },
            offset: if is_constant { middle } else { offset },
            fill: impute.then_some(mean),
        }
    }

    /// The map of whether a cell has a text: 0 or 1.
    fn of_text(&self) -> Affine {
        let [offset, end] = match *self {
            Self::Dual(_) => [0.0, 1.0],
            Self::Range(ends) => ends.map(f64::from),
        };
        Affine {
            low: 0.0,
            high: 1.0,
            shift: 0.0,
            factor: end - offset,
            offset,
            fill: None,
        }
    }

    /// The smallest and the largest input of the network. For [`Self::Dual`] they are the clamp of ρ⁻¹.
    pub fn bounds(&self) -> [f32; 2] {
        match self {
            Self::Dual(rho) => rho.clamp,
            Self::Range(ends) => *ends,
        }
    }

    /// The input of the network for v.
    fn input(&self, v: f64) -> f32 {
        let [low, high] = self.bounds();
        let z = match self {
            Self::Dual(rho) => (rho.rho)(v),
            Self::Range(_) => v,
        };
        (z as f32).clamp(low, high)
    }
}

impl ColumnKind {
    /// The number of inputs of the network.
    fn width(&self) -> usize {
        match self {
            Self::Number(_) => 1,
            Self::Texts(texts) => texts.len(),
        }
    }
}

impl InputRule {
    /// Whether inputs are bytes, which are not changed.
    pub fn is_pixels(&self) -> bool {
        matches!(self, Self::Pixels { .. })
    }

    /// The map of each input of the network from its raw number, where a text is 1 in its own place and
    /// 0 in the others; none for bytes.
    pub fn affine(&self) -> Vec<Affine> {
        let Self::Columns {
            scale,
            impute,
            columns,
            ..
        } = self
        else {
            return Vec::new();
        };
        let of_column = |column: &Column| match &column.kind {
            ColumnKind::Number(moments) => vec![scale.of_numbers(moments, *impute)],
            ColumnKind::Texts(texts) => vec![scale.of_text(); texts.len()],
        };
        columns.iter().flat_map(of_column).collect()
    }

    /// The number of the network's inputs.
    pub(in crate::data) fn width(&self) -> usize {
        match self {
            Self::Pixels { shape } => shape.iter().product(),
            Self::Columns { columns, .. } => columns.iter().map(|c| c.kind.width()).sum(),
        }
    }

    /// The names of the network's inputs: those of the columns, and `column=text` for texts.
    pub fn names(&self) -> Vec<String> {
        let Self::Columns { columns, .. } = self else {
            return Vec::new();
        };
        let of_column = |column: &Column| match &column.kind {
            ColumnKind::Number(_) => vec![column.name.clone()],
            ColumnKind::Texts(texts) => {
                let name = |text| format!("{}={text}", column.name);
                texts.iter().map(name).collect()
            }
        };
        columns.iter().flat_map(of_column).collect()
    }

    /// The shape of the inputs of the network, [channels, height, width].
    pub fn shape(&self) -> [usize; 3] {
        match self {
            Self::Pixels { shape } | Self::Columns { shape, .. } => *shape,
        }
    }
}

impl TargetRule {
    /// The number of classes or of values.
    pub fn width(&self) -> usize {
        match self {
            Self::Classes { names, .. } => names.len(),
            Self::Values { means, .. } => means.len(),
        }
    }

    /// Whether the network predicts numbers.
    pub fn is_regression(&self) -> bool {
        matches!(self, Self::Values { .. })
    }

    /// The names of the classes, or of the values.
    pub fn names(&self) -> &[String] {
        match self {
            Self::Classes { names, .. } => names,
            Self::Values { columns, .. } => columns,
        }
    }

    /// Puts `values`, (samples, values), of a network into their own units. Classes have none.
    pub fn restore(&self, values: &mut [f64]) {
        if let Self::Values {
            means, deviations, ..
        } = self
        {
            for row in values.chunks_exact_mut(means.len()) {
                for (value, (mean, deviation)) in row.iter_mut().zip(means.iter().zip(deviations)) {
                    *value = mean + *value * deviation;
                }
            }
        }
    }
}

impl Preparation {
    /// The options with which data for the network are read: of a table its columns, with the target if
    /// `with_target` is set; images scaled to the size of those in training.
    pub fn read_options(&self, with_target: bool) -> ReadOptions {
        let pixels = match self.inputs {
            InputRule::Pixels { shape } => Some(shape),
            InputRule::Columns { .. } => None,
        };
        let class_names = match &self.target {
            TargetRule::Classes { names, .. } if pixels.is_some() => Some(names.clone()),
            _ => None,
        };
        ReadOptions {
            image_size: pixels.map(|[_, height, width]| [height, width]),
            channels: pixels.map(|[channels, ..]| channels),
            kinds: pixels.is_none().then(|| self.kinds(with_target)),
            class_names,
            ..ReadOptions::default()
        }
    }

    /// The columns of a table that the network takes, with the target if `with_target` is set.
    pub fn kinds(&self, with_target: bool) -> Vec<(String, Kind)> {
        let of_column = |column: &Column| {
            let kind = match column.kind {
                ColumnKind::Number(_) => Kind::Number,
                ColumnKind::Texts(_) => Kind::Text,
            };
            (column.name.clone(), kind)
        };
        let mut kinds: Vec<_> = match &self.inputs {
            InputRule::Pixels { .. } => Vec::new(),
            InputRule::Columns { columns, .. } => columns.iter().map(of_column).collect(),
        };
        if with_target {
            match &self.target {
                TargetRule::Classes {
                    column, numbers, ..
                } => {
                    let kind = if *numbers { Kind::Number } else { Kind::Text };
                    kinds.push((column.clone(), kind));
                }
                TargetRule::Values { columns, .. } => {
                    kinds.extend(columns.iter().map(|column| (column.clone(), Kind::Number)));
                }
            }
        }
        kinds
    }

    /// As JSON, for files.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers and strings serialize")
    }

    /// From JSON.
    ///
    /// # Errors
    /// A description of the fault.
    pub fn from_json(json: &str) -> Result<Self, String> {
        let own: Self = serde_json::from_str(json).map_err(|error| error.to_string())?;
        own.check().map(|()| own)
    }

    /// A description of the parts that do not fit together.
    fn check(&self) -> Result<(), String> {
        let require = |holds: bool, what: &str| match holds {
            true => Ok(()),
            false => Err(what.to_owned()),
        };
        let sizes = self.inputs.shape();
        let width = sizes.into_iter().try_fold(1usize, usize::checked_mul);
        require(width.is_some_and(|width| width > 0), "the shape is empty")?;
        if let InputRule::Columns { columns, scale, .. } = &self.inputs {
            let widths = columns.iter().map(|column| column.kind.width());
            require(
                width == Some(widths.sum()),
                "columns of another number than inputs",
            )?;
            if let Scale::Range([low, high]) = scale {
                require(
                    low.is_finite() && low < high && high.is_finite(),
                    "an empty range",
                )?;
            }
            for column in columns {
                if let ColumnKind::Number(m) = &column.kind {
                    let finite = [m.mean, m.deviation, m.low, m.high];
                    let finite = finite.iter().all(|number| number.is_finite());
                    require(
                        finite && m.low <= m.high && m.deviation >= 0.0,
                        "a column whose range is empty",
                    )?;
                }
            }
        }
        match &self.target {
            TargetRule::Classes { names, .. } => {
                require(names.len() >= 2, "fewer than two classes")
            }
            TargetRule::Values {
                columns,
                means,
                deviations,
            } => {
                require(
                    !means.is_empty()
                        && columns.len() == means.len()
                        && deviations.len() == means.len(),
                    "values of different numbers",
                )?;
                require(
                    means.iter().all(|mean| mean.is_finite())
                        && deviations.iter().all(|d| d.is_finite() && *d > 0.0),
                    "values without a mean and a deviation",
                )
            }
        }
    }

    /// A description in one line for the user: the target and the inputs.
    pub fn describe(&self) -> String {
        let from = match &self.inputs {
            InputRule::Pixels {
                shape: [channels, height, width],
            } => format!("images of {channels} × {height} × {width}"),
            InputRule::Columns { columns, scale, .. } => {
                let texts = columns
                    .iter()
                    .filter(|c| matches!(c.kind, ColumnKind::Texts(_)));
                let texts = texts.count();
                let numbers = columns.len() - texts;
                let how = match scale {
                    Scale::Dual(rho) => format!("standardised, z₀ = {}(x)", rho.name),
                    Scale::Range([low, high]) => format!("scaled into [{low}, {high}]"),
                };
                let of_texts = match texts {
                    0 => String::new(),
                    _ => format!(" and {texts} of text, one-hot"),
                };
                format!("{numbers} columns of numbers ({how}){of_texts}")
            }
        };
        let target = match &self.target {
            TargetRule::Classes { column, names, .. } => {
                format!("{} classes of {column}", names.len())
            }
            TargetRule::Values { columns, .. } => columns.join(", "),
        };
        format!("{target} from {from}")
    }
}

/// The text of a number as a class or a category: the shortest that gives it back.
fn number_text(number: f64) -> String {
    // −0 and 0 are one class.
    format!("{}", number + 0.0)
}

/// The names of columns with commas between them; of many, the first.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const MOST: usize = 50;
    let names: Vec<&str> = names.collect();
    match names.get(..MOST).filter(|_| names.len() > MOST) {
        Some(first) => format!("{}, … ({} in all)", first.join(", "), names.len()),
        None => names.join(", "),
    }
}

/// The first cell without a value, as an index.
fn first_missing(cells: &Cells) -> Option<usize> {
    match cells {
        Cells::Numbers(numbers) => numbers.iter().position(|number| number.is_nan()),
        Cells::Text { codes, .. } => codes.iter().position(|&code| code == u32::MAX),
    }
}

/// Whether the cell at `row` has no value.
fn is_missing(cells: &Cells, row: usize) -> bool {
    match cells {
        Cells::Numbers(numbers) => numbers[row].is_nan(),
        Cells::Text { codes, .. } => codes[row] == u32::MAX,
    }
}
