//! The default folders of results.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The first of the folders `name`, `name-2`, `name-3`, … where `claim` finds no results of other settings,
/// with what it returns there.
///
/// # Errors
/// Those of `claim`, except for [`Error::Occupied`].
pub fn first_vacant<T>(name: &str, claim: impl Fn(&Path) -> Result<T>) -> Result<(PathBuf, T)> {
    let mut number = 1;
    loop {
        let folder = match number {
            1 => PathBuf::from(name),
            number => PathBuf::from(format!("{name}-{number}")),
        };
        match claim(&folder) {
            Err(Error::Occupied { .. }) => number += 1,
            claimed => return claimed.map(|claimed| (folder, claimed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_other_settings_are_passed_over_and_other_errors_are_not() {
        let occupied = |path: &Path| Error::Occupied {
            path: path.to_owned(),
            difference: String::new(),
        };
        let claim = |folder: &Path| match folder.to_str() {
            Some("runs/x-3") => Ok(3),
            _ => Err(occupied(folder)),
        };
        let found = first_vacant("runs/x", claim).expect("the third is free");
        assert_eq!(found, (PathBuf::from("runs/x-3"), 3));
        let locked = |folder: &Path| -> Result<()> {
            let path = folder.to_owned();
            Err(Error::Locked { path })
        };
        let error = first_vacant("runs/x", locked).expect_err("it is locked");
        assert!(matches!(error, Error::Locked { path } if path == Path::new("runs/x")));
    }
}
