//! The options with which data are read.

use super::table::Kind;

/// How [`open`](super::open) reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// The height and width to which images are scaled; they must all have one size if it is not given.
    pub image_size: Option<[usize; 2]>,
    /// 1 for grey images, 3 for images of red, green and blue. If it is not given, images are grey if
    /// all are.
    pub channels: Option<usize>,
    /// Leaves broken images out, with a note, instead of failing.
    pub skip_broken: bool,
    /// The columns of tables and their kinds, as those of the data that a network was trained on; others
    /// are left out. All columns are read if they are not given.
    pub kinds: Option<Vec<(String, Kind)>>,
    /// The names of the classes in their order, as those of the data that a network was trained on. If
    /// they are not given, they are sorted.
    pub class_names: Option<Vec<String>>,
    /// Takes CIFAR-100's 20 superclasses instead of its 100 classes.
    pub coarse: bool,
}
