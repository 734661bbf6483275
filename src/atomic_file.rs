//! Files that appear whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// A file being written beside its target, which is replaced by [`AtomicFile::commit`] and left
/// untouched if that is never reached.
#[derive(Debug)]
pub struct AtomicFile {
    temporary: NamedTempFile,
    target: PathBuf,
}

impl AtomicFile {
    /// Starts to write `target`, in its folder, which is made if it does not exist. A link is
    /// followed: the file that it points to is replaced.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be made or written to, or if the target is there and is
    /// not a regular file.
    pub fn create(target: &Path) -> Result<Self> {
        let target = fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
        let not_a_file = |reason| Error::io("write", &target)(io::Error::other(reason));
        if fs::metadata(&target).is_ok_and(|found| !found.is_file()) {
            return Err(not_a_file("it is not a regular file"));
        }
        if target.file_name().is_none() {
            return Err(not_a_file("it names no file"));
        }
        let folder = folder_of(&target);
        fs::create_dir_all(folder).map_err(Error::io("create folder", folder))?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(".bregman-").suffix(".partial");
        // Private is the default; a result is as readable as any other new file (0666 less umask).
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let temporary = builder
            .tempfile_in(folder)
            .map_err(Error::io("write in", folder))?;
        Ok(Self { temporary, target })
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// [`Error::Io`], a full disk above all.
    pub fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        self.temporary
            .write_all(bytes)
            .map_err(Error::io("write", &self.target))
    }

    /// Makes the file durable and gives it its name; returns the path.
    ///
    /// # Errors
    /// [`Error::Io`]; the target is then as it was.
    pub fn commit(self) -> Result<PathBuf> {
        let Self { temporary, target } = self;
        temporary
            .as_file()
            .sync_all()
            .map_err(Error::io("write", &target))?;
        temporary
            .persist(&target)
            .map_err(|e| Error::io("replace", &target)(e.error))?;
        // The new name itself is durable only when its folder is; Windows has no such call.
        #[cfg(unix)]
        {
            let folder = folder_of(&target);
            let sync = fs::File::open(folder).and_then(|folder| folder.sync_all());
            sync.map_err(Error::io("write folder", folder))?;
        }
        Ok(target)
    }
}

/// Finds out whether [`AtomicFile::create`] works for `target`, and leaves no file behind.
///
/// # Errors
/// See [`AtomicFile::create`].
pub fn check_writable(target: &Path) -> Result<()> {
    AtomicFile::create(target).map(drop)
}

/// Replaces `target` by `bytes`, or leaves it untouched.
///
/// # Errors
/// [`Error::Io`].
pub fn write(target: &Path, bytes: &[u8]) -> Result<PathBuf> {
    let mut file = AtomicFile::create(target)?;
    file.write_all(bytes)?;
    file.commit()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
