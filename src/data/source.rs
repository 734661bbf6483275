//! The data sets that the crate knows, and their files as released.

use crate::error::{Error, Result};

/// A data set that the crate can download or generate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// MNIST: handwritten digits (LeCun, Cortes, Burges).
    Mnist,
    /// Fashion-MNIST: pieces of clothing (Xiao, Rasul, Vollgraf).
    FashionMnist,
    /// CIFAR-10: small colour photographs (Krizhevsky).
    Cifar10,
    /// Generated digits.
    Digits,
}

impl Source {
    /// All data sets.
    pub const ALL: [Self; 4] = [Self::Mnist, Self::FashionMnist, Self::Cifar10, Self::Digits];

    /// Its description.
    fn release(self) -> &'static Release {
        match self {
            Self::Mnist => &MNIST,
            Self::FashionMnist => &FASHION_MNIST,
            Self::Cifar10 => &CIFAR10,
            Self::Digits => &DIGITS,
        }
    }

    /// The name in options and reports.
    pub fn name(self) -> &'static str {
        self.release().name
    }

    /// The data set called `name`.
    ///
    /// # Errors
    /// [`Error::UnknownName`], with the names that exist.
    pub fn by_name(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|source| source.name() == name)
            .ok_or_else(|| Error::UnknownName {
                kind: "data set",
                name: name.to_owned(),
                known: Self::ALL.map(Self::name).join(", "),
            })
    }

    /// The IDX files as released; none for generated digits and for the files that [`super::cifar10`]
    /// reads.
    pub fn files(self) -> &'static [DataFile] {
        self.release().files
    }

    /// The folders of the files below the data folder: this program's name and torchvision's.
    pub fn folders(self) -> &'static [&'static [&'static str]] {
        self.release().folders
    }

    /// The addresses from which the files can be downloaded, best first; each ends with a slash.
    pub fn mirrors(self) -> &'static [&'static str] {
        self.release().mirrors
    }
}

/// A data set as released: everything that [`Source`] knows of it.
struct Release {
    name: &'static str,
    files: &'static [DataFile],
    folders: &'static [&'static [&'static str]],
    mirrors: &'static [&'static str],
}

static MNIST: Release = Release {
    name: "mnist",
    files: &MNIST_FILES,
    folders: &[&["mnist"], &["MNIST", "raw"]],
    mirrors: &[
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ],
};

static FASHION_MNIST: Release = Release {
    name: "fashion-mnist",
    files: &FASHION_MNIST_FILES,
    folders: &[&["fashion-mnist"], &["FashionMNIST", "raw"]],
    mirrors: &["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"],
};

static CIFAR10: Release = Release {
    name: "cifar10",
    files: &[],
    folders: &[&["cifar10"], &["cifar-10-batches-bin"]],
    mirrors: &["https://www.cs.toronto.edu/~kriz/"],
};

static DIGITS: Release = Release {
    name: "digits",
    files: &[],
    folders: &[],
    mirrors: &[],
};

/// Which part of a data set a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Images, one byte for each pixel.
    Images,
    /// Labels, one byte for each sample.
    Labels,
}

/// An IDX file as released, such as `train-images-idx3-ubyte`.
#[derive(Clone, Copy, Debug)]
pub struct DataFile {
    /// The plain file's name; the compressed file's is the same with `.gz`.
    pub name: &'static str,
    /// Its contents.
    pub part: Part,
    /// Number of samples.
    pub samples: u32,
    /// Size of the compressed file in bytes.
    pub gz_bytes: u64,
    /// sha256 of the compressed file, in hexadecimal digits.
    pub gz_sha256: &'static str,
    /// sha256 of the plain file, which is that of the compressed file's contents.
    pub sha256: &'static str,
}

impl DataFile {
    /// The compressed file that mirrors have.
    pub fn remote(&self) -> RemoteFile {
        RemoteFile {
            name: format!("{}.gz", self.name),
            bytes: self.gz_bytes,
            sha256: self.gz_sha256,
        }
    }
}

/// A file to download.
#[derive(Clone, Debug)]
pub struct RemoteFile {
    /// Its name on the mirrors and on the disk.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its sha256, in hexadecimal digits.
    pub sha256: &'static str,
}

const fn data_file(
    position: usize,
    gz_bytes: u64,
    gz_sha256: &'static str,
    sha256: &'static str,
) -> DataFile {
    let (name, part, samples) = [
        ("train-images-idx3-ubyte", Part::Images, 60_000),
        ("train-labels-idx1-ubyte", Part::Labels, 60_000),
        ("t10k-images-idx3-ubyte", Part::Images, 10_000),
        ("t10k-labels-idx1-ubyte", Part::Labels, 10_000),
    ][position];
    DataFile {
        name,
        part,
        samples,
        gz_bytes,
        gz_sha256,
        sha256,
    }
}

const MNIST_FILES: [DataFile; 4] = [
    data_file(
        0,
        9_912_422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    data_file(
        1,
        28_881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    data_file(
        2,
        1_648_877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    data_file(
        3,
        4_542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
];

const FASHION_MNIST_FILES: [DataFile; 4] = [
    data_file(
        0,
        26_421_880,
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ),
    data_file(
        1,
        29_515,
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ),
    data_file(
        2,
        4_422_102,
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ),
    data_file(
        3,
        5_148,
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
];

/// The data set that has a file whose uncompressed contents have this sha256.
pub fn owner(sha256: &str) -> Option<Source> {
    let has = |source: &Source| source.files().iter().any(|file| file.sha256 == sha256);
    Source::ALL.into_iter().find(has)
}
