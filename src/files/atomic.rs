//! Files that are written completely or not at all.
//!
//! A file is written as a scratch file beside its target (`.bregman-….partial`) and made durable
//! (fsync). Then it is renamed over the target, and the name is made durable (fsync of the folder). So
//! the target is always either the old file or the new one, and the old one is removed only when the
//! new one is durable:
//!
//! | failure | the target is | the scratch file is | the caller gets |
//! |---|---|---|---|
//! | creating the scratch file | the old one | not there | [`Error::Io`] |
//! | a write: a full disk, a quota | the old one | removed | [`Error::Io`] |
//! | the fsync or the rename | the old one | removed | [`Error::Io`] |
//! | the folder's fsync | the new one, which a power failure may still undo | gone | [`Error::Io`] |
//! | the process dies before the rename | the old one | left; [`remove_stale`] removes it | nothing |
//! | the process dies after it | the new one | gone | nothing |
//!
//! If there was no old file, "the old one" means that the target does not exist.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::NamedTempFile;

use crate::error::{Error, Result};

const PREFIX: &str = ".bregman-";
const SUFFIX: &str = ".partial";

/// The age from which a scratch file is certainly not being written any more.
const STALE: Duration = Duration::from_secs(3600);

/// The operations that writing a file needs from the operating system. Tests replace them with ones
/// that fail.
pub trait Disk {
    /// Writes some of `bytes`; returns the number written.
    ///
    /// # Errors
    /// The system's own.
    fn write(&mut self, file: &mut File, bytes: &[u8]) -> io::Result<usize>;

    /// Makes the file's contents durable.
    ///
    /// # Errors
    /// The system's own.
    fn sync(&mut self, file: &File) -> io::Result<()>;

    /// Gives a scratch file the name `target`, in one step.
    ///
    /// # Errors
    /// The system's own; the scratch file is then removed.
    fn rename(&mut self, file: NamedTempFile, target: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// The system's own.
    fn sync_folder(&mut self, folder: &Path) -> io::Result<()>;
}

/// The disk of this machine.
#[derive(Clone, Copy, Debug)]
pub struct System;

impl Disk for System {
    fn write(&mut self, file: &mut File, bytes: &[u8]) -> io::Result<usize> {
        file.write(bytes)
    }

    fn sync(&mut self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&mut self, file: NamedTempFile, target: &Path) -> io::Result<()> {
        file.persist(target).map(drop).map_err(|e| e.error)
    }

    fn sync_folder(&mut self, folder: &Path) -> io::Result<()> {
        // Windows has no such call.
        match cfg!(unix) {
            true => File::open(folder).and_then(|folder| folder.sync_all()),
            false => Ok(()),
        }
    }
}

/// A file being written beside its target, which is replaced by [`AtomicFile::commit`] and left
/// untouched if that is never reached.
#[derive(Debug)]
pub struct AtomicFile<D = System> {
    disk: D,
    temporary: NamedTempFile,
    target: PathBuf,
}

impl AtomicFile {
    /// Starts to write `target`. Its folder is created if it does not exist. A link is followed: the
    /// file that it points to is replaced. The new file has the permissions of the old one.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be created or written to, or if the target exists and is
    /// read-only or not a regular file.
    pub fn create(target: &Path) -> Result<Self> {
        Self::create_on(System, target)
    }
}

impl<D: Disk> AtomicFile<D> {
    /// [`AtomicFile::create`] on `disk`.
    ///
    /// # Errors
    /// Those of [`AtomicFile::create`].
    pub fn create_on(disk: D, target: &Path) -> Result<Self> {
        let target = fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
        let refused = |reason| Error::io("write", &target)(io::Error::other(reason));
        let old = fs::metadata(&target).ok();
        let permissions = old.as_ref().map(fs::Metadata::permissions);
        if old.is_some_and(|old| !old.is_file()) {
            return Err(refused("it is not a regular file"));
        }
        if permissions.as_ref().is_some_and(fs::Permissions::readonly) {
            return Err(refused("it is read-only"));
        }
        if target.file_name().is_none() {
            return Err(refused("it names no file"));
        }
        let folder = folder_of(&target);
        fs::create_dir_all(folder).map_err(Error::io("create folder", folder))?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX).suffix(SUFFIX);
        // The default is private; a new file should be as readable as any other (0666 less umask).
        #[cfg(unix)]
        builder.permissions(match &permissions {
            Some(old) => old.clone(),
            None => std::os::unix::fs::PermissionsExt::from_mode(0o666),
        });
        let temporary = builder
            .tempfile_in(folder)
            .map_err(Error::io("write in", folder))?;
        // The umask does not hold for a file that exists.
        if let Some(permissions) = permissions {
            let file = temporary.as_file();
            let kept = file
                .metadata()
                .and_then(|new| match new.permissions() == permissions {
                    true => Ok(()),
                    false => file.set_permissions(permissions),
                });
            kept.map_err(Error::io("keep the permissions of", &target))?;
        }
        Ok(Self {
            disk,
            temporary,
            target,
        })
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// [`Error::Io`], most often because the disk is full.
    pub fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        let mut writer = Writer {
            disk: &mut self.disk,
            file: self.temporary.as_file_mut(),
        };
        writer
            .write_all(bytes)
            .map_err(Error::io("write", &self.target))
    }

    /// Makes the file durable and gives it its name; returns the path.
    ///
    /// # Errors
    /// [`Error::Io`]. The target is then unchanged, unless only the folder could not be made durable.
    pub fn commit(self) -> Result<PathBuf> {
        let Self {
            mut disk,
            temporary,
            target,
        } = self;
        disk.sync(temporary.as_file())
            .map_err(Error::io("write", &target))?;
        disk.rename(temporary, &target)
            .map_err(Error::io("replace", &target))?;
        // The new name itself is durable only when its folder is.
        let folder = folder_of(&target);
        disk.sync_folder(folder)
            .map_err(Error::io("write folder", folder))?;
        Ok(target)
    }
}

struct Writer<'a, D> {
    disk: &'a mut D,
    file: &'a mut File,
}

impl<D: Disk> Write for Writer<'_, D> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.disk.write(self.file, bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Removes scratch files in `folder` that are over an hour old: processes that were killed left them.
/// Files that cannot be removed stay.
pub fn remove_stale(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let age = entry.metadata().and_then(|found| found.modified());
        let stale = age.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > STALE));
        if name.starts_with(PREFIX) && name.ends_with(SUFFIX) && stale {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Checks that [`AtomicFile::create`] works for `target`, and leaves no file behind.
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

/// The folder that a file is in: `.` for a name alone.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Whether two paths name one file, which need not exist.
pub fn same_file(a: &Path, b: &Path) -> bool {
    let whole = |path: &Path| {
        let folder = || Some(folder_of(path).canonicalize().ok()?.join(path.file_name()?));
        let found = path.canonicalize().ok();
        found
            .or_else(folder)
            .or_else(|| std::path::absolute(path).ok())
    };
    whole(a) == whole(b)
}
