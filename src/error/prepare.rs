//! Why samples cannot be prepared for a network.

impl PrepareFault {
    /// The same fault where `rows` rows come before those that it counts.
    #[must_use]
    pub fn after(mut self, rows: usize) -> Self {
        match &mut self {
            Self::Missing { row, .. }
            | Self::MissingInput { row, .. }
            | Self::MissingTarget { row, .. }
            | Self::NotANumber { row, .. }
            | Self::UnknownClass { row, .. } => *row += rows,
            _ => {}
        }
        self
    }
}

/// A fault of the rows of a table or of arrays, in training or for a trained network. Rows are
/// counted from 1, without the header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrepareFault {
    /// No column was named as the target.
    #[error("it is a table: name the column to predict with `target`; its columns are {columns}")]
    NoTarget {
        /// The names, with commas between them.
        columns: String,
    },
    /// A column that is not there.
    #[error("it has no column {column}, which `{field}` names; its columns are {columns}")]
    NoColumn {
        /// The field that names the column.
        field: &'static str,
        /// The column, by name or by number.
        column: String,
        /// The names, with commas between them.
        columns: String,
    },
    /// A column that the network was trained with is not there.
    #[error("it has no column {column}, which the network takes; its columns are {columns}")]
    NoFeature {
        /// The column.
        column: String,
        /// The names, with commas between them.
        columns: String,
    },
    /// No column is left to predict from.
    #[error("beside the target no column is left to predict from")]
    NoFeatures,
    /// More columns than a saved network can describe.
    #[error(
        "it has {columns} columns to predict from, and a saved network describes at most {most}"
    )]
    TooManyColumns {
        /// Their number, with one for each text.
        columns: usize,
        /// The largest number.
        most: usize,
    },
    /// A cell of a feature without a value.
    #[error(
        "row {row} has no value in column {column}: complete or remove the row, leave the column out with \
         `drop`, or let `impute` mean fill in the mean"
    )]
    Missing {
        /// The column.
        column: String,
        /// The row.
        row: usize,
    },
    /// A cell without a value in samples for a network that was trained without missing ones.
    #[error(
        "row {row} has no value in column {column}, and training put nothing in the place of missing ones: \
         complete or remove the row, or train with `impute` mean"
    )]
    MissingInput {
        /// The column.
        column: String,
        /// The row.
        row: usize,
    },
    /// A cell of the target without a value.
    #[error(
        "row {row} has no value in column {column}, which is the target: complete or remove the row"
    )]
    MissingTarget {
        /// The column.
        column: String,
        /// The row.
        row: usize,
    },
    /// Text where the network takes numbers.
    #[error("row {row} has the text {text:?} in column {column}, which holds numbers")]
    NotANumber {
        /// The column.
        column: String,
        /// The row.
        row: usize,
        /// The cell.
        text: String,
    },
    /// A column of too many texts, such as names or dates.
    #[error(
        "column {column} has {distinct} different texts, and at most {most} are taken as categories: leave \
         it out with `drop`, or write it as numbers"
    )]
    TooManyTexts {
        /// The column.
        column: String,
        /// Their number.
        distinct: usize,
        /// The largest number that is taken.
        most: usize,
    },
    /// Numbers whose mean or spread is beyond float64.
    #[error("the numbers of column {column} are too far apart to be scaled")]
    TooLarge {
        /// The column.
        column: String,
    },
    /// A target whose values are all equal.
    #[error("every row to train on has {value} in column {column}: a constant needs no network")]
    ConstantTarget {
        /// The column.
        column: String,
        /// The value.
        value: String,
    },
    /// A target with one class.
    #[error("every row to train on has the class {class}: at least two classes are needed")]
    OneClass {
        /// The class.
        class: String,
    },
    /// A class that is not one of those trained on.
    #[error(
        "row {row} has the class {class}, which no row to train on has; the classes there are {known}"
    )]
    UnknownClass {
        /// The class.
        class: String,
        /// The row.
        row: usize,
        /// Those that are known, with commas between them.
        known: String,
    },
    /// Arrays without targets.
    #[error("it has no targets, which training and evaluation need")]
    NoTargets,
    /// Several values where classes are asked for.
    #[error("each of its samples has {values} values as targets, and `classes` takes one")]
    ManyValues {
        /// The number of values of a sample.
        values: usize,
    },
    /// Classes where the network predicts values, or values where it predicts classes.
    #[error("its targets are {found}, and those of the network are {needed}")]
    OtherTargets {
        /// "classes" or "numbers".
        found: &'static str,
        /// "classes" or "numbers".
        needed: &'static str,
    },
    /// Samples of a different size.
    #[error("its samples are {found}, where the network takes {needed}")]
    OtherShape {
        /// The shape found, in words.
        found: String,
        /// The shape needed, in words.
        needed: String,
    },
    /// More samples to hold out than there are.
    #[error(
        "of its {samples} samples, {held_out} cannot be held out (`{field}`): at most {most} can, since \
         one of each class is trained on"
    )]
    TooFew {
        /// The field that asks for it.
        field: &'static str,
        /// The number of samples.
        samples: usize,
        /// The number asked for.
        held_out: usize,
        /// The largest number that works.
        most: usize,
    },
    /// There is no sample.
    #[error("it has no rows")]
    NoRows,
}
