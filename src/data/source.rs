//! The data sets that there are, and their files as released.

use crate::error::{Error, Result};

/// A data set that the program can get by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// MNIST: handwritten digits (LeCun, Cortes, Burges).
    Mnist,
    /// Fashion-MNIST: pieces of clothing (Xiao, Rasul, Vollgraf).
    FashionMnist,
    /// CIFAR-10: small colour photographs (Krizhevsky).
    Cifar10,
    /// Digits that the program draws.
    Digits,
}

impl Source {
    /// All data sets.
    pub const ALL: [Self; 4] = [Self::Mnist, Self::FashionMnist, Self::Cifar10, Self::Digits];

    /// The name in options and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mnist => "mnist",
            Self::FashionMnist => "fashion-mnist",
            Self::Cifar10 => "cifar10",
            Self::Digits => "digits",
        }
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

    /// The IDX files as released; none for what the program draws or [`super::cifar10`] reads.
    pub fn files(self) -> &'static [DataFile] {
        match self {
            Self::Mnist => &MNIST,
            Self::FashionMnist => &FASHION_MNIST,
            Self::Cifar10 | Self::Digits => &[],
        }
    }

    /// The folder of the files, as this program and as torchvision name it, below the data folder.
    pub fn folders(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Mnist => &[&["mnist"], &["MNIST", "raw"]],
            Self::FashionMnist => &[&["fashion-mnist"], &["FashionMNIST", "raw"]],
            Self::Cifar10 => &[&["cifar10"], &["cifar-10-batches-bin"]],
            Self::Digits => &[],
        }
    }

    /// Where the files can be downloaded, best first; each ends with a slash.
    pub fn mirrors(self) -> &'static [&'static str] {
        match self {
            Self::Mnist => &[
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
                "https://storage.googleapis.com/cvdf-datasets/mnist/",
            ],
            Self::FashionMnist => &["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"],
            Self::Cifar10 => &["https://www.cs.toronto.edu/~kriz/"],
            Self::Digits => &[],
        }
    }
}

/// Which part of a data set a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Images, one byte a pixel.
    Images,
    /// Labels, one byte a sample.
    Labels,
}

/// A file as released: `train-images-idx3-ubyte` and its kind.
#[derive(Clone, Copy, Debug)]
pub struct DataFile {
    /// The plain file's name; the compressed one's has `.gz` behind it.
    pub name: &'static str,
    /// What it holds.
    pub part: Part,
    /// Number of samples.
    pub samples: u32,
    /// Size of the compressed file in bytes.
    pub gz_bytes: u64,
    /// sha256 of the compressed file, in hexadecimal digits.
    pub gz_sha256: &'static str,
    /// sha256 of the plain file.
    pub sha256: &'static str,
}

impl DataFile {
    /// Its compressed form, as a mirror has it.
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
    /// Its name, on the mirrors and on the disk.
    pub name: String,
    /// Its size.
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

const MNIST: [DataFile; 4] = [
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

const FASHION_MNIST: [DataFile; 4] = [
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

/// The data set that has a file with this sha256, compressed or plain.
pub fn owner(sha256: &str) -> Option<Source> {
    Source::ALL.into_iter().find(|source| {
        source
            .files()
            .iter()
            .any(|file| file.gz_sha256 == sha256 || file.sha256 == sha256)
    })
}
