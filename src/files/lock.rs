//! Locks that keep two processes from writing the same files. A lock ends with its process, however
//! that ends.
//!
//! A lock is an advisory lock (`flock`) on a hidden file that stays, empty, beside what it protects.
//! Where a file system has no locks, nothing is locked.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::files::atomic::folder_of;

/// A lock, held until it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Lock {
    _file: File,
}

/// How a lock is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Exclusive,
    Shared,
    Waiting,
}

/// Locks a folder for the one process that may write there. The folder is created if it does not exist.
///
/// # Errors
/// [`Error::Locked`] if another process writes there, [`Error::Io`].
pub fn own_folder(folder: &Path) -> Result<Lock> {
    take(&folder.join(FOLDER), folder, Kind::Exclusive)
}

/// Locks a folder for one of several processes that add results to it, each under other names.
///
/// # Errors
/// [`Error::Locked`] if another process has the folder for itself, [`Error::Io`].
pub fn share_folder(folder: &Path) -> Result<Lock> {
    take(&folder.join(FOLDER), folder, Kind::Shared)
}

/// Locks a file that one process at a time may write, such as a checkpoint.
///
/// # Errors
/// [`Error::Locked`] if another process writes it, [`Error::Io`].
pub fn own_file(path: &Path) -> Result<Lock> {
    take(&beside(path), path, Kind::Exclusive)
}

/// Locks a file for as long as it takes to read it, change it and write it; waits for other processes
/// that do so.
///
/// # Errors
/// [`Error::Io`].
pub fn turn_at_file(path: &Path) -> Result<Lock> {
    take(&beside(path), path, Kind::Waiting)
}

/// The lock file of a folder.
const FOLDER: &str = ".bregman.lock";

/// The lock file of a file: `.x.lock` for `x`.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".lock");
    folder_of(path).join(name)
}

fn take(lock: &Path, what: &Path, kind: Kind) -> Result<Lock> {
    let folder = folder_of(lock);
    fs::create_dir_all(folder).map_err(Error::io("create folder", folder))?;
    let mut options = File::options();
    let file = options.create(true).append(true).open(lock);
    let file = file.map_err(Error::io("write", lock))?;
    let locked = match kind {
        Kind::Exclusive => file.try_lock(),
        Kind::Shared => file.try_lock_shared(),
        Kind::Waiting => file.lock().map_err(TryLockError::Error),
    };
    match locked {
        Err(TryLockError::WouldBlock) => Err(Error::Locked {
            path: what.to_owned(),
        }),
        // A run without a lock is better than no run.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(Lock { _file: file }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_owner_or_several_that_add_to_it() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let folder = folder.path();
        let taken =
            |result: Result<Lock>| matches!(result, Err(Error::Locked { path }) if path == folder);
        let first = own_folder(folder).expect("free");
        assert!(taken(own_folder(folder)) && taken(share_folder(folder)));
        drop(first);
        let shared = [share_folder(folder), share_folder(folder)];
        assert!(shared.iter().all(Result::is_ok) && taken(own_folder(folder)));
        drop(shared);
        assert!(own_folder(folder).is_ok());
    }

    #[test]
    fn a_file_has_one_owner_and_each_file_its_own() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
        let _owner = own_file(&a).expect("free");
        assert!(matches!(own_file(&a), Err(Error::Locked { path }) if path == a));
        assert!(own_file(&b).is_ok());
    }
}
