//! Classes by number and by name.

use crate::error::DataFault;

/// The largest number of a class. A larger one is most likely a number to predict.
pub const LARGEST_CLASS: u32 = 65_535;

/// The classes of samples called `all`, as places in `known` or else in the sorted names, and the names
/// of the classes.
///
/// # Errors
/// [`DataFault::UnknownClass`] for a name that is not known.
pub fn class_indices(
    all: &[String],
    known: Option<&[String]>,
) -> Result<(Vec<String>, Vec<u32>), DataFault> {
    let names = match known {
        Some(known) => known.to_vec(),
        None => {
            let mut names = all.to_vec();
            names.sort();
            names.dedup();
            names
        }
    };
    let places: std::collections::HashMap<&str, u32> = (0..)
        .zip(&names)
        .map(|(place, name)| (name.as_str(), place))
        .collect();
    let place = |name: &String| match places.get(name.as_str()) {
        Some(&place) => Ok(place),
        None => Err(DataFault::UnknownClass {
            name: name.clone(),
            known: names.clone(),
        }),
    };
    let classes = all.iter().map(place).collect::<Result<_, _>>()?;
    Ok((names, classes))
}
